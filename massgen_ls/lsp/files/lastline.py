r"""Edits for an editor that ends the last line of a file by itself: pure.

Neovim's buffer is a list of lines, and a save ends each of them. To the server it shows the last
line end, yet it has no line behind it: text that an edit puts there, or that ends with a line end
in a new file, leaves an empty line too many. Such an edit is worded anew so that it stays before
the last line end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from massgen_ls.core.text import Edit, apply_edits

_LINE_END = re.compile(r"\r\n|\n|\r")


def before_last_end(text: str, edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """Edits with the same lines as their result, none of which touches the last line end.

    A text that has no last line end gets none, since a save adds it. Line ends become those of
    the text, as they do in such an editor. A text of mixed line ends is left as it is.

    Args:
        text: As the editor shows it.
        edits: Sorted, not overlapping; none starts or ends inside a line end.
    """
    end = _line_end(text)
    if end is None:
        return tuple(edits)
    kept = [Edit(e.start, e.end, _LINE_END.sub(end, e.new)) for e in edits]
    stop = len(text) - len(end) if text.endswith(end) else len(text)
    start = stop
    moved: list[Edit] = []
    while True:
        while kept and kept[-1].end >= start:
            moved.insert(0, kept.pop())
            start = min(start, moved[0].start)
        if not moved:
            return tuple(kept)
        rest = apply_edits(
            text[start:], [Edit(e.start - start, e.end - start, e.new) for e in moved]
        )
        if rest or start == 0:
            break
        # All of the end is deleted: the line end before it becomes the last one.
        start -= len(end) if text.endswith(end, 0, start) else 1
    last = Edit(start, stop, rest.removesuffix(end))
    if last.new != text[start:stop]:
        kept.append(last)
    return tuple(kept)


def _line_end(text: str) -> str | None:
    r"""``\n`` or ``\r\n``, whichever all lines end with; None for anything else."""
    if "\r" not in text:
        return "\n"
    pairs = text.count("\r\n")
    return "\r\n" if pairs == text.count("\n") == text.count("\r") else None
