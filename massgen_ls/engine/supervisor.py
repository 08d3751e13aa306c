"""The owner of all runs: start, wait, cancel, deliver, shut down."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import cast

from massgen_ls.core.candidate import Fate
from massgen_ls.core.coordination import verdict
from massgen_ls.core.errors import MassgenError, NotFoundError
from massgen_ls.core.events import (
    CancelRequested,
    Delivered,
    DeliveryRefused,
    Discarded,
    Event,
    Notice,
    Revised,
    RunFailed,
    RunInterrupted,
    RunSettled,
    RunStarted,
)
from massgen_ls.core.learning import seated
from massgen_ls.core.run_state import RunState, fold
from massgen_ls.core.selection import EVERYTHING, Selection
from massgen_ls.core.survey import FileSurvey
from massgen_ls.core.task import AgentSpec, CandidateId, RunId, RunSpec, SeatId
from massgen_ls.engine.archive import Archive
from massgen_ls.engine.bus import Bus, Gap, Subscription
from massgen_ls.engine.delivery import Deliverable, Delivery, deliverable
from massgen_ls.engine.runner import Runner
from massgen_ls.engine.warming import Warming
from massgen_ls.engine.world import World
from massgen_ls.ports import Buffer, Health, LiveFiles, Message, RunRecord, SnapshotRequest

__all__ = ["Delivery", "Gap", "Supervisor"]

_log = logging.getLogger(__name__)

_LOOK = 0.25
"""Seconds between looks at the record for what other processes wrote into live runs."""
_ANYWAY = 20
"""Looks after which the record is read even where its mark says that nobody wrote."""
_FAREWELL = 30.0
"""Seconds that cancelled runs have to wrap up before they are cut off."""


@dataclass(frozen=True, slots=True)
class _Live:
    runner: Runner
    task: asyncio.Task[None]


class Supervisor(Archive):
    """Owns every run of this process, and reads those of all.

    Leaving its context cancels what still runs.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world, self._state_of_live)
        self._bus = Bus()
        self._live: dict[RunId, _Live] = {}
        self._group = asyncio.TaskGroup()
        self._watch: asyncio.Task[None] | None = None
        self._warming = Warming(world.worktrees, self._group)

    async def __aenter__(self) -> Supervisor:
        """Settles what a dead process left behind, then is ready."""
        for record in await self._world.store.unsettled():
            await self._bury(record)
        await self._group.__aenter__()
        self._watch = self._group.create_task(self._look_for_requests())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Cancels every run and waits until nothing of theirs is left."""
        live = list(self._live.values())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_FAREWELL):
                    await self._farewell(live)
        finally:
            for entry in live:
                entry.task.cancel()
            self._warming.stop()
            if self._watch is not None:
                self._watch.cancel()
            self._bus.close()
            await self._group.__aexit__(None, None, None)

    async def _farewell(self, live: Sequence[_Live]) -> None:
        """Lets every run record what its agents left."""
        for entry in live:
            if not entry.runner.settled.is_set():
                try:
                    await entry.runner.append(CancelRequested("shutdown"))
                except MassgenError:
                    entry.task.cancel()  # nothing can be recorded: it only has to end
        for entry in live:
            await asyncio.wait([entry.task])

    # ── runs ────────────────────────────────────────────────────────────────────────────────

    async def start(
        self,
        spec: RunSpec,
        folder: str,
        buffers: Sequence[Buffer] = (),
        live: LiveFiles | None = None,
    ) -> RunId:
        """Starts a run and returns at once; what goes wrong later is in the run's events.

        Args:
            spec: The order.
            folder: The folder that the user opened, absolute.
            buffers: What is open in it and not saved.
            live: The user's files, where the result may land: before the verdict, those that the
                evidence cannot tell apart are tried on them. None: on nothing.

        Raises:
            WorkspaceError: The folder cannot be worked on: nothing was started.
        """
        await self._world.snapshots.locate(folder)
        run = self._world.ids.run_id()
        request = SnapshotRequest(folder, run, tuple(buffers))
        runner = Runner(self._world, run, request, self._bus.hear, live)
        self._warming.stop()
        spec, why = await self._seated(spec, folder)
        order, owner = self._with_judges(spec), self._world.owner
        started = RunStarted(order, folder, owner, live is not None)
        await runner.append(started, *([Notice("info", why)] if why else ()))
        task = self._group.create_task(self._drive(runner), name=f"run {run}")
        self._live[run] = _Live(runner, task)
        return run

    async def _seated(self, spec: RunSpec, folder: str) -> tuple[RunSpec, str]:
        """The order with those agents that work, and why it is these."""
        known = await self.records(folder) if spec.rules.agents == "auto" else ()
        return seated(spec, known, self._briefed)

    def _briefed(self, agent: AgentSpec) -> bool:
        driver = self._world.drivers.get(agent.type)
        return driver is not None and driver.briefed

    def _with_judges(self, spec: RunSpec) -> RunSpec:
        """The order with its judges named: every agent that can answer, where none is chosen.

        In consensus they all vote, and so do those that only judge.
        """
        voting = spec.rules.voting
        consensus = spec.rules.mode == "consensus"
        if voting.judges and not consensus:
            return spec
        able = tuple(filter(self._briefed, spec.agents))
        seats = {agent.id for agent in spec.agents}
        others = (judge for judge in voting.judges if judge.id not in seats)
        rules = replace(spec.rules, voting=replace(voting, judges=(*able, *others)))
        return replace(spec, rules=rules)

    async def _drive(self, runner: Runner) -> None:
        """One run to its end; whatever happens, it is settled, and the others go on."""
        failure = ""
        try:
            await self._warming.stopped()
            await runner.drive()
        except Exception as error:
            failure = _first_line(error)
            _log.exception("run %s", runner.run)
            if not isinstance(error, MassgenError | ExceptionGroup):
                raise
        finally:
            if runner.state.verdict is None:
                reason = failure or "The run was cut off"
                failed: list[Event] = [RunFailed(reason)] if failure else []
                try:
                    await self._settle(runner, failed)
                except MassgenError:
                    runner.settle_unrecorded(reason)
            runner.settled.set()
        if all(e.runner is runner or e.task.done() for e in self._live.values()):
            self._warming.begin(runner.state)

    async def _settle(self, runner: Runner, events: Sequence[Event]) -> None:
        await runner.append(*events)
        await runner.append(RunSettled(verdict(runner.state)))

    async def wait(self, run: RunId) -> RunState:
        """Waits until a run is settled. Cancelling the wait does not cancel the run.

        Raises:
            NotFoundError: No such run.
        """
        run = await self.resolve(run)
        live = self._live.get(run)
        if live is not None:
            await live.runner.settled.wait()
            return live.runner.state
        while True:
            state = await self.state(run)
            if state.verdict is not None:
                return state
            await self._bury(await self._record(run))
            await asyncio.sleep(_LOOK)

    async def cancel(self, run: RunId, by: str) -> bool:
        """Cancels a run, also one that another process drives. False: it was over already.

        Raises:
            NotFoundError: No such run.
        """
        run = await self.resolve(run)
        live = self._live.get(run)
        state = live.runner.state if live else await self.state(run)
        if state.verdict is not None:
            return False
        if live:
            await live.runner.append(CancelRequested(by))
        else:
            await self._world.store.append(run, [CancelRequested(by)])
            await self._bury(await self._record(run))
        return True

    async def tell(self, run: RunId, seat: str, message: Message, by: str) -> None:
        """Says something to an agent at work, or stops it where it is (`Halt`).

        Raises:
            NotFoundError: No such run or seat, or its agent is not at work in this process.
        """
        run = await self.resolve(run)
        live = self._live.get(run)
        if live is None:
            hint = "Only the process that drives it can do that"
            raise NotFoundError(f"Run {run} is not going on here", hint)
        if refused := await live.runner.tell_agent(SeatId(seat), message, by):
            raise NotFoundError(f"Nothing was said: {refused}")

    async def health(self, agents: Sequence[AgentSpec]) -> Sequence[Health]:
        """Whether each agent could start now."""
        found: list[Health] = []
        for agent in agents:
            driver = self._world.drivers.get(agent.type)
            if driver is None:
                hint = f"Its type {agent.type!r} has no driver"
                found.append(Health(agent.id, ok=False, found="", hint=hint))
            else:
                found.append(await driver.health(agent))
        return found

    # ── what becomes of it ─────────────────────────────────────────────────────────────────────

    async def apply(
        self,
        run: RunId,
        candidate: CandidateId | None,
        live: LiveFiles,
        selection: Selection = EVERYTHING,
    ) -> Delivery:
        """Lands a candidate (None: the winner) in the live files by three-way merge.

        With a conflict nothing of that file is written; the other files land. See `Selection` for
        parts of a candidate, and of files with conflicts.

        Raises:
            NotFoundError: No such run, candidate or file, or no winner.
        """
        run = await self.resolve(run)
        snapshot, chosen = await self._chosen(run, candidate)
        parcel = await deliverable(self._world, snapshot, chosen, live, selection)
        # Of this process, not of who asked: what an editor has done while they left is on record.
        over = asyncio.Event()
        landing = self._group.create_task(self._land(run, parcel, over))
        try:
            await asyncio.wait([landing])
        except asyncio.CancelledError:
            if not over.is_set():
                landing.cancel()
            await asyncio.wait([landing])
            raise
        delivery = landing.result()
        if isinstance(delivery, Exception):
            raise delivery
        if not delivery.applied:
            return delivery
        landed: tuple[FileSurvey, ...] = ()
        try:
            landed = await parcel.survey()
        except Exception as error:  # noqa: BLE001 - it has landed, and that is the answer
            _log.warning("%s of run %s has landed, not looked at: %s", chosen.id, run, error)
        return replace(delivery, root=snapshot.root, landed=landed)

    async def _land(
        self, run: RunId, parcel: Deliverable, over: asyncio.Event
    ) -> Delivery | Exception:
        """Lands it and records what became of it; what goes wrong is a value, for who waits.

        From ``over`` on there is nothing left but to record: it is not to be cancelled any more.
        """
        try:
            delivery = await parcel.deliver()
            over.set()
            name, conflicts = delivery.candidate, delivery.conflicts
            if delivery.applied:
                await self._append(run, Delivered(name, delivery.paths, conflicts))
            else:
                await self._append(run, DeliveryRefused(name, delivery.reason, conflicts))
        except Exception as error:  # noqa: BLE001 - handed over whole
            return error
        return delivery

    async def discard(self, run: RunId, candidate: CandidateId | None) -> None:
        """Records that the user does not want it.

        Raises:
            NotFoundError: No such run or candidate.
        """
        run = await self.resolve(run)
        if candidate is not None:
            await self._chosen(run, candidate)
        await self._append(run, Discarded(candidate))

    async def revised(self, run: RunId, candidate: CandidateId, fate: Fate) -> None:
        """Records what its user made of a candidate that had landed.

        Raises:
            NotFoundError: No such run or candidate.
        """
        run = await self.resolve(run)
        await self._chosen(run, candidate)
        await self._append(run, Revised(candidate, fate))

    def subscribe(self, run: RunId | None = None) -> AbstractContextManager[Subscription]:
        """Live news of one run, or of all, from now on. The queue is bounded (see `Gap`)."""
        return self._bus.subscribe(run)

    # ── inside ──────────────────────────────────────────────────────────────────────────────

    def _state_of_live(self, run: RunId) -> RunState | None:
        live = self._live.get(run)
        return live.runner.state if live else None

    async def _append(self, run: RunId, event: Event) -> None:
        if live := self._live.get(run):
            await live.runner.append(event)
            return
        for envelope in await self._world.store.append(run, [event]):
            self._bus.hear(envelope)

    async def _record(self, run: RunId) -> RunRecord | None:
        return next((r for r in await self._world.store.unsettled() if r.run == run), None)

    async def _bury(self, record: RunRecord | None) -> None:
        """Settles a run whose process is dead; its candidates stay."""
        if record is None or record.run in self._live or self._world.alive(record.owner):
            return
        store = self._world.store
        events = [RunInterrupted()]
        state = fold(e.event for e in await store.read(record.run))
        if state.verdict is None:
            state = fold(events, state)
            await store.append(record.run, [*events, RunSettled(verdict(state))])

    async def _look_for_requests(self) -> None:
        seen: object = None
        for look in itertools.count(1):
            await asyncio.sleep(_LOOK)
            mark = self._world.store.mark()
            news, seen = mark != seen or look % _ANYWAY == 0, mark
            for run, entry in list(self._live.items()):
                if not entry.runner.settled.is_set():
                    try:
                        if news:
                            await entry.runner.catch_up()
                    except MassgenError:
                        seen = None  # a record that cannot be read now costs a look, not the run
                elif entry.task.done() and len(self._live) > _KEPT:
                    del self._live[run]


_KEPT = 32
"""Settled runs whose state stays in memory; older ones are read from the record."""


def _first_line(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return _first_line(group.exceptions[0])
    if isinstance(error, MassgenError):
        return str(error)
    return f"Internal error: {type(error).__name__}: {error}".split("\n")[0]
