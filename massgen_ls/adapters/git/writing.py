"""Writes files of a worktree; no link is followed."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

from massgen_ls.core.changes import RelPath


def put(top: str, files: Mapping[RelPath, bytes | None]) -> None:
    """Writes files below a folder, or takes them away where there is None.

    Raises:
        OSError: One cannot be written, or a link leads elsewhere.
    """
    for path, content in files.items():
        where = os.path.join(top, path)
        above = os.path.dirname(where)
        if content is not None:
            os.makedirs(above, exist_ok=True)
        if os.path.realpath(above) != os.path.join(os.path.realpath(top), *path.split("/")[:-1]):
            raise OSError(errno.ELOOP, "a link leads elsewhere", above)
        if content is None:
            os.unlink(where)
            continue
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
        with open(_no_link(where, flags), "wb") as file:
            file.write(content)


def overwrite(path: str, content: bytes) -> None:
    """Gives a regular file that is there other content, and keeps its mode."""
    # The file is there and regular: the checkout just wrote it.
    with open(path, "r+b", opener=_no_link) as file:
        file.truncate()
        file.write(content)


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))
