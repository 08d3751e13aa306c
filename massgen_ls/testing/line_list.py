"""Positions in their JSON form, and edits as Neovim performs them: on a list of lines."""

from __future__ import annotations

from massgen_ls.core.text import Encoding, LineIndex, Position, Range
from massgen_ls.testing.profiles import Object


def edited_lines(text: str, edits: list[Object], encoding: Encoding) -> str:
    """What Neovim's buffer shows after edits: it has no line behind the last line end."""
    ended = text.endswith("\n")
    lines = text.removesuffix("\n").split("\n")
    reached_behind = False
    for _, edit in sorted(enumerate(edits), key=_last_first):
        start, end = position(edit["range"]["start"]), position(edit["range"]["end"])
        new: list[str] = edit["newText"].replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if start.line >= len(lines):
            lines += new
            continue
        if end.line >= len(lines):
            reached_behind = True
            end = Position(len(lines) - 1, 1 << 30)
        head = lines[start.line]
        tail = lines[end.line]
        new[0] = head[: _column(head, start, encoding)] + new[0]
        new[-1] += tail[_column(tail, end, encoding) :]
        lines[start.line : end.line + 1] = new
    if reached_behind and ended and lines[-1] == "" and len(lines) > 1:
        lines.pop()
    return "\n".join(lines) + "\n" * ended


def _last_first(numbered: tuple[int, Object]) -> tuple[int, int, int]:
    number, edit = numbered
    start = position(edit["range"]["start"])
    return -start.line, -start.character, -number


def _column(line: str, at: Position, encoding: Encoding) -> int:
    return LineIndex(line).offset_at(Position(0, at.character), encoding)


def position(node: Object) -> Position:
    """A position out of its JSON form."""
    return Position(node["line"], node["character"])


def range_json(span: Range) -> Object:
    """A range in its JSON form."""
    return {
        name: {"line": at.line, "character": at.character}
        for name, at in (("start", span.start), ("end", span.end))
    }
