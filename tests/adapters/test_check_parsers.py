"""What failed, read from recorded outputs of the real tools, and from hostile text."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.adapters.checks import parsers

OUTPUTS = Path(__file__).parent / "outputs"
FOLDER = "/home/ada/shop"

RUFF = (
    "shapes.py: F401 `os` imported but unused",
    "shapes.py: F401 `sys` imported but unused",
    "shapes.py: I001 Import block is un-sorted or un-formatted",
    "tests/test_broken.py: F401 `nothing_such` imported but unused",
    "tests/test_pt.py: I001 Import block is un-sorted or un-formatted",
    "tests/test_shapes.py: I001 Import block is un-sorted or un-formatted",
)
TSC = (
    "a.ts: error TS2322: Type 'string' is not assignable to type 'number'.",
    "a.ts: error TS2345: Argument of type 'number' is not assignable to parameter of type"
    " 'string'.",
    "a.ts: error TS2551: Property 'lenght' does not exist on type 'string'. Did you mean 'length'?",
)

RECORDED = {
    "unittest": (
        "test_crash (tests.test_shapes.Area.test_crash)",
        "test_odd (tests.test_shapes.Area.test_odd)",
        "test_parts (tests.test_shapes.Area.test_parts) (side=3)",
        "test_parts (tests.test_shapes.Area.test_parts) (side=4)",
        "test_square (tests.test_shapes.Area.test_square)",
        "tests.test_broken (unittest.loader._FailedTest.tests.test_broken)",
    ),
    "unittest_3.8": (
        "setUpClass (tests.test_shapes.Stuck)",
        "test_crash (tests.test_shapes.Area)",
        "test_parts (tests.test_shapes.Area) (side=3)",
        "test_parts (tests.test_shapes.Area) (side=4)",
        "test_square (tests.test_shapes.Area)",
        "tests.test_broken (unittest.loader._FailedTest)",
    ),
    "unittest_3.13": (
        "setUpClass (tests.test_shapes.Stuck)",
        "test_crash (tests.test_shapes.Area.test_crash)",
        "test_odd (tests.test_shapes.Area.test_odd)",
        "test_parts (tests.test_shapes.Area.test_parts) (side=3)",
        "test_parts (tests.test_shapes.Area.test_parts) (side=4)",
        "test_square (tests.test_shapes.Area.test_square)",
        "tests.test_broken (unittest.loader._FailedTest.tests.test_broken)",
    ),
    "pytest": (
        "(side=3) tests/test_shapes.py::Area::test_parts",
        "(side=4) tests/test_shapes.py::Area::test_parts",
        "tests/test_pt.py::TestIn::test_m",
        "tests/test_pt.py::test_fixture",
        "tests/test_pt.py::test_param[1]",
        "tests/test_pt.py::test_param[a b]",
        "tests/test_shapes.py::Area::test_crash",
        "tests/test_shapes.py::Area::test_odd",
        "tests/test_shapes.py::Area::test_square",
    ),
    "ruff_concise": RUFF,
    "ruff_full": RUFF,
    "mypy": (
        "shapes.py: error: Incompatible return value type"
        ' (got "int", expected "str") [return-value]',
    ),
    "flake8": (
        "shapes.py: E302 expected 2 blank lines, found 0",
        "shapes.py: E302 expected 2 blank lines, found 0",
        "shapes.py: E401 multiple imports on one line",
        "shapes.py: F401 'os' imported but unused",
        "shapes.py: F401 'sys' imported but unused",
    ),
    "pyright": ('shapes.py: error: Type "int" is not assignable to return type "str"',),
    "tsc": TSC,
    "tsc_pretty": TSC,
    "eslint_stylish": (
        "b.js: error 'unused' is assigned a value but never used no-unused-vars",
        "b.js: error 'x' is not defined no-undef",
        "b.js: error 'y' is not defined no-undef",
        "b.js: warning Expected '===' and instead saw '==' eqeqeq",
    ),
    "eslint_unix": (
        "b.js: 'unused' is assigned a value but never used. [Error/no-unused-vars]",
        "b.js: 'x' is not defined. [Error/no-undef]",
        "b.js: 'y' is not defined. [Error/no-undef]",
        "b.js: Expected '===' and instead saw '=='. [Warning/eqeqeq]",
    ),
    "node_tap": ("group", "group > inner wrong", "wrong"),
    "node_spec": ("inner wrong", "wrong"),
    "jest": (
        "broken.test.js Test suite failed to run",
        "sum.test.js area › square",
        "sum.test.js top",
    ),
    "vitest": (
        "broken.test.js [ broken.test.js ]",
        "sum.test.js > area > square",
        "sum.test.js > top",
    ),
    "cargo_test": ("tests::panics", "tests::square"),
    "cargo_clippy": ("src/lib.rs: warning: unused variable: `unused`",),
    "cargo_short": (
        "src/lib.rs: warning: unused variable: `unused`: help: if this is intentional,"
        " prefix it with an underscore: `_unused`",
    ),
    "go_test": (
        "shop TestParts",
        "shop TestParts/four_by_four",
        "shop TestSquare",
        "shop/bad [build failed]",
    ),
    "go_vet": (
        'a.go: fmt.Printf format %d has arg "x" of wrong type string',
        'bad/b.go: cannot use "x" (untyped string constant) as int value in return statement',
    ),
    "gcc": (
        "c.c: error: ‘y’ undeclared (first use in this function)",
        "c.c: warning: control reaches end of non-void function [-Wreturn-type]",
        "c.c: warning: unused variable ‘x’ [-Wunused-variable]",
    ),
}


def recorded(name: str) -> str:
    text = (OUTPUTS / f"{name}.txt").read_text("utf-8")
    return parsers.tidy(text, (FOLDER,))


@pytest.mark.parametrize("name", RECORDED)
def test_names_what_a_real_tool_says_failed(name: str) -> None:
    assert parsers.read(recorded(name)) == RECORDED[name]


def test_every_recorded_output_has_its_row() -> None:
    assert {path.stem for path in OUTPUTS.glob("*.txt")} == set(RECORDED)


def test_names_the_failed_cases_of_a_real_report() -> None:
    report = parsers.junit((OUTPUTS / "junit.xml").read_bytes())
    assert report is not None
    assert report.passed == ("tests.test_pt::test_param[2]", "tests.test_shapes.Area::test_two")
    assert report.failed == (
        "tests.test_pt.TestIn::test_m",
        "tests.test_pt::test_fixture",
        "tests.test_pt::test_param[1]",
        "tests.test_pt::test_param[a b]",
        "tests.test_shapes.Area::test_crash",
        "tests.test_shapes.Area::test_odd",
        "tests.test_shapes.Area::test_parts",
        "tests.test_shapes.Area::test_square",
    )


@pytest.mark.parametrize("name", ["ruff_concise", "flake8", "mypy", "tsc", "gcc", "go_vet"])
def test_names_stay_when_lines_move(name: str) -> None:
    text = recorded(name)
    moved = text
    for line in range(60, 0, -1):
        moved = moved.replace(f":{line}:", f":{line + 7}:").replace(f"({line},", f"({line + 7},")
    assert moved != text
    assert parsers.read(moved) == parsers.read(text)


def test_a_measure_that_moves_a_little_is_the_same_finding() -> None:
    long, longer = (f"a.py:3:89: E501 Line too long ({n} > 88)" for n in (91, 97))
    assert parsers.read(long) == parsers.read(longer) == ("a.py: E501 Line too long (… > 88)",)
    first, second = (f"a.py:{n}:1: F811 redefinition of `f` from line {n - 2}" for n in (9, 12))
    assert parsers.read(first) == parsers.read(second)


def test_places_in_a_traceback_are_no_findings_of_a_test_run() -> None:
    text = recorded("pytest")
    assert "tests/test_shapes.py:6: AssertionError" in text
    assert not [name for name in parsers.read(text) if "AssertionError" in name]


@pytest.mark.parametrize(
    "line",
    [
        "10:30:22 INFO: starting",
        "2026-11-21T10:30:22 something",
        "http://localhost:8080: refused",
        "Error: 12 things",
        "make: *** [Makefile:3: test] Error 1",
        "a.py:3: note: see above",
        "",
        "\x00\x01\x02",
    ],
)
def test_other_lines_are_no_findings(line: str) -> None:
    assert parsers.read(line) == ()


def test_colours_and_the_worktree_path_are_taken_out() -> None:
    text = "\x1b[1m/w/t1/sub/a.py\x1b[0m:\x1b[36m3\x1b[0m: E1 bad in /w/t1/b.py\r\n"
    assert parsers.read(parsers.tidy(text, ("/w/t1/sub", "/w/t1"))) == ("a.py: E1 bad in b.py",)


def test_runners_one_after_another_are_added_up() -> None:
    both = recorded("go_test") + recorded("cargo_test")
    assert parsers.read(both) == tuple(sorted((*RECORDED["go_test"], *RECORDED["cargo_test"])))


ENTITY = '<!DOCTYPE x [<!ENTITY a "b">]><testsuites><testcase name="&a;"/></testsuites>'
BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1 or str()};" * 10}">' for n in range(1, 9))
    + ']><testsuites><testcase name="&a8;"/></testsuites>'
)


@pytest.mark.parametrize(
    "report",
    [
        ENTITY.encode(),
        codecs.BOM_UTF16_LE + f'<?xml version="1.0" encoding="utf-16"?>{ENTITY}'.encode("utf-16le"),
        BOMB.encode(),
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><testsuites/>',
        b"<testsuites><testcase name='cut'",
        b"<html></html>",
        b"",
        b"\xff\xfe\x00",
        b'<?xml version="1.0" encoding="no-such"?><testsuites/>',
    ],
)
def test_what_is_no_plain_report_is_refused(report: bytes) -> None:
    assert parsers.junit(report) is None


def test_a_report_without_failures_names_none() -> None:
    report = parsers.junit(b'<testsuite><testcase name="a"/></testsuite>')
    assert report == parsers.Report((), ("a",))


def test_a_deep_report_does_no_harm() -> None:
    deep = b"<testsuite>" + b"<a>" * 50_000 + b"</a>" * 50_000 + b"</testsuite>"
    assert parsers.junit(deep) == parsers.Report((), ())


def test_a_skipped_case_did_not_pass_and_one_that_failed_later_neither() -> None:
    report = parsers.junit(
        b'<testsuite><testcase name="a"><skipped/></testcase><testcase name="b"/>'
        b'<testcase name="b"><error/></testcase><testcase name="c"/></testsuite>'
    )
    assert report == parsers.Report(("b",), ("c",))


def test_far_too_many_passed_tests_are_not_kept() -> None:
    cases = b"".join(b'<testcase name="t%d"/>' % n for n in range(parsers.MOST_PASSED + 1))
    assert parsers.junit(b"<testsuite>" + cases + b"</testsuite>") == parsers.Report((), None)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            "running 2 tests\ntest a::b ... ok\ntest c ... FAILED\n\nrunning 1 test\n"
            "test src/lib.rs - f (line 3) ... ok\n",
            ("a::b", "src/lib.rs - f (line)"),
        ),
        (
            "=== RUN   TestA\n--- PASS: TestA (0.00s)\n=== RUN   TestB\n"
            "    --- PASS: TestB/x (0s)\n"
            "--- FAIL: TestB (0.00s)\nFAIL\nFAIL\tm/p\t0.1s\n",
            ("m/p TestA", "m/p TestB/x"),
        ),
        ("--- FAIL: TestB (0.00s)\nFAIL\nFAIL\tm/p\t0.1s\nok  \tm/q\t0.1s\n", None),
        (
            "TAP version 13\n# Subtest: s\n    ok 1 - one\n    not ok 2 - two\n"
            "    ok 3 - x # SKIP\n"
            "not ok 1 - s\n",
            ("s > one",),
        ),
        ("TAP version 13\nok 1 - a\nrunning 1 test\ntest b ... ok\n", None),
        ("ok 1 - not a report\n", None),
        ("1 passed in 0.1s\n", None),
        ("..\n\nRan 2 tests in 0.1s\n", None),
        ("Ran 0 tests in 0.1s\n", ()),
        ("a (m.T.a) ... ok\n\nRan 2 tests in 0.1s\n", None),
        ("a (m.T.a) ... gone\n\nRan 1 test in 0.1s\n", None),
        ("a (m.T.a) ... all ok\nFAIL\n\nRan 1 test in 0.1s\n", ()),
        ("a (m.T.a) ... out\nskipped 'ok'\nb (m.T.b) ... ok\nRan 2 tests in 1s", ("b (m.T.b)",)),
    ],
)
def test_passed_tests_are_named_where_all_of_them_are(
    text: str, names: tuple[str, ...] | None
) -> None:
    assert parsers.passed(text) == names


UNITTEST = ("good_parts", "loud", "noisy", "told", "two")
"""The tests that pass, as they are named behind ``test_``."""


@pytest.mark.parametrize("name", ["unittest_3.8", "unittest_3.13"])
def test_what_unittest_says_of_passed_tests(name: str) -> None:
    where = "tests.test_shapes.Area"
    new = name == "unittest_3.13"
    tests = [f"test_{test}" for test in UNITTEST]
    assert parsers.passed(recorded(name)) == tuple(
        f"{test} ({where}.{test})" if new else f"{test} ({where})" for test in tests
    )


def test_far_too_many_failures_have_no_names() -> None:
    line = "a.py:1:1: E1 bad\n"
    assert len(parsers.read(line * 500)) == 500
    assert parsers.read(line * (parsers.MOST_FAILURES + 1)) == ()


def test_a_name_is_never_endless() -> None:
    (name,) = parsers.read(f"a.py:1:1: {'x' * 9_000}")
    assert len(name) == parsers.LONGEST_NAME


# Pieces that the patterns look for, so that random text comes near to them.
PIECES = st.sampled_from(
    (
        *"=:-> \n.(a1",
        *("FAIL", "FAIL\t", "not ok 1 - ", "# Subtest: ", "failures:\n    ", "● ", "✖ ", "=" * 70),
        *("--> ", "short test summary info", "a.py:1:1: ", "\x1b]", "\x1b[0m", "--- FAIL: "),
        *("t (m.t)", " ... ", "ok\n", "skipped 'x'\n", "\nRan 1 test in ", "FAIL: t (m.t)\n"),
    )
)


@given(st.lists(PIECES, max_size=60).map("".join))
def test_any_text_is_read_without_an_error(text: str) -> None:
    found = parsers.read(parsers.tidy(text, ("/",)))
    passed = parsers.passed(parsers.tidy(text)) or ()
    for names in (found, passed):
        assert list(names) == sorted(names)
        assert all("\n" not in name for name in names)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece",
    [
        *("=", " ", "a", "● ", "--- FAIL: ", "✖ (1", "    x\n", "a.py:1:1: x\n", "\x1b]", "( "),
        *("not ok 1 ", "a:1", "FAIL\t", " (1 > ", "t (m.t) ... ", "t (m.t)\n", "skipped '"),
    ],
)
def test_megabytes_of_the_same_are_read_in_linear_time(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    parsers.read(parsers.tidy(f"failures:\n{text}\n✖ failing tests:\n✖ {text}"))
    parsers.passed(f"t (m.t) ... {text}\nRan 1 test in 1s")
