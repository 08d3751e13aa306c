"""An engine on real git, real processes and a real record, with scripted agents and checks."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from massgen_ls.adapters.git.linediff import differ, refiner
from massgen_ls.adapters.git.rooms import GitRooms
from massgen_ls.adapters.host.clock import SystemClock
from massgen_ls.adapters.host.files import DiskFiles
from massgen_ls.adapters.host.process import HostProcesses
from massgen_ls.adapters.languages.trees import TreeSitter
from massgen_ls.adapters.store.attachments import AttachmentFolder
from massgen_ls.adapters.store.conversations import ConversationFolder
from massgen_ls.adapters.store.sqlite import SqliteStore
from massgen_ls.core.failures import Backoff
from massgen_ls.core.run_state import RunState
from massgen_ls.core.task import (
    AgentId,
    AgentSpec,
    CheckSpec,
    Rules,
    RunId,
    RunSpec,
    Task,
)
from massgen_ls.engine.starts import Starts
from massgen_ls.engine.supervisor import Supervisor
from massgen_ls.engine.world import World
from massgen_ls.testing.agents import Script, ScriptedChecker, ScriptedDriver
from tests.e2e.world import World as UserWorld

Judge = Callable[[str, Path], tuple[str, ...]]


class CountingIds:
    """Run ids in a row."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def run_id(self) -> RunId:
        return RunId(f"run-{os.getpid()}-{next(self._numbers)}")


def no_failures(check: str, folder: Path) -> tuple[str, ...]:
    return ()


@dataclass
class Bench:
    """Opens engines on one user's world; every engine is a process's worth of state."""

    user: UserWorld
    driver: ScriptedDriver = field(default_factory=lambda: ScriptedDriver({}))
    checker: ScriptedChecker = field(default_factory=lambda: ScriptedChecker(no_failures))
    dead: set[str] = field(default_factory=set)
    """Owners that are to be taken for dead."""

    @property
    def folder(self) -> str:
        return str(self.user.repo)

    @asynccontextmanager
    async def engine(
        self,
        scripts: Mapping[str, Script] | None = None,
        judge: Judge = no_failures,
        owner: str = "me",
        change: Callable[[World], World] = lambda world: world,
    ) -> AsyncIterator[Supervisor]:
        self.driver = ScriptedDriver(scripts or {})
        self.checker = ScriptedChecker(judge)
        clock = SystemClock()
        async with (
            SqliteStore(self.user.state / "runs", clock) as store,
            GitRooms(HostProcesses(), self.user.cache, self.user.env, 2) as git,
            Supervisor(
                change(
                    World(
                        clock=clock,
                        ids=CountingIds(),
                        store=store,
                        snapshots=git.snapshots,
                        worktrees=git.worktrees,
                        objects=git.objects,
                        attachments=AttachmentFolder(self.user.state / "attachments", clock),
                        conversations=ConversationFolder(self.user.state / "said", clock),
                        drivers={"scripted": self.driver},
                        checker=self.checker,
                        differ=differ,
                        refiner=refiner,
                        owner=owner,
                        alive=lambda who: who not in self.dead,
                        cores=2,
                        parse=TreeSitter(),
                        starts=Starts(2),
                        backoff=Backoff(first=0.0, most=0.0),
                    )
                )
            ) as supervisor,
        ):
            yield supervisor

    def spec(self, *agents: str, checks: tuple[str, ...] = (), **rules: object) -> RunSpec:
        return RunSpec(
            Task("do it"),
            tuple(AgentSpec(AgentId(name), "scripted") for name in agents),
            tuple(CheckSpec(name, ("true",)) for name in checks),
            Rules(**rules),  # type: ignore[arg-type]
        )

    async def finish(self, supervisor: Supervisor, spec: RunSpec) -> tuple[RunId, RunState]:
        run = await supervisor.start(spec, self.folder)
        async with asyncio.timeout(60):
            return run, await supervisor.wait(run)

    disk: DiskFiles = field(default_factory=DiskFiles)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A user with a repository of one commit."""
    user = UserWorld(tmp_path.resolve())
    user.init()
    return Bench(user)
