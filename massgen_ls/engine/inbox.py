"""What is said to an agent at work."""

from __future__ import annotations

import asyncio

from massgen_ls.ports import Message

ROOM = 16
"""Messages that may wait for an agent."""


class SeatInbox:
    """`ports.Inbox` of one seat."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Message] = asyncio.Queue(ROOM)

    def put(self, message: Message) -> bool:
        """Leaves a message; False when too many are waiting already."""
        try:
            self._waiting.put_nowait(message)
        except asyncio.QueueFull:
            return False
        return True

    async def receive(self) -> Message:
        """Waits for the next message. Cancelling the wait loses nothing."""
        return await self._waiting.get()

    def take(self) -> Message | None:
        """The next message if there is one already."""
        try:
            return self._waiting.get_nowait()
        except asyncio.QueueEmpty:
            return None
