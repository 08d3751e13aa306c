"""Offsets in a text → lines and columns, and spans that are made when somebody asks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping

from massgen_ls.config.document import Span
from massgen_ls.config.problems import Where
from massgen_ls.core.text import LineIndex


class Lines:
    """Where the lines of a text begin, as editors count them."""

    def __init__(self, text: str) -> None:
        self._index = LineIndex(text)

    def at(self, offset: int) -> tuple[int, int]:
        """1-based line and column."""
        starts = self._index.starts
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    def offset(self, line: int, column: int) -> int:
        """The offset of a 1-based line and column; the end of the text for what is behind it."""
        starts = self._index.starts
        if line > len(starts):
            return len(self._index.text)
        return min(starts[max(1, line) - 1] + max(1, column) - 1, len(self._index.text))


class Spans(Mapping[Where, Span]):
    """Stretches of a text by what they are."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self.offsets: dict[Where, tuple[int, int]] = {}
        """Beginning and end."""

    def __getitem__(self, where: Where) -> Span:
        start, end = self.offsets[where]
        return Span(*self._lines.at(start), *self._lines.at(end))

    def __contains__(self, where: object) -> bool:
        return where in self.offsets

    def __iter__(self) -> Iterator[Where]:
        return iter(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets)
