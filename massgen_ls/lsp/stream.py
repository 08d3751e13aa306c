"""News of the engine on its way to the editor: `massgen/event`, progress, and what follows."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from massgen_ls.core.events import (
    AgentActed,
    Delta,
    Envelope,
    RunSettled,
    RunStarted,
    UsageReported,
)
from massgen_ls.core.task import ApplyMode, Json, RunId
from massgen_ls.core.voting import Verdict
from massgen_ls.engine.bus import Gap
from massgen_ls.engine.report import envelope_json
from massgen_ls.lsp.desk import News, Services
from massgen_ls.lsp.finish import finish
from massgen_ls.lsp.noise import Noise
from massgen_ls.lsp.progress import Board
from massgen_ls.lsp.protocol import EVENT
from massgen_ls.lsp.server import MassgenServer
from massgen_ls.lsp.stdio.outbox import DELTA, FACT

_BEAT = 0.25
"""Seconds between two times that live output, and what agents do, is sent: the first comes at
once, what comes meanwhile together."""
_OFTEN = (AgentActed, UsageReported)
"""Events that many agents at work have many of: each alone would wake the editor."""
_REMEMBER = 20
"""Settled runs for which code actions are offered."""


@dataclass(frozen=True, slots=True)
class SettledRun:
    """A run that code actions can be about."""

    run: RunId
    folder: str
    winner: str
    prompt: str


@dataclass(slots=True)
class _Order:
    """A run that this editor started."""

    apply: ApplyMode
    board: Board


@dataclass(slots=True)
class Stream:
    """Follows every run of this process. Never blocks: what does not fit is counted as lost."""

    server: MassgenServer
    settled: OrderedDict[RunId, SettledRun] = field(default_factory=OrderedDict[RunId, SettledRun])
    _orders: dict[RunId, _Order] = field(default_factory=dict[RunId, _Order])
    _over: set[RunId] = field(default_factory=set[RunId])
    _noise: Noise = field(init=False)
    _last: dict[RunId, int] = field(default_factory=dict[RunId, int])
    """The number of the last event of each run that goes on."""
    _held: list[Json] = field(default_factory=list[Json])
    """Events that wait for the beat, or for one that does not."""
    _gathering: bool = False
    _lost: int = 0

    def __post_init__(self) -> None:
        self._noise = Noise(self.server.client.events)

    def follow(
        self, services: Services, run: RunId, apply: ApplyMode, token: str | int | None
    ) -> None:
        """Shows the progress of a run that this editor started, and ends it as it was asked."""
        if run in self._over:  # it was quicker than the answer to `massgen/run`
            self._over.discard(run)
            self.server.spawn(finish(self.server, services, run, apply))
            return
        board = Board(self.server, services.engine, run)
        self._orders[run] = _Order(apply, board)
        self.server.spawn(board.show(token))

    def board(self, run: RunId) -> Board | None:
        """The progress of a run that goes on; None when this editor did not start it."""
        order = self._orders.get(run)
        return order.board if order else None

    def hear(self, run: RunId, seat: str, *, stop: bool) -> Json:
        """Sends what an agent prints from now on, or no more; what it has printed lately."""
        self._release()  # what is numbered in the answer's parts comes before it
        return self._noise.listen(run, seat, stop=stop)

    async def listen(self, services: Services, news: AsyncIterator[News]) -> None:
        """Passes everything on until the engine closes."""
        async for each in news:
            match each:
                case Gap(lost=lost):
                    self._release()
                    self._lost += lost
                    self._fill_gap()
                    for run in {**self._last, **self._orders}:
                        if order := self._orders.get(run):
                            order.board.stir()
                        state = await services.engine.state(run)
                        if state.verdict is not None:
                            self._close(services, run, state.verdict)
                case Delta():
                    if self._noise.take(each, self._last.get(each.run, 0)):
                        self._gather()
                case Envelope():
                    self._pass_on(services, each)

    def _pass_on(self, services: Services, envelope: Envelope) -> None:
        event, run = envelope.event, envelope.run
        if run in self._last or isinstance(event, RunStarted):
            self._last[run] = envelope.seq
        if self.server.client.events != "none":
            self._held.append(envelope_json(envelope))
            if isinstance(event, _OFTEN):
                self._gather()
            else:
                self._release()
        order = self._orders.get(run)
        if order is not None:
            if isinstance(event, AgentActed):
                order.board.action = f"{event.seat}: {event.action} {event.target}".strip()
            order.board.stir()
        if isinstance(event, RunSettled):
            self._close(services, run, event.verdict)

    def _close(self, services: Services, run: RunId, verdict: Verdict) -> None:
        self._last.pop(run, None)
        self._noise.over(run)
        if verdict.outcome == "won" and verdict.winner:
            self.server.spawn(self._remember(services, run, verdict.winner))
        order = self._orders.pop(run, None)
        if order is not None:
            order.board.end()
            self.server.spawn(finish(self.server, services, run, order.apply))
        else:
            self._over.add(run)
            if len(self._over) > _REMEMBER:
                self._over.pop()

    async def _remember(self, services: Services, run: RunId, winner: str) -> None:
        state = await services.engine.state(run)
        prompt = state.spec.task.prompt if state.spec else ""
        self.settled[run] = SettledRun(run, state.folder, winner, prompt)
        while len(self.settled) > _REMEMBER:
            self.settled.popitem(last=False)

    # ── what may be lost ────────────────────────────────────────────────────────────────────

    def _fill_gap(self) -> bool:
        """Tells the editor first that it has missed something; False while that cannot be told."""
        if not self._lost or self.server.client.events == "none":
            return True
        told = self.server.protocol.tell(EVENT, {"kind": "gap", "lost": self._lost}, FACT)
        if told:
            self._lost = 0
        else:
            self._lost += 1
        return told

    def _gather(self) -> None:
        """Sees to it that what was gathered is sent: now, or at the end of the beat."""
        if not self._gathering:
            self._gathering = True
            self.server.spawn(self._flush())

    def _release(self) -> None:
        """Sends the events that wait, in their order."""
        held, self._held = self._held, []
        for each in held:
            if self._fill_gap():
                self._lost += not self.server.protocol.tell(EVENT, each, FACT)

    async def _flush(self) -> None:
        while self._held or self._noise:
            self._release()
            for payload in self._noise.gathered():
                self.server.protocol.tell(EVENT, payload, DELTA)
            await asyncio.sleep(_BEAT)
        self._gathering = False
