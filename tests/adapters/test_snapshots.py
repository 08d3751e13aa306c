"""A snapshot holds what is on the screen, and the user's repository never notices."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from massgen_ls.adapters.git.listings import Listing
from massgen_ls.adapters.git.rooms import GitRooms
from massgen_ls.adapters.git.snapshots import ref_part
from massgen_ls.core.changes import RelPath
from massgen_ls.core.errors import StorageError, WorkspaceError
from massgen_ls.core.task import RunId
from massgen_ls.ports import Buffer
from tests.fakes.processes import PlainProcesses
from tests.fakes.repositories import (
    PLAIN,
    READS_EVERYTHING,
    RUN,
    Rooms,
    UserRepo,
    environ,
    untouched,
)


async def test_holds_head_index_working_tree_untracked_and_unsaved(repo: UserRepo, rooms: Rooms):
    repo.write("staged.py", "s = 1\n")
    repo.git("add", "staged.py")
    repo.write("a.py", "a = 2\n")
    repo.write("new/deep.py", "n = 1\n")
    (repo.top / "run.sh").unlink()
    with untouched(repo.top):
        taken = await rooms.take(
            repo.top,
            Buffer(str(repo.top / "src/b.py"), "b = 'unsaved'\n"),
            Buffer(str(repo.top / "never/saved.py"), "x = 1\n"),
        )
    assert rooms.files(taken) == {
        "a.py": ("100644", b"a = 2\n"),
        "new/deep.py": ("100644", b"n = 1\n"),
        "never/saved.py": ("100644", b"x = 1\n"),
        "src/b.py": ("100644", b"b = 'unsaved'\n"),
        "staged.py": ("100644", b"s = 1\n"),
    }
    assert taken.head == repo.git("rev-parse", "HEAD").strip()
    assert taken.notes == ()
    base = rooms.shadow_git(taken, "rev-parse", f"refs/runs/{RUN}/base", f"{taken.commit}^")
    assert base.decode().split() == [taken.commit, taken.head]


async def test_equal_workspaces_make_equal_commits(repo: UserRepo, rooms: Rooms):
    repo.write("a.py", "a = 5\n")
    one = await rooms.take(repo.top)
    two = await rooms.take(repo.top, run=RunId("another"))
    assert one.commit == two.commit


async def test_a_racy_edit_is_seen(repo: UserRepo, rooms: Rooms):
    """Same size, same instant as the index: only content tells, if the time stamp was kept."""
    repo.git("add", "a.py")
    index = (repo.top / ".git/index").stat()
    repo.write("a.py", "a = 7\n")
    os.utime(repo.top / "a.py", ns=(index.st_mtime_ns, index.st_mtime_ns))
    repo.git("-c", "core.trustctime=false", "status")
    taken = await rooms.take(repo.top)
    assert rooms.files(taken)["a.py"][1] == b"a = 7\n"


async def test_modes_and_symlinks(repo: UserRepo, rooms: Rooms):
    (repo.top / "a.py").chmod(0o755)
    os.symlink("a.py", repo.top / "link")
    os.symlink("/nowhere/at/all", repo.top / "dangling")
    with untouched(repo.top):
        taken = await rooms.take(repo.top, Buffer(str(repo.top / "run.sh"), "#!/bin/bash\n"))
    files = rooms.files(taken)
    assert files["a.py"][0] == "100755"
    assert files["link"] == ("120000", b"a.py")
    assert files["dangling"] == ("120000", b"/nowhere/at/all")
    assert files["run.sh"] == ("100755", b"#!/bin/bash\n")


async def test_filemode_off_keeps_the_recorded_bit(repo: UserRepo, rooms: Rooms):
    repo.git("config", "core.fileMode", "false")
    (repo.top / "run.sh").chmod(0o644)
    taken = await rooms.take(repo.top, Buffer(str(repo.top / "run.sh"), "#!/bin/bash\n"))
    assert rooms.files(taken)["run.sh"] == ("100755", b"#!/bin/bash\n")


@pytest.mark.parametrize("where", ["config", "global", "attributes", "info"])
async def test_line_ends_are_normalised_as_the_user_has_it(
    repo: UserRepo, rooms: Rooms, where: str
):
    if where == "config":
        repo.git("config", "core.autocrlf", "true")
    elif where == "global":
        repo.git("config", "--global", "core.autocrlf", "true")
    elif where == "attributes":
        repo.write(".gitattributes", "*.txt text eol=crlf\n")
    else:
        repo.write(".git/info/attributes", "*.txt text eol=crlf\n")
    repo.write("dos.txt", "one\r\ntwo\r\n")
    repo.write("open.txt", "one\r\n")
    with untouched(repo.top):
        taken = await rooms.take(repo.top, Buffer(str(repo.top / "open.txt"), "one\r\nunsaved\r\n"))
    files = rooms.files(taken)
    assert files["dos.txt"][1] == b"one\ntwo\n"
    assert files["open.txt"][1] == b"one\nunsaved\n"
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        assert Path(lease.path, "dos.txt").read_bytes() == b"one\r\ntwo\r\n"
        assert Path(lease.path, "open.txt").read_bytes() == b"one\r\nunsaved\r\n"
        same = await lease.capture("s.1", "nothing")
        assert not same.changes


async def test_mixed_line_ends_come_back_byte_for_byte(repo: UserRepo, rooms: Rooms):
    repo.git("config", "core.autocrlf", "true")
    repo.write("mixed.txt", "one\r\ntwo\nthree\r\n")
    taken = await rooms.take(repo.top, Buffer(str(repo.top / "a.py"), "a\r\nb\n"))
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        assert Path(lease.path, "mixed.txt").read_bytes() == b"one\r\ntwo\nthree\r\n"
        assert Path(lease.path, "a.py").read_bytes() == b"a\r\nb\n"
        assert not (await lease.capture("s.1", "nothing")).changes
        Path(lease.path, "new").write_text("n\n")
        made = await lease.capture("s.1", "one file")
        assert made.changes.paths() == ("new",)
    oid, _ = await rooms.objects.entry(taken, taken.tree, "mixed.txt") or ("", "")
    assert await rooms.objects.read(taken, [("mixed.txt", oid)]) == [b"one\r\ntwo\nthree\r\n"]


async def test_working_tree_encoding(repo: UserRepo, rooms: Rooms):
    repo.write(".gitattributes", "*.u16 text working-tree-encoding=UTF-16LE-BOM\n")
    repo.write("x.u16", b"\xff\xfe" + "grün\n".encode("utf-16-le"))
    repo.write("y.u16", b"\xff\xfe" + "alt\n".encode("utf-16-le"))
    taken = await rooms.take(repo.top, Buffer(str(repo.top / "y.u16"), "neu ü\n"))
    files = rooms.files(taken)
    assert files["x.u16"][1] == "grün\n".encode()
    assert files["y.u16"][1] == "neu ü\n".encode()


async def test_buffers_keep_mark_and_encoding_of_their_files(repo: UserRepo, rooms: Rooms):
    repo.write("bom.txt", b"\xef\xbb\xbfold\n")
    repo.write("latin.txt", "grün\n".encode("latin-1"))
    repo.write("wide.txt", b"\xff\xfe" + "old\n".encode("utf-16-le"))
    taken = await rooms.take(
        repo.top,
        Buffer(str(repo.top / "bom.txt"), "new\n"),
        Buffer(str(repo.top / "latin.txt"), "über\n"),
        Buffer(str(repo.top / "wide.txt"), "new\n"),
        Buffer(str(repo.top / "named.txt"), "ü\n", "cp1252"),
    )
    files = rooms.files(taken)
    assert files["bom.txt"][1] == b"\xef\xbb\xbfnew\n"
    assert files["latin.txt"][1] == "über\n".encode("latin-1")
    assert files["wide.txt"][1] == b"\xff\xfe" + "new\n".encode("utf-16-le")
    assert files["named.txt"][1] == "ü\n".encode("cp1252")


async def test_a_missing_required_filter_is_noted_and_the_bytes_are_raw(
    repo: UserRepo, rooms: Rooms
):
    repo.git("config", "--global", "filter.gone.clean", "no-such-program-anywhere")
    repo.git("config", "--global", "filter.gone.required", "true")
    repo.write(".gitattributes", "*.sec filter=gone\n")
    repo.write("one.sec", "1\n")
    repo.write("two.sec", "2\n")
    taken = await rooms.take(repo.top, Buffer(str(repo.top / "three.sec"), "3\n"))
    files = rooms.files(taken)
    assert [files[f"{n}.sec"][1] for n in ("one", "two", "three")] == [b"1\n", b"2\n", b"3\n"]
    assert any("'gone'" in note for note in taken.notes)
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        assert Path(lease.path, "one.sec").read_text() == "1\n"


async def test_nothing_that_the_repository_names_is_run(
    repo: UserRepo, rooms: Rooms, tmp_path: Path
):
    """fsmonitor, filters, hooks, aliases, diff drivers: a cloned folder must not act."""
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
    trap.chmod(0o755)
    for key in (
        "core.fsmonitor",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "filter.lfs.clean",
        "diff.evil.textconv",
        "diff.evil.command",
        "diff.external",
        "core.editor",
        "core.pager",
        "core.sshCommand",
        "core.alternateRefsCommand",
        "alias.ls-files",
        "uploadpack.packObjectsHook",
    ):
        repo.git("config", key, str(trap))
    repo.git("config", "core.hooksPath", str(tmp_path / "hooks"))
    (tmp_path / "hooks").mkdir()
    hooks = "post-checkout pre-commit post-index-change reference-transaction post-rewrite"
    for hook in hooks.split():
        (tmp_path / "hooks" / hook).write_bytes(trap.read_bytes())
        (tmp_path / "hooks" / hook).chmod(0o755)
        (repo.top / ".git/hooks").mkdir(exist_ok=True)
        (repo.top / ".git/hooks" / hook).write_bytes(trap.read_bytes())
        (repo.top / ".git/hooks" / hook).chmod(0o755)
    repo.write(".gitattributes", "*.py filter=evil diff=evil\n*.bin filter=lfs\n")
    repo.write("a.py", "changed\n")
    repo.write("x.bin", "changed\n")
    with untouched(repo.top):
        taken = await rooms.take(repo.top, Buffer(str(repo.top / "src/b.py"), "changed\n"))
        async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
            Path(lease.path, "a.py").write_text("agent\n")
            made = await lease.capture("s.1", "m")
        await rooms.objects.patch(taken, made.tree)
        await rooms.objects.read(taken, [(f.path, f.new_oid or "") for f in made.changes.files])
    assert not (tmp_path / "sprung").exists()
    assert any("'evil'" in note for note in taken.notes)


async def test_flags_that_hide_edits_do_not_hide_them(repo: UserRepo, rooms: Rooms):
    repo.git("update-index", "--assume-unchanged", "a.py")
    repo.git("update-index", "--skip-worktree", "src/b.py", "run.sh")
    repo.write("a.py", "hidden\n")
    repo.write("src/b.py", "hidden\n")
    (repo.top / "run.sh").unlink()
    with untouched(repo.top):
        taken = await rooms.take(repo.top)
    files = rooms.files(taken)
    assert files["a.py"][1] == files["src/b.py"][1] == b"hidden\n"
    assert "run.sh" in files


async def test_intent_to_add(repo: UserRepo, rooms: Rooms):
    repo.write("later.py", "l = 1\n")
    repo.git("add", "-N", "later.py")
    with untouched(repo.top):
        taken = await rooms.take(repo.top)
    assert rooms.files(taken)["later.py"][1] == b"l = 1\n"


NASTY = ["new\nline.py", "tab\tname", 'quo"te', "-dash", "ünï", " lead", "trail ", "*glob?", "\\b"]


async def test_names_of_every_kind(repo: UserRepo, rooms: Rooms):
    for name in NASTY:
        repo.write(name, "old\n")
    raw = os.fsdecode(b"not-utf8-\xff")
    repo.write(raw, "old\n")
    repo.commit("names")
    for name in NASTY:
        repo.write(name, "dirty\n")
    with untouched(repo.top):
        taken = await rooms.take(
            repo.top, *(Buffer(str(repo.top / n), "unsaved\n") for n in ("new\nline.py", raw))
        )
        async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
            for name in [*NASTY, raw]:
                Path(lease.path, name).write_text("agent\n")
            made = await lease.capture("s.1", "m")
    files = rooms.files(taken)
    assert files["new\nline.py"][1] == files[raw][1] == b"unsaved\n"
    assert all(files[name][1] == b"dirty\n" for name in NASTY[1:])
    assert set(made.changes.paths()) == {*NASTY, raw}
    wanted = [(f.path, f.new_oid or "") for f in made.changes.files]
    assert await rooms.objects.read(taken, wanted) == [b"agent\n"] * len(wanted)


async def test_ignored_and_outside_buffers_are_left_out_with_a_note(
    repo: UserRepo, rooms: Rooms, tmp_path: Path
):
    repo.write(".gitignore", "*.log\nbuild/\n")
    repo.write("x.log", "l\n")
    taken = await rooms.take(
        repo.top,
        Buffer(str(repo.top / "x.log"), "unsaved\n"),
        Buffer(str(repo.top / "build/new.py"), "unsaved\n"),
        Buffer(str(tmp_path / "elsewhere.py"), "unsaved\n"),
        Buffer(str(repo.top / ".git/COMMIT_EDITMSG"), "unsaved\n"),
    )
    assert set(rooms.files(taken)) == {".gitignore", "a.py", "run.sh", "src/b.py"}
    for name in ("x.log", "build/new.py", "elsewhere.py", "COMMIT_EDITMSG"):
        assert any(name in note for note in taken.notes), name


async def test_a_name_with_a_tab_in_it_stands_for_no_other_file(repo: UserRepo, rooms: Rooms):
    names = [
        "tracked\tghost.txt",
        "weird\tghost.txt",
        "H 100644 0a 0\tghost.txt",
        "w\t.gitattributes",
    ]
    repo.write(".gitignore", "ghost.txt\n")
    for name in (*names, "ghost.txt"):
        repo.write(name, "written\n")
    repo.git("add", names[0])
    taken = await rooms.take(
        repo.top,
        Buffer(str(repo.top / "ghost.txt"), "KEY=secret\n"),
        Buffer(str(repo.top / names[0]), "unsaved\n"),
    )
    files = rooms.files(taken)
    assert set(files) == {".gitignore", "a.py", "run.sh", "src/b.py", *names}
    assert files[names[0]] == ("100644", b"unsaved\n")
    blob = repo.git("hash-object", names[1]).strip()
    assert await rooms.objects.read(taken, [(RelPath(names[1]), blob)]) == [b"written\n"]


def test_which_files_are_for_attributes(repo: UserRepo):
    real = [".gitattributes", "d/.gitattributes", "t\tab/.gitattributes"]
    for name in (*real, "w\t.gitattributes", "x.gitattributes", "new/.gitattributes"):
        repo.write(name, "")
    repo.git("add", "-A", ":!new")
    raw = repo.git("ls-files", "-v", "-s", "-m", "-d", "-o", "-z", "--exclude-standard")
    listing = Listing(b"\0" + raw.encode())
    assert sorted(listing.attributes()) == sorted(real)
    assert listing.mode("w\t.gitattributes") == "100644"
    assert (listing.mode("w"), listing.mode("new/.gitattributes")) == (None, None)


async def test_global_ignore_rules_and_info_exclude_count(repo: UserRepo, rooms: Rooms):
    (repo.home / "ignore").write_text("*.tmp\n")
    repo.git("config", "--global", "core.excludesFile", "~/ignore")
    repo.write(".git/info/exclude", "private/\n")
    repo.write("x.tmp", "t\n")
    repo.write("private/p", "p\n")
    taken = await rooms.take(repo.top)
    assert set(rooms.files(taken)) == {"a.py", "run.sh", "src/b.py"}
    repo.write(".git/info/exclude", "")
    assert "private/p" in rooms.files(await rooms.take(repo.top))


async def test_huge_untracked_files_and_special_files_are_left_out(repo: UserRepo, rooms: Rooms):
    repo.write("huge.bin", b"\0" * 200_001)
    repo.write("small.bin", b"\0" * 1000)
    os.mkfifo(repo.top / "pipe")
    (repo.top / "a.py").unlink()
    os.mkfifo(repo.top / "a.py")
    taken = await rooms.take(repo.top)
    assert set(rooms.files(taken)) == {"a.py", "run.sh", "small.bin", "src/b.py"}
    assert any("huge.bin" in note for note in taken.notes)
    assert any("a.py" in note for note in taken.notes)


@pytest.mark.skipif(READS_EVERYTHING, reason="root reads everything")
async def test_unreadable_files_and_folders_are_left_out(repo: UserRepo, rooms: Rooms):
    repo.write("secret", "s").chmod(0)
    repo.write("closed/x", "x")
    (repo.top / "src").chmod(0)
    (repo.top / "closed").chmod(0)
    try:
        taken = await rooms.take(repo.top)
    finally:
        (repo.top / "src").chmod(0o755)
        (repo.top / "closed").chmod(0o755)
    assert set(rooms.files(taken)) == {"a.py", "run.sh", "src/b.py"}
    assert any("secret" in note for note in taken.notes)


async def test_a_folder_that_became_a_file_and_back(repo: UserRepo, rooms: Rooms):
    (repo.top / "src/b.py").unlink()
    (repo.top / "src").rmdir()
    repo.write("src", "a file now\n")
    (repo.top / "a.py").unlink()
    repo.write("a.py/inner.py", "a folder now\n")
    with untouched(repo.top):
        taken = await rooms.take(repo.top)
    files = rooms.files(taken)
    assert {p: c for p, (_, c) in files.items()} == {
        "a.py/inner.py": b"a folder now\n",
        "run.sh": b"#!/bin/sh\n",
        "src": b"a file now\n",
    }


@pytest.mark.parametrize("version", ["", "git version 2.34.8", "git version 1.9", "not git"])
async def test_git_missing_or_too_old(repo: UserRepo, tmp_path: Path, version: str):
    programs = tmp_path / "bin"
    programs.mkdir()
    if version:
        (programs / "git").write_text(f"#!/bin/sh\necho '{version}'\n")
        (programs / "git").chmod(0o755)
    env = {**environ(repo.home), "PATH": str(programs)}
    async with GitRooms(PlainProcesses(), tmp_path / "cache", env, 2) as made:
        with pytest.raises(WorkspaceError) as caught:
            await Rooms(made, PlainProcesses(), tmp_path).take(repo.top)
    assert "2.35" in caught.value.hint


async def test_a_cache_that_cannot_be_written(repo: UserRepo, tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StorageError) as caught:
        async with GitRooms(PlainProcesses(), blocked / "cache", environ(repo.home), 2):
            pass
    assert str(blocked) in caught.value.what
    assert "MASSGEN_LS_CACHE" in caught.value.hint


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full device")
async def test_a_full_cache(repo: UserRepo, rooms: Rooms):
    """The private index cannot be written: the disk is full."""
    taken = await rooms.take(repo.top)
    index = Path(taken.shadow, "objects")
    for folder in index.iterdir():
        if len(folder.name) == 2:
            folder.rename(folder.with_name("gone-" + folder.name))
    Path(taken.shadow, "info", "exclude").write_text("changed, so that it is written again")
    Path(taken.shadow, "info").rename(Path(taken.shadow, "info2"))
    os.symlink("/dev/full", Path(taken.shadow, "info"))
    with pytest.raises(StorageError) as caught:
        await rooms.take(repo.top)
    assert "MASSGEN_LS_CACHE" in caught.value.hint


def test_ref_parts_are_always_legal(repo: UserRepo):
    for name in ["a.1", "a..b", ".x", "x.", "x.lock", "a b", "ü~^:?*[", "@{", "-x", "a/b", "@"]:
        part = ref_part(name)
        repo.git("check-ref-format", f"refs/runs/{part}/{part}")
    assert ref_part("20261121-065512-k3f9") == "20261121-065512-k3f9"
    assert ref_part("claude.2") == "claude.2"
