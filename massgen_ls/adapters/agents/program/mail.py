"""What waits for one reader: bounded in number and in bytes, and some things come first.

A full box holds back whoever fills it. What a person says is never behind what a program prints,
and never held back by it: a program may print without a pause.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

ROOM = 64
"""Things that may wait."""
BYTES = 4 * 1024 * 1024
"""How much they may weigh together; one that is heavier waits alone."""


class Mail(Generic[T]):
    """A queue with one reader.

    Args:
        room: How many things may wait.
        size: How many bytes they may weigh together.
    """

    def __init__(self, room: int = ROOM, size: int = BYTES) -> None:
        self._room = room
        self._size = size
        self._first: deque[T] = deque()
        self._waiting: deque[tuple[T, int]] = deque()
        self._weight = 0
        self._closed = False
        self._reader: asyncio.Future[None] | None = None
        self._writers: deque[asyncio.Future[None]] = deque()

    async def put(self, item: T, weight: int = 0) -> None:
        """Leaves something as soon as there is room; nothing once the box is closed."""
        while not self._closed and self._waiting and not self._fits(weight):
            turn = asyncio.get_running_loop().create_future()
            self._writers.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                # The room that it was offered is somebody else's now.
                self._next_writer()
                raise
        if self._closed:
            return
        self._waiting.append((item, weight))
        self._weight += weight
        self._ring()

    def push(self, item: T) -> None:
        """Leaves something that comes before all that waits, and needs no room."""
        if not self._closed:
            self._first.append(item)
            self._ring()

    async def get(self, until: float) -> T:
        """The next thing; waits for it until then, by the loop's clock.

        Raises:
            TimeoutError: Nothing came.
        """
        async with asyncio.timeout_at(until):
            while not self._first and not self._waiting:
                self._reader = asyncio.get_running_loop().create_future()
                await self._reader
        return self._next()

    def take(self) -> T | None:
        """The next thing if it is there already."""
        return self._next() if self._first or self._waiting else None

    def close(self) -> None:
        """From here on nothing is left here; whoever waits for room goes on."""
        self._closed = True
        while self._writers:
            self._next_writer()

    def clear(self) -> None:
        """Throws away what waits, but for what comes first."""
        self._waiting.clear()
        self._weight = 0
        while self._writers:
            self._next_writer()

    def _fits(self, weight: int) -> bool:
        return len(self._waiting) < self._room and self._weight + weight <= self._size

    def _next(self) -> T:
        if self._first:
            return self._first.popleft()
        item, weight = self._waiting.popleft()
        self._weight -= weight
        self._next_writer()
        return item

    def _next_writer(self) -> None:
        while self._writers:
            turn = self._writers.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _ring(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
