"""Locks that end with the process that holds them, however it ends."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

if sys.platform == "win32":  # pragma: no cover - no such machine in the test bed
    import msvcrt

    def take(handle: int) -> bool:
        """Whether an open file is locked for us now."""
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _wait(handle: int, *, alone: bool) -> None:
        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)  # there are no shared ones
else:
    import fcntl

    def take(handle: int) -> bool:
        """Whether an open file is locked for us now."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _wait(handle: int, *, alone: bool) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)


class HeldLock:
    """A lock file that this process holds. Letting go leaves the file: only the hold matters."""

    def __init__(self, handle: int, path: str) -> None:
        self._handle: int | None = handle
        self._path = path

    def release(self) -> None:
        """Lets go. Letting go twice is fine."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def remove(self) -> None:
        """Deletes the file, for what it locked is gone for good, and lets go."""
        if self._handle is not None:
            # While it is held: `try_lock` of somebody who waits for it sees that it is gone.
            with contextlib.suppress(OSError):
                os.unlink(self._path)
            self.release()


def try_lock(path: str, take: Callable[[int], bool] = take) -> HeldLock | None:
    """Takes a lock without waiting, and makes its file; None when somebody alive holds it.

    The handle is not inherited, so an agent that outlives its lease does not hold it either.

    Args:
        path: Of the file.
        take: Locks an open file; tests do things just before it.
    """
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            if not take(handle):
                os.close(handle)
                return None
            # Whoever had it may have deleted the file between our two steps: then it is a lock
            # that nobody else can find, and no lock.
            if _is_at(handle, path):
                return HeldLock(handle, path)
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _is_at(handle: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(path))
    except FileNotFoundError:
        return False


@contextmanager
def holding(path: str) -> Generator[bool]:
    """Holds a lock for a moment, if it exists; yields whether nobody else holds it."""
    if not os.path.lexists(path):
        yield True
        return
    lock = try_lock(path)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            lock.release()


@contextmanager
def shared(path: str) -> Generator[None]:
    """Holds a gate together with others; waits for whoever has closed it, which is never long."""
    with _gate(path, alone=False):
        yield


@contextmanager
def exclusive(path: str) -> Generator[None]:
    """Closes a gate. Blocks those who come to it, event loops too: only for a moment."""
    with _gate(path, alone=True):
        yield


@contextmanager
def _gate(path: str, *, alone: bool) -> Generator[None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        _wait(handle, alone=alone)
        yield
    finally:
        os.close(handle)
