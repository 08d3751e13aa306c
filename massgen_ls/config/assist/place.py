"""A text and a cursor → its rough shape and what the cursor stands in, in every language."""

from __future__ import annotations

import re
from pathlib import PurePath

from massgen_ls.config.assist.shape import Flow, Node, Shape, Spot, lines_of, unquoted
from massgen_ls.config.document import language

_HEADER = re.compile(r"^[ \t]*(\[\[?)([^\]]*)(\]?\]?)")
_SETTING = re.compile(r"""^[ \t]*((?:[\w-]+|"[^"]*"|'[^']*')(?:[ \t]*\.[ \t]*[\w-]*)*)""")
_LONG = ('"""', "'''")


def place(text: str, cursor: int, file: PurePath) -> Shape:
    """Finds out where the cursor is. Never raises.

    Args:
        text: The whole, right or not.
        cursor: An offset in it.
        file: Its name, for the language; of a ``pyproject.toml`` only our table counts.
    """
    match language(file.name):
        case "json":
            shape = Shape()
            flow = Flow(text, cursor, "json")
            flow.read(0, len(text), shape.root)
            flow.finish(shape)
            return shape
        case "toml":
            shape = _toml(text, cursor)
            if file.name == "pyproject.toml":
                return _ours(shape)
            return shape
        case _:
            from massgen_ls.config.assist.block import read

            return read(text, cursor)


def _ours(shape: Shape) -> Shape:
    node: Node | None = shape.root
    for part in ("tool", "massgen"):
        node = next((n for n in node.below if n.part == part), None) if node else None
    if node is None:
        return Shape()
    inside = [spot for spot in shape.spots if spot.node.where[:2] == ("tool", "massgen")]
    node.part = None
    return Shape(node, inside)


def _toml(text: str, cursor: int) -> Shape:
    shape = Shape()
    table = shape.root
    behind, closing = 0, ""
    for at, line in lines_of(text):
        if at < behind:
            continue
        here = at <= cursor <= at + len(line)
        if closing:
            closing = "" if closing in line else closing
            continue
        header = _HEADER.match(line)
        if header is not None:
            table = _header(shape, header, at, cursor if here else -1)
            continue
        setting = _SETTING.match(line)
        if setting is None:
            if here and not line.strip():
                shape.spots = [Spot(table, "key", cursor, cursor, "", "toml")]
            continue
        start, end = at + setting.start(1), at + setting.end(1)
        equals = re.compile(r"[ \t]*=").match(line, setting.end())
        around = table
        parts = [unquoted(each.strip()) for each in setting[1].split(".")]
        for part in parts[:-1]:
            around = _child(around, part)
        node = around.add(parts[-1])
        if here and start <= cursor <= end:
            dot = text.rfind(".", start, cursor) + 1
            first = max(start, dot)
            shape.spots = [
                Spot(around, "key", first, end, text[first:cursor], "toml", node,
                     alone=equals is None)
            ]  # fmt: skip
        if equals is None:
            around.below.remove(node)
            continue
        value = line[equals.end() :].lstrip()
        if value[:3] in _LONG and value.count(value[:3]) == 1:
            closing = value[:3]
            continue
        flow = Flow(text, cursor, "toml")
        first = at + equals.end()
        limit = _limit(text, first) if value[:1] in {"[", "{"} else at + len(line)
        stop = flow.read(first, limit, node)
        if flow.spot is not None:
            flow.finish(shape)
        elif here and cursor >= first and not value:
            shape.spots = [Spot(node, "value", cursor, cursor, "", "toml")]
        following = text.find("\n", stop)
        behind = len(text) + 1 if following < 0 else following + 1
    return shape


def _limit(text: str, start: int) -> int:
    """A value of several lines ends at the latest where a table begins."""
    found = re.compile(r"^\[\[?[\w.\"'-]+\]", re.MULTILINE).search(text, start + 1)
    return found.start() if found else len(text)


def _child(node: Node, part: str) -> Node:
    found = next((n for n in node.below if n.part == part), None) or node.add(part)
    return found.below[-1] if found.lists and found.below else found


def _header(shape: Shape, match: re.Match[str], at: int, cursor: int) -> Node:
    many = match[1] == "[["
    parts = [unquoted(each.strip()) for each in match[2].split(".")]
    start = at + match.start(2)
    node = shape.root
    if start <= cursor <= at + match.end(2):
        typed = match[2][: cursor - start]
        *before, word = typed.split(".")
        around = node
        for part in before:
            around = _child(around, unquoted(part.strip()))
        first = cursor - len(word)
        shape.spots = [Spot(around, "key", first, cursor, word, "header", alone=False)]
    for part in parts[:-1]:
        node = _child(node, part)
    if not many:
        return _child(node, parts[-1])
    listed = next((n for n in node.below if n.part == parts[-1]), None) or node.add(parts[-1])
    return listed.add()
