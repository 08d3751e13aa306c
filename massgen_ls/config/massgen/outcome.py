"""What a mapping makes: a document of ours, value by value, and the lists of the report."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from typing import Any, cast, get_args

from pydantic import BaseModel

from massgen_ls.config.backends import BACKENDS
from massgen_ls.config.document import Document, Span, Where
from massgen_ls.config.massgen.report import Fate, Kind, Report
from massgen_ls.config.massgen.rules import Entry
from massgen_ls.config.problems import Problem, shown_path
from massgen_ls.config.schema import Configuration

_MOST_FOR_EVERYONE = 20_000
"""Settings that come from the whole and go to each agent: more is a bomb, not a configuration."""
_STRICTER = ("allow", "auto", "ask", "deny")


class Outcome:
    """Collects entries.

    Args:
        source: The MassGen document, for lines and columns.
        types: The ``backend.type`` of every agent, by the way to it, the same in both documents.
    """

    def __init__(self, source: Document, types: dict[Where, str]) -> None:
        self._source = source
        self._types = types
        self._lists: dict[Fate, list[Problem]] = {
            "errors": [], "mapped": [], "ignored": [], "refused": [],
        }  # fmt: skip
        self._keys: dict[Where, Span] = {}
        self._values: dict[Where, Span] = {}
        self._came: dict[Where, Where] = {}
        self._listed: dict[Where, set[str]] = {}
        self._everyone = 0
        self.body: dict[str, Any] = {}

    def add(self, entry: Entry, agent: Where, unless: str = "") -> None:
        """Files an entry, and sets its value.

        Args:
            entry: What was found.
            agent: The agent it stands at, when it does.
            unless: Why it is ignored if our schema has no such key.
        """
        if entry.target.startswith("*"):
            self._everyone += len(self._types)
            if self._everyone > _MOST_FOR_EVERYONE:
                self._file("errors", entry.where, "too much for every agent", "Say less here")
                return
        targets = self._targets(entry.target, agent)
        message, suggestion = entry.message, entry.suggestion
        if entry.target and targets and not all(self._has(t, agent) for t in targets):
            self._file("ignored", entry.where, unless, "")
            return
        for target in targets:
            self._put(target, entry.value, entry.where)
        if entry.fate == "mapped" and entry.target:
            named = "permissions of every agent" if entry.target[0] == "*" else ""
            goal = f"`{named or shown_path(targets[0])}`" if targets else "nothing"
            same_place = bool(targets) and targets[0] == entry.where
            message = message if message or same_place else f"becomes {goal}"
            message = message or "is kept"
        self._file(entry.fate, entry.where, message, suggestion)

    def wrong(self, where: Where, message: str, suggestion: str, meant: str | None = None) -> None:
        """Files an error."""
        self._file("errors", where, message, suggestion, meant)

    def note(self, fate: Fate, where: Where, message: str, suggestion: str = "") -> None:
        """Files something that stands nowhere in the source."""
        self._file(fate, where, message, suggestion)

    def report(self, kind: Kind) -> Report:
        """The lists, each in the order of the file."""
        ordered = {
            fate: tuple(sorted(found, key=lambda p: (p.line, p.column)))
            for fate, found in self._lists.items()
        }
        return Report(kind, **ordered)

    @property
    def errors(self) -> int:
        """How much is wrong so far."""
        return len(self._lists["errors"])

    def document(self) -> Document:
        """What the source says in our words; each value stands where it came from."""
        return Document(self.body, self._keys, self._values)

    def came_from(self, target: Where) -> Where:
        """The way in the source to what stands at a way of our document, or around it."""
        while target and target not in self._came:
            target = target[:-1]
        return self._came.get(target, ())

    def promote(self, wrong: Mapping[Where, tuple[str, str]]) -> None:
        """Makes errors of what was mapped.

        Args:
            wrong: Message and suggestion by the way in the source to what cannot be used as it is.
        """
        kept: list[Problem] = []
        used: set[Where] = set()
        for mapped in self._lists["mapped"]:
            ways = (mapped.where[:i] for i in range(len(mapped.where), -1, -1))
            way = next((way for way in ways if way in wrong), None)
            if way is None:
                kept.append(mapped)
            else:
                used.add(way)
                self._file("errors", mapped.where, *wrong[way])
        self._lists["mapped"] = kept
        for way in wrong.keys() - used:
            # Where there is nothing but what is ignored, the error speaks for all of it.
            ignored = self._lists["ignored"]
            self._lists["ignored"] = [p for p in ignored if p.where[: len(way)] != way]
            self._file("errors", way, *wrong[way])

    def _file(
        self, fate: Fate, where: Where, message: str, suggestion: str, meant: str | None = None
    ) -> None:
        line, column, *end = self._source.span(where)
        self._lists[fate].append(
            Problem(
                message,
                where,
                line,
                column,
                suggestion,
                meant,
                severity="error" if fate in {"errors", "refused"} else "warning",
                end=(end[0], end[1]),
            )
        )

    def _targets(self, target: str, agent: Where) -> list[Where]:
        if not target:
            return []
        parts = tuple(target.lstrip("@*").split("."))
        if target[0] == "@":
            return [(*agent, *parts)]
        if target[0] == "*":
            return [(*one, *parts) for one in self._types]
        return [parts]

    def _has(self, target: Where, agent: Where) -> bool:
        """Whether our schema has such a key; of a backend without a model it has every key."""
        model: Any = Configuration
        for i, part in enumerate(target):
            if isinstance(part, int):
                continue
            keys = _keys(model) if model is not None else {}
            if part not in keys:
                return False
            if part == "backend":
                kind = self._types.get(target[:i], self._types.get(agent, ""))
                if kind not in BACKENDS:
                    return True
                model = BACKENDS[kind]
                continue
            model = keys[part]
        return True

    def _added(self, target: Where, new: list[str], old: list[str] | None) -> list[str]:
        """A list with more in it, nothing twice."""
        listed = [] if old is None else old
        there = self._listed.setdefault(target, set())
        for item in new:
            if item not in there or old is None:
                there.add(item)
                listed.append(item)
        return listed

    def _put(self, target: Where, value: object, source: Where) -> None:
        if isinstance(value, dict):
            for key, below in cast("dict[str, object]", value).items():
                self._put((*target, key), below, source)
            return
        holder: Any = self.body
        for part, then in pairwise(target):
            empty: Any = [] if isinstance(then, int) else {}
            if isinstance(part, int):
                holder.extend({} for _ in range(part + 1 - len(holder)))
                holder = holder[part]
            else:
                holder = holder.setdefault(part, empty)
        last = target[-1]
        old = holder.get(last)
        if (texts := _texts(value)) is not None:
            value = self._added(target, texts, old)
        elif target[-2:] == ("permissions", "mode") and old is not None:
            value = max(old, str(value), key=_STRICTER.index)
        elif last == "system_message" and isinstance(old, str):
            value = f"{old.rstrip()}\n\n{value}"
        elif old is not None:
            value = old
        holder[last] = value
        self._came.setdefault(target, source)
        for i in range(len(target) + 1):
            way = target[:i]
            at = source if i == len(target) or way not in self._source.values else way
            if way not in self._values:
                self._values[way] = self._source.values.get(at) or self._source.span(at)
                if at in self._source.keys:
                    self._keys[way] = self._source.keys[at]


@cache
def _keys(model: type[BaseModel]) -> dict[str, Any]:
    """The keys of a model, each with the model of its value."""
    return {name: _model_in(info.annotation) for name, info in model.model_fields.items()}


def _texts(value: object) -> list[str] | None:
    """The value, when it is a list of texts."""
    if not isinstance(value, list):
        return None
    items = cast("list[object]", value)
    return cast("list[str]", items) if all(isinstance(item, str) for item in items) else None


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for m in map(_model_in, get_args(annotation)) if m), None)
