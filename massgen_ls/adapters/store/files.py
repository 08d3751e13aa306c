"""Files of ours by name, in a folder of the state folder, for as long as something uses them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from massgen_ls.ports import Clock

KEPT = 30 * 24 * 3600.0
"""Seconds after its last use; by then its run is forgotten as well."""
MOST = 512 * 1024 * 1024
"""Bytes of one folder."""

_STAGED = ".staged-"


class KeptFiles:
    """Blocks: for threads. All of it raises `OSError`.

    Args:
        top: The folder; made when something is to be kept.
        clock: Says how old a file is.
        most: Bytes of the folder; beyond them what was not used for longest goes.
    """

    def __init__(self, top: Path, clock: Clock, most: int = MOST) -> None:
        self.top = top
        self._clock = clock
        self._most = most

    def keep(self, name: str, content: bytes) -> None:
        """Writes one whole or not at all, and lets go of those that were not used for long."""
        self.top.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._let_go(len(content))
        handle, staged = tempfile.mkstemp(prefix=_STAGED, dir=self.top)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(staged, self.top / name)
        except BaseException:
            os.unlink(staged)
            raise

    def _let_go(self, wanted: int) -> None:
        """Of what is too old, and of more until there is room for so many bytes."""
        oldest, kept = self._clock.now() - KEPT, wanted
        found: list[tuple[float, int, Path]] = []
        for file in self.top.iterdir():
            with contextlib.suppress(OSError):  # another process may have been quicker
                there = file.stat()
                found.append((there.st_mtime, there.st_size, file))
                kept += there.st_size
        for used, size, file in sorted(found):
            if used >= oldest and kept <= self._most:
                return
            with contextlib.suppress(OSError):
                file.unlink()
                kept -= size

    def sizes(self) -> dict[str, int]:
        """The bytes of each that is there, by its name."""
        found: dict[str, int] = {}
        for file in self.top.iterdir() if self.top.exists() else ():
            if not file.name.startswith(_STAGED):
                with contextlib.suppress(FileNotFoundError):
                    found[file.name] = file.stat().st_size
        return found

    def drop(self, name: str) -> None:
        """Lets go of one, whether or not it is there."""
        (self.top / name).unlink(missing_ok=True)

    def content(self, name: str) -> bytes:
        """Reads one."""
        return (self.top / name).read_bytes()

    def use(self, name: str) -> bytes:
        """Reads one, which stays for longer by that."""
        content = self.content(name)
        os.utime(self.top / name)
        return content
