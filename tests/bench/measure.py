"""What the benches share: a repository of some size, medians, and lines of a table."""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.fakes.repositories import UserRepo

QUICK = os.environ.get("MASSGEN_LS_BENCH_QUICK", "") == "1"
"""``scripts/bench --quick``: fewer rounds and agents, a smaller repository."""
FILES = int(os.environ.get("MASSGEN_LS_BENCH_FILES", "1000" if QUICK else "5000"))
"""How many files the repository of a bench has."""

ROOT = Path(__file__).resolve().parents[2]


def build(top: Path, home: Path, count: int = FILES) -> UserRepo:
    """A repository with log-normal file sizes (median 3 KB), 480 folders."""
    rng = random.Random(1)
    repo = UserRepo(top, home)
    home.mkdir(exist_ok=True)
    top.mkdir()
    repo.git("init", "-q")
    for number in range(count):
        size = int(min(200_000, rng.lognormvariate(8, 1.2)))
        body = "".join(f"x{line} = {rng.random()}\n" for line in range(size // 24 + 1))
        repo.write(f"pkg{number % 40}/mod{number // 40 % 12}/f{number}.py", body)
    repo.git("add", "-A")
    repo.git("commit", "-qm", "all")
    return repo


async def aged(repo: UserRepo) -> None:
    """Lets a second pass, within which git would compare contents, and freshens the index."""
    await asyncio.sleep(1.1)
    await asyncio.to_thread(repo.git, "status")


def lstat_walk(top: str) -> None:
    """The floor of any snapshot: every name, every status."""
    stack = [top]
    while stack:
        with os.scandir(stack.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != ".git":
                        stack.append(entry.path)
                else:
                    entry.stat(follow_symlinks=False)


def show(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def timed(act: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    await act()
    return (time.perf_counter() - began) * 1000


async def median(act: Callable[[], Awaitable[object]], rounds: int = 5) -> float:
    """The median of so many rounds, in ms."""
    return statistics.median([await timed(act) for _ in range(rounds)])


def say(what: str, took: float, limit: str, floor: float, goal: float | None = None) -> None:
    """One line: milliseconds, and the ratio to a limit measured in the same run."""
    ratio = took / floor
    verdict = "" if goal is None else f"  goal ≤ {goal:g}  {'ok' if ratio <= goal else 'MISSED'}"
    show(f"{what:<46}{took:9.1f} ms   {ratio:6.2f} × {limit} ({floor:.1f} ms){verdict}")


def against(what: str, took: float, goal: float, unit: str = "ms", note: str = "") -> None:
    """One line: a number and its target."""
    share = took / goal
    mark = "ok" if share <= 1 else "MISSED"
    show(f"{what:<46}{took:9.1f} {unit}   {share:6.2f} × target ({goal:g} {unit})  {mark}  {note}")
