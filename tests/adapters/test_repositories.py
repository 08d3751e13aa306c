"""Snapshots of repositories of every shape: in parts, without a commit, in mid-merge."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from massgen_ls.core.changes import RelPath
from massgen_ls.core.errors import WorkspaceError
from massgen_ls.core.task import RunId
from massgen_ls.ports import Buffer
from tests.fakes.repositories import (
    PLAIN,
    RUN,
    Rooms,
    UserRepo,
    untouched,
)

ROOT = os.geteuid() == 0


async def test_submodules_are_recorded_and_not_entered(
    repo: UserRepo, rooms: Rooms, tmp_path: Path
):
    inner = UserRepo(tmp_path / "inner", repo.home)
    inner.top.mkdir()
    inner.git("init", "-q")
    pinned = inner.commit("i", **{"i.txt": "i\n"})
    repo.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.top), "sub")
    repo.commit("sub")
    repo.write("sub/i.txt", "dirty\n")
    # `git status` inside of it would run this.
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
    trap.chmod(0o755)
    repo.git("config", "filter.evil.clean", str(trap), cwd=repo.top / "sub")
    repo.git("config", "core.fsmonitor", str(trap), cwd=repo.top / "sub")
    repo.write("sub/.gitattributes", "* filter=evil\n")
    with untouched(repo.top):
        taken = await rooms.take(repo.top, Buffer(str(repo.top / "sub/i.txt"), "unsaved\n"))
    assert rooms.files(taken)["sub"] == ("160000", pinned.encode())
    assert not (tmp_path / "sprung").exists()
    assert any("sub/i.txt" in note for note in taken.notes)
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        assert os.listdir(os.path.join(lease.path, "sub")) == []
        Path(lease.path, "sub/agent.txt").write_text("in a submodule\n")
        assert not (await lease.capture("s.1", "m")).changes
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        assert os.listdir(os.path.join(lease.path, "sub")) == []
    newer = repo.git("commit", "-q", "--allow-empty", "-m", "x", cwd=repo.top / "sub")
    newer = repo.git("rev-parse", "HEAD", cwd=repo.top / "sub").strip()
    assert rooms.files(await rooms.take(repo.top))["sub"] == ("160000", newer.encode())


@pytest.mark.parametrize("commits", [False, True])
async def test_embedded_repositories_are_left_out_and_noted(
    repo: UserRepo, rooms: Rooms, commits: bool
):
    repo.write("vendored/v.txt", "v\n")
    repo.git("init", "-q", cwd=repo.top / "vendored")
    if commits:
        repo.git("add", "-A", cwd=repo.top / "vendored")
        repo.git("commit", "-qm", "v", cwd=repo.top / "vendored")
    repo.write("other.txt", "o\n")
    with untouched(repo.top):
        taken = await rooms.take(repo.top)
    assert {"other.txt", "a.py"} <= set(rooms.files(taken))
    assert not [p for p in rooms.files(taken) if p.startswith("vendored")]
    assert any("vendored" in note for note in taken.notes)


async def test_lfs_pointers_stay_pointers(repo: UserRepo, rooms: Rooms):
    """Also where git-lfs is configured but not installed."""
    pointer = (
        "version https://git-lfs.github.com/spec/v1\noid sha256:" + "ab" * 32 + "\nsize 12345\n"
    )
    repo.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
    repo.write("model.bin", pointer)
    repo.commit("lfs")
    for key, value in {
        "clean": "git-lfs clean -- %f",
        "smudge": "git-lfs smudge -- %f",
        "process": "git-lfs filter-process",
        "required": "true",
    }.items():
        repo.git("config", "--global", f"filter.lfs.{key}", value)
    repo.write("dirty.bin", pointer.replace("ab", "cd"))
    with untouched(repo.top):
        taken = await rooms.take(repo.top)
    assert rooms.files(taken)["model.bin"][1] == pointer.encode()
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        assert Path(lease.path, "model.bin").read_text() == pointer
        assert Path(lease.path, "dirty.bin").read_text() == pointer.replace("ab", "cd")


async def test_sparse_checkouts_stay_sparse_and_lose_nothing(repo: UserRepo, rooms: Rooms):
    repo.commit("more", **{"in/i.py": "i\n", "out/o.py": "o\n"})
    repo.git("sparse-checkout", "set", "--cone", "in")
    repo.write("in/i.py", "dirty\n")
    with untouched(repo.top):
        taken = await rooms.take(repo.top)
    files = rooms.files(taken)
    assert files["out/o.py"][1] == b"o\n"
    assert files["in/i.py"][1] == b"dirty\n"
    for _ in range(2):
        async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
            assert not os.path.exists(os.path.join(lease.path, "out"))
            assert Path(lease.path, "in/i.py").read_text() == "dirty\n"
            Path(lease.path, "in/new.py").write_text("n\n")
            made = await lease.capture("s.1", "m")
        assert made.changes.paths() == ("in/new.py",)
    asked = [RelPath("in/i.py"), RelPath("out/o.py"), RelPath("no.py")]
    assert await rooms.objects.outside(taken, asked) == {"out/o.py"}


async def test_a_repository_without_a_commit(tmp_path: Path, home: Path, rooms: Rooms):
    empty = UserRepo(tmp_path / "empty", home)
    empty.top.mkdir()
    empty.git("init", "-q")
    with untouched(empty.top):
        nothing = await rooms.take(empty.top)
    assert nothing.head is None
    assert rooms.files(nothing) == {}
    empty.write("x.py", "x\n")
    with untouched(empty.top):
        taken = await rooms.take(empty.top)
        async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
            Path(lease.path, "y.py").write_text("y\n")
            made = await lease.capture("s.1", "m")
    assert set(rooms.files(taken)) == {"x.py"}
    assert made.changes.paths() == ("y.py",)
    async with rooms.worktrees.lease(nothing, RUN, PLAIN) as lease:
        assert os.listdir(lease.path) == [".git"]


async def test_detached_head(repo: UserRepo, rooms: Rooms):
    repo.git("checkout", "-q", "--detach")
    with untouched(repo.top):
        taken = await rooms.take(repo.top)
    assert taken.head == repo.git("rev-parse", "HEAD").strip()


@pytest.mark.parametrize("how", ["merge", "rebase"])
async def test_conflicts_are_recorded_with_their_markers(repo: UserRepo, rooms: Rooms, how: str):
    repo.git("checkout", "-qb", "side")
    repo.commit("side", **{"a.py": "side\n"})
    repo.git("checkout", "-q", "main")
    repo.commit("ours", **{"a.py": "ours\n"})
    done = repo.attempt(how, "side")
    assert done.returncode != 0
    with untouched(repo.top):
        taken = await rooms.take(repo.top)
        async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
            held = Path(lease.path, "a.py").read_bytes()
    assert held == (repo.top / "a.py").read_bytes()
    assert b"<<<<<<<" in held


async def test_linked_worktree_with_its_own_index(repo: UserRepo, rooms: Rooms, tmp_path: Path):
    linked = tmp_path / "linked"
    repo.git("worktree", "add", "-q", "-b", "side", str(linked))
    (linked / "a.py").write_text("linked\n")
    (linked / "only.py").write_text("only\n")
    repo.git("add", "only.py", cwd=linked)
    with untouched(repo.top, linked):
        taken = await rooms.take(linked)
        main = await rooms.take(repo.top, run=RunId("main-run"))
    assert taken.root == str(linked)
    assert rooms.files(taken)["a.py"][1] == b"linked\n"
    assert "only.py" in rooms.files(taken)
    assert "only.py" not in rooms.files(main)
    assert main.shadow == taken.shadow


async def test_worktree_of_a_bare_repository(repo: UserRepo, rooms: Rooms, tmp_path: Path):
    bare, linked = tmp_path / "bare.git", tmp_path / "of-bare"
    repo.git("clone", "-q", "--bare", str(repo.top), str(bare))
    repo.git("worktree", "add", "-q", str(linked), cwd=bare)
    (linked / "a.py").write_text("edited\n")
    with untouched(bare, linked):
        taken = await rooms.take(linked)
    assert rooms.files(taken)["a.py"][1] == b"edited\n"


async def test_core_worktree(repo: UserRepo, rooms: Rooms, tmp_path: Path):
    away = tmp_path / "away"
    repo.git("clone", "-q", "--bare", str(repo.top), str(away / "x.git"))
    (away / "files").mkdir()
    (away / "files" / "a.py").write_text("elsewhere\n")
    repo.git("config", "core.bare", "false", cwd=away / "x.git")
    repo.git("config", "core.worktree", "../files", cwd=away / "x.git")
    (away / "files/.git").write_text("gitdir: ../x.git\n")
    taken = await rooms.take(away / "files")
    assert taken.root == str(away / "files")
    assert rooms.files(taken)["a.py"][1] == b"elsewhere\n"


@pytest.mark.parametrize("opened", [".", "src"])
async def test_a_repository_whose_files_lie_above_it_is_refused(
    repo: UserRepo, rooms: Rooms, tmp_path: Path, opened: str
):
    """An archive brings its own settings: agents would be given all that lies around it."""
    repo.git("config", "core.worktree", str(repo.top.parent))
    with pytest.raises(WorkspaceError, match=r"core\.worktree.*outside") as refused:
        await rooms.take(repo.top / opened)
    assert "git config --unset core.worktree" in refused.value.hint
    repo.git("config", "core.worktree", str(tmp_path / "elsewhere"))
    with pytest.raises(WorkspaceError):
        await rooms.take(repo.top / opened)


async def test_a_part_of_its_own_folder_is_its_own_affair(repo: UserRepo, rooms: Rooms):
    repo.git("config", "core.worktree", str(repo.top / "src"))
    assert (await rooms.take(repo.top / "src")).root == str(repo.top / "src")


async def test_a_subfolder_is_a_prefix_of_a_snapshot_of_all(repo: UserRepo, rooms: Rooms):
    buffers = [Buffer(str(repo.top / path), "unsaved\n") for path in ("a.py", "src/b.py", "t/c.py")]
    taken = await rooms.take(repo.top / "src", *buffers)
    assert (taken.root, taken.prefix) == (str(repo.top), "src")
    files = rooms.files(taken)
    assert [files[path][1] for path in ("a.py", "src/b.py", "t/c.py")] == [b"unsaved\n"] * 3
    assert (await rooms.take(repo.top, *buffers)).tree == taken.tree
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        assert lease.folder == os.path.join(lease.path, "src")
        assert os.path.isdir(lease.folder)


async def test_a_folder_reached_through_a_symlink_keeps_its_spelling(
    repo: UserRepo, rooms: Rooms, tmp_path: Path
):
    os.symlink(repo.top, tmp_path / "link")
    with untouched(repo.top):
        taken = await rooms.take(
            tmp_path / "link/src", Buffer(str(tmp_path / "link/src/b.py"), "unsaved\n")
        )
    assert (taken.root, taken.prefix) == (str(tmp_path / "link"), "src")
    assert rooms.files(taken)["src/b.py"][1] == b"unsaved\n"


async def test_split_index(repo: UserRepo, rooms: Rooms):
    repo.git("update-index", "--split-index")
    repo.write("staged.py", "s\n")
    repo.git("add", "staged.py")
    assert list((repo.top / ".git").glob("sharedindex.*"))
    with untouched(repo.top):
        taken = await rooms.take(repo.top)
    assert set(rooms.files(taken)) == {"a.py", "run.sh", "src/b.py", "staged.py"}


async def test_index_version_four_and_sha256(tmp_path: Path, home: Path, rooms: Rooms):
    other = UserRepo(tmp_path / "sha256", home)
    other.top.mkdir()
    other.git("init", "-q", "--object-format=sha256")
    other.git("config", "index.version", "4")
    other.commit("c", **{"a/one.py": "1\n", "a/two.py": "2\n"})
    other.write("a/one.py", "changed\n")
    with untouched(other.top):
        taken = await rooms.take(other.top)
        async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
            Path(lease.path, "a/two.py").write_text("agent\n")
            made = await lease.capture("s.1", "m")
            repo_there = UserRepo(Path(lease.path), home)
            assert repo_there.git("status", "--short") == " M a/two.py\n"
    assert len(taken.commit) == 64
    assert made.changes.paths() == ("a/two.py",)


async def test_alternates_of_alternates(repo: UserRepo, rooms: Rooms, tmp_path: Path):
    last = repo.top
    for number in range(3):
        nxt = tmp_path / f"clone{number}"
        repo.git("clone", "-q", "--shared", str(last), str(nxt))
        last = nxt
    (last / "a.py").write_text("deep\n")
    taken = await rooms.take(last)
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        assert Path(lease.path, "src/b.py").exists()


async def test_shallow_clones(repo: UserRepo, rooms: Rooms, tmp_path: Path):
    repo.commit("second", **{"c.py": "c\n"})
    shallow = tmp_path / "shallow"
    repo.git("clone", "-q", "--depth=1", f"file://{repo.top}", str(shallow))
    taken = await rooms.take(shallow)
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        seen = UserRepo(Path(lease.path), repo.home).git("log", "--format=%s")
        assert seen.split("\n")[1:] == ["second", ""]


@pytest.mark.parametrize("case", ["none", "bare", "inside", "missing", "file", "broken"])
async def test_no_working_tree_is_a_clear_error(
    repo: UserRepo, rooms: Rooms, tmp_path: Path, case: str
):
    folder = tmp_path / "nothing"
    folder.mkdir()
    if case == "bare":
        repo.git("init", "-q", "--bare", str(folder))
    elif case == "inside":
        folder = repo.top / ".git"
    elif case == "missing":
        folder = tmp_path / "gone"
    elif case == "file":
        folder = repo.top / "a.py"
    elif case == "broken":
        folder = repo.top
        repo.write(".git/HEAD", "")
    with pytest.raises(WorkspaceError) as caught:
        await rooms.take(folder)
    expected = {
        "none": "not in a git repository",
        "bare": "bare repository",
        "inside": "inside a .git folder",
        "missing": "does not exist",
        "file": "does not exist",
        "broken": "",
    }[case]
    assert expected in caught.value.what
    assert caught.value.hint


@pytest.mark.skipif(not ROOT, reason="only root can give a repository away")
async def test_somebody_elses_repository_is_refused(repo: UserRepo, rooms: Rooms):
    for path in [repo.top, repo.top / ".git"]:
        os.chown(path, 12345, 12345)
    with pytest.raises(WorkspaceError) as caught:
        await rooms.take(repo.top)
    assert "somebody else owns" in caught.value.what
    assert "safe.directory" in caught.value.hint
