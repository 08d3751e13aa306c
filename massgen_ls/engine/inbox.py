"""What is said to an agent at work."""

from __future__ import annotations

import asyncio

from massgen_ls.ports import Halt, Message, Note

ROOM = 16
"""Messages that may wait for an agent."""


class SeatInbox:
    """`ports.Inbox` of one seat."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Message] = asyncio.Queue(ROOM)
        self.halted = False
        """Whether the agent was told to stop."""
        self.closed = False
        """Whether nobody reads here any more."""

    def put(self, message: Message) -> bool:
        """Leaves a message; False when too many are waiting already, or nobody reads them."""
        if self.closed:
            return False
        try:
            self._waiting.put_nowait(message)
        except asyncio.QueueFull:
            return False
        self.halted = self.halted or isinstance(message, Halt)
        return True

    def close(self) -> None:
        """From here on nothing is accepted."""
        self.closed = True

    async def receive(self) -> Message:
        """Waits for the next message. Cancelling the wait loses nothing."""
        return await self._waiting.get()

    def take(self) -> Message | None:
        """The next message if there is one already."""
        try:
            return self._waiting.get_nowait()
        except asyncio.QueueEmpty:
            return None

    def notes(self) -> list[str]:
        """The texts of the notes that nobody has taken; takes them."""
        found: list[str] = []
        while (message := self.take()) is not None:
            if isinstance(message, Note):
                found.append(message.text)
        return found
