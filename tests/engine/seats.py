"""One seat on a desk without a disk, for tests of what becomes of its events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

from massgen_ls.core.candidate import Snapshot
from massgen_ls.core.changes import ChangeSet, FileChange, RelPath
from massgen_ls.core.errors import StorageError
from massgen_ls.core.events import Event
from massgen_ls.core.failures import Backoff
from massgen_ls.core.run_state import EMPTY
from massgen_ls.core.task import (
    AgentId,
    AgentSpec,
    CandidateId,
    Rules,
    RunId,
    RunSpec,
    SeatId,
    Task,
)
from massgen_ls.engine.seat import Seat
from massgen_ls.engine.starts import Starts
from massgen_ls.engine.world import World
from massgen_ls.ports import Captured, Lease
from massgen_ls.testing.agents import Script, ScriptedDriver

A = SeatId("a")
SNAPSHOT = Snapshot("/repo", "", "/shadow", "c0", "base", "h0")
CHANGES = ChangeSet.of([FileChange("add", RelPath("f"), added=1, removed=0)])
LEFT = Captured("t1", "c1", CHANGES)


async def at_once() -> None:
    pass


@dataclass
class Desk:
    """`ports.Worktrees` and `ports.Lease` without a disk: what is left there is given."""

    left: Captured = LEFT
    before_capture: Callable[[], Awaitable[None]] = at_once
    missing: str = ""
    path: str = "/w"
    folder: str = "/w/sub"
    home: str = "/home"
    reads: tuple[str, ...] = ("/cache/shadow.git/objects",)
    asked: list[tuple[str, str]] = field(default_factory=list)

    @asynccontextmanager
    async def lease(self, *_: object, **__: object) -> AsyncIterator[Lease]:
        if self.missing:
            raise StorageError(self.missing)
        yield self

    async def put(self, files: Mapping[RelPath, bytes | None]) -> None:
        raise AssertionError("no seat writes files itself")

    async def capture(self, candidate: CandidateId, message: str) -> Captured:
        self.asked.append((candidate, message))
        await self.before_capture()
        return self.left


def seat(
    desk: Desk,
    script: Script,
    events: list[Event],
    *,
    briefed: bool = False,
    **rules: object,
) -> Seat:
    async def emit(*news: Event) -> None:
        events.extend(news)

    driver = ScriptedDriver({"a": script}, briefed=briefed)
    clock = SimpleNamespace(monotonic=lambda: 1.0)
    world = SimpleNamespace(
        attachments=None,
        worktrees=desk,
        drivers={"scripted": driver, "other": driver},
        clock=clock,
        objects=None,
        endpoint=None,
        approver=None,
        confines=False,
        starts=Starts(1),
        chance=lambda: 0.0,
        backoff=Backoff(first=0.0, most=0.0),
    )
    agent = AgentSpec(AgentId("a"), "scripted")
    spec = RunSpec(Task("do it"), (agent,), rules=Rules(**rules))  # type: ignore[arg-type]
    return Seat(
        cast(World, world),
        RunId("r"),
        spec,
        agent,
        SNAPSHOT,
        1,
        emit,
        lambda noise: None,
        lambda: EMPTY,
    )
