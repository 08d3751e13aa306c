"""The pictures of tasks: files named by their content, in a folder of ours."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from massgen_ls.adapters.store.files import KeptFiles
from massgen_ls.core.attachments import attachment
from massgen_ls.core.errors import NotFoundError, StorageError
from massgen_ls.core.task import Attachment
from massgen_ls.ports import Clock

T = TypeVar("T")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class AttachmentFolder:
    """Keeps pictures; implements `ports.Attachments`.

    Args:
        top: The folder; made when something is to be kept.
        clock: Says how old a file is.
    """

    def __init__(self, top: Path, clock: Clock) -> None:
        self._files = KeptFiles(top, clock)

    async def keep(self, name: str, content: bytes) -> Attachment:
        """Keeps a picture, and lets go of those that nothing has used for long."""
        kept = attachment(name, content)
        await asyncio.to_thread(self._written, partial(self._files.keep, kept.digest, content))
        return kept

    async def find(self, name: str, digest: str) -> Attachment:
        """A picture that was kept before."""
        return await asyncio.to_thread(self._find, name, digest)

    async def lay(self, attachment: Attachment, folder: str) -> str:
        """Copies a picture to where an agent can read it."""
        return await asyncio.to_thread(self._written, partial(self._lay, attachment, folder))

    def _written(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except OSError as error:
            where = self._files.top
            raise StorageError(f"a picture cannot be kept in {where}: {error}") from error

    def _find(self, name: str, digest: str) -> Attachment:
        return attachment(name, self._content(name, digest, self._files.content))

    def _content(self, name: str, digest: str, read: Callable[[str], bytes]) -> bytes:
        if _DIGEST.fullmatch(digest):
            with contextlib.suppress(OSError):
                return read(digest)
        raise NotFoundError(f"The picture {name} is not there any more", "Attach it anew")

    def _lay(self, wanted: Attachment, folder: str) -> str:
        content = self._content(wanted.name, wanted.digest, self._files.use)
        os.makedirs(folder, exist_ok=True)
        # A new folder each time: who worked here before may have left links. Named by content: a
        # name of the user's may be anything.
        place = tempfile.mkdtemp(prefix="picture-", dir=folder)
        path = os.path.join(place, f"{wanted.digest[:12]}.{wanted.media_type.partition('/')[2]}")
        Path(path).write_bytes(content)
        return path
