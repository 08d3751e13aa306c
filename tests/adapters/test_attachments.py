"""Pictures in our folder, and in those of agents."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from massgen_ls.adapters.store.attachments import AttachmentFolder
from massgen_ls.adapters.store.files import KEPT
from massgen_ls.core.errors import NotFoundError, StorageError
from tests.fakes.pictures import DOT


@dataclass
class Clock:
    """Seconds since the epoch, as a test wants them."""

    ahead: float = 0.0

    def now(self) -> float:
        return self.ahead

    def monotonic(self) -> float:
        return self.ahead


async def test_a_picture_is_found_by_its_content_and_laid_where_no_link_leads(
    tmp_path: Path,
) -> None:
    folder = AttachmentFolder(tmp_path / "kept", Clock())
    kept = await folder.keep("/shots/dot.png", DOT)
    assert await folder.find("again.png", kept.digest) == type(kept)(
        "again.png", "image/png", kept.digest
    )
    first, second = [await folder.lay(kept, str(tmp_path / "home")) for _ in range(2)]
    assert first != second, "an agent may have put a link where the first one lay"
    for path in (first, second):
        assert Path(path).read_bytes() == DOT
        assert Path(path).suffix == ".png"
        assert (tmp_path / "home") in Path(path).parents
    with pytest.raises(NotFoundError, match="not there any more"):
        await folder.find("dot.png", "../" + kept.digest)


async def test_what_nothing_used_for_a_month_goes(tmp_path: Path) -> None:
    clock = Clock()
    folder = AttachmentFolder(tmp_path, clock)
    kept = await folder.keep("dot.png", DOT)
    old, used = tmp_path / "old", tmp_path / "used"
    for file in (old, used):
        file.write_bytes(b"x")
    clock.ahead = used.stat().st_mtime + KEPT
    os.utime(old, (0, clock.ahead - KEPT - 1))
    await folder.keep("dot.png", DOT)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["used", kept.digest])


async def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = AttachmentFolder(tmp_path / "file" / "kept", Clock())
    with pytest.raises(StorageError, match="a picture cannot be kept in"):
        await folder.keep("dot.png", DOT)
