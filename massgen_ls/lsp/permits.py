"""An agent wants to do what no rule allows or forbids: its user is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from massgen_ls.core.permissions import Action, ActionKind
from massgen_ls.core.task import RunId, SeatId

ONCE, ALWAYS, NEVER = "Allow", "Allow all of this kind in this run", "Deny"
PATIENCE = 300.0
"""Seconds after which silence is a no: the agent waits meanwhile."""
_SHOWN = 300

_VERBS: dict[ActionKind, str] = {
    "read": "read",
    "edit": "change",
    "run": "run",
    "fetch": "fetch",
    "other": "use",
}


class AskingApprover:
    """`ports.Approver` that asks in the editor, one question at a time.

    Args:
        choose: Shows a question with its answers; None when the user looked away.
        patience: Seconds to wait for an answer.
    """

    def __init__(
        self,
        choose: Callable[[str, Sequence[str]], Awaitable[str | None]],
        patience: float = PATIENCE,
    ) -> None:
        self._choose = choose
        self._patience = patience
        self._turn = asyncio.Lock()
        self._always: set[tuple[RunId, SeatId, ActionKind]] = set()

    async def ask(self, run: RunId, seat: SeatId, action: Action, reason: str) -> bool:
        """Whether the action is allowed."""
        key = (run, seat, action.kind)
        async with self._turn:
            if key in self._always:
                return True
            target = " ".join(action.target.split())
            if len(target) > _SHOWN:
                target = f"{target[:_SHOWN]}…"
            what = f"{_VERBS[action.kind]} {target or action.tool}"
            message = f"massgen: may {seat} {what}? ({reason})"
            try:
                async with asyncio.timeout(self._patience):
                    answer = await self._choose(message, (ONCE, ALWAYS, NEVER))
            except TimeoutError:
                return False
            if answer == ALWAYS:
                self._always.add(key)
            return answer in {ONCE, ALWAYS}
