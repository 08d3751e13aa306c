"""Values of the core as JSON: what the record stores and what programs read.

A path may hold lone surrogates (bytes that are not UTF-8); `json.dumps` with its default
``ensure_ascii`` writes them as escapes, and reading gives them back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, cast

from massgen_ls.core.events import (
    BaseTested,
    CheckFinished,
    Conversed,
    CrossTested,
    Delta,
    Envelope,
    Event,
)
from massgen_ls.core.task import Json


def to_json(value: object) -> Json:
    """Any value of the core: a dataclass becomes an object, a tuple or a set an array."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Enum):
        return cast("str", value.value)
    if is_dataclass(value):
        return {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, Any]", value)
        return {key: to_json(item) for key, item in pairs.items()}
    if isinstance(value, frozenset | set):
        return [to_json(item) for item in sorted(cast("frozenset[Any]", value))]
    if isinstance(value, tuple | list):
        return [to_json(item) for item in cast("tuple[Any, ...]", value)]
    raise TypeError(f"{type(value).__name__} is not a value of the core")


def event_json(event: Event) -> dict[str, Json]:
    """One event: its ``kind`` and its fields."""
    body = to_json(event)
    assert isinstance(body, dict)
    return {"kind": event.kind, **body}


def envelope_json(news: Envelope | Delta) -> dict[str, Json]:
    """One piece of news as ``massgen/event`` and ``--json`` send it.

    ``{"kind", "run", "seq", "time", …}`` for an event; ``{"kind": "delta", "run", "source",
    "stream", "text"}`` for live noise. Of a transcript only the outline goes out, and of the tests
    that passed only their number: the whole stays in the record for those who ask for it.
    """
    if isinstance(news, Delta):
        return {
            "kind": "delta",
            "run": news.run,
            "source": news.source,
            "stream": news.stream,
            "text": news.text,
        }
    body = event_json(news.event)
    kind = body.pop("kind")
    if isinstance(news.event, Conversed):
        told = news.event.transcript
        body["transcript"] = {
            "agent": told.agent,
            "type": told.type,
            "parts": len(told.parts),
            "files": to_json(told.files),
            "summary": told.summary,
            "omitted": told.omitted,
        }
    if isinstance(news.event, CheckFinished | CrossTested | BaseTested):
        passed = news.event.result.passed
        shown = cast("dict[str, Json]", body["result"])
        body["result"] = {**shown, "passed": None if passed is None else len(passed)}
    return {"kind": kind, "run": news.run, "seq": news.seq, "time": news.time, **body}
