"""An ACP agent asks for permission: what it wants in our words, and which of its options is taken.

Only options for this one time are ever taken. ``allow_always`` would make the agent remember a
decision that belongs to the user's configuration.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

from massgen_ls.adapters.agents.acp.events import Feed, permitted
from massgen_ls.adapters.agents.attempt.settings import from_top, inside
from massgen_ls.adapters.agents.program.members import Object, inner, objects, text
from massgen_ls.core.permissions import Action
from massgen_ls.core.task import Json
from massgen_ls.ports import Place

_PATHS = frozenset({"read", "edit"})


class Permit:
    """Decides for one session.

    Args:
        place: Where its agent works, and who decides.
        judging: Whether it is asked for a judgement, for which nothing is allowed that changes
            anything.
    """

    def __init__(self, place: Place, *, judging: bool) -> None:
        self._place = place
        self._judging = judging
        access = place.access
        # A feed of its own: what is asked here is told by the session's.
        self._feed = Feed(place.path, access.name if access else "", access.tools if access else ())
        self.session = ""

    async def decide(self, params: Object) -> Json:
        """Answers ``session/request_permission``."""
        actions = await asyncio.to_thread(self._actions, inner(params, "toolCall"))
        allowed = True
        for action in actions:
            # Of several files each is asked about: leave for one is no leave for the others.
            allowed = allowed and await self._allows(action)
        chosen = option(objects(params.get("options")), allowed=allowed)
        if chosen is None:
            return {"outcome": {"outcome": "cancelled"}}
        return {"outcome": {"outcome": "selected", "optionId": chosen}}

    async def _allows(self, action: Action) -> bool:
        if self._judging and action.kind != "read":
            return False
        if self._place.approve is None:
            return False
        return (await self._place.approve(action)).word == "allow"

    def _actions(self, call: Object) -> list[Action]:
        """What it wants, one action for each path. None: our own tools decide for themselves."""
        _, use = self._feed.wanted(call)
        if self._feed.own_tool(use):
            return []
        named, target = self._feed.named(use)
        kind = permitted(named)
        place = self._place
        paths = [text(diff, "path") for diff in use.diffs] + use.paths
        tool = use.title if kind != "other" else named
        if kind not in _PATHS:
            return [Action(kind, target, tool)]
        every = dict.fromkeys(path for path in (use.path, *paths) if path)
        return [
            Action(kind, from_top(os.path.normpath(path), place.path), tool, within)
            for path in every
            for within in (inside(path, place.path, place.home),)
        ] or [Action(kind, target, tool, inside=False)]


def option(options: Sequence[Object], *, allowed: bool) -> str | None:
    """The id of the option to take; None when none of them says what is meant."""
    wanted = ("allow_once",) if allowed else ("reject_once", "reject_always")
    for kind in wanted:
        for one in options:
            if one.get("kind") == kind and text(one, "optionId"):
                return text(one, "optionId")
    return None
