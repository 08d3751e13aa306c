"""What waits for one session of an ACP agent: what the agent says, and what people say to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from massgen_ls.adapters.agents.acp.jsonrpc import PeerGoneError, RpcError
from massgen_ls.adapters.agents.program.mail import Mail
from massgen_ls.adapters.agents.program.members import Object
from massgen_ls.adapters.agents.program.talk import Noise
from massgen_ls.core.task import Json
from massgen_ls.ports import Message


@dataclass(frozen=True, slots=True)
class Update:
    """A ``session/update``."""

    body: Object


@dataclass(frozen=True, slots=True)
class Wanted:
    """The agent asks for permission; somebody is at it already."""

    call: Object


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back for the session's prompt."""

    outcome: Json | RpcError


@dataclass(frozen=True, slots=True)
class Broken:
    """Our own side failed in answering the agent."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Left:
    """The program has ended."""

    why: PeerGoneError


BoxItem = Update | Wanted | Answered | Broken | Left | Noise | Message
Allow = Callable[[Object], Awaitable[Json]]
"""Answers ``session/request_permission``: which option was chosen."""


class Box:
    """What waits for one session. One reader."""

    def __init__(self, session: str, allow: Allow) -> None:
        self.session = session
        self.allow = allow
        self.deciding: set[asyncio.Task[Json]] = set()
        """Permissions that are being decided; a person may take their time."""
        self.deaf = False
        """Whether updates are passed over."""
        self._mail: Mail[BoxItem] = Mail()
        self._passed_over = asyncio.Event()

    async def settled(self, seconds: float) -> None:
        """Waits until no update was passed over for so long."""
        while seconds:
            self._passed_over.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._passed_over.wait()
            except TimeoutError:
                return

    async def put(self, item: BoxItem, weight: int = 0) -> None:
        """Leaves something; a full box holds the agent back, a closed one drops it."""
        if self.deaf and isinstance(item, Update):
            self._passed_over.set()
        else:
            await self._mail.put(item, weight)

    def push(self, message: Message) -> None:
        """Leaves what a person says: it is the next thing that is heard."""
        self._mail.push(message)

    async def hear(self, patience: float) -> BoxItem | None:
        """The next thing; None when nothing came for so many seconds."""
        try:
            return await self._mail.get(asyncio.get_running_loop().time() + patience)
        except TimeoutError:
            return None

    def take(self) -> BoxItem | None:
        """The next thing if it is there already."""
        return self._mail.take()

    def left(self, why: PeerGoneError) -> None:
        """The program ends now, whatever it has said."""
        self.stop_deciding()
        self._mail.clear()
        self._mail.push(Left(why))

    def stop_deciding(self) -> None:
        """What was asked for is answered with "cancelled"."""
        for task in self.deciding:
            task.cancel()

    def close(self) -> None:
        """Nobody reads any more."""
        self._mail.close()
        self.stop_deciding()
