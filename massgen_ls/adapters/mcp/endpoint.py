"""Where agents reach our tools: an MCP server (streamable HTTP) on a loopback port.

One server for all seats, started with the first toolbox that is opened. Each toolbox has an address
that cannot be guessed and a token of its own; both are dead as soon as its context is left.

Why not the official ``mcp`` package: measured with mcp 2.3.0 on Python 3.11, a server of it takes
0.60 s and 46 MB to import and brings 26 packages (70 MB on disk) along; h11 takes 0.01 s and 0.4 MB
and brings none. What agents need of the protocol is four methods. The package is the independent
client of our tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from massgen_ls.adapters.mcp.http import Connection, Left, Reply, Request
from massgen_ls.adapters.mcp.messages import answered
from massgen_ls.ports import Access, Toolbox

HOST = "127.0.0.1"
STRANGERS = 64
"""Connections without a token yet. One more, and the oldest of them has to go."""
GUESTS = 32
"""Connections of one toolbox."""
PATIENCE = 20.0
"""Seconds for a request to arrive and an answer to be taken, and for a stranger to say who it is.
A client that has shown its token may be silent as long as its toolbox is open."""


@dataclass(eq=False, slots=True)
class _Desk:
    """One toolbox, with those who are at it."""

    toolbox: Toolbox
    path: str
    token: bytes
    guests: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])


class McpEndpoint:
    """Implements `ports.Endpoint`; to be entered before use, and left when all toolboxes are shut.

    Args:
        patience: See `PATIENCE`.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._desks: dict[str, _Desk] = {}
        self._strangers: dict[asyncio.Task[None], None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._group = asyncio.TaskGroup()
        self._starting = asyncio.Lock()
        self._server: asyncio.Server | None = None
        self._port = 0
        self._closing = False

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._closing = True
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        # The group would wrap what its block raises; it only needs to know of cancellation.
        if isinstance(error, asyncio.CancelledError):
            await self._group.__aexit__(kind, error, at)
        else:
            await self._group.__aexit__(None, None, None)

    @asynccontextmanager
    async def open(self, toolbox: Toolbox) -> AsyncGenerator[Access]:
        """Gives a toolbox an address and a token of its own, as long as the context lasts.

        Raises:
            OSError: No port of this machine can be listened at.
        """
        await self._start()
        token = secrets.token_urlsafe(32)
        desk = _Desk(toolbox, f"/mcp/{secrets.token_urlsafe(24)}", token.encode())
        self._desks[desk.path] = desk
        try:
            yield Access(
                url=f"http://{HOST}:{self._port}{desk.path}",
                token=token,
                tools=tuple(spec.name for spec in toolbox.specs),
            )
        finally:
            del self._desks[desk.path]
            for task in desk.guests:
                task.cancel()
            if desk.guests:  # the toolbox is in nobody's hands when this returns
                await asyncio.wait(set(desk.guests))

    async def _start(self) -> None:
        async with self._starting:
            if self._server is None:
                self._server = await asyncio.start_server(self._enter, HOST, 0, backlog=128)
                self._port = self._server.sockets[0].getsockname()[1]

    def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closing:
            writer.transport.abort()
            return
        task = self._group.create_task(self._attend(Connection(reader, writer, self._patience)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._strangers[task] = None
        if len(self._strangers) > STRANGERS:
            next(iter(self._strangers)).cancel()

    async def _attend(self, connection: Connection) -> None:
        """Answers one client until it leaves."""
        me = asyncio.current_task()
        assert me is not None
        desk: _Desk | None = None
        try:
            with contextlib.suppress(Left):
                while request := await connection.request(None if desk else self._patience):
                    found = self._admitted(request)
                    if isinstance(found, Reply):
                        reply = found
                    else:
                        if desk is not None:
                            desk.guests.discard(me)
                        self._strangers.pop(me, None)
                        desk = found
                        desk.guests.add(me)
                        reply = await self._served(request, found)
                    if not await connection.reply(reply):
                        return
        finally:
            self._strangers.pop(me, None)
            if desk is not None:
                desk.guests.discard(me)
            await connection.close()

    async def _served(self, request: Request, desk: _Desk) -> Reply:
        if len(desk.guests) > GUESTS:
            return Reply(503, headers={"connection": "close"})
        if request.method != "POST":
            # No stream of our own to listen at, and no session to end: both may be refused so.
            return Reply(405, headers={"allow": "POST"})
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return Reply(415)
        version = request.headers.get("mcp-protocol-version", "")
        return await answered(request.body, version, desk.toolbox)

    def _admitted(self, request: Request) -> _Desk | Reply:
        """Whose tools may be used; a reply to those who may use none.

        A page in the user's browser can reach loopback too, even under the name of its own host
        (DNS rebinding); it cannot hide that name, nor where it comes from.
        """
        own = {f"{name}:{self._port}" for name in (HOST, "localhost")}
        origin = request.headers.get("origin")
        if request.headers.get("host", "").lower() not in own:
            return Reply(403)
        if origin is not None and origin.lower().removeprefix("http://") not in own:
            return Reply(403)
        desk = self._desks.get(request.path)
        if desk is None:
            return Reply(404)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        given = token.strip().encode("latin-1", "replace")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given, desk.token):
            return Reply(401, headers={"www-authenticate": "Bearer"})
        return desk
