"""One agent's attempt in one worktree. Whatever goes wrong with it becomes events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import assert_never

from massgen_ls.core.candidate import Candidate, Snapshot
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.events import (
    AgentActed,
    AttemptEnded,
    AttemptStarted,
    CandidateCaptured,
    Delta,
    Event,
    NothingCaptured,
    Notice,
    UsageReported,
)
from massgen_ls.core.task import AgentSpec, CandidateId, RunId, RunSpec, SeatId
from massgen_ls.engine.brief import brief
from massgen_ls.engine.world import World
from massgen_ls.ports import Acted, Ended, Fence, Lease, Place, Returned, Said, Spoke, Used

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
    wrap_up: float = WRAP_UP
    grace: float = _GRACE

    @property
    def id(self) -> SeatId:
        """The agent's id."""
        return SeatId(str(self.agent.id))

    async def work(self) -> None:
        """Leases a worktree, runs the agent, captures what it left, all as events.

        Cancelling ends the agent and still captures; only then the cancellation goes on.
        """
        rules = self.spec.rules
        try:
            async with self.world.worktrees.lease(
                self.snapshot, self.run, rules.worktree, sandbox=rules.sandbox
            ) as lease:
                await self.emit(AttemptStarted(self.id, self.attempt, lease.path))
                await self._in(lease)
        except MassgenError as error:
            await self._never(str(error))
        except Exception as error:  # noqa: BLE001 - a bug at one seat is not the run's end
            _log.exception("seat %s of run %s", self.id, self.run)
            await self._never(f"internal error: {type(error).__name__}: {error}")

    async def _never(self, reason: str) -> None:
        """Ends an attempt that could not go its way; what is known already stays as it is."""
        await self.emit(
            AttemptStarted(self.id, self.attempt, ""),
            AttemptEnded(self.id, self.attempt, "failed", reason),
            NothingCaptured(self.id, self.attempt, reason),
        )

    async def _in(self, lease: Lease) -> None:
        started = self.world.clock.monotonic()
        cancelled: asyncio.CancelledError | None = None
        try:
            ended = await self._drive(lease)
        except asyncio.CancelledError as cancel:
            ended, cancelled = Ended("cancelled", "cancelled"), cancel
        seconds = self.world.clock.monotonic() - started
        async with asyncio.TaskGroup() as group:
            # A task of its own: a cancel that comes only now does not cut it off.
            recording = group.create_task(self._recorded(lease, ended, seconds))
            if cancelled is None:
                try:
                    await asyncio.wait([recording])
                except asyncio.CancelledError as cancel:
                    cancelled = cancel
            # Bounded, because a cancelled run must end even where the disk hangs.
            await asyncio.wait([recording], timeout=self.wrap_up)
            recording.cancel()
        if recording.cancelled():
            raise MassgenError(f"what it left could not be recorded within {self.wrap_up:g} s")
        if error := recording.result():
            raise error
        if cancelled:
            raise cancelled

    async def _drive(self, lease: Lease) -> Ended:
        driver = self.world.drivers.get(self.agent.type)
        if driver is None:
            known = ", ".join(sorted(self.world.drivers))
            return Ended("missing", f"no driver for type {self.agent.type!r}; there are: {known}")
        limit = self.spec.rules.attempt_timeout
        wanted = self.agent.settings.get("timeout")
        if isinstance(wanted, int | float):
            limit = min(limit, float(wanted))
        place = Place(
            lease.path, lease.folder, lease.home, self.run, limit, fence(self.spec, lease)
        )
        news = driver.attempt(self.agent, brief(self.agent, self.spec.task, self.attempt), place)
        try:
            async with asyncio.timeout(limit + self.grace):
                async with aclosing(news) as stream:
                    async for item in stream:
                        if isinstance(item, Ended):
                            return item
                        await self._hear(item)
        except TimeoutError:
            return Ended("timed_out", f"did not end within {limit:g} s")
        return Ended("failed", "its driver ended without saying how")

    async def _hear(self, item: Said | Spoke | Acted | Returned | Used) -> None:
        match item:
            case Said(text=text, stream=stream):
                self.say(Delta(self.run, self.id, stream, text))
            case Acted(action=action, target=target):
                await self.emit(AgentActed(self.id, action, target))
            case Used(usage=usage):
                await self.emit(UsageReported(self.id, self.attempt, usage))
            case Spoke() | Returned():
                pass
            case _:
                assert_never(item)

    async def _recorded(self, lease: Lease, ended: Ended, seconds: float) -> Exception | None:
        """Wraps up; what goes wrong is a value, to be raised in the task that asked."""
        try:
            await self._wrap_up(lease, ended, seconds)
        except Exception as error:  # noqa: BLE001 - handed over whole
            return error
        return None

    async def _wrap_up(self, lease: Lease, ended: Ended, seconds: float) -> None:
        await self.emit(
            AttemptEnded(
                self.id, self.attempt, ended.outcome, ended.reason, ended.exit_code, seconds
            )
        )
        started = self.world.clock.monotonic()
        name = CandidateId(f"{self.id}.{self.attempt}")
        try:
            captured = await lease.capture(name, f"{name}: {self.spec.task.prompt}")
        except MassgenError as error:
            await self.emit(NothingCaptured(self.id, self.attempt, f"cannot be captured: {error}"))
            return
        found: list[Event] = [*told(captured.notes, self.id)]
        if captured.changes:
            candidate = Candidate(
                name,
                self.id,
                self.snapshot.tree,
                captured.tree,
                captured.commit,
                captured.changes,
                ended.summary,
            )
            found.append(CandidateCaptured(candidate, self.world.clock.monotonic() - started))
        else:
            found.append(NothingCaptured(self.id, self.attempt, "changed nothing"))
        await self.emit(*found)


_MOST_NOTES = 20


def told(notes: Sequence[str], seat: SeatId | None = None) -> list[Notice]:
    """Notes as events; of very many only the first ones, and how many more there are."""
    shown = list(notes[:_MOST_NOTES])
    if len(notes) > _MOST_NOTES:
        shown.append(f"… and {len(notes) - _MOST_NOTES} more notes like these")
    return [Notice("warning", note, seat) for note in shown]


def fence(spec: RunSpec, lease: Lease) -> Fence | None:
    """What may be written from a worktree: itself, with a git repository of its own, and a home."""
    if spec.rules.sandbox == "off":
        return None
    return Fence((lease.path, lease.home), required=spec.rules.sandbox == "required")
