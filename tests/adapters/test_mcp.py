"""The MCP endpoint does what clients need, for the official client and for older and newer ones."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from massgen_ls.adapters.mcp.endpoint import McpEndpoint
from massgen_ls.adapters.mcp.messages import VERSIONS
from massgen_ls.ports import Access, Endpoint
from tests.adapters.mcp import GREET, Box, official, rpc, wire


@pytest.fixture
async def endpoint() -> AsyncGenerator[McpEndpoint]:
    async with McpEndpoint() as endpoint:
        yield endpoint


def test_it_is_an_endpoint() -> None:
    endpoint: Endpoint = McpEndpoint()
    assert endpoint


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_official_client_lists_and_uses_tools(endpoint: McpEndpoint, mode: Any) -> None:
    box = Box("a")
    async with endpoint.open(box) as access, official(access, mode) as client:
        (tool,) = (await client.list_tools()).tools
        assert (tool.name, tool.description) == (GREET.name, GREET.description)
        assert tool.input_schema == GREET.schema
        good = await client.call_tool("greet", {"name": "Ada"})
        assert (text(good), good.is_error) == ("a greets Ada", False)
        bad = await client.call_tool("greet", {"name": "nobody"})
        assert (text(bad), bad.is_error) == ("There is nobody.", True)
        assert client.server_info.name == "massgen-ls"
    assert box.calls == [("greet", {"name": "Ada"}), ("greet", {"name": "nobody"})]
    assert access.tools == ("greet",)


def text(result: Any) -> str:
    return "".join(block.text for block in result.content)


async def test_two_toolboxes_at_once_never_meet(endpoint: McpEndpoint) -> None:
    a, b = Box("a"), Box("b")
    async with (
        endpoint.open(a) as to_a,
        endpoint.open(b) as to_b,
        official(to_a) as at_a,
        official(to_b) as at_b,
    ):
        assert to_a.url.rpartition("/")[0] == to_b.url.rpartition("/")[0]

        async def chat(client: Any, owner: str) -> None:
            for number in range(20):
                answer = await client.call_tool("greet", {"name": f"{owner}{number}"})
                assert text(answer) == f"{owner} greets {owner}{number}"

        async with asyncio.TaskGroup() as group:
            group.create_task(chat(at_a, "a"))
            group.create_task(chat(at_b, "b"))
        crossed = Access(to_a.url, to_b.token)
        async with wire(crossed) as line:
            assert (await line.ask(rpc("tools/list"))).status == 401
    assert {arguments["name"][0] for _, arguments in a.calls} == {"a"}
    assert {arguments["name"][0] for _, arguments in b.calls} == {"b"}


async def test_the_address_of_a_closed_toolbox_is_dead(endpoint: McpEndpoint) -> None:
    async with endpoint.open(Box("other")) as other:
        async with endpoint.open(Box("a")) as access, wire(access) as line:
            assert (await line.ask(rpc("ping"))).status == 200
        async with wire(access) as line:
            assert (await line.ask(rpc("tools/list"))).status == 404
            assert (
                await line.ask(rpc("ping"), path=other.url[other.url.index("/mcp") :])
            ).status == 401


async def test_closing_a_toolbox_ends_the_calls_and_the_connections_at_it(
    endpoint: McpEndpoint,
) -> None:
    box = Box("a")
    box.hold = asyncio.Event()
    async with endpoint.open(box) as access:
        busy, idle = wire(access), wire(access)
        calling, resting = await busy.__aenter__(), await idle.__aenter__()
        assert (await resting.ask(rpc("ping"))).status == 200
        await calling.send(calling.request({**rpc("tools/call"), "params": {"name": "greet"}}))
        await box.begun.wait()
    async with asyncio.timeout(10):
        assert await calling.reader.read() == b""
        assert await resting.reader.read() == b""
    await busy.__aexit__(None, None, None)
    await idle.__aexit__(None, None, None)


@pytest.mark.parametrize("version", VERSIONS)
async def test_each_version_is_spoken(endpoint: McpEndpoint, version: str) -> None:
    async with endpoint.open(Box("a")) as access, wire(access) as line:
        hello = rpc("initialize", protocolVersion=version, capabilities={}, clientInfo={})
        result = (await line.ask(hello)).json["result"]
        assert result["protocolVersion"] == version
        assert result["capabilities"] == {"tools": {}}
        said = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        noted = await line.ask(said, mcp_protocol_version=version)
        assert (noted.status, noted.body) == (202, b"")
        assert (await line.ask(rpc("ping"), mcp_protocol_version=version)).json["result"] == {}
        tools = await line.ask(rpc("tools/list"), mcp_protocol_version=version)
        assert [tool["name"] for tool in tools.json["result"]["tools"]] == ["greet"]


async def test_a_version_that_is_not_known_is_offered_the_newest(endpoint: McpEndpoint) -> None:
    async with endpoint.open(Box("a")) as access, wire(access) as line:
        hello = rpc("initialize", protocolVersion="2031-01-01")
        assert (await line.ask(hello)).json["result"]["protocolVersion"] == VERSIONS[-1]
        late = await line.ask(rpc("server/discover"), mcp_protocol_version="2026-07-28")
        assert (late.status, late.json["error"]["code"]) == (400, -32022)
        assert late.json["error"]["data"]["supported"] == list(VERSIONS)


async def test_batches_are_for_the_version_that_has_them(endpoint: McpEndpoint) -> None:
    batch = [rpc("ping", 1), {"jsonrpc": "2.0", "method": "notifications/x"}, rpc("what", "two")]
    async with endpoint.open(Box("a")) as access, wire(access) as line:
        for version in (None, "2025-03-26"):
            first, second = (await line.ask(batch, mcp_protocol_version=version)).json
            assert (first["id"], first["result"]) == (1, {})
            assert (second["id"], second["error"]["code"]) == ("two", -32601)
        silent = await line.ask([{"jsonrpc": "2.0", "method": "notifications/x"}])
        assert silent.status == 202
        for refused, version in ((batch, "2025-11-25"), ([], None), ([rpc("ping")] * 33, None)):
            assert (await line.ask(refused, mcp_protocol_version=version)).status == 400


async def test_there_is_no_stream_and_no_session_to_end(endpoint: McpEndpoint) -> None:
    async with endpoint.open(Box("a")) as access, wire(access) as line:
        for method in ("GET", "DELETE", "PUT", "OPTIONS"):
            answer = await line.ask(b"", method=method)
            assert (answer.status, answer.headers["allow"]) == (405, "POST")


async def test_a_tool_that_breaks_is_told_to_the_agent_and_to_the_log(
    endpoint: McpEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    async with endpoint.open(Box("a")) as access, official(access) as client:
        with caplog.at_level(logging.ERROR, "massgen_ls"):
            answer = await client.call_tool("greet", {"name": "trouble"})
        assert answer.is_error
        assert "out of order" in text(answer)
        assert "a bug" in caplog.text
        assert text(await client.call_tool("greet", {"name": "half"})) == "a file ?"


async def test_it_listens_only_once_it_is_needed_and_no_longer_than_its_owner() -> None:
    async with McpEndpoint() as endpoint:
        assert endpoint._server is None
        async with endpoint.open(Box("a")) as access:
            pass
        async with endpoint.open(Box("b")) as again:
            assert again.url.split("/")[2] == access.url.split("/")[2]
    with pytest.raises(OSError):
        async with wire(access):
            pass


async def test_what_its_block_raises_comes_out_as_it_is() -> None:
    async def broken() -> None:
        async with (
            McpEndpoint() as endpoint,
            endpoint.open(Box("a")) as access,
            wire(access) as line,
        ):
            assert (await line.ask(rpc("ping"))).status == 200
            raise KeyError("x")

    with pytest.raises(KeyError):
        await broken()
