"""Our MCP server as agents find it: through the official client, and through bad clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.adapters.mcp import LoopbackEndpoint
from massgen_ls.adapters.mcp.endpoint import MOST_STRANGERS
from massgen_ls.adapters.mcp.http import MOST
from massgen_ls.adapters.mcp.speaking import MOST as MOST_MESSAGES
from massgen_ls.adapters.mcp.speaking import answer
from massgen_ls.core.task import Json
from massgen_ls.ports import Access, ToolAnswer, ToolSpec

ECHO = ToolSpec(
    "echo",
    "Says it again.",
    {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
)


@dataclass
class Tools:
    """A toolbox with one tool, which remembers what it was asked."""

    name: str = "a"
    asked: list[Mapping[str, Json]] = field(default_factory=list)
    specs: Sequence[ToolSpec] = (ECHO,)

    async def call(self, name: str, arguments: Mapping[str, Json]) -> ToolAnswer:
        self.asked.append(arguments)
        text = arguments.get("text")
        if not isinstance(text, str):
            return ToolAnswer("no text", ok=False)
        return ToolAnswer(f"{self.name}: {text}")


@asynccontextmanager
async def opened(tools: Tools) -> AsyncIterator[Access]:
    async with LoopbackEndpoint() as endpoint, endpoint.open(tools) as access:
        yield access


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def exchange(access: Access, raw: bytes) -> bytes:
    """What comes back until the server closes the connection, or has said one whole answer."""
    port = int(access.url.split(":")[2].split("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw)
        await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def ask(
    access: Access,
    body: object = None,
    *,
    method: str = "POST",
    path: str | None = None,
    token: str | None = None,
    **headers: str,
) -> Reply:
    """One request on a connection of its own."""
    host, _, rest = access.url.removeprefix("http://").partition("/")
    sent = {
        "Host": host,
        "Authorization": f"Bearer {access.token if token is None else token}",
        "Connection": "close",
        **{name.replace("_", "-"): text for name, text in headers.items()},
    }
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {path or '/' + rest} HTTP/1.1", f"Content-Length: {len(data)}"]
    lines += [f"{name}: {text}" for name, text in sent.items()]
    raw = await exchange(access, "\r\n".join(lines).encode() + b"\r\n\r\n" + data)
    head, _, content = raw.partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").split("\r\n")
    found = dict(line.lower().split(": ", 1) for line in fields)
    return Reply(int(status.split()[1]), found, content)


def call(text: str, number: int = 1) -> dict[str, object]:
    params = {"name": "echo", "arguments": {"text": text}}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


# ── as agents use it ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_official_client_finds_and_uses_our_tools(mode: str) -> None:
    import httpx2
    from mcp.client import Client
    from mcp.client.streamable_http import streamable_http_client

    tools = Tools()
    async with opened(tools) as access:
        headers = {"Authorization": f"Bearer {access.token}"}
        async with httpx2.AsyncClient(headers=headers, trust_env=False) as http:
            transport = streamable_http_client(access.url, http_client=http)
            async with Client(transport, mode=mode) as client:
                listed = await client.list_tools()
                assert [(t.name, t.description) for t in listed.tools] == [
                    ("echo", "Says it again.")
                ]
                good = await client.call_tool("echo", {"text": "hé"})
                assert (good.content[0].text, good.is_error) == ("a: hé", False)
                bad = await client.call_tool("echo", {})
                assert (bad.content[0].text, bad.is_error) == ("no text", True)
    assert tools.asked == [{"text": "hé"}, {}]


async def test_two_seats_have_two_addresses_and_never_see_each_other() -> None:
    first, second = Tools("first"), Tools("second")
    async with LoopbackEndpoint() as endpoint:
        async with endpoint.open(first) as one, endpoint.open(second) as two:
            assert one.url.split("/")[2] == two.url.split("/")[2]
            assert one.tools == ("echo",)
            assert (await ask(one, call("x"))).json["result"]["content"][0]["text"] == "first: x"
            assert (await ask(two, call("y"))).json["result"]["content"][0]["text"] == "second: y"
            assert (await ask(one, call("z"), token=two.token)).status == 401
            assert first.asked == [{"text": "x"}]
        assert (await ask(one, call("late"))).status == 401


async def test_a_connection_serves_many_requests() -> None:
    async with opened(Tools()) as access:
        host, _, rest = access.url.removeprefix("http://").partition("/")
        one = json.dumps(call("x")).encode()
        head = (
            f"POST /{rest} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {access.token}\r\n"
            f"Content-Length: {len(one)}\r\n"
        ).encode()
        last = head + b"Connection: close\r\n\r\n" + one
        raw = await exchange(access, (head + b"\r\n" + one) * 3 + last)
        assert raw.count(b"HTTP/1.1 200") == 4


# ── who must not get in, and what is no MCP ─────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"token": "wrong"}, 401),
        ({"token": ""}, 401),
        ({"path": "/mcp"}, 401),
        ({"path": "/"}, 401),
        ({"Origin": "http://127.0.0.1"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"method": "GET"}, 405),
        ({"method": "PUT"}, 405),
        ({"method": "DELETE"}, 204),
        ({"MCP_Protocol_Version": "1999-01-01"}, 400),
        ({"MCP_Protocol_Version": "2025-06-18"}, 200),
        ({"body": b"{"}, 400),
        ({"body": b"[" * 100_000}, 400),
        ({"body": b"\xff\xfe"}, 400),
        ({"body": b"x" * (MOST + 1)}, 413),
        ({"body": {"jsonrpc": "2.0", "method": "notifications/initialized"}}, 202),
        ({"body": {"jsonrpc": "2.0", "id": 1, "result": {}}}, 202),
    ],
)
async def test_who_and_what_gets_in(changes: dict[str, Any], status: int) -> None:
    tools = Tools()
    async with opened(tools) as access:
        reply = await ask(access, changes.pop("body", call("x")), **changes)
        assert reply.status == status
        assert bool(tools.asked) == (status == 200)
        assert reply.headers.get("cache-control") == "no-store"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"hello\r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_http_ends_its_connection_and_nothing_else(raw: bytes) -> None:
    async with opened(Tools()) as access:
        port = int(access.url.split(":")[2].split("/")[0])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(raw)
        writer.write_eof()
        assert (await ask(access, call("x"))).status == 200
        writer.close()
        with suppress(ConnectionError):  # it was closed with some of our words unread
            await writer.wait_closed()


async def test_leaving_closes_what_clients_hold_open() -> None:
    async with LoopbackEndpoint() as endpoint, endpoint.open(Tools()) as access:
        port = int(access.url.split(":")[2].split("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert (await ask(access, call("x"))).status == 200
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (7, -32600),
        ([], -32600),
        ({"id": 1}, -32600),
        ({"id": None, "method": "ping"}, -32600),
        ({"id": True, "method": "ping"}, -32600),
        ({"id": 1, "method": "ping", "params": [1]}, -32602),
        ({"id": 1, "method": "resources/list"}, -32601),
        ({"id": 1, "method": "tools/call", "params": {}}, -32602),
        ({"id": 1, "method": "tools/call", "params": {"name": "rm"}}, -32602),
        ({"id": 1, "method": "tools/call", "params": {"name": "echo", "arguments": 1}}, -32602),
    ],
)
async def test_what_is_wrong_is_an_error_of_the_right_kind(message: object, code: int) -> None:
    told = await answer(message, Tools(), "0")
    assert isinstance(told, dict)
    assert told["error"]["code"] == code  # type: ignore[index,call-overload]


async def test_a_batch_has_an_end() -> None:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    told = await answer([ping] * MOST_MESSAGES, Tools(), "0")
    assert isinstance(told, list)
    assert len(told) == MOST_MESSAGES
    refused = await answer([ping] * (MOST_MESSAGES + 1), Tools(), "0")
    assert isinstance(refused, dict)
    assert refused["error"] == {"code": -32600, "message": "a batch of more than 16 messages"}


async def test_a_batch_is_answered_as_one_without_its_notifications() -> None:
    batch = [call("x", 1), {"method": "notifications/x"}, {"id": "p", "method": "ping"}]
    told = await answer(batch, Tools(), "0")
    assert isinstance(told, list)
    assert [each["id"] for each in told if isinstance(each, dict)] == [1, "p"]
    assert await answer([{"method": "n"}], Tools(), "0") is None


@pytest.mark.parametrize(
    ("asked", "given"),
    [("2025-03-26", "2025-03-26"), ("2999-01-01", "2025-11-25"), (5, "2025-11-25")],
)
async def test_the_version_is_the_clients_where_we_speak_it(asked: object, given: str) -> None:
    message = {"id": 0, "method": "initialize", "params": {"protocolVersion": asked}}
    told = await answer(message, Tools(), "0")
    assert isinstance(told, dict)
    assert told["result"]["protocolVersion"] == given  # type: ignore[index,call-overload]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "method", "params", "name", "arguments", "result", "x"]), inner
        )
    ),
    max_leaves=12,
)
messages = anything | st.fixed_dictionaries(
    {"id": anything, "method": st.sampled_from(["initialize", "tools/call", "tools/list", "ping"])},
    optional={"params": anything},
)


@given(messages)
async def test_no_message_breaks_it(message: object) -> None:
    json.dumps(await answer(message, Tools(), "0"))


# ── against what our own side and strangers may do ──────────────────────────────────────────────


def port_of(access: Access) -> int:
    return int(access.url.split(":")[2].split("/")[0])


async def kept(
    access: Access, message: object
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that has sent one request with the right token, and stays."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(access))
    body = json.dumps(message).encode()
    path = "/" + access.url.removeprefix("http://").partition("/")[2]
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port_of(access)}\r\n"
    head += f"Authorization: Bearer {access.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    return reader, writer


PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@dataclass
class SlowTools(Tools):
    """A tool that never comes to an end, and knows whether it was cancelled."""

    begun: asyncio.Event = field(default_factory=asyncio.Event)
    over: bool = False

    async def call(self, name: str, arguments: Mapping[str, Json]) -> ToolAnswer:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.over = True
        raise AssertionError


async def test_a_closed_toolbox_is_used_by_nobody_any_more() -> None:
    tools = SlowTools()
    async with LoopbackEndpoint() as endpoint:
        async with endpoint.open(Tools("other")) as other:
            async with endpoint.open(tools) as access:
                idle_reader, idle = await kept(access, PING)
                assert (await idle_reader.readline()).startswith(b"HTTP/1.1 200")
                busy_reader, busy = await kept(access, call("x"))
                await tools.begun.wait()
            assert tools.over, "a call that ran on would act for a seat that has ended"
            async with asyncio.timeout(10):
                assert await busy_reader.read() == b""
                await idle_reader.read()
            assert (await ask(access, PING)).status == 401
            assert (await ask(other, PING)).status == 200
        for writer in (idle, busy):
            writer.close()
            await writer.wait_closed()


class BrokenTools(Tools):
    async def call(self, name: str, arguments: Mapping[str, Json]) -> ToolAnswer:
        if arguments["text"] == "bug":
            raise RuntimeError("a bug of ours")
        return ToolAnswer("a file \udcff")


async def test_a_tool_that_breaks_is_told_to_the_agent_and_to_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with opened(BrokenTools()) as access:
        told = (await ask(access, call("bug"))).json["result"]
        assert told["isError"]
        assert "out of order" in told["content"][0]["text"]
        assert "a bug of ours" in caplog.text
        # A name of a file that is not UTF-8; the official client refuses half characters.
        told = (await ask(access, call("name"))).json["result"]
        assert told["content"][0]["text"] == "a file ?"


async def test_strangers_cannot_crowd_out_an_agent() -> None:
    async with opened(Tools()) as access, AsyncExitStack() as stack:
        reader, writer = await kept(access, PING)
        stack.push_async_callback(writer.wait_closed)
        stack.callback(writer.close)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        crowd: list[asyncio.StreamReader] = []
        for _ in range(MOST_STRANGERS + 8):
            stranger, out = await asyncio.open_connection("127.0.0.1", port_of(access))
            stack.push_async_callback(out.wait_closed)
            stack.callback(out.close)
            crowd.append(stranger)
        async with asyncio.timeout(20):
            for early in crowd[:8]:
                assert await early.read() == b""
        assert (await ask(access, PING)).status == 200
        assert not reader.at_eof()
