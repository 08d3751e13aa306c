"""``massgen/init``: a first configuration, by questions where a form is not to be had."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from massgen_ls.core.errors import MassgenError
from massgen_ls.core.task import Json
from massgen_ls.core.wording import one_line
from massgen_ls.lsp import protocol, uris
from massgen_ls.lsp.desk import Desk, Founded
from massgen_ls.lsp.fields import ParamsError
from massgen_ls.lsp.protocol import InitParams
from massgen_ls.lsp.scopes import named_folder
from massgen_ls.lsp.server import MassgenServer
from massgen_ls.lsp.trust import Trusting

if TYPE_CHECKING:
    from massgen_ls.config.starter import Around, Choice

WRITE, WITHOUT_CHECKS, OTHER, NOT_NOW = (
    "Write it",
    "Write it without checks",
    "Another team",
    "Not now",
)


class Initiating:
    """Proposes a team for a folder, asks its user, and writes the file."""

    def __init__(self, server: MassgenServer, trust: Trusting) -> None:
        self._server = server
        self._trust = trust

    async def init(self, payload: object) -> Json:
        """Writes a first configuration; asks where neither agents nor a template are named."""
        from massgen_ls.config.starter import choose
        from massgen_ls.config.templates import templates

        params = protocol.read_init(payload)
        folder = self._folder(params.folder)
        if params.user and params.checks:
            raise ParamsError("checks belong to a project", "Leave `checks` out with `user`.")
        desk = (await self._server.services()).desk
        around = await desk.look(folder)
        checks = () if params.user else params.checks
        choice = choose(around, params.agents, params.template, checks)
        if params.look:
            ready: list[Json] = [{"name": t.name, "about": t.about} for t in templates().values()]
            return {
                "found": around.plain(),
                "proposed": choice.plain(),
                "templates": ready,
                "file": None,
            }
        file = await asyncio.to_thread(
            desk.check_place, folder, user=params.user, force=params.force
        )
        if params.agents is None and params.template is None:
            agreed = await self._ask(file, choice, around)
            if agreed is None:
                return {"file": None}
            choice = agreed
        return await self._found(desk, folder, params, choice, around)

    def _folder(self, named: str | None) -> str:
        if named is not None:
            return named_folder(named)
        if not self._server.folders:
            raise ParamsError("no folder is open", "Open one, or give it as `folder`.")
        return next(iter(self._server.folders))

    async def _found(
        self, desk: Desk, folder: str, params: InitParams, choice: Choice, around: Around
    ) -> Json:
        founded = await desk.found(
            folder,
            choice,
            around,
            user=params.user,
            force=params.force,
            trusts=self._trust.word(folder) != "restricted",
        )
        self._server.say(said(founded, choice.shown))
        self._server.spawn(self._show(founded.file))
        health = cast("list[Json]", [*founded.health])
        return {
            **choice.plain(),
            "file": founded.file,
            "trusted": founded.trusted,
            "notes": [*founded.notes],
            "health": health,
            "ready": all(finding["mark"] != "bad" for finding in founded.health),
        }

    async def _show(self, file: str) -> None:
        if self._server.client.show_document:
            params = types.ShowDocumentParams(uri=uris.from_path(file), take_focus=True)
            await self._server.protocol.ask(types.WINDOW_SHOW_DOCUMENT, params)

    # ── questions ───────────────────────────────────────────────────────────────────────────

    async def _ask(self, file: str, choice: Choice, around: Around) -> Choice | None:
        """What the user agrees to; None: to nothing."""
        try:
            async with asyncio.timeout(self._server.deadlines.question):
                answer = await self._server.question(
                    question(file, choice),
                    [WRITE, *([WITHOUT_CHECKS] if choice.checks else []), OTHER, NOT_NOW],
                )
                if answer == OTHER:
                    return await self._another(choice, around)
        except TimeoutError:
            return None
        except JsonRpcException:
            raise MassgenError(
                "This editor cannot ask, so nothing was written",
                "Name `agents` or a `template`, or use `massgen-ls init` in a terminal.",
            ) from None
        if answer == WRITE:
            return choice
        return _with(choice, checks=()) if answer == WITHOUT_CHECKS else None

    async def _another(self, choice: Choice, around: Around) -> Choice | None:
        """One kind of agent alone, or a ready team."""
        from massgen_ls.config.templates import template, templates

        alone = {f"{coder.title} alone": coder for coder in around.installed}
        names: Sequence[str] = [*alone, *templates()]
        answer = await self._server.question("massgen: which team?", [*names, NOT_NOW])
        if answer in alone:
            return _with(choice, coders=(alone[answer],))
        return _with(choice, coders=(), template=template(answer)) if answer in names else None


def _with(choice: Choice, **changes: object) -> Choice:
    from dataclasses import replace

    return replace(choice, **changes)  # type: ignore[arg-type]


def question(file: str, choice: Choice) -> str:
    """What the user is asked first."""
    checks = ", ".join(found.check.name for found in choice.checks)
    decides = f" Checks: {one_line(checks)}." if checks else ""
    return f"massgen: write {one_line(file)} with this team: {choice.shown}?{decides}"


def said(founded: Founded, team: str) -> str:
    """What was written, and what is missing, in one message."""
    missing = [
        f"{finding['text']}. {finding['hint']}"
        for finding in founded.health
        if finding["mark"] != "ok"
    ]
    lines = [f"{founded.file} is written: {team}.", *founded.notes, *missing]
    return "\n".join(one_line(line) for line in lines)
