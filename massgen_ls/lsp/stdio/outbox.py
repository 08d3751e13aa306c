"""The way out to the client: bounded, and never in the way of the event loop.

Whoever sends puts bytes in a queue; one thread writes them. When the client is slow, the backlog
grows and these give way, in this order:

1. past `SOFT`, live output and progress reports (rank `DELTA`) are not taken in;
2. past `FIRM`, neither are events (rank `FACT`); the stream of events counts what it lost, tells
   the client with a ``gap`` when there is room again, and the client re-reads;
3. past `HARD`, nothing more is read from the client until it has read in its turn.

Answers and requests (rank `VITAL`) are always taken in. There is at most one answer for each
request, so with the third rule the backlog stays bounded by `HARD` and what is in flight.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable

DELTA, FACT, VITAL = 0, 1, 2
SOFT = 1024 * 1024
FIRM = 4 * 1024 * 1024
HARD = 16 * 1024 * 1024
_LIMITS = {DELTA: SOFT, FACT: FIRM}
_BATCH = 256 * 1024


class Outbox:
    """A queue of framed messages and the thread that writes them.

    Args:
        sink: Writes all of the bytes, blocking as long as it takes; raises `OSError` when the
            client is gone.
        broken: Called once, from the writing thread, when it is.
    """

    def __init__(self, sink: Callable[[bytes], None], broken: Callable[[], None]) -> None:
        self._sink = sink
        self._broken = broken
        self._queue: deque[bytes] = deque()
        self._backlog = 0
        self._closed = False
        self._dead = False
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="massgen-outbox", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """Bytes taken in and not yet written."""
        return self._backlog

    def write(self, data: bytes) -> None:
        """Takes in what must arrive."""
        self.offer(data, VITAL)

    def offer(self, data: bytes, rank: int) -> bool:
        """Takes bytes in, or not when the backlog is past the limit of their rank."""
        with self._change:
            if self._closed or self._dead or self._backlog > _LIMITS.get(rank, self._backlog):
                return False
            self._queue.append(data)
            self._backlog += len(data)
            self._change.notify_all()
            return True

    def wait_for_room(self) -> None:
        """Blocks the reading thread while the client leaves too much unread."""
        with self._change:
            while self._backlog > HARD and not (self._dead or self._closed):
                self._change.wait()

    def close(self) -> None:
        """Takes nothing more in; what is queued is still written. Part of pygls' interface."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def flush(self, deadline: float) -> bool:
        """Closes, then blocks for at most ``deadline`` seconds until all is written."""
        self.close()
        end = time.monotonic() + deadline
        self._thread.join(max(0.0, end - time.monotonic()))
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._change:
                while not self._queue and not self._closed:
                    self._change.wait()
                if not self._queue:
                    return
                batch = [self._queue.popleft()]
                size = len(batch[0])
                while self._queue and size + len(self._queue[0]) <= _BATCH:
                    batch.append(self._queue.popleft())
                    size += len(batch[-1])
            try:
                self._sink(b"".join(batch))
            except (OSError, ValueError):
                with self._change:
                    self._dead = True
                    self._queue.clear()
                    self._backlog = 0
                    self._change.notify_all()
                self._broken()
                return
            with self._change:
                self._backlog -= size
                self._change.notify_all()


def write_all(fd: int, data: bytes) -> None:
    """Writes every byte to a blocking descriptor."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
