"""Whose episode a request belongs to, what is recorded, and HTTP as odd clients speak it."""

from __future__ import annotations

import asyncio
import gzip
import json
import struct
from urllib.parse import urlsplit

import pytest

from massgen_ls.testing.models import (
    Episode,
    Gate,
    Refuse,
    Request,
    Silence,
    Text,
    Turn,
    Wait,
    serving,
)
from tests.models.asking import QUESTIONS, ask, question, raw

APIS = sorted(QUESTIONS)


def says(text: str) -> Episode:
    return Episode(Turn(Text(text)))


@pytest.mark.parametrize("api", APIS)
async def test_each_seat_has_its_own_episode(api: str) -> None:
    scripts = {"key-a": says("A"), "gpt-5.5": says("M"), "SEAT-B": says("B"), "*": says("C")}
    async with serving(scripts) as models:
        await ask(models.url, *question(api, key="key-a"))
        await ask(models.url, *question(api, words="You are SEAT-B."))
        await ask(models.url, *question(api))
        seats = [seen.request.seat for seen in models.requests if seen.request]
    assert seats == ["key-a", *(["gpt-5.5"] * 2 if api == "responses" else ["SEAT-B", "*"])]


@pytest.mark.parametrize("api", APIS)
async def test_turns_are_taken_in_order_and_the_last_one_stays(api: str) -> None:
    episode = Episode(Turn(Refuse(500)), Turn(Text("one")), Turn(Refuse(418)))
    async with serving(episode) as models:
        asked = [await ask(models.url, *question(api)) for _ in range(4)]
        assert [heard.status for heard in asked] == [500, 200, 418, 418]
        other = await ask(models.url, *question(api, words="Another conversation."))
    assert other.status == 500


async def test_a_script_may_be_a_function() -> None:
    def script(request: Request) -> Turn:
        return Turn(Text(f"{request.api} {request.turn} {request.last} {request.tools[0]}"))

    async with serving(script) as models:
        heard = await ask(models.url, *question("gemini", words="Hello?", whole=True))
    text = heard.json["candidates"][0]["content"]["parts"][0]["text"]
    assert text == "gemini 0 Hello? write_file"


async def test_nobody_is_told_so() -> None:
    async with serving({"someone": says("x")}) as models:
        heard = await ask(models.url, *question("anthropic", key="stranger"))
        assert heard.status == 400
        assert "No episode" in heard.json["error"]["message"]
        assert models.turns("someone") == []


SIDE = [
    ("anthropic", {"max_tokens": 1, "messages": [{"role": "user", "content": "quota"}]}),
    ("anthropic", {"system": "Summarise in one title.", "tools": []}),
    ("anthropic", {"tools": [], "output_config": {"format": {"type": "json_schema", "schema": {
        "type": "object", "properties": {"title": {"type": "string"}}}}}}),
    ("gemini", {"tools": [], "generationConfig": {"responseJsonSchema": {
        "type": "object", "properties": {"next_speaker": {"enum": ["user", "model"]}}}}}),
    ("gemini", {"tools": [], "systemInstruction": {"parts": [{"text": "Summarise."}]}}),
]  # fmt: skip


@pytest.mark.parametrize(("api", "changes"), SIDE)
async def test_side_requests_are_answered_and_take_no_turn(api: str, changes: object) -> None:
    async with serving(Episode(Turn(Text("first")), Turn(Text("second")))) as models:
        assert isinstance(changes, dict)
        side = await ask(models.url, *question(api, **changes))
        assert side.status == 200
        await ask(models.url, *question(api))
        assert [seen.side for seen in models.requests] == [True, False]
        assert models.turns()[0].turn == 0


async def test_what_programs_ask_besides() -> None:
    async with serving(says("x")) as models:
        assert (await ask(models.url, "/", {}, b"", method="HEAD")).status == 200
        counted = await ask(models.url, "/v1/messages/count_tokens", {}, b'{"messages": []}')
        assert counted.json == {"input_tokens": 4}
        path = "/v1beta/models/g:countTokens"
        assert (await ask(models.url, path, {}, b'{"contents": []}')).json == {"totalTokens": 4}
        assert (await ask(models.url, "/v1/models", {}, b"", method="GET")).json["data"] == []
        assert (await ask(models.url, "/nowhere", {}, b"")).status == 404
        assert models.turns() == []
        assert len(models.requests) == 5


async def test_requests_are_recorded_without_the_key() -> None:
    async with serving(says("x")) as models:
        for api in APIS:
            await ask(models.url, *question(api, key="sk-secret-of-mine"))
        path = "/v1beta/models/g:generateContent?key=sk-secret-of-mine&alt=json"
        await ask(models.url, path, {}, b"{}")
        shown = repr(models.requests)
        assert "sk-secret-of-mine" not in shown
        assert models.requests[0].headers["x-api-key"] == "(hidden)"
        assert models.requests[0].body["model"] == "claude-sonnet-4-5"
        assert models.requests[-1].query == "alt=json"


async def test_saw_waits_for_what_comes_and_says_what_came() -> None:
    async with serving(says("x")) as models, asyncio.TaskGroup() as group:
        wanted = group.create_task(models.saw(lambda s: s.path == "/v1/responses"))
        await ask(models.url, *question("gemini"))
        await ask(models.url, *question("responses"))
        assert (await wanted).method == "POST"
        with pytest.raises(TimeoutError, match="POST /v1/responses"):
            await models.saw(lambda s: s.path == "/never", timeout=0.01)


@pytest.mark.parametrize("api", APIS)
async def test_a_gate_holds_the_turn(api: str) -> None:
    gate = Gate()
    episode = Episode(Turn(Text("before"), Wait(gate), Text("after")))
    async with serving(episode) as models, asyncio.TaskGroup() as group:
        asking = group.create_task(ask(models.url, *question(api)))
        await gate.reached()
        assert not asking.done()
        gate.open()
        assert (await asking).whole


@pytest.mark.parametrize("step", [Wait(Gate()), Silence()])
async def test_waiting_and_silence_end_when_the_client_leaves(step: Wait | Silence) -> None:
    async with serving(Episode(Turn(step))) as models:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(models.url).port)
        writer.write(request_of("anthropic"))
        await models.saw(lambda seen: seen.request is not None)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()


async def test_leaving_the_block_ends_clients_that_wait() -> None:
    gate = Gate()
    async with serving(Episode(Turn(Wait(gate)))) as models:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(models.url).port)
        writer.write(request_of("anthropic"))
        await gate.reached()
    assert await reader.read() == b""
    writer.close()


def request_of(api: str, *more: str) -> bytes:
    path, headers, body = question(api)
    lines = [f"{n}: {v}" for n, v in headers.items()] + [f"content-length: {len(body)}", *more]
    return (
        f"POST {path} HTTP/1.1\r\nhost: x\r\n" + "\r\n".join(lines) + "\r\n\r\n"
    ).encode() + body


async def test_a_script_that_raises_ends_the_block() -> None:
    def script(_: Request) -> Turn:
        raise LookupError("a bug in the script")

    async def block() -> None:
        async with serving(script) as models:
            await ask(models.url, *question("anthropic"))
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as raised:
        await block()
    assert raised.group_contains(LookupError, match="a bug in the script")


async def test_a_connection_is_kept_and_requests_may_be_pipelined() -> None:
    async with serving(says("x")) as models:
        await raw(models.url, request_of("gemini") * 2 + request_of("gemini", "connection: close"))
        assert len(models.turns()) == 3


async def test_bodies_in_chunks_compressed_and_after_a_question() -> None:
    _, headers, body = question("responses")
    packed = gzip.compress(body)
    async with serving(says("x")) as models:
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (packed[:9], packed[9:]))
        head = "".join(f"{n}: {v}\r\n" for n, v in headers.items())
        heard = await raw(
            models.url,
            f"POST /v1/responses HTTP/1.1\r\nhost: x\r\n{head}expect: 100-continue\r\n"
            "connection: close\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n"
            .encode() + chunks + b"0\r\n\r\n",
        )  # fmt: skip
        assert (heard.status, heard.whole) == (200, True)
        assert models.requests[0].body == json.loads(body)


async def test_a_client_that_expects_to_be_asked_is_asked() -> None:
    async with serving(says("x")) as models:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(models.url).port)
        sent = request_of("gemini", "expect: 100-continue", "connection: close")
        head, _, body = sent.partition(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(body)
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_what_cannot_be_read_is_said() -> None:
    async with serving(says("x")) as models:
        path, headers, _ = question("anthropic")
        assert (await ask(models.url, path, headers, b"{no json")).status == 400
        odd = headers | {"content-encoding": "br"}
        heard = await ask(models.url, path, odd, b"\x0b")
        assert (heard.status, "'br'" in heard.json["error"]) == (415, True)
        broken = headers | {"content-encoding": "gzip"}
        assert (await ask(models.url, path, broken, b"\x1f\x8b")).status == 415
        not_http = await asyncio.open_connection("127.0.0.1", urlsplit(models.url).port)
        not_http[1].write(struct.pack(">I", 7) * 99 + b"\r\n\r\n")
        assert await not_http[0].read() == b""
        not_http[1].close()
