"""The MCP endpoint against clients that are strangers, slow, too big, too many or mad."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from massgen_ls.adapters.mcp.endpoint import GUESTS, STRANGERS, McpEndpoint
from massgen_ls.adapters.mcp.http import BODY, HEAD
from massgen_ls.adapters.mcp.messages import VERSIONS, answered
from massgen_ls.ports import Access
from tests.adapters.mcp import Box, rpc, wire


@pytest.fixture
async def access() -> AsyncGenerator[Access]:
    async with McpEndpoint() as endpoint, endpoint.open(Box("a")) as access:
        yield access


REFUSED: list[tuple[str, dict[str, Any], int]] = [
    ("no token", {"authorization": None}, 401),
    ("another token", {"authorization": "Bearer nonsense"}, 401),
    ("an empty token", {"authorization": "Bearer "}, 401),
    ("another scheme", {"authorization": "Basic YTpi"}, 401),
    ("a token that is no ASCII", {"authorization": "Bearer \xff\xfe"}, 401),
    ("another path", {"path": "/mcp/guessed"}, 404),
    ("no path", {"path": "/"}, 404),
    ("where logins are announced", {"path": "/.well-known/oauth-protected-resource"}, 404),
    ("a name that was bound to loopback", {"host": "evil.example:80"}, 403),
    ("loopback, but another port", {"host": "127.0.0.1:1"}, 403),
    ("a page of the web", {"origin": "https://evil.example"}, 403),
    ("a sandboxed page", {"origin": "null"}, 403),
    ("a form", {"content_type": "application/x-www-form-urlencoded"}, 415),
    ("no type", {"content_type": None}, 415),
    ("an unknown version", {"mcp_protocol_version": "1999-01-01"}, 400),
]


@pytest.mark.parametrize(("how", "status"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
async def test_who_may_not_is_refused(access: Access, how: dict[str, Any], status: int) -> None:
    async with wire(access) as line:
        assert (await line.ask(rpc("tools/list"), **how)).status == status
        assert (await line.ask(rpc("tools/list"))).status == 200


async def test_the_right_token_is_not_shown_to_anyone(access: Access) -> None:
    async with wire(access) as line:
        answer = await line.ask(rpc("ping"), authorization="Bearer x")
    assert access.token not in str(answer)
    assert len(access.token) >= 43
    assert access.token not in access.url


SENSELESS: list[tuple[bytes, int]] = [
    (b"", -32700),
    (b"{", -32700),
    (b"\xff\xfe", -32700),
    (b'{"jsonrpc":"2.0","id":NaN,"method":"ping"}', -32700),
    (b"[" * 100_000, -32700),
    (b"null", -32600),
    (b"7", -32600),
    (b'{"id":1,"method":"ping"}', -32600),
    (b'{"jsonrpc":"2.0","id":1}', -32600),
    (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600),
    (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600),
    (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}', -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"initialize"}', -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"arguments":{}}}', -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":1}}', -32602),
    (b'{"jsonrpc":"2.0","id":1,"method":"resources/list"}', -32601),
]


@pytest.mark.parametrize(("body", "code"), SENSELESS)
async def test_what_makes_no_sense_is_told_so(access: Access, body: bytes, code: int) -> None:
    async with wire(access) as line:
        answer = await line.ask(body)
        assert answer.json["error"]["code"] == code
        assert answer.status == (400 if code in {-32700, -32600} else 200)
        assert (await line.ask(rpc("ping"))).status == 200


async def test_bodies_and_heads_are_bounded(access: Access) -> None:
    async with wire(access) as line:
        assert (await line.ask(b" " * (BODY + 1))).status == 413
        assert await line.reader.read() == b""
    async with wire(access) as line:
        assert (await line.ask(rpc("ping"), x_long="y" * HEAD * 16)).status == 431
        assert await line.reader.read() == b""
    async with wire(access) as line:
        chunk = b"%x\r\n%s\r\n" % (BODY // 4, b"y" * (BODY // 4))
        head = line.request(b"").replace(b"content-length: 0", b"transfer-encoding: chunked")
        await line.send(head + chunk * 5)
        assert (await line.answer()).status == 413


async def test_a_client_may_send_in_pieces_in_a_row_and_after_being_told_to_go_on(
    access: Access,
) -> None:
    async with wire(access) as line:
        for byte in line.request(rpc("ping")):
            await line.send(bytes([byte]))
        assert (await line.answer()).status == 200
        await line.send(line.request(rpc("ping", 1)) + line.request(rpc("ping", 2)))
        assert [(await line.answer()).json["id"] for _ in range(2)] == [1, 2]
        raw = line.request(rpc("ping"), expect="100-continue")
        head, _, body = raw.partition(b"\r\n\r\n")
        await line.send(head + b"\r\n\r\n")
        assert (await line.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        await line.send(body)
        assert (await line.answer()).status == 200


async def test_slow_clients_are_not_waited_for() -> None:
    async with (
        McpEndpoint(patience=0.2) as endpoint,
        endpoint.open(Box("a")) as access,
        wire(access) as silent,
        wire(access) as slow,
        wire(access) as known,
    ):
        assert (await known.ask(rpc("ping"))).status == 200
        await slow.send(slow.request(rpc("ping"))[:-3])
        async with asyncio.timeout(20):
            assert await silent.reader.read() == b""
            assert (await slow.answer()).status == 408
            assert await slow.reader.read() == b""
        # Its token was good, so it may think for as long as it likes.
        assert (await known.ask(rpc("ping"))).status == 200


async def test_a_client_that_never_reads_is_let_go() -> None:
    box = Box("a" * 900_000)
    async with (
        McpEndpoint(patience=0.2) as endpoint,
        endpoint.open(box) as access,
        wire(access) as deaf,
    ):
        call = deaf.request({**rpc("tools/call"), "params": {"name": "greet"}})
        await deaf.send(call * 20)
        async with asyncio.timeout(30):
            while endpoint._tasks:  # the client, being deaf, hears nothing of it
                await asyncio.wait(set(endpoint._tasks))
    assert 0 < len(box.calls) < 20


async def test_strangers_cannot_crowd_out_an_agent(access: Access) -> None:
    async with AsyncExitStack() as stack, asyncio.timeout(30):
        known = await stack.enter_async_context(wire(access))
        assert (await known.ask(rpc("ping"))).status == 200
        crowd = [await stack.enter_async_context(wire(access)) for _ in range(STRANGERS + 8)]
        for early in crowd[:8]:
            assert await early.reader.read() == b""
        assert (await known.ask(rpc("ping"))).status == 200
        newcomer = await stack.enter_async_context(wire(access))
        assert (await newcomer.ask(rpc("ping"))).status == 200


async def test_a_toolbox_has_so_many_guests_and_no_more(access: Access) -> None:
    async with AsyncExitStack() as stack:
        guests = [await stack.enter_async_context(wire(access)) for _ in range(GUESTS + 1)]
        *welcome, late = [(await guest.ask(rpc("ping"))).status for guest in guests]
        assert (set(welcome), late) == ({200}, 503)
        assert (await guests[0].ask(rpc("ping"))).status == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | JSON,
        "id": st.integers() | st.text() | JSON,
        "method": st.sampled_from(["initialize", "ping", "tools/list", "tools/call"]) | JSON,
        "params": st.fixed_dictionaries(
            {},
            optional={"name": st.just("greet") | JSON, "arguments": JSON, "protocolVersion": JSON},
        )
        | JSON,
    },
)


@given(
    st.one_of(NEARLY, st.lists(NEARLY, max_size=4), JSON).map(lambda v: json.dumps(v).encode())
    | st.binary(max_size=200),
    st.sampled_from(["", *VERSIONS, "x"]),
)
def test_any_body_has_an_answer_that_is_json_rpc(body: bytes, version: str) -> None:
    box = Box("a")
    reply = asyncio.run(answered(body, version, box))
    assert reply.status in {200, 202, 400}
    assert (reply.body == b"") == (reply.status == 202)
    if reply.body:
        told = json.loads(reply.body)
        for answer in told if isinstance(told, list) else [told]:
            assert answer["jsonrpc"] == "2.0"
            assert ("result" in answer) != ("error" in answer)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(pieces=st.lists(st.binary(max_size=300), max_size=4), well_begun=st.booleans())
def test_any_bytes_leave_the_server_standing(pieces: list[bytes], *, well_begun: bool) -> None:
    async def abuse() -> None:
        async with McpEndpoint(patience=0.05) as endpoint, endpoint.open(Box("a")) as access:
            async with wire(access) as line:
                if well_begun:
                    await line.send(line.request(rpc("ping"))[:40])
                try:
                    for piece in pieces:
                        await line.send(piece)
                    line.writer.write_eof()
                    await line.reader.read()
                except OSError:
                    pass
            async with wire(access) as line:
                assert (await line.ask(rpc("ping"))).status == 200

    asyncio.run(abuse())
