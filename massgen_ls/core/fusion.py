"""What several choices share, as one more candidate: the hunks that at least two of them have.

A hunk is shared when two choices replace the same lines of the base by the same lines, trailing
blanks aside; a file that is new, gone or no text is shared when it is the same in both. What is
shared is laid together on the base. Where two shared hunks touch there is no fusion at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from massgen_ls.core.changes import FileChange, RelPath
from massgen_ls.core.diff import Differ, line_hunks
from massgen_ls.core.text import Lines

FUSED = "fused"
"""In place of the seat of such a candidate."""
LEAST = 3
"""Choices that pass every gate before anything is composed: of two, what they share is only less
than either."""


@dataclass(frozen=True, slots=True)
class SharedHunk:
    """Base lines ``[start, end)`` and what at least two choices put there."""

    start: int
    end: int
    new: tuple[str, ...]


def shared_hunks(base: str, versions: Sequence[str], differ: Differ) -> tuple[SharedHunk, ...]:
    """The hunks that at least two versions of a text have, in their order in the base.

    Args:
        base: The text that all of them changed.
        versions: Theirs; their order does not matter.
        differ: Finds the hunks.
    """
    old = Lines(base)
    found: dict[tuple[int, int, tuple[str, ...]], list[tuple[str, ...]]] = {}
    for version in versions:
        new = Lines(version)
        for hunk in line_hunks(old, new, differ):
            lines = tuple(new[hunk.new_start : hunk.new_end])
            key = (hunk.old_start, hunk.old_end, tuple(line.rstrip() for line in lines))
            found.setdefault(key, []).append(lines)
    return tuple(
        SharedHunk(start, end, min(same))
        for (start, end, _), same in sorted(found.items())
        if len(same) > 1
    )


def composed(base: str, versions: Sequence[str], differ: Differ) -> str | None:
    """The base with what is shared; None where two shared hunks overlap or touch."""
    hunks = shared_hunks(base, versions, differ)
    if any(one.end >= other.start for one, other in pairwise(hunks)):
        return None
    lines = list(Lines(base))
    for hunk in reversed(hunks):
        lines[hunk.start : hunk.end] = hunk.new
    return "".join(lines)


def plain(change: FileChange) -> bool:
    """Whether a file is changed in its lines alone, so that it can be taken apart."""
    same = change.old_type == change.new_type and change.new_type in ("file", "executable")
    return change.kind == "modify" and same and not change.binary


def whole_files(changes: Sequence[Sequence[FileChange]]) -> dict[RelPath, FileChange]:
    """The files that at least two choices add, delete or replace in the same way, by path."""
    seen: dict[tuple[RelPath, str | None], list[FileChange]] = {}
    for files in changes:
        for change in files:
            # Modes, links and renames are left to those who made them.
            if change.kind in ("add", "delete") and change.new_type in ("file", None):
                seen.setdefault((change.path, change.new_oid), []).append(change)
    shared = {path: same[0] for (path, _), same in seen.items() if len(same) > 1}
    twice = {path for path, _ in seen if sum(p == path for p, _ in seen if p in shared) > 1}
    return {path: change for path, change in shared.items() if path not in twice}


def to_compose(
    changes: Sequence[Sequence[FileChange]],
) -> Mapping[RelPath, tuple[FileChange, ...]]:
    """The files that at least two choices change line by line, with their changes."""
    found: dict[RelPath, tuple[FileChange, ...]] = {}
    for files in changes:
        for change in filter(plain, files):
            found[change.path] = (*found.get(change.path, ()), change)
    return {path: every for path, every in found.items() if len(every) > 1}
