"""Plain files as live files: a whole plan or nothing of it, on a real disk."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from massgen_ls.adapters.host.atomic import Batch, MovedOnError
from massgen_ls.adapters.host.files import DiskFiles
from massgen_ls.core.changes import FileType, RelPath
from massgen_ls.core.errors import WorkspaceError
from massgen_ls.core.plan import (
    Blocked,
    CreateFile,
    DeleteFile,
    EditPlan,
    EditText,
    LiveFile,
    Operation,
    RenameFile,
    ReplaceFile,
)
from massgen_ls.core.task import CandidateId
from massgen_ls.core.text import Edit
from massgen_ls.ports import Landed, Refused
from tests.fakes.repositories import READS_EVERYTHING

A, B, NEW = RelPath("a.txt"), RelPath("dir/b.txt"), RelPath("new/folder/c.txt")


def plan(*operations: Operation) -> EditPlan:
    return EditPlan(CandidateId("alice.1"), "label", operations)


async def perform(root: Path, *operations: Operation) -> Landed | Refused:
    return await DiskFiles().apply(str(root), plan(*operations))


def edit(path: RelPath = A, before: str = "one\n", new: str = "ONE") -> EditText:
    return EditText(path, None, before, (Edit(0, 3, new),))


def everything(root: Path) -> dict[str, tuple[int, bytes]]:
    """Every entry below a folder: mode and content; also what should not have been left there."""
    found: dict[str, tuple[int, bytes]] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = b""
        if stat.S_ISLNK(status.st_mode):
            content = os.fsencode(os.readlink(path))
        elif stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        found[path.relative_to(root).as_posix()] = (status.st_mode, content)
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    (top / "dir").mkdir(parents=True)
    (top / "a.txt").write_bytes(b"one\n")
    (top / "dir/b.txt").write_bytes(b"two\n")
    (tmp_path / "outside").mkdir()
    return top


# ── reading ─────────────────────────────────────────────────────────────────────────────────────


async def test_files_are_read_with_their_text_type_and_link_target(root: Path) -> None:
    (root / "bom").write_bytes(b"\xef\xbb\xbftext\r\n")
    (root / "run").write_bytes(b"\0")
    (root / "run").chmod(0o755)
    (root / "link").symlink_to("nowhere")
    (root / "pipe").touch()
    (root / "pipe").unlink()
    os.mkfifo(root / "pipe")
    names = [RelPath(n) for n in ("a.txt", "bom", "run", "link", "pipe", "dir", "gone", "a.txt/x")]
    read = await DiskFiles().read(str(root), names)
    assert dict(read) == {
        "a.txt": LiveFile(A, b"one\n", "one\n"),
        "bom": LiveFile(RelPath("bom"), b"\xef\xbb\xbftext\r\n", "text\r\n"),
        "run": LiveFile(RelPath("run"), b"\0", None, "executable"),
        "link": LiveFile(RelPath("link"), b"nowhere", None, "symlink"),
    }


async def test_nothing_is_read_through_a_linked_folder(root: Path) -> None:
    (root / "linked").symlink_to("dir")
    path = RelPath("linked/b.txt")
    assert await DiskFiles().read(str(root), [path]) == {}


async def test_names_that_are_not_utf8_are_files_too(root: Path) -> None:
    path = RelPath(os.fsdecode(b"caf\xe9\nname"))
    assert await perform(root, CreateFile(path, b"x\n", "x\n")) == Landed()
    assert (await DiskFiles().read(str(root), [path]))[path].content == b"x\n"


@pytest.mark.skipif(READS_EVERYTHING, reason="permissions do not hold us back")
async def test_a_file_that_cannot_be_read_is_said_not_taken_for_absent(root: Path) -> None:
    (root / A).chmod(0)
    with pytest.raises(WorkspaceError, match=r"a\.txt cannot be read"):
        await DiskFiles().read(str(root), [A])


# ── writing ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_whole_plan_lands_and_leaves_nothing_behind(root: Path) -> None:
    (root / "gone").mkdir()
    (root / "gone/last.txt").write_bytes(b"bye\n")
    (root / "bin").write_bytes(b"\0")
    done = await perform(
        root,
        RenameFile(B, RelPath("moved/b.txt")),
        CreateFile(NEW, b"new\n", "new\n"),
        CreateFile(RelPath("tool"), b"#!/bin/sh\n", None, "executable"),
        CreateFile(RelPath("link"), b"a.txt", None, "symlink"),
        edit(),
        edit(RelPath("moved/b.txt"), "two\n", "TWO"),
        ReplaceFile(RelPath("bin"), b"\0", b"\0\1"),
        DeleteFile(RelPath("gone/last.txt"), b"bye\n"),
    )
    assert done == Landed()
    after = everything(root)
    assert {name: content for name, (mode, content) in after.items() if not stat.S_ISDIR(mode)} == {
        "a.txt": b"ONE\n",
        "bin": b"\0\1",
        "link": b"a.txt",
        "moved/b.txt": b"TWO\n",
        "new/folder/c.txt": b"new\n",
        "tool": b"#!/bin/sh\n",
    }
    assert after["tool"][0] & 0o100
    assert stat.S_ISLNK(after["link"][0])
    assert not (root / "gone").exists(), "a folder that is left empty goes, as in git"
    assert not (root / "dir").exists()


async def test_byte_order_marks_line_ends_and_modes_stay(root: Path) -> None:
    (root / A).write_bytes(b"\xef\xbb\xbfone\r\n")
    (root / A).chmod(0o640)
    assert await perform(root, edit(before="one\r\n")) == Landed()
    assert (root / A).read_bytes() == b"\xef\xbb\xbfONE\r\n"
    assert stat.S_IMODE((root / A).stat().st_mode) == 0o640


async def test_an_exec_bit_comes_and_goes_with_and_without_an_edit(root: Path) -> None:
    (root / A).chmod(0o644)
    assert await perform(root, ReplaceFile(A, b"one\n", b"one\n", "executable")) == Landed()
    assert stat.S_IMODE((root / A).stat().st_mode) == 0o755
    assert await perform(root, edit(), ReplaceFile(A, b"one\n", b"one\n", "file")) == Landed()
    assert stat.S_IMODE((root / A).stat().st_mode) == 0o644
    assert (root / A).read_bytes() == b"ONE\n"


@pytest.mark.parametrize(("kind", "content"), [("symlink", b"dir"), ("file", b"plain\n")])
async def test_files_become_links_and_links_files(
    root: Path, kind: FileType, content: bytes
) -> None:
    (root / "link").symlink_to("a.txt")
    path, before = (RelPath("link"), b"a.txt") if kind == "file" else (A, b"one\n")
    assert await perform(root, ReplaceFile(path, before, content, kind)) == Landed()
    now = (await DiskFiles().read(str(root), [path]))[path]
    assert (now.type, now.content) == (kind, content)
    if kind == "file":
        assert (root / A).read_bytes() == b"one\n", "the link was replaced, not what it led to"


async def test_a_rename_of_the_case_alone(root: Path) -> None:
    assert await perform(root, RenameFile(A, RelPath("A.TXT"))) == Landed()
    assert "A.TXT" in os.listdir(root)
    assert "a.txt" not in os.listdir(root)


async def test_a_file_makes_room_for_a_folder_and_the_reverse(root: Path) -> None:
    inside = RelPath("a.txt/inside")
    steps = DeleteFile(A, b"one\n"), CreateFile(inside, b"in\n", "in\n")
    assert await perform(root, *steps) == Landed()
    assert (root / inside).read_bytes() == b"in\n"
    back = DeleteFile(inside, b"in\n"), CreateFile(A, b"one\n", "one\n")
    assert await perform(root, *back) == Landed()
    assert (root / A).read_bytes() == b"one\n"


# ── refusing ────────────────────────────────────────────────────────────────────────────────────

FIRST = CreateFile(RelPath("aaa/first"), b"first\n", "first\n"), edit()


@pytest.mark.parametrize(
    "last",
    [
        edit(B, "other\n"),
        edit(RelPath("gone")),
        CreateFile(B, b"", ""),
        RenameFile(RelPath("gone"), NEW),
        RenameFile(B, A),
        DeleteFile(B, b"other\n"),
        DeleteFile(RelPath("gone"), b""),
        ReplaceFile(B, b"other\n", b""),
        CreateFile(RelPath("dir/b.txt/below"), b"", ""),
    ],
    ids=lambda op: f"{type(op).__name__} {op.path}",
)
async def test_files_that_moved_on_refuse_the_whole_plan(root: Path, last: Operation) -> None:
    before = everything(root)
    done = await perform(root, *FIRST, last)
    assert isinstance(done, Refused)
    assert done.stale
    assert everything(root) == before


@pytest.mark.parametrize(
    "last",
    [
        CreateFile(RelPath("../outside/x"), b"", ""),
        CreateFile(RelPath("/tmp/x"), b"", ""),
        CreateFile(RelPath(".git/hooks/x"), b"", ""),
        CreateFile(RelPath("sub/.GIT/x"), b"", ""),
        RenameFile(RelPath("../outside/x"), NEW),
        CreateFile(RelPath("dir"), b"", ""),
        CreateFile(RelPath("n" * 300), b"", ""),
        EditText(B, None, "two\n", (Edit(0, 3, "\ud800"),)),
    ],
    ids=lambda op: f"{type(op).__name__} {op.path[:20]}",
)
async def test_what_may_not_be_written_refuses_the_whole_plan(root: Path, last: Operation) -> None:
    before = everything(root.parent)
    done = await perform(root, *FIRST, last)
    assert isinstance(done, Refused)
    assert not done.stale
    assert everything(root.parent) == before


@pytest.mark.parametrize("target", ["../outside", "dir"])
async def test_no_linked_folder_is_followed(root: Path, target: str) -> None:
    (root / "linked").symlink_to(target)
    before = everything(root.parent)
    done = await perform(root, *FIRST, CreateFile(RelPath("linked/x"), b"", ""))
    assert isinstance(done, Refused)
    assert "linked is a link" in done.reason
    assert everything(root.parent) == before


async def test_a_file_that_the_user_made_read_only_is_left_alone(root: Path) -> None:
    (root / B).chmod(0o444)
    before = everything(root)
    done = await perform(root, *FIRST, edit(B, "two\n"))
    why = "dir/b.txt is read-only: make it writable (`chmod u+w dir/b.txt`), then apply again"
    assert done == Refused(why, blocked=(Blocked(B, why),))
    assert everything(root) == before


def test_what_was_done_is_taken_back_when_a_later_file_moved_on(root: Path) -> None:
    (root / "link").symlink_to("a.txt")
    (root / "only").mkdir()
    (root / "only/file").write_bytes(b"x")
    before = everything(root)
    stats = {path: (root / path).lstat() for path in ("a.txt", "dir/b.txt", "link", "only/file")}

    def too_late(batch: Batch) -> None:
        batch.remove(RelPath("only/file"), stats["only/file"])
        batch.move(A, RelPath("moved/to/a.txt"), stats["a.txt"])
        batch.write(RelPath("moved/to/a.txt"), b"new\n", "file", stats["a.txt"])
        batch.set_mode(RelPath("moved/to/a.txt"), "executable", stats["a.txt"])
        batch.write(RelPath("link"), b"plain\n", "file", stats["link"])
        batch.write(NEW, b"new\n", "file", None)
        batch.write(B, b"new\n", "file", stats["dir/b.txt"])
        (root / B).write_bytes(b"typed meanwhile\n")
        batch.commit()

    with pytest.raises(MovedOnError, match=r"dir/b\.txt"), Batch(str(root)) as batch:
        too_late(batch)
    before["dir/b.txt"] = (before["dir/b.txt"][0], b"typed meanwhile\n")
    assert everything(root) == before


def test_a_file_that_appears_at_the_last_moment_is_not_overwritten(root: Path) -> None:
    def too_late(batch: Batch) -> None:
        batch.write(NEW, b"ours\n", "file", None)
        (root / NEW).parent.mkdir(parents=True)
        (root / NEW).write_bytes(b"theirs\n")
        batch.commit()

    with pytest.raises(MovedOnError), Batch(str(root)) as batch:
        too_late(batch)
    assert (root / NEW).read_bytes() == b"theirs\n"
    assert [name for name in os.listdir(root) if name.startswith(".massgen")] == []


@pytest.fixture
def open_root() -> Iterator[Path]:
    """A folder that another user may enter as well."""
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder, "top")
        for each in (Path(folder), top):
            each.mkdir(exist_ok=True)
            each.chmod(0o777)
        (top / "a.txt").write_bytes(b"one\n")
        (top / "a.txt").chmod(0o666)
        yield top


LIMITED = """
import asyncio, os, resource, signal, sys
from massgen_ls.adapters.host.files import DiskFiles
from massgen_ls.core.plan import CreateFile, EditPlan, EditText
from massgen_ls.core.text import Edit
root, what = sys.argv[1:]
big = b"x" * 200_000
plan = EditPlan("alice.1", "", (
    CreateFile("new/small", b"small", "small"),
    EditText("a.txt", None, "one\\n", (Edit(0, 3, "ONE"),)),
    CreateFile("new/big", big, None),
))
if what == "size":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
elif os.geteuid() == 0:
    asyncio.run(asyncio.to_thread(int))  # imports what the next line may put out of reach
    os.setuid(65534)
print(asyncio.run(DiskFiles().apply(root, plan)).reason)
"""


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("size", "new/big could not be written: it is larger than a file may be"),
        ("closed", "there is no permission to write there"),
    ],
)
def test_no_room_and_no_permission_are_told_and_nothing_is_half_done(
    open_root: Path, what: str, reason: str
) -> None:
    if what == "closed":
        open_root.chmod(0o555)
    before = everything(open_root)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(open_root), what],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert reason in done.stdout, done.stderr
    assert everything(open_root) == before
    open_root.chmod(0o777)


async def test_a_cancelled_caller_finds_the_whole_plan_done_and_is_told(root: Path) -> None:
    many = [CreateFile(RelPath(f"many/{n}"), b"x", "x") for n in range(200)]
    async with asyncio.TaskGroup() as group:
        task = group.create_task(perform(root, *many))
        await asyncio.sleep(0)
        task.cancel()
    assert task.result() == Landed()
    assert len(os.listdir(root / "many")) == 200
