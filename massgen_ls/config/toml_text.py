"""TOML → a `Document`.

The values are `tomllib`'s. It tells no places, so those are looked for in what it has found right.
"""

from __future__ import annotations

import re
import tomllib

from massgen_ls.config.document import MAX_DEPTH, MAX_NODES, TOO_DEEP, TOO_LARGE, Document, leaves
from massgen_ls.config.lines import Lines, Spans
from massgen_ls.config.problems import Problem, Where

_ERROR = re.compile(
    r"^(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of.*)\)$"
)
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BASIC = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_LITERAL = re.compile(r"'[^'\n]*'")
_LONG_BASIC = re.compile(r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})', re.DOTALL)
_LONG_LITERAL = re.compile(r"'''.*?'''(?:'{0,2})", re.DOTALL)
_SCALAR = re.compile(r"[^,\]}#\n]*")


def read(text: str) -> Document:
    """Reads a text, or what stands above its first error. Never raises."""
    try:
        body = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        problem = _problem(error, text)
        above = _above(text, problem.line)
        inner = read(above) if above is not None else Document({})
        # The first error is told; what is wrong further up would be an error of its own there.
        return Document(inner.body, inner.keys, inner.values, (problem,))
    for count, (where, _) in enumerate(leaves(body)):
        if count > MAX_NODES or len(where) > MAX_DEPTH:
            return Document({}, problems=(Problem(TOO_LARGE if count > MAX_NODES else TOO_DEEP),))
    finder = _Finder(text)
    finder.whole()
    return Document(body, finder.keys, finder.values)


def _problem(error: Exception, text: str) -> Problem:
    if isinstance(error, RecursionError):
        return Problem(TOO_DEEP)
    found = _ERROR.match(str(error))
    if found is None:
        return Problem(f"not TOML: {error}")
    end = Lines(text).at(len(text.rstrip()))
    line = int(found["line"]) if found["line"] else end[0]
    column = int(found["column"]) if found["column"] else end[1]
    what = found["what"]
    return Problem(f"not TOML: {what[:1].lower()}{what[1:]}", (), line, column)


def _above(text: str, line: int) -> str | None:
    kept = "\n".join(text.split("\n")[: line - 1])
    return kept if kept.strip() and len(kept) < len(text) else None


class _Finder:
    """Finds keys and values in TOML that is known to be right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        lines = Lines(text)
        self.keys = Spans(lines)
        self.values = Spans(lines)
        self._last: dict[Where, int] = {}
        """The index of the last item of each array of tables."""

    def whole(self) -> None:
        table: Where = ()
        self.values.offsets[()] = (0, len(self._text))
        while self._skip(_BLANK):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        """Goes on behind what matches; whether there is something left."""
        found = pattern.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._at < len(self._text)

    def _header(self) -> Where:
        start = self._at
        many = self._text.startswith("[[", start)
        self._at += 2 if many else 1
        parts = self._key()
        self._skip(_SPACE)
        self._at += 2 if many else 1
        where: Where = ()
        for index, (name, span) in enumerate(parts):
            where = (*where, name)
            self.keys.offsets.setdefault(where, span)
            if many and index == len(parts) - 1:
                self._last[where] = self._last.get(where, -1) + 1
            if where in self._last:
                where = (*where, self._last[where])
            if index < len(parts) - 1:
                self.values.offsets.setdefault(where, (start, self._at))
        self.values.offsets[where] = (start, self._at)
        return where

    def _key(self) -> list[tuple[str, tuple[int, int]]]:
        """A key with dots: its parts, each with where it stands."""
        parts: list[tuple[str, tuple[int, int]]] = []
        while True:
            self._skip(_SPACE)
            start = self._at
            char = self._text[start]
            pattern = _BASIC if char == '"' else _LITERAL if char == "'" else _BARE
            found = pattern.match(self._text, start)
            assert found is not None  # tomllib has read it
            self._at = found.end()
            name = found[0]
            if char in "\"'":
                name = str(tomllib.loads(f"k = {name}")["k"])
            parts.append((name, (start, self._at)))
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return parts
            self._at += 1

    def _pair(self, table: Where) -> None:
        parts = self._key()
        self._at += 1  # the equals sign
        where = table
        for name, span in parts:
            where = (*where, name)
            self.keys.offsets.setdefault(where, span)
            self.values.offsets.setdefault(where, span)
        self._value(where)

    def _value(self, where: Where) -> None:
        self._skip(_SPACE)
        start = self._at
        text = self._text
        for quotes, pattern in (
            ('"""', _LONG_BASIC),
            ("'''", _LONG_LITERAL),
            ('"', _BASIC),
            ("'", _LITERAL),
        ):
            if text.startswith(quotes, start):
                self._skip(pattern)
                self.values.offsets[where] = (start, self._at)
                return
        if text[start] == "[":
            self._items(where, "]")
        elif text[start] == "{":
            self._items(where, "}")
        else:
            self._skip(_SCALAR)
            self._at = start + len(text[start : self._at].rstrip())
        self.values.offsets[where] = (start, self._at)

    def _items(self, where: Where, end: str) -> None:
        self._at += 1
        index = 0
        while True:
            self._skip(_BLANK)
            if self._text[self._at] == end:
                self._at += 1
                return
            if self._text[self._at] == ",":
                self._at += 1
            elif end == "]":
                self._value((*where, index))
                index += 1
            else:
                self._pair(where)
