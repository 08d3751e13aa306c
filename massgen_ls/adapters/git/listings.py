"""What an index holds and how the files differ, as git printed it: most questions touch few lines.

One process says both. Two or three side by side would each read the index, and on a machine whose
cores are taken they are no sooner at their end.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from massgen_ls.adapters.git.plumbing import Git, View

# A literal first byte lets the regular expressions jump from record to record.
_LOOKED_AWAY = re.compile(rb"\0[a-z] [^\t]*\t([^\0]*)(?=\0)")
_SKIPPED = re.compile(rb"\0[Ss] [^\t]*\t([^\0]*)(?=\0)")
_GITLINK = re.compile(rb"\0. 160000 [^\t]*\t([^\0]*)(?=\0)")
_DIFFERS = re.compile(rb"\0[CRcr] [^\t]*\t([^\0]*)(?=\0)")
_UNKNOWN = re.compile(rb"\0\? ([^\0]*)(?=\0)")
_ATTRIBUTES = b".gitattributes"

_HEAD = re.compile(rb"[^? ] ([0-7]{6}) [0-9a-f]+ [0-3]")
"""What stands before the tab and the path of a tracked file."""

Differing: TypeAlias = tuple[list[str], list[str]]
"""Tracked paths that differ, and paths that the index does not know."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The paths of an index, with their flags and modes, and what differs from it."""

    raw: bytes
    """``ls-files -v -s -m -d -o -z`` with a NUL in front, so that each record stands between two.
    """

    def __contains__(self, path: str) -> bool:
        return self.mode(path) is not None

    def mode(self, path: str) -> str | None:
        """The recorded mode of a path, e.g. ``100755``; None where the index does not have it."""
        name = os.fsencode(path)
        return next((mode for found, mode in self._ending(b"\t" + name) if found == name), None)

    def _ending(self, end: bytes) -> Iterator[tuple[bytes, str]]:
        """Paths and modes of the tracked files whose records end so; quick where few do."""
        at = self.raw.find(end + b"\0")
        while at >= 0:
            start = self.raw.rfind(b"\0", 0, at) + 1
            head, _, path = self.raw[start : at + len(end)].partition(b"\t")
            if found := _HEAD.fullmatch(head):
                yield path, found[1].decode("ascii")
            at = self.raw.find(end + b"\0", at + 1)

    def looked_away(self) -> list[str]:
        """Paths with the assume-unchanged flag."""
        return self._all(_LOOKED_AWAY)

    def skipped(self) -> list[str]:
        """Paths with the skip-worktree flag."""
        return self._all(_SKIPPED)

    def gitlinks(self) -> list[str]:
        """Submodules."""
        return self._all(_GITLINK)

    def attributes(self) -> list[str]:
        """Tracked files that are named ``.gitattributes``."""
        named = (path for path, _ in self._ending(_ATTRIBUTES))
        right = (path for path in named if path.rpartition(b"/")[2] == _ATTRIBUTES)
        return list(dict.fromkeys(map(os.fsdecode, right)))

    def differing(self) -> Differing:
        """What is not as the index has it."""
        return self._all(_DIFFERS), self._all(_UNKNOWN)

    def _all(self, kind: re.Pattern[bytes]) -> list[str]:
        """Each once: a path that differs has a record more for that, an unmerged one has three."""
        found: Iterator[re.Match[bytes]] = kind.finditer(self.raw)
        return list(dict.fromkeys(os.fsdecode(match[1]) for match in found))


async def list_all(git: Git, view: View) -> Listing:
    """Every path of an index, and what differs from it in the working tree."""
    args = ("-v", "-s", "-m", "-d", "-o", "-z", "--exclude-standard")
    return Listing(b"\0" + await git.run(view, "ls-files", *args))


async def list_differing(git: Git, view: View, exclude: Sequence[str] = ()) -> Differing:
    """Only what differs; ``exclude`` are options that leave out more of what is unknown."""
    args = ("-t", "-m", "-d", "-o", "-z", "--exclude-standard", *exclude)
    tracked: dict[str, None] = {}  # a deleted or unmerged path is listed more than once
    others: list[str] = []
    for record in (await git.run(view, "ls-files", *args)).split(b"\0")[:-1]:
        path = os.fsdecode(record[2:])
        if record.startswith(b"?"):
            others.append(path)
        else:
            tracked[path] = None
    return list(tracked), others
