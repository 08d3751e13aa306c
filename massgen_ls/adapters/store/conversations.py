"""Conversations of agents, as their programs write them down: one file of ours for each."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import stat
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

from massgen_ls.adapters.store.files import KeptFiles
from massgen_ls.core.task import Origin
from massgen_ls.ports import Clock

LARGEST = 16 * 1024 * 1024
"""Bytes: of a longer one nothing is kept; what was said is in the record of its run."""
_log = logging.getLogger(__name__)


class ConversationFolder:
    """Keeps conversations; implements `ports.Conversations`.

    Args:
        top: The folder; made when something is to be kept.
        clock: Says how old a file is.
    """

    def __init__(self, top: Path, clock: Clock) -> None:
        self._files = KeptFiles(top, clock)

    async def keep(self, origin: Origin, file: str, home: str, clean: Callable[[str], str]) -> None:
        """Keeps what is in a file; where that cannot be, it is done without."""
        await asyncio.to_thread(self._keep, origin, file, home, clean)

    async def lay(self, origin: Origin, home: str) -> str:
        """Copies it into a home; returns the file's path, or nothing where there is none."""
        return await asyncio.to_thread(self._lay, origin, home)

    def _keep(self, origin: Origin, file: str, home: str, clean: Callable[[str], str]) -> None:
        try:
            if (said := _left(file, home)) is not None:
                text = clean(said.decode("utf-8", "replace"))
                # Quickly: they are long, and shrink to a fifth even so.
                self._files.keep(_name(origin), zlib.compress(text.encode("utf-8", "replace"), 1))
        except OSError as error:
            _log.info("a conversation is not kept: %s", error)

    def _lay(self, origin: Origin, home: str) -> str:
        try:
            content = zlib.decompress(self._files.use(_name(origin)))
            # A new name each time: who worked here before may have left links.
            handle, path = tempfile.mkstemp(prefix="conversation-", dir=home)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
        except (OSError, zlib.error) as error:
            _log.info("a conversation is not there: %s", error)
            return ""
        return path


def _name(origin: Origin) -> str:
    """Of its run as well: what an agent says of itself must not reach what another one had."""
    whole = f"{origin.run}\0{origin.type}\0{origin.session}"
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()


def _left(file: str, home: str) -> bytes | None:
    """What an agent left in its home; None where that leads elsewhere, or is too long."""
    if os.path.realpath(file) != os.path.join(os.path.realpath(home), os.path.relpath(file, home)):
        return None
    handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as opened:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1 or found.st_size > LARGEST:
            return None
        return opened.read(LARGEST)
