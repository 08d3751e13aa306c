"""Paths that may become edits, and what changed between two trees."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NewType

from massgen_ls.core.errors import UnsafePathError

RelPath = NewType("RelPath", str)
"""A path below the repository's top, with ``/``, made by `rel_path` alone.

Bytes that are not UTF-8 are kept as lone surrogates (``surrogateescape``)."""

ChangeKind = Literal["add", "modify", "delete", "rename"]
FileType = Literal["file", "executable", "symlink", "submodule"]

_DRIVE = re.compile(r"[A-Za-z]:[/\\]")

# Characters that HFS+ ignores when it compares names: ".g\u200cit" opens ".git" there.
_HFS_IGNORED = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]
)


def rel_path(text: str) -> RelPath:
    """Checks a path that came from outside and gives it its type.

    Raises:
        UnsafePathError: The path is empty, absolute, has an empty, ``.`` or ``..`` component or a
            NUL, or a component that some file system reads as ``.git``.
    """
    if not text or "\0" in text:
        raise UnsafePathError(f"{text!r} is not a path")
    if text.startswith("/") or _DRIVE.match(text):
        raise UnsafePathError(f"{text!r} is an absolute path")
    for part in text.split("/"):
        if part in {"", ".", ".."}:
            raise UnsafePathError(f"{text!r} does not stay below its folder")
        if _reads_as_dot_git(part):
            raise UnsafePathError(f"{text!r} leads into a .git folder")
    return RelPath(text)


def _reads_as_dot_git(part: str) -> bool:
    """Follows git's own protectHFS and protectNTFS rules, on every system."""
    plain = unicodedata.normalize("NFC", part.translate(_HFS_IGNORED)).casefold()
    # NTFS drops trailing dots and spaces, and ":" starts a stream name; "\" separates.
    for piece in plain.split("\\"):
        name = piece.split(":")[0].rstrip(". ")
        if name in {".git", "git~1"}:
            return True
    return False


def folders_above(path: RelPath) -> Iterator[RelPath]:
    """The folders that a path is in, outermost first."""
    for number, char in enumerate(path):
        if char == "/":
            yield RelPath(path[:number])


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file's difference between a base tree and another.

    ``old_*`` is absent for an added file, ``new_*`` for a deleted one; ``old_path`` differs from
    ``path`` for a rename only. Object names are those of git blobs (hex), of the normalised
    content as git stores it.
    """

    kind: ChangeKind
    path: RelPath
    old_path: RelPath | None = None
    old_oid: str | None = None
    new_oid: str | None = None
    old_type: FileType | None = None
    new_type: FileType | None = None
    added: int | None = None
    """Lines added; None for a binary file."""
    removed: int | None = None

    @property
    def binary(self) -> bool:
        """Whether git counted no lines for it."""
        return self.added is None and self.new_type != "submodule"


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """All the differences between a base tree and another, by path."""

    files: tuple[FileChange, ...] = ()

    @classmethod
    def of(cls, files: Iterable[FileChange]) -> ChangeSet:
        """Orders the changes by path, so that equal sets are equal values."""
        return cls(tuple(sorted(files, key=lambda f: f.path)))

    def __bool__(self) -> bool:
        return bool(self.files)

    @property
    def size(self) -> int:
        """Lines added and removed; a binary file counts as one hundred."""
        return sum(
            100 if f.added is None or f.removed is None else f.added + f.removed for f in self.files
        )

    def paths(self) -> tuple[RelPath, ...]:
        """Every path that is touched, old names of renames included."""
        both = {f.path for f in self.files} | {f.old_path for f in self.files if f.old_path}
        return tuple(sorted(both))
