"""Conversations in our folder: what an agent left there may be anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from massgen_ls.adapters.host.clock import SystemClock
from massgen_ls.adapters.store import conversations
from massgen_ls.adapters.store.conversations import ConversationFolder
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
async def test_what_is_no_file_of_the_home_is_not_kept(
    tmp_path: Path, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversations, "LARGEST", 100)
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
    assert await kept_of(ConversationFolder(tmp_path / "kept", SystemClock()), file, home) is None
    assert not (tmp_path / "kept").exists()
