"""A batch of file changes that happens as a whole or not at all.

Everything that can run out of room is done first, in a staging folder beside the files: new
content is written and flushed there. Then files only change names, originals go to the staging
folder, and an error takes every step back. When even that fails the staging folder stays: nothing
is lost.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from uuid import uuid4

from massgen_ls.core.changes import FileType, RelPath, folders_above

Seen = tuple[int, int, int, int]
"""Device, inode, size and time of a file when it was read."""

_NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK})


class MovedOnError(Exception):
    """A file is not what it was when the plan was made."""


class UndoError(Exception):
    """A failed batch could not be taken back completely; the originals are in a folder."""

    def __init__(self, folder: str, why: OSError) -> None:
        super().__init__(folder)
        self.folder = folder
        self.why = why


def seen(found: os.stat_result) -> Seen:
    """What tells a file from a later version of it."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def with_type(mode: int, type_: FileType) -> int:
    """Permission bits with the exec bits that a type asks for, where reading is allowed."""
    mode = stat.S_IMODE(mode)
    return mode | (mode & 0o444) >> 2 if type_ == "executable" else mode & ~0o111


@dataclass(slots=True)
class Batch:
    """Collects changes below a root; `commit` makes them in the order given."""

    root: str
    _steps: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    _undo: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    _staging: dict[int, str] = field(default_factory=dict[int, str])
    _touched: set[RelPath] = field(default_factory=set[RelPath])
    _left: list[RelPath] = field(default_factory=list[RelPath])
    _made: list[RelPath] = field(default_factory=list[RelPath])

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *_: object) -> None:
        """Takes back what was not committed and clears away the staging folders.

        Raises:
            UndoError: Something could not be taken back.
        """
        try:
            while self._undo:
                self._undo[-1]()
                self._undo.pop()
        except OSError as error:
            raise UndoError(next(iter(self._staging.values()), self.root), error) from error
        for folder in self._staging.values():
            shutil.rmtree(folder, ignore_errors=True)

    # ── what to do ──────────────────────────────────────────────────────────────────────────

    def write(
        self, path: RelPath, content: bytes, type_: FileType, old: os.stat_result | None
    ) -> None:
        """Stages new content for a path; ``old`` is what it replaces, None for a new file."""
        staged = self._stage(path, content, type_, old)
        if old is None:
            self._steps.append(partial(self._create, path, staged))
        else:
            self._steps.append(partial(self._replace, path, staged, old))

    def set_mode(self, path: RelPath, type_: FileType, old: os.stat_result) -> None:
        """Sets or clears the exec bits of a file."""
        self._steps.append(partial(self._chmod, path, with_type(old.st_mode, type_), old))

    def move(self, old_path: RelPath, path: RelPath, old: os.stat_result) -> None:
        """Renames a file; only the case of the name may differ."""
        self._steps.append(partial(self._move, old_path, path, old))

    def remove(self, path: RelPath, old: os.stat_result) -> None:
        """Deletes a file, and the folders that it leaves empty."""
        trash = self._nook(path)
        self._steps.append(partial(self._remove, path, trash, old))

    def commit(self) -> None:
        """Makes the changes. After an error, leaving the context takes them back.

        Raises:
            MovedOnError: A file changed since it was read.
            OSError: A step failed.
        """
        for step in self._steps:
            step()
        self._flush_folders()
        self._undo.clear()
        for path in self._left:
            self._prune(path, undo=False)

    # ── staging ─────────────────────────────────────────────────────────────────────────────

    def _full(self, path: RelPath) -> str:
        return os.path.join(self.root, path)

    def _nook(self, path: RelPath) -> str:
        """A free name on the same device as a path, for what comes or what goes."""
        folder = self.root
        for above in folders_above(path):
            below = self._full(above)
            with suppress(OSError):
                if stat.S_ISDIR(os.lstat(below).st_mode):
                    folder = below
        device = os.lstat(folder).st_dev
        if device not in self._staging:
            # The top of the tree when it can be: a folder below may have to make room.
            top = os.stat(self.root).st_dev == device
            made = os.path.join(self.root if top else folder, f".massgen-{uuid4().hex}")
            os.mkdir(made, 0o700)
            self._staging[device] = made
        return os.path.join(self._staging[device], uuid4().hex)

    def _stage(
        self, path: RelPath, content: bytes, type_: FileType, old: os.stat_result | None
    ) -> str:
        staged = self._nook(path)
        if type_ == "symlink":
            os.symlink(os.fsdecode(content), staged)
            return staged
        # The process's umask applies to a new file, as for any other program.
        mode = 0o777 if type_ == "executable" else 0o666
        handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            if old is not None and stat.S_ISREG(old.st_mode):
                if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
                    with suppress(PermissionError):
                        os.fchown(handle, old.st_uid, old.st_gid)
                os.fchmod(handle, with_type(old.st_mode, type_))
            os.fsync(handle)
        return staged

    # ── steps ───────────────────────────────────────────────────────────────────────────────

    def _check(self, path: RelPath, old: os.stat_result) -> str:
        full = self._full(path)
        if path not in self._touched:
            try:
                same = seen(os.lstat(full)) == seen(old)
            except FileNotFoundError:
                same = False
            if not same:
                raise MovedOnError(path)
        return full

    def _create(self, path: RelPath, staged: str) -> None:
        full = self._full(path)
        self._make_folders(path)
        _place(staged, full)
        self._undo.append(partial(os.unlink, full))
        self._touched.add(path)

    def _replace(self, path: RelPath, staged: str, old: os.stat_result) -> None:
        full = self._check(path, old)
        trash = self._nook(path)
        try:
            os.link(full, trash, follow_symlinks=False)
        except (OSError, NotImplementedError) as error:
            if isinstance(error, OSError) and error.errno not in _NO_HARD_LINKS:
                raise
            os.rename(full, trash)
        self._undo.append(partial(os.replace, trash, full))
        os.replace(staged, full)
        self._touched.add(path)

    def _chmod(self, path: RelPath, mode: int, old: os.stat_result) -> None:
        full = self._check(path, old)
        before = stat.S_IMODE(os.lstat(full).st_mode)
        os.chmod(full, mode)
        self._undo.append(partial(os.chmod, full, before))

    def _move(self, old_path: RelPath, path: RelPath, old: os.stat_result) -> None:
        here, there = self._check(old_path, old), self._full(path)
        self._make_folders(path)
        with suppress(FileNotFoundError):
            if not os.path.samestat(os.lstat(there), old):  # one file where case is folded
                raise MovedOnError(path)
        os.rename(here, there)
        self._undo.append(partial(os.rename, there, here))
        self._left.append(old_path)
        self._made.append(path)

    def _remove(self, path: RelPath, trash: str, old: os.stat_result) -> None:
        full = self._check(path, old)
        os.rename(full, trash)
        self._undo.append(partial(os.rename, trash, full))
        self._left.append(path)
        self._prune(path, undo=True)

    def _make_folders(self, path: RelPath) -> None:
        for above in folders_above(path):
            folder = self._full(above)
            try:
                os.mkdir(folder)
            except FileExistsError:
                if not stat.S_ISDIR(os.lstat(folder).st_mode):
                    raise MovedOnError(above) from None
            else:
                self._undo.append(partial(os.rmdir, folder))
        self._made.append(path)

    def _prune(self, path: RelPath, *, undo: bool) -> None:
        """Removes the folders that a file left empty, as git would."""
        with suppress(OSError):
            for above in reversed(tuple(folders_above(path))):
                folder = self._full(above)
                mode = stat.S_IMODE(os.lstat(folder).st_mode)
                os.rmdir(folder)
                if undo:
                    self._undo.append(partial(os.mkdir, folder, mode))

    def _flush_folders(self) -> None:
        """Makes the new names last through a power cut."""
        paths = {*self._touched, *self._left, *self._made}
        for folder in {os.path.dirname(self._full(path)) for path in paths}:
            with suppress(OSError):  # some file systems cannot, and a pruned folder is gone
                handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)


def _place(staged: str, full: str) -> None:
    """Gives a staged file its name, only if nothing has that name.

    Raises:
        MovedOnError: Something has it.
    """
    try:
        os.link(staged, full, follow_symlinks=False)
    except FileExistsError:
        raise MovedOnError(full) from None
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_HARD_LINKS:
            raise
        if os.path.lexists(full):
            raise MovedOnError(full) from None
        os.rename(staged, full)
