"""The same episode by hand and through us: what the benches of coding agents share."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from massgen_ls.adapters.agents.roster import open_drivers
from massgen_ls.adapters.host.process import HostProcesses
from massgen_ls.adapters.host.sandbox import Sandbox
from massgen_ls.core.permissions import Permissions
from massgen_ls.core.run_state import RunState
from massgen_ls.core.task import (
    AgentId,
    AgentSpec,
    Json,
    Rules,
    RunSpec,
    SandboxRule,
    Task,
    Voting,
)
from massgen_ls.engine.starts import Starts
from massgen_ls.engine.supervisor import Supervisor
from massgen_ls.testing.models.programs import MODELS
from tests.agents import acp, bare
from tests.agents.stage import Stage, attempt, brief
from tests.bench.models import MADE
from tests.fakes.programs import program, search_path

PROMPT = "Please do it."
KEYS: dict[str, str] = {
    "ANTHROPIC_API_KEY": "dummy",
    "GEMINI_API_KEY": "dummy",
    "OPENAI_API_KEY": "dummy",
}


@dataclass(frozen=True)
class Kind:
    """One way to drive one of the programs."""

    name: str
    program: str
    type: str
    settings: dict[str, Json] = field(default_factory=dict[str, Json])

    def spec(self, url: str, number: int = 0, **more: Json) -> AgentSpec:
        """A configured agent that asks the models at ``url``, and need not ask anybody else."""
        given: dict[str, Json] = {"base_url": url, "model": MODELS[self.program], **self.settings}
        return AgentSpec(
            AgentId(f"{self.program}{number}"), self.type, given | more,
            permissions=Permissions(mode="allow"),
        )  # fmt: skip

    async def by_hand(
        self, url: str, place: Path, prompt: str = PROMPT, up: Callable[[], None] | None = None
    ) -> None:
        """Runs the program as somebody without us would; ``up`` is called at its first line."""
        path = program(self.program)
        if self.settings.get("protocol") == "acp":
            async with acp.talk(path, url, place) as talk:
                await acp.converse(talk, place, prompt)
        else:
            await bare.run(path, url, place, prompt=prompt, up=up)
        assert (place / "work" / MADE).exists(), self.name


CLAUDE = Kind("Claude Code", "claude", "claude_code")
GEMINI = Kind("Gemini CLI, acp", "gemini", "gemini_cli", {"protocol": "acp"})
GEMINI_STREAM = Kind("Gemini CLI, stream-json", "gemini", "gemini_cli", {"protocol": "stream-json"})
CODEX = Kind("Codex", "codex", "codex")
KINDS = (CLAUDE, GEMINI, GEMINI_STREAM, CODEX)


def environ(user: Path) -> dict[str, str]:
    """Ours: a user without anything but dummy keys."""
    user.mkdir(parents=True, exist_ok=True)
    return {"PATH": search_path(), "LANG": "C.UTF-8", "HOME": str(user), **KEYS}


@dataclass(frozen=True)
class Spent:
    """What one episode took."""

    wall: float
    """ms"""
    ours: float
    """CPU of this process, ms: the bench does nothing but wait meanwhile."""
    theirs: float
    """CPU of all the programs that ended meanwhile, ms."""


async def spent(episode: Callable[[], Awaitable[object]]) -> Spent:
    """Measures one episode."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu, began = time.process_time(), time.perf_counter()
    await episode()
    wall, ours = time.perf_counter() - began, time.process_time() - cpu
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    theirs = after.ru_utime + after.ru_stime - children.ru_utime - children.ru_stime
    return Spent(wall * 1000, ours * 1000, theirs * 1000)


def probe() -> Sandbox:
    return Sandbox.probe("/nonexistent", search_path())


async def driven(
    kind: Kind, url: str, top: Path, sandbox: Sandbox | None, prompt: str = PROMPT
) -> None:
    """One attempt by its driver, without an engine, in a worktree and a home of its own."""
    stage = Stage(top, KEYS, sandbox)
    processes = HostProcesses(sandbox=sandbox)
    async with open_drivers(processes, stage.around.environ, stage.around.python) as drivers:
        driver = drivers[kind.type]
        told = await attempt(driver, kind.spec(url, share=False), brief(prompt), stage.place())
    assert told.ended.outcome == "done", told.ended
    assert (stage.tree / MADE).exists(), kind.name


def order(
    kind: Kind, url: str, seats: int = 1, sandbox: SandboxRule = "auto", prompt: str = PROMPT
) -> RunSpec:
    """A run of so many agents of one kind; an agent that fails is not replaced."""
    agents = tuple(kind.spec(url, number) for number in range(seats))
    # They all do the same, and every one of them is to be waited for.
    rules = Rules(sandbox=sandbox, voting=Voting("evidence-only"), early_exit=False)
    return RunSpec(Task(prompt), agents, rules=rules)


async def run(supervisor: Supervisor, folder: Path, spec: RunSpec) -> RunState:
    """A whole run; all of its agents must have done it."""
    state = await supervisor.wait(await supervisor.start(spec, str(folder)))
    assert len(state.candidates) == len(spec.agents), state
    return state


async def by_hand_at_once(kind: Kind, url: str, top: Path, count: int) -> None:
    """So many by hand, started as we start them: in turns, until each says its first word."""
    starts = Starts(os.cpu_count() or 1)

    async def one(number: int) -> None:
        async with starts.turn(heavy=True) as up:
            await kind.by_hand(url, top / str(number), up=up)

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(one(number))


def memory(processes: Sequence[psutil.Process]) -> float:
    """MB that these would give back together: what they share is counted once."""
    total = 0
    for process in processes:
        with suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total / 2**20
