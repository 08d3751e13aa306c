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
    with os.fdopen(handle, "rb", buffering=0) as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            return None
        try:
            # One more than allowed: it may grow, or lie about its size as files of /proc do.
            content = file.read(limit + 1)
        except OSError:
            return None
    return content if len(content) <= limit else None
