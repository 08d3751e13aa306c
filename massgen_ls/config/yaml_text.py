"""YAML → a `Document`. From the parser's events, so that half a file is still read up to its error.

With libyaml where PyYAML has it: twenty times as fast. What is kept of a place is two numbers: the
parser's own marks would be most of what the garbage collector has to look at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

from massgen_ls.config.document import MAX_DEPTH, MAX_NODES, TOO_DEEP, TOO_LARGE, Document
from massgen_ls.config.lines import Lines, Spans
from massgen_ls.config.problems import Problem, Where

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STR = "tag:yaml.org,2002:str"
_TEXTS = frozenset({_STR, "tag:yaml.org,2002:merge", "tag:yaml.org,2002:value"})
_IMPLICIT: dict[str, list[tuple[str, re.Pattern[str]]]] = yaml.SafeLoader.yaml_implicit_resolvers  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue, reportAssignmentType] # the stub does not say


def read(text: str, loader: Any = LOADER) -> Document:
    """Reads as far as the text goes. Never raises.

    Args:
        text: The whole.
        loader: Which of PyYAML's parsers reads it.
    """
    builder = _Builder(text)
    try:
        builder.take(_events(text, loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        builder.fail(f"not YAML: {error.problem or error.context}", mark and mark.index)
    except yaml.reader.ReaderError as error:
        # libyaml counts bytes of UTF-8 here, the other one characters.
        position = int(cast("Any", error).position)
        if loader is not yaml.SafeLoader:
            position = len(text.encode("utf-8", "replace")[:position].decode("utf-8", "ignore"))
        builder.fail("not YAML: a character that may not stand in a file", position)
    except UnicodeEncodeError as error:
        builder.fail("not YAML: half a character", error.start)
    except yaml.YAMLError as error:
        builder.fail(f"not YAML: {str(error).strip()}", 0)
    except _Refused:
        pass  # what it is stands in the problems
    return builder.document()


class _Refused(Exception):
    """Nothing more is read."""


def _events(text: str, loader: Any) -> Iterator[Any]:
    parser = loader(text)
    try:
        yield from iter(parser.get_event, None)
    finally:
        parser.dispose()


@dataclass(slots=True)
class _Level:
    """A mapping or a list that is being read. Places are offsets."""

    where: Where
    into: Any
    maps: bool
    """It is a mapping."""
    event: Any
    """What began it."""
    start: int
    end: int
    """Where the last thing in it ends."""
    key: str | None = None
    """Of a mapping: the key whose value comes next."""
    merging: bool = False
    """The value that comes next is that of ``<<``."""
    merged: list[Any] = field(default_factory=list[Any])
    skips: bool = False
    """The value that comes next belongs to a key that cannot be one."""


class _Builder:
    def __init__(self, text: str) -> None:
        self.body: Any = {}
        self.lines = Lines(text)
        self.keys = Spans(self.lines)
        self.values = Spans(self.lines)
        self.problems: list[Problem] = []
        self._text = text
        self._levels: list[_Level] = []
        self._anchors: dict[str, tuple[Where, Any]] = {}
        self._roots = 0
        self._words: set[str] = set()
        """Texts without quotes that are texts: keys come again and again."""
        self._scalars = yaml.constructor.SafeConstructor()

    def document(self) -> Document:
        return Document(self.body, self.keys, self.values, tuple(self.problems))

    def take(self, events: Iterator[Any]) -> None:
        """Everything that the parser says. Written for speed: most of it are words."""
        scalar, words = yaml.ScalarEvent, self._words
        keys, values, levels = self.keys.offsets, self.values.offsets, self._levels
        for event in events:
            kind: Any = cast("Any", type(event))
            if kind is not scalar:
                self._other(kind, event)
                continue
            text = event.value
            value = text if event.tag is None and text in words else self._scalar(event)
            span = (event.start_mark.index, event.end_mark.index)
            if not levels:
                values[()] = span
                self.body = value
                continue
            level = levels[-1]
            key = level.key
            if not level.maps:
                where = (*level.where, len(level.into))
                level.into.append(value)
            elif key is None:
                if value in words and value not in level.into:
                    level.key = value
                    keys[*level.where, value] = span
                else:
                    self._odd_key(level, value, event)
                continue
            else:
                where = (*level.where, key)
                if level.merging or level.skips:
                    self._put(value)
                else:
                    level.into[key] = value
                    level.key = None
            values[where] = span
            if len(values) > MAX_NODES:
                self._refuse(TOO_LARGE, event)
            level.end = span[1]
            if event.anchor:
                self._anchors[event.anchor] = (where, value)

    def _other(self, kind: Any, event: Any) -> None:
        if kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            self._open(event, {} if kind is yaml.MappingStartEvent else [])
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._close(event)
        elif kind is yaml.AliasEvent:
            self._alias(event)
        elif kind is yaml.DocumentStartEvent:
            self._roots += 1
            if self._roots > 1:
                self._refuse("a second document begins here; a configuration is one", event)

    def fail(self, what: str, offset: int | None, where: Where = ()) -> None:
        """Notes what is wrong, at a place in the text."""
        # libyaml has the end of a text where nobody sees it.
        offset = min(offset or 0, len(self._text.rstrip()))
        self.problems.append(Problem(what, where, *self.lines.at(offset)))

    def _refuse(self, what: str, event: Any, where: Where = ()) -> None:
        self.fail(what, event.start_mark.index, where)
        raise _Refused

    # ── containers ──────────────────────────────────────────────────────────────────────────

    def _open(self, event: Any, into: Any) -> None:
        level = self._levels[-1] if self._levels else None
        if level is not None and level.maps and level.key is None:
            self._refuse("a key has to be a word", event, level.where)
        where = self._where()
        if len(self._levels) >= MAX_DEPTH:
            self._refuse(TOO_DEEP, event)
        # It is put in before it is filled: half a file is read as far as it goes.
        self._put(into, done=False)
        start = event.start_mark.index
        self.values.offsets[where] = (start, start)
        if event.tag not in (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            self.fail(f"cannot be understood: the tag {event.tag!r}", start, where)
        self._levels.append(_Level(where, into, type(into) is dict, event, start, start))

    def _close(self, event: Any) -> None:
        level = self._levels.pop()
        if level.merged:
            self._merge(level)
        # The end of a block is told where the next thing begins, which is lines further down.
        end = event.end_mark.index if level.event.flow_style else level.end
        self.values.offsets[level.where] = (level.start, end)
        if level.event.anchor:
            self._anchors[level.event.anchor] = (level.where, level.into)
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

    def _odd_key(self, level: _Level, key: Any, event: Any) -> None:
        """A key in quotes, ``<<``, one that is no word, or one that is there already."""
        start = event.start_mark.index
        if not isinstance(key, str):
            self.fail(f"the key {key!r} is not a word", start, level.where)
            level.key, level.skips = "", True
        elif key == "<<" and event.implicit[0]:
            level.key, level.merging = "<<", True
        elif key in level.into:
            first = self.keys[*level.where, key].line
            what = f"the key {key!r} is there twice (first in line {first})"
            self.fail(what, start, level.where)
            level.key, level.skips = f"{key} again", True
        else:
            level.key = key
            self.keys.offsets[*level.where, key] = (start, event.end_mark.index)

    # ── aliases ─────────────────────────────────────────────────────────────────────────────

    def _alias(self, event: Any) -> None:
        known = self._anchors.get(event.anchor)
        if known is None:
            self._refuse(f"not YAML: found undefined alias {event.anchor!r}", event)
            return
        source, value = known
        where = self._where()
        end = event.end_mark.index
        self.values.offsets[where] = (event.start_mark.index, end)
        if self._levels:
            self._levels[-1].end = end
        self._put(self._copy(value, source, where, event))

    def _copy(self, value: Any, source: Where, where: Where, event: Any) -> Any:
        """A value once more, in another place; what is in it stands where it was written."""
        if len(self.values) > MAX_NODES:
            self._refuse(TOO_LARGE, event)
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
            if source in spans:
                spans.offsets[where] = spans.offsets[source]
        return self._copy(value, source, where, event)

    def _merge(self, level: _Level) -> None:
        """What ``<<`` brings, below what the mapping says itself."""
        for whole in level.merged:
            parts = cast("list[Any]", whole) if isinstance(whole, list) else [whole]
            for index, part in enumerate(parts):
                if not isinstance(part, dict):
                    self.fail("`<<` takes a mapping, or a list of mappings", level.start)
                    continue
                source: Where = (*level.where, "<<")
                if isinstance(whole, list):
                    source = (*source, index)
                for key, value in cast("dict[str, Any]", part).items():
                    if key not in level.into:
                        at = (*level.where, key)
                        level.into[key] = self._inner(value, (*source, key), at, level.event)

    # ── scalars ─────────────────────────────────────────────────────────────────────────────

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        tag: str | None = event.tag
        if tag is None or tag == "!":
            if not event.implicit[0]:
                return text
            candidates = _IMPLICIT.get(text[:1], ())
            tag = next((name for name, pattern in candidates if pattern.match(text)), _STR)
        if tag == _STR and event.tag is None:
            self._words.add(text)
        if tag in _TEXTS:
            return text
        node = yaml.ScalarNode(tag, text, event.start_mark, event.end_mark)
        try:
            return self._scalars.construct_object(node)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] # the stub does not say
        except (yaml.YAMLError, ValueError) as error:
            said = getattr(error, "problem", None) or str(error).split("\n")[0]
            self.fail(f"cannot be understood: {said}", event.start_mark.index)
            return text
