"""Laws of cross-tests: what comes and goes on one tree counts for nobody."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from massgen_ls.core.candidate import CheckResult
from massgen_ls.core.coordination import CrossTest, next_steps
from massgen_ls.core.crosstests import passes
from massgen_ls.core.events import CheckFinished, CrossTested
from massgen_ls.core.run_state import RunState, evolve, fold
from massgen_ls.core.scoring import cross_rows
from tests.laws.histories import BASE, FAILURES, TREES, candidate, made, spec, started

Looks = Mapping[CrossTest, frozenset[str]]
"""What fails in each run of one author's tests on another tree."""

looks = st.fixed_dictionaries(
    {
        CrossTest(author, onto, repeat): st.frozensets(st.sampled_from(FAILURES))
        for author in TREES
        for onto in (BASE, *TREES)
        for repeat in (0, 1)
        if author != onto
    }
)


def judged() -> RunState:
    """Three candidates that pass everything, each with the same tests."""
    state = started(spec(3, 1))
    for number, tree in enumerate(TREES):
        state = fold(
            made(f"a{number}", candidate(f"a{number}", tree, number + 1, tests=True)), state
        )
    passed = [CheckResult("k0", tree, "passed", passed=FAILURES) for tree in (BASE, *TREES)]
    return fold(map(CheckFinished, passed), state)


def result(step: CrossTest, failing: frozenset[str]) -> CheckResult:
    passed = tuple(sorted(set(FAILURES) - failing))
    if not failing:
        return CheckResult("k0", step.onto, "passed", passed=passed)
    return CheckResult("k0", step.onto, "failed", tuple(sorted(failing)), passed=passed)


def tried(told: Looks, *, last: bool) -> RunState:
    """The state when every cross-test that was asked for has run, the last one first or not."""
    state = judged()
    while wanted := sorted((s for s in next_steps(state) if isinstance(s, CrossTest)), key=repr):
        step = wanted[-1 if last else 0]
        found = result(step, told[step])
        state = evolve(state, CrossTested(step.author, step.onto, found, step.repeat))
    return state


@given(looks)
@settings(max_examples=40)
def test_what_comes_and_goes_on_one_tree_counts_for_nobody(told: Looks) -> None:
    state = tried(told, last=False)
    for row in cross_rows(state):
        for onto in {BASE, *TREES} - {row.author}:
            runs = [state.crossed_with(row.author, onto, repeat) for repeat in (0, 1)]
            assert len({passes(run, row.test) for run in runs if run}) == 1


@given(looks)
@settings(max_examples=40)
def test_a_failure_that_others_do_not_have_was_seen_twice(told: Looks) -> None:
    state = tried(told, last=False)
    for row in cross_rows(state):
        if 1 < len(row.passed) < len(TREES):
            for onto in {BASE, *TREES} - row.passed:
                assert state.crossed_with(row.author, onto, 1) is not None


@given(looks)
@settings(max_examples=40)
def test_the_order_of_runs_has_no_say(told: Looks) -> None:
    first, last = tried(told, last=False), tried(told, last=True)
    assert sorted(cross_rows(first), key=repr) == sorted(cross_rows(last), key=repr)


def test_where_everybody_passes_nothing_is_run_twice() -> None:
    fails_on_base = {
        CrossTest(author, onto, 0): frozenset(FAILURES if onto == BASE else ())
        for author in TREES
        for onto in (BASE, *TREES)
    }
    state = tried(fails_on_base, last=False)
    assert len(cross_rows(state)) == len(TREES) * len(FAILURES)
    assert {run.repeat for run in state.crossed} == {0}
