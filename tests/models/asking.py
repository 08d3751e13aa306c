"""A raw client: what the agent programs send, without the programs."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

QUESTIONS: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {
    "anthropic": (
        "/v1/messages?beta=true",
        {"x-api-key": "KEY"},
        {
            "model": "claude-sonnet-4-5",
            "max_tokens": 32000,
            "stream": True,
            "system": "You are Claude Code.",
            "messages": [{"role": "user", "content": "Please do it."}],
            "tools": [{"name": "Write"}, {"name": "Edit"}, {"name": "Bash"}],
        },
    ),
    "gemini": (
        "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
        {"x-goog-api-key": "KEY"},
        {
            "contents": [{"role": "user", "parts": [{"text": "Please do it."}]}],
            "tools": [{"functionDeclarations": [{"name": "write_file"}]}],
        },
    ),
    "responses": (
        "/v1/responses",
        {"authorization": "Bearer KEY"},
        {
            "model": "gpt-5.5",
            "stream": True,
            "input": [{"role": "user", "content": [{"text": "Please do it."}]}],
            "tools": [{"type": "function", "name": "exec_command"}],
        },
    ),
}  # fmt: skip


@dataclass
class Heard:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool
    """The answer came to its proper end."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The events that are JSON."""
        lines = self.body.decode(errors="replace").split("\n")
        return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


def question(
    api: str, *, key: str = "dummy", words: str = "", whole: bool = False, **changes: Any
) -> tuple[str, dict[str, str], bytes]:
    """Path, headers and body of the question that a program would ask."""
    path, headers, body = QUESTIONS[api]
    text = json.dumps(body | changes)
    if words:
        text = text.replace("Please do it.", words)
    if whole:
        path = path.replace("streamGenerateContent?alt=sse", "generateContent")
        text = text.replace('"stream": true', '"stream": false')
    return path, {n: v.replace("KEY", key) for n, v in headers.items()}, text.encode()


async def ask(
    url: str, path: str, headers: dict[str, str], body: bytes, *, method: str = "POST"
) -> Heard:
    """One request on a connection of its own."""
    lines = {"host": "models", "connection": "close", "content-length": str(len(body)), **headers}
    head = "".join(f"{n}: {v}\r\n" for n, v in lines.items() if v)
    return await raw(url, f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)


async def raw(url: str, sent: bytes) -> Heard:
    """Sends bytes and reads until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
    try:
        writer.write(sent)
        return parsed(await reader.read())
    finally:
        writer.close()


def parsed(received: bytes) -> Heard:
    """The last answer among the bytes."""
    start = received.rfind(b"HTTP/1.1 ")
    head, _, body = received[start:].partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    headers = {n.lower(): v.strip() for n, v in (line.split(":", 1) for line in rest)}
    if headers.get("transfer-encoding") != "chunked":
        length = int(headers.get("content-length", "0"))
        return Heard(int(first.split()[1]), headers, body, len(body) == length)
    parts: list[bytes] = []
    while body and body[:1] != b"0":
        size, _, body = body.partition(b"\r\n")
        parts.append(body[: int(size, 16)])
        body = body[int(size, 16) + 2 :]
    return Heard(int(first.split()[1]), headers, b"".join(parts), body == b"0\r\n\r\n")
