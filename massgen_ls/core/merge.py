"""Rebasing a candidate's hunks onto the live text.

Two diffs from the base are laid over each other. A hunk of the candidate that stands apart from
every hunk of the user's moves along with the user's text; equal changes drop out; what overlaps or
touches is a clash, and nothing of it becomes an edit. No marker is ever written or parsed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import compress
from operator import attrgetter
from typing import NamedTuple

from massgen_ls.core.diff import Differ, Hunk, line_hunks, whole_edits
from massgen_ls.core.text import Edit, Lines, apply_edits


@dataclass(frozen=True, slots=True)
class Clash:
    """Lines that both changed, differently. Ranges are 0-based and half-open, in each version."""

    base: tuple[int, int]
    live: tuple[int, int]
    candidate: tuple[int, int]
    base_text: str
    live_text: str
    candidate_text: str
    hunks: tuple[int, ...]
    """The candidate's hunks in it, as ``select`` counts them."""


@dataclass(frozen=True, slots=True)
class Merge:
    """What a candidate's text means for the live one."""

    edits: tuple[Edit, ...]
    """Edits of whole lines on the live text: all changes that do not clash."""
    conflicts: tuple[Clash, ...] = ()
    fitting: tuple[int, ...] = ()
    """The candidate's hunks that the edits are made of, as ``select`` counts them."""


class Region(NamedTuple):
    """Base lines ``[start, end)`` and the hunks in them.

    They are of both sides and all touch, or of one side alone with none of the other between them.
    """

    start: int
    end: int
    ours: range
    """Which of the live text's hunks."""
    theirs: range
    """Which of the candidate's hunks."""


_OLD_END = attrgetter("old_end")


def rebase(
    base: str, live: str, candidate: str, differ: Differ, select: AbstractSet[int] | None = None
) -> Merge:
    """Merges what the candidate changed into the live text.

    Args:
        base: What both started from.
        live: The user's text now; the edits are on it.
        candidate: The candidate's text.
        differ: Finds the hunks.
        select: The candidate's hunks to merge, as indices into `line_hunks` of base and candidate;
            None for all. An index that does not exist chooses nothing.
    """
    if live == candidate or base == candidate:
        return Merge(())
    base_lines, candidate_lines = Lines(base), Lines(candidate)
    theirs = line_hunks(base_lines, candidate_lines, differ)
    changes = whole_edits(base_lines, candidate_lines, theirs)
    numbers = tuple(range(len(theirs)))
    if select is not None:
        numbers = tuple(number for number in numbers if number in select)
        chosen = [number in select for number in range(len(theirs))]
        theirs, changes = tuple(compress(theirs, chosen)), list(compress(changes, chosen))
    if live == base:
        return Merge(tuple(changes), fitting=numbers)
    live_lines = Lines(live)
    ours = line_hunks(base_lines, live_lines, differ)
    typed = whole_edits(base_lines, live_lines, ours)
    edits: list[Edit] = []
    conflicts: list[Clash] = []
    fitting: list[int] = []
    # From a base line to its live line, and from an offset to its own, behind the regions done.
    lines = offset = 0
    for region in regions(ours, theirs):
        first_line, first_offset = region.start + lines, offset
        mine = typed[region.ours.start : region.ours.stop]
        for number, edit in zip(region.ours, mine, strict=True):
            lines += growth(ours[number])
            offset += len(edit.new) - (edit.end - edit.start)
        if not region.theirs:
            continue
        merged = numbers[region.theirs.start : region.theirs.stop]
        others = changes[region.theirs.start : region.theirs.stop]
        if not region.ours:
            fitting += merged
            edits += [Edit(start + offset, end + offset, new) for start, end, new in others]
            continue
        start = min(mine[0].start, others[0].start)
        end = max(mine[-1].end, others[-1].end)
        old = live[start + first_offset : end + offset]
        new = apply_edits(
            base[start:end], [Edit(a - start, b - start, put) for a, b, put in others]
        )
        if old == new:
            continue
        first, last = theirs[region.theirs[0]], theirs[region.theirs[-1]]
        conflicts.append(
            Clash(
                base=(region.start, region.end),
                live=(first_line, region.end + lines),
                candidate=(
                    first.new_start - (first.old_start - region.start),
                    last.new_end + (region.end - last.old_end),
                ),
                base_text=base[start:end],
                live_text=old,
                candidate_text=new,
                hunks=merged,
            )
        )
    return Merge(tuple(edits), tuple(conflicts), tuple(fitting))


def regions(ours: Sequence[Hunk], theirs: Sequence[Hunk]) -> Iterator[Region]:
    """Joins hunks of the two sides that overlap or touch, in the order of the base."""
    none = range(0)
    left = right = 0
    while left < len(ours) and right < len(theirs):
        mine, other = ours[left], theirs[right]
        if mine.old_end < other.old_start:
            first, left = left, bisect_left(ours, other.old_start, left, key=_OLD_END)
            yield Region(mine.old_start, ours[left - 1].old_end, range(first, left), none)
            continue
        if other.old_end < mine.old_start:
            first, right = right, bisect_left(theirs, mine.old_start, right, key=_OLD_END)
            yield Region(other.old_start, theirs[right - 1].old_end, none, range(first, right))
            continue
        start, end = min(mine.old_start, other.old_start), max(mine.old_end, other.old_end)
        first_left, first_right = left, right
        left, right = left + 1, right + 1
        while True:
            if left < len(ours) and ours[left].old_start <= end:
                end, left = max(end, ours[left].old_end), left + 1
            elif right < len(theirs) and theirs[right].old_start <= end:
                end, right = max(end, theirs[right].old_end), right + 1
            else:
                break
        yield Region(start, end, range(first_left, left), range(first_right, right))
    if left < len(ours):
        rest = range(left, len(ours))
        yield Region(ours[left].old_start, ours[-1].old_end, rest, none)
    if right < len(theirs):
        rest = range(right, len(theirs))
        yield Region(theirs[right].old_start, theirs[-1].old_end, none, rest)


def growth(hunk: Hunk) -> int:
    """By how many lines the new text is longer."""
    return (hunk.new_end - hunk.new_start) - (hunk.old_end - hunk.old_start)


# ── line ends ───────────────────────────────────────────────────────────────────────────────────


def _style(text: str) -> str | None:
    r"""The one line end of a text: ``\n`` or ``\r\n``; ``""`` when it has none, None when mixed."""
    newlines, returns, pairs = text.count("\n"), text.count("\r"), text.count("\r\n")
    if newlines == returns == 0:
        return ""
    if returns == 0:
        return "\n"
    return "\r\n" if newlines == returns == pairs else None


def with_ends_of(live: str, base: str, theirs: str) -> tuple[str, str]:
    """Base and candidate with the line ends that the user's buffer has, where those differ.

    A candidate that changes the line ends of the very text the user has is taken at its word.
    """
    wanted, had = _style(live), _style(base)
    if not wanted or had is None or wanted == had:
        return base, theirs
    return _ended(base, wanted), _ended(theirs, wanted)


def _ended(text: str, end: str) -> str:
    plain = text.replace("\r\n", "\n")
    return plain if end == "\n" else plain.replace("\n", end)
