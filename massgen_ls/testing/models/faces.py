"""What a face is: one API's way to read a request and to say a step."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from massgen_ls.testing.models.episode import Json, Refuse, Said, TooLong, Usage
from massgen_ls.testing.models.http import Call, Reply

TEXTS = ("text", "content", "parts", "output", "result", "response", "functionResponse")
"""Keys below which the APIs keep what was said, and what tools gave back."""


@dataclass(frozen=True)
class Asked:
    """What a face understood of a request to a model."""

    model: str
    key: str
    """The API key: it names the seat, and is recorded nowhere else."""
    conversation: str
    opening: str
    last: str
    tools: tuple[str, ...]
    body: Mapping[str, Json]
    streamed: bool
    side: Json = None
    """For what a program asks beside the conversation (a title, a probe): what to say to it."""


class Stream(Protocol):
    """One answer while it is said. Each part is one event of the API, ready to be sent."""

    def open(self) -> Sequence[bytes]:
        """What goes before the first step."""
        ...

    def say(self, step: Said) -> Sequence[bytes]:
        """One step."""
        ...

    def fail(self, refusal: Refuse | TooLong) -> Sequence[bytes]:
        """An error in the middle of the stream."""
        ...

    def close(self) -> Sequence[bytes]:
        """What goes after the last step."""
        ...


class Face(Protocol):
    """One API."""

    api: str

    def asked(self, call: Call, body: Mapping[str, Json]) -> Asked | Reply | None:
        """A request to the model, the answer to what else this API has, or None: not its path."""
        ...

    def stream(self, asked: Asked, usage: Usage) -> Stream:
        """Begins a streamed answer."""
        ...

    def whole(self, asked: Asked, said: Sequence[Said], usage: Usage) -> Reply:
        """The same as one JSON body."""
        ...

    def refusal(self, refusal: Refuse | TooLong) -> Reply:
        """An error before the first word."""
        ...


def sse(value: Json, event: str = "") -> bytes:
    """One server-sent event."""
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {json.dumps(value)}\n\n".encode()


def pieces(text: str, count: int = 4) -> list[str]:
    """The text in up to ``count`` pieces, at least one."""
    size = max(1, -(-len(text) // count))
    return [text[i : i + size] for i in range(0, len(text), size)] or [""]


def texts(value: Json) -> Iterable[str]:
    """Every string of a message, in order."""
    match value:
        case str():
            yield value
        case list():
            for item in value:  # pyright: ignore[reportUnknownVariableType]
                yield from texts(item)
        case dict():
            found: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
            for key in (
                "text",
                "content",
                "output",
                "result",
                "parts",
                "response",
                "functionResponse",
            ):
                if key in found:
                    yield from texts(found[key])
        case _:
            return


def joined(value: Json) -> str:
    """The texts of a message, as one."""
    return "\n".join(texts(value))


def sample(schema: Json) -> Json:
    """The least value that fits a JSON schema: a sane answer to a question nobody scripted.

    >>> sample({"type": "object", "properties": {"next": {"enum": ["user", "model"]}}})
    {'next': 'user'}
    """
    if not isinstance(schema, dict):
        return {}
    known: dict[str, Any] = schema  # pyright: ignore[reportUnknownVariableType]
    if "const" in known:
        return known["const"]
    if known.get("enum"):
        return known["enum"][0]
    for either in ("anyOf", "oneOf"):
        if known.get(either):
            return sample(known[either][0])
    kind = known.get("type", "object")
    kind = cast("list[str]", kind)[0] if isinstance(kind, list) else str(kind)
    match kind.lower():
        case "object":
            return {name: sample(of) for name, of in known.get("properties", {}).items()}
        case "array":
            return [sample(known.get("items", {}))] * int(known.get("minItems", 0))
        case "integer" | "number":
            return known.get("minimum", 0)
        case "boolean":
            return False
        case "null":
            return None
        case _:
            return "scripted"


def as_text(value: Json) -> str:
    """A structured answer where there is no better place for it than the text."""
    return value if isinstance(value, str) else json.dumps(value)
