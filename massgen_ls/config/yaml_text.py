"""YAML → a `Document`. From the parser's events, so that half a file is still read up to its error.

With libyaml where PyYAML has it: twenty times as fast.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

from massgen_ls.config.document import MAX_DEPTH, MAX_NODES, TOO_DEEP, TOO_LARGE, Document, Span
from massgen_ls.config.problems import Problem, Where

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STR = "tag:yaml.org,2002:str"
_ODD_BREAKS = re.compile("[\x85\u2028\u2029]")
"""Line ends for YAML and for no editor."""
_IMPLICIT: dict[str, list[tuple[str, re.Pattern[str]]]] = yaml.SafeLoader.yaml_implicit_resolvers  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue, reportAssignmentType] # the stub does not say


def read(text: str) -> Document:
    """Reads as far as the text goes. Never raises."""
    builder = _Builder(text)
    try:
        for event in _events(text):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        builder.fail(f"not YAML: {error.problem or error.context}", mark)
    except yaml.reader.ReaderError as error:
        # libyaml counts bytes of UTF-8 here, the other one characters.
        position = int(cast("Any", error).position)
        if _LOADER is not yaml.SafeLoader:
            position = len(text.encode("utf-8", "replace")[:position].decode("utf-8", "ignore"))
        line, column = _line_of(text, position)
        builder.problems.append(
            Problem("not YAML: a character that may not stand in a file", (), line, column)
        )
    except UnicodeEncodeError as error:
        line, column = _line_of(text, error.start)
        builder.problems.append(Problem("not YAML: half a character", (), line, column))
    except yaml.YAMLError as error:
        builder.problems.append(Problem(f"not YAML: {str(error).strip()}"))
    except _Refused:
        pass  # what it is stands in the problems
    return builder.document()


class _Refused(Exception):
    """Nothing more is read."""


def _events(text: str) -> Iterator[Any]:
    return cast("Iterator[Any]", yaml.parse(text, Loader=_LOADER))  # pyright: ignore[reportUnknownMemberType] # the stub does not say


def _line_of(text: str, position: int) -> tuple[int, int]:
    before = text[:position]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


@dataclass(slots=True)
class _Level:
    """A mapping or a list that is being read."""

    where: Where
    into: Any
    maps: bool
    """It is a mapping."""
    start: Any
    """The event that began it."""
    end: Any
    """The mark where the last thing in it ends."""
    key: str | None = None
    """Of a mapping: the key whose value comes next."""
    merging: bool = False
    """The value that comes next is that of ``<<``."""
    merged: list[Any] = field(default_factory=list[Any])
    skips: bool = False
    """The value that comes next belongs to a key that cannot be one."""


class _Spans(Mapping[Where, Span]):
    """Marks of the parser, made into spans when somebody asks: mostly nobody does."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._odd = bool(_ODD_BREAKS.search(text))
        self.marks: dict[Where, tuple[Any, Any]] = {}

    def __getitem__(self, where: Where) -> Span:
        start, end = self.marks[where]
        return Span(*self.at(start), *self.at(end))

    def __contains__(self, where: object) -> bool:
        return where in self.marks

    def __iter__(self) -> Iterator[Where]:
        return iter(self.marks)

    def __len__(self) -> int:
        return len(self.marks)

    def at(self, mark: Any) -> tuple[int, int]:
        """Line and column of a mark, as editors count."""
        if self._odd:
            return _line_of(self._text, mark.index)
        return mark.line + 1, mark.column + 1


class _Builder:
    def __init__(self, text: str) -> None:
        self.body: Any = {}
        self.keys = _Spans(text)
        self.values = _Spans(text)
        self.problems: list[Problem] = []
        self._text = text
        self._levels: list[_Level] = []
        self._anchors: dict[str, tuple[Where, Any]] = {}
        self._count = 0
        self._roots = 0
        self._scalars = yaml.constructor.SafeConstructor()

    def document(self) -> Document:
        return Document(self.body, self.keys, self.values, tuple(self.problems))

    def take(self, event: Any) -> None:
        """One event of the parser."""
        kind: Any = cast("Any", type(event))
        if kind is yaml.ScalarEvent:
            level = self._levels[-1] if self._levels else None
            if level is not None and level.key is None and level.maps:
                self._key(level, event)
                return
            where = self._where()
            value = self._scalar(event)
            self._place(where, event)
            if event.anchor:
                self._anchors[event.anchor] = (where, value)
            if level is not None and level.maps and not level.merging and not level.skips:
                level.into[level.key] = value  # nearly all of them
                level.key = None
            else:
                self._put(value)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            self._open(event, {} if kind is yaml.MappingStartEvent else [])
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._close(event)
        elif kind is yaml.AliasEvent:
            self._alias(event)
        elif kind is yaml.DocumentStartEvent:
            self._roots += 1
            if self._roots > 1:
                self.fail("a second document begins here; a configuration is one", event.start_mark)
                raise _Refused

    def fail(self, what: str, mark: Any, where: Where = ()) -> None:
        """Notes what is wrong, at a mark of the parser."""
        # libyaml has the end of a text where nobody sees it.
        line, column = self.keys.at(mark) if mark is not None else (1, 1)
        line, column = min((line, column), _line_of(self._text, len(self._text.rstrip())))
        self.problems.append(Problem(what, where, line, column))

    # ── containers ──────────────────────────────────────────────────────────────────────────

    def _open(self, event: Any, into: Any) -> None:
        level = self._levels[-1] if self._levels else None
        if level is not None and level.maps and level.key is None:
            self.fail("a key has to be a word", event.start_mark, level.where)
            raise _Refused
        where = self._where()
        if len(self._levels) >= MAX_DEPTH:
            self.fail(TOO_DEEP, event.start_mark)
            raise _Refused
        self._counted(1, event)
        # It is put in before it is filled: half a file is read as far as it goes.
        self._put(into, done=False)
        self.values.marks[where] = (event.start_mark, event.start_mark)
        if event.tag not in (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            self.fail(f"cannot be understood: the tag {event.tag!r}", event.start_mark, where)
        self._levels.append(_Level(where, into, type(into) is dict, event, event.start_mark))

    def _close(self, event: Any) -> None:
        level = self._levels.pop()
        if level.merged:
            self._merge(level)
        # The end of a block is told where the next thing begins, which is lines further down.
        end = event.end_mark if level.start.flow_style else level.end
        self.values.marks[level.where] = (level.start.start_mark, end)
        if level.start.anchor:
            self._anchors[level.start.anchor] = (level.where, level.into)
        if self._levels:
            self._levels[-1].end = end
            self._settle(self._levels[-1])

    def _where(self) -> Where:
        if not self._levels:
            return ()
        level = self._levels[-1]
        if level.maps:
            return (*level.where, "<<" if level.merging else cast("str", level.key))
        return (*level.where, len(level.into))

    def _put(self, value: Any, *, done: bool = True) -> None:
        """Puts a value where the next one belongs; ``done``: it is whole."""
        if not self._levels:
            self.body = value
            return
        level = self._levels[-1]
        if not level.maps:
            level.into.append(value)
        elif level.merging:
            level.merged.append(value)
        elif not level.skips:
            level.into[level.key] = value
        if done:
            self._settle(level)

    @staticmethod
    def _settle(level: _Level) -> None:
        """The value that was expected is there."""
        if level.maps:
            level.key, level.merging, level.skips = None, False, False

    def _key(self, level: _Level, event: Any) -> None:
        key: Any = self._scalar(event)
        if event.value == "<<" and event.implicit[0]:
            level.key, level.merging = "<<", True
            return
        if not isinstance(key, str):
            self.fail(f"the key {key!r} is not a word", event.start_mark, level.where)
            level.key, level.skips = "", True
            return
        where = (*level.where, key)
        level.key = key
        if key in level.into:
            first = self.keys[where].line
            self.fail(
                f"the key {key!r} is there twice (first in line {first})",
                event.start_mark,
                level.where,
            )
            level.skips = True
            return
        self.keys.marks[where] = (event.start_mark, event.end_mark)

    # ── aliases ─────────────────────────────────────────────────────────────────────────────

    def _alias(self, event: Any) -> None:
        known = self._anchors.get(event.anchor)
        if known is None:
            self.fail(f"not YAML: found undefined alias {event.anchor!r}", event.start_mark)
            raise _Refused
        source, value = known
        where = self._where()
        self._place(where, event)
        self._put(self._copy(value, source, where, event))

    def _copy(self, value: Any, source: Where, where: Where, event: Any) -> Any:
        """A value once more, in another place; what is in it stands where it was written."""
        self._counted(1, event)
        if isinstance(value, dict):
            copied: dict[str, Any] = {}
            for key, each in cast("dict[str, Any]", value).items():
                copied[key] = self._inner(each, (*source, key), (*where, key), event)
            return copied
        if isinstance(value, list):
            listed = cast("list[Any]", value)
            return [
                self._inner(each, (*source, i), (*where, i), event) for i, each in enumerate(listed)
            ]
        return value

    def _inner(self, value: Any, source: Where, where: Where, event: Any) -> Any:
        for spans in (self.keys, self.values):
            if source in spans.marks:
                spans.marks[where] = spans.marks[source]
        return self._copy(value, source, where, event)

    def _merge(self, level: _Level) -> None:
        """What ``<<`` brings, below what the mapping says itself."""
        for whole in level.merged:
            parts = cast("list[Any]", whole) if isinstance(whole, list) else [whole]
            for index, part in enumerate(parts):
                if not isinstance(part, dict):
                    self.fail("`<<` takes a mapping, or a list of mappings", level.start.start_mark)
                    continue
                source: Where = (*level.where, "<<")
                if isinstance(whole, list):
                    source = (*source, index)
                for key, value in cast("dict[str, Any]", part).items():
                    if key not in level.into:
                        at = (*level.where, key)
                        level.into[key] = self._inner(value, (*source, key), at, None)

    # ── scalars and places ──────────────────────────────────────────────────────────────────

    def _scalar(self, event: Any) -> Any:
        self._counted(1, event)
        text: str = event.value
        tag: str | None = event.tag
        if tag is None:
            if not event.implicit[0]:
                return text  # quoted
            tag = _STR
            for name, pattern in _IMPLICIT.get(text[:1], ()):
                if pattern.match(text):
                    tag = name
                    break
        if tag in {_STR, "!", "tag:yaml.org,2002:merge", "tag:yaml.org,2002:value"}:
            return text
        node = yaml.ScalarNode(tag, text, event.start_mark, event.end_mark)
        try:
            return self._scalars.construct_object(node)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] # the stub does not say
        except (yaml.YAMLError, ValueError) as error:
            said = getattr(error, "problem", None) or str(error).split("\n")[0]
            self.fail(f"cannot be understood: {said}", event.start_mark)
            return text

    def _counted(self, more: int, event: Any) -> None:
        self._count += more
        if self._count > MAX_NODES:
            self.fail(TOO_LARGE, event.start_mark if event is not None else None)
            raise _Refused

    def _place(self, where: Where, event: Any) -> None:
        self.values.marks[where] = (event.start_mark, event.end_mark)
        if self._levels:
            self._levels[-1].end = event.end_mark
