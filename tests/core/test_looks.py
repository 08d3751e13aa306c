"""What is asked of one state again and again."""

from __future__ import annotations

import pytest

from massgen_ls.core.looks import once
from massgen_ls.core.run_state import RunState


def test_the_same_state_is_worked_out_once_and_another_one_anew() -> None:
    asked: list[RunState] = []

    @once
    def answer(state: RunState) -> int:
        asked.append(state)
        return len(asked)

    one, equal = RunState(folder="/a"), RunState(folder="/a")
    assert [answer(one), answer(one), answer(equal), answer(equal), answer(one)] == [1, 1, 2, 2, 3]


def test_what_went_wrong_is_not_remembered() -> None:
    @once
    def answer(state: list[int]) -> int:
        return state[0]

    state: list[int] = []
    with pytest.raises(IndexError):
        answer(state)
    state.append(7)
    assert answer(state) == 7
