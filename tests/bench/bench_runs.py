"""Whole runs on a large repository: what they cost beyond their slowest agent.

Run it with ``scripts/bench tests/bench/bench_runs.py``. The agents edit a file and sleep for a
fixed time, so everything beyond that time is ours (starting the program in its sandbox included).
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import shutil
import statistics
import time
from pathlib import Path

import pytest

from massgen_ls.core.events import AttemptEnded, AttemptStarted, Envelope, SnapshotTaken
from massgen_ls.core.task import AgentId, AgentSpec, CheckSpec, RunId, RunSpec, Task
from massgen_ls.engine.supervisor import Supervisor
from massgen_ls.testing.editor import StandInEditor
from massgen_ls.wiring import open_supervisor
from tests.bench.editing import editing
from tests.bench.measure import QUICK, against, aged, build, median, say, show
from tests.fakes.repositories import UserRepo

pytestmark = pytest.mark.bench

SLEEP = 1.0
WARM_ROUNDS = 3 if QUICK else 5
TEAMS = ((3, 500.0),) if QUICK else ((3, 500.0), (16, None))
"""Agents, and the target in ms."""


def agent(number: int, seconds: float, said: int = 0) -> AgentSpec:
    """Edits a file of its own, prints so many lines, and takes its time."""
    file = f"pkg{number}/mod0/f{number}.py"
    talk = f"i=0; while [ $i -lt {said} ]; do echo line $i of the agent; i=$((i+1)); done; "
    script = f"echo 'changed = {number}' >> {file}; {talk if said else ''}sleep {seconds}"
    return AgentSpec(
        AgentId(f"agent{number}"), "command", {"argv": ["sh", "-c", script], "stdin": "none"}
    )


def spec(count: int, *checks: CheckSpec) -> RunSpec:
    return RunSpec(Task("measure"), tuple(agent(n, SLEEP) for n in range(count)), checks)


def world_environ(base: Path, repo: UserRepo, name: str) -> dict[str, str]:
    """The environment of a user with a cache and a record of their own."""
    return {
        **repo.environ,
        "MASSGEN_LS_CACHE": str(base / name / "cache"),
        "MASSGEN_LS_STATE": str(base / name / "state"),
    }


async def one_run(supervisor: Supervisor, repo: UserRepo, order: RunSpec) -> tuple[float, RunId]:
    """Runs it; returns ms beyond the agents' sleep."""
    began = time.perf_counter()
    run = await supervisor.start(order, str(repo.top))
    state = await supervisor.wait(run)
    took = (time.perf_counter() - began - SLEEP) * 1000
    assert len(state.candidates) == len(order.agents), state.verdict
    return took, run


def phases(history: list[Envelope]) -> str:
    """Where the time went, by the record."""
    began = history[0].time

    def at(kind: type) -> list[float]:
        return [(e.time - began) * 1000 for e in history if isinstance(e.event, kind)]

    snapshot, started, ended = at(SnapshotTaken)[0], at(AttemptStarted), at(AttemptEnded)
    last = (history[-1].time - began) * 1000
    return (
        f"snapshot {snapshot:.0f}, last lease +{max(started) - snapshot:.0f}, last agent "
        f"+{max(ended) - max(started) - SLEEP * 1000:.0f}, verdict +{last - max(ended):.0f}"
    )


def dirty(repo: UserRepo, rng: random.Random) -> None:
    """The user edits ten files between two runs."""
    for _ in range(10):
        number = rng.randrange(100, 1000)
        repo.write(f"pkg{number % 40}/mod{number // 40 % 12}/f{number}.py", f"x = {rng.random()}\n")


async def rounds(
    supervisor: Supervisor, repo: UserRepo, order: RunSpec, name: str, goal: float | None
) -> None:
    """Several runs of one kind with edits in between, in one process with warm worktrees."""
    rng = random.Random(7)
    took: list[float] = []
    parts = ""
    for _ in range(WARM_ROUNDS):
        dirty(repo, rng)
        overhead, run = await one_run(supervisor, repo, order)
        took.append(overhead)
        parts = phases(list(await supervisor.history(run)))
        # A user reads the diff before the next task; what is done meanwhile costs them nothing.
        await asyncio.sleep(1.5)
    middle = statistics.median(took)
    spread = f"{min(took):.0f}-{max(took):.0f} ms; the last: {parts}"
    if goal is not None:
        against(name, middle, goal, note=spread)
    else:
        show(f"{name:<46}{middle:9.1f} ms   {spread}")


async def test_overhead_of_runs(tmp_path: Path) -> None:
    base = tmp_path.resolve()
    repo = build(base / "repo", base / "home")
    await aged(repo)
    show(f"\noverhead of a run beyond agents that take {SLEEP:g} s, {os.cpu_count()} cores")
    floor = await median(lambda: asyncio.to_thread(repo.git, "status"), 7)
    show(f"{'git status there, for scale':<46}{floor:9.1f} ms")
    passes = CheckSpec("true", ("true",))
    for count, goal in TEAMS:
        environ = world_environ(base, repo, f"of{count}")
        async with open_supervisor(environ) as supervisor:
            cold, run = await one_run(supervisor, repo, spec(count))
            parts = phases(list(await supervisor.history(run)))
            show(f"{f'{count} agents, first run ever (cold)':<46}{cold:9.1f} ms   {parts}")
            await asyncio.sleep(1.5)
            await rounds(supervisor, repo, spec(count), f"{count} agents, warm", goal)
            name = f"{count} agents, warm, a check of each candidate"
            await rounds(supervisor, repo, spec(count, passes), name, None)
        began = time.perf_counter()
        async with open_supervisor(environ) as supervisor:
            opened = (time.perf_counter() - began) * 1000
            again, run = await one_run(supervisor, repo, spec(count))
            parts = phases(list(await supervisor.history(run)))
            name = f"{count} agents, a new process, warm trees"
            show(f"{name:<46}{again:9.1f} ms   opened in {opened:.0f}; {parts}")


# ── the server under load ───────────────────────────────────────────────────────────────────────

REQUESTS_APART = 0.02
"""Seconds between code action requests."""


async def ask(editor: StandInEditor, path: str) -> float:
    """One code action request with a selection; ms."""
    params = {
        "textDocument": {"uri": editor.uri(path)},
        "range": {"start": {"line": 0, "character": 0}, "end": {"line": 3, "character": 0}},
        "context": {"diagnostics": []},
    }
    began = time.perf_counter()
    assert await editor.request("textDocument/codeAction", params)
    return (time.perf_counter() - began) * 1000


def percentile(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, math.ceil(len(times) * share) - 1)]


async def test_server_during_a_run_of_16(tmp_path: Path) -> None:
    base = tmp_path.resolve()
    repo = build(base / "repo", base / "home")
    await aged(repo)
    agents = [agent(n, 6.0, said=500) for n in range(16)]
    config = base / "team.yaml"
    lines = ["agents:"]
    for each in agents:
        argv = "[" + ", ".join(f'"{word}"' for word in map(str, each.settings["argv"])) + "]"  # type: ignore[arg-type]
        lines.append(
            f"  - id: {each.id}\n    backend: {{type: command, argv: {argv}, stdin: none}}"
        )
    config.write_text("\n".join(lines) + "\n")
    environ = world_environ(base, repo, "server")
    async with editing(repo, environ, config) as (editor, server):
        path = "pkg20/mod0/f20.py"
        await editor.open(path)
        await ask(editor, path)  # the first one waits for the imports
        idle = server.memory_info().rss / 2**20
        quiet = [await ask(editor, path) for _ in range(100)]
        peak, busy = idle, list[float]()
        for warm in (False, True):
            started = await editor.request("massgen/run", {"prompt": "measure", "apply": "none"})
            async with asyncio.TaskGroup() as group:
                done = group.create_task(
                    editor.request("massgen/wait", {"runId": started["runId"]})
                )
                while not done.done():
                    busy.append(await ask(editor, path))
                    peak = max(peak, server.memory_info().rss / 2**20)
                    await asyncio.sleep(REQUESTS_APART)
            assert len(done.result()["candidates"]) == 16, (warm, done.result())
        show("\nthe server during two runs of 16 agents that print 500 lines each")
        show(f"{'memory when idle':<46}{idle:9.1f} MB")
        against("memory, highest", peak, 150, "MB")
        say("code action, median", statistics.median(busy), "idle", statistics.median(quiet))
        against("code action, p99", percentile(busy, 0.99), 50, note=f"{len(busy)} requests")
        show(f"{'code action, slowest':<46}{max(busy):9.1f} ms")
    shutil.rmtree(base / "server", ignore_errors=True)
