"""The base's own tests, held against a candidate that changes them: what counts for what."""

from __future__ import annotations

from typing import get_args

import pytest

from massgen_ls.core.basetests import broken, changed
from massgen_ls.core.candidate import CheckOutcome, CheckResult
from massgen_ls.core.changes import ChangeSet, FileChange, rel_path
from massgen_ls.core.crosstests import WHOLE


def run(
    *failures: str, passed: tuple[str, ...] | None = None, outcome: CheckOutcome | None = None
) -> CheckResult:
    return CheckResult(
        "k", "t", outcome or ("failed" if failures else "passed"), failures, passed=passed
    )


BASE = run("m::known", passed=("m::a", "m::b", "n::c"))


def test_what_fails_now_and_passes_on_the_base_is_broken() -> None:
    assert broken([BASE], [run("m::a", "m::known")]) == ("m::a",)
    assert broken([BASE], [run()]) == ()


def test_a_file_that_cannot_be_read_any_more_breaks_all_of_its_tests() -> None:
    assert broken([BASE], [run("m")]) == ("m::a", "m::b")


def test_a_test_that_the_base_does_not_have_is_none_of_its_own() -> None:
    assert broken([BASE], [run("m::new")]) == ()


def test_what_comes_and_goes_counts_for_nobody() -> None:
    assert broken([BASE], [run("m::a", "m::b"), run("m::b")]) == ("m::b",)
    assert broken([BASE, run("m::a", passed=("m::b",))], [run("m::a", "m::b")]) == ("m::b",)


def test_where_passed_tests_have_no_names_new_failures_count() -> None:
    assert broken([run("x")], [run("x", "y")]) == ("y",)


def test_where_tests_have_no_names_at_all_the_whole_run_counts() -> None:
    nameless = run(outcome="failed")
    assert broken([run()], [nameless]) == (WHOLE,)
    assert broken([nameless], [nameless]) == ()
    assert broken([nameless], [run("x")]) == ()


@pytest.mark.parametrize("outcome", sorted({*get_args(CheckOutcome)} - {"passed", "failed"}))
def test_what_could_not_be_judged_says_nothing(outcome: CheckOutcome) -> None:
    assert broken([BASE], [run(outcome=outcome)]) == ()
    assert broken([run(outcome=outcome)], [run("m::a")]) == ()
    assert broken([], [run("m::a")]) == ()
    assert broken([BASE], []) == ()


def file(kind: str, path: str, old: str | None = None) -> FileChange:
    there = kind != "add"
    return FileChange(
        kind,  # pyright: ignore[reportArgumentType]
        rel_path(path),
        rel_path(old) if old else None,
        old_type="file" if there else None,
        new_type=None if kind == "delete" else "file",
    )


def test_tests_of_the_base_are_those_that_it_has_and_the_change_does_not_leave_alone() -> None:
    changes = ChangeSet.of(
        [
            file("modify", "m.py"),
            file("add", "tests/test_new.py"),
            file("modify", "tests/test_m.py"),
            file("delete", "tests/test_gone.py"),
            file("rename", "tests/test_here.py", "tests/test_there.py"),
            file("modify", "tests/expected.txt"),
        ]
    )
    found = changed(changes)
    assert set(found.tests) == {
        "tests/test_m.py",
        "tests/test_gone.py",
        "tests/test_there.py",
    }
    assert set(found.laid) == {*found.tests, "tests/expected.txt"}
    assert changed(ChangeSet.of([file("add", "test_a.py"), file("modify", "m.py")])).laid == ()
