"""Cross-tests: which files are tests, who runs them, and what their results say."""

from __future__ import annotations

import pytest

from massgen_ls.core.candidate import CheckResult
from massgen_ls.core.changes import ChangeSet, FileChange, rel_path
from massgen_ls.core.crosstests import WHOLE, brought, is_test, owner, passes, telling
from massgen_ls.core.task import CheckSpec


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("test_a.py", True),
        ("src/deep/a_test.py", True),
        ("src/contest.py", False),
        ("tests/conftest.py", False),
        ("pkg/a_test.go", True),
        ("pkg/test.go", False),
        ("web/a.test.tsx", True),
        ("web/a.spec.mjs", True),
        ("web/test.js", False),
        ("tests/it.rs", True),
        ("src/lib.rs", False),
        ("src/test/java/OrderTest.java", True),
        ("src/Contest.java", False),
        ("spec/a_spec.rb", True),
    ],
)
def test_files_of_tests(path: str, expected: bool) -> None:
    assert is_test(path) == expected


def change(path: str, new_type: str | None = "file") -> FileChange:
    kind = "delete" if new_type is None else "add"
    return FileChange(kind, rel_path(path), new_oid="1", new_type=new_type)  # type: ignore[arg-type]


def test_what_tests_need_comes_with_them_and_nothing_else() -> None:
    changes = ["test_a.py", "a.py", "tests/files/x.txt", "conftest.py", "docs/fixtures.md"]
    found = brought(ChangeSet.of([*map(change, changes), change("test_b.py", None)]))
    assert found.tests == ("test_a.py",)
    assert found.laid == ("conftest.py", "test_a.py", "tests/files/x.txt")
    assert brought(ChangeSet.of([change("conftest.py")])).laid == ()


@pytest.mark.parametrize(
    ("argv", "files", "expected"),
    [
        ("{python} -m pytest -q", "test_a.py", "{python} -m pytest -q test_a.py"),
        (
            "pytest tests more -q -k slow --cov x -n 4 -x -p no:x",
            "test_a.py t/b_test.py",
            "pytest -q -k slow --cov x -n 4 -x -p no:x test_a.py t/b_test.py",
        ),
        ("uv run pytest -q tests", "test_a.py", "uv run pytest -q test_a.py"),
        ("npx vitest run", "a.test.ts test_a.py", "npx vitest run a.test.ts"),
        ("node --test", "a.test.js", "node --test a.test.js"),
        (
            "go test -race ./...",
            "p/a_test.go p/b_test.go a_test.go",
            "go test -race ./ ./p",
        ),
        ("make check", "test_a.py", "make check"),
    ],
)
def test_a_check_is_run_on_the_files_alone_where_its_runner_can(
    argv: str, files: str, expected: str
) -> None:
    lint = CheckSpec("lint", ("ruff", "check"))
    check = CheckSpec("tests", tuple(argv.split()))
    found = owner([lint, check], [rel_path(f) for f in files.split()], "")
    assert found is not None
    assert found.argv == tuple(expected.split())


def test_tests_outside_of_the_opened_folder_or_of_another_language_have_no_check() -> None:
    check = CheckSpec("unit", ("pytest",))
    assert owner([check], [rel_path("test_a.py")], "sub") is None
    inside = owner([check], [rel_path("sub/test_a.py")], "sub")
    assert inside is not None
    assert inside.argv == ("pytest", "test_a.py")
    assert owner([check], [rel_path("a_test.go")], "") is None
    assert owner([], [rel_path("test_a.py")], "") is None


def failed(*names: str, passed: tuple[str, ...] | None = None) -> CheckResult:
    return CheckResult("t", "x", "failed", names, 1, passed=passed)


def ok(*names: str) -> CheckResult:
    return CheckResult("t", "x", "passed", passed=names or None)


def test_only_what_fails_on_the_base_and_passes_for_its_author_tells() -> None:
    own = ok("m::a", "m::b", "m::old")
    assert telling(failed("m::a", "m::c", passed=("m::b",)), own, [], 9) == ("m::a",)
    assert telling(failed("m::a", "m::b"), own, [], 1) == ("m::a",), "no more than asked for"
    assert telling(failed("m::a", "m::old"), own, [failed("m::old")], 9) == ("m::a",)
    assert telling(ok("m::a"), own, [], 9) == ()


def test_a_file_that_the_base_cannot_read_is_taken_apart_by_its_author() -> None:
    assert telling(failed("m"), ok("m::a", "m::b", "n::c"), [], 9) == ("m::a", "m::b")
    assert telling(failed("m"), ok(), [], 9) == ("m",)


def test_without_names_the_whole_run_is_one_test() -> None:
    assert telling(failed(), ok("m::a"), [], 9) == (WHOLE,)
    assert telling(failed(), failed("m::a"), [], 9) == ()
    assert passes(ok(), WHOLE)
    assert not passes(failed("m::a"), WHOLE)


def test_whether_a_test_passes_in_a_run() -> None:
    assert passes(ok("m::a"), "m::a")
    assert passes(ok("m::a[1]"), "m::a")
    assert not passes(ok("m::b"), "m::a"), "it was not run"
    assert passes(ok(), "m::a"), "where nobody names what passed"
    assert not passes(failed("m"), "m::a")
    assert not passes(failed("m::a"), "m::a")
    assert not passes(failed("m::a"), "m")
    assert passes(failed("m::b", passed=("m::a",)), "m::a")
    assert not passes(failed(), "m::a")
    assert not passes(CheckResult("t", "x", "timed_out"), "m::a")
    assert passes(CheckResult("t", "x", "unjudged"), "m::a") is None
    assert passes(CheckResult("t", "x", "broken"), "m::a") is None
