"""A toolbox to try the MCP endpoint with, and two clients: the official one and a bare one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import h11
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from massgen_ls.ports import Access, ToolAnswer, ToolSpec

GREET = ToolSpec(
    "greet",
    "Greets.",
    {
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "required": ["name"],
        "additionalProperties": False,
    },
)


class Box:
    """A toolbox with one tool; remembers how it was used."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self.specs: Sequence[ToolSpec] = (GREET,)
        self.hold: asyncio.Event | None = None
        self.begun = asyncio.Event()

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolAnswer:
        self.calls.append((name, arguments))
        self.begun.set()
        if self.hold is not None:
            await self.hold.wait()
        match arguments.get("name"):
            case "nobody":
                return ToolAnswer("There is nobody.", ok=False)
            case "trouble":
                raise RuntimeError("a bug")
            case "half":
                return ToolAnswer("a file \udcff")
            case who:
                return ToolAnswer(f"{self.owner} greets {who}")


@asynccontextmanager
async def official(
    access: Access, mode: Literal["legacy", "auto"] = "legacy"
) -> AsyncGenerator[Client]:
    """The official client, connected."""
    headers = {"Authorization": f"Bearer {access.token}"}
    async with create_mcp_http_client(headers=headers) as http:
        transport = streamable_http_client(access.url, http_client=http)
        async with Client(transport, mode=mode) as client:
            yield client


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """A connection that says what it is told to."""

    def __init__(
        self, access: Access, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.access = access
        self.reader = reader
        self.writer = writer
        self.http = h11.Connection(h11.CLIENT)

    async def send(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    def request(
        self,
        body: Any = None,
        *,
        method: str = "POST",
        path: str = "",
        **headers: str | None,
    ) -> bytes:
        """The bytes of a request; a header that is None is left out."""
        at = urlsplit(self.access.url)
        told: dict[str, str | None] = {
            "host": at.netloc,
            "authorization": f"Bearer {self.access.token}",
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
        }
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"{method} {path or at.path} HTTP/1.1", f"content-length: {len(raw)}"]
        lines += [f"{name}: {value}" for name, value in told.items() if value is not None]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + raw

    async def ask(self, body: Any = None, **how: Any) -> Answer:
        """Sends a request and reads the answer to it."""
        await self.send(self.request(body, **how))
        return await self.answer()

    async def answer(self) -> Answer:
        """Reads one answer.

        Raises:
            EOFError: the server has closed the connection instead.
        """
        if self.http.our_state is h11.IDLE:
            self.http.send(h11.Request(method="POST", target="/", headers=[("host", "x")]))
            self.http.send(h11.EndOfMessage())
        head: h11.Response | None = None
        body = b""
        while True:
            match self.http.next_event():
                case h11.NEED_DATA:
                    piece = await self.reader.read(65536)
                    if not piece and head is None:
                        raise EOFError
                    self.http.receive_data(piece)
                case h11.Response() as head:
                    pass
                case h11.Data(data=data):
                    body += bytes(data)
                case h11.EndOfMessage():
                    break
                case h11.InformationalResponse():
                    pass
                case event:
                    raise AssertionError(event)
        assert head is not None
        if self.http.our_state is h11.DONE and self.http.their_state is h11.DONE:
            self.http.start_next_cycle()
        headers = {n.decode(): v.decode() for n, v in head.headers}
        return Answer(head.status_code, headers, body)


@asynccontextmanager
async def wire(access: Access) -> AsyncGenerator[Wire]:
    """A bare connection to the endpoint."""
    at = urlsplit(access.url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    try:
        yield Wire(access, reader, writer)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def rpc(method: str, name: Any = 1, **params: Any) -> dict[str, Any]:
    """A JSON-RPC request."""
    return {"jsonrpc": "2.0", "id": name, "method": method, "params": params}
