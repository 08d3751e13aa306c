"""Our side of JSON-RPC: both directions, ids of any type, and nothing that breaks it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.adapters.agents.acp.jsonrpc import (
    CANCEL,
    Params,
    Peer,
    PeerGoneError,
    RpcError,
    unknown,
)
from massgen_ls.core.task import Json


class Line:
    """A peer, what it sent, and what it serves."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        self.told: list[tuple[str, Params]] = []
        self.started = asyncio.Event()
        self.peer: Peer

    async def send(self, message: Mapping[str, Json]) -> None:
        json.dumps(message)
        self.sent.put_nowait(message)

    async def notified(self, method: str, params: Params) -> None:
        self.told.append((method, params))

    async def asked(self, method: str, params: Params) -> Json:
        match method:
            case "echo":
                return dict(params)
            case "fail":
                raise RpcError(7, "no", {"why": "so"})
            case "hang":
                self.started.set()
                await asyncio.Event().wait()
                return None
            case _:
                raise unknown(method)


@asynccontextmanager
async def line() -> AsyncGenerator[Line]:
    made = Line()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        made.peer = Peer(made.send, made, group)
        yield made
        await made.peer.gone("over")


# ── what we ask ─────────────────────────────────────────────────────────────────────────────────


async def test_answers_find_their_questions_in_any_order() -> None:
    async with line() as made, asyncio.TaskGroup() as group:
        first = group.create_task(made.peer.request("a", {"n": 1}))
        second = group.create_task(made.peer.request("b", {}))
        one, two = await made.sent.get(), await made.sent.get()
        assert one == {"jsonrpc": "2.0", "id": one["id"], "method": "a", "params": {"n": 1}}
        await made.peer.incoming({"id": two["id"], "result": "for b"})
        await made.peer.incoming({"id": one["id"], "result": None})
        assert (await first, await second) == (None, "for b")


async def test_an_error_is_raised_with_all_that_it_says() -> None:
    async with line() as made, asyncio.TaskGroup() as group:
        asking = group.create_task(failing(made))
        asked = await made.sent.get()
        error = {"code": -32000, "message": "Log in", "data": {"url": "x"}}
        await made.peer.incoming({"id": asked["id"], "error": error})
        raised = await asking
        assert (raised.code, raised.message, raised.data) == (-32000, "Log in", {"url": "x"})


async def failing(made: Line) -> RpcError:
    with pytest.raises(RpcError) as caught:
        await made.peer.request("x", {})
    return caught.value


@pytest.mark.parametrize("error", ["text", 5, [], {}, {"code": "x", "message": 3}, {"code": True}])
async def test_an_error_of_any_form_is_an_error(error: Any) -> None:
    async with line() as made, asyncio.TaskGroup() as group:
        asking = group.create_task(failing(made))
        asked = await made.sent.get()
        await made.peer.incoming({"id": asked["id"], "error": error})
        assert (await asking).code == -32603


async def test_a_question_that_is_given_up_is_taken_back() -> None:
    async with line() as made:
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(made.peer.request("x", {}))
            asked = await made.sent.get()
            asking.cancel()
        told = await made.sent.get()
        assert told["method"] == CANCEL
        assert told["params"] == {"requestId": asked["id"]}
        await made.peer.incoming({"id": asked["id"], "result": "late"})


async def test_who_waits_is_told_when_the_other_side_ends() -> None:
    async with line() as made, asyncio.TaskGroup() as group:
        asking = group.create_task(gone(made))
        await made.sent.get()
        await made.peer.gone("it crashed")
        assert str(await asking) == "it crashed"
        with pytest.raises(PeerGoneError, match="it crashed"):
            await made.peer.request("y", {})
        await made.peer.notify("z", {})
        assert made.sent.empty()


async def gone(made: Line) -> PeerGoneError:
    with pytest.raises(PeerGoneError) as caught:
        await made.peer.request("x", {})
    return caught.value


# ── what we are asked ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", [0, 7, -1, 1.5, "seven", "", None, True, [1], {"a": 1}])
async def test_an_id_of_any_type_comes_back_as_it_was(number: Any) -> None:
    async with line() as made:
        await made.peer.incoming({"id": number, "method": "echo", "params": {"a": [1]}})
        assert await made.sent.get() == {"jsonrpc": "2.0", "id": number, "result": {"a": [1]}}


async def test_errors_and_unknown_methods_are_answered_as_errors() -> None:
    async with line() as made:
        await made.peer.incoming({"id": 1, "method": "fail"})
        assert (await made.sent.get())["error"] == {
            "code": 7,
            "message": "no",
            "data": {"why": "so"},
        }
        await made.peer.incoming({"id": 2, "method": "fs/read_text_file", "params": {}})
        assert (await made.sent.get())["error"]["code"] == -32601


async def test_a_notification_is_never_answered() -> None:
    async with line() as made:
        await made.peer.incoming({"method": "session/update", "params": {"a": 1}})
        await made.peer.incoming({"method": "odd", "params": [1, 2]})
        assert made.told == [("session/update", {"a": 1}), ("odd", {})]
        assert made.sent.empty()


@pytest.mark.parametrize("number", [1, "1"])
async def test_a_question_of_theirs_can_be_taken_back(number: Any) -> None:
    async with line() as made:
        await made.peer.incoming({"id": number, "method": "hang"})
        await made.started.wait()
        other = 1 if number == "1" else "1"
        await made.peer.incoming({"method": CANCEL, "params": {"requestId": other}})
        await made.peer.incoming({"id": "still", "method": "echo"})
        assert (await made.sent.get())["id"] == "still"
        await made.peer.incoming({"method": CANCEL, "params": {"requestId": number}})
        answer = await made.sent.get()
        assert (answer["id"], answer["error"]["code"]) == (number, -32800)


async def test_what_is_neither_is_told_so() -> None:
    async with line() as made:
        await made.peer.incoming({"id": 9})
        assert (await made.sent.get())["error"]["code"] == -32600
        await made.peer.incoming({})
        await made.peer.incoming({"id": 4711, "result": "to nobody"})
        assert made.sent.empty()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(["id", "method", "params", "result", "error", "jsonrpc", "x"])
MESSAGES = st.dictionaries(NAMES, JSON | st.sampled_from(["echo", "fail", "hang", CANCEL, 1, 2]))


async def test_an_id_that_is_used_twice_leaves_nobody_behind() -> None:
    async with line() as made:
        await made.peer.incoming({"id": 2, "method": "hang"})
        await made.started.wait()
        await made.peer.incoming({"id": 2, "method": "echo", "params": {}})


@given(st.lists(MESSAGES, max_size=12))
def test_no_message_breaks_it(messages: list[dict[str, Any]]) -> None:
    async def hear() -> None:
        async with line() as made, asyncio.TaskGroup() as group:
            asking = group.create_task(made.peer.request("mine", {}))
            await made.sent.get()
            for message in messages:
                await made.peer.incoming(message)
            asking.cancel()

    asyncio.run(hear())
