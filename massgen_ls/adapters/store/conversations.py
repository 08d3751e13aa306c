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
from collections.abc import Set as AbstractSet
from pathlib import Path

from massgen_ls.adapters.store.files import MOST, KeptFiles
from massgen_ls.core.errors import StorageError
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
        largest: Bytes of a conversation; a longer one is not kept.
        most: Bytes of all that are kept.
    """

    def __init__(
        self, top: Path, clock: Clock, *, largest: int = LARGEST, most: int = MOST
    ) -> None:
        self._files = KeptFiles(top, clock, most)
        self._largest = largest

    async def keep(self, origin: Origin, file: str, home: str, clean: Callable[[str], str]) -> None:
        """Keeps what is in a file; where that cannot be, it is done without."""
        await asyncio.to_thread(self._keep, origin, file, home, clean)

    async def lay(self, origin: Origin, home: str) -> str:
        """Copies it into a home; returns the file's path, or nothing where there is none."""
        return await asyncio.to_thread(self._lay, origin, home)

    async def forget(self, known: Callable[[], AbstractSet[str]], *, dry: bool) -> int:
        """Lets go of what belongs to no known run; returns the bytes that it takes.

        Args:
            known: Names these runs; asked when it is clear what is there, and blocks.
            dry: Only say how much it would be.

        Raises:
            StorageError: The folder cannot be read or written.
        """
        return await asyncio.to_thread(self._forget, known, dry=dry)

    def _forget(self, known: Callable[[], AbstractSet[str]], *, dry: bool) -> int:
        try:
            sizes = self._files.sizes()
            stays = {_hashed(run) for run in known()}
            gone = {name: size for name, size in sizes.items() if name[:_RUN] not in stays}
            for name in () if dry else gone:
                self._files.drop(name)
        except OSError as error:
            where = self._files.top
            raise StorageError(
                f"The conversations in {where} cannot be freed: {error}",
                "Make the folder writable, or delete it yourself",
            ) from error
        return sum(gone.values())

    def _keep(self, origin: Origin, file: str, home: str, clean: Callable[[str], str]) -> None:
        try:
            if (said := _left(file, home, self._largest)) is not None:
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
    """Of its run as well: what an agent says of itself must not reach what another one had.

    The run comes first, so that what belongs to it can be told from the name.
    """
    whose = f"{origin.type}\0{origin.session}"
    return f"{_hashed(origin.run)}-{_hashed(whose)}"


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


_RUN = 64
"""Characters of a name that stand for its run."""


def _left(file: str, home: str, largest: int) -> bytes | None:
    """What an agent left in its home; None where that leads elsewhere, or is too long."""
    if os.path.realpath(file) != os.path.join(os.path.realpath(home), os.path.relpath(file, home)):
        return None
    handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as opened:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1 or found.st_size > largest:
            return None
        return opened.read(largest)
