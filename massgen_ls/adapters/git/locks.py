"""Locks that end with the process that holds them, however it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager

if sys.platform == "win32":  # pragma: no cover - no such machine in the test bed
    import msvcrt

    def _take(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _take(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class HeldLock:
    """A lock file that this process holds. The file itself stays: only the hold matters."""

    def __init__(self, handle: int) -> None:
        self._handle: int | None = handle

    def release(self) -> None:
        """Lets go. Letting go twice is fine."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def try_lock(path: str) -> HeldLock | None:
    """Takes a lock without waiting; None when somebody alive holds it.

    The handle is not inherited, so an agent that outlives its lease does not hold it either.
    """
    # A lock file is never deleted while its folder lives, so a path is always the same lock.
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    if _take(handle):
        return HeldLock(handle)
    os.close(handle)
    return None


@contextmanager
def holding(path: str) -> Generator[bool]:
    """Holds a lock for a moment; yields whether it was to be had."""
    lock = try_lock(path)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            lock.release()
