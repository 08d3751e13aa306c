"""The rough shape of a text that is being typed, for the parts that a parser cannot read yet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from massgen_ls.config.problems import Where

Role = Literal["key", "value"]
Style = Literal["block", "flow", "json", "toml", "header"]


@dataclass(slots=True)
class Node:
    """A value, and the key or index before it."""

    part: str | int | None = None
    above: Node | None = field(default=None, repr=False)
    text: str | None = None
    """Of a scalar, without quotes."""
    below: list[Node] = field(default_factory=list["Node"])
    lists: bool = False

    @property
    def where(self) -> Where:
        """The way to it."""
        parts: list[str | int] = []
        node: Node | None = self
        while node is not None and node.part is not None:
            parts.append(node.part)
            node = node.above
        return tuple(reversed(parts))

    def add(self, part: str | int | None = None) -> Node:
        """A value below; without a name the next one of a list."""
        if part is None:
            self.lists = True
            part = len(self.below)
        node = Node(part, self)
        self.below.append(node)
        return node

    def plain(self) -> Any:
        """Mappings, lists and texts."""
        if not self.below:
            return self.text
        if self.lists:
            return [node.plain() for node in self.below]
        return {str(node.part): node.plain() for node in self.below}


@dataclass(frozen=True, slots=True)
class Spot:
    """What the cursor stands in."""

    node: Node
    """Of a key: the mapping around it. Else the value."""
    role: Role
    start: int
    """What is typed in its place goes from here …"""
    end: int
    word: str
    """What stands there before the cursor, without quotes."""
    style: Style
    own: Node | None = None
    """The node whose key it is, where there is one already."""
    lead: str = ""
    """What has to be put before it."""
    quoted: str = ""
    """The quote that it begins with."""
    alone: bool = True
    """Nothing follows the key yet."""

    @property
    def there(self) -> frozenset[str]:
        """The keys around it."""
        own = self.own.part if self.own is not None else None
        return frozenset(str(n.part) for n in self.node.below if n.part != own)


@dataclass(slots=True)
class Shape:
    """A text and the spots of one place in it."""

    root: Node = field(default_factory=Node)
    spots: list[Spot] = field(default_factory=list[Spot])


_TOKEN = re.compile(
    r"""[ \t\r\n]+|"(?:[^"\\\r\n]|\\.)*"?|'[^'\r\n]*'?|[{}\[\],]|:(?=[\s,\[\]{}"']|\Z)|[=:]"""
    r"""|(?:[^\s,\[\]{}:="']|[:=](?=[^\s,\[\]{}"'])|[ \t]+(?=[^\s,\[\]{}:="'#]))+"""
)


class Flow:
    """Reads JSON, the flow style of YAML and the values of TOML.

    Args:
        text: The whole.
        cursor: An offset, or -1.
        style: Of the spots.
    """

    def __init__(self, text: str, cursor: int, style: Style) -> None:
        self._text = text
        self._cursor = cursor
        self._style: Style = style
        self._sep = "=" if style == "toml" else ":"
        self.spot: Spot | None = None

    def read(self, at: int, limit: int, node: Node) -> int:
        """Reads one value into a node; returns where it ends."""
        open_: list[tuple[Node, bool]] = []
        """Containers, and whether each is a mapping."""
        into: Node | None = node
        """What the next value belongs to; None: a key is wanted, or a comma."""
        key: Node | None = None
        """The key that wants its separator."""
        done = False
        """The last thing in the container is whole."""
        while at < limit:
            comment = self._comment(at, limit)
            if comment:
                if at < self._cursor <= comment:
                    self.spot = None
                    self._cursor = -1
                at = comment
                continue
            match = _TOKEN.match(self._text, at, limit)
            word = match[0] if match else self._text[at]
            end = at + len(word)
            if at <= self._cursor <= end:
                self._meet(at, end, word, open_, into, key, done=done)
            at = end
            if word.isspace():
                continue
            if word in "{[":
                target = into or (open_[-1][0].add() if open_ and not open_[-1][1] else None)
                target = target or Node()
                open_.append((target, word == "{"))
                target.lists = word == "["
                into, key, done = (None, None, False)
                continue
            if word in "}]":
                if open_:
                    open_.pop()
                into, key, done = None, None, True
                if not open_:
                    return at
                continue
            if word == ",":
                into, key, done = None, None, False
                if not open_:
                    return at
                continue
            if word == self._sep and key is not None:
                into, key = key, None
                continue
            value = unquoted(word)
            if into is not None:
                into.text, into, done = value, None, True
                if not open_:
                    return at
            elif open_ and open_[-1][1]:
                key = open_[-1][0].add(value)
            elif open_:
                open_[-1][0].add().text = value
                done = True
        return at

    def _comment(self, at: int, limit: int) -> int:
        if self._style == "json" or self._text[at] != "#":
            return 0
        if self._style == "flow" and at and not self._text[at - 1].isspace():
            return 0
        end = self._text.find("\n", at, limit)
        return limit if end < 0 else end

    def _meet(
        self,
        at: int,
        end: int,
        word: str,
        open_: list[tuple[Node, bool]],
        into: Node | None,
        key: Node | None,
        *,
        done: bool,
    ) -> None:
        """The cursor touches a token."""
        solid = not (word.isspace() or word in "{}[],:=")
        if not solid:
            # Between tokens, or at the edge of one: what is wanted next stands here.
            if self._cursor == end and not word.isspace():
                return  # the next token knows more
            if self.spot is not None or key is not None or (done and into is None):
                return
            at = end = self._cursor
            word = ""
        typed = self._text[at : self._cursor]
        quoted = word[:1] if word[:1] in {'"', "'"} else ""
        if into is not None:
            found = Spot(into, "value", at, end, typed, self._style, quoted=quoted)
        elif open_ and open_[-1][1]:
            around = open_[-1][0]
            follows = self._text[end : end + 40].lstrip(" \t")[:1] == self._sep
            # The key is added behind this: its name tells it from the others.
            own = Node(unquoted(word), around)
            found = Spot(
                around, "key", at, end, typed, self._style, own, quoted=quoted, alone=not follows
            )
        elif open_:
            item = Node(len(open_[-1][0].below), open_[-1][0])
            found = Spot(item, "value", at, end, typed, self._style, quoted=quoted)
        else:
            return
        self.spot = found

    def finish(self, shape: Shape) -> None:
        """Hands the spot over."""
        if self.spot is not None:
            shape.spots = [self.spot]


def unquoted(word: str) -> str:
    """A scalar without its quotes."""
    quote = word[:1]
    if quote in {'"', "'"}:
        return word[1:].removesuffix(quote) if len(word) > 1 else ""
    return word


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Each line with its offset, without its end; an empty last one, too."""
    at = 0
    for line in text.split("\n"):
        yield at, line.removesuffix("\r")
        at += len(line) + 1
