"""Our tools for agents: one MCP server (streamable HTTP) on loopback, one secret for each seat.

Our own, on h11: the official ``mcp`` package (2.3) took 0.65 s and 57 MB to import where h11 took
0.03 s and 4 MB, and what a server of four tools has to speak fits on a page (`speaking`).
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from types import TracebackType

from massgen_ls import __version__
from massgen_ls.adapters.mcp.messages import GoneError, Request, Response
from massgen_ls.adapters.mcp.speaking import VERSIONS, answer, unreadable
from massgen_ls.ports import Access, Toolbox

MOST_CLIENTS = 256
"""Connections at a time: sixteen agents hold a few each."""
MOST_STRANGERS = 64
"""Connections that have not shown a token yet. One more, and the oldest of them has to go."""
_HOST = "127.0.0.1"
_JSON = {"content-type": "application/json"}


class LoopbackEndpoint:
    """Gives toolboxes an address each; implements `ports.Endpoint`. Use as a context manager.

    The server starts with the first toolbox. A toolbox has a path of its own that cannot be
    guessed, and a token besides; both are dead as soon as it is closed. Web pages cannot get in:
    requests with an ``Origin``, or for another host than ours, are refused.
    """

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._starting = asyncio.Lock()
        self._open: dict[str, tuple[str, Toolbox]] = {}
        self._clients: dict[asyncio.Task[None], str] = {}
        """Who is connected, the longest there first, with the path that it has a token for."""
        self._port = 0

    async def __aenter__(self) -> LoopbackEndpoint:
        """Nothing runs yet."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the server and every connection."""
        if self._server is None:
            return
        self._server.close()
        clients = list(self._clients)
        for client in clients:
            client.cancel()
        if clients:
            await asyncio.wait(clients)
        await self._server.wait_closed()
        self._server = None

    @asynccontextmanager
    async def open(self, toolbox: Toolbox) -> AsyncGenerator[Access]:
        """Gives a toolbox an address and a token, as long as the context lasts."""
        await self._start()
        path, token = f"/{secrets.token_urlsafe(16)}/mcp", secrets.token_urlsafe(32)
        self._open[path] = (token, toolbox)
        names = tuple(spec.name for spec in toolbox.specs)
        try:
            yield Access(f"http://{_HOST}:{self._port}{path}", token, tools=names)
        finally:
            del self._open[path]
            guests = [client for client, at in self._clients.items() if at == path]
            for guest in guests:
                guest.cancel()
            if guests:  # the toolbox is in nobody's hands when this returns
                await asyncio.wait(guests)

    async def _start(self) -> None:
        async with self._starting:
            if self._server is None:
                self._server = await asyncio.start_server(self._attend, _HOST, 0)
                self._port = self._server.sockets[0].getsockname()[1]

    # ── one client ──────────────────────────────────────────────────────────────────────────

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "asyncio calls this in a task of its own"
        strangers = [client for client, at in self._clients.items() if not at]
        if len(strangers) >= MOST_STRANGERS:
            strangers[0].cancel()
        self._clients[task] = ""
        # Imported at the first use: most commands of ours start no agent.
        from massgen_ls.adapters.mcp.http import Connection

        connection = Connection(reader, writer)
        try:
            # Cancelled only by us; to asyncio a cancelled client would be an error.
            with suppress(asyncio.CancelledError, GoneError, TimeoutError):
                while request := await connection.request(known=bool(self._clients[task])):
                    if not await connection.respond(await self._respond(request, task)):
                        break
        finally:
            del self._clients[task]
            await connection.close()

    async def _respond(self, request: Request, client: asyncio.Task[None]) -> Response:
        if len(self._clients) > MOST_CLIENTS:
            return _refusal(503, "too many connections")
        host = request.headers.get("host", "")
        if "origin" in request.headers or host not in {f"{_HOST}:{self._port}", _HOST}:
            return _refusal(403, "not for web pages")
        token, toolbox = self._open.get(request.path, ("", None))
        given = request.headers.get("authorization", "")
        right = hmac.compare_digest(given.encode(), f"Bearer {token}".encode())
        if toolbox is None or not right:
            response = _refusal(401, "a path and a token that are good for each other are needed")
            return Response(401, response.body, {**_JSON, "www-authenticate": "Bearer"})
        self._clients[client] = request.path
        if request.method == "DELETE":
            return Response(204)  # there is no session that could be ended
        if request.method != "POST":
            # We have nothing to say that was not asked for, so there is no stream to GET.
            return Response(405, b"", {"allow": "POST, DELETE"})
        if request.too_large:
            return _refusal(413, "the message is too large")
        version = request.headers.get("mcp-protocol-version")
        if version is not None and version not in VERSIONS:
            return _refusal(400, f"protocol versions here: {', '.join(VERSIONS)}")
        return await _answered(request.body, toolbox)


async def _answered(body: bytes, toolbox: Toolbox) -> Response:
    try:
        message: object = json.loads(body)
    except (ValueError, RecursionError):
        return Response(400, json.dumps(unreadable()).encode(), _JSON)
    told = await answer(message, toolbox, __version__)
    if told is None:
        return Response(202)
    return Response(200, json.dumps(told).encode(), _JSON)


def _refusal(status: int, why: str) -> Response:
    return Response(status, json.dumps({"error": why}).encode(), _JSON)
