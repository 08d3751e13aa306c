"""A leased worktree is exactly the snapshot, ours alone, and whatever was in it before is gone."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from massgen_ls.core.candidate import TreeId
from massgen_ls.core.errors import StorageError
from massgen_ls.core.task import CandidateId, RunId, WorktreeRules
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
