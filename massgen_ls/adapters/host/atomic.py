"""A batch of file changes that happens as a whole or not at all.

Everything that can run out of room is done first, in a staging folder beside the files: new
content is written and flushed there. Then files only change names, originals go to the staging
folder, and an error takes every step back, or after a crash the ledger does. When even that fails
the staging folder stays: nothing is lost.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

from massgen_ls.adapters.host.ledger import STAGING, Entry
from massgen_ls.adapters.host.steps import (
    Chmod,
    Create,
    Move,
    Remove,
    Replace,
    Seen,
    Step,
    seen,
    take_back,
)
from massgen_ls.core.changes import FileType, RelPath, folders_above

_NO_HARD_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK})


class MovedOnError(Exception):
    """A file is not what it was when the plan was made."""


class UndoError(Exception):
    """A failed batch could not be taken back completely; the originals are in a folder."""

    def __init__(self, folder: str, why: OSError) -> None:
        super().__init__(folder)
        self.folder = folder
        self.why = why


def with_type(mode: int, type_: FileType) -> int:
    """Permission bits with the exec bits that a type asks for, where reading is allowed."""
    mode = stat.S_IMODE(mode)
    return mode | (mode & 0o444) >> 2 if type_ == "executable" else mode & ~0o111


@dataclass(slots=True)
class Batch:
    """Collects changes below a root; `commit` makes them in the order given.

    With an ``entry`` of the ledger, a later process takes back what a killed one had begun.
    """

    root: str
    entry: Entry | None = None
    _steps: list[Step] = field(default_factory=list[Step])
    _begun: bool = False
    _staging: dict[int, str] = field(default_factory=dict[int, str])
    _touched: set[RelPath] = field(default_factory=set[RelPath])

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *_: object) -> None:
        """Takes back what was not committed and clears away the staging folders.

        Raises:
            UndoError: Something could not be taken back.
        """
        staging = next(iter(self._staging.values()), self.root)
        if self._begun:
            left: list[RelPath] = []
            try:
                take_back(self.root, self._steps, lambda path, _: left.append(path))
            except OSError as error:
                raise UndoError(staging, error) from error
            if left:
                raise UndoError(staging, OSError(errno.EBUSY, f"{left[0]} changed meanwhile"))
        for folder in self._staging.values():
            shutil.rmtree(folder, ignore_errors=True)
        if self.entry is not None and not any(map(os.path.lexists, self._staging.values())):
            self.entry.close()

    # ── what to do ──────────────────────────────────────────────────────────────────────────

    def write(
        self, path: RelPath, content: bytes, type_: FileType, old: os.stat_result | None
    ) -> None:
        """Stages new content for a path; ``old`` is what it replaces, None for a new file."""
        staged = self._stage(path, content, type_, old)
        new = seen(os.lstat(staged))
        if old is None:
            self._steps.append(Create(path, staged, new, self._missing(path)))
        else:
            self._steps.append(Replace(path, staged, new, self._nook(path), seen(old)))

    def set_mode(self, path: RelPath, type_: FileType, old: os.stat_result) -> None:
        """Sets or clears the exec bits of a file."""
        before = stat.S_IMODE(old.st_mode)
        self._steps.append(Chmod(path, before, with_type(before, type_), seen(old)))

    def move(self, old_path: RelPath, path: RelPath, old: os.stat_result) -> None:
        """Renames a file; only the case of the name may differ."""
        modes = self._modes(old_path)
        self._steps.append(Move(old_path, path, seen(old), self._missing(path), modes))

    def remove(self, path: RelPath, old: os.stat_result) -> None:
        """Deletes a file, and the folders that it leaves empty."""
        self._steps.append(Remove(path, self._nook(path), seen(old), self._modes(path)))

    def commit(self) -> None:
        """Makes the changes. After an error, leaving the context takes them back.

        Raises:
            MovedOnError: A file changed since it was read.
            OSError: A step failed.
            StorageError: The ledger cannot be written.
        """
        if self.entry is not None:
            self.entry.write([*self._staging.values()], self._steps)
        self._begun = True
        for step in self._steps:
            self._make(step)
        for step in self._steps:
            if isinstance(step, Move):  # not before: something else may come to that folder
                self._prune(step.path)
        self._flush_folders()
        if self.entry is not None:
            self.entry.write([*self._staging.values()], done=True)
        self._begun = False

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
            made = os.path.join(self.root if top else folder, f"{STAGING}{uuid4().hex}")
            if self.entry is not None:
                self.entry.write([*self._staging.values(), made])
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

    def _missing(self, path: RelPath) -> tuple[RelPath, ...]:
        """The folders above a path that are not there, outermost first."""
        return tuple(a for a in folders_above(path) if not os.path.isdir(self._full(a)))

    def _modes(self, path: RelPath) -> tuple[int, ...]:
        found = (os.lstat(self._full(above)) for above in folders_above(path))
        return tuple(stat.S_IMODE(each.st_mode) for each in found)

    # ── steps ───────────────────────────────────────────────────────────────────────────────

    def _make(self, step: Step) -> None:
        match step:
            case Create(path, staged):
                self._make_folders(path)
                _place(staged, self._full(path))
                self._touched.add(path)
            case Replace(path, staged, _, trash, old):
                full = self._check(path, old)
                try:
                    os.link(full, trash, follow_symlinks=False)
                except (OSError, NotImplementedError) as error:
                    if isinstance(error, OSError) and error.errno not in _NO_HARD_LINKS:
                        raise
                    os.rename(full, trash)
                os.replace(staged, full)
                self._touched.add(path)
            case Chmod(path, _, after, old):
                os.chmod(self._check(path, old), after)
            case Move(path, new_path, old):
                here, there = self._check(path, old), self._full(new_path)
                self._make_folders(new_path)
                with suppress(FileNotFoundError):
                    if seen(os.lstat(there)) != old:  # one file where case is folded
                        raise MovedOnError(new_path)
                os.rename(here, there)
            case Remove(path, trash, old):
                os.rename(self._check(path, old), trash)
                self._prune(path)

    def _check(self, path: RelPath, old: Seen) -> str:
        full = self._full(path)
        if path not in self._touched:
            try:
                same = seen(os.lstat(full)) == old
            except FileNotFoundError:
                same = False
            if not same:
                raise MovedOnError(path)
        return full

    def _make_folders(self, path: RelPath) -> None:
        for above in folders_above(path):
            folder = self._full(above)
            try:
                os.mkdir(folder)
            except FileExistsError:
                if not stat.S_ISDIR(os.lstat(folder).st_mode):
                    raise MovedOnError(above) from None

    def _prune(self, path: RelPath) -> None:
        """Removes the folders that a file left empty, as git would."""
        with suppress(OSError):
            for above in reversed(tuple(folders_above(path))):
                os.rmdir(self._full(above))

    def _flush_folders(self) -> None:
        """Makes the new names last through a power cut."""
        paths = {step.path for step in self._steps}
        paths |= {step.new_path for step in self._steps if isinstance(step, Move)}
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
