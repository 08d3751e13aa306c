"""The user's files on the disk: read as they are, written whole or not at all."""

from __future__ import annotations

import asyncio
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from massgen_ls.core.changes import FileType, RelPath, rel_path
from massgen_ls.core.errors import UnsafePathError
from massgen_ls.core.landing import decode, encode
from massgen_ls.core.plan import (
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
from massgen_ls.ports import Landed, Refused


class DiskFiles:
    """`ports.LiveFiles` without an editor: what the disk has is what the user has."""

    async def read(self, root: str, paths: Sequence[RelPath]) -> Mapping[RelPath, LiveFile]:
        """The files among ``paths`` that exist; folders and special files count as absent."""
        return await asyncio.to_thread(_read_all, root, paths)

    async def apply(self, root: str, plan: EditPlan) -> Landed | Refused:
        """Writes the whole plan; when something fails on the way, takes back what was written."""
        # Shielded: half a plan is what a cancelled caller must not leave behind.
        return await asyncio.shield(asyncio.to_thread(_apply, root, plan))


def _read_all(root: str, paths: Sequence[RelPath]) -> dict[RelPath, LiveFile]:
    found: dict[RelPath, LiveFile] = {}
    for path in paths:
        full = os.path.join(root, path)
        file = _read(path, full) if _exactly(root, path) else None
        if file is not None:
            found[path] = file
    return found


def _read(path: RelPath, full: str) -> LiveFile | None:
    try:
        status = os.lstat(full)
        if stat.S_ISLNK(status.st_mode):
            return LiveFile(path, os.fsencode(os.readlink(full)), None, "symlink")
        if not stat.S_ISREG(status.st_mode):
            return None
        with open(full, "rb") as file:
            content = file.read()
    except OSError:
        return None
    kind: FileType = "executable" if status.st_mode & stat.S_IXUSR else "file"
    return LiveFile(path, content, decode(content), kind)


def _exactly(root: str, path: RelPath) -> bool:
    """Whether the name is there in this spelling: on some systems ``A`` finds ``a``."""
    full = os.path.join(root, path)
    if not os.path.lexists(full):
        return False
    folder, name = os.path.split(full)
    swapped = os.path.join(folder, name.swapcase())
    if name.swapcase() == name or not os.path.lexists(swapped):
        return True
    try:
        return name in os.listdir(folder)
    except OSError:
        return True


# ── writing ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Stale(Exception):
    """A file is not what the plan was made for."""

    what: str


Undo = Callable[[], None]


def _apply(root: str, plan: EditPlan) -> Landed | Refused:
    undo: list[Undo] = []
    try:
        for operation in plan.operations:
            _check(root, operation, plan)
        for operation in plan.operations:
            for step in _perform(root, operation):
                undo.append(step)
    except _Stale as stale:
        _take_back(undo)
        return Refused(stale.what, stale=True)
    except UnsafePathError as error:
        _take_back(undo)
        return Refused(str(error))
    except OSError as error:
        failed = _take_back(undo)
        name = error.filename or "a file"
        left = f"; {failed} could not be put back" if failed else "; nothing was changed"
        return Refused(f"{name} cannot be written: {error.strerror}{left}")
    return Landed()


def _take_back(undo: list[Undo]) -> int:
    """Undoes in reverse; returns how many steps failed."""
    failed = 0
    for step in reversed(undo):
        try:
            step()
        except OSError:
            failed += 1
    return failed


def _check(root: str, operation: Operation, plan: EditPlan) -> None:
    """Refuses what has moved on since the plan was made, before anything is written."""
    path = operation.path
    _stays_below(root, path)
    match operation:
        case CreateFile():
            if os.path.lexists(os.path.join(root, path)) and _exactly(root, path):
                raise _Stale(f"{path} exists meanwhile")
        case RenameFile(old_path=old):
            _stays_below(root, old)
            if _read(old, os.path.join(root, old)) is None:
                raise _Stale(f"{old} is gone meanwhile")
            same = old.casefold() == path.casefold()
            if os.path.lexists(os.path.join(root, path)) and not same:
                raise _Stale(f"{path} exists meanwhile")
        case EditText(before=before):
            there = _source(root, path, plan)
            if there is None or there.text != before:
                raise _Stale(f"{path} has changed meanwhile")
        case DeleteFile(content=content):
            there = _read(path, os.path.join(root, path))
            if there is None or there.content != content:
                raise _Stale(f"{path} has changed meanwhile")
        case ReplaceFile(before=before):
            there = _source(root, path, plan)
            if there is None or there.content != before:
                raise _Stale(f"{path} has changed meanwhile")


def _source(root: str, path: RelPath, plan: EditPlan) -> LiveFile | None:
    """The file under a path that the plan may only give it by a rename."""
    for operation in plan.operations:
        if isinstance(operation, RenameFile) and operation.path == path:
            return _read(path, os.path.join(root, operation.old_path))
    return _read(path, os.path.join(root, path))


def _stays_below(root: str, path: RelPath) -> None:
    """Refuses a path whose folders lead out of the root through a link, or into a .git."""
    rel_path(path)
    top = os.path.realpath(root)
    folder = os.path.realpath(os.path.dirname(os.path.join(root, path)))
    if folder != top and not folder.startswith(top.rstrip(os.sep) + os.sep):
        raise UnsafePathError(f"{path} leads out of {root} through a link")
    inside = os.path.relpath(folder, top).replace(os.sep, "/")
    if inside != ".":
        rel_path(inside)


def _perform(root: str, operation: Operation) -> Iterator[Undo]:
    full = os.path.join(root, operation.path)
    match operation:
        case CreateFile(content=content, type=kind):
            yield from _make_folders(os.path.dirname(full))
            _write(full, content, kind, mode=None)
            yield lambda: os.unlink(full)
        case RenameFile(old_path=old):
            source = os.path.join(root, old)
            yield from _make_folders(os.path.dirname(full))
            os.rename(source, full)
            yield lambda: os.rename(full, source)
            yield from _drop_empty_folders(root, os.path.dirname(source))
        case DeleteFile():
            yield from _set_aside(full, lambda: os.unlink(full))
            yield from _drop_empty_folders(root, os.path.dirname(full))
        case EditText(edits=edits, before=before):
            with open(full, "rb") as file:
                old = file.read()
            new = encode(apply_edits(before, edits), old)
            yield from _overwrite(full, new, None)
        case ReplaceFile(content=content, type=kind):
            yield from _overwrite(full, content, kind)


def _overwrite(full: str, content: bytes, kind: FileType | None) -> Iterator[Undo]:
    """Replaces a file; ``kind`` None keeps its type and mode."""
    status = os.lstat(full)
    mode = stat.S_IMODE(status.st_mode) if stat.S_ISREG(status.st_mode) else None
    if kind == "executable" and mode is not None:
        mode |= (mode & 0o444) >> 2
    elif kind == "file" and mode is not None:
        mode &= ~0o111
    yield from _set_aside(full, lambda: _write(full, content, kind or "file", mode))


def _set_aside(full: str, act: Callable[[], None]) -> Iterator[Undo]:
    """Keeps what is there for the undo while something is done to it."""
    status = os.lstat(full)
    if stat.S_ISLNK(status.st_mode):
        target = os.readlink(full)
        act()
        yield lambda: _link(full, os.fsencode(target))
        return
    with open(full, "rb") as file:
        content = file.read()
    act()
    kind: FileType = "file"
    yield lambda: _write(full, content, kind, stat.S_IMODE(status.st_mode))


def _write(full: str, content: bytes, kind: FileType, mode: int | None) -> None:
    """Puts a whole file in place at once: a reader sees the old or the new, never a part."""
    if kind == "symlink":
        _link(full, content)
        return
    fresh = _beside(full)
    default = 0o777 if kind == "executable" else 0o666
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), default)
    try:
        with open(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(fresh, mode)
        os.replace(fresh, full)
    except BaseException:
        with suppress(OSError):
            os.unlink(fresh)
        raise


def _link(full: str, target: bytes) -> None:
    fresh = _beside(full)
    os.symlink(os.fsdecode(target), fresh)
    os.replace(fresh, full)


def _beside(full: str) -> str:
    folder = os.path.dirname(full)
    return os.path.join(folder, f".massgen-ls-{secrets.token_hex(6)}.tmp")


def _make_folders(folder: str) -> Iterator[Undo]:
    missing: list[str] = []
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for name in reversed(missing):
        os.mkdir(name)
        yield lambda name=name: os.rmdir(name)


def _drop_empty_folders(root: str, folder: str) -> Iterator[Undo]:
    """Removes folders that a deletion left empty, as git does."""
    top = os.path.realpath(root)
    while os.path.realpath(folder) != top:
        try:
            os.rmdir(folder)
        except OSError:
            return
        yield lambda folder=folder: os.mkdir(folder)
        folder = os.path.dirname(folder)
