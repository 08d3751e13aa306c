"""The user's files on the disk: read, and changed as a whole plan or not at all."""

from __future__ import annotations

import asyncio
import errno
import os
import shlex
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from massgen_ls.adapters.host.atomic import Batch, MovedOnError, UndoError
from massgen_ls.adapters.host.ledger import Entry, Ledger
from massgen_ls.core.changes import FileType, RelPath, folders_above, rel_path
from massgen_ls.core.errors import UnsafePathError, WorkspaceError
from massgen_ls.core.landing import BOM, decode
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
from massgen_ls.core.text import apply_edits
from massgen_ls.core.wording import counted
from massgen_ls.ports import Landed, Refused

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "it is larger than a file may be",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "there is no permission to write there",
    errno.EPERM: "there is no permission to write there",
    errno.ENAMETOOLONG: "the name is too long for this file system",
    errno.ENOTEMPTY: "a folder is in the way",
    errno.EISDIR: "a folder is in the way",
}


class DiskFiles:
    """`massgen_ls.ports.LiveFiles` for plain files, with no editor around them.

    Links are never followed: a path below a link does not exist, and a link is a file of its own.

    Args:
        ledger: Where a batch is recorded while it is made. None: what a kill leaves half done stays
            so, with the originals beside it.
    """

    def __init__(self, ledger: Ledger | None = None) -> None:
        self._ledger = ledger

    async def read(self, root: str, paths: Sequence[RelPath]) -> Mapping[RelPath, LiveFile]:
        """The files among ``paths``; folders and devices count as absent.

        Raises:
            WorkspaceError: A file is there but cannot be read.
        """
        if self._ledger is not None:
            await self._ledger.mend()
        return await asyncio.to_thread(_read_all, root, paths)

    async def apply(self, root: str, plan: EditPlan) -> Landed | Refused:
        """Performs the whole plan, or nothing of it and says why.

        Every file must still be what the plan was computed from. Once it has begun it runs to its
        end: cancelling the caller waits for that, so that no half of a plan is left, and what has
        landed is answered.
        """
        work = asyncio.get_running_loop().run_in_executor(
            None, _apply, root, plan, self._ledger.open(root) if self._ledger else None
        )
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            while not work.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([work])
            if isinstance(answer := work.result(), Landed):
                return answer
            raise


@dataclass(frozen=True, slots=True)
class _Found:
    content: bytes
    type: FileType
    stat: os.stat_result


def _read_all(root: str, paths: Sequence[RelPath]) -> Mapping[RelPath, LiveFile]:
    links: dict[RelPath, bool] = {}
    live: dict[RelPath, LiveFile] = {}
    for path in paths:
        if any(_is_link(root, folder, links) for folder in folders_above(path)):
            continue
        try:
            found = _look(os.path.join(root, path))
        except OSError as error:
            raise WorkspaceError(
                f"{path} cannot be read ({error.strerror})", "Make it readable, then try again."
            ) from error
        if found is not None:
            text = None if found.type == "symlink" else decode(found.content)
            live[path] = LiveFile(path, found.content, text, found.type)
    return live


def _is_link(root: str, folder: RelPath, known: dict[RelPath, bool]) -> bool:
    if folder not in known:
        known[folder] = os.path.islink(os.path.join(root, folder))
    return known[folder]


def _look(full: str) -> _Found | None:
    """A regular file or a link; None for what is absent or neither."""
    try:
        found = os.lstat(full)
        if stat.S_ISLNK(found.st_mode):
            return _Found(os.fsencode(os.readlink(full)), "symlink", found)
        if not stat.S_ISREG(found.st_mode):
            return None
        # Not to follow a link nor to wait for a pipe that took its place meanwhile.
        handle = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}:
            return None
        raise
    with open(handle, "rb") as file:
        found = os.fstat(handle)
        content = file.read()
    return _Found(content, "executable" if found.st_mode & 0o100 else "file", found)


# ── performing a plan ───────────────────────────────────────────────────────────────────────────


class _RefusedError(Exception):
    def __init__(self, reason: str, *, stale: bool = False) -> None:
        super().__init__(reason)
        self.refused = Refused(reason, stale)


class _ReadOnlyError(Exception):
    def __init__(self, path: RelPath) -> None:
        super().__init__(path)
        self.path = path


def _apply(root: str, plan: EditPlan, entry: Entry | None) -> Landed | Refused:
    try:
        with Batch(root, entry) as batch:
            performance = _Performance(root, batch)
            locked: list[RelPath] = []
            for operation in plan.operations:
                try:
                    performance.prepare(operation)
                except _ReadOnlyError as error:
                    locked.append(error.path)
                except _RefusedError:
                    if not locked:
                        raise  # else it may be for what was not prepared
                except OSError as error:
                    reason = f"{operation.path} could not be written: {_reason(error)}"
                    raise _RefusedError(reason) from error
            if locked:
                return _read_only(locked)
            batch.commit()
    except _RefusedError as error:
        return error.refused
    except MovedOnError as error:
        return Refused(f"{error} changed meanwhile", stale=True)
    except UndoError as error:
        return Refused(
            f"writing failed, and so did taking it back ({_reason(error.why)}): "
            f"the originals are in {error.folder}"
        )
    except OSError as error:
        where = os.path.relpath(os.fsdecode(error.filename), root) if error.filename else root
        return Refused(f"{where} could not be written: {_reason(error)}")
    return Landed()


def _read_only(paths: Sequence[RelPath]) -> Refused:
    found = tuple(
        Blocked(
            path,
            f"{path} is read-only: make it writable (`chmod u+w {shlex.quote(path)}`), "
            "then apply again",
        )
        for path in paths
    )
    first = found[0].why
    more = f" (and {counted(len(found) - 1, 'other file')} like it)" if len(found) > 1 else ""
    return Refused(first + more, blocked=found)


def _reason(error: OSError) -> str:
    return _REASONS.get(error.errno or 0, error.strerror or type(error).__name__)


@dataclass(slots=True)
class _Performance:
    """Checks each operation against the disk and puts it into the batch."""

    root: str
    batch: Batch
    _from: dict[RelPath, RelPath] = field(default_factory=dict[RelPath, RelPath])
    _gone: set[RelPath] = field(default_factory=set[RelPath])
    _looked: dict[RelPath, _Found | None] = field(default_factory=dict[RelPath, _Found | None])

    def prepare(self, operation: Operation) -> None:
        """Stages one operation.

        Raises:
            _RefusedError: The disk is not what the plan was made for, or must not be written.
            _ReadOnlyError: The user has made the file read-only.
            OSError: There is no room, or no permission.
        """
        self._safe(operation.path)
        match operation:
            case RenameFile(old_path, path):
                self._safe(old_path)
                found = self._present(old_path)
                self._free(path, found)
                self.batch.move(old_path, path, found.stat)
                self._from[path] = old_path
                self._gone.add(old_path)
            case CreateFile(path, content, _, type_):
                self._free(path, None)
                self.batch.write(path, content, type_, None)
            case EditText(path, _, before, edits):
                found = self._writable(path)
                if found.type == "symlink" or decode(found.content) != before:
                    raise _RefusedError(f"{path} changed meanwhile", stale=True)
                mark = BOM if found.content.startswith(BOM) else b""
                try:
                    content = mark + apply_edits(before, edits).encode("utf-8")
                except UnicodeEncodeError:
                    raise _RefusedError(f"{path} would not be UTF-8 text any more") from None
                self.batch.write(path, content, found.type, found.stat)
            case ReplaceFile(path, before, content, type_):
                found = self._writable(path)
                self._unchanged(path, found, before)
                if before == content and "symlink" not in (found.type, type_):
                    self.batch.set_mode(path, type_, found.stat)
                else:
                    self.batch.write(path, content, type_, found.stat)
            case DeleteFile(path, content):
                found = self._writable(path)
                self._unchanged(path, found, content)
                self.batch.remove(path, found.stat)
                self._gone.add(path)

    def _safe(self, path: RelPath) -> None:
        try:
            rel_path(path)
        except UnsafePathError as error:
            raise _RefusedError(error.what) from error
        for folder in folders_above(path):
            try:
                mode = os.lstat(os.path.join(self.root, folder)).st_mode
            except (FileNotFoundError, NotADirectoryError):
                return
            if stat.S_ISLNK(mode):
                raise _RefusedError(f"{folder} is a link, which is not followed", stale=True)
            if not stat.S_ISDIR(mode) and folder not in self._gone:
                raise _RefusedError(f"{folder} is a file, not a folder", stale=True)

    def _present(self, path: RelPath) -> _Found:
        """The file that an operation works on, under its name before the plan."""
        origin = self._from.get(path, path)
        if origin not in self._looked:
            self._looked[origin] = _look(os.path.join(self.root, origin))
        found = self._looked[origin]
        if found is None:
            raise _RefusedError(f"{path} is gone", stale=True)
        return found

    def _writable(self, path: RelPath) -> _Found:
        found = self._present(path)
        if found.type != "symlink" and not found.stat.st_mode & 0o222:
            raise _ReadOnlyError(self._from.get(path, path))
        return found

    def _unchanged(self, path: RelPath, found: _Found, content: bytes) -> None:
        if found.content != content:
            raise _RefusedError(f"{path} changed meanwhile", stale=True)

    def _free(self, path: RelPath, moved: _Found | None) -> None:
        try:
            there = os.lstat(os.path.join(self.root, path))
        except (FileNotFoundError, NotADirectoryError):
            return
        if path in self._gone or (moved is not None and os.path.samestat(there, moved.stat)):
            return
        if not stat.S_ISDIR(there.st_mode):
            raise _RefusedError(f"{path} exists already", stale=True)
        if not any(folder == path for gone in self._gone for folder in folders_above(gone)):
            raise _RefusedError(f"{path} is a folder")
