"""One run: append → evolve → perform what is not in flight → append, until it is settled."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from heapq import nsmallest
from typing import assert_never

from massgen_ls.core.basetests import BaseTest
from massgen_ls.core.candidate import Candidate
from massgen_ls.core.consensus import AskVoter
from massgen_ls.core.coordination import (
    CrossTest,
    Fuse,
    MakeAttempt,
    RunCheck,
    Settle,
    Step,
    TakeSnapshot,
    TryLanding,
    Work,
    next_steps,
    verdict,
)
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.events import (
    CandidateCaptured,
    CheckFinished,
    DeadlinePassed,
    Delta,
    Envelope,
    Event,
    LandingTried,
    NoteSent,
    Notice,
    RunFailed,
    RunSettled,
    RunStarted,
    SnapshotTaken,
)
from massgen_ls.core.normal import Normaliser
from massgen_ls.core.order import precedence, tallies
from massgen_ls.core.plan import Clash
from massgen_ls.core.polls import AskJudge
from massgen_ls.core.run_state import EMPTY, RunState, evolve
from massgen_ls.core.tallies import CheckTally, added
from massgen_ls.core.task import RunId, RunSpec, SeatId
from massgen_ls.core.wording import telling
from massgen_ls.engine.crosstests import base_test, cross_test
from massgen_ls.engine.delivery import clashes
from massgen_ls.engine.fusing import fuse
from massgen_ls.engine.givenup import given_up
from massgen_ls.engine.inbox import SeatInbox
from massgen_ls.engine.judging import first_look
from massgen_ls.engine.polling import Polling
from massgen_ls.engine.questions import news
from massgen_ls.engine.seat import Seat
from massgen_ls.engine.substance import Files
from massgen_ls.engine.veil import Veil, VeiledChecker
from massgen_ls.engine.world import World
from massgen_ls.engine.wrapup import told
from massgen_ls.ports import LiveFiles, Message, Note, SnapshotRequest

_log = logging.getLogger(__name__)

_NEWEST = 50
"""Runs of the folder whose checks are remembered."""

_BUSY = (RunCheck, CrossTest, BaseTest)
"""Steps that run what the project runs, and so keep a core busy."""

_TRYING = 10.0
"""Seconds to find out what landing would do."""


class Runner:
    """Drives one run to its verdict. `state` is always the fold of what is stored."""

    def __init__(
        self,
        world: World,
        run: RunId,
        request: SnapshotRequest,
        tell: Callable[[Envelope | Delta], None],
        live: LiveFiles | None = None,
    ) -> None:
        self.run = run
        self.state: RunState = EMPTY
        self.settled = asyncio.Event()
        self._veil = Veil()
        self._world = replace(world, checker=VeiledChecker(world.checker, self._veil))
        self._request = request
        self._tell = tell
        self._live = live
        self._seq = 0
        self._steps: tuple[RunState, frozenset[Step]] = EMPTY, frozenset()
        self._changed = asyncio.Event()
        self._appending = asyncio.Lock()
        self._inboxes: dict[SeatId, SeatInbox] = {}
        self._known: Mapping[str, CheckTally] = {}
        self._polling = Polling(self._world, run, lambda: self.state, self.append, self._say)
        self._files = Files(Normaliser(world.parse))

    # ── the record ──────────────────────────────────────────────────────────────────────────

    async def append(self, *events: Event) -> None:
        """Stores events, then lets the state and everyone who listens know."""
        for event in events:
            if isinstance(event, RunStarted):
                self._veil.hide(self._world.secrets(_variables(event.spec)))
        clean = [self._veil.event(event) for event in events]
        async with self._appending:
            stored = await self._world.store.append(self.run, clean)
            if len(stored) < len(events) or stored[0].seq > self._seq + 1:
                # Another process has written into this run (a cancel request): read it in order.
                stored = await self._world.store.read(self.run, self._seq)
            self._take(stored)
        for event in clean:
            if isinstance(event, CandidateCaptured):
                await self._spread(event.candidate)

    def settle_unrecorded(self, reason: str) -> None:
        """Ends the run where the record cannot be written any more: in memory, and loudly."""
        self.state = evolve(self.state, RunFailed(reason))
        settled = RunSettled(verdict(self.state))
        self.state = evolve(self.state, settled)
        self._tell(Envelope(self.run, self._seq + 1, self._world.clock.now(), settled))
        self._changed.set()

    async def catch_up(self) -> None:
        """Reads what other processes have written into this run since."""
        async with self._appending:
            self._take(await self._world.store.read(self.run, self._seq))

    def _say(self, noise: Delta) -> None:
        """Tells live noise, without secrets."""
        if (clean := self._veil.live(noise)) is not None:
            self._tell(clean)

    def _take(self, envelopes: Sequence[Envelope]) -> None:
        for noise in self._veil.held():
            self._tell(noise)
        for envelope in envelopes:
            self._seq = envelope.seq
            self.state = evolve(self.state, envelope.event)
            self._tell(envelope)
        self._changed.set()
        if self.state.verdict is not None:
            self.settled.set()

    async def tell_agent(self, seat: SeatId, message: Message, by: str) -> str:
        """Says something to an agent at work; returns why it cannot be said, or nothing."""
        state = self.state.seat(seat)
        if state is None:
            there = ", ".join(s.seat for s in self.state.seats)
            return f"there is no seat {seat!r}; there are: {there}"
        inbox = self._inboxes.get(seat)
        if inbox is None or state.phase != "working":
            return f"{seat} is not at work"
        if inbox.closed:
            return f"{seat} is ending"
        agent = self.state.agent(seat)
        driver = self._world.drivers.get(agent.type) if agent is not None else None
        if isinstance(message, Note) and driver is not None and not driver.hears:
            return f"{seat} is a program that reads no messages"
        if not inbox.put(message):
            return f"{seat} has not read the last messages yet"
        text = message.text if isinstance(message, Note) else "stop where you are"
        await self.append(NoteSent(seat, text, by))
        return ""

    async def _spread(self, candidate: Candidate) -> None:
        """Tells those who are improving that there is something new; others are left in peace."""
        if not self.state.consensus or self.state.candidate(candidate.id) is None:
            return
        for seat in self.state.seats:
            inbox = self._inboxes.get(seat.seat)
            if seat.onto is None or seat.phase != "working" or inbox is None:
                continue
            text = news(self.state, candidate)
            if seat.seat != candidate.seat and inbox.put(Note(text)):
                await self.append(NoteSent(seat.seat, text, "massgen"))

    # ── the loop ────────────────────────────────────────────────────────────────────────────

    async def drive(self) -> None:
        """Runs until there is a verdict; everything it started has ended when it returns."""
        in_flight: dict[Work, asyncio.Task[None]] = {}
        cancelled: set[Work] = set()
        async with asyncio.TaskGroup() as group:
            deadline = group.create_task(self._deadline())
            recalling = group.create_task(self._recall())
            while self.state.verdict is None:
                self._changed.clear()
                for step in [s for s in in_flight if in_flight[s].done()]:
                    del in_flight[step]
                    cancelled.discard(step)  # it may be wanted again, and cancelled again
                    if self._left_open(step):
                        await self.append(*given_up(step, self.state.epoch))
                wanted = self._wanted()
                for step in in_flight.keys() - wanted - cancelled:
                    # Once: a second cancel would cut off the seat that records what is left.
                    cancelled.add(step)
                    in_flight[step].cancel()
                settle = next((s for s in wanted if isinstance(s, Settle)), None)
                if settle is not None and not in_flight:
                    await self.append(RunSettled(settle.verdict, tallies(self.state)))
                    break
                for step in self._startable(wanted, in_flight.keys()):
                    in_flight[step] = group.create_task(self._perform(step), name=str(step))
                await self._changed.wait()
            # Settled by somebody else, who took us for dead: whatever still runs is not wanted.
            for task in (deadline, recalling, *in_flight.values()):
                task.cancel()

    async def _recall(self) -> None:
        """Learns what the folder's checks said in its newest runs, for the order of checks."""
        spec, folder = self.state.spec, self._request.folder
        if spec is None or len(spec.checks) < 2:  # one alone has no order
            return
        found: list[CheckTally] = []
        try:
            for history in await self._world.store.newest(folder, _NEWEST, {RunSettled.kind}):
                for envelope in history:
                    if isinstance(envelope.event, RunSettled):
                        found += envelope.event.tallies
        except (MassgenError, ValueError, TypeError, LookupError, ExceptionGroup) as error:
            # Whatever a damaged or newer record holds: it says no more than what to begin with.
            _log.warning("what checks said in earlier runs cannot be read: %r", error)
        self._known = added(found)

    def _wanted(self) -> frozenset[Step]:
        """What ought to be going on now; found out once for each state."""
        state, steps = self._steps
        if state is not self.state:
            steps = next_steps(self.state)
            self._steps = self.state, steps
        return steps

    def _startable(self, wanted: Iterable[Step], in_flight: Collection[Work]) -> list[Work]:
        """What is begun now; of what keeps a core busy no more than there are cores.

        Nothing stands in line for one: what is first is said anew when one is free, for what has
        ended by then may make other work the more telling.
        """
        missing = {s for s in wanted if not isinstance(s, Settle) and s not in in_flight}
        busy = {s for s in missing if isinstance(s, _BUSY)}
        free = max(1, self._world.cores) - sum(isinstance(s, _BUSY) for s in in_flight)
        chosen = nsmallest(free, busy, key=self._order)
        return [*sorted(missing - busy, key=self._order), *chosen]

    def _order(self, step: Work) -> tuple[int, bool, float, str]:
        """What is started first, and so comes first where cores are short.

        Agents, as they take longest; then the checks, by what they are likely to tell.
        """
        if isinstance(step, RunCheck):
            return 2, *precedence(self.state, step, self._known)
        ranks = {
            TakeSnapshot: 0,
            MakeAttempt: 1,
            Fuse: 2,
            CrossTest: 3,
            BaseTest: 3,
            AskJudge: 4,
            AskVoter: 4,
            TryLanding: 4,
        }
        return ranks[type(step)], False, 0.0, repr(step)

    def _left_open(self, step: Work) -> bool:
        """Whether a step that is over has left a seat that everybody would wait for."""
        if not isinstance(step, MakeAttempt):
            return False
        return any(
            seat.phase == "working" or (seat.phase == "ended" and not seat.captured)
            for seat in self.state.seats
            if (seat.seat, seat.attempt) == (step.seat, step.attempt)
        )

    async def _deadline(self) -> None:
        spec = self.state.spec
        assert spec is not None
        minutes = spec.rules.limits.minutes
        limit = min(spec.rules.run_timeout, minutes * 60 if minutes else math.inf)
        await asyncio.sleep(limit)
        await self.append(DeadlinePassed(limit))

    async def _perform(self, step: Work) -> None:
        try:
            match step:
                case TakeSnapshot():
                    await self._take_snapshot()
                case MakeAttempt():
                    await self._make_attempt(step)
                case RunCheck():
                    await self._run_check(step)
                case Fuse():
                    await self.append(await fuse(self._world, self.run, self.state, self._files))
                case CrossTest():
                    await self._cross_test(step)
                case BaseTest():
                    await self._base_test(step)
                case AskJudge() | AskVoter():
                    await self._polling.ask(step)
                case TryLanding():
                    await self._try_landing(step)
                case _:
                    assert_never(step)
            if step in self._wanted():
                # Performed, and nothing came of it: without a fact it would be tried for ever.
                await self.append(*given_up(step, self.state.epoch))
        finally:
            self._changed.set()

    async def _take_snapshot(self) -> None:
        started = self._world.clock.monotonic()
        try:
            snapshot = await self._world.snapshots.take(self._request)
        except MassgenError as error:
            await self.append(RunFailed(str(error)))
            return
        seconds = self._world.clock.monotonic() - started
        await self.append(SnapshotTaken(snapshot, seconds), *told(snapshot.notes))

    async def _make_attempt(self, step: MakeAttempt) -> None:
        spec, snapshot = self.state.spec, self.state.snapshot
        assert spec is not None
        assert snapshot is not None
        agent = self.state.agent(step.seat)
        assert agent is not None, "a step names a seat that there is"
        inbox = SeatInbox()
        self._inboxes[step.seat] = inbox
        try:
            await Seat(
                self._world,
                self.run,
                spec,
                agent,
                snapshot,
                step.attempt,
                self.append,
                self._say,
                lambda: self.state,
                inbox,
                files=self._files,
                veil=self._veil,
            ).work()
        finally:
            if self._inboxes.get(step.seat) is inbox:
                del self._inboxes[step.seat]

    async def _run_check(self, step: RunCheck) -> None:
        spec = self.state.spec
        assert spec is not None
        check = next(c for c in spec.checks if c.name == step.check)
        result = await first_look(
            self._world, self.run, self.state, check, step.tree, self._say, step.repeat
        )
        found: list[Event] = [CheckFinished(result, step.repeat)]
        if result.outcome in {"broken", "unjudged"}:
            reason = telling(result.output) or "it could not be started"
            notice = Notice("warning", f"Check {step.check}: {reason}", tree=step.tree)
            # What is missing is missing for the base and for every candidate: said once.
            if notice.text not in {known.text for known in self.state.notices}:
                found.append(notice)
        await self.append(*found)

    async def _try_landing(self, step: TryLanding) -> None:
        snapshot, live = self.state.snapshot, self._live
        assert snapshot is not None
        tried = [c for c in self.state.candidates if c.id in step.candidates]
        found: tuple[Clash, ...] = ()
        try:
            async with asyncio.timeout(_TRYING):
                found = await clashes(self._world, snapshot, tried, live) if live else ()
        except (MassgenError, TimeoutError) as error:
            # What is not known rules nobody out; delivery looks again.
            _log.warning("run %s: landing cannot be tried: %s", self.run, error)
        await self.append(LandingTried(step.candidates, found))

    async def _cross_test(self, step: CrossTest) -> None:
        await self.append(await cross_test(self._world, self.run, self.state, step, self._say))

    async def _base_test(self, step: BaseTest) -> None:
        await self.append(await base_test(self._world, self.run, self.state, step, self._say))


def _variables(spec: RunSpec) -> list[str]:
    """Names of variables that the configuration passes on to agents."""
    agents = [*spec.agents, *spec.rules.voting.judges]
    found: list[str] = []
    while agents:
        agent = agents.pop()
        named = agent.settings.get("env")
        found += map(str, named if isinstance(named, list) else ())
        agents += [agent.fallback] if agent.fallback else []
    return found
