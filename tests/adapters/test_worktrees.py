"""A leased worktree is exactly the snapshot, ours alone, and whatever was in it before is gone."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from massgen_ls.adapters.git.includes import bring
from massgen_ls.adapters.git.locks import take, try_lock
from massgen_ls.adapters.git.rooms import GitRooms
from massgen_ls.core.candidate import TreeId
from massgen_ls.core.errors import StorageError, WorkspaceError
from massgen_ls.core.task import CandidateId, RunId, WorktreeRules
from tests.fakes.processes import PlainProcesses
from tests.fakes.repositories import PLAIN, RUN, Rooms, UserRepo, environ, state_of, untouched


def content_of(folder: str) -> dict[str, tuple[int, str]]:
    return {p: s for p, s in state_of(Path(folder)).items() if not p.startswith(".git")}


async def test_a_worktree_is_the_snapshot(repo: UserRepo, rooms: Rooms):
    repo.write("a.py", "dirty\n")
    repo.write("new.py", "n\n")
    os.symlink("a.py", repo.top / "link")
    taken = await rooms.take(repo.top)
    with untouched(repo.top):
        async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
            assert content_of(lease.path) == content_of(str(repo.top))
            inside = UserRepo(Path(lease.path), repo.home)
            assert inside.git("status", "--porcelain") == ""
            assert inside.git("rev-parse", "HEAD").strip() == taken.commit
            assert os.listdir(lease.home) == []


async def test_another_tree_of_the_shadow(repo: UserRepo, rooms: Rooms):
    taken = await rooms.take(repo.top)
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        Path(lease.path, "a.py").write_text("candidate\n")
        Path(lease.path, "run.sh").unlink()
        made = await lease.capture("s.1", "m")
    async with rooms.worktrees.lease(taken, RUN, PLAIN, tree=made.tree) as lease:
        assert Path(lease.path, "a.py").read_text() == "candidate\n"
        assert not os.path.exists(os.path.join(lease.path, "run.sh"))
        # Always against the base, not against what the worktree began with.
        assert (await lease.capture("s.2", "m")).changes == made.changes


async def test_leases_are_apart_and_places_are_reused(repo: UserRepo, rooms: Rooms):
    taken = await rooms.take(repo.top)
    async with AsyncExitStack() as stack:
        leases = [
            await stack.enter_async_context(rooms.worktrees.lease(taken, RUN, PLAIN))
            for _ in range(3)
        ]
        assert len({lease.path for lease in leases}) == 3
        first = {lease.path for lease in leases}
    async with AsyncExitStack() as stack:
        again = {
            (await stack.enter_async_context(rooms.worktrees.lease(taken, RUN, PLAIN))).path
            for _ in range(3)
        }
    assert again == first


async def test_leases_at_the_same_time(repo: UserRepo, rooms: Rooms):
    taken = await rooms.take(repo.top)

    async def work(number: int) -> str:
        async with rooms.worktrees.lease(taken, RunId(f"r{number}"), PLAIN) as lease:
            Path(lease.path, "a.py").write_text(f"a = {number}\n")
            made = await lease.capture(f"s.{number}", "m")
            files = rooms.files(taken, made.tree)
            return files["a.py"][1].decode()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work(number)) for number in range(8)]
    assert [t.result() for t in tasks] == [f"a = {number}\n" for number in range(8)]


def hostile(path: Path) -> None:
    """Everything that an agent may leave behind."""
    git = ["git", "-c", "user.name=x", "-c", "user.email=x"]

    def run(*args: str, cwd: Path = path) -> None:
        subprocess.run([*git, *args], cwd=cwd, env=environ(path), check=True, capture_output=True)

    run("checkout", "-q", "-b", "evil")
    (path / "a.py").write_text("evil\n")
    run("commit", "-qam", "evil")
    run("config", "core.fsmonitor", "/bin/false")
    (path / ".git/hooks").mkdir(exist_ok=True)
    (path / ".git/hooks/post-checkout").write_text("#!/bin/sh\nexit 1\n")
    (path / ".git/hooks/post-checkout").chmod(0o755)
    (path / ".git/index.lock").write_text("")
    (path / ".gitignore").write_text("*\n")
    (path / "ignored/deep").mkdir(parents=True)
    (path / "ignored/deep/x").write_text("x")
    (path / "nested").mkdir()
    run("init", "-q", cwd=path / "nested")
    # A repository inside a tracked folder: `git clean -ffdx` would spare it.
    run("init", "-q", cwd=path / "src")
    (path / "empty").mkdir()
    os.mkfifo(path / "fifo")
    os.symlink("/etc", path / "etc")
    (path / "run.sh").chmod(0o644)
    (path / "locked/inner").mkdir(parents=True)
    (path / "locked/inner/f").write_text("f")
    (path / "locked/inner").chmod(0o555)
    (path / "locked").chmod(0o500)
    (path / "src").chmod(0o555)


async def test_nothing_hostile_survives_in_a_reused_place(repo: UserRepo, rooms: Rooms):
    repo.write("src/deep/d.py", "d\n")
    repo.write("other/o.py", "o\n")
    repo.commit("more")
    taken = await rooms.take(repo.top)
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        fresh, place = content_of(lease.path), lease.path
        hostile(Path(lease.path))
        Path(lease.home, ".bashrc").write_text("evil")
    assert not os.path.exists(os.path.join(lease.home, ".bashrc"))
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        assert lease.path == place
        assert content_of(lease.path) == fresh
        inside = UserRepo(Path(lease.path), repo.home)
        assert inside.git("branch", "--format=%(refname:short)").split() == ["massgen"]
        assert inside.git("status", "--porcelain", "--ignored") == ""
        assert not os.path.exists(os.path.join(lease.path, ".git/hooks/post-checkout"))


@pytest.mark.parametrize(
    "damage",
    [
        "no .git", "file .git", "link .git", "no tree", "tree is a link", "tree is a file",
        "no index", "bad index", "no state", "bad state", "folder to link", "file to folder",
        "same size and time", "hard link",
    ],
)  # fmt: skip
async def test_a_damaged_place_is_mended_or_replaced(
    repo: UserRepo, rooms: Rooms, tmp_path: Path, damage: str
):
    repo.write("src/deep/d.py", "d\n")
    repo.commit("more")
    taken = await rooms.take(repo.top)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "b.py").write_text("outside\n")
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        tree, fresh = Path(lease.path), content_of(lease.path)
        ours = tree.parent / "ours"
        if damage.endswith(".git"):
            (tree / ".git").rename(tmp_path / "old-git")
            if damage == "file .git":
                (tree / ".git").write_text("gitdir: /nowhere\n")
            elif damage == "link .git":
                os.symlink(repo.top / ".git", tree / ".git")
        elif damage in {"no tree", "tree is a link", "tree is a file"}:
            tree.rename(tmp_path / "old-tree")
            if damage == "tree is a link":
                os.symlink(outside, tree)
            elif damage == "tree is a file":
                tree.write_text("")
        elif damage == "no index":
            (ours / "index").unlink()
        elif damage == "bad index":
            (ours / "index").write_bytes(b"DIRC junk")
        elif damage == "no state":
            (ours / "state.json").unlink()
        elif damage == "bad state":
            (ours / "state.json").write_text('{"tree": 5, "x": []}')
        elif damage == "folder to link":
            (tree / "src/b.py").unlink()
            (tree / "src").rename(tmp_path / "old-src")
            os.symlink(outside, tree / "src")
        elif damage == "file to folder":
            (tree / "a.py").unlink()
            (tree / "a.py/x").mkdir(parents=True)
        elif damage == "same size and time":
            status = (tree / "a.py").stat()
            (tree / "a.py").write_text("a = 9\n")
            os.utime(tree / "a.py", ns=(status.st_atime_ns, status.st_mtime_ns))
        elif damage == "hard link":
            os.link(tree / "a.py", outside / "back-door")
    with untouched(repo.top, outside):
        async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
            assert content_of(lease.path) == fresh
            if damage == "hard link":
                assert (tree / "a.py").stat().st_nlink == 1


async def test_what_an_agent_does_with_git_stays_in_its_worktree(repo: UserRepo, rooms: Rooms):
    taken = await rooms.take(repo.top)
    async with (
        rooms.worktrees.lease(taken, RUN, PLAIN) as one,
        rooms.worktrees.lease(taken, RUN, PLAIN) as two,
    ):
        Path(two.path, "a.py").write_text("two\n")
        made = await two.capture("two.1", "m")
        agent = UserRepo(Path(one.path), repo.home)
        with untouched(repo.top):
            agent.write("a.py", "stashed\n")
            agent.git("stash")
            agent.git("branch", "mine")
            agent.git("tag", "v1")
            agent.git("config", "core.hooksPath", "/evil")
            agent.git("reflog", "expire", "--expire=now", "--all")
            for ref in agent.git("for-each-ref", "--format=%(refname)").split():
                if ref != "refs/heads/massgen":
                    agent.git("update-ref", "-d", ref)
            agent.git("gc", "--quiet", "--prune=now", "--aggressive")
            agent.git("repack", "-a", "-d", "-q")
            agent.git("prune", "--expire=now")
        other = UserRepo(Path(two.path), repo.home)
        assert other.git("stash", "list") == ""
        assert other.git("branch", "--format=%(refname:short)").split() == ["massgen"]
    refs = rooms.shadow_git(taken, "for-each-ref", "--format=%(refname)").decode().split()
    assert refs == [f"refs/runs/{RUN}/base", f"refs/runs/{RUN}/two.1"]
    assert rooms.files(taken, made.tree)["a.py"][1] == b"two\n"
    rooms.shadow_git(taken, "fsck", "--connectivity-only")


async def test_the_shadow_itself_refuses_to_prune(repo: UserRepo, rooms: Rooms):
    repo.write("a.py", "only in the shadow\n")
    taken = await rooms.take(repo.top)
    rooms.shadow_git(taken, "update-ref", "-d", f"refs/runs/{RUN}/base")
    rooms.shadow_git(taken, "gc", "--prune=now", "--quiet")
    assert rooms.files(taken)["a.py"][1] == b"only in the shadow\n"


async def test_warm_worktrees_are_ready(repo: UserRepo, rooms: Rooms):
    taken = await rooms.take(repo.top)
    await rooms.worktrees.warm(taken, 3)
    places = sorted(Path(taken.shadow).parent.joinpath("trees").iterdir())
    assert len(places) == 3
    assert all((p / "tree/a.py").exists() for p in places)
    rooms.processes.commands.clear()
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        assert Path(lease.path, "a.py").read_text() == "a = 1\n"
    assert rooms.processes.commands == []


async def test_the_snapshot_changes_between_leases(repo: UserRepo, rooms: Rooms):
    for number in range(4):
        repo.write("a.py", f"a = {number}\n")
        repo.write(f"only{number}.py", "")
        (repo.top / f"only{number - 1}.py").unlink(missing_ok=True)
        taken = await rooms.take(repo.top)
        async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
            assert content_of(lease.path) == content_of(str(repo.top))
    assert len(list(Path(taken.shadow).parent.joinpath("trees").iterdir())) == 1


async def test_line_end_settings_change_between_leases(repo: UserRepo, rooms: Rooms):
    taken = await rooms.take(repo.top)
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        assert Path(lease.path, "a.py").read_bytes() == b"a = 1\n"
    repo.git("config", "core.autocrlf", "true")
    taken = await rooms.take(repo.top)
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        assert Path(lease.path, "src/b.py").read_bytes() == b"b = 1\r\nb += 1\r\n"


# ── rules: included paths and set-up ────────────────────────────────────────────────────────────


@pytest.fixture
def provisioned(repo: UserRepo) -> UserRepo:
    repo.write(".gitignore", "node_modules/\n.env\nbuild/\n*.log\n")
    repo.commit("ignore")
    repo.write("node_modules/left/index.js", "l\n")
    repo.write("node_modules/.bin/tool", "#!/bin/sh\n").chmod(0o755)
    os.symlink("../left/index.js", repo.top / "node_modules/.bin/left")
    repo.write("pkg/node_modules/right.js", "r\n")
    repo.write(".env", "SECRET=1\n")
    repo.write("build/out", "not wanted\n")
    return repo


async def test_included_paths_come_along_and_are_never_captured(
    provisioned: UserRepo, rooms: Rooms
):
    repo = provisioned
    taken = await rooms.take(repo.top)
    rules = WorktreeRules(include=("node_modules", ".env"))
    with untouched(repo.top):
        for _ in range(2):
            async with rooms.worktrees.lease(taken, RUN, rules) as lease:
                top = Path(lease.path)
                assert (top / "node_modules/left/index.js").read_text() == "l\n"
                assert (top / "node_modules/.bin/tool").stat().st_mode & 0o111
                assert os.readlink(top / "node_modules/.bin/left") == "../left/index.js"
                assert (top / "pkg/node_modules/right.js").exists()
                assert (top / ".env").read_text() == "SECRET=1\n"
                assert not (top / "build").exists()
                (top / "node_modules/left/index.js").write_text("agent\n")
                (top / "node_modules/planted.js").write_text("agent\n")
                (top / "new.py").write_text("n\n")
                (top / ".gitignore").write_text("")
                made = await lease.capture("s.1", "m")
                assert set(made.changes.paths()) == {".gitignore", "new.py"}
        async with rooms.worktrees.lease(taken, RUN, rules) as lease:
            assert not Path(lease.path, "node_modules/planted.js").exists()
        async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
            assert set(os.listdir(lease.path)) == {".git", ".gitignore", "a.py", "run.sh", "src"}


async def test_a_link_only_when_asked_and_never_captured(provisioned: UserRepo, rooms: Rooms):
    taken = await rooms.take(provisioned.top)
    rules = WorktreeRules(include=("node_modules",), include_mode="symlink")
    for _ in range(2):
        async with rooms.worktrees.lease(taken, RUN, rules) as lease:
            where = os.readlink(os.path.join(lease.path, "node_modules"))
            assert where == str(provisioned.top / "node_modules")
            assert not (await lease.capture("s.1", "m")).changes
    with untouched(provisioned.top):
        async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
            assert not os.path.lexists(os.path.join(lease.path, "node_modules"))


def test_a_copy_never_follows_a_link_out(tmp_path: Path):
    source, target, outside = tmp_path / "s", tmp_path / "t", tmp_path / "o"
    (source / "d").mkdir(parents=True)
    (source / "d/x").write_text("x")
    target.mkdir()
    outside.mkdir()
    os.symlink(outside, target / "d")
    bring(str(source), str(target), ["d/x"], link=False)
    assert os.listdir(outside) == []


def setup_rules(log: Path, *keys: str) -> WorktreeRules:
    code = (
        f"open({str(log)!r},'a').write('x');"
        "import os; os.makedirs('made/deep', exist_ok=True);"
        "open('made/deep/f','w').write('f'); open('a.py','a').write('changed by set-up')"
    )
    return WorktreeRules(setup=((sys.executable, "-c", code),), setup_key=keys)


async def test_set_up_runs_once_for_a_key(repo: UserRepo, rooms: Rooms, tmp_path: Path):
    log = tmp_path / "log"
    repo.commit("lock", **{"lock.json": "1\n"})
    rules = setup_rules(log, "lock.json")
    for number in range(3):
        repo.write("a.py", f"a = {number}\n")
        taken = await rooms.take(repo.top)
        async with rooms.worktrees.lease(taken, RUN, rules) as lease:
            assert Path(lease.path, "made/deep/f").read_text() == "f"
            # Tracked files are the snapshot's, whatever the set-up did to them.
            assert Path(lease.path, "a.py").read_text() == f"a = {number}\n"
            assert not (await lease.capture("s.1", "m")).changes
            assert os.listdir(lease.home) == []
    assert log.read_text() == "x"
    repo.write("lock.json", "2\n")
    taken = await rooms.take(repo.top)
    async with rooms.worktrees.lease(taken, RUN, rules):
        pass
    assert log.read_text() == "xx"


async def test_set_up_runs_again_when_somebody_touched_what_it_made(
    repo: UserRepo, rooms: Rooms, tmp_path: Path
):
    log = tmp_path / "log"
    taken = await rooms.take(repo.top)
    async with rooms.worktrees.lease(taken, RUN, setup_rules(log)) as lease:
        made = Path(lease.path, "made/deep/f")
        status = made.stat()
        made.write_text("F")
        os.utime(made, ns=(status.st_atime_ns, status.st_mtime_ns))
    async with rooms.worktrees.lease(taken, RUN, setup_rules(log)) as lease:
        assert Path(lease.path, "made/deep/f").read_text() == "f"
    assert log.read_text() == "xx"


async def test_ignored_files_that_changed_come_along_with_the_next_run(
    provisioned: UserRepo, rooms: Rooms
):
    taken = await rooms.take(provisioned.top)
    rules = WorktreeRules(include=(".env",))
    for number in range(2):
        provisioned.write(".env", f"SECRET={number}\n")
        again = await rooms.take(provisioned.top, run=RunId(f"run{number}"))
        assert again.commit == taken.commit
        async with rooms.worktrees.lease(again, RunId(f"run{number}"), rules) as lease:
            assert Path(lease.path, ".env").read_text() == f"SECRET={number}\n"


async def test_an_interrupted_set_up_leaves_nothing_behind(repo: UserRepo, rooms: Rooms):
    taken = await rooms.take(repo.top)
    await rooms.worktrees.warm(taken, 1)
    code = "import os; os.mkdir('half'); print('go', flush=True); import time; time.sleep(60)"
    rules = WorktreeRules(setup=((sys.executable, "-c", code),))
    tree = Path(taken.shadow).parent / "trees/0/tree"

    async def lease_it() -> None:
        async with rooms.worktrees.lease(taken, RUN, rules):
            pytest.fail("the set-up does not end by itself")

    async with asyncio.TaskGroup() as group:
        task = group.create_task(lease_it())
        async with asyncio.timeout(20):
            while not (tree / "half").exists():  # noqa: ASYNC110 - a folder has no event
                await asyncio.sleep(0.005)
        task.cancel()
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        assert Path(lease.path) == tree
        assert not (tree / "half").exists()


@pytest.mark.parametrize("argv", [("no-such-program",), (sys.executable, "-c", "1/0")])
async def test_a_failing_set_up_is_a_clear_error(
    repo: UserRepo, rooms: Rooms, argv: tuple[str, ...]
):
    taken = await rooms.take(repo.top)
    with pytest.raises(WorkspaceError) as caught:
        async with rooms.worktrees.lease(taken, RUN, WorktreeRules(setup=(argv,))):
            pass
    assert argv[0] in caught.value.what
    assert "worktree.setup" in caught.value.hint
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        assert os.path.exists(os.path.join(lease.path, "a.py"))


# ── other processes, dead and alive ─────────────────────────────────────────────────────────────

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


async def test_a_snapshot_of_somewhere_else_is_refused(repo: UserRepo, rooms: Rooms):
    taken = await rooms.take(repo.top)
    for shadow in (str(repo.top / ".git"), str(rooms.cache / "shadows/none/shadow.git")):
        with pytest.raises(StorageError):
            async with rooms.worktrees.lease(dataclasses.replace(taken, shadow=shadow), RUN, PLAIN):
                pass


async def test_objects_that_are_gone_are_a_storage_error(repo: UserRepo, rooms: Rooms):
    taken = await rooms.take(repo.top)
    gone = dataclasses.replace(taken, tree=TreeId("ab" * 20))
    with pytest.raises(StorageError):
        async with rooms.worktrees.lease(gone, RUN, PLAIN):
            pass
    with pytest.raises(StorageError) as caught:
        async with rooms.worktrees.lease(taken, RUN, PLAIN, tree="ab" * 20):
            pass
    assert "worktree cannot be made" in caught.value.what


async def test_an_untouched_worktree_goes_on_to_another_tree_without_a_sweep(
    repo: UserRepo, rooms: Rooms
):
    repo.commit(**{"gone.py": "x\n", "folder.py": "a file\n", "c.py": "c\n"})
    first = await rooms.take(repo.top)
    await rooms.worktrees.warm(first, 1)
    Path(repo.top, "gone.py").unlink()
    Path(repo.top, "folder.py").unlink()
    repo.write("folder.py/inside.py", "a folder\n")
    repo.write("a.py", "edited\n")
    Path(repo.top, "c.py").chmod(0o755)
    second = await rooms.take(repo.top)
    rooms.processes.commands.clear()
    async with rooms.worktrees.lease(second, RUN, PLAIN) as lease:
        verbs = [command.argv[1] for command in rooms.processes.commands]
        assert verbs == ["cat-file", "checkout"], "no listing, so no sweep"
        assert not Path(lease.path, "gone.py").exists()
        assert Path(lease.path, "folder.py/inside.py").read_text() == "a folder\n"
        assert Path(lease.path, "a.py").read_text() == "edited\n"
        assert Path(lease.path, "c.py").stat().st_mode & 0o111
        made = await lease.capture(CandidateId("s.1"), "nothing")
        assert not made.changes


async def test_a_warm_worktree_that_was_meddled_with_is_made_right(repo: UserRepo, rooms: Rooms):
    repo.commit(**{"b.py": "b\n"})
    first = await rooms.take(repo.top)
    await rooms.worktrees.warm(first, 1)
    tree = Path(first.shadow).parent / "trees/0/tree"
    (tree / "a.py").write_text("meddled\n")
    (tree / "new.py").write_text("in the way\n")
    repo.write("a.py", "edited\n")
    repo.write("new.py", "mine\n")
    second = await rooms.take(repo.top)
    async with rooms.worktrees.lease(second, RUN, PLAIN) as lease:
        assert Path(lease.path) == tree
        assert Path(lease.path, "a.py").read_text() == "edited\n"
        assert Path(lease.path, "new.py").read_text() == "mine\n"


async def test_warming_keeps_what_a_set_up_made(repo: UserRepo, rooms: Rooms):
    code = "import time; open('made', 'w').write(str(time.time_ns()))"
    rules = WorktreeRules(setup=((sys.executable, "-c", code),))
    first = await rooms.take(repo.top)
    async with rooms.worktrees.lease(first, RUN, rules) as lease:
        made = Path(lease.path, "made").read_text()
        Path(lease.path, "a.py").write_text("the agent's\n")
    repo.write("a.py", "edited\n")
    second = await rooms.take(repo.top)
    await rooms.worktrees.warm(second, 1)
    async with rooms.worktrees.lease(second, RUN, rules) as lease:
        assert Path(lease.path, "made").read_text() == made
        assert Path(lease.path, "a.py").read_text() == "edited\n"


async def test_warming_does_not_trust_what_an_agent_did_to_a_set_up(repo: UserRepo, rooms: Rooms):
    rules = WorktreeRules(setup=((sys.executable, "-c", "open('made', 'w').write('good')"),))
    taken = await rooms.take(repo.top)
    async with rooms.worktrees.lease(taken, RUN, rules) as lease:
        Path(lease.path, "made").write_text("evil")
    await rooms.worktrees.warm(taken, 1)
    async with rooms.worktrees.lease(taken, RUN, rules) as lease:
        assert Path(lease.path, "made").read_text() == "good"


async def test_the_lock_of_a_killed_git_costs_no_worktree(repo: UserRepo, rooms: Rooms):
    first = await rooms.take(repo.top)
    await rooms.worktrees.warm(first, 1)
    place = Path(first.shadow).parent / "trees/0"
    inode = (place / "tree").stat().st_ino
    (place / "ours/index.lock").write_bytes(b"")
    repo.write("a.py", "edited\n")
    second = await rooms.take(repo.top)
    async with rooms.worktrees.lease(second, RUN, PLAIN) as lease:
        assert Path(lease.path, "a.py").read_text() == "edited\n"
        assert (place / "tree").stat().st_ino == inode
