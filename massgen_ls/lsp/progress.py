"""Work done progress: one line about a run, at most twice a second, that can be cancelled."""

from __future__ import annotations

import asyncio

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from massgen_ls.core.coordination import RunCheck, next_steps
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.run_state import RunState
from massgen_ls.core.task import RunId
from massgen_ls.core.wording import flat
from massgen_ls.lsp.desk import Engine
from massgen_ls.lsp.server import MassgenServer
from massgen_ls.lsp.stdio.outbox import DELTA, FACT

_BEAT = 0.5
_CREATE_DEADLINE = 5.0
"""Seconds that a client may take to say that it can show a progress."""


class Board:
    """What is shown of one run while it goes on."""

    def __init__(self, server: MassgenServer, engine: Engine, run: RunId) -> None:
        self.action = ""
        """The last thing that any agent was seen doing."""
        self._server = server
        self._engine = engine
        self._run = run
        self._news = asyncio.Event()
        self._over = asyncio.Event()

    def stir(self) -> None:
        """Something has changed."""
        self._news.set()
        self._news = asyncio.Event()

    def end(self) -> None:
        """The run is over."""
        self._over.set()
        self.stir()

    async def show(self, token: str | int | None) -> None:
        """Shows the run to its end, under the client's token or one of ours."""
        state = await self._engine.state(self._run)
        if token is None:
            token = await self._own_token()
        if token is None:
            count = len(state.spec.agents) if state.spec else 0
            self._server.say(f"{_agents(count)} at work on {_short(state)}")
            return
        await self.show_at(token, state)

    async def show_at(self, token: str | int, state: RunState) -> None:
        """Shows the run under a token until it is over or this is cancelled."""
        # A token that is not freed at the end can never be used again.
        self._server.tokens[token] = self._run
        begin = types.WorkDoneProgressBegin(
            title="massgen", message=_short(state), cancellable=True
        )
        last = ""
        try:
            self._send(token, begin, FACT)
            while not self._over.is_set():
                news = self._news
                line = line_of(state, self.action)
                if line != last:
                    report = types.WorkDoneProgressReport(message=line, cancellable=True)
                    self._send(token, report, DELTA)
                    last = line
                await news.wait()
                if not self._over.is_set():
                    await asyncio.sleep(_BEAT)
                state = await self._engine.state(self._run)
        finally:
            self._server.tokens.pop(token, None)
            verdict = state.verdict
            message = f"{verdict.outcome}: {verdict.winner or 'no winner'}" if verdict else None
            self._send(token, types.WorkDoneProgressEnd(message=message), FACT)

    async def _own_token(self) -> str | None:
        if not self._server.client.progress:
            return None
        token = f"massgen/{self._run}"
        params = types.WorkDoneProgressCreateParams(token=token)
        try:
            await self._server.protocol.ask(
                types.WINDOW_WORK_DONE_PROGRESS_CREATE, params, _CREATE_DEADLINE
            )
        except (TimeoutError, JsonRpcException, MassgenError):
            return None
        return token

    def _send(self, token: str | int, value: object, rank: int) -> None:
        params = types.ProgressParams(token=token, value=value)
        self._server.protocol.tell(types.PROGRESS, params, rank)


def line_of(state: RunState, action: str) -> str:
    """For example ``2/3 agents done · tidy: edit a.py · checks 1/6``."""
    if state.snapshot is None:
        return "taking a snapshot"
    parts: list[str] = []
    ended = sum(seat.phase == "ended" for seat in state.seats)
    parts.append(f"{ended}/{len(state.seats)} agents done")
    if ended < len(state.seats):
        working = next((s for s in state.seats if s.phase == "working" and s.action), None)
        if action or working:
            parts.append(action or f"{working.seat}: {working.action}" if working else action)
    done = {RunCheck(c.result.check, c.result.tree) for c in state.checked if not c.repeat}
    # Who is ruled out is spared the other checks: what is still to come is what is wanted now.
    wanted = {s for s in next_steps(state) if isinstance(s, RunCheck) and not s.repeat}
    if every := done | wanted:
        parts.append(f"checks {len(done)}/{len(every)}")
    return " · ".join(flat(part, 80) for part in parts)


def _short(state: RunState) -> str:
    return flat(state.spec.task.prompt, 60) if state.spec else ""


def _agents(count: int) -> str:
    return "one agent" if count == 1 else f"{count} agents"
