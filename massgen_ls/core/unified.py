"""The unified text of a diff, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from massgen_ls.core.diff import Differ, Hunk, line_hunks
from massgen_ls.core.text import split_lines


def unified(path: str, old: str, new: str, differ: Differ, context: int = 3) -> str:
    """A unified diff for people; empty when the texts are equal.

    It is for reading: a path with line ends in it, say, is written as it is.
    """
    old_lines, new_lines = split_lines(old), split_lines(new)
    hunks = line_hunks(old_lines, new_lines, differ)
    if not hunks:
        return ""
    out = [f"--- a/{path}\n", f"+++ b/{path}\n"]
    for group in _grouped(hunks, context):
        out += _rendered(group, old_lines, new_lines, context)
    return "".join(out)


def _grouped(hunks: Sequence[Hunk], context: int) -> Iterator[Sequence[Hunk]]:
    group = [hunks[0]]
    for hunk in hunks[1:]:
        if hunk.old_start - group[-1].old_end > 2 * context:
            yield group
            group = []
        group.append(hunk)
    yield group


def _rendered(
    group: Sequence[Hunk], old: Sequence[str], new: Sequence[str], context: int
) -> Iterator[str]:
    first, last = group[0], group[-1]
    before = min(context, first.old_start)
    after = min(context, len(old) - last.old_end)
    spans = (
        _span(first.old_start - before, last.old_end + after),
        _span(first.new_start - before, last.new_end + after),
    )
    yield f"@@ -{spans[0]} +{spans[1]} @@\n"
    at = first.old_start - before
    for hunk in group:
        yield from _marked(" ", old[at : hunk.old_start])
        yield from _marked("-", old[hunk.old_start : hunk.old_end])
        yield from _marked("+", new[hunk.new_start : hunk.new_end])
        at = hunk.old_end
    yield from _marked(" ", old[at : at + after])


def _span(start: int, end: int) -> str:
    length = end - start
    first = start + 1 if length else start
    return f"{first}" if length == 1 else f"{first},{length}"


def _marked(mark: str, lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if line.endswith("\n"):
            yield mark + line
        elif line.endswith("\r"):
            yield f"{mark}{line}\n"
        else:
            yield f"{mark}{line}\n\\ No newline at end of file\n"
