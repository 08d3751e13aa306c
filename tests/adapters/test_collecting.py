"""Objects of forgotten runs are freed, with real git, and nobody who is at work loses anything."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from massgen_ls.adapters.git.locks import exclusive, shared, try_lock
from massgen_ls.adapters.git.rooms import GitRooms
from massgen_ls.adapters.git.shadow import Shadow
from massgen_ls.core.candidate import Snapshot
from massgen_ls.core.changes import RelPath
from massgen_ls.core.task import CandidateId, RunId
from massgen_ls.ports import Captured
from tests.fakes.processes import PlainProcesses
from tests.fakes.repositories import PLAIN, Rooms, UserRepo, environ, untouched

NOW = datetime(2026, 11, 21, tzinfo=UTC)
NOISE = os.urandom(60_000).hex()


def dated(days: int, name: str = "aaaa") -> RunId:
    return RunId(f"{NOW - timedelta(days=days):%Y%m%d-%H%M%S}-{name}")


async def a_run(
    repo: UserRepo, rooms: Rooms, run: RunId, text: str
) -> tuple[Snapshot, Captured, str]:
    """A snapshot and a candidate; returns them with what the candidate's file holds."""
    repo.write("a.py", f"{text} of the user\n")
    taken = await rooms.take(repo.top, run=run)
    async with rooms.worktrees.lease(taken, run, PLAIN) as lease:
        Path(lease.path, "src/b.py").write_text(f"{text} of the agent\n{NOISE}{text}\n")
        made = await lease.capture(CandidateId("s.1"), "m")
    return taken, made, f"{text} of the agent\n{NOISE}{text}\n"


async def content(rooms: Rooms, taken: Snapshot, made: Captured) -> str:
    path = RelPath("src/b.py")
    entry = await rooms.objects.entry(taken, made.tree, path)
    assert entry is not None
    return (await rooms.objects.read(taken, [(path, entry[0])]))[0].decode()


def size(shadow: str) -> int:
    return sum(p.stat().st_size for p in Path(shadow, "objects").rglob("*") if p.is_file())


def objects(rooms: Rooms, taken: Snapshot) -> set[str]:
    listed = rooms.shadow_git(
        taken, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)"
    )
    return set(listed.decode().split())


async def test_old_runs_go_with_their_objects_and_the_others_stay(
    repo: UserRepo, rooms: Rooms
) -> None:
    old = [await a_run(repo, rooms, dated(31 + n), f"old {n}") for n in range(3)]
    young = [await a_run(repo, rooms, dated(n), f"young {n}") for n in range(3)]
    before = size(young[0][0].shadow)
    with untouched(repo.top):
        (planned,) = await rooms.rooms.collect(NOW.timestamp(), dry=True)
        assert size(young[0][0].shadow) == before, "a dry run changes nothing"
        (done,) = await rooms.rooms.collect(NOW.timestamp())
    assert (done.runs, done.objects) == (planned.runs, planned.objects)
    assert (done.runs, done.left) == (3, "")
    assert done.origin == str(repo.top / ".git")
    freed = before - size(young[0][0].shadow)
    assert freed > 3 * 60_000, "three files of noise, however well they pack"
    assert done.size == freed
    assert 3 * 60_000 < planned.size <= freed
    for taken, made, text in young:
        assert await content(rooms, taken, made) == text
        assert rooms.files(taken)["a.py"][1].endswith(b"of the user\n")
    assert not {made.commit for _, made, _ in old} & objects(rooms, young[0][0])
    commits = {taken.commit for taken, _, _ in young}
    assert set(os.listdir(Path(young[0][0].shadow).parent / "snapshots")) == commits
    rooms.shadow_git(young[0][0], "fsck", "--connectivity-only", "--no-dangling")
    (again,) = await rooms.rooms.collect(NOW.timestamp())
    assert (again.runs, again.objects) == (0, 0)
    # And work goes on there, from a worktree whose tree is one of an old run too.
    taken, made, text = await a_run(repo, rooms, dated(0, "bbbb"), "new")
    assert await content(rooms, taken, made) == text


async def test_what_captures_brought_here_outlives_a_gc_of_the_users_repository(
    repo: UserRepo, rooms: Rooms
) -> None:
    repo.write("src/b.py", "staged and never committed\n")
    repo.git("add", "-A")
    taken, made, text = await a_run(repo, rooms, dated(0), "young")
    await a_run(repo, rooms, dated(40), "old")
    assert (await rooms.rooms.collect(NOW.timestamp()))[0].objects > 0
    repo.git("reset", "-q", "--hard")
    repo.git("reflog", "expire", "--expire=now", "--all")
    repo.git("gc", "-q", "--prune=now")
    assert await content(rooms, taken, made) == text
    assert "staged and never committed" in await rooms.objects.patch(taken, made.tree)


async def test_exact_bytes_of_a_snapshot_stay(repo: UserRepo, rooms: Rooms) -> None:
    repo.commit(**{".gitattributes": "*.txt text eol=crlf\n", "mixed.txt": "a\r\nb\r\n"})
    repo.write("mixed.txt", b"a\nb\r\nmixed\n")
    run = dated(0)
    taken = await rooms.take(repo.top, run=run)
    await a_run(repo, rooms, dated(40), "old")
    assert (await rooms.rooms.collect(NOW.timestamp()))[0].objects > 0
    async with rooms.worktrees.lease(taken, run, PLAIN) as lease:
        assert Path(lease.path, "mixed.txt").read_bytes() == b"a\nb\r\nmixed\n"


async def test_nobody_who_is_at_work_loses_anything(repo: UserRepo, rooms: Rooms) -> None:
    taken, made, text = await a_run(repo, rooms, dated(0), "young")
    await a_run(repo, rooms, dated(40), "old")
    before = objects(rooms, taken)
    async with rooms.worktrees.lease(taken, dated(0), PLAIN):
        (left,) = await rooms.rooms.collect(NOW.timestamp())
        assert left.left == "it is in use"
        assert objects(rooms, taken) == before
    shadow = Shadow(str(Path(taken.shadow).parent))
    lock = try_lock(shadow.folder("collecting"))
    assert lock is not None
    assert (await rooms.rooms.collect(NOW.timestamp()))[0].left == "another process is at it"
    lock.release()
    assert (await rooms.rooms.collect(NOW.timestamp()))[0].left == ""
    assert await content(rooms, taken, made) == text


async def test_whoever_comes_while_objects_are_deleted_waits(repo: UserRepo, rooms: Rooms) -> None:
    taken = await rooms.take(repo.top, run=dated(0))
    shadow = Shadow(str(Path(taken.shadow).parent))
    order: list[str] = []

    def come() -> None:
        started.set()
        with shared(shadow.gate):
            order.append("came")

    started = threading.Event()
    async with asyncio.TaskGroup() as group:
        with exclusive(shadow.gate):
            group.create_task(asyncio.to_thread(come))
            await asyncio.to_thread(started.wait, 20)
            order.append("deleted")
    assert order == ["deleted", "came"]


async def test_a_repository_that_is_gone_or_damaged_is_left_alone(
    repo: UserRepo, rooms: Rooms
) -> None:
    repo.commit(**{"lib/c.py": "c\n"})
    taken, made, text = await a_run(repo, rooms, dated(0), "young")
    await a_run(repo, rooms, dated(40), "old")
    away = repo.top.with_name("away")
    repo.top.rename(away)
    (left,) = await rooms.rooms.collect(NOW.timestamp())
    assert left.left == "the repository is not there"
    away.rename(repo.top)
    # A tree of the user's history that is gone: what lies below it cannot be told from garbage.
    tree = repo.git("rev-parse", "HEAD:lib").strip()
    lost = repo.top / ".git/objects" / tree[:2] / tree[2:]
    kept = lost.read_bytes()
    lost.unlink()
    before = objects(rooms, taken)
    (left,) = await rooms.rooms.collect(NOW.timestamp())
    assert left.left == "objects of its repository are missing"
    assert objects(rooms, taken) == before
    lost.write_bytes(kept)
    assert (await rooms.rooms.collect(NOW.timestamp()))[0].left == ""
    assert await content(rooms, taken, made) == text


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from massgen_ls.adapters.git.rooms import GitRooms
from tests.fakes.processes import PlainProcesses
from tests.fakes.repositories import environ

async def main(cache, home, now, number):
    left = [int(number)]
    def hook(event, args):
        if event == "os.rename" and "/objects/" in str(args[0]):
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
    async with GitRooms(PlainProcesses(), Path(cache), environ(Path(home)), 2) as rooms:
        sys.addaudithook(hook)
        await rooms.collect(float(now))

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_kill_in_the_middle_loses_nothing(repo: UserRepo, rooms: Rooms) -> None:
    young = [await a_run(repo, rooms, dated(n), f"young {n}") for n in range(2)]
    for number in (0, 1, 3, 9):
        await a_run(repo, rooms, dated(40 + number), f"old {number}")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", KILLED, str(rooms.cache), str(repo.home),
            str(NOW.timestamp()), str(number), cwd=Path(__file__).parents[2],
        )  # fmt: skip
        assert await process.wait() == -signal.SIGKILL
        for taken, made, text in young:
            assert await content(rooms, taken, made) == text
    assert (await rooms.rooms.collect(NOW.timestamp()))[0].left == ""
    for taken, made, text in young:
        assert await content(rooms, taken, made) == text
    rooms.shadow_git(young[0][0], "fsck", "--connectivity-only", "--no-dangling")


async def test_it_happens_once_a_day_after_a_run(repo: UserRepo, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    processes = PlainProcesses()
    async with GitRooms(processes, cache, environ(repo.home), 2) as made:
        rooms = Rooms(made, processes, cache)
        await a_run(repo, rooms, RunId("20200101-000000-aaaa"), "old")
        taken, _, _ = await a_run(repo, rooms, RunId("by-hand"), "young")
        stamp = cache / "collected"
        await made.worktrees.warm(taken, 1)
        async with asyncio.timeout(30):
            while not stamp.exists():  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0.01)
        await made.worktrees.warm(taken, 1)
        assert not [c for c in processes.commands if "rev-list" in c.argv], "a day has to pass"
        os.utime(stamp, (time.time() - 90_000,) * 2)
        await made.worktrees.warm(taken, 1)
        async with asyncio.timeout(30):
            while stamp.stat().st_mtime < time.time() - 1_000:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        refs = rooms.shadow_git(taken, "for-each-ref", "--format=%(refname)").decode().split()
        assert refs == ["refs/runs/by-hand/base", "refs/runs/by-hand/s.1"]
        low = [c.argv for c in processes.commands if "rev-list" in c.argv]
        assert low
        assert all(argv[0] == "nice" for argv in low)


async def test_leaving_ends_it(repo: UserRepo, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    async with GitRooms(PlainProcesses(), cache, environ(repo.home), 2) as made:
        rooms = Rooms(made, PlainProcesses(), cache)
        taken, captured, text = await a_run(repo, rooms, RunId("by-hand"), "young")
        (cache / "collected").touch()
        os.utime(cache / "collected", (time.time() - 90_000,) * 2)
        await made.worktrees.warm(taken, 1)
    async with GitRooms(PlainProcesses(), cache, environ(repo.home), 2) as made:
        assert await content(Rooms(made, PlainProcesses(), cache), taken, captured) == text
