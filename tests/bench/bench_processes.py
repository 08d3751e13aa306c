"""Spawning and ending against bare asyncio subprocesses, measured beside it in the same run.

Run it with ``scripts/bench tests/bench/bench_processes.py``. Prints ratios, asserts nothing.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from massgen_ls.adapters.host.journal import Journal
from massgen_ls.adapters.host.process import HostProcesses
from massgen_ls.adapters.host.sandbox import Sandbox
from massgen_ls.ports import Command, Fence
from tests.adapters.trees import ENV, FIVE, somebody, tag, tagged
from tests.bench.measure import QUICK

ROUNDS = 3 if QUICK else 7


async def bare() -> None:
    process = await asyncio.create_subprocess_exec(
        "true", env=ENV, stdin=-3, stdout=-1, stderr=-1, start_new_session=True
    )
    await process.communicate()


async def at_once(one: Callable[[], Awaitable[object]], count: int) -> float:
    """Milliseconds for so many at the same time."""

    async def run() -> None:
        await one()

    took: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(run())
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


async def end_of_five(processes: HostProcesses, fence: Fence | None) -> tuple[float, int]:
    """Milliseconds from stop to a settled end of a tree of five, and how many outlived that."""
    took: list[float] = []
    left = 0
    for _ in range(ROUNDS):
        word = tag()
        argv = (sys.executable, "-I", "-S", "-c", FIVE, "hold")
        command = Command(argv, "/", {**ENV, "TAG": word}, fence=fence)
        async with processes.start(command) as running:
            await somebody(word, 5)
            began = time.perf_counter()
            await running.stop()
            took.append((time.perf_counter() - began) * 1000)
        left += len(tagged(word))
    return statistics.median(took), left


async def killed_leader_alone() -> int:
    """What `Process.kill` of asyncio leaves of the same tree."""
    word = tag()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", FIVE), env={**ENV, "TAG": word}, stdout=-3
    )
    pids = await somebody(word, 5)
    process.kill()
    await process.wait()
    left = tagged(word)
    for pid in left:
        if pid in pids:
            os.kill(pid, 9)
    return len(left)


async def bench(folder: Path) -> list[str]:
    sandbox = Sandbox.probe("/nonexistent", ENV["PATH"])
    processes = HostProcesses(Journal(folder), sandbox)
    plumbing = Command(("true",), "/", ENV, tree=False)
    tree = Command(("true",), "/", ENV)
    lines: list[str] = []
    for count in (1, 16, 100):
        floor = await at_once(bare, count)
        kinds = [("plumbing", plumbing), ("tree", tree)]
        if sandbox.works:
            kinds.append(("fenced", Command(("true",), "/", ENV, fence=Fence(()))))
        for name, command in kinds:
            took = await at_once(lambda command=command: processes.run(command), count)
            lines.append(
                f"{count:3} × {name:<9} {took:8.1f} ms  {took / floor:5.2f} × bare ({floor:.1f} ms)"
            )
    for name, fence in (("tree of five", None), ("the same, fenced", Fence(()))):
        if fence is None or sandbox.works:
            took, left = await end_of_five(processes, fence)
            lines.append(f"end of {name:<18} {took:8.1f} ms, {left} survivors of {5 * ROUNDS}")
    lines.append(f"asyncio's kill of the same leaves {await killed_leader_alone()} of 5")
    return lines


@pytest.mark.bench
async def test_bench_processes(tmp_path: Path) -> None:
    sys.stdout.write("\n".join(["", *await bench(tmp_path), ""]))
