"""One HTTP/1.1 connection of an agent's program that asks its model: whole or streamed answers."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import socket
import struct
import zlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import h11

from massgen_ls.adapters.mcp.http import Wire
from massgen_ls.adapters.mcp.messages import GoneError
from massgen_ls.testing.models.episode import Json

MOST_BYTES = 128 * 1024 * 1024
"""A request above this is refused: no agent program sends so much."""


@dataclass(frozen=True)
class Call:
    """An HTTP request. Header names are lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """A whole answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    kind: str = "application/json"

    @classmethod
    def json(cls, value: Json, status: int = 200) -> Reply:
        """An answer that is JSON."""
        return cls(status, json.dumps(value).encode())


class Unreadable(Exception):
    """The body came in an encoding that cannot be undone here."""


def decoded(body: bytes, encoding: str) -> bytes:
    """The body without its content encodings.

    Raises:
        Unreadable: an encoding that this Python does not know, or a body that is damaged.
    """
    for name in reversed([e.strip().lower() for e in encoding.split(",")]):
        try:
            match name:
                case "" | "identity":
                    pass
                case "gzip" | "x-gzip" | "deflate":
                    body = zlib.decompress(body, 47)
                case "zstd":
                    body = unzstd(body)
                case _:
                    raise Unreadable(f"The content encoding {name!r} is not known here.")
        except zlib.error as error:
            raise Unreadable(f"The body is not {name}: {error}.") from error
    return body


def unzstd(body: bytes) -> bytes:
    """Undoes zstd with Python 3.14's own module, or with the `zstandard` package."""
    with contextlib.suppress(ModuleNotFoundError):
        return importlib.import_module("compression.zstd").decompress(body)
    with contextlib.suppress(ModuleNotFoundError):
        zstandard = importlib.import_module("zstandard")
        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    raise Unreadable("Bodies in zstd need Python 3.14, or: pip install zstandard.")


class Connection(Wire):
    """What one client says, and what it is told."""

    async def call(self) -> Call | None:
        """The next request; None when the client has no more.

        Raises:
            GoneError: it left in the middle, or spoke something else than HTTP.
        """
        try:
            request = await self._event()
            if not isinstance(request, h11.Request):
                return None
            parts: list[bytes] = []
            while isinstance(event := await self._event(), h11.Data):
                parts.append(bytes(event.data))
                if sum(map(len, parts)) > MOST_BYTES:
                    raise GoneError("the request is too large")
        except h11.RemoteProtocolError as error:
            raise GoneError(str(error)) from error
        target = urlsplit(request.target.decode("latin-1"))
        headers = {n.decode("latin-1"): v.decode("latin-1") for n, v in request.headers}
        method = request.method.decode("latin-1")
        return Call(method, unquote(target.path), target.query, headers, b"".join(parts))

    async def reply(self, reply: Reply, *, broken: bool = False) -> None:
        """Sends a whole answer; ``broken`` stops in the middle of its body."""
        length = len(reply.body)
        headers = {"content-type": reply.kind, "content-length": str(length), **reply.headers}
        await self._send(h11.Response(status_code=reply.status, headers=list(headers.items())))
        body = reply.body[: length // 2] if broken else reply.body
        if self._http.our_state is h11.SEND_BODY and body:
            await self._send(h11.Data(data=body))
        if broken:
            raise GoneError("cut, as the episode says")
        await self._send(h11.EndOfMessage())

    async def begin(self, kind: str) -> None:
        """Begins an answer that is streamed."""
        headers = [("content-type", kind), ("cache-control", "no-cache")]
        await self._send(h11.Response(status_code=200, headers=headers))

    async def send(self, part: bytes) -> None:
        """Streams a part."""
        await self._send(h11.Data(data=part))

    async def end(self) -> None:
        """Ends a streamed answer."""
        await self._send(h11.EndOfMessage())

    def reset(self) -> None:
        """Ends the connection with a TCP RST."""
        handle = self._writer.get_extra_info("socket")
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    @asynccontextmanager
    async def while_present(self) -> AsyncGenerator[None]:
        """Cancels the block when the client leaves, and swallows that cancellation.

        What the client sends meanwhile (a pipelined request) is kept.
        """
        block = asyncio.current_task()
        assert block is not None
        left = False
        ended: GoneError | None = None

        async def watch() -> None:
            nonlocal left
            with contextlib.suppress(GoneError):
                while part := await self._read():
                    self._http.receive_data(part)
            left = True
            block.cancel()

        try:
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(watch())
                try:
                    yield
                except GoneError as gone:  # kept out of the group, which would wrap it
                    ended = gone
                finally:
                    watching.cancel()
        except asyncio.CancelledError:
            if not left or block.uncancel() > 0:
                raise
            raise GoneError("the client left") from None
        if ended is not None:
            raise ended
