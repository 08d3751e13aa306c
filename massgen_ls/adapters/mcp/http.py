"""One HTTP/1.1 connection from the server's side: h11 knows the protocol, this moves the bytes."""

from __future__ import annotations

import asyncio
import contextlib

import h11

from massgen_ls.adapters.mcp.messages import GoneError, Request, Response

MOST = 4 * 1024 * 1024
"""Bytes of a request's body: agents send summaries here, not repositories."""
IDLE = 300.0
"""Seconds that a client with a token may keep a connection open without asking for anything."""
SLOW = 30.0
"""Seconds that a client has for one request, for reading its answer, and to say who it is."""


class Wire:
    """Events of HTTP out of the bytes of one client, and back."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=64 * 1024)

    async def _event(self) -> object:
        """What the client says next.

        Raises:
            h11.RemoteProtocolError: That is not HTTP.
            GoneError: It has left.
        """
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self._read())
        return event

    async def _read(self) -> bytes:
        try:
            return await self._reader.read(64 * 1024)
        except OSError as error:
            raise GoneError(str(error)) from error

    async def _send(self, event: h11.Event) -> None:
        try:
            data = self._http.send(event)
        except h11.LocalProtocolError as error:
            raise GoneError(str(error)) from error  # a HEAD, say, which may be told no body
        if not data:
            return
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise GoneError(str(error)) from error

    def again(self) -> bool:
        """Makes ready for the next request, if the client keeps the connection."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            return True
        return False


class Connection(Wire):
    """What one client says, and what it is told."""

    async def request(self, *, known: bool) -> Request | None:
        """The next request; None when the client has no more.

        Args:
            known: Whether it has shown a token, and may be silent for a while.

        Raises:
            GoneError: It left in the middle, was too slow, or spoke something else.
        """
        try:
            async with asyncio.timeout(IDLE if known else SLOW):
                head = await self._event()
            if not isinstance(head, h11.Request):
                return None
            async with asyncio.timeout(SLOW):
                body, whole = await self._body()
        except (h11.RemoteProtocolError, TimeoutError) as error:
            raise GoneError(str(error)) from error
        headers = {n.decode("latin-1"): v.decode("latin-1") for n, v in head.headers}
        path = head.target.decode("latin-1").partition("?")[0]
        return Request(head.method.decode("latin-1"), path, headers, body, too_large=not whole)

    async def _body(self) -> tuple[bytes, bool]:
        """The body, and whether it is all of it; past `MOST` the rest is not waited for."""
        parts: list[bytes] = []
        size = 0
        while isinstance(event := await self._event(), h11.Data):
            size += len(event.data)
            if size > MOST:
                return b"", False
            parts.append(bytes(event.data))
        return b"".join(parts), True

    async def respond(self, response: Response) -> bool:
        """Sends an answer; returns whether the connection can be used again.

        Raises:
            GoneError: The client does not read it.
        """
        headers = {
            **response.headers,
            "content-length": str(len(response.body)),
            "cache-control": "no-store",
        }
        pairs = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in headers.items()]
        async with asyncio.timeout(SLOW):
            await self._send(h11.Response(status_code=response.status, headers=pairs))
            if response.body:
                await self._send(h11.Data(data=response.body))
            await self._send(h11.EndOfMessage())
        return self.again()

    async def close(self) -> None:
        """Ends the connection, whatever state it is in."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1.0):
                await self._writer.wait_closed()
