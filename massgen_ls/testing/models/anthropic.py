"""The Anthropic Messages API, as Claude Code and claude-agent-acp ask it."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from massgen_ls.testing.models import episode as e
from massgen_ls.testing.models.episode import Json, Refuse, Said, TooLong, Usage
from massgen_ls.testing.models.faces import Asked, as_text, joined, pieces, sample, sse
from massgen_ls.testing.models.http import Call, Reply

ERRORS = {
    400: ("invalid_request_error", "Bad request"),
    401: ("authentication_error", "invalid x-api-key"),
    403: ("permission_error", "Your API key does not have permission to use this resource."),
    404: ("not_found_error", "model: not found"),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your account's rate limit."),
    500: ("api_error", "Internal server error"),
    529: ("overloaded_error", "Overloaded"),
}
TOO_LONG = Refuse(400, "prompt is too long: 208310 tokens > 200000 maximum")
EMPTY: Mapping[str, Json] = {}
STRUCTURED = "StructuredOutput"
SESSION = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Anthropic:
    """The face."""

    api = "anthropic"

    def asked(self, call: Call, body: Mapping[str, Json]) -> Asked | Reply | None:
        """``POST /v1/messages``; counts tokens and names a model besides."""
        if call.method in {"HEAD", "GET"} and call.path == "/":
            return Reply(200)
        if call.path == "/v1/messages/count_tokens":
            return Reply.json({"input_tokens": len(call.body) // 4})
        if call.path != "/v1/messages" or call.method != "POST":
            return None
        messages: list[dict[str, Any]] = body.get("messages", [])
        users = [m for m in messages if m.get("role") == "user"]
        tools = tuple(t.get("name", "") for t in body.get("tools") or ())
        bearer = call.headers.get("authorization", "").removeprefix("Bearer ")
        return Asked(
            model=str(body.get("model", "")),
            key=call.headers.get("x-api-key") or bearer,
            conversation=session(call, body) or joined(users[:1])[:2000],
            opening=joined(users[:1]),
            last=joined(users[-1:]),
            tools=tools,
            body=body,
            streamed=bool(body.get("stream")),
            side=side(body, users),
        )

    def stream(self, asked: Asked, usage: Usage) -> Speech:
        """Begins an answer in server-sent events."""
        return Speech(asked, usage)

    def whole(self, asked: Asked, said: Sequence[Said], usage: Usage) -> Reply:
        """The message in one piece."""
        blocks = [b for step in said for b in blocks_of(step, asked)]
        message = envelope(asked, usage) | {"content": numbered(blocks, asked)}
        message["stop_reason"] = stop_reason(blocks)
        message["usage"] = counted(usage)
        return Reply.json(message)

    def refusal(self, refusal: Refuse | TooLong) -> Reply:
        """An error as the API words it."""
        refusal = TOO_LONG if isinstance(refusal, TooLong) else refusal
        text = refusal.body
        if text is None:
            text = json.dumps(error(refusal) | {"request_id": "req_scripted"})
        return Reply(refusal.status, text.encode(), dict(refusal.headers))


class Speech:
    """One streamed message."""

    def __init__(self, asked: Asked, usage: Usage) -> None:
        self._asked = asked
        self._usage = usage
        self._blocks: list[dict[str, Any]] = []

    def open(self) -> Sequence[bytes]:
        """``message_start``: its usage knows the input only."""
        message = envelope(self._asked, self._usage)
        return [sse({"type": "message_start", "message": message}, "message_start")]

    def say(self, step: Said) -> Sequence[bytes]:
        """The blocks of a step."""
        return [part for block in blocks_of(step, self._asked) for part in self._block(block)]

    def _block(self, block: dict[str, Any]) -> list[bytes]:
        index = len(self._blocks)
        self._blocks.append(block)
        block = numbered(self._blocks, self._asked)[index]
        deltas: list[dict[str, Any]]
        match block["type"]:
            case "text":
                empty = block | {"text": ""}
                deltas = [{"type": "text_delta", "text": t} for t in pieces(block["text"])]
            case "thinking":
                empty = block | {"thinking": "", "signature": ""}
                deltas = [
                    {"type": "thinking_delta", "thinking": t} for t in pieces(block["thinking"])
                ]
                deltas += [{"type": "signature_delta", "signature": block["signature"]}]
            case _:
                empty = block | {"input": dict[str, Json]()}
                deltas = [
                    {"type": "input_json_delta", "partial_json": t}
                    for t in pieces(json.dumps(block["input"]))
                ]
        start = {"type": "content_block_start", "index": index, "content_block": empty}
        stop = {"type": "content_block_stop", "index": index}
        return [
            sse(start, "content_block_start"),
            *(
                sse({"type": "content_block_delta", "index": index, "delta": d},
                    "content_block_delta")
                for d in deltas
            ),
            sse(stop, "content_block_stop"),
        ]  # fmt: skip

    def fail(self, refusal: Refuse | TooLong) -> Sequence[bytes]:
        """``error``, as the API puts it into a stream."""
        return [sse(error(TOO_LONG if isinstance(refusal, TooLong) else refusal), "error")]

    def close(self) -> Sequence[bytes]:
        """Why it stopped, and what was used."""
        delta = {"stop_reason": stop_reason(self._blocks), "stop_sequence": None}
        ending = {"type": "message_delta", "delta": delta, "usage": counted(self._usage)}
        return [sse(ending, "message_delta"), sse({"type": "message_stop"}, "message_stop")]


def session(call: Call, body: Mapping[str, Json]) -> str:
    """The session id that the program sends along, if it does."""
    named = call.headers.get("x-claude-code-session-id", "")
    if named:
        return named
    found = SESSION.findall(json.dumps(body.get("metadata") or ""))
    return found[-1] if found else ""


def side(body: Mapping[str, Json], users: Sequence[Mapping[str, Any]]) -> Json:
    """What to say to a request beside the conversation; None for the conversation itself."""
    if body.get("max_tokens") == 1 or joined(users).strip() == "quota":
        return "ok"
    if body.get("tools"):
        return None
    config: Mapping[str, Any] = body.get("output_config") or EMPTY
    form: Mapping[str, Any] = config.get("format") or EMPTY
    if "schema" in form:  # a title; the answer to a task is structured by a tool instead
        return sample(form["schema"])
    system = joined(body.get("system") or "")
    conversing = "You are Claude Code" in system or "Claude Agent SDK" in system or not system
    return None if conversing else "A scripted answer"


def envelope(asked: Asked, usage: Usage) -> dict[str, Any]:
    """The message before anything was said."""
    place = f"{asked.conversation} {len(asked.body['messages'])}".encode()
    return {
        "id": f"msg_scripted_{zlib.crc32(place):08x}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": counted(usage) | {"output_tokens": 1},
    }


def counted(usage: Usage) -> dict[str, int]:
    """Usage, in this API's words: its input does not count what was cached."""
    return {
        "input_tokens": usage.input - usage.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
    }


def stop_reason(blocks: Sequence[Mapping[str, Any]]) -> str:
    """``tool_use`` if a tool is asked for."""
    return "tool_use" if any(b["type"] == "tool_use" for b in blocks) else "end_turn"


def numbered(blocks: Sequence[dict[str, Any]], asked: Asked) -> list[dict[str, Any]]:
    """Tool uses with ids that no other message of the conversation has."""
    message = len(asked.body["messages"])
    return [
        b | {"id": f"toolu_scripted_{message}_{n}"} if b["type"] == "tool_use" else b
        for n, b in enumerate(blocks)
    ]


def error(refusal: Refuse) -> dict[str, Any]:
    """An error, as this API says it."""
    kind, message = ERRORS.get(refusal.status, ("api_error", "Error"))
    return {"type": "error", "error": {"type": kind, "message": refusal.message or message}}


def use(name: str, /, **given: Json) -> dict[str, Any]:
    """A tool use."""
    return {"type": "tool_use", "id": "", "name": name, "input": given}


def blocks_of(step: Said, asked: Asked) -> list[dict[str, Any]]:
    """A step as content blocks; Claude Code reads a file before it edits it, or refuses to."""
    match step:
        case e.Text(text):
            return [{"type": "text", "text": text}]
        case e.Thinking(text):
            return [{"type": "thinking", "thinking": text, "signature": "c2NyaXB0ZWQ="}]
        case e.Answer(value):
            if STRUCTURED in asked.tools:
                return [use(STRUCTURED, **value)]
            return [{"type": "text", "text": as_text(value)}]
        case e.Write(path, text):
            return [use("Write", file_path=path, content=text)]
        case e.Edit(path, old, new):
            edit = use("Edit", file_path=path, old_string=old, new_string=new)
            read = json.dumps(path) in json.dumps(asked.body["messages"])
            return [edit] if read else [use("Read", file_path=path), edit]
        case e.Read(path):
            return [use("Read", file_path=path)]
        case e.Shell(command):
            return [use("Bash", command=command, description="A scripted command")]
        case e.Native(name, given):
            return [use(name, **given)]
