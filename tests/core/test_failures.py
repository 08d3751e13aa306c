"""Whether, and when, an agent that failed is tried again."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.core.failures import FAILURE_KINDS, Backoff, FailureKind, next_try

TIMES: dict[FailureKind, int] = {
    "auth": 1, "rate_limit": 4, "overloaded": 4, "network": 3, "context": 1, "refused": 1,
    "turns": 1, "timeout": 1, "crashed": 2, "protocol": 2, "missing": 1, "config": 1,
}  # fmt: skip
"""How often an agent is tried in all."""

kinds = st.sampled_from([None, *sorted(FAILURE_KINDS)])
chances = st.floats(0, 1)
waits = st.none() | st.floats(allow_nan=True, allow_infinity=True)


def test_the_table_knows_every_kind() -> None:
    assert TIMES.keys() == FAILURE_KINDS == set(get_args(FailureKind))


@pytest.mark.parametrize(("kind", "times"), TIMES.items())
def test_every_kind_is_tried_as_often_as_it_can_help(kind: FailureKind, times: int) -> None:
    tried = 1
    while next_try(kind, tried, None, 0.5) is not None:
        tried += 1
    assert tried == times


def test_a_failure_of_no_known_kind_is_not_tried_again() -> None:
    assert next_try(None, 1, 1.0, 0.5) is None


def test_pauses_grow_to_a_bound_with_jitter_below_them() -> None:
    steep = Backoff(first=2.0, factor=10.0, most=60.0)
    full = [next_try("rate_limit", n, None, 1.0, steep) for n in (1, 2, 3)]
    half = [next_try("rate_limit", n, None, 0.0, steep) for n in (1, 2, 3)]
    assert (full, half) == ([2.0, 20.0, 60.0], [1.0, 10.0, 30.0])


@pytest.mark.parametrize(
    ("asked", "pause"),
    [(0.0, 0.5), (-9.0, 0.5), (7.0, 7.5), (300.0, 300.5), (300.1, None), (float("inf"), None)],
)
def test_what_the_service_asks_for_is_kept_or_not_waited_for(
    asked: float, pause: float | None
) -> None:
    assert next_try("overloaded", 1, asked, 1.0) == pause


@given(kinds, st.integers(1, 50), waits, chances)
def test_a_pause_is_finite_never_negative_and_never_before_the_service_said(
    kind: FailureKind | None, tries: int, asked: float | None, chance: float
) -> None:
    pause = next_try(kind, tries, asked, chance)
    if pause is None:
        return
    rule = Backoff()
    assert 0 <= pause <= rule.patience + rule.most
    if asked is not None and asked == asked and kind not in {"crashed", "protocol"}:
        assert pause >= asked


@given(kinds, st.integers(1, 50), waits, chances)
def test_who_was_given_up_stays_given_up(
    kind: FailureKind | None, tries: int, asked: float | None, chance: float
) -> None:
    if next_try(kind, tries, asked, chance) is None:
        assert next_try(kind, tries + 1, asked, chance) is None
