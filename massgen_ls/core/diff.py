"""Hunks of lines → minimal edits.

The line differ and the refiner are given as functions: the good ones are C libraries, which the
core must not know.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, compress, count, pairwise
from operator import ne
from typing import NamedTuple

from massgen_ls.core.text import Edit, Lines

REFINED_CHARACTERS = 2_000
"""A piece of changed text longer than this, old or new, is not looked into."""

# A file in which nearly every line changed is not read word by word by anybody, and thousands of
# edits are slow to apply: past these totals pieces are only trimmed at their ends.
_REFINED_PIECES = 64
_REFINED_TOTAL = 16_384
_SPLIT_MOST = 65_536
"""A hunk longer than this, in characters, is one edit and is not taken line by line."""

_MARGIN = 16
"""Equal lines at each end that a differ is shown. Where lines repeat, several runs of lines could
be the new ones, and it decides by what stands around them. Shown less, it decides otherwise than
git, and two diffs that decide differently meet where git's do not, or miss each other."""

_STEPS = 16
"""Characters that are sooner compared one by one than by halving."""

Differ = Callable[[Sequence[str], Sequence[str]], "Sequence[Hunk]"]
"""Old lines, new lines (line ends kept) → hunks, sorted, apart by at least one equal line.

It may be given `massgen_ls.core.text.Lines`, whose text it need not put together again."""

Refiner = Callable[[str, str], Sequence[Edit]]
"""Old text, new text (a changed hunk's, bounded in size) → edits that turn one into the other."""


class Hunk(NamedTuple):
    """Lines ``[old_start, old_end)`` of one text became ``[new_start, new_end)`` of another.

    A tuple, because there may be thousands (see `massgen_ls.core.text.Edit`).
    """

    old_start: int
    old_end: int
    new_start: int
    new_end: int


# ── lines ───────────────────────────────────────────────────────────────────────────────────────


def line_hunks(old: Sequence[str], new: Sequence[str], differ: Differ) -> tuple[Hunk, ...]:
    """The hunks between two lists of lines; the differ sees little more than what differs."""
    if isinstance(old, Lines) and isinstance(new, Lines) and old.plain and new.plain:
        return _trimmed_hunks(old, new, differ)
    shorter = min(len(old), len(new))
    head = next(compress(count(), map(ne, old, new)), shorter)
    tail = next(compress(count(), map(ne, reversed(old), reversed(new))), shorter)
    tail = min(tail, shorter - head)
    if _too_little(head, tail, shorter):
        return tuple(differ(old, new))
    old_end, new_end = len(old) - tail, len(new) - tail
    if head in (old_end, new_end):
        return () if old_end == new_end else (Hunk(head, old_end, head, new_end),)
    head, tail = max(head - _MARGIN, 0), max(tail - _MARGIN, 0)
    size = len(old) - tail - head
    hunks = differ(old[head : head + size], new[head : len(new) - tail])
    if tail and hunks and hunks[-1].old_end == size:  # it would go on into what was not shown
        hunks = differ(old[head:], new[head:])
    return _moved(hunks, head)


def _trimmed_hunks(old: Lines, new: Lines, differ: Differ) -> tuple[Hunk, ...]:
    """The same for texts: comparing characters is far cheaper than cutting lines."""
    a, b = old.text, new.text
    if a == b:
        return ()
    head_at = _line_start(a, _shared_prefix(a, b))
    shared = _shared_suffix(a, b, min(len(a), len(b)))
    tail_at = len(a) - shared
    if not (_begins_line(a, tail_at) and _begins_line(b, len(b) - shared)):
        tail_at = _line_after(a, tail_at)
    head = a.count("\n", 0, head_at)
    tail = a.count("\n", tail_at) + (tail_at < len(a) and not a.endswith("\n"))
    shorter = min(len(old), len(new))
    tail = min(tail, shorter - head)
    if _too_little(head, tail, shorter):
        return tuple(differ(old, new))
    old_end, new_end = len(old) - tail, len(new) - tail
    if head in (old_end, new_end):
        return (Hunk(head, old_end, head, new_end),)
    back, shown = min(head, _MARGIN), min(tail, _MARGIN)
    head -= back
    for _ in range(back):
        head_at = a.rfind("\n", 0, head_at - 1) + 1
    for _ in range(shown):
        tail_at = _line_after(a, tail_at + 1)
    cut = len(a) - tail_at
    hunks = differ(Lines(a[head_at:tail_at]), Lines(b[head_at : len(b) - cut]))
    if tail > shown and hunks and hunks[-1].old_end == old_end + shown - head:
        hunks = differ(Lines(a[head_at:]), Lines(b[head_at:]))  # it would go on in what is hidden
    return _moved(hunks, head)


def _too_little(head: int, tail: int, shorter: int) -> bool:
    """Whether equal ends do not pay for moving every hunk."""
    return head * 8 < shorter and tail * 8 < shorter


def _moved(hunks: Sequence[Hunk], by: int) -> tuple[Hunk, ...]:
    return tuple(Hunk(a + by, b + by, c + by, d + by) for a, b, c, d in hunks)


def _begins_line(text: str, at: int) -> bool:
    return at == 0 or text[at - 1] == "\n"


# ── edits ───────────────────────────────────────────────────────────────────────────────────────


def edits_between(old: str, new: str, differ: Differ, refiner: Refiner) -> tuple[Edit, ...]:
    r"""Minimal edits, in code points of ``old``, that make it ``new``.

    A one-character change is a one-character edit. No edit begins or ends between ``\r`` and
    ``\n``, or between a character and what combines with it.
    """
    if old == new:
        return ()
    old_lines, new_lines = Lines(old), Lines(new)
    hunks = line_hunks(old_lines, new_lines, differ)
    return refine(old, whole_edits(old_lines, new_lines, hunks), refiner)


def whole_edits(old: Lines, new: Lines, hunks: Sequence[Hunk]) -> list[Edit]:
    """The hunks as edits of whole lines, in offsets of the old lines' text."""
    text = new.text
    if not new.plain:
        at = iter(old.starts([line for hunk in hunks for line in hunk[:2]]))
        to = iter(new.starts([line for hunk in hunks for line in hunk[2:]]))
        return [
            Edit(start, end, text[first:last])
            for start, end, first, last in zip(at, at, to, to, strict=True)
        ]
    # What lies between hunks is equal, so that the new lines' places follow from the old ones'.
    edits: list[Edit] = []
    find, behind, size = text.index, len(new), len(text)
    starts = old.starts([hunk[0] for hunk in hunks])
    ends = old.starts([hunk[1] for hunk in hunks])
    shift = 0
    for (_, _, new_start, new_end), start, end in zip(hunks, starts, ends, strict=True):
        first = last = start + shift
        if new_end == behind:
            last = size
        else:
            for _ in range(new_end - new_start):
                last = find("\n", last) + 1
        edits.append(Edit(start, end, text[first:last]))
        shift = last - end
    return edits


def refine(old: str, edits: Iterable[Edit], refiner: Refiner) -> tuple[Edit, ...]:
    """Cuts edits of whole lines down to the characters that really change."""
    return _settle(old, _fine(old, edits, refiner))


def _fine(old: str, edits: Iterable[Edit], refiner: Refiner) -> list[Edit]:
    fine: list[Edit] = []
    pieces, total = _REFINED_PIECES, _REFINED_TOTAL
    for edit in edits:
        start, end, new = edit
        long = max(end - start, len(new)) > REFINED_CHARACTERS
        for piece in _pieces(old, edit) if long else (edit,):
            start, end, new = piece
            if start == end or not new:
                if start < end or new:
                    fine.append(piece)
                continue
            before = old[start:end]
            if before == new:
                continue
            trimmed = _trimmed(start, before, new)
            size = max(end - start, len(new))
            if (
                not pieces
                or size > REFINED_CHARACTERS
                or size > total
                or not trimmed.new
                or trimmed.start == trimmed.end
            ):
                fine.append(trimmed)
                continue
            pieces, total = pieces - 1, total - size
            fine += [Edit(start + at, start + to, put) for at, to, put in refiner(before, new)]
    return fine


def _pieces(old: str, edit: Edit) -> Iterable[Edit]:
    """A hunk too long to be looked into, but with as many lines as before, goes line by line."""
    if max(edit.end - edit.start, len(edit.new)) > _SPLIT_MOST:
        return (edit,)
    old_lines, new_lines = Lines(old[edit.start : edit.end]), Lines(edit.new)
    if len(old_lines) != len(new_lines):
        return (edit,)
    starts = accumulate(map(len, old_lines), initial=edit.start)
    return [
        Edit(start, start + len(line), new)
        for start, line, new in zip(starts, old_lines, new_lines, strict=False)
    ]


def _trimmed(start: int, before: str, new: str) -> Edit:
    """The edit at ``start`` of ``before`` into ``new`` without what is equal at its ends."""
    head = _shared_prefix(before, new) if before[0] == new[0] else 0
    tail = 0
    if before[-1] == new[-1]:
        tail = _shared_suffix(before, new, min(len(before), len(new)) - head)
    return Edit(start + head, start + len(before) - tail, new[head : len(new) - tail])


def _settle(old: str, edits: Iterable[Edit]) -> tuple[Edit, ...]:
    """Moves edges off the inside of line ends and characters; joins what then touches."""
    edits = tuple(edits)
    plain_text = _is_plain(old)
    if (
        plain_text
        and _is_plain("".join([edit.new for edit in edits]))
        and all(one.end < other.start for one, other in pairwise(edits))
    ):
        return edits  # every place is a good one, and no two of them touch
    settled: list[Edit] = []
    plain_last = True
    for edit in edits:
        plain = plain_text and _is_plain(edit.new)
        floor = settled[-1].end if settled else -1
        if not (plain and plain_last) or edit.start == floor:
            if settled:
                edit = _apart(old, settled, edit)
            else:
                start = _back(old, edit.start, 0, edit.new)
                edit = Edit(start, edit.end, old[start : edit.start] + edit.new)
        settled.append(edit)
        plain_last = plain
    if settled and not plain_last:
        last = settled[-1]
        end = _on(old, last.end, len(old), last.new)
        settled[-1] = Edit(last.start, end, last.new + old[last.end : end])
    return tuple(settled)


def _is_plain(text: str) -> bool:
    """Whether every place in a text is one where an edit may begin and end."""
    return text.isascii() and "\r" not in text


def _apart(old: str, settled: list[Edit], edit: Edit) -> Edit:
    """Settles the gap before an edit; takes the last one back out when they have to be one.

    The gap stays text of both sides: its edges may only move inwards.
    """
    last = settled[-1]
    left = _on(old, last.end, edit.start, last.new)
    right = _back(old, edit.start, left, edit.new)
    if left >= right:
        settled.pop()
        gap = old[last.end : edit.start]
        return Edit(last.start, edit.end, last.new + gap + edit.new)
    settled[-1] = Edit(last.start, left, last.new + old[last.end : left])
    return Edit(right, edit.end, old[right : edit.start] + edit.new)


def _back(old: str, at: int, floor: int, new: str) -> int:
    """Moves an edit's start back while it is inside a line end or a character."""
    while at > floor and (_joined(old[at - 1], old[at : at + 1]) or _joined(old[at - 1], new[:1])):
        new = old[at - 1]
        at -= 1
    return at


def _on(old: str, at: int, ceiling: int, new: str) -> int:
    """Moves an edit's end on while it is inside a line end or a character."""
    before = new[-1:]
    while at < ceiling and ((at > 0 and _joined(old[at - 1], old[at])) or _joined(before, old[at])):
        before = old[at]
        at += 1
    return at


def _joined(left: str, right: str) -> bool:
    """Whether two characters in a row are one thing to an editor."""
    if right == "\n":
        return left == "\r"
    if right.isascii() or not left:
        return False
    return (
        unicodedata.combining(right) != 0
        or right == "\u200d"
        or left == "\u200d"
        or "\ufe00" <= right <= "\ufe0f"
        or "\U0001f3fb" <= right <= "\U0001f3ff"
        or ("\udc00" <= right <= "\udfff" and "\ud800" <= left <= "\udbff")
    )


def _shared_prefix(a: str, b: str) -> int:
    low, high = 0, min(len(a), len(b))
    if a[:high] == b[:high]:
        return high
    while high - low > _STEPS:  # a[:low] == b[:low]; the first difference is before high
        middle = (low + high) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle
    while a[low] == b[low]:
        low += 1
    return low


def _shared_suffix(a: str, b: str, limit: int) -> int:
    a_end, b_end = len(a), len(b)
    if a[a_end - limit :] == b[b_end - limit :]:
        return limit
    low, high = 0, limit
    while high - low > _STEPS:
        middle = (low + high) // 2
        if a[a_end - middle : a_end - low] == b[b_end - middle : b_end - low]:
            low = middle
        else:
            high = middle
    while a[a_end - low - 1] == b[b_end - low - 1]:
        low += 1
    return low


def _line_start(text: str, at: int) -> int:
    """The last place up to ``at`` after a newline: a line starts there in both texts."""
    return text.rfind("\n", 0, at) + 1


def _line_after(text: str, at: int) -> int:
    """The first place behind ``at`` that follows a newline, or the end."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1
