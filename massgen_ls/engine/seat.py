"""One agent's attempt in one worktree. Whatever goes wrong with it becomes events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import assert_never

from massgen_ls.core.budget import Usage
from massgen_ls.core.candidate import Candidate, Snapshot
from massgen_ls.core.consensus import labels
from massgen_ls.core.conversation import Called, Recorder, Spoken
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.events import (
    AgentActed,
    AttemptEnded,
    AttemptPaused,
    AttemptStarted,
    Delta,
    NothingCaptured,
    UsageReported,
)
from massgen_ls.core.failures import next_try
from massgen_ls.core.run_state import RunState
from massgen_ls.core.task import AgentSpec, RunId, RunSpec, SeatId
from massgen_ls.engine import prompts
from massgen_ls.engine.brief import brief, origin_of
from massgen_ls.engine.inbox import SeatInbox
from massgen_ls.engine.permits import Permits
from massgen_ls.engine.pictures import pictures
from massgen_ls.engine.questions import refinement
from massgen_ls.engine.substance import Files
from massgen_ls.engine.tools import SeatTools
from massgen_ls.engine.veil import Veil, VeiledTools
from massgen_ls.engine.world import World
from massgen_ls.engine.wrapup import told, wrap_up
from massgen_ls.ports import (
    STOPPED,
    Access,
    Acted,
    Brief,
    Driver,
    Ended,
    Fence,
    Lease,
    Note,
    Place,
    Returned,
    Said,
    Spoke,
    Used,
)

_log = logging.getLogger(__name__)

WRAP_UP = 20.0
"""Seconds that a cancelled seat has to record what its agent left."""
_GRACE = 10.0
"""Seconds beyond its time limit after which a driver that does not keep to it is cut off."""

Emit = Callable[..., Awaitable[None]]
"""``await emit(event, …)``: stored when it returns."""


@dataclass(frozen=True, slots=True)
class Seat:
    """An agent in a run."""

    world: World
    run: RunId
    spec: RunSpec
    agent: AgentSpec
    snapshot: Snapshot
    attempt: int
    emit: Emit
    say: Callable[[Delta], None]
    view: Callable[[], RunState]
    """The run's state as it is now."""
    inbox: SeatInbox = field(default_factory=SeatInbox)
    wrap_up: float = WRAP_UP
    grace: float = _GRACE
    files: Files = field(default_factory=Files)
    """The run's, which knows the base's from the first candidate on."""
    veil: Veil = field(default_factory=Veil)
    """The run's, through which all events and live noise go."""

    @property
    def id(self) -> SeatId:
        """The agent's id."""
        return SeatId(str(self.agent.id))

    @property
    def onto(self) -> Candidate | None:
        """The candidate that this attempt goes on from; None where it begins with the base."""
        state = self.view()
        seat = state.seat(self.id)
        return state.candidate(seat.onto) if seat and seat.onto else None

    async def work(self) -> None:
        """Leases a worktree, runs the agent, captures what it left, all as events.

        Cancelling ends the agent and still captures; only then the cancellation goes on.
        """
        rules = self.spec.rules
        try:
            async with self.world.worktrees.lease(
                self.snapshot,
                self.run,
                rules.worktree,
                tree=self.onto.tree if self.onto else None,
                sandbox=rules.sandbox,
            ) as lease:
                await self.emit(AttemptStarted(self.id, self.attempt, lease.path, self.agent.type))
                await _Attempt(self, lease).run()
        except MassgenError as error:
            await self._never(str(error))
        except Exception as error:  # noqa: BLE001 - a bug at one seat is not the run's end
            _log.exception("seat %s of run %s", self.id, self.run)
            await self._never(f"internal error: {type(error).__name__}: {error}")

    async def _never(self, reason: str) -> None:
        """Ends an attempt that could not go its way; what is known already stays as it is."""
        await self.emit(
            AttemptStarted(self.id, self.attempt, "", self.agent.type),
            AttemptEnded(self.id, self.attempt, "failed", reason),
            NothingCaptured(self.id, self.attempt, reason),
        )


class _Attempt:
    """What happens between lease and capture."""

    def __init__(self, seat: Seat, lease: Lease) -> None:
        self._seat = seat
        self._lease = lease
        self._began = seat.world.clock.monotonic()
        self._record = Recorder()
        self._before = Usage()
        """What earlier tries have spent."""
        self._spent = Usage()
        self._onto = seat.onto
        self._unheard: list[str] = []
        """Notes that did not reach the agent."""
        self._tools = SeatTools(
            seat.id,
            seat.view,
            seat.emit,
            seat.world.objects,
            labels=labels if seat.spec.rules.mode == "consensus" else None,
        )

    async def run(self) -> None:
        """Runs the agent, then records what it left, cancelled or not."""
        seat = self._seat
        cancelled: asyncio.CancelledError | None = None
        try:
            ended = await self._drive()
        except asyncio.CancelledError as cancel:
            ended, cancelled = Ended("cancelled", "cancelled"), cancel
        except Exception as error:  # noqa: BLE001 - see below
            # A bug in a driver ends the attempt; what its agent did is kept all the same.
            _log.exception("the driver at seat %s of run %s", seat.id, seat.run)
            reason = f"internal error: {type(error).__name__}: {error}"
            ended = Ended("failed", reason, failure="crashed")
        seat.inbox.close()
        self._unheard += seat.inbox.notes()
        seconds = seat.world.clock.monotonic() - self._began
        async with asyncio.TaskGroup() as group:
            # A task of its own: a cancel that comes only now does not cut it off.
            recording = group.create_task(self._recorded(ended, seconds))
            if cancelled is None:
                try:
                    await asyncio.wait([recording])
                except asyncio.CancelledError as cancel:
                    cancelled = cancel
            # Bounded, because a cancelled run must end even where the disk hangs.
            await asyncio.wait([recording], timeout=seat.wrap_up)
            recording.cancel()
        if recording.cancelled():
            raise MassgenError(f"what it left could not be recorded within {seat.wrap_up:g} s")
        if error := recording.result():
            raise error
        if cancelled:
            raise cancelled

    # ── the agent at work ───────────────────────────────────────────────────────────────────

    async def _drive(self) -> Ended:
        seat = self._seat
        driver = seat.world.drivers.get(seat.agent.type)
        if driver is None:
            known = ", ".join(sorted(seat.world.drivers))
            reason = f"no driver for type {seat.agent.type!r}; there are: {known}"
            return Ended("missing", reason, failure="missing")
        laid = await pictures(seat.world.attachments, seat.spec.task, self._lease.home)
        if laid.missing:
            await seat.emit(*told(laid.missing, seat.id))
        origin = origin_of(seat.spec.task, seat.agent)
        past = await seat.world.conversations.lay(origin, self._lease.home) if origin else ""
        async with self._access(driver) as access:
            order = brief(
                seat.agent,
                seat.spec,
                seat.attempt,
                briefed=driver.briefed,
                access=access,
                before=refinement(seat.run, seat.view(), seat.id),
                pictures=laid.found,
                past=past,
            )
            if driver.briefed:
                self._record.add(Spoken(order.prompt, by="user"))
            return await self._tried(driver, order, self._place(access))

    async def _tried(self, driver: Driver, order: Brief, place: Place) -> Ended:
        """Tries until it works, or until trying again would not help."""
        world, inbox = self._seat.world, self._seat.inbox
        until = self._began + place.timeout
        first, tries = order, 1
        while True:
            ended = await self._once(driver, order, place)
            if ended.outcome == "done":
                self._unheard.clear()
            self._missed(*ended.unheard, *inbox.notes())
            left = until - world.clock.monotonic()
            if ended.outcome == "done" and self._unheard and not inbox.halted and left > 1:
                # It was over before it could hear what was said to it.
                words, tries = prompts.FOLLOW_UP, 1
            elif ended.outcome != "failed":
                return ended
            else:
                kind, asked = ended.failure, ended.retry_after
                pause = next_try(kind, tries, asked, world.chance(), world.backoff)
                if pause is None or pause >= left:
                    if tries == 1:
                        return ended
                    reason = f"{ended.reason.rstrip('.')} (tried {tries} times)."
                    return replace(ended, reason=reason)
                if not inbox.halted:
                    await self._seat.emit(
                        AttemptPaused(
                            self._seat.id, self._seat.attempt, kind, ended.reason, pause, tries
                        )
                    )
                    tries += not await self._disturbed(pause)
                if inbox.halted:
                    return replace(ended, outcome="done", reason=STOPPED, failure=None)
                words = prompts.GO_ON
            self._before = self._spent
            order = self._again(first, ended.session or order.session, words)
            place = replace(place, timeout=max(1.0, until - world.clock.monotonic()))

    async def _disturbed(self, pause: float) -> bool:
        """Waits for so many seconds, or until something is said to the agent."""
        try:
            async with asyncio.timeout(pause):
                message = await self._seat.inbox.receive()
        except TimeoutError:
            return False
        if isinstance(message, Note):
            self._missed(message.text)
        return True

    def _missed(self, *notes: str) -> None:
        """Notes that the agent has not heard, and has to be told."""
        self._unheard += notes
        for note in notes:
            self._record.add(Spoken(note, by="user"))

    def _again(self, first: Brief, session: str, words: str) -> Brief:
        """The order to go on with, in the same conversation where there is one."""
        notes = "\n\n".join(self._unheard)
        said = prompts.SAID.format(notes=notes) if notes else ""
        shown = () if session else first.pictures
        prompt, onward = (
            "\n\n".join(p for p in (words if session else begun, said) if p)
            for begun in (first.prompt, first.onward)
        )
        return replace(first, session=session, prompt=prompt, onward=onward, pictures=shown)

    async def _once(self, driver: Driver, order: Brief, place: Place) -> Ended:
        """Lets the driver run the agent, and hears it to the end."""
        seat = self._seat
        try:
            async with (
                seat.world.starts.turn(heavy=driver.heavy) as up,
                asyncio.timeout(place.timeout + seat.grace),
                aclosing(driver.attempt(seat.agent, order, replace(place, up=up))) as news,
            ):
                if seat.inbox.halted:
                    return Ended("done", STOPPED)
                async for item in news:
                    up()
                    if isinstance(item, Ended):
                        return seat.veil.news(item)
                    await self._hear(seat.veil.news(item))
        except TimeoutError:
            return Ended("timed_out", f"did not end within {place.timeout:g} s", failure="timeout")
        return Ended("failed", "its driver ended without saying how", failure="protocol")

    async def _hear(self, item: Said | Spoke | Acted | Returned | Used) -> None:
        seat = self._seat
        match item:
            case Said(text=text, stream=stream):
                seat.say(Delta(seat.run, seat.id, stream, text))
            case Spoke(text=text, thinking=thinking):
                self._record.add(Spoken(text, thinking=thinking))
            case Acted(action=action, target=target, detail=detail, call=call):
                self._record.add(Called(action, target, detail, call=call))
                await seat.emit(AgentActed(seat.id, action, target))
            case Returned(call=call, text=text, ok=ok):
                self._record.returned(call, text, ok=ok)
            case Used(usage=usage):
                spent = self._before + usage
                if spent != self._spent:
                    self._spent = spent
                    await seat.emit(UsageReported(seat.id, seat.attempt, spent))
            case _:
                assert_never(item)

    @asynccontextmanager
    async def _access(self, driver: Driver) -> AsyncGenerator[Access | None]:
        seat = self._seat
        endpoint, rules = seat.world.endpoint, seat.spec.rules
        others = self._onto is not None or (rules.share_candidates and len(seat.spec.agents) > 1)
        # Where there is nobody to see, its last words are its summary: a tool for them would cost
        # a connection, and a turn of its model.
        if endpoint is None or not driver.briefed or not others:
            yield None
            return
        veil = seat.veil
        async with endpoint.open(VeiledTools(self._tools, veil)) as access:
            veil.hide({access.token: "[token]"})
            yield access

    def _place(self, access: Access | None) -> Place:
        seat, lease = self._seat, self._lease
        limit = seat.spec.rules.attempt_timeout
        wanted = seat.agent.settings.get("timeout")
        if isinstance(wanted, int | float):
            limit = min(limit, float(wanted))
        walls = fence(seat.spec, lease)
        confined = walls is not None and seat.world.confines
        permits = Permits(
            seat.world, seat.run, seat.id, seat.agent.permissions, seat.emit, seat.veil.action
        )
        return Place(
            lease.path,
            lease.folder,
            lease.home,
            seat.run,
            limit,
            walls,
            confined=confined,
            instructions=seat.spec.rules.instructions,
            trusted=seat.spec.rules.trusted,
            access=access,
            approve=permits.confined if confined else permits.unconfined,
            inbox=seat.inbox,
        )

    # ── what it left ────────────────────────────────────────────────────────────────────────

    async def _recorded(self, ended: Ended, seconds: float) -> Exception | None:
        """Wraps up; what goes wrong is a value, to be raised in the task that asked."""
        try:
            seat, said = self._seat, self._tools.summary or ended.summary
            await wrap_up(seat, self._lease, ended, seconds, said, self._record, self._unheard)
        except Exception as error:  # noqa: BLE001 - handed over whole
            return error
        return None


def fence(spec: RunSpec, lease: Lease) -> Fence | None:
    """What may be written from a worktree: itself, with a git repository of its own, and a home."""
    if spec.rules.sandbox == "off":
        return None
    required = spec.rules.sandbox == "required"
    return Fence((lease.path, lease.home), required=required, readable=lease.reads)
