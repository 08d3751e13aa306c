"""Evidence: what a check says about a candidate, in a table of small runs."""

from __future__ import annotations

from dataclasses import replace

from massgen_ls.core.candidate import CheckOutcome, CheckResult, Evidence
from massgen_ls.core.evidence import looks_flaky, parts_above, weigh


def run(outcome: CheckOutcome, *failures: str, code: int | None = 1) -> CheckResult:
    return CheckResult("t", "tree", outcome, failures, None if outcome == "passed" else code)


OK = run("passed")


def failed(*failures: str, code: int = 1) -> CheckResult:
    return run("failed", *failures, code=code)


def test_a_failure_of_the_base_is_held_against_nobody() -> None:
    told = weigh("t", [failed("a", "b")], [failed("a", "c")])
    assert told == Evidence("t", "failed", ("c",), ("b",), ())
    assert not told.clears
    assert weigh("t", [failed("a")], [failed("a")]).clears


def test_a_finding_that_occurs_once_more_is_new() -> None:
    told = weigh("t", [failed("a", "a")], [failed("a", "a", "a")])
    assert (told.new_failures, told.fixed) == (("a",), ())


def test_passing_where_the_base_fails_speaks_for_a_candidate() -> None:
    assert weigh("t", [failed("a", "b")], [OK]).fixed == ("a", "b")


def test_what_comes_and_goes_on_the_base_counts_for_nobody() -> None:
    told = weigh("t", [failed("a", "b"), failed("b")], [failed("a")])
    assert told == Evidence("t", "failed", (), ("b",), ("a",))
    assert weigh("t", [OK, failed("a")], [OK]).fixed == ()


def test_what_comes_and_goes_on_the_candidate_is_not_held_against_it() -> None:
    told = weigh("t", [OK, OK], [failed("a", "b"), failed("b")])
    assert (told.new_failures, told.flaky) == (("b",), ("a",))


def test_a_failure_without_a_name_is_named_by_its_check() -> None:
    assert weigh("t", [OK], [failed()]).new_failures == ("t exits 1",)
    assert weigh("t", [failed()], [failed()]).clears
    assert weigh("t", [failed()], [OK]).fixed == ("t exits 1",)
    assert weigh("t", [failed("a")], [failed(code=2)]).new_failures == ("t exits 2",)


def test_a_run_that_names_nothing_has_mended_nothing() -> None:
    assert weigh("t", [failed("a")], [failed()]).fixed == ()
    assert weigh("t", [failed("a")], [run("timed_out")]).fixed == ()


def test_getting_further_than_the_base_is_not_punished() -> None:
    told = weigh("t", [failed(code=2)], [failed("a", "b")])
    assert told.clears
    assert "nothing can be compared" in told.note


def test_hanging_and_not_starting_are_failures_of_their_own() -> None:
    assert weigh("t", [OK], [run("timed_out")]).new_failures == ("t timed out",)
    assert weigh("t", [OK], [run("broken")]).new_failures == ("t could not be started",)
    for code in (0, 5):
        assert weigh("t", [OK], [run("broken", code=code)]).new_failures == ("t ran no tests",)


def test_a_base_that_was_never_judged_says_nothing() -> None:
    for base in ([], [run("broken")], [run("timed_out"), run("broken")]):
        told = weigh("t", base, [failed("a")])
        assert told.clears
        assert not told.fixed
        assert "says nothing" in told.note


def test_a_base_that_hung_once_makes_hanging_flaky() -> None:
    told = weigh("t", [failed("a"), run("timed_out")], [run("timed_out")])
    assert told.clears
    assert told.flaky == ("t timed out",)
    assert weigh("t", [OK, run("timed_out")], [failed("a")]).new_failures == ("a",)


def test_the_best_run_is_the_outcome() -> None:
    assert weigh("t", [OK], [failed("a"), OK]).outcome == "passed"
    assert weigh("t", [OK], []).outcome == "broken"


def test_a_second_look_is_for_what_would_shut_a_candidate_out() -> None:
    assert looks_flaky([OK], [failed("a")])
    assert looks_flaky([OK, OK], [failed("a")])
    assert not looks_flaky([OK, OK], [failed("a"), failed("a")])
    assert not looks_flaky([failed("a")], [failed("a")])
    assert not looks_flaky([run("broken")], [failed("a")])
    assert not looks_flaky([], [failed("a")])
    assert not looks_flaky([OK], [])


def passing(*names: str) -> CheckResult:
    return replace(OK, passed=names)


def test_a_failure_that_went_away_with_its_test_is_not_mended() -> None:
    told = weigh("t", [failed("m::a", "m::b")], [passing("m::b", "m::c")])
    assert told.fixed == ("m::b",)
    assert told.note == "t: 1 failure of the base went away with the tests themselves"
    assert weigh("t", [failed("m::a")], [replace(failed("x"), passed=())]).fixed == ()
    assert weigh("t", [failed("m::a")], [OK]).fixed == ("m::a",), "nobody knows: as ever"


def test_a_file_that_can_be_read_again_is_mended_when_one_of_its_tests_passes() -> None:
    assert weigh("t", [failed("tests.m")], [passing("tests.m::a")]).fixed == ("tests.m",)
    assert weigh("t", [failed("m::a")], [passing("m::a[1]", "m::a[2]")]).fixed == ("m::a",)
    assert weigh("t", [failed("tests.m")], [passing("tests.m2::a")]).fixed == ()
    assert weigh("t", [failed(code=2)], [passing("m::a")]).fixed == ("t exits 2",)


def test_what_unittest_says_in_a_tests_place_is_mended_when_the_test_passes() -> None:
    for passes, fails in (
        ("a (tests.m.C.a)", "tests.m (unittest.loader._FailedTest.tests.m)"),
        ("a (tests.m.C)", "tests.m (unittest.loader._FailedTest)"),
        ("a (tests.m.C.a)", "setUpClass (tests.m.C)"),
        ("a (tests.m.C)", "setUpClass (tests.m.C)"),
        ("a (tests.m.C.a)", "tearDownModule (tests.m)"),
        ("a (tests.m.C.a)", "a (tests.m.C.a) (side=3)"),
        ("a (tests.m.C)", "a (tests.m.C) [of two] (side=3)"),
    ):
        assert weigh("t", [failed(fails)], [passing(passes)]).fixed == (fails,)
        assert weigh("t", [failed(fails)], [passing("a (tests.m2.D.a)")]).fixed == ()
    assert weigh("t", [failed("a (m.C.a)")], [passing("b (m.C.b)")]).fixed == ()


def test_the_parts_above_a_test() -> None:
    assert list(parts_above("tests.m.C::a[1]")) == ["tests", "tests.m", "tests.m.C", "tests.m.C::a"]
    assert list(parts_above("m/p TestA/x")) == ["m", "m/p", "m/p TestA"]
    assert list(parts_above("s > one")) == ["s"]
