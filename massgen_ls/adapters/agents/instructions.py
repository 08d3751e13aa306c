"""The repository's own words to agents: CLAUDE.md, AGENTS.md and the like.

For agents that do not read them by themselves because their project settings are switched off.
They are prose, not settings: they may ask for something, they cannot run or allow anything.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence

from massgen_ls.adapters.agents.coding import inside
from massgen_ls.ports import Place

_FILE = 64 * 1024
_ALL = 192 * 1024
_DEEP = 5
_IMPORT = re.compile(r"^@(\S+)\s*$", re.MULTILINE)
"""A line that stands for another file, as Claude Code reads it."""


def instructions(place: Place, names: Sequence[str]) -> str:
    """What the repository tells agents, from the worktree's top down to the folder they start in.

    In each folder the first of ``names`` that is there counts. ``@path`` on a line of its own
    brings in that file. Nothing outside of the worktree is read, through links neither; a file
    over 64 KiB is cut, and all together hold 192 KiB. Blocks: for a thread.
    """
    if not place.instructions:
        return ""
    parts: list[str] = []
    room = _ALL
    for folder in _folders(place):
        for name in names:
            text = _read(os.path.join(folder, name), place.path, 0, set())[:room]
            if text.strip():
                shown = os.path.relpath(os.path.join(folder, name), place.path)
                parts.append(f"The repository's {shown} says:\n\n{text.strip()}")
                room -= len(text)
                break
    return "\n\n".join(parts)


def _folders(place: Place) -> Iterator[str]:
    yield place.path
    folder = place.path
    within = os.path.relpath(place.folder, place.path)
    for part in [] if within == os.curdir else within.split(os.sep):
        folder = os.path.join(folder, part)
        yield folder


def _read(path: str, top: str, depth: int, seen: set[str]) -> str:
    real = os.path.realpath(path)
    if depth > _DEEP or real in seen or not inside(path, top):
        return ""
    seen.add(real)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return ""
        with open(path, "rb") as file:
            text = file.read(_FILE).decode("utf-8", "replace")
    except OSError:
        return ""

    def brought_in(match: re.Match[str]) -> str:
        named = match[1]
        if os.path.isabs(named) or named.startswith("~"):
            return match[0]
        found = _read(os.path.join(os.path.dirname(path), named), top, depth + 1, seen)
        return found or match[0]

    return _IMPORT.sub(brought_in, text)
