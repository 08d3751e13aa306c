"""One HTTP/1.1 connection of a client that may be slow or hostile: h11 reads, this bounds.

Nothing here knows what is asked. Every wait has an end, every size a limit, and what is wrong
becomes a reply with the right status or the end of the connection, never an error of ours.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import h11

HEAD = 16 * 1024
"""Bytes of a request line with its headers."""
BODY = 1024 * 1024
"""Bytes of a body: a message to one of our tools is a few kilobytes."""
_PIECE = 64 * 1024
_LEFT = 8 * 1024 * 1024
"""Bytes of a refused body that are still read, so that the client comes to hear of it."""


class Left(Exception):
    """The client is gone, or is not worth waiting for."""


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request. Names of headers are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class _Refused(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


class Connection:
    """What one client asks, one request after another.

    Args:
        reader: What it sends.
        writer: Where the answers go.
        patience: Seconds for a request to arrive in full once it has begun, and for an answer to
            be taken.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: float
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._patience = patience
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD)
        # So `drain` waits until everything is taken, and nothing is left behind in a buffer.
        writer.transport.set_write_buffer_limits(0)

    async def request(self, idle: float | None) -> Request | None:
        """The next request; None when the client has no more.

        Args:
            idle: Seconds until it must have begun; None: as long as it likes.

        Raises:
            Left: It went away, was too slow, or was refused for what it sent.
        """
        if not self._http.trailing_data[0]:
            piece = await self._read(idle)
            if not piece:
                return None
            self._http.receive_data(piece)
        try:
            async with asyncio.timeout(self._patience):
                return await self._whole()
        except TimeoutError:
            status = 408
        except h11.RemoteProtocolError as error:
            status = error.error_status_hint
        except _Refused as error:
            status = error.status
        await self._dismiss(status)
        raise Left(f"its request was refused with {status}")

    async def reply(self, reply: Reply) -> bool:
        """Answers; False when the connection cannot be used any more.

        Raises:
            Left: It went away, or does not read.
        """
        headers = {"content-length": str(len(reply.body)), "cache-control": "no-store"} | dict(
            reply.headers
        )
        await self._send(h11.Response(status_code=reply.status, headers=list(headers.items())))
        if reply.body:
            await self._send(h11.Data(data=reply.body))
        await self._send(h11.EndOfMessage())
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            return True
        return False

    async def close(self) -> None:
        """Ends the connection, at once."""
        if self._writer.transport.get_write_buffer_size():
            self._writer.transport.abort()
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _whole(self) -> Request | None:
        head = await self._event()
        if not isinstance(head, h11.Request):
            return None
        parts: list[bytes] = []
        size = 0
        while isinstance(event := await self._event(), h11.Data):
            parts.append(bytes(event.data))
            size += len(event.data)
            if size > BODY:
                raise _Refused(413)
        headers = {n.decode("latin-1"): v.decode("latin-1") for n, v in head.headers}
        return Request(
            head.method.decode("latin-1"), head.target.decode("latin-1"), headers, b"".join(parts)
        )

    async def _event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self._read(None))
        return event

    async def _read(self, limit: float | None) -> bytes:
        try:
            async with asyncio.timeout(limit):
                return await self._reader.read(_PIECE)
        except TimeoutError:
            raise Left("it asked nothing") from None
        except OSError as error:
            raise Left(str(error)) from error

    async def _send(self, event: h11.Event) -> None:
        try:
            self._writer.write(self._http.send(event) or b"")
            async with asyncio.timeout(self._patience):
                await self._writer.drain()
        except TimeoutError:
            self._writer.transport.abort()
            raise Left("it does not read") from None
        except OSError as error:
            raise Left(str(error)) from error

    async def _dismiss(self, status: int) -> None:
        """Refuses what was not read to its end, and hears the rest out, within limits.

        Closing a socket with unread bytes in it resets it, and the client would never see why.
        """
        if self._http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return
        await self._send(
            h11.Response(
                status_code=status, headers=[("content-length", "0"), ("connection", "close")]
            )
        )
        await self._send(h11.EndOfMessage())
        left = _LEFT
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1.0):
                self._writer.write_eof()
                while left > 0 and (piece := await self._reader.read(_PIECE)):
                    left -= len(piece)
