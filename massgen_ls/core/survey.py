"""A candidate's hunks, each with its place in the user's live text: for choosing among them.

The numbers are those by which `landing.Selection` takes hunks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from massgen_ls.core.candidate import Fate
from massgen_ls.core.changes import ChangeKind, ChangeSet, FileChange, RelPath
from massgen_ls.core.diff import Differ, Refiner, line_hunks
from massgen_ls.core.landing import Contents, decode, plan_landing
from massgen_ls.core.merge import growth, regions, with_ends_of
from massgen_ls.core.plan import LiveFile
from massgen_ls.core.task import CandidateId
from massgen_ls.core.text import Lines

HunkState = Literal["fits", "conflicts", "landed"]
"""It would land; the user's text differs there; the user's text has it."""

Span = tuple[int, int]
"""Lines from 0, half-open."""


@dataclass(frozen=True, slots=True)
class PlacedHunk:
    """One hunk of a candidate. The texts are whole lines."""

    hunk: int
    base: Span
    candidate: Span
    live: Span
    """Where it would land, or stands. Of a conflict: the lines that are in its way."""
    state: HunkState
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class FileSurvey:
    """The hunks of one changed file."""

    path: RelPath
    old_path: RelPath | None
    kind: ChangeKind
    live_path: RelPath
    """The file of the user's that the ``live`` lines count in; it may not be there."""
    whole: bool
    """It has no hunks (added, deleted, binary, only renamed): its one entry, 0, is all of it."""
    hunks: tuple[PlacedHunk, ...]


def standing(files: Iterable[FileSurvey]) -> frozenset[tuple[RelPath, int]]:
    """What of a candidate the user's files have: each hunk by its file and number."""
    return frozenset(_having(files, "landed"))


def fate_of(landed: Collection[tuple[RelPath, int]], files: Iterable[FileSurvey]) -> Fate:
    """What became of the hunks that had landed, as the user's files are now."""
    files = tuple(files)
    if standing(files) >= frozenset(landed):
        return "kept"
    return "undone" if frozenset(_having(files, "fits")) >= frozenset(landed) else "edited"


def _having(files: Iterable[FileSurvey], state: HunkState) -> Iterator[tuple[RelPath, int]]:
    return ((f.path, hunk.hunk) for f in files for hunk in f.hunks if hunk.state == state)


def survey(
    changes: ChangeSet, contents: Contents, differ: Differ, refiner: Refiner
) -> tuple[FileSurvey, ...]:
    """Every changed file with its hunks, in the order of the change set."""
    return tuple(_surveyed(change, contents, differ, refiner) for change in changes.files)


def place_hunks(base: str, live: str, candidate: str, differ: Differ) -> tuple[PlacedHunk, ...]:
    """The candidate's hunks against the base, and what became of their lines in the live text."""
    old, new, now = Lines(base), Lines(candidate), Lines(live)
    theirs = line_hunks(old, new, differ)
    ours = line_hunks(old, now, differ)
    found: list[PlacedHunk] = []
    moved = 0
    for region in regions(ours, theirs):
        start = region.start + moved
        moved += sum(growth(ours[n]) for n in region.ours)
        if not region.theirs:
            continue
        state: HunkState = "fits"
        span = (start, region.end + moved)
        if region.ours:
            first, last = theirs[region.theirs[0]], theirs[region.theirs[-1]]
            low = first.new_start - (first.old_start - region.start)
            high = last.new_end + (region.end - last.old_end)
            same = new[low:high] == now[span[0] : span[1]]
            state = "landed" if same else "conflicts"
        for number in region.theirs:
            a, b, c, d = theirs[number]
            texts = ("".join(old[a:b]), "".join(new[c:d]))
            place = span if region.ours else (a + moved, b + moved)
            found.append(PlacedHunk(number, (a, b), (c, d), place, state, *texts))
    return tuple(found)


def _surveyed(
    change: FileChange, contents: Contents, differ: Differ, refiner: Refiner
) -> FileSurvey:
    live = _live(change, contents)
    hunks: tuple[PlacedHunk, ...] = ()
    if change.kind in {"modify", "rename"} and live is not None and live.text is not None:
        base = decode(contents.base.get(change.old_path or change.path, b"\0"))
        theirs = decode(contents.candidate.get(change.path, b"\0"))
        if base is not None and theirs is not None:
            base, theirs = with_ends_of(live.text, base, theirs)
            hunks = place_hunks(base, live.text, theirs, differ)
    whole = not hunks
    if whole:
        hunks = (_whole(change, contents, differ, refiner),)
    path = live.path if live is not None else change.old_path or change.path
    return FileSurvey(change.path, change.old_path, change.kind, path, whole, hunks)


def _live(change: FileChange, contents: Contents) -> LiveFile | None:
    """Of a rename the file under its old name, or the one that the user has renamed already."""
    found = contents.live.get(change.old_path or change.path)
    return found if found is not None else contents.live.get(change.path)


def _whole(change: FileChange, contents: Contents, differ: Differ, refiner: Refiner) -> PlacedHunk:
    plan = plan_landing(CandidateId(""), "", ChangeSet((change,)), contents, differ, refiner)
    state: HunkState = "conflicts" if plan.conflicts else "fits" if plan.operations else "landed"
    old = decode(contents.base.get(change.old_path or change.path, b"")) or ""
    new = decode(contents.candidate.get(change.path, b"")) or ""
    live = _live(change, contents)
    rows = (0, len(Lines((live.text if live else None) or "")))
    return PlacedHunk(0, (0, len(Lines(old))), (0, len(Lines(new))), rows, state, old, new)
