"""Conversations in our folder: what an agent left there may be anything."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from massgen_ls.adapters.host.clock import SystemClock
from massgen_ls.adapters.store.conversations import ConversationFolder
from massgen_ls.adapters.store.files import KeptFiles
from massgen_ls.core.task import Origin

ADA = Origin("claude_code", "s1", "r1")


async def kept_of(folder: ConversationFolder, file: Path, home: Path) -> str | None:
    await folder.keep(ADA, str(file), str(home), lambda text: text.replace("KEY", "[key]"))
    path = await folder.lay(ADA, str(home))
    return Path(path).read_text() if path else None


async def test_a_conversation_is_kept_without_secrets_for_its_run_alone(tmp_path: Path) -> None:
    folder = ConversationFolder(tmp_path / "kept", SystemClock())
    home = tmp_path / "home"
    home.mkdir()
    (home / "said").write_text("with KEY in it\n")
    assert await kept_of(folder, home / "said", home) == "with [key] in it\n"
    (home / "said").write_text("more\n")
    assert await kept_of(folder, home / "said", home) == "more\n", "it went on"
    for other in (Origin("codex", "s1", "r1"), Origin("claude_code", "s1", "r2")):
        assert await folder.lay(other, str(home)) == ""
    assert await folder.lay(ADA, str(tmp_path / "no home")) == ""
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.stat().st_mode & 0o077 == 0
    kept.write_bytes(b"damaged")
    assert await folder.lay(ADA, str(home)) == ""


@pytest.mark.parametrize("left", ["link", "folder link", "hard link", "fifo", "long", "gone"])
async def test_what_is_no_file_of_the_home_is_not_kept(tmp_path: Path, left: str) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    for top in (home, outside):
        top.mkdir()
        (top / "said").write_text("precious")
    file = home / "said"
    file.unlink()
    if left == "link":
        file.symlink_to(outside / "said")
    elif left == "folder link":
        (home / "to").symlink_to(outside)
        file = home / "to" / "said"
    elif left == "hard link":
        os.link(outside / "said", file)
    elif left == "fifo":
        os.mkfifo(file)
    elif left == "long":
        file.write_text("x" * 101)
    folder = ConversationFolder(tmp_path / "kept", SystemClock(), largest=100)
    assert await kept_of(folder, file, home) is None
    assert not (tmp_path / "kept").exists()


async def test_of_more_than_there_is_room_for_the_longest_unused_go_first(tmp_path: Path) -> None:
    kept, now = KeptFiles(tmp_path / "kept", SystemClock(), most=1000), SystemClock().now()
    for age, name in enumerate("abcde"):
        kept.keep(name, name.encode() * 300)
        os.utime(tmp_path / "kept" / name, (now - 10 * age, now - 10 * age))
        assert kept.content(name) == name.encode() * 300, "what was kept just now is there"
    assert sorted(kept.sizes().items()) == [("a", 300), ("b", 300), ("e", 300)]
    kept.use("b")
    os.utime(tmp_path / "kept" / "e", (now - 5, now - 5))
    kept.keep("f", b"f" * 500)
    assert sorted(kept.sizes()) == ["b", "f"]


async def test_what_belongs_to_no_known_run_is_let_go_of(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    folder = ConversationFolder(tmp_path / "kept", SystemClock())
    assert await folder.forget(lambda: {"r1"}, dry=False) == 0, "nothing was ever kept"
    (home / "said").write_text("hello\n")
    other = Origin("claude_code", "s1", "r2")
    for origin in (ADA, Origin("claude_code", "s2", "r1"), other):
        await folder.keep(origin, str(home / "said"), str(home), str)
    (tmp_path / "kept" / "of an earlier version").write_bytes(b"x" * 50)
    whole = sum(file.stat().st_size for file in (tmp_path / "kept").iterdir())
    planned = await folder.forget(lambda: {"r1"}, dry=True)
    assert await folder.lay(other, str(home)), "a dry run changes nothing"
    assert await folder.forget(lambda: {"r1"}, dry=False) == planned
    left = sum(file.stat().st_size for file in (tmp_path / "kept").iterdir())
    assert (planned > 50, whole - left) == (True, planned)
    assert await folder.lay(ADA, str(home))
    assert await folder.lay(other, str(home)) == ""


async def test_what_is_kept_while_runs_are_listed_stays(tmp_path: Path) -> None:
    (tmp_path / "said").write_text("hello\n")
    folder = ConversationFolder(tmp_path / "kept", SystemClock())

    def meanwhile() -> set[str]:
        folder_of_another = ConversationFolder(tmp_path / "kept", SystemClock())
        asyncio.run(folder_of_another.keep(ADA, str(tmp_path / "said"), str(tmp_path), str))
        return set()

    assert await folder.forget(meanwhile, dry=False) == 0
    assert await folder.lay(ADA, str(tmp_path))
