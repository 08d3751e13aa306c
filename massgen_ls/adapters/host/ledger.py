"""What is being written to the user's files, kept on disk, so that a killed process can be mended.

One small file for each batch names its owner, its staging folders and, before the first step is
made, all of its steps. A batch whose owner is dead is taken back by the next process of ours that
comes by; one that was complete only loses its staging folders. The user is told either way.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from massgen_ls.adapters.host.journal import alive
from massgen_ls.adapters.host.steps import Step, from_record, take_back, to_record
from massgen_ls.core.candidate import Snapshot
from massgen_ls.core.changes import RelPath
from massgen_ls.core.errors import StorageError, UnsafePathError
from massgen_ls.ports import SnapshotRequest, Snapshots

if sys.platform == "win32":  # pragma: no cover - no such machine in the test bed
    import msvcrt

    def _wait(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
else:
    import fcntl

    def _wait(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)


STAGING = ".massgen-"
_STAGING = re.compile(r"\.massgen-[0-9a-f]{32}")
_OURS = ".json"
_PARTIAL = "partial-"
"""A record that is being written, and who does it; nothing has been done that it speaks of."""
_KEPT = "kept"
"""Originals that could not go back, for the user had something else there."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The record of one batch."""

    path: Path
    owner: str
    root: str

    def write(
        self, staging: Sequence[str], steps: Sequence[Step] = (), *, done: bool = False
    ) -> None:
        """Records how far the batch is; on the disk when this returns.

        Raises:
            StorageError: It cannot be written; then no step may be made.
        """
        body = {
            "owner": self.owner,
            "root": self.root,
            "staging": [*staging],
            "steps": [to_record(step) for step in steps],
            "done": done,
        }
        partial = self.path.with_name(f"{_PARTIAL}{self.path.stem}~{self.owner}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(partial, "w", encoding="ascii") as file:
                json.dump(body, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, self.path)
        except OSError as error:
            raise _unwritable(self.path.parent, error) from error

    def close(self) -> None:
        """Forgets the batch: nothing of it is left to do."""
        with contextlib.suppress(OSError):
            self.path.unlink()


class Ledger:
    """The records of all batches of all our processes.

    Args:
        folder: Where they are; made when it is first needed.
        owner: This process, as `massgen_ls.adapters.host.journal.owner_of` names it.
        say: Tells the user what became of a batch of a killed process.
    """

    def __init__(self, folder: Path, owner: str, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._owner = owner
        self._say = say

    def open(self, root: str) -> Entry:
        """The record of a new batch; nothing is written yet."""
        return Entry(self._folder / f"{uuid4().hex}{_OURS}", self._owner, root)

    async def mend(self) -> None:
        """Takes back what dead processes left half done, and says so.

        What cannot be taken back now stays on record, and is said as well.

        Raises:
            StorageError: The records cannot be read.
        """
        for said in await asyncio.to_thread(self._mend_all):
            self._say(said)

    def _mend_all(self) -> list[str]:
        if not self._records():  # nearly always
            return []
        with self._alone():
            for path in self._records():
                if path.name.startswith(_PARTIAL) and not alive(path.name.partition("~")[2]):
                    path.unlink(missing_ok=True)
            return [said for path in self._records() if (said := self._mend(path))]

    def _records(self) -> list[Path]:
        try:
            names = sorted(os.listdir(self._folder))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unwritable(self._folder, error) from error
        return [self._folder / name for name in names if name.endswith(_OURS) or _PARTIAL in name]

    @contextlib.contextmanager
    def _alone(self) -> Generator[None]:
        """No two processes mend at once; the lock ends with its holder, however that ends."""
        try:
            handle = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unwritable(self._folder, error) from error
        try:
            _wait(handle)
            yield
        finally:
            os.close(handle)

    def _mend(self, path: Path) -> str:
        body = _read(path) if path.name.endswith(_OURS) else None
        if body is None or alive(str(body.get("owner"))):
            return ""
        root = str(body.get("root"))
        if not os.path.isdir(root):
            return ""  # on a disk that is not there now, perhaps
        kept: list[str] = []

        def keep(name: RelPath, original: str) -> None:
            there = self._folder / _KEPT / path.stem / name
            there.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copy2(original, there, follow_symlinks=False)
            os.unlink(original)
            kept.append(f"{name} has changed since and stays; it was as {there} is")

        staging = [s for s in cast("list[str]", body.get("staging", [])) if _is_ours(s)]
        start = f"An earlier massgen-ls was killed while it changed files in {root}"
        count = 0
        try:
            if not body.get("done"):
                steps = [from_record(s) for s in cast("list[dict[str, Any]]", body["steps"])]
                count = take_back(root, steps, keep)
        except OSError as error:
            folder = next(iter(staging), root)
            return f"{start}, and it cannot be taken back ({error}): the originals are in {folder}"
        except (KeyError, TypeError, UnsafePathError):
            folder = next(iter(staging), root)
            return f"{start}, and its record {path} is damaged: the originals are in {folder}"
        for folder in staging:
            shutil.rmtree(folder, ignore_errors=True)
        path.unlink(missing_ok=True)
        if body.get("done"):
            return f"{start}; it had finished, all of its changes are there"
        files = "1 file is" if count == 1 else f"{count} files are"
        what = f"{files} as before" if count else "no file had been changed"
        return ". ".join([f"{start}; that is taken back: {what}", *kept])


@dataclass(frozen=True, slots=True)
class MendedSnapshots:
    """`massgen_ls.ports.Snapshots` of files that no killed process has left half written."""

    snapshots: Snapshots
    ledger: Ledger

    async def locate(self, folder: str) -> str:
        """Mends first; see `massgen_ls.ports.Snapshots.locate`."""
        await self.ledger.mend()
        return await self.snapshots.locate(folder)

    async def take(self, request: SnapshotRequest) -> Snapshot:
        """See `massgen_ls.ports.Snapshots.take`."""
        return await self.snapshots.take(request)


def _is_ours(folder: str) -> bool:
    return _STAGING.fullmatch(os.path.basename(folder)) is not None


def _read(path: Path) -> Mapping[str, object] | None:
    try:
        record: object = json.loads(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None  # another process was quicker, or it is none of ours
    return cast("dict[str, object]", record) if isinstance(record, dict) else None


def _unwritable(folder: Path, error: OSError) -> StorageError:
    return StorageError(
        f"The folder {folder} cannot be written: {error.strerror}",
        "Make room or make it writable, or set MASSGEN_LS_STATE to another folder.",
    )
