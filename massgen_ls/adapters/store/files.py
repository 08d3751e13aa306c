"""Files of ours by name, in a folder of the state folder, for as long as something uses them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from massgen_ls.ports import Clock

KEPT = 30 * 24 * 3600.0
"""Seconds after its last use; by then its run is forgotten as well."""


class KeptFiles:
    """Blocks: for threads. All of it raises `OSError`.

    Args:
        top: The folder; made when something is to be kept.
        clock: Says how old a file is.
    """

    def __init__(self, top: Path, clock: Clock) -> None:
        self.top = top
        self._clock = clock

    def keep(self, name: str, content: bytes) -> None:
        """Writes one whole or not at all, and lets go of those that nothing has used for long."""
        self.top.mkdir(parents=True, exist_ok=True, mode=0o700)
        now = self._clock.now()
        for file in self.top.iterdir():
            with contextlib.suppress(OSError):  # another process may have been quicker
                if file.stat().st_mtime < now - KEPT:
                    file.unlink()
        handle, staged = tempfile.mkstemp(dir=self.top)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(staged, self.top / name)
        except BaseException:
            os.unlink(staged)
            raise

    def content(self, name: str) -> bytes:
        """Reads one."""
        return (self.top / name).read_bytes()

    def use(self, name: str) -> bytes:
        """Reads one, which stays for longer by that."""
        content = self.content(name)
        os.utime(self.top / name)
        return content
