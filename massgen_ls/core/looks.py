"""What one state is asked again and again is worked out once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

_State = TypeVar("_State")
_Answer = TypeVar("_Answer")


def once(ask: Callable[[_State], _Answer]) -> Callable[[_State], _Answer]:
    """Remembers the answer about the last state that was asked about.

    A state never changes, so the same object has the same answer; between two events one state is
    asked the same by many rules. What is remembered is replaced by what the next state answers.
    """
    last: tuple[_State, _Answer] | None = None

    @wraps(ask)
    def asked(state: _State) -> _Answer:
        nonlocal last
        known = last  # read once: other threads may ask, too
        if known is not None and known[0] is state:
            return known[1]
        answer = ask(state)
        last = state, answer
        return answer

    return asked
