"""The steps of a batch of file changes, and how they are taken back.

A step says where everything is that it needs, so that another process can take it back as well:
whether it was made is read from the disk. What the user has changed since is never overwritten.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, cast

from massgen_ls.core.changes import RelPath, folders_above, rel_path

Seen = tuple[int, int, int, int]
"""Device, inode, size and time of a file when it was read."""


def seen(found: os.stat_result) -> Seen:
    """What tells a file from a later version of it."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


@dataclass(frozen=True, slots=True)
class Create:
    """A staged file gets a name that nothing has."""

    path: RelPath
    staged: str
    new: Seen
    """Of the staged file."""
    folders: tuple[RelPath, ...]
    """Those above that were not there."""


@dataclass(frozen=True, slots=True)
class Replace:
    """A staged file takes the place of another, which goes to ``trash``."""

    path: RelPath
    staged: str
    new: Seen
    trash: str
    old: Seen


@dataclass(frozen=True, slots=True)
class Chmod:
    """Other permission bits."""

    path: RelPath
    before: int
    after: int
    old: Seen


@dataclass(frozen=True, slots=True)
class Move:
    """Another name."""

    path: RelPath
    new_path: RelPath
    old: Seen
    folders: tuple[RelPath, ...]
    """Those above the new name that were not there."""
    modes: tuple[int, ...]
    """Of the folders above the old name, from the top: they go when they are left empty."""


@dataclass(frozen=True, slots=True)
class Remove:
    """A file goes to ``trash``, and with it the folders that it leaves empty."""

    path: RelPath
    trash: str
    old: Seen
    modes: tuple[int, ...]
    """Of the folders above, from the top."""


Step = Create | Replace | Chmod | Move | Remove

_KINDS: dict[str, type[Step]] = {
    kind.__name__: kind for kind in (Create, Replace, Chmod, Move, Remove)
}


def to_record(step: Step) -> dict[str, object]:
    """A step as JSON."""
    return {"do": type(step).__name__, **asdict(step)}


def from_record(record: dict[str, Any]) -> Step:
    """A step from JSON.

    Raises:
        KeyError, TypeError, UnsafePathError: It is none of ours.
    """
    fields: dict[str, Any] = {
        name: tuple(cast("list[Any]", value)) if isinstance(value, list) else value
        for name, value in record.items()
        if name != "do"
    }
    for name in ("path", "new_path"):
        if name in fields:
            rel_path(fields[name])
    return _KINDS[record["do"]](**fields)


def take_back(root: str, steps: Sequence[Step], keep: Callable[[RelPath, str], None]) -> int:
    """Takes back those of the steps that were made; doing it twice is doing it once.

    Args:
        root: The folder that the steps are made in.
        steps: All of them, in their order.
        keep: Takes an original that cannot go back, for the user has something else there by now.

    Returns:
        How many files were put back.

    Raises:
        OSError: A step could not be taken back.
    """
    count = 0
    for step in reversed(steps):
        names = (step.path, step.new_path) if isinstance(step, Move) else (step.path,)
        folders = {above for name in names for above in folders_above(name)}
        if not any(os.path.islink(os.path.join(root, above)) for above in folders):
            count += _take_back(root, step, keep)
        elif isinstance(step, Replace | Remove) and _look(step.trash) is not None:
            keep(step.path, step.trash)  # a link leads elsewhere: not our folder any more
    return count


def _take_back(root: str, step: Step, keep: Callable[[RelPath, str], None]) -> bool:
    full = os.path.join(root, step.path)
    now = _look(full)
    match step:
        case Create():
            made = now is not None and seen(now) == step.new
            if made:
                os.unlink(full)
            _remove_empty(root, step.folders)
            return made
        case Replace():
            original = _look(step.trash)
            if original is None:
                return False
            if now is not None and os.path.samestat(now, original):
                os.unlink(step.trash)  # it was linked there and not replaced yet
                return False
            if now is not None and seen(now) != step.new:
                keep(step.path, step.trash)
                return False
            os.replace(step.trash, full)
            return True
        case Chmod():
            changed = stat.S_IMODE(now.st_mode) == step.after if now else False
            if now is None or not changed or seen(now) != step.old or step.before == step.after:
                return False
            os.chmod(full, step.before)
            return True
        case Move():
            there = os.path.join(root, step.new_path)
            found = _look(there)
            moved = found is not None and seen(found)[:2] == step.old[:2]
            # Where case is folded, both names are there and are one file.
            if found is None or not (now is None or os.path.samestat(now, found)):
                moved = False
            if moved:
                _make_folders(root, step.path, step.modes)
                os.rename(there, full)
            _remove_empty(root, step.folders)
            return moved
        case Remove():
            if _look(step.trash) is None:
                return False
            if now is not None:
                keep(step.path, step.trash)
                return False
            _make_folders(root, step.path, step.modes)
            os.rename(step.trash, full)
            return True


def _look(full: str) -> os.stat_result | None:
    try:
        return os.lstat(full)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _make_folders(root: str, path: RelPath, modes: Sequence[int]) -> None:
    for number, above in enumerate(folders_above(path)):
        with suppress(FileExistsError):
            os.mkdir(os.path.join(root, above), *modes[number : number + 1])


def _remove_empty(root: str, folders: Sequence[RelPath]) -> None:
    for folder in reversed(folders):
        with suppress(OSError):  # somebody else has put something there
            os.rmdir(os.path.join(root, folder))
