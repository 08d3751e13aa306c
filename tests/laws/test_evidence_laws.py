"""Laws of evidence."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.core.candidate import CheckOutcome, CheckResult
from massgen_ls.core.evidence import weigh

names = st.lists(st.sampled_from("abcd"), max_size=5).map(lambda found: tuple(sorted(found)))


def result(outcome: CheckOutcome, failures: tuple[str, ...], code: int) -> CheckResult:
    if outcome == "passed":
        return CheckResult("t", "x", outcome, (), 0)
    return CheckResult("t", "x", outcome, failures if outcome == "failed" else (), code)


results = st.builds(
    result,
    st.sampled_from(["passed", "failed", "failed", "timed_out", "broken"]),
    names,
    st.sampled_from([1, 2]),
)
runs = st.lists(results, min_size=1, max_size=2)
named = st.lists(
    names.filter(bool).map(lambda failures: result("failed", failures, 1))
    | st.just(result("passed", (), 0)),
    min_size=1,
    max_size=2,
)


@given(runs)
def test_a_candidate_equal_to_the_base_breaks_and_mends_nothing(base: list[CheckResult]) -> None:
    told = weigh("t", base, base)
    assert told.new_failures == ()
    assert told.fixed == ()


@given(named, named, st.sampled_from("abcd"))
def test_one_more_failure_of_the_base_never_adds_a_new_one(
    base: list[CheckResult], mine: list[CheckResult], failure: str
) -> None:
    # In every run: a failure that only some runs have makes its name flaky, which is another law.
    worse = [
        replace(
            run, outcome="failed", failures=tuple(sorted((*run.failures, failure))), exit_code=1
        )
        for run in base
    ]
    before = Counter(weigh("t", base, mine).new_failures)
    assert Counter(weigh("t", worse, mine).new_failures) <= before


@given(runs, runs)
def test_the_order_of_runs_does_not_matter(
    base: list[CheckResult], mine: list[CheckResult]
) -> None:
    assert weigh("t", base, mine) == weigh("t", base[::-1], mine[::-1])


@given(runs, runs)
def test_nothing_is_new_mended_and_flaky_at_once(
    base: list[CheckResult], mine: list[CheckResult]
) -> None:
    told = weigh("t", base, mine)
    new, fixed, flaky = map(set, (told.new_failures, told.fixed, told.flaky))
    assert not new & fixed
    assert not (new | fixed) & flaky


@given(runs, runs)
def test_passing_always_clears(base: list[CheckResult], mine: list[CheckResult]) -> None:
    assert weigh("t", base, [*mine, result("passed", (), 0)]).clears


@given(st.lists(results, max_size=2), runs)
def test_a_new_failure_is_in_every_run_of_the_candidate(
    base: list[CheckResult], mine: list[CheckResult]
) -> None:
    pseudo = {"t timed out", "t could not be started", "t exits 1", "t exits 2"}
    for failure in weigh("t", base, mine).new_failures:
        assert failure in pseudo or all(failure in run.failures for run in mine)
