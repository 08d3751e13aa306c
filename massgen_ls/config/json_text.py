"""JSON → a `Document`.

Python's own reader tells no places, and stops at the first error with nothing in its hands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from massgen_ls.config.document import MAX_DEPTH, MAX_NODES, TOO_DEEP, TOO_LARGE, Document
from massgen_ls.config.lines import Lines, Spans
from massgen_ls.config.problems import Problem, Where

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_Put = Callable[[Any], None]
_WORDS = {"true": True, "false": False, "null": None}
_LONGEST_NUMBER = 400


def read(text: str) -> Document:
    """Reads as far as the text goes. Never raises."""
    reader = _Reader(text)
    try:
        reader.whole()
    except _Refused as refused:
        line, column = reader.lines.at(min(refused.offset, len(text)))
        reader.problems.append(Problem(refused.what, (), line, column))
    return Document(reader.body, reader.keys, reader.values, tuple(reader.problems))


class _Refused(Exception):
    def __init__(self, what: str, offset: int) -> None:
        super().__init__(what)
        self.what = what
        self.offset = offset


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._count = 0
        self.body: Any = {}
        self.lines = Lines(text)
        self.keys = Spans(self.lines)
        self.values = Spans(self.lines)
        self.problems: list[Problem] = []

    def whole(self) -> None:
        if self._next() == "":
            return  # an empty file says nothing
        self.body = self._value((), self._root)
        if self._next() != "":
            raise _Refused("not JSON: something follows its end", self._at)

    def _root(self, value: Any) -> None:
        self.body = value

    def _next(self) -> str:
        """The next character that counts; empty at the end."""
        found = _SPACE.match(self._text, self._at)
        assert found is not None  # it matches nothing, too
        self._at = found.end()
        return self._text[self._at : self._at + 1]

    def _value(self, where: Where, put: _Put) -> Any:
        """Reads a value; ``put`` is given a container before it is filled."""
        start = self._at
        char = self._next()
        start = self._at
        self._count += 1
        if self._count > MAX_NODES:
            raise _Refused(TOO_LARGE, start)
        if char and char in "{[":
            if len(where) >= MAX_DEPTH:
                raise _Refused(TOO_DEEP, start)
            self._at += 1
            self.values.offsets[where] = (start, start)
            value = self._mapping(where, put) if char == "{" else self._list(where, put)
        elif char == '"':
            value = self._string()
        else:
            value = self._scalar()
        self.values.offsets[where] = (start, self._at)
        return value

    def _mapping(self, where: Where, put: _Put) -> dict[str, Any]:
        found: dict[str, Any] = {}
        put(found)
        if self._next() == "}":
            self._at += 1
            return found
        while True:
            if self._next() != '"':
                raise _Refused("not JSON: a key in double quotes is wanted", self._at)
            start = self._at
            key = self._string()
            inner = (*where, key)
            double = key in found
            if double:
                line, column = self.lines.at(start)
                first = self.keys[inner].line
                what = f"the key {key!r} is there twice (first in line {first})"
                self.problems.append(Problem(what, where, line, column))
            else:
                self.keys.offsets[inner] = (start, self._at)
            if self._next() != ":":
                raise _Refused("not JSON: a colon is wanted", self._at)
            self._at += 1
            if double:
                self._value((*where, f"{key} again"), _nowhere)
            else:
                found[key] = self._value(inner, _into(found, key))
            if self._ends("}"):
                return found

    def _list(self, where: Where, put: _Put) -> list[Any]:
        found: list[Any] = []
        put(found)
        if self._next() == "]":
            self._at += 1
            return found
        while True:
            index = len(found)
            found.append(None)
            found[index] = self._value((*where, index), _into(found, index))
            if self._ends("]"):
                return found

    def _ends(self, end: str) -> bool:
        char = self._next()
        if char == end or char == ",":
            self._at += 1
            return char == end
        raise _Refused(f"not JSON: a comma or `{end}` is wanted", self._at)

    def _string(self) -> str:
        found = _STRING.match(self._text, self._at)
        if found is None:
            raise _Refused("not JSON: this text does not end, or has a wrong escape", self._at)
        self._at = found.end()
        return json.loads(found[0])

    def _scalar(self) -> Any:
        for word, value in _WORDS.items():
            if self._text.startswith(word, self._at):
                self._at += len(word)
                return value
        found = _NUMBER.match(self._text, self._at)
        if found is None or len(found[0]) > _LONGEST_NUMBER:
            raise _Refused("not JSON: a value is wanted", self._at)
        self._at = found.end()
        return json.loads(found[0])


def _nowhere(value: Any) -> None:
    """Where what counts for nothing goes."""


def _into(container: Any, key: Any) -> _Put:
    def put(value: Any) -> None:
        container[key] = value

    return put
