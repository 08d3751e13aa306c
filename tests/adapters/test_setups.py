"""What comes into a worktree by rule: ignored files, and what set-up commands make."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from massgen_ls.adapters.git.includes import bring
from massgen_ls.core.errors import WorkspaceError
from massgen_ls.core.task import RunId, WorktreeRules
from tests.fakes.repositories import PLAIN, RUN, Rooms, UserRepo, untouched


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
