"""The Gemini API (v1beta), as Gemini CLI asks it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from massgen_ls.testing.models import episode as e
from massgen_ls.testing.models.episode import Json, Refuse, Said, TooLong, Usage
from massgen_ls.testing.models.faces import Asked, as_text, joined, pieces, sample, sse
from massgen_ls.testing.models.http import Call, Reply

PATH = re.compile(r"/v1(?:beta|alpha)?/models/([^/:]+):(\w+)")
ERRORS = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "API key not valid. Please pass a valid API key."),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    404: ("NOT_FOUND", "The model is not found for API version v1beta."),
    429: ("RESOURCE_EXHAUSTED", "You exceeded your current quota. Please retry later."),
    500: ("INTERNAL", "An internal error has occurred. Please retry."),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
}
TOO_LONG = Refuse(
    400,
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
)


class Gemini:
    """The face."""

    api = "gemini"

    def asked(self, call: Call, body: Mapping[str, Json]) -> Asked | Reply | None:
        """``generateContent`` in both forms; counts tokens besides."""
        found = PATH.fullmatch(call.path)
        if not found or call.method != "POST":
            return None
        model, what = found.groups()
        if what == "countTokens":
            return Reply.json({"totalTokens": len(call.body) // 4})
        if what not in {"generateContent", "streamGenerateContent"}:
            return None
        contents: list[dict[str, Any]] = body.get("contents") or []
        users = [c for c in contents if c.get("role", "user") == "user"]
        first = [c.get("parts") for c in takewhile(lambda c: c.get("role") != "model", contents)]
        declared = [d for t in body.get("tools") or () for d in t.get("functionDeclarations", ())]
        key = call.headers.get("x-goog-api-key") or ""
        if not key and "key=" in call.query:
            key = call.query.split("key=", 1)[1].split("&", 1)[0]
        return Asked(
            model=model,
            key=key,
            conversation=joined(first)[:4000],
            opening=joined(first),
            last=last_of(users),
            tools=tuple(d.get("name", "") for d in declared),
            body=body,
            streamed=what == "streamGenerateContent",
            side=side(body),
        )

    def stream(self, asked: Asked, usage: Usage) -> Speech:
        """Begins an answer in server-sent events."""
        return Speech(asked, usage)

    def whole(self, asked: Asked, said: Sequence[Said], usage: Usage) -> Reply:
        """The answer in one piece."""
        parts = [part for step in said for part in parts_of(step)]
        return Reply.json(chunk(asked, parts, ending=usage))

    def refusal(self, refusal: Refuse | TooLong) -> Reply:
        """An error as the API words it."""
        refusal = TOO_LONG if isinstance(refusal, TooLong) else refusal
        text = refusal.body if refusal.body is not None else json.dumps(error(refusal))
        return Reply(refusal.status, text.encode(), dict(refusal.headers))


class Speech:
    """One streamed answer: chunks, the last of which says why it stopped."""

    def __init__(self, asked: Asked, usage: Usage) -> None:
        self._asked = asked
        self._usage = usage

    def open(self) -> Sequence[bytes]:
        """Nothing goes before the first chunk."""
        return []

    def say(self, step: Said) -> Sequence[bytes]:
        """A chunk for each part; texts in pieces."""
        return [
            sse(chunk(self._asked, [piece]))
            for part in parts_of(step)
            for piece in ([part | {"text": t} for t in pieces(part["text"])]
                          if "text" in part else [part])
        ]  # fmt: skip

    def fail(self, refusal: Refuse | TooLong) -> Sequence[bytes]:
        """An error in place of a chunk."""
        return [sse(error(TOO_LONG if isinstance(refusal, TooLong) else refusal))]

    def close(self) -> Sequence[bytes]:
        """The chunk with the reason and the usage."""
        return [sse(chunk(self._asked, [{"text": ""}], ending=self._usage))]


def last_of(users: Sequence[Mapping[str, Any]]) -> str:
    """What came last: words, or the results of tools."""
    parts: list[dict[str, Any]] = users[-1].get("parts", []) if users else []
    results = [json.dumps(p["functionResponse"]) for p in parts if "functionResponse" in p]
    return "\n".join(results) or joined(parts)


def side(body: Mapping[str, Json]) -> Json:
    """What to say beside the conversation: it alone comes with tools or without any form.

    The classifier, the next-speaker check and the loop check want JSON of a schema.
    """
    if body.get("tools"):
        return None
    config: Mapping[str, Json] = body.get("generationConfig") or {}
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    if schema:
        return sample(schema)
    if config.get("responseMimeType") == "application/json":
        return {}
    system = joined(body.get("systemInstruction") or "")
    return None if "Gemini CLI" in system or not system else "A scripted answer"


def chunk(asked: Asked, parts: list[dict[str, Any]], ending: Usage | None = None) -> dict[str, Any]:
    """A part of an answer, or with ``ending`` the last one."""
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    value: dict[str, Any] = {
        "candidates": [candidate],
        "modelVersion": asked.model,
        "responseId": "scripted",
    }
    if ending:
        candidate["finishReason"] = "STOP"
        value["usageMetadata"] = {
            "promptTokenCount": ending.input,
            "cachedContentTokenCount": ending.cached,
            "candidatesTokenCount": ending.output,
            "totalTokenCount": ending.input + ending.output,
        }
    return value


def error(refusal: Refuse) -> dict[str, Any]:
    """An error, as this API says it."""
    status, message = ERRORS.get(refusal.status, ("UNKNOWN", "Error"))
    said = {"code": refusal.status, "message": refusal.message or message, "status": status}
    return {"error": said}


def use(name: str, /, **given: Json) -> dict[str, Any]:
    """A function call."""
    return {"functionCall": {"name": name, "args": given}}


def parts_of(step: Said) -> list[dict[str, Any]]:
    """A step as parts of content."""
    match step:
        case e.Text(text):
            return [{"text": text}]
        case e.Thinking(text):
            return [{"text": text, "thought": True}]
        case e.Answer(value):
            return [{"text": as_text(value)}]
        case e.Write(path, text):
            return [use("write_file", file_path=path, content=text)]
        case e.Edit(path, old, new):
            return [
                use(
                    "replace",
                    file_path=path,
                    instruction="As the episode says",
                    old_string=old,
                    new_string=new,
                )
            ]
        case e.Read(path):
            return [use("read_file", file_path=path)]
        case e.Shell(command):
            return [use("run_shell_command", command=command, description="A scripted command")]
        case e.Native(name, given):
            return [use(name, **given)]
