"""Reading small files that somebody else wrote."""

from __future__ import annotations

import os
import stat


def read_bounded(path: str, limit: int, *, follow: bool = False) -> bytes | None:
    """A file's bytes; None when it is absent, no regular file, or larger than ``limit`` bytes.

    A pipe cannot hang it, and a link is followed only when asked for.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(path, flags if follow else flags | os.O_NOFOLLOW)
    except (OSError, ValueError):
        return None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            return None
        content = bytearray()
        # It may grow, or lie about its size as files of /proc do.
        while len(content) <= limit and (piece := os.read(handle, min(limit + 1, 1 << 20))):
            content += piece
    except OSError:
        return None
    finally:
        os.close(handle)
    return bytes(content) if len(content) <= limit else None
