"""What has to be done to the user's files so that a candidate lands: pure, before any protocol.

An `EditPlan` is computed against one exact state of the live files (`LiveFile`). Whoever performs
it must refuse the whole of it when that state has moved on; it is then computed anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, assert_never

from massgen_ls.core.changes import FileType, RelPath, folders_above
from massgen_ls.core.task import CandidateId
from massgen_ls.core.text import Edit


@dataclass(frozen=True, slots=True)
class LiveFile:
    """A file as the user has it now: the open buffer, or else the disk."""

    path: RelPath
    content: bytes
    """Exactly what a save would write; for a symlink its target."""
    text: str | None
    """The decoded text without a byte order mark, as the editor shows it; None when it is not
    text in a known encoding (then only whole-file operations are possible)."""
    type: FileType = "file"
    version: int | None = None
    """The document's version while it is open in the editor; None when only on the disk."""


@dataclass(frozen=True, slots=True)
class EditText:
    """Text edits in a file that exists, in code-point offsets of ``before``."""

    path: RelPath
    version: int | None
    before: str
    edits: tuple[Edit, ...]
    """Sorted, not overlapping."""


@dataclass(frozen=True, slots=True)
class CreateFile:
    """A new file. Fails when something is at the path already."""

    path: RelPath
    content: bytes
    text: str | None
    type: FileType = "file"


@dataclass(frozen=True, slots=True)
class RenameFile:
    """Moves a file; an `EditText` under the new path may follow in the same plan."""

    old_path: RelPath
    path: RelPath
    version: int | None = None


@dataclass(frozen=True, slots=True)
class DeleteFile:
    """Deletes a file whose live content is still that of the base."""

    path: RelPath
    content: bytes
    version: int | None = None


@dataclass(frozen=True, slots=True)
class ReplaceFile:
    """Replaces a file that is not text, or its type, as a whole: editors cannot, so we write.

    With ``before == content`` of a regular file only its exec bit changes; an `EditText` of the
    same path may stand before it in the plan, and ``before`` is still the content before the plan.
    """

    path: RelPath
    before: bytes
    content: bytes
    type: FileType = "file"


Operation = EditText | CreateFile | RenameFile | DeleteFile | ReplaceFile

ConflictReason = Literal[
    "overlap",  # both changed the same lines
    "deleted_here",  # the user deleted or moved what the candidate changed
    "changed_here",  # the user changed what the candidate deletes or replaces
    "exists_here",  # the candidate adds a file where the user has another
    "binary",  # both changed a file that cannot be merged by lines
    "unsupported",  # e.g. a submodule pointer
]


@dataclass(frozen=True, slots=True)
class Conflict:
    """A change that cannot land by itself. Lines are 0-based and half-open, in each version."""

    path: RelPath
    reason: ConflictReason
    base: tuple[int, int] = (0, 0)
    live: tuple[int, int] = (0, 0)
    candidate: tuple[int, int] = (0, 0)
    live_text: str = ""
    candidate_text: str = ""
    hunks: tuple[int, ...] = ()
    """The candidate's hunks in it, counted from 0 in the diff of base and candidate; none where
    the whole file is the conflict."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """A file that may not be written now, whatever is in it."""

    path: RelPath
    why: str
    """With what to do about it: a whole clause, for people."""


@dataclass(frozen=True, slots=True)
class Clash:
    """A candidate that does not land whole: where it conflicts with what the user has changed."""

    candidate: CandidateId
    paths: tuple[RelPath, ...]

    def __str__(self) -> str:
        """For example ``it conflicts with what you have changed in a.py and b.py``."""
        first, *others = self.paths
        more = f" and {others[0]}" if len(others) == 1 else f" and {len(others)} more files"
        return f"it conflicts with what you have changed in {first}{more if others else ''}"


@dataclass(frozen=True, slots=True)
class Held:
    """Hunks that fit beside the user's changes and wait, because others of their file do not."""

    path: RelPath
    hunks: tuple[int, ...]
    """Counted as those of a `Conflict`."""


@dataclass(frozen=True, slots=True)
class EditPlan:
    """Operations in an order that every editor survives: renames, creations, edits, deletions.

    With conflicts the operations are those of the changes that do land.
    """

    candidate: CandidateId
    label: str
    operations: tuple[Operation, ...]
    conflicts: tuple[Conflict, ...] = ()
    held: tuple[Held, ...] = ()
    """What would land too if files may land in part."""

    def paths(self) -> tuple[RelPath, ...]:
        """Every path that is touched."""
        found: set[RelPath] = {op.path for op in self.operations}
        found |= {op.old_path for op in self.operations if isinstance(op, RenameFile)}
        return tuple(sorted(found))


def in_order(operations: Iterable[Operation]) -> tuple[Operation, ...]:
    """Renames, creations, edits, whole-file replacements, deletions.

    A deletion that makes room (a file where a folder has to be, or the other way) comes first.
    """
    every = tuple(operations)
    arrivals = {op.path for op in every if isinstance(op, CreateFile | RenameFile)}
    above = {folder for path in arrivals for folder in folders_above(path)}

    def rank(op: Operation) -> int:
        match op:
            case RenameFile():
                return 1
            case CreateFile():
                return 2
            case EditText():
                return 3
            case ReplaceFile():
                return 4
            case DeleteFile():
                in_the_way = op.path in above or not arrivals.isdisjoint(folders_above(op.path))
                return 0 if in_the_way else 5
            case _:
                assert_never(op)

    return tuple(sorted(every, key=rank))
