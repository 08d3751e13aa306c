"""Stored content is read as a checkout would write it, with few processes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from massgen_ls.adapters.git.differences import parse
from massgen_ls.core.changes import rel_path
from massgen_ls.core.errors import NotFoundError
from massgen_ls.core.task import RunId
from tests.fakes.repositories import PLAIN, RUN, Rooms, UserRepo


async def test_read_applies_line_ends_and_attributes(repo: UserRepo, rooms: Rooms):
    repo.write(".gitattributes", "*.txt text eol=crlf\nsrc/*.u16 working-tree-encoding=UTF-16\n")
    repo.write("src/.gitattributes", "*.md text eol=crlf\n")
    repo.write("dos.txt", "one\r\ntwo\r\n")
    repo.write("src/dos.md", "m\r\n")
    repo.write("plain.md", "m\n")
    repo.write("src/w.u16", "weit\n".encode("utf-16"))
    repo.commit("attributes")
    taken = await rooms.take(repo.top)
    names = ["dos.txt", "src/dos.md", "plain.md", "src/w.u16", "a.py"]
    entries = [await rooms.objects.entry(taken, taken.tree, name) for name in names]
    wanted = [(name, entry[0]) for name, entry in zip(names, entries, strict=True) if entry]
    rooms.processes.commands.clear()
    read = await rooms.objects.read(taken, wanted)
    assert read[:3] == [b"one\r\ntwo\r\n", b"m\r\n", b"m\n"]
    assert read[3].decode("utf-16") == "weit\n"
    assert read[4] == b"a = 1\n"
    rooms.processes.commands.clear()
    assert await rooms.objects.read(taken, wanted) == read
    assert len(rooms.processes.commands) == 1


async def test_contents_that_look_like_a_batch(repo: UserRepo, rooms: Rooms):
    contents = [b"", b"\n", b"no end", b"\n\n", b"a" * 40 + b" blob 3\nabc\n", b"\0\n\0", b"end\n"]
    for number, content in enumerate(contents):
        repo.write(f"f{number}", content)
    taken = await rooms.take(repo.top)
    wanted: list[tuple[str, str]] = []
    for number in range(len(contents)):
        entry = await rooms.objects.entry(taken, taken.tree, f"f{number}")
        assert entry
        wanted.append((f"f{number}", entry[0]))
    assert await rooms.objects.read(taken, wanted) == contents
    assert await rooms.objects.read(taken, wanted[::-1]) == contents[::-1]
    assert await rooms.objects.read(taken, []) == []


async def test_missing_objects_are_named_as_such(repo: UserRepo, rooms: Rooms):
    taken = await rooms.take(repo.top)
    with pytest.raises(NotFoundError):
        await rooms.objects.read(taken, [("a.py", "ab" * 20)])
    with pytest.raises(NotFoundError):
        await rooms.objects.read(taken, [("new\nline", "ab" * 20)])
    with pytest.raises(NotFoundError):
        await rooms.objects.entry(taken, "ab" * 20, "a.py")


async def test_entries_and_their_types(repo: UserRepo, rooms: Rooms):
    os.symlink("a.py", repo.top / "link")
    repo.write(":(glob)x", "odd\n")
    taken = await rooms.take(repo.top)

    async def kind(path: str) -> str | None:
        entry = await rooms.objects.entry(taken, taken.tree, path)
        return entry[1] if entry else None

    assert await kind("a.py") == "file"
    assert await kind("run.sh") == "executable"
    assert await kind("link") == "symlink"
    assert await kind(":(glob)x") == "file"
    assert await kind("src") is None
    assert await kind("a.*") is None
    assert await kind("nothing/here") is None


async def test_patch_is_for_people_and_runs_nothing(repo: UserRepo, rooms: Rooms, tmp_path: Path):
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\necho trapped\n")
    trap.chmod(0o755)
    for key in ("diff.external", "diff.evil.textconv", "diff.evil.command"):
        repo.git("config", "--global", key, str(trap))
    repo.write(".git/info/attributes", "* diff=evil\n")
    repo.write("long.txt", "".join(f"{n}\n" for n in range(40)))
    taken = await rooms.take(repo.top)
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        os.rename(os.path.join(lease.path, "long.txt"), os.path.join(lease.path, "other.txt"))
        Path(lease.path, "a.py").write_text("a = 2\n")
        made = await lease.capture("s.1", "m")
    patch = await rooms.objects.patch(taken, made.tree)
    assert "-a = 1\n+a = 2\n" in patch
    assert "rename from long.txt\nrename to other.txt\n" in patch
    assert not (tmp_path / "sprung").exists()


def test_parse_knows_renames_binaries_folders_and_submodules():
    zero, one, two = "0" * 40, "1" * 40, "2" * 40
    said = "\0".join(
        [
            f":040000 040000 {one} {two} M", "dir",
            f":100644 100644 {one} {two} R090", "dir/old\nname", "dir/new",
            f":160000 000000 {one} {zero} D", "sub",
            f":000000 100644 {zero} {two} A", ".git/config",
            f":100755 120000 {one} {two} T", "link",
            "1\t2\t", "dir/old\nname", "dir/new",
            "-\t-\tlink",
            "",
        ]
    ).encode()  # fmt: skip
    found = parse(said)
    kinds = [(f.path, f.kind, f.added, f.removed) for f in found.changes.files]
    assert kinds == [
        ("dir/new", "rename", 1, 2),
        ("link", "modify", None, None),
        ("sub", "delete", None, None),
    ]
    assert set(found.objects) == {one, two}
    assert len(found.notes) == 1


async def test_paths_of_one_tree_over_another(repo: UserRepo, rooms: Rooms) -> None:
    repo.write("folder/inside.txt", "inside\n")
    onto = (await rooms.take(repo.top)).tree
    repo.write("a.py", "a = 2\n")
    repo.write("src/b.py", "not wanted\n")
    repo.write("run.sh", "#!/bin/sh\necho\n").chmod(0o755)
    repo.write("tests/new name.py", "new = 1\n")
    repo.git("rm", "-rfq", "--cached", "--ignore-unmatch", "folder")
    shutil.rmtree(repo.top / "folder")
    repo.write("folder", "a file now\n")
    taken = await rooms.take(repo.top, run=RunId("20261121-000000-bbbb"))
    paths = ["a.py", "run.sh", "tests/new name.py", "folder", "not/there.py"]
    laid = await rooms.objects.overlay(taken, onto, taken.tree, [rel_path(p) for p in paths])
    files = rooms.files(taken, laid)
    assert files == {
        "a.py": ("100644", b"a = 2\n"),
        "src/b.py": ("100644", b"b = 1\nb += 1\n"),
        "run.sh": ("100755", b"#!/bin/sh\necho\n"),
        "tests/new name.py": ("100644", b"new = 1\n"),
        "folder": ("100644", b"a file now\n"),
    }
    back = await rooms.objects.overlay(taken, laid, onto, [rel_path("folder/inside.txt")])
    assert rooms.files(taken, back)["folder/inside.txt"] == ("100644", b"inside\n")
    assert await rooms.objects.overlay(taken, onto, taken.tree, []) == onto
    left = Path(taken.shadow).rglob("overlay.*")
    assert list(left) == [], "nothing is left beside the objects"
    with pytest.raises(NotFoundError):
        await rooms.objects.overlay(taken, "ab" * 20, taken.tree, [rel_path("a.py")])
