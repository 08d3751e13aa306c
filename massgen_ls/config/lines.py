"""Offsets in a text → lines and columns, and spans that are made when somebody asks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import cached_property

from massgen_ls.config.document import Span
from massgen_ls.config.problems import Where


class Lines:
    """Where the lines of a text begin."""

    def __init__(self, text: str) -> None:
        self._text = text

    @cached_property
    def _starts(self) -> list[int]:
        found = [0]
        at = self._text.find("\n")
        while at >= 0:
            found.append(at + 1)
            at = self._text.find("\n", at + 1)
        return found

    def at(self, offset: int) -> tuple[int, int]:
        """1-based line and column."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


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
