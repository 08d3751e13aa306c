"""Text → plain values that remember where they stood, so that problems can name the line.

`scan` reads what it can and says the rest; `parse` refuses what is not wholly right. Which language
a text is in follows from the name of its file; each has a reader of its own, imported when needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, NamedTuple, cast

from massgen_ls.config.problems import InvalidConfig, Problem, Where

__all__ = [
    "MAX_DEPTH", "MAX_NODES", "Document", "Remembered", "Scan", "Span", "Where", "language",
    "parse", "part", "scan",
]  # fmt: skip

MAX_NODES = 50_000
"""Nodes after aliases are expanded: more is a bomb, not a configuration."""
MAX_DEPTH = 50
TOO_LARGE = "too large once its aliases are expanded"
TOO_DEEP = "nested too deeply"


class Span(NamedTuple):
    """A stretch of text: 1-based lines and columns in characters, the end exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Document:
    """A text that was read."""

    body: Any
    """Mappings, lists and scalars. After a syntax error: what stood before it."""
    keys: Mapping[Where, Span] = field(default_factory=dict[Where, Span], repr=False)
    """Where the key of each value in a mapping stands. What came through an alias or a merge key
    stands where it was written."""
    values: Mapping[Where, Span] = field(default_factory=dict[Where, Span], repr=False)
    """Where each value stands, the whole at ``()``."""
    problems: tuple[Problem, ...] = ()
    """Why this is not wholly what its author wrote: syntax, keys that are there twice."""

    def place(self, where: Where) -> tuple[int, int]:
        """Line and column of a value's key, or of an item in a list; else of what is around it."""
        return self.span(where)[:2]

    def span(self, where: Where) -> Span:
        """The same, with its end."""
        while where and where not in self.keys and where not in self.values:
            where = where[:-1]
        return self.keys.get(where) or self.values.get(where) or Span(1, 1, 1, 1)

    def reach(self, where: Where, *, key: bool = False) -> Span:
        """From the key of a value to the end of the value, for marking it in an editor.

        Args:
            where: What it is about.
            key: Only its key; so it is also where the value goes over several lines.
        """
        span = self.span(where)
        value = self.values.get(where)
        if key or value is None or value.end_line != span.line:
            return span
        return Span(span.line, span.column, value.end_line, value.end_column)

    @classmethod
    def placed(cls, body: Any, places: Mapping[Where, tuple[int, int]]) -> Document:
        """A document that was made of another one, with places there."""
        spans = {where: Span(*place, *place) for where, place in places.items()}
        return cls(body, values={(): Span(1, 1, 1, 1), **spans})

    def at(self, line: int, column: int) -> Where:
        """The innermost key or value that covers a position; ``()`` for none."""
        best: Where = ()
        for found in (self.values, self.keys):
            for where, span in found.items():
                if len(where) > len(best) and span[:2] <= (line, column) <= span[2:]:
                    best = where
        return best

    def under(self, *path: str) -> Document:
        """A part of it as a document of its own, e.g. ``tool.massgen``; empty where it is not."""
        body = self.body
        for name in path:
            body = cast("Any", body).get(name) if isinstance(body, dict) else None
        if body is None:
            return Document({}, problems=self.problems)
        cut = len(path)
        keys = {w[cut:]: s for w, s in self.keys.items() if w[:cut] == path and len(w) > cut}
        values = {w[cut:]: s for w, s in self.values.items() if w[:cut] == path}
        return Document(body, keys, values, self.problems)

    def leaves(self) -> Iterator[tuple[Where, Any]]:
        """Every scalar and every empty container, in order."""
        return leaves(self.body)


def leaves(body: Any, where: Where = ()) -> Iterator[tuple[Where, Any]]:
    """Every scalar and every empty container below a value, in order."""
    if isinstance(body, dict) and body:
        for key, value in cast("dict[str, Any]", body).items():
            yield from leaves(value, (*where, key))
    elif isinstance(body, list | tuple) and body:
        for index, value in enumerate(cast("Sequence[Any]", body)):
            yield from leaves(value, (*where, index))
    else:
        yield where, body


def language(name: str) -> str:
    """``yaml``, ``json`` or ``toml``, by the end of a file's name."""
    end = name.rpartition(".")[2].lower()
    return end if end in {"json", "toml"} else "yaml"


def scan(text: str, name: str = "") -> Document:
    """Reads a text as far as it goes. Never raises.

    Args:
        text: The file's content.
        name: Its name or path, for the language.
    """
    text = text.removeprefix("\ufeff")
    match language(name):
        case "json":
            from massgen_ls.config.json_text import read
        case "toml":
            from massgen_ls.config.toml_text import read
        case _:
            from massgen_ls.config.yaml_text import read
    try:
        return read(text)
    except RecursionError:
        return Document({}, {}, {}, (Problem("nested too deeply", code="syntax"),))


Scan = Callable[[str, str], Document]
"""`scan`, or what remembers its answers."""


class Remembered:
    """`scan` that reads a text once, however many want to know what is in it.

    It keeps the newest text of each name, of a few names.
    """

    _MOST = 16

    def __init__(self) -> None:
        self._newest: dict[str, tuple[str, Document]] = {}

    def __call__(self, text: str, name: str) -> Document:
        """What `scan` says."""
        known = self._newest.pop(name, None)
        if known is None or known[0] != text:
            known = (text, scan(text, name))
        self._newest[name] = known
        for old in list(self._newest)[: -self._MOST]:
            self._newest.pop(old, None)
        return known[1]


def part(text: str, file: PurePath, read: Scan = scan) -> Document:
    """What of a file is the configuration, with the places of the whole."""
    document = read(text, str(file))
    return document.under("tool", "massgen") if file.name == "pyproject.toml" else document


def parse(text: str, shown: str) -> Document:
    """Reads a text that has to be right.

    Args:
        text: The file's content.
        shown: Its name, for the language and for messages.

    Raises:
        InvalidConfig: It is no YAML, JSON or TOML, holds a key twice, or grows without measure.
    """
    document = scan(text, shown)
    if document.problems:
        raise InvalidConfig(document.problems, shown)
    return document
