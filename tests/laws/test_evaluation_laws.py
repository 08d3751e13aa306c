"""Laws of measuring a choice: bounds, and no number depends on an order."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.core.evaluation import CaseResult, Trial, summary


@st.composite
def results(draw: st.DrawFn) -> CaseResult:
    trials = tuple(
        Trial(f"t{n}", draw(st.booleans()), draw(st.sampled_from(["", "x", "y", "z"])))
        for n in range(draw(st.integers(1, 6)))
    )
    chosen = draw(st.sampled_from([None, *(t.name for t in trials)]))
    return CaseResult("case", trials, chosen)


CASES = st.lists(results(), max_size=6)


@given(CASES)
def test_every_share_is_between_nothing_and_the_oracle(cases: list[CaseResult]) -> None:
    told = summary(cases)
    for share in (told.mean, told.random, told.majority, told.selected):
        assert 0 <= share <= told.oracle <= 1
    if told.gap_closed is not None:
        assert told.gap_closed <= 1
        assert (told.gap_closed >= 0) == (told.selected >= told.mean)
    else:
        assert told.mean == told.oracle


@given(CASES, st.randoms(use_true_random=False))
def test_no_order_of_cases_or_candidates_changes_a_number(
    cases: list[CaseResult], chance: random.Random
) -> None:
    shuffled = [
        replace(case, trials=tuple(chance.sample(case.trials, len(case.trials)))) for case in cases
    ]
    chance.shuffle(shuffled)
    assert summary(shuffled) == summary(cases)


@given(CASES)
def test_choosing_what_is_right_closes_the_gap_and_nothing_else_does_better(
    cases: list[CaseResult],
) -> None:
    perfect = [
        replace(c, chosen=next((t.name for t in c.trials if t.resolved), None)) for c in cases
    ]
    told = summary(perfect)
    assert told.selected == told.oracle
    assert told.gap_closed in (None, 1.0)
    assert told.abstention_precision in (None, 1.0)
    assert told.selected >= summary(cases).selected


@given(CASES)
def test_abstaining_never_resolves_anything(cases: list[CaseResult]) -> None:
    silent = summary([replace(case, chosen=None) for case in cases])
    assert silent.selected == 0
    assert silent.abstained == len(cases)


@given(results())
def test_a_copy_of_each_candidate_changes_no_share(case: CaseResult) -> None:
    copies = tuple(replace(t, name=f"{t.name}'") for t in case.trials)
    doubled = replace(case, trials=case.trials + copies)
    for told in (case, doubled):
        assert told.mean == case.mean
        assert told.random == case.random
        assert told.majority == case.majority
        assert told.oracle == case.oracle
