"""What the scripted models say on the wire, without any agent program."""

from __future__ import annotations

import json
from typing import Any

import pytest

from massgen_ls.testing.models import (
    Answer,
    Cut,
    Edit,
    Episode,
    Garbage,
    Native,
    Read,
    Refuse,
    Reset,
    Shell,
    Text,
    Thinking,
    TooLong,
    Turn,
    Usage,
    Write,
    serving,
)
from massgen_ls.testing.models.faces import sample
from tests.models.asking import QUESTIONS, Heard, ask, question

APIS = sorted(QUESTIONS)


async def told(api: str, *steps: Any, usage: Usage | None = None, **more: Any) -> Heard:
    async with serving(Episode(Turn(*steps, usage=usage))) as models:
        return await ask(models.url, *question(api, **more))


def spoken(api: str, heard: Heard) -> str:
    match api:
        case "anthropic":
            return "".join(e.get("delta", {}).get("text", "") for e in heard.events)
        case "gemini":
            parts = [p for e in heard.events for p in e["candidates"][0]["content"]["parts"]]
            return "".join(p["text"] for p in parts if "text" in p and not p.get("thought"))
        case _:
            deltas = [e for e in heard.events if e["type"] == "response.output_text.delta"]
            return "".join(e["delta"] for e in deltas)


def tools(api: str, heard: Heard) -> list[tuple[str, Any]]:
    match api:
        case "anthropic":
            used: list[tuple[str, str]] = []
            for event in heard.events:
                block = event.get("content_block", {})
                if block.get("type") == "tool_use":
                    used.append((block["name"], ""))
                if "partial_json" in event.get("delta", {}):
                    used[-1] = (used[-1][0], used[-1][1] + event["delta"]["partial_json"])
            return [(name, json.loads(given)) for name, given in used]
        case "gemini":
            parts = [p for e in heard.events for p in e["candidates"][0]["content"]["parts"]]
            calls = [p["functionCall"] for p in parts if "functionCall" in p]
            return [(c["name"], c["args"]) for c in calls]
        case _:
            done = [e["item"] for e in heard.events if e["type"] == "response.output_item.done"]
            calls = [i for i in done if i["type"].endswith("_call")]
            return [
                (c["name"], json.loads(c["arguments"]) if "arguments" in c else c["input"])
                for c in calls
            ]


@pytest.mark.parametrize("api", APIS)
async def test_text_comes_in_pieces_and_whole(api: str) -> None:
    heard = await told(api, Thinking("Hm."), Text("Grüße aus dem Modell"))
    assert (heard.status, heard.whole) == (200, True)
    assert heard.headers["content-type"] == "text/event-stream"
    assert spoken(api, heard) == "Grüße aus dem Modell"


TOOLS = {
    "anthropic": [
        ("Write", {"file_path": "a.txt", "content": "A\n"}),
        ("Read", {"file_path": "b.txt"}),
        ("Edit", {"file_path": "b.txt", "old_string": "1", "new_string": "2"}),
        ("Read", {"file_path": "c.txt"}),
        ("Bash", {"command": "ls", "description": "A scripted command"}),
        ("mcp__team__vote", {"for": "x"}),
    ],
    "gemini": [
        ("write_file", {"file_path": "a.txt", "content": "A\n"}),
        (
            "replace",
            {
                "file_path": "b.txt",
                "instruction": "As the episode says",
                "old_string": "1",
                "new_string": "2",
            },
        ),
        ("read_file", {"file_path": "c.txt"}),
        ("run_shell_command", {"command": "ls", "description": "A scripted command"}),
        ("mcp__team__vote", {"for": "x"}),
    ],
    "responses": [
        (
            "exec_command",
            {"cmd": "apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: a.txt\n+A\n"
                    "*** End Patch\nEOF"},
        ),
        (
            "exec_command",
            {"cmd": "apply_patch <<'EOF'\n*** Begin Patch\n*** Update File: b.txt\n@@\n-1\n+2\n"
                    "*** End Patch\nEOF"},
        ),
        ("exec_command", {"cmd": 'cat -- "c.txt"'}),
        ("exec_command", {"cmd": "ls"}),
        ("mcp__team__vote", {"for": "x"}),
    ],
}  # fmt: skip


@pytest.mark.parametrize("api", APIS)
async def test_neutral_tools_become_the_programs_own(api: str) -> None:
    heard = await told(
        api,
        Write("a.txt", "A\n"),
        Edit("b.txt", "1", "2"),
        Read("c.txt"),
        Shell("ls"),
        Native("mcp__team__vote", {"for": "x"}),
    )
    assert tools(api, heard) == TOOLS[api]


async def test_a_patch_goes_to_the_tool_for_patches_where_there_is_one() -> None:
    offered = [{"type": "custom", "name": "apply_patch"}]
    heard = await told("responses", Write("a.txt", "A\nB"), tools=offered)
    patch = "*** Begin Patch\n*** Add File: a.txt\n+A\n+B\n*** End Patch\n"
    assert tools("responses", heard) == [("apply_patch", patch)]


async def test_a_structured_answer_takes_the_way_that_is_open() -> None:
    offered = [{"name": "StructuredOutput"}]
    heard = await told("anthropic", Answer({"vote": "a"}), tools=offered)
    assert tools("anthropic", heard) == [("StructuredOutput", {"vote": "a"})]
    for api in APIS:
        assert json.loads(spoken(api, await told(api, Answer({"vote": "a"})))) == {"vote": "a"}


async def test_usage_is_told_in_the_words_of_each_api() -> None:
    usage = Usage(input=100, output=7, cached=60)
    last = (await told("anthropic", Text("x"), usage=usage)).events[-2]["usage"]
    assert (last["input_tokens"], last["cache_read_input_tokens"], last["output_tokens"]) == (
        40,
        60,
        7,
    )
    last = (await told("gemini", Text("x"), usage=usage)).events[-1]["usageMetadata"]
    assert (last["promptTokenCount"], last["cachedContentTokenCount"]) == (100, 60)
    last = (await told("responses", Text("x"), usage=usage)).events[-1]["response"]["usage"]
    assert (last["input_tokens"], last["output_tokens"], last["total_tokens"]) == (100, 7, 107)


@pytest.mark.parametrize("api", APIS)
async def test_the_same_turn_in_one_piece(api: str) -> None:
    heard = await told(api, Text("Hello"), Write("a.txt", "A"), whole=True)
    assert (heard.status, heard.headers["content-type"]) == (200, "application/json")
    match api:
        case "anthropic":
            kinds = [b["type"] for b in heard.json["content"]]
            assert (kinds, heard.json["stop_reason"]) == (["text", "tool_use"], "tool_use")
        case "gemini":
            parts = heard.json["candidates"][0]["content"]["parts"]
            assert [sorted(p) for p in parts] == [["text"], ["functionCall"]]
        case _:
            assert [i["type"] for i in heard.json["output"]] == ["message", "function_call"]


@pytest.mark.parametrize("api", APIS)
async def test_a_refusal_has_status_headers_and_the_words_of_the_api(api: str) -> None:
    heard = await told(api, Refuse(429, headers={"retry-after": "7"}))
    assert (heard.status, heard.headers["retry-after"], heard.whole) == (429, "7", True)
    words = {
        "anthropic": ("type", "rate_limit_error"),
        "gemini": ("status", "RESOURCE_EXHAUSTED"),
        "responses": ("code", "rate_limit_exceeded"),
    }
    key, value = words[api]
    assert heard.json["error"][key] == value
    assert (await told(api, Refuse(502, body="<html>"))).body == b"<html>"


TOO_LONG = {"anthropic": "prompt is too long", "gemini": "exceeds the maximum number of tokens",
            "responses": "exceeds the context window"}  # fmt: skip


@pytest.mark.parametrize("api", APIS)
async def test_too_long_is_said_before_and_within_the_stream(api: str) -> None:
    before = await told(api, TooLong())
    assert before.status == 400
    assert TOO_LONG[api] in before.json["error"]["message"]
    within = await told(api, Text("so far"), TooLong())
    assert within.status == 200
    assert TOO_LONG[api] in json.dumps(within.events[-1])


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("inner", [Text("a rather long text to cut"), Write("a.txt", "A" * 99)])
async def test_a_cut_ends_in_the_middle(api: str, inner: Text | Write) -> None:
    uncut = await told(api, inner)
    heard = await told(api, Cut(inner))
    assert heard.status == 200
    assert not heard.whole
    assert 0 < len(heard.body) < len(uncut.body)
    assert not heard.body.endswith(b"\n\n")


@pytest.mark.parametrize("api", APIS)
async def test_a_cut_of_an_answer_in_one_piece_is_short_of_its_length(api: str) -> None:
    heard = await told(api, Cut(Text("Hello")), whole=True)
    assert not heard.whole
    assert heard.body


@pytest.mark.parametrize("api", APIS)
async def test_garbage_is_sent_as_it_is(api: str) -> None:
    assert b"\xff\xfe\x00" in (await told(api, Text("x"), Garbage(b"\xff\xfe\x00"))).body


@pytest.mark.parametrize("api", APIS)
async def test_a_reset_is_a_reset(api: str) -> None:
    with pytest.raises(ConnectionResetError):
        await told(api, Reset())


def test_a_sample_fits_its_schema() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {
            "reasoning": {"type": "STRING"},
            "next_speaker": {"type": "STRING", "enum": ["user", "model"]},
            "confidence": {"type": "NUMBER"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "maybe": {"anyOf": [{"type": "null"}, {"type": "string"}]},
            "sure": {"type": ["boolean", "null"]},
        },
    }
    assert sample(schema) == {
        "reasoning": "scripted",
        "next_speaker": "user",
        "confidence": 0,
        "tags": [],
        "maybe": None,
        "sure": False,
    }
