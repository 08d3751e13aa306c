"""Whether a folder may have its way: what the editor says of it, and the question to its user."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import cast

from pygls.exceptions import JsonRpcException

from massgen_ls.core.task import Json, RunSpec
from massgen_ls.core.trust import Claim, Decision, UntrustedError, Word
from massgen_ls.core.wording import counted, one_line
from massgen_ls.lsp import uris
from massgen_ls.lsp.desk import Desk
from massgen_ls.lsp.fields import ParamsError
from massgen_ls.lsp.server import MassgenServer

TRUST, SHOW, NOT_NOW = "Trust and run", "Show what it would do", "Not now"
_EXCERPT = 3
"""How much of what a folder wants fits into a question."""
_ROUNDS = 3
"""Contents that a user is asked about in a row, when they change while they answer."""


class Trusting:
    """What this editor says about trust, and how its user is asked.

    An editor that has a notion of its own says ``trusted`` when it starts, and ``massgen/trust``
    when it changes its mind. Settings may only say no: editors take them out of the very folder
    that they open.
    """

    def __init__(self, server: MassgenServer) -> None:
        self._server = server
        self._says = server.client.trusted
        self._granted: set[str] | None = None
        """Folders that were looked at since the user said yes in the editor; None: they did not."""
        self._turn = asyncio.Lock()

    # ── what the editor says ────────────────────────────────────────────────────────────────

    def configured(self, settings: object) -> None:
        """Takes ``massgen.trusted: false`` out of ``workspace/didChangeConfiguration``."""
        ours = _field(settings, "massgen")
        said = _field(ours, "trusted")
        if said is None:
            said = _field(settings, "massgen.trusted")
        if said is False:
            self._says = False

    def told(self, payload: object) -> Json:
        """``massgen/trust`` {trusted}: the user has just said so in the editor."""
        said = _field(payload, "trusted")
        if not isinstance(said, bool):
            raise ParamsError("massgen/trust takes {trusted: true or false}")
        self._says = said
        self._granted = set() if said else None
        return {"trusted": said}

    def word(self, folder: str) -> Word | None:
        """What the editor says of a folder; its trust is for the folders that it has open."""
        if self._says is False:
            return "restricted"
        if self._says is None or not any(_holds(each, folder) for each in self._server.folders):
            return None
        if self._granted is not None and folder not in self._granted:
            return "granted"
        return "editor"

    # ── a run wants to start ────────────────────────────────────────────────────────────────

    async def order(
        self, desk: Desk, folder: str, make: Callable[[Word | None], RunSpec]
    ) -> RunSpec:
        """Makes a full order; asks the user when the folder needs their trust.

        Args:
            desk: Remembers what they say.
            folder: The folder of the run.
            make: Makes the order, in a thread.

        Raises:
            UntrustedError: They did not say yes; nothing may start.
        """
        with suppress(UntrustedError):
            return await self._made(folder, make)
        async with self._turn:  # one question at a time, and the next may need none any more
            for _ in range(_ROUNDS):
                try:
                    return await self._made(folder, make)
                except UntrustedError as error:
                    if error.decision.outcome == "refuse" or error.claim.trouble:
                        raise
                    if not await self._ask(error):
                        raise
                    await asyncio.to_thread(desk.approve, error.claim, "user")
            return await self._made(folder, make)

    async def _made(self, folder: str, make: Callable[[Word | None], RunSpec]) -> RunSpec:
        spec = await asyncio.to_thread(make, self.word(folder))
        if self._granted is not None:
            self._granted.add(folder)
        return spec

    async def _ask(self, error: UntrustedError) -> bool:
        """Whether the user trusts the folder now; no where there is nobody to ask."""
        message = question(error.claim, error.decision)
        actions = [TRUST, SHOW, NOT_NOW]
        try:
            async with asyncio.timeout(self._server.deadlines.trust):
                answer = await self._server.question(message, actions)
                while answer == SHOW:
                    self._server.say(in_full(error.claim))
                    answer = await self._server.question(message, [TRUST, NOT_NOW])
        except (TimeoutError, JsonRpcException):
            return False
        return answer == TRUST


def question(claim: Claim, decision: Decision) -> str:
    """What the user is asked: one line, and the beginning of what the folder wants."""
    first = f"massgen: do you trust {one_line(claim.folder)}?"
    if decision.changed:
        first += f" {'; '.join(decision.changed[:_EXCERPT])} since you trusted it."
    count = len(claim.powers)
    if not count:
        return first
    first += f" Its configuration wants {counted(count, 'thing')} that need your trust:"
    if count == 1:
        first = first.replace("need your", "needs your")
    shown = [power.shown for power in claim.powers[:_EXCERPT]]
    more = [f"and {count - _EXCERPT} more"] if count > _EXCERPT else []
    return "\n".join([first, *shown, *more])


def in_full(claim: Claim) -> str:
    """Everything that a folder would do, for people."""
    wants = [f"  {power.shown}" for power in claim.powers] or ["  nothing that needs trust"]
    own = [f"  {power.shown}" for power in claim.own] or ["  nothing"]
    return "\n".join(
        [
            f"{one_line(claim.folder)}: its configuration wants",
            *wants,
            "and agents would obey by themselves",
            *own,
        ]
    )


def _holds(opened: str, folder: str) -> bool:
    """Whether a folder is the opened one, or in it and in the same repository."""
    if os.path.realpath(opened) == os.path.realpath(folder):
        return True
    inside = uris.below(opened, folder) is not None
    return inside and uris.repository(opened) == uris.repository(folder)


def _field(node: object, name: str) -> object:
    if not isinstance(node, Mapping):
        return None
    return cast("Mapping[str, object]", node).get(name)
