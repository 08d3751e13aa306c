"""The block style of YAML, by indentation: reads what a parser refuses while it is typed."""

from __future__ import annotations

import re

from massgen_ls.config.assist.shape import Flow, Node, Shape, Spot, lines_of, unquoted

_KEY = re.compile(
    r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s\[\]{},#&*!|>%@`"'](?:(?![ \t]\#).)*?)
    [ \t]*:(?=[ \t]|$)""",
    re.VERBOSE,
)
_MARK = re.compile(r"(?:[&!][^\s]*[ \t]+)+")
_COMMENT = re.compile(r"(?:^|[ \t])#.*$")


def read(text: str, cursor: int) -> Shape:
    """The shape of a text; never raises.

    Args:
        text: The whole.
        cursor: An offset in it.
    """
    return _Block(text, cursor).read()


class _Block:
    def __init__(self, text: str, cursor: int) -> None:
        self._text = text
        self._cursor = cursor
        self._shape = Shape()
        self._levels: list[tuple[int, Node]] = []
        """Containers that go on, each with the column of what is in it."""
        self._deep = -1
        """Lines that are indented deeper than this belong to a block scalar."""

    def read(self) -> Shape:
        behind = 0
        for at, line in lines_of(self._text):
            if at < behind:
                continue
            body = line.lstrip(" ")
            column = len(line) - len(body)
            here = at <= self._cursor <= at + len(line)
            if self._deep >= 0:
                if not body or column > self._deep:
                    if here and body:
                        return self._shape  # inside of a text nothing is known
                    continue
                self._deep = -1
            if not body.strip() or body.startswith("#") or line in {"---", "..."}:
                if here and not body.startswith("#"):
                    self._empty(self._cursor - at)
                continue
            if here and self._cursor - at < column:
                here = False
            behind = self._line(at, line, column, here=here)
        return self._shape

    def _line(self, at: int, line: str, column: int, *, here: bool) -> int:
        """Reads a line; returns where the next one to be read begins."""
        while line[column : column + 1] == "-" and line[column + 1 : column + 2] in {" ", ""}:
            self._item(column)
            after = len(line) - len(line[column + 1 :].lstrip(" "))
            if here and self._cursor - at <= column:
                return 0
            if after >= len(line):
                if here:
                    self._inside(
                        self._levels[-1][1].below[-1],
                        self._cursor,
                        "" if self._cursor - at > column + 1 else " ",
                    )
                return 0
            column = after
        mark = _MARK.match(line, column)
        content = mark.end() if mark else column
        if line[content : content + 1] in {"{", "["}:
            target = self._pending(column)
            return self._flow(at + content, column - 1, target)
        match = _KEY.match(line, column)
        if match is None:
            self._word(at, line, column, here=here)
            return 0
        around = self._mapping(column)
        node = around.add(unquoted(match[1]))
        start, end = at + column, at + match.end(1)
        if here and start <= self._cursor <= end:
            typed = self._text[start : self._cursor]
            quoted = line[column] if line[column] in "\"'" else ""
            self._shape.spots = [
                Spot(around, "key", start, end, typed, "block", node, quoted=quoted, alone=False)
            ]
        return self._value(at, line, match.end(), column, node, here=here)

    def _value(self, at: int, line: str, colon: int, column: int, node: Node, *, here: bool) -> int:
        rest = line[colon:]
        content = colon + len(rest) - len(rest.lstrip(" \t"))
        mark = _MARK.match(line, content)
        content = mark.end() if mark else content
        if line[content : content + 1] in {"|", ">"}:
            self._deep = column
            return 0
        if line[content : content + 1] in {"{", "["}:
            return self._flow(at + content, column, node)
        comment = _COMMENT.search(line, content - 1 if content > colon else content)
        stop = comment.start() if comment else len(line)
        value = line[content:stop].rstrip()
        node.text = unquoted(value) if value else None
        cursor = self._cursor - at
        if here and colon <= cursor <= max(stop, colon):
            lead = "" if cursor > colon else " "
            start = at + min(content, cursor)
            end = max(at + content + len(value), self._cursor)
            typed = self._text[start : self._cursor]
            quoted = value[:1] if value[:1] in {'"', "'"} else ""
            if not lead or not value:
                self._shape.spots = [
                    Spot(node, "value", start, end, typed, "block", lead=lead, quoted=quoted)
                ]
        return 0

    def _flow(self, start: int, column: int, node: Node) -> int:
        """A flow collection ends with its bracket, or before a line that cannot be in it."""
        limit = len(self._text)
        for at, line in lines_of(self._text[start:]):
            body = line.lstrip(" ")
            if at and body and len(line) - len(body) <= column and body[0] not in "]}":
                limit = start + at
                break
        flow = Flow(self._text, self._cursor, "flow")
        end = flow.read(start, limit, node)
        flow.finish(self._shape)
        line_end = self._text.find("\n", end)
        return len(self._text) + 1 if line_end < 0 else line_end + 1

    # ── columns ─────────────────────────────────────────────────────────────────────────────

    def _pending(self, column: int) -> Node:
        """The value that begins at a column, below a key or in an item."""
        self._end(column)
        if self._levels and self._levels[-1][0] < column and self._levels[-1][1].below:
            return self._levels[-1][1].below[-1]
        return self._shape.root

    def _end(self, column: int) -> None:
        while self._levels and self._levels[-1][0] > column:
            self._levels.pop()

    def _item(self, column: int) -> Node:
        self._end(column)
        if self._levels and self._levels[-1][0] == column and self._levels[-1][1].lists:
            return self._levels[-1][1].add()
        around = self._levels[-1][1] if self._levels else None
        parent = around.below[-1] if around is not None and around.below else self._shape.root
        self._levels.append((column, parent))
        return parent.add()

    def _mapping(self, column: int) -> Node:
        self._end(column)
        while self._levels and self._levels[-1][0] == column and self._levels[-1][1].lists:
            self._levels.pop()
        if self._levels and self._levels[-1][0] == column:
            return self._levels[-1][1]
        around = self._levels[-1][1] if self._levels else None
        parent = around.below[-1] if around is not None and around.below else self._shape.root
        self._levels.append((column, parent))
        return parent

    # ── the cursor ──────────────────────────────────────────────────────────────────────────

    def _inside(self, node: Node, start: int, lead: str = "", end: int = -1) -> None:
        """A value that is not there yet: its first key, or a scalar."""
        end = max(start, end)
        typed = self._text[start : self._cursor]
        self._shape.spots = [
            Spot(node, "key", start, end, typed, "block", lead=lead),
            Spot(node, "value", start, end, typed, "block", lead=lead),
        ]

    def _at(self, column: int, start: int, end: int) -> None:
        """Something begins at a column."""
        levels = [level for level in self._levels if level[0] <= column]
        if not levels:
            self._inside(self._shape.root, start, end=end)
            return
        known, around = levels[-1]
        typed = self._text[start : self._cursor]
        if known == column:
            if around.lists:
                item = Node(len(around.below), around)
                self._shape.spots = [
                    Spot(item, "key", start, end, typed, "block", lead="- "),
                    Spot(item, "value", start, end, typed, "block", lead="- "),
                ]
            else:
                self._shape.spots = [Spot(around, "key", start, end, typed, "block")]
        elif around.below and not around.below[-1].below and around.below[-1].text is None:
            self._inside(around.below[-1], start, end=end)

    def _empty(self, column: int) -> None:
        self._at(column, self._cursor, self._cursor)

    def _word(self, at: int, line: str, column: int, *, here: bool) -> None:
        """A line without a colon: a scalar, or a key that is being typed."""
        comment = _COMMENT.search(line, column)
        stop = comment.start() if comment else len(line)
        word = line[column:stop].rstrip()
        if here and self._cursor - at <= stop:
            self._at(column, at + column, max(at + column + len(word), self._cursor))
        self._end(column)
        if self._levels and self._levels[-1][0] < column and self._levels[-1][1].below:
            node = self._levels[-1][1].below[-1]
            if not node.below and node.text is None:
                node.text = unquoted(word)
