"""What an index holds, kept as git printed it: most questions touch a few of its lines."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from massgen_ls.adapters.git.plumbing import Git, View

# A literal first byte lets the regular expressions jump from record to record.
_LOOKED_AWAY = re.compile(rb"\0[a-z] [^\t]*\t([^\0]*)(?=\0)")
_SKIPPED = re.compile(rb"\0[Ss] [^\t]*\t([^\0]*)(?=\0)")
_GITLINK = re.compile(rb"\0. 160000 [^\t]*\t([^\0]*)(?=\0)")
_ATTRIBUTES = re.compile(rb"\t((?:[^\0]*/)?\.gitattributes)\0")


@dataclass(frozen=True, slots=True)
class Listing:
    """The paths of an index, with their flags and modes."""

    raw: bytes
    """``ls-files -v -s -z`` with a NUL in front, so that each record stands between two."""

    def __contains__(self, path: str) -> bool:
        return b"\t" + os.fsencode(path) + b"\0" in self.raw

    def mode(self, path: str) -> str | None:
        """The recorded mode of a path, e.g. ``100755``."""
        at = self.raw.find(b"\t" + os.fsencode(path) + b"\0")
        if at < 0:
            return None
        start = self.raw.rfind(b"\0", 0, at) + 1
        return self.raw[start:at].split(b" ")[1].decode("ascii")

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
        """Files that are named ``.gitattributes``."""
        return self._all(_ATTRIBUTES) if b".gitattributes\0" in self.raw else []

    def _all(self, kind: re.Pattern[bytes]) -> list[str]:
        found: Iterator[re.Match[bytes]] = kind.finditer(self.raw)
        return [os.fsdecode(match[1]) for match in found]


async def tracked_files(git: Git, view: View) -> Listing:
    """Every path of an index."""
    return Listing(b"\0" + await git.run(view, "ls-files", "-v", "-s", "-z"))
