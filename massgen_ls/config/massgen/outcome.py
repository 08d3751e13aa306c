"""What a mapping makes: a document of ours, value by value, and the lists of the report."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast, get_args

from pydantic import BaseModel

from massgen_ls.config.backends import BACKENDS
from massgen_ls.config.document import Document, Span, Where
from massgen_ls.config.massgen.report import Fate, Kind, Report
from massgen_ls.config.massgen.rules import Entry
from massgen_ls.config.problems import Problem, shown_path
from massgen_ls.config.schema import Configuration

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
        self.body: dict[str, Any] = {}

    def add(self, entry: Entry, agent: Where, unless: str = "") -> None:
        """Files an entry, and sets its value.

        Args:
            entry: What was found.
            agent: The agent it stands at, when it does.
            unless: Why it is ignored if our schema has no such key.
        """
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
    def has_errors(self) -> bool:
        """Whether anything is wrong so far."""
        return bool(self._lists["errors"])

    def document(self) -> Document:
        """What the source says in our words; each value stands where it came from."""
        return Document(self.body, self._keys, self._values)

    def came_from(self, target: Where) -> Where:
        """The way in the source to what stands at a way of our document, or around it."""
        while target and target not in self._came:
            target = target[:-1]
        return self._came.get(target, ())

    def promote(self, where: Where, message: str, suggestion: str = "") -> None:
        """Makes an error of what was mapped: it cannot be used as it is."""
        mapped = self._lists["mapped"]
        hit = [p for p in mapped if p.where[: len(where)] == where] if where else []
        self._lists["mapped"] = [p for p in mapped if p not in hit]
        for leaf in hit or [None]:
            self._file("errors", leaf.where if leaf else where, message, suggestion)

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
            if model is None or part not in model.model_fields:
                return False
            if part == "backend":
                kind = self._types.get(target[:i], self._types.get(agent, ""))
                if kind not in BACKENDS:
                    return True
                model = BACKENDS[kind]
                continue
            model = _model_in(model.model_fields[part].annotation)
        return True

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
        if isinstance(value, list):
            new = cast("list[object]", value)
            value = [*(old or ()), *(item for item in new if old is None or item not in old)]
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


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for m in map(_model_in, get_args(annotation)) if m), None)
