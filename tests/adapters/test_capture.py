"""What an agent did is captured against the recorded base, whatever it did to git."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.adapters.git.capture import stays_inside
from massgen_ls.core.candidate import Snapshot
from massgen_ls.core.changes import FileChange
from massgen_ls.ports import Captured
from tests.fakes.repositories import PLAIN, READS_EVERYTHING, RUN, Rooms, UserRepo


def by_path(captured: Captured) -> dict[str, FileChange]:
    return {f.path: f for f in captured.changes.files}


@pytest.fixture
async def taken(repo: UserRepo, rooms: Rooms) -> Snapshot:
    repo.write("long.py", "".join(f"line {n}\n" for n in range(50)))
    repo.write("gone.py", "to be deleted\n")
    repo.write("picture.bin", bytes(range(256)))
    os.symlink("a.py", repo.top / "link")
    os.symlink("/etc/hostname", repo.top / "absolute")
    repo.commit("more")
    return await rooms.take(repo.top)


async def test_every_kind_of_change(rooms: Rooms, taken: Snapshot):
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        top = Path(lease.path)
        (top / "a.py").write_text("a = 1\nmore\n")
        (top / "long.py").rename(top / "src/renamed.py")
        (top / "src/renamed.py").write_text(
            (top / "src/renamed.py").read_text().replace("line 7\n", "line seven\n")
        )
        (top / "gone.py").unlink()
        (top / "picture.bin").write_bytes(bytes(range(255, -1, -1)))
        (top / "run.sh").chmod(0o644)
        (top / "link").unlink()
        os.symlink("src/b.py", top / "link")
        (top / "new/deep").mkdir(parents=True)
        (top / "new/deep/n.py").write_text("n\n")
        made = await lease.capture("claude.1", "What the agent says\n\nand more")
    found = by_path(made)
    assert {p: f.kind for p, f in found.items()} == {
        "a.py": "modify",
        "gone.py": "delete",
        "link": "modify",
        "new/deep/n.py": "add",
        "picture.bin": "modify",
        "run.sh": "modify",
        "src/renamed.py": "rename",
    }
    assert (found["a.py"].added, found["a.py"].removed) == (1, 0)
    assert found["src/renamed.py"].old_path == "long.py"
    assert (found["src/renamed.py"].added, found["src/renamed.py"].removed) == (1, 1)
    assert found["picture.bin"].binary
    assert (found["run.sh"].old_type, found["run.sh"].new_type) == ("executable", "file")
    assert (found["link"].new_type, found["gone.py"].new_oid) == ("symlink", None)
    assert made.notes == ()
    shown = rooms.shadow_git(taken, "cat-file", "commit", f"refs/runs/{RUN}/claude.1").decode()
    assert f"tree {made.tree}\nparent {taken.commit}\nauthor massgen-ls <" in shown
    assert shown.endswith("\n\nWhat the agent says\n\nand more\n")
    assert await rooms.objects.changes(taken, made.tree) == made.changes


async def test_what_running_a_program_leaves_behind_is_nobodys_work(
    repo: UserRepo, rooms: Rooms
) -> None:
    repo.write("pkg/__pycache__/old.cpython-311.pyc", b"in the snapshot")
    taken = await rooms.take(repo.top)
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        top = Path(lease.path)
        for left in (
            "__pycache__/a.pyc", "pkg/__pycache__/new.pyc", "pkg/b.pyo", ".pytest_cache/v/x",
            "web/node_modules/dep/index.js", ".DS_Store",
        ):  # fmt: skip
            (top / left).parent.mkdir(parents=True, exist_ok=True)
            (top / left).write_text("derived")
        (top / "pkg/__pycache__/old.cpython-311.pyc").write_text("changed")
        (top / "node_modules.txt").write_text("work\n")
        made = await lease.capture("claude.1", "m")
    assert {p: f.kind for p, f in by_path(made).items()} == {
        "node_modules.txt": "add",
        "pkg/__pycache__/old.cpython-311.pyc": "modify",
    }


async def test_a_file_that_a_folder_has_replaced_is_taken_without_a_note(
    rooms: Rooms, taken: Snapshot
):
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        top = Path(lease.path)
        for replaced in ("a.py", "gone.py"):
            (top / replaced).unlink()
            (top / replaced).mkdir()
        (top / "a.py/y").write_text("inside\n")
        made = await lease.capture("s.1", "m")
    assert {p: f.kind for p, f in by_path(made).items()} == {
        "a.py": "delete",
        "a.py/y": "add",
        "gone.py": "delete",
    }
    assert made.notes == ()


async def test_no_change_records_nothing(rooms: Rooms, taken: Snapshot):
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        os.utime(os.path.join(lease.path, "a.py"))
        made = await lease.capture("s.1", "m")
    assert (made.tree, made.commit, made.changes.files) == (taken.tree, taken.commit, ())
    refs = rooms.shadow_git(taken, "for-each-ref", "--format=%(refname)").decode()
    assert "s.1" not in refs


async def test_equal_work_makes_equal_commits(rooms: Rooms, taken: Snapshot):
    made: list[Captured] = []
    for number in range(2):
        async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
            Path(lease.path, "x").write_text("x\n")
            made.append(await lease.capture(f"s.{number}", "same"))
    assert made[0] == made[1]


async def test_several_captures_of_one_lease(rooms: Rooms, taken: Snapshot):
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        Path(lease.path, "a.py").write_text("one\n")
        one = await lease.capture("s.1", "m")
        Path(lease.path, "a.py").write_text("a = 1\n")
        Path(lease.path, "b.py").write_text("two\n")
        two = await lease.capture("s.2", "m")
    assert (one.changes.paths(), two.changes.paths()) == (("a.py",), ("b.py",))


GIT_DAMAGE = [
    "committed", "deleted", "replaced", "file", "link", "other branch", "index.lock", "junk index",
    "reset to parent", "skip flags", "configured",
]  # fmt: skip


@pytest.mark.parametrize("damage", GIT_DAMAGE)
async def test_nothing_of_the_agents_git_is_believed(
    repo: UserRepo, rooms: Rooms, taken: Snapshot, tmp_path: Path, damage: str
):
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        top = Path(lease.path)
        agent = UserRepo(top, repo.home)
        (top / "a.py").write_text("agent\n")
        (top / "new.py").write_text("n\n")
        if damage == "committed":
            agent.git("add", "-A")
            agent.git("commit", "-qm", "my work")
            (top / "src/b.py").write_text("and after\n")
        elif damage == "deleted":
            shutil.rmtree(top / ".git")
        elif damage == "replaced":
            shutil.rmtree(top / ".git")
            agent.git("init", "-q")
            agent.git("add", "-A")
            agent.git("commit", "-qm", "rewritten history")
        elif damage == "file":
            shutil.rmtree(top / ".git")
            (top / ".git").write_text("gitdir: /nowhere\n")
        elif damage == "link":
            shutil.rmtree(top / ".git")
            os.symlink(repo.top / ".git", top / ".git")
        elif damage == "other branch":
            agent.git("checkout", "-q", "--orphan", "other")
            agent.git("commit", "-qam", "x")
        elif damage == "index.lock":
            (top / ".git/index.lock").write_text("")
        elif damage == "junk index":
            (top / ".git/index").write_bytes(b"junk")
        elif damage == "reset to parent":
            agent.git("reset", "-q", "--soft", "HEAD~1")
        elif damage == "skip flags":
            agent.git("update-index", "--assume-unchanged", "a.py")
            (top / ".git/info/exclude").write_text("*\n")
        elif damage == "configured":
            agent.git("config", "core.bare", "true")
            agent.git("config", "core.worktree", str(tmp_path))
            agent.git("config", "filter.x.clean", f"touch {tmp_path}/sprung; cat")
            (top / ".gitattributes").write_text("* filter=x\n")
        made = await lease.capture("s.1", "m")
    expected = {"a.py", "new.py"}
    expected |= {"src/b.py"} if damage == "committed" else set()
    expected |= {".gitattributes"} if damage == "configured" else set()
    assert set(made.changes.paths()) == expected
    assert rooms.files(taken, made.tree)["a.py"][1] == b"agent\n"
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("commits", [False, True])
async def test_files_of_a_repository_that_the_agent_made_are_taken(
    repo: UserRepo, rooms: Rooms, taken: Snapshot, commits: bool
):
    """Tools that start projects run `git init` unasked."""
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        top = Path(lease.path)
        (top / "app/inner").mkdir(parents=True)
        (top / "app/main.rs").write_text("fn main() {}\n")
        (top / "app/.gitignore").write_text("/target\n")
        (top / "app/target").mkdir()
        (top / "app/target/out").write_text("o")
        (top / "app/inner/i").write_text("i\n")
        for folder in ("app", "app/inner"):
            agent = UserRepo(top / folder, repo.home)
            agent.git("init", "-q")
            if commits:
                agent.git("add", ".gitignore" if folder == "app" else "i")
                agent.git("commit", "-qm", "x")
        made = await lease.capture("s.1", "m")
    assert set(made.changes.paths()) == {"app/.gitignore", "app/inner/i", "app/main.rs"}
    assert any("app" in note for note in made.notes)


async def test_links_that_lead_outside_are_kept_out(rooms: Rooms, taken: Snapshot):
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        top = Path(lease.path)
        os.symlink("/etc/passwd", top / "abs")
        os.symlink("../../../../etc/passwd", top / "src/up")
        os.symlink("src/../../x", top / "sneaky")
        os.symlink(".git/config", top / "config")
        (top / "a.py").unlink()
        os.symlink("/etc/passwd", top / "a.py")
        os.symlink("../a.py", top / "src/fine")
        os.symlink("src", top / "folder")
        made = await lease.capture("s.1", "m")
    assert set(made.changes.paths()) == {"folder", "src/fine"}
    for name in ("abs", "src/up", "sneaky", "config", "a.py"):
        assert any(note.startswith(f"{name}:") for note in made.notes), name
    # One that the base has already is the user's own business.
    assert rooms.files(taken, made.tree)["absolute"] == ("120000", b"/etc/hostname")


async def test_a_folder_that_became_a_link_outside_changes_nothing(
    rooms: Rooms, taken: Snapshot, tmp_path: Path
):
    """The files behind it have the same status as before: only the path can tell."""
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        shutil.move(os.path.join(lease.path, "src"), tmp_path / "src")
        os.symlink(tmp_path / "src", os.path.join(lease.path, "src"))
        (tmp_path / "src/b.py").write_text("from outside\n")
        made = await lease.capture("s.1", "m")
    assert made.changes.files == ()
    assert any(note.startswith("src:") for note in made.notes)


async def test_a_folder_that_became_a_link_inside(rooms: Rooms, taken: Snapshot):
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        os.rename(os.path.join(lease.path, "src"), os.path.join(lease.path, "lib"))
        os.symlink("lib", os.path.join(lease.path, "src"))
        made = await lease.capture("s.1", "m")
    files = rooms.files(taken, made.tree)
    assert files["src"] == ("120000", b"lib")
    assert files["lib/b.py"][1] == b"b = 1\nb += 1\n"
    assert "src/b.py" not in files


async def test_huge_and_special_files_are_kept_out(rooms: Rooms, taken: Snapshot):
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        top = Path(lease.path)
        (top / "core.dump").write_bytes(b"\0" * 300_000)
        (top / "a.py").write_bytes(b"\0" * 300_000)
        os.mkfifo(top / "pipe")
        (top / "gone.py").unlink()
        os.mkfifo(top / "gone.py")
        (top / "ok").write_text("ok\n")
        made = await lease.capture("s.1", "m")
    assert set(made.changes.paths()) == {"ok"}
    assert {note.partition(":")[0] for note in made.notes} == {"a.py", "core.dump", "gone.py"}


@pytest.mark.skipif(READS_EVERYTHING, reason="root reads everything")
async def test_unreadable_files_and_folders_are_kept_out(rooms: Rooms, taken: Snapshot):
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        top = Path(lease.path)
        (top / "secret").write_text("s")
        (top / "secret").chmod(0)
        (top / "src").chmod(0)
        (top / "ok").write_text("ok\n")
        made = await lease.capture("s.1", "m")
        (top / "src").chmod(0o755)
    assert set(made.changes.paths()) == {"ok"}


async def test_names_that_no_editor_should_write(rooms: Rooms, taken: Snapshot):
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        top = Path(lease.path)
        for name in (".GIT", "src/git~1", ".git\u200c", ".git::$INDEX_ALLOCATION"):
            (top / name).mkdir()
            (top / name / "config").write_text("evil\n")
        (top / "ok").write_text("ok\n")
        made = await lease.capture("s.1", "m")
    assert set(made.changes.paths()) == {"ok"}
    assert len(made.notes) == 4


async def test_twins_and_case_only_renames(rooms: Rooms, taken: Snapshot):
    composed, decomposed = "caf\u00e9.py", "cafe\u0301.py"
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        top = Path(lease.path)
        (top / composed).write_text("1\n")
        (top / decomposed).write_text("2\n")
        (top / "long.py").rename(top / "LONG.py")
        made = await lease.capture("s.1", "m")
    found = by_path(made)
    assert set(found) == {composed, decomposed, "LONG.py"}
    assert (found["LONG.py"].kind, found["LONG.py"].old_path) == ("rename", "long.py")


async def test_thousands_of_files_cost_a_handful_of_processes(rooms: Rooms, taken: Snapshot):
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        for number in range(3000):
            folder = Path(lease.path, f"many/{number % 50}")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"f{number}").write_text(f"{number}\n")
        rooms.processes.commands.clear()
        made = await lease.capture("s.1", "m")
    assert len(made.changes.files) == 3000
    assert len(rooms.processes.commands) <= 8


async def test_a_candidate_outlives_the_users_objects(
    repo: UserRepo, rooms: Rooms, taken: Snapshot
):
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        top = Path(lease.path)
        (top / "src/b.py").write_text("new\n")
        (top / "gone.py").unlink()
        (top / "long.py").rename(top / "src/long.py")
        made = await lease.capture("s.1", "m")
    shutil.rmtree(repo.top / ".git/objects")
    (repo.top / ".git/objects").mkdir()
    found = await rooms.objects.changes(taken, made.tree)
    assert found == made.changes
    wanted = [(f.path, oid) for f in found.files for oid in (f.old_oid, f.new_oid) if oid]
    stored = await rooms.objects.read(taken, wanted)
    assert b"new\n" in stored
    assert b"b = 1\nb += 1\n" in stored
    assert b"to be deleted\n" in stored
    assert await rooms.objects.entry(taken, taken.tree, "src/b.py") is not None
    assert "+new" in await rooms.objects.patch(taken, made.tree)


async def test_files_hidden_by_the_agents_own_ignore_rules_stay_out(rooms: Rooms, taken: Snapshot):
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        top = Path(lease.path)
        (top / ".gitignore").write_text("*.tmp\n")
        (top / "x.tmp").write_text("t")
        (top / "a.py").write_text("tracked files count all the same\n")
        made = await lease.capture("s.1", "m")
    assert set(made.changes.paths()) == {".gitignore", "a.py"}


async def test_processes_of_the_agent_do_not_hold_the_lease(rooms: Rooms, taken: Snapshot):
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        child = await asyncio.create_subprocess_exec("sleep", "60", cwd=lease.home, close_fds=False)
        first = lease.path
    try:
        async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
            assert lease.path == first
    finally:
        child.kill()
        await child.wait()


NAMES = st.lists(st.sampled_from(["..", ".", "a", "b", ".git", ""]), min_size=1, max_size=6)


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4), NAMES)
def test_accepted_links_never_leave(path: list[str], target: list[str]):
    joined = "/".join(target)
    if stays_inside("/".join(path), joined):
        whole = os.path.normpath(os.path.join("/top", *path[:-1], joined))
        assert whole == "/top" or whole.startswith("/top/")
        assert "/.git" not in whole
