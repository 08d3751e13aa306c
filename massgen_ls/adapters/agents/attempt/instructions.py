"""The repository's own words to agents: CLAUDE.md, AGENTS.md and the like.

For agents that do not read them by themselves because their project settings are switched off.
They are prose, not settings: they may ask for something, they cannot run or allow anything.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from massgen_ls.adapters.agents.attempt.settings import inside
from massgen_ls.ports import Place

_FILE = 64 * 1024
_ALL = 192 * 1024
_DEEP = 5
_IMPORT = re.compile(r"^@(\S+)[ \t\r]*$", re.MULTILINE)
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
            text = _Reading(place.path, room).read(os.path.join(folder, name))[:room]
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


@dataclass(slots=True)
class _Reading:
    """One file with all that it brings in: each file once, and no more than is kept."""

    top: str
    left: int
    seen: set[str] = field(default_factory=set[str])

    def read(self, path: str, depth: int = 0) -> str:
        """The text of a file of the worktree; empty when it is none, or not to be read."""
        try:
            real = os.path.realpath(path)
            if depth > _DEEP or self.left <= 0 or real in self.seen or not inside(path, self.top):
                return ""
            self.seen.add(real)
            if not stat.S_ISREG(os.stat(path).st_mode):
                return ""
            with open(path, "rb") as file:
                text = file.read(_FILE).decode("utf-8", "replace")
        except (OSError, ValueError):  # a path may hold what no path can
            return ""
        self.left -= len(text)

        def brought_in(match: re.Match[str]) -> str:
            named = match[1]
            if os.path.isabs(named) or named.startswith("~"):
                return match[0]
            return self.read(os.path.join(os.path.dirname(path), named), depth + 1) or match[0]

        return _IMPORT.sub(brought_in, text)
