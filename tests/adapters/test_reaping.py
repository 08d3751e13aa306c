"""Leases of other processes, dead and alive, and what is cleared away after them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from massgen_ls.adapters.git.locks import take, try_lock
from massgen_ls.adapters.git.rooms import GitRooms
from massgen_ls.core.task import RunId
from tests.fakes.processes import PlainProcesses
from tests.fakes.repositories import PLAIN, RUN, Rooms, UserRepo, environ

HOLDER = """
import asyncio, os, sys
from pathlib import Path
from massgen_ls.adapters.git.rooms import GitRooms
from massgen_ls.core.task import RunId, WorktreeRules
from massgen_ls.ports import SnapshotRequest
from tests.fakes.processes import PlainProcesses
from tests.fakes.repositories import environ

async def main(cache, repo, home):
    async with GitRooms(PlainProcesses(), Path(cache), environ(Path(home)), 2) as rooms:
        taken = await rooms.snapshots.take(SnapshotRequest(repo, RunId("other")))
        async with rooms.worktrees.lease(taken, RunId("other"), WorktreeRules()) as lease:
            Path(lease.path, "theirs").write_text("t")
            Path(lease.home, "theirs").write_text("t")
            print(lease.path, flush=True)
            await asyncio.to_thread(sys.stdin.read)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_live_lease_of_another_process_is_safe_and_a_dead_one_is_reused(
    repo: UserRepo, rooms: Rooms
):
    root = Path(__file__).parents[2]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(HOLDER), str(rooms.cache), str(repo.top),
        str(repo.home), cwd=root, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout
        held = (await process.stdout.readline()).decode().strip()
        taken = await rooms.take(repo.top)
        await rooms.worktrees.reap()
        async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
            assert lease.path != held
        await rooms.worktrees.warm(taken, 3)
        (left,) = await rooms.rooms.collect(time.time())
        assert left.left == "it is in use" or not left.objects
        assert Path(held, "theirs").exists()
        assert rooms.files(taken)
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()
    await rooms.worktrees.reap()
    assert not Path(held).parent.joinpath("home/theirs").exists()
    async with AsyncExitStack() as stack:
        places = [
            (await stack.enter_async_context(rooms.worktrees.lease(taken, RUN, PLAIN))).path
            for _ in range(4)
        ]
        assert held in places
        assert not Path(held, "theirs").exists()


async def test_reaping_deletes_only_what_is_ours(repo: UserRepo, rooms: Rooms):
    taken = await rooms.take(repo.top)
    top = Path(taken.shadow).parent
    foreign = [rooms.cache / "notes.txt", rooms.cache / "shadows/mine/keep", top / "trees/x/keep"]
    for path in foreign:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("not ours")
    (rooms.cache / "trash/old/deep").mkdir(parents=True)
    (rooms.cache / "trash/old/deep").chmod(0o500)
    (top / "desks/999999-1-abc").mkdir()
    (rooms.cache / "shadows/abc.999999999-1-ff").mkdir()
    await rooms.worktrees.reap()
    assert all(path.read_text() == "not ours" for path in foreign)
    assert os.listdir(rooms.cache / "trash") == []
    assert os.listdir(top / "desks") == []
    assert not (rooms.cache / "shadows/abc.999999999-1-ff").exists()


async def test_the_trash_is_emptied_in_the_background(repo: UserRepo, tmp_path: Path):
    deep = tmp_path / "cache/trash/deep"
    deep.mkdir(parents=True)
    async with GitRooms(PlainProcesses(), tmp_path / "cache", environ(repo.home), 2) as made:
        rooms = Rooms(made, PlainProcesses(), tmp_path / "cache")
        taken = await rooms.take(repo.top)
        async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
            # Deeper than a path may be long: only relative steps get there.
            handle = os.open(lease.path, os.O_RDONLY)
            for _ in range(1200):
                os.mkdir("d" * 8, dir_fd=handle)
                below = os.open("d" * 8, os.O_RDONLY, dir_fd=handle)
                os.close(handle)
                handle = below
            os.close(handle)
        async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
            assert not os.path.exists(os.path.join(lease.path, "d" * 8))
        async with asyncio.timeout(20):
            while os.listdir(tmp_path / "cache/trash"):  # noqa: ASYNC110 - a folder has no event
                await asyncio.sleep(0.01)


async def test_a_start_clears_away_what_a_dead_process_left(repo: UserRepo, tmp_path: Path):
    cache = tmp_path / "cache"
    async with GitRooms(PlainProcesses(), cache, environ(repo.home), 2) as made:
        taken = await Rooms(made, PlainProcesses(), cache).take(repo.top)
        await made.worktrees.warm(taken, 1)
    top = Path(taken.shadow).parent
    token = top / "trees/0/home/token"
    token.write_text("secret")
    (top / "trees/1").mkdir()
    (top / "desks/999999-1-abc").mkdir()
    (top / "locks/desk-999999-1-abc").touch()
    (top / "locks/desk-999999-2-abc").touch()
    ready = (top / "trees/0/ours/state.json").read_bytes()
    async with GitRooms(PlainProcesses(), cache, environ(repo.home), 2):
        assert not token.exists(), "nobody finds it, however short the life of this process is"
        async with asyncio.timeout(20):
            while (top / "trees/1").exists() or os.listdir(cache / "trash"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert os.listdir(top / "desks") == []
        assert sorted(os.listdir(top / "locks")) == ["tree-0", "tree-1"]
        assert (top / "trees/0/ours/state.json").read_bytes() == ready, "and it is still warm"


async def test_old_runs_are_forgotten_and_only_they(repo: UserRepo, rooms: Rooms):
    taken = await rooms.take(repo.top, run=RunId("by-hand"))
    now = datetime(2026, 11, 21, tzinfo=UTC)
    young = [f"{now - timedelta(hours=n):%Y%m%d-%H%M%S}-aaaa" for n in range(205)]
    old = [f"{now - timedelta(days=n):%Y%m%d-%H%M%S}-aaaa" for n in (31, 400)]
    for run in (*young, *old):
        path = Path(taken.shadow, "refs/runs", run, "base")
        path.parent.mkdir()
        path.write_text(taken.commit + "\n")
    await rooms.worktrees.retire(now.timestamp())
    refs = rooms.shadow_git(taken, "for-each-ref", "--format=%(refname)").decode().split()
    assert sorted(refs) == sorted(f"refs/runs/{run}/base" for run in (*young[:200], "by-hand"))
    assert rooms.files(taken), "no object goes"
    for run in young[:200]:
        Path(taken.shadow, "refs/runs", run, "base").unlink()
    rooms.shadow_git(taken, "update-ref", f"refs/runs/{old[0]}/base", taken.commit)
    await rooms.worktrees.retire(now.timestamp())
    refs = rooms.shadow_git(taken, "for-each-ref", "--format=%(refname)").decode().split()
    assert refs == ["refs/runs/by-hand/base"], "age alone is enough"


def test_a_lock_whose_file_was_deleted_meanwhile_is_no_lock(tmp_path: Path):
    path = str(tmp_path / "lock")
    first = try_lock(path)
    assert first is not None

    def late(handle: int) -> bool:
        first.remove()  # after it was opened, before it is locked
        return take(handle)

    second = try_lock(path, late)
    assert second is not None
    assert try_lock(path) is None, "both would believe that they alone have it"
    second.release()
    assert os.path.exists(path)
