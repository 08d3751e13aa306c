"""The line differ (xdiff, through pygit2) and the refiner (rapidfuzz).

Both libraries are imported at the first use: most commands need no diff.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import count
from operator import attrgetter
from typing import TYPE_CHECKING

from massgen_ls.core.diff import Hunk
from massgen_ls.core.text import Edit, Lines

if TYPE_CHECKING:
    from pygit2.enums import DiffOption

# Above this many lines (equal ends are trimmed before) one change is reported: nobody reviews it
# by hunks, and the C code holds the interpreter's lock all the while.
_MOST_LINES = 200_000
# Up to this many lines the algorithm is that of `git merge-file`, so that verdicts are git's too.
# Above it is `patience`, which stays quick where lines were shuffled.
_MANY_LINES = 20_000
# Above this size lines go in as numbers: libgit2 refuses a gigabyte.
_MOST_BYTES = 64 * 1024 * 1024

_COUNTS = attrgetter("old_start", "old_lines", "new_start", "new_lines")

_SHORT_EQUAL = 3
_TOKEN = re.compile(r"\w+|[^\S\r\n]+|\r\n|.", re.DOTALL)


def differ(old: Sequence[str], new: Sequence[str]) -> Sequence[Hunk]:
    """The hunks between two lists of lines (see `massgen_ls.core.diff.Differ`).

    Lines may hold anything, also NULs, lone surrogates and lone carriage returns: they are
    compared as strings.
    """
    from pygit2 import Patch

    if len(old) + len(new) > _MOST_LINES:
        return _one_hunk(old, new)
    before, after = _packed(old), _packed(new)
    if before is None or after is None or len(before) + len(after) > _MOST_BYTES:
        before, after = _numbered(old, new)
    flags = _flags(patient=len(old) + len(new) > _MANY_LINES)
    patch = Patch.create_from(before, after, flag=flags, context_lines=0, interhunk_lines=0)
    # Counted from 0; git names the line before where a side has none.
    return [
        Hunk(first := start - (lines > 0), first + lines, after := to - (size > 0), after + size)
        for start, lines, to, size in map(_COUNTS, patch.hunks)
    ]


@cache
def _flags(*, patient: bool) -> DiffOption:
    from pygit2.enums import DiffOption

    # FORCE_TEXT, because a NUL would make libgit2 take the text for binary and say nothing about
    # its lines.
    always = DiffOption.FORCE_TEXT | DiffOption.SKIP_BINARY_CHECK
    return always | DiffOption.PATIENCE if patient else always


def _one_hunk(old: Sequence[str], new: Sequence[str]) -> Sequence[Hunk]:
    return [] if list(old) == list(new) else [Hunk(0, len(old), 0, len(new))]


def _packed(lines: Sequence[str]) -> bytes | None:
    """The lines as one text, or None when git would see other lines in it."""
    if isinstance(lines, Lines):
        return lines.text.encode("utf-8", "surrogatepass") if lines.plain else None
    text = "".join(lines)
    ends = text.count("\n")
    if ends != len(lines) and (ends != len(lines) - 1 or not lines or lines[-1].endswith("\n")):
        return None
    return text.encode("utf-8", "surrogatepass")


def _numbered(old: Sequence[str], new: Sequence[str]) -> tuple[bytes, bytes]:
    """Each distinct line as a number, so that any content is safe; twice as slow to prepare."""
    numbers: dict[str, int] = {}
    texts = [
        "".join(f"{numbers.setdefault(line, len(numbers))}\n" for line in lines)
        for lines in (old, new)
    ]
    return texts[0].encode(), texts[1].encode()


def refiner(old: str, new: str) -> Sequence[Edit]:
    """Edits between two short texts, by words (see `massgen_ls.core.diff.Refiner`).

    Words are compared first, so that edits end where words end; a changed word is then trimmed to
    the characters that differ. Fewer than three equal characters between two edits join them,
    unless a line ends there.
    """
    old_words, new_words = _TOKEN.findall(old), _TOKEN.findall(new)
    # Each distinct word as one character: rapidfuzz compares strings by value and in C.
    distinct = dict.fromkeys(old_words)
    distinct.update(dict.fromkeys(new_words))
    letters = dict(zip(distinct, map(chr, count()), strict=False))
    packed = ["".join(map(letters.__getitem__, words)) for words in (old_words, new_words)]
    edits: list[Edit] = []
    for edit in _word_edits(old, old_words, new_words, packed[0], packed[1]):
        if edits and _too_near(old[edits[-1].end : edit.start]):
            last = edits[-1]
            gap = old[last.end : edit.start]
            edits[-1] = Edit(last.start, edit.end, last.new + gap + edit.new)
        else:
            edits.append(edit)
    return [_trimmed(old, edit) for edit in edits]


def _too_near(gap: str) -> bool:
    return len(gap) < _SHORT_EQUAL and "\n" not in gap and "\r" not in gap


def _word_edits(
    old: str, old_words: list[str], new_words: list[str], old_packed: str, new_packed: str
) -> Iterator[Edit]:
    at = word = 0
    start, pieces = -1, list[str]()
    from rapidfuzz.distance import Indel

    for op in Indel.opcodes(old_packed, new_packed):
        length = sum(map(len, old_words[word : op.src_end]))
        word = op.src_end
        if op.tag == "equal":
            if start >= 0:
                yield Edit(start, at, "".join(pieces))
                start, pieces = -1, []
        else:
            start = at if start < 0 else start
            pieces += new_words[op.dest_start : op.dest_end]
        at += length
    if start >= 0:
        yield Edit(start, at, "".join(pieces))


def _trimmed(old: str, edit: Edit) -> Edit:
    """Drops what is equal at the ends of an edit."""
    start, end, new = edit.start, edit.end, edit.new
    while start < end and new and old[start] == new[0]:
        start, new = start + 1, new[1:]
    while start < end and new and old[end - 1] == new[-1]:
        end, new = end - 1, new[:-1]
    return Edit(start, end, new)
