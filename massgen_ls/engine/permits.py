"""An agent asks whether it may; the rule answers, or a person."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from massgen_ls.core.events import PermissionDecided
from massgen_ls.core.permissions import Action, Decision, Permissions, judge
from massgen_ls.core.task import RunId, SeatId
from massgen_ls.engine.world import World

_QUIET = frozenset({"read", "edit"})
"""Kinds that are not worth a line in the record when a rule allows them."""


@dataclass(frozen=True, slots=True)
class Permits:
    """Answers one seat."""

    world: World
    run: RunId
    seat: SeatId
    rule: Permissions
    emit: Callable[[PermissionDecided], Awaitable[None]]
    shown: Callable[[Action], Action] = lambda action: action
    """What a person is shown of an action: no keys."""

    async def confined(self, action: Action) -> Decision:
        """For an agent in a sandbox."""
        return await self._answer(action, judge(action, self.rule, confined=True))

    async def unconfined(self, action: Action) -> Decision:
        """For an agent with the user's own rights."""
        return await self._answer(action, judge(action, self.rule, confined=False))

    async def _answer(self, action: Action, decision: Decision) -> Decision:
        by = "rule"
        if decision.word == "ask":
            decision, by = await self._asked(action, decision.reason)
        if decision.word != "allow" or by != "rule" or action.kind not in _QUIET:
            await self.emit(
                PermissionDecided(self.seat, action, decision.word, decision.reason, by)
            )
        return decision

    async def _asked(self, action: Action, reason: str) -> tuple[Decision, str]:
        approver = self.world.approver
        if approver is None:
            hint = f'allow it in the configuration, e.g. `allow: ["{action.kind}:*"]`'
            return Decision("deny", f"{reason}, and nobody can be asked here; {hint}"), "rule"
        if await approver.ask(self.run, self.seat, self.shown(action), reason):
            return Decision("allow", "the user allowed it"), "user"
        return Decision("deny", "the user did not allow it"), "user"
