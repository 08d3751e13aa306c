"""Snapshots, worktrees and captures against what git and the file system can do at best.

Run it with ``scripts/bench tests/bench/bench_git.py``. It builds a repository, measures each step
beside its limit in the same run and prints ratios.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from massgen_ls.adapters.git.rooms import GitRooms
from massgen_ls.adapters.host.process import HostProcesses
from massgen_ls.core.candidate import Snapshot
from massgen_ls.core.task import CandidateId, RunId, WorktreeRules
from massgen_ls.ports import Buffer, SnapshotRequest
from tests.bench.measure import FILES, QUICK, aged, build, lstat_walk, median, say, show, timed
from tests.fakes.repositories import UserRepo, environ


@pytest.mark.bench
async def test_snapshots_worktrees_and_captures(tmp_path: Path) -> None:
    base = tmp_path.resolve()
    home = base / "home"
    repo = build(base / "repo", home)
    await aged(repo)
    show(f"\nsnapshots, worktrees and captures on {FILES} files")
    processes = HostProcesses()
    async with GitRooms(processes, base / "cache", environ(home), os.cpu_count() or 2) as rooms:
        await measure(base, repo, rooms)


async def measure(base: Path, repo: UserRepo, rooms: GitRooms) -> None:
    """One line for each step."""
    runs = iter(range(10_000))

    async def take(*buffers: Buffer) -> Snapshot:
        request = SnapshotRequest(str(repo.top), RunId(f"r{next(runs)}"), buffers)
        return await rooms.snapshots.take(request)

    began = time.perf_counter()
    await take()
    show(f"first snapshot (makes the shadow): {(time.perf_counter() - began) * 1000:.1f} ms")
    for number in range(10):
        repo.write(f"pkg{number}/mod0/f{number}.py", f"dirty = {number}\n")
    walk = await median(lambda: asyncio.to_thread(lstat_walk, str(repo.top)), 15)
    await take()
    index = base / "index"
    index.write_bytes((repo.top / ".git/index").read_bytes())
    repo.environ["GIT_INDEX_FILE"] = str(index)

    async def add_dry() -> None:
        await asyncio.to_thread(repo.git, "add", "-A", "-n")

    plain_add = await median(add_dry, 9)
    del repo.environ["GIT_INDEX_FILE"]
    took = await median(take, 15)
    say("snapshot, 10 dirty files", took, "lstat walk", walk, 1.6)
    say("  the same", took, "git add -A -n", plain_add)
    buffers = [Buffer(str(repo.top / f"pkg{n}/mod1/f{40 + n}.py"), "unsaved\n") for n in range(3)]
    say("  with 3 unsaved buffers", await median(lambda: take(*buffers), 9), "lstat walk", walk)

    taken = await take()
    numbers = iter(range(10_000))

    async def git_add_one(_: int = 0) -> None:
        path = base / f"plain{next(numbers)}"
        await asyncio.to_thread(
            subprocess.run,
            ["git", "worktree", "add", "-q", "--detach", str(path)],
            cwd=repo.top,
            env=repo.environ,
            check=True,
            capture_output=True,
        )

    async def git_adds(many: int) -> None:
        async def some(share: int) -> None:
            for _ in range(share):
                await git_add_one()

        async with asyncio.TaskGroup() as group:
            group.create_task(some((many + 1) // 2))
            group.create_task(some(many // 2))

    async def lease_many(snapshot: Snapshot, many: int) -> None:
        async with AsyncExitStack() as stack:

            async def one() -> None:
                lease = rooms.worktrees.lease(snapshot, RunId("r"), WorktreeRules())
                await stack.enter_async_context(lease)

            async with asyncio.TaskGroup() as group:
                for _ in range(many):
                    group.create_task(one())

    create = 0.0
    for many in (1, 4) if QUICK else (1, 4, 16):
        floor = await timed(lambda many=many: git_adds(many))
        cold = await timed(lambda many=many: lease_many_fresh(rooms, taken, many))
        say(f"{many} worktrees, none there yet", cold, f"{many} × git worktree add", floor, 1.4)
        create = cold if many == 1 else create
        await rooms.worktrees.warm(taken, many)
        warm = await timed(lambda many=many: lease_many(taken, many))
        say(f"{many} worktrees, warm", warm, f"{many} × git worktree add", floor)

    for number in range(10, 20):
        repo.write(f"pkg{number}/mod0/f{number}.py", f"dirty again = {number}\n")
    other = await take()
    pair = [taken, other]

    async def recycle() -> None:
        pair.reverse()
        async with rooms.worktrees.lease(pair[0], RunId("r"), WorktreeRules()) as lease:
            for number in range(10):
                Path(lease.path, f"agent{number}.py").write_text("left behind\n")

    say("recycled for another snapshot", await median(recycle, 9), "made new", create, 0.4)

    async with rooms.worktrees.lease(taken, RunId("r"), WorktreeRules()) as lease:
        tree_walk = await median(lambda: asyncio.to_thread(lstat_walk, lease.path), 9)
        nothing = await median(lambda: lease.capture(CandidateId("s.0"), "nothing"), 9)
        say("capture, nothing changed", nothing, "lstat walk", tree_walk)
        top = Path(lease.path)
        for number in range(8):
            (top / f"pkg{number}/mod2/f{80 + number}.py").write_text("edited\n")
        for number in range(3):
            (top / f"new{number}.py").write_text("new\n")
        (top / "pkg9/mod2/f89.py").rename(top / "renamed.py")
        (top / "pkg10/mod2/f90.py").unlink()
        (top / "pkg11/mod2/f91.py").chmod(0o755)
        names = iter(range(10_000))
        some = await median(lambda: lease.capture(CandidateId(f"s.{next(names)}"), "work"), 9)
        say("capture, 14 changes", some, "lstat walk", tree_walk)
        made = await lease.capture(CandidateId("s.last"), "work")
        wanted = [(f.path, f.new_oid) for f in made.changes.files if f.new_oid]
        reading = await median(lambda: rooms.objects.read(taken, wanted), 9)
        show(f"reading {len(wanted)} blobs: {reading:.1f} ms")


async def lease_many_fresh(rooms: GitRooms, taken: Snapshot, many: int) -> None:
    """As many leases, after everything that could be reused was renamed away."""
    trees = Path(taken.shadow).parent / "trees"
    for place in list(trees.iterdir()):
        place.rename(trees.parent / f"old-{len(list(trees.parent.iterdir()))}")
    async with AsyncExitStack() as stack:

        async def one() -> None:
            lease = rooms.worktrees.lease(taken, RunId("r"), WorktreeRules())
            await stack.enter_async_context(lease)

        async with asyncio.TaskGroup() as group:
            for _ in range(many):
                group.create_task(one())
