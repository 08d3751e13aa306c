"""Files that we lay into a worktree ourselves: as they are given, and never through a link."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from massgen_ls.core.changes import rel_path
from massgen_ls.core.errors import StorageError
from tests.fakes.repositories import PLAIN, RUN, Rooms, UserRepo


async def test_files_are_changed_added_and_taken_away(repo: UserRepo, rooms: Rooms) -> None:
    repo.write("gone.py", "g\n")
    taken = await rooms.take(repo.top)
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        await lease.put(
            {
                rel_path("a.py"): b"put\r\n\xff",
                rel_path("deep/er/new.py"): b"new\n",
                rel_path("gone.py"): None,
            }
        )
        assert Path(lease.path, "a.py").read_bytes() == b"put\r\n\xff"
        captured = await lease.capture("fused.1", "m")
    kinds = {change.path: change.kind for change in captured.changes.files}
    assert kinds == {"a.py": "modify", "deep/er/new.py": "add", "gone.py": "delete"}


@pytest.mark.parametrize("path", ["out/a.py", "file"])
async def test_nothing_is_written_through_a_link(
    repo: UserRepo, rooms: Rooms, tmp_path: Path, path: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.py").write_text("theirs\n")
    os.symlink(outside, repo.top / "out")
    os.symlink(outside / "a.py", repo.top / "file")
    taken = await rooms.take(repo.top)
    async with rooms.worktrees.lease(taken, RUN, PLAIN) as lease:
        with pytest.raises(StorageError):
            await lease.put({rel_path(path): b"mine\n"})
    assert (outside / "a.py").read_text() == "theirs\n"
