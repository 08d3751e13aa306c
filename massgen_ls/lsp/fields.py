"""Reads the fields of a payload: what is wrong with one is said in words, with the nearest name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import TypeVar, cast

from massgen_ls.core.errors import MassgenError

T = TypeVar("T")


class ParamsError(MassgenError):
    """A payload that cannot be understood."""


class Fields:
    """Takes the fields of one object, one by one, and complains about what is left."""

    def __init__(self, where: str, node: object) -> None:
        if not isinstance(node, dict):
            raise ParamsError(f"{where} takes one object, not {kind_of(node)}")
        self._where = where
        self._left = dict(cast("dict[str, object]", node))
        self._known: list[str] = []

    def _take(self, name: str) -> object:
        self._known.append(name)
        return self._left.pop(name, None)

    def _wrong(self, name: str, wanted: str, got: object) -> ParamsError:
        return ParamsError(f"{self._where}: `{name}` must be {wanted}, not {kind_of(got)}")

    def text(self, name: str) -> str | None:
        """Text, or None when it is not given."""
        node = self._take(name)
        if node is not None and not isinstance(node, str):
            raise self._wrong(name, "text", node)
        return None if node is None else clean(node)

    def required(self, name: str) -> str:
        """Text that has to be there and not be blank."""
        found = self.text(name)
        if found is None or not found.strip():
            near = difflib.get_close_matches(name, list(self._left), 1)
            hint = f"Is `{near[0]}` meant to be `{name}`?" if near else f"Give it as `{name}`."
            raise ParamsError(f"{self._where}: `{name}` is missing", hint)
        return found

    def choice(self, name: str, choices: tuple[T, ...]) -> T | None:
        """One of some values, or None."""
        node = self._take(name)
        if node is None:
            return None
        for each in choices:
            if node == each:
                return each
        hint = nearest(str(node)[:60], [str(c) for c in choices])
        raise ParamsError(f"{self._where}: `{name}` cannot be {str(node)[:60]!r}", hint)

    def texts(self, name: str) -> tuple[str, ...] | None:
        """A list of text, or None."""
        node = self._take(name)
        if node is None:
            return None
        if not isinstance(node, list):
            raise self._wrong(name, "a list of text", node)
        for each in cast("list[object]", node):
            if not isinstance(each, str):
                raise self._wrong(name, "a list of text", each)
        return tuple(clean(each) for each in cast("list[str]", node))

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number, brought between two bounds."""
        node = self._take(name)
        if node is None:
            return default
        if not isinstance(node, int) or isinstance(node, bool):
            raise self._wrong(name, "a whole number", node)
        return max(low, min(high, node))

    def flag(self, name: str) -> bool:
        """Whether it is true; it may be left out."""
        node = self._take(name)
        if node is not None and not isinstance(node, bool):
            raise self._wrong(name, "true or false", node)
        return bool(node)

    def token(self) -> str | int | None:
        """The progress token that any request may have."""
        node = self._take("workDoneToken")
        if node is None or (isinstance(node, str | int) and not isinstance(node, bool)):
            return node
        raise self._wrong("workDoneToken", "text or a number", node)

    def nested(self, name: str, read: Callable[[str, object], T]) -> T | None:
        """What a reader makes of an object, or None."""
        node = self._take(name)
        return None if node is None else read(f"{self._where}.{name}", node)

    def each(self, name: str, read: Callable[[str, object], T]) -> tuple[T, ...]:
        """What a reader makes of each item of a list."""
        node = self._take(name)
        if node is None:
            return ()
        if not isinstance(node, list):
            raise self._wrong(name, "a list", node)
        items = cast("list[object]", node)
        return tuple(read(f"{self._where}.{name}[{i}]", item) for i, item in enumerate(items))

    def by_path(self, name: str) -> dict[str, tuple[int, ...]] | None:
        """Numbers of hunks by path, or None."""
        node = self._take(name)
        if node is None:
            return None
        if not isinstance(node, dict):
            raise self._wrong(name, "an object of path → numbers of hunks", node)
        found: dict[str, tuple[int, ...]] = {}
        for path, numbers in cast("dict[str, object]", node).items():
            items = cast("list[object]", numbers) if isinstance(numbers, list) else [None]
            if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in items):
                raise ParamsError(
                    f"{self._where}: `{name}.{path}` must be a list of numbers from 0"
                )
            found[path] = tuple(cast("list[int]", items))
        return found

    def end(self) -> None:
        """Complains about the first field that nobody has taken."""
        self._left.pop("partialResultToken", None)
        for name in self._left:
            raise ParamsError(
                f"{self._where} does not know `{name[:60]}`", nearest(name, self._known)
            )


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a name that is not known."""
    names = list(known)
    near = difflib.get_close_matches(name, names, 1)
    return f"Did you mean `{near[0]}`?" if near else f"There are: {', '.join(names)}."


def kind_of(node: object) -> str:
    """What a JSON value is, in words."""
    match node:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"


def clean(text: str) -> str:
    """JSON may smuggle in half a surrogate pair, which nothing further on can encode."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
