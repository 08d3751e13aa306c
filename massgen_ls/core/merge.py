"""Rebasing a candidate's hunks onto the live text.

Two diffs from the base are laid over each other. A hunk of the candidate that stands apart from
every hunk of the user's moves along with the user's text; equal changes drop out; what overlaps or
touches is a clash, and nothing of it becomes an edit. No marker is ever written or parsed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import accumulate, islice

from massgen_ls.core.diff import Differ, Hunk, line_hunks
from massgen_ls.core.text import Edit, split_lines


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


@dataclass(frozen=True, slots=True)
class _Region:
    """Base lines ``[start, end)`` and the hunks of each side in them, which all touch."""

    start: int
    end: int
    live: tuple[Hunk, ...]
    candidate: tuple[Hunk, ...]


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
    base_lines, candidate_lines = split_lines(base), split_lines(candidate)
    theirs = line_hunks(base_lines, candidate_lines, differ)
    numbers = iter(range(len(theirs)))
    if select is not None:
        numbers = iter([number for number in numbers if number in select])
        theirs = tuple(hunk for number, hunk in enumerate(theirs) if number in select)
    if live == base:
        live_lines, ours = base_lines, ()
    else:
        live_lines = split_lines(live)
        ours = line_hunks(base_lines, live_lines, differ)
    at = list(accumulate(map(len, live_lines), initial=0))
    edits: list[Edit] = []
    conflicts: list[Clash] = []
    fitting: list[int] = []
    shift = 0  # from a base line to its live line, behind the regions that are done
    for region in _regions(ours, theirs):
        live_span = (region.start + shift, region.end + shift)
        if region.live:
            live_span = (region.start + shift, region.end + shift + _growth(region.live))
            shift += _growth(region.live)
        if not region.candidate:
            continue
        merged = tuple(islice(numbers, len(region.candidate)))
        if not region.live:
            (hunk,) = region.candidate  # hunks of one side never touch each other
            fitting += merged
            new = "".join(candidate_lines[hunk.new_start : hunk.new_end])
            edits.append(Edit(at[live_span[0]], at[live_span[1]], new))
            continue
        new = "".join(_side(region, region.candidate, base_lines, candidate_lines))
        old = "".join(live_lines[live_span[0] : live_span[1]])
        if old == new:
            continue
        first, last = region.candidate[0], region.candidate[-1]
        conflicts.append(
            Clash(
                base=(region.start, region.end),
                live=live_span,
                candidate=(
                    first.new_start - (first.old_start - region.start),
                    last.new_end + (region.end - last.old_end),
                ),
                base_text="".join(base_lines[region.start : region.end]),
                live_text=old,
                candidate_text=new,
                hunks=merged,
            )
        )
    return Merge(tuple(edits), tuple(conflicts), tuple(fitting))


def _regions(ours: Sequence[Hunk], theirs: Sequence[Hunk]) -> Iterator[_Region]:
    """Joins hunks of the two sides that overlap or touch, in the order of the base."""
    left = right = 0
    while left < len(ours) and right < len(theirs):
        mine, other = ours[left], theirs[right]
        if mine.old_end < other.old_start:
            yield _Region(mine.old_start, mine.old_end, (mine,), ())
            left += 1
            continue
        if other.old_end < mine.old_start:
            yield _Region(other.old_start, other.old_end, (), (other,))
            right += 1
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
        yield _Region(start, end, tuple(ours[first_left:left]), tuple(theirs[first_right:right]))
    for mine in ours[left:]:
        yield _Region(mine.old_start, mine.old_end, (mine,), ())
    for other in theirs[right:]:
        yield _Region(other.old_start, other.old_end, (), (other,))


def _growth(hunks: Sequence[Hunk]) -> int:
    return sum((h.new_end - h.new_start) - (h.old_end - h.old_start) for h in hunks)


def _side(
    region: _Region, hunks: Sequence[Hunk], base: Sequence[str], new: Sequence[str]
) -> Iterator[str]:
    """The lines of a region as one side has them."""
    at = region.start
    for hunk in hunks:
        yield from base[at : hunk.old_start]
        yield from new[hunk.new_start : hunk.new_end]
        at = hunk.old_end
    yield from base[at : region.end]


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
