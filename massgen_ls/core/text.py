r"""Text as the Language Server Protocol counts it.

Lines end at ``\n``, ``\r\n`` and ``\r`` alone; form feeds, U+2028 and the like are characters.
Inside, offsets count code points of a Python string; only at the edge are they turned into the
units that an editor counts.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from typing import NamedTuple, overload


class Encoding(Enum):
    """What a position's ``character`` counts."""

    UTF8 = "utf-8"
    UTF16 = "utf-16"
    UTF32 = "utf-32"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A 0-based line and a 0-based offset in units of an `Encoding`."""

    line: int
    character: int


@dataclass(frozen=True, slots=True)
class Range:
    """From ``start`` up to, not including, ``end``."""

    start: Position
    end: Position


class Edit(NamedTuple):
    """Replaces ``text[start:end]`` (code points) by ``new``.

    A tuple, because one file may need thousands: they are made twice as fast as dataclasses.
    """

    start: int
    end: int
    new: str


_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


def split_lines(text: str) -> list[str]:
    """The lines of a text, each with its line end; the last may have none. ``""`` has no line."""
    lone = "\r" in text and text.count("\r") != text.count("\r\n")
    if lone or "\0" in text:
        return _LINE.findall(text)
    # Every line ends at a newline: marking and cutting is a third of the expression's time.
    lines = text.replace("\n", "\n\0").split("\0")
    if not lines[-1]:
        lines.pop()
    return lines


class Lines(Sequence[str]):
    r"""The lines of a text, as `split_lines` has them, cut when somebody asks for one.

    Most of a file does not change: finding the few places that matter is much cheaper than making
    a string of every line.
    """

    __slots__ = ("_cut", "_found", "_size", "_table", "plain", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.plain = "\r" not in text or text.count("\r") == text.count("\r\n")
        r"""Whether ``\n`` ends every line but the last, which may have no end."""
        self._cut: list[str] | None = None
        self._size: int | None = None
        self._table: list[int] | None = None
        self._found = 0, 0  # a line and where it starts: the next one sought is often near

    def __len__(self) -> int:
        if self._size is None:
            if self.plain:
                open_end = self.text != "" and not self.text.endswith("\n")
                self._size = self.text.count("\n") + open_end
            else:
                self._size = len(self._all())
        return self._size

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        return self._all()[index]

    def _all(self) -> list[str]:
        if self._cut is None:
            self._cut = split_lines(self.text)
        return self._cut

    def starts(self, lines: Sequence[int]) -> list[int]:
        """The offsets at which some lines start; that of the line behind the last is the end."""
        if not self.plain:
            table = list(accumulate(map(len, self._all()), initial=0))
            return [table[line] for line in lines]
        if len(lines) <= _SOUGHT:
            return [self._find(line) for line in lines]
        if self._table is None:
            # Without their ends the lines are cut at half the price; each lacks a character.
            self._table = list(accumulate(map(len, self.text.split("\n")), initial=0))
            self._table[-1] -= 1  # the last line has no end, or else is none
        table = self._table
        return [table[line] + line for line in lines]

    def _find(self, line: int) -> int:
        if line >= len(self):
            return len(self.text)
        known, at = self._found
        if not 0 <= line - known <= _NEAR:
            known, at = line, _halved(self.text, line)
        for _ in range(line - known):
            at = self.text.index("\n", at) + 1
        self._found = line, at
        return at


_SOUGHT = 4
"""Lines that are sooner found one by one than by an index of all."""
_NEAR = 100
"""Lines that are sooner walked than halved."""


class LineIndex:
    """Turns the positions of one text into offsets and back. Made in no time, filled on demand."""

    __slots__ = ("_starts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts: list[int] | None = None

    @property
    def starts(self) -> list[int]:
        """Where each line starts. A text that ends with a line end has an empty last line."""
        if self._starts is None:
            lines = split_lines(self.text)
            self._starts = list(accumulate(map(len, lines), initial=0))
            if lines and lines[-1][-1] not in "\r\n":
                self._starts.pop()
        return self._starts

    def offset_at(self, position: Position, encoding: Encoding) -> int:
        """The offset of a position, wherever it points.

        Past the end of a line it is the place before the line end, past the last line the end of
        the text, and inside a surrogate pair or a multibyte character the character's start.
        """
        if position.line < 0:
            return 0
        span = self._line_span(position.line)
        if span is None:
            return len(self.text)
        start, end = span
        return start + _code_points(self.text[start:end], position.character, encoding)

    def position_at(self, offset: int, encoding: Encoding) -> Position:
        r"""The position of an offset; between ``\r`` and ``\n`` it is that before the ``\r``."""
        offset = max(0, min(offset, len(self.text)))
        line = bisect_right(self.starts, offset) - 1
        start = self.starts[line]
        if offset > start and self.text[offset - 1] == "\r":
            offset -= 1
        return Position(line, _units(self.text[start:offset], encoding))

    def range_at(self, start: int, end: int, encoding: Encoding) -> Range:
        """The range between two offsets."""
        return Range(self.position_at(start, encoding), self.position_at(end, encoding))

    def _line_span(self, line: int) -> tuple[int, int] | None:
        """Start and end of a line's characters, without its line end; None past the last line."""
        text = self.text
        if self._starts is None and "\r" not in text:
            # One look-up per key stroke is the common case: counting is far cheaper than an index.
            start = _start_of_line(text, line)
            if start is None:
                return None
            end = text.find("\n", start)
            return start, len(text) if end < 0 else end
        starts = self.starts
        if line >= len(starts):
            return None
        start = starts[line]
        end = starts[line + 1] if line + 1 < len(starts) else len(text)
        if end > start and text[end - 1] == "\n":
            end -= 1
        if end > start and text[end - 1] == "\r":
            end -= 1
        return start, end


def _start_of_line(text: str, line: int) -> int | None:
    r"""Where a line starts, in a text whose only line end is ``\n``; None past the last line."""
    if line == 0:
        return 0
    return None if text.count("\n") < line else _halved(text, line)


def _halved(text: str, line: int) -> int:
    """Finds a line that is there by halving."""
    low, high, missing = 0, len(text), line  # the end of the line before is in text[low:high]
    while high - low > 4096:
        middle = (low + high) // 2
        found = text.count("\n", low, middle)
        if found >= missing:
            high = middle
        else:
            low, missing = middle, missing - found
    for _ in range(missing):
        low = text.index("\n", low) + 1
    return low


def _code_points(line: str, units: int, encoding: Encoding) -> int:
    """How many code points of a line lie within its first ``units`` units, clamped."""
    if units <= 0:
        return 0
    if encoding is Encoding.UTF32 or line.isascii():
        return min(units, len(line))
    if _SURROGATE.search(line):
        return _walk(line, units, encoding)
    # Cutting the encoded line keeps a minified file of one long line quick.
    if encoding is Encoding.UTF8:
        packed = line.encode("utf-8")
        if units >= len(packed):
            return len(line)
        while packed[units] & 0xC0 == 0x80:
            units -= 1
        return len(packed[:units].decode("utf-8"))
    packed = line.encode("utf-16-le")
    if 2 * units >= len(packed):
        return len(line)
    if packed[2 * units + 1] & 0xFC == 0xDC:
        units -= 1
    return len(packed[: 2 * units].decode("utf-16-le"))


def _walk(line: str, units: int, encoding: Encoding) -> int:
    """The slow way, for lines with lone surrogates, which two of them in a row would deceive."""
    seen = 0
    for number, char in enumerate(line):
        seen += _units(char, encoding)
        if seen > units:
            return number
    return len(line)


def _units(text: str, encoding: Encoding) -> int:
    if encoding is Encoding.UTF32 or text.isascii():
        return len(text)
    if encoding is Encoding.UTF8:
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def apply_edits(text: str, edits: Sequence[Edit]) -> str:
    """Performs edits, whose offsets all mean the text as it is before the first of them.

    Raises:
        ValueError: They are not sorted, overlap or reach beyond the text.
    """
    pieces: list[str] = []
    done = 0
    for edit in edits:
        if not done <= edit.start <= edit.end <= len(text):
            raise ValueError(f"edit {edit.start}..{edit.end} overlaps, is unsorted or out of range")
        pieces += (text[done : edit.start], edit.new)
        done = edit.end
    pieces.append(text[done:])
    return "".join(pieces)


def apply_change(text: str, where: Range | None, new: str, encoding: Encoding) -> str:
    """Performs one change event of an editor; without a range ``new`` is the whole text.

    A range that ends before it starts counts as empty at its start.
    """
    if where is None:
        return new
    index = LineIndex(text)
    start = index.offset_at(where.start, encoding)
    end = max(start, index.offset_at(where.end, encoding))
    return text[:start] + new + text[end:]


def edits_to_ranges(
    text: str, edits: Sequence[Edit], encoding: Encoding
) -> tuple[tuple[Range, str], ...]:
    """The edits as an editor wants them: a range of the text before, and what comes there."""
    index = LineIndex(text)
    return tuple((index.range_at(e.start, e.end, encoding), e.new) for e in edits)
