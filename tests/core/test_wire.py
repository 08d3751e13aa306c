"""Values of the core as JSON, for the record and for programs."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import get_args

import pytest

from massgen_ls.core.changes import RelPath
from massgen_ls.core.conversation import Called, Spoken, Transcript
from massgen_ls.core.events import (
    AgentActed,
    Conversed,
    Delivered,
    Delta,
    Envelope,
    Event,
    Notice,
)
from massgen_ls.core.task import CandidateId, LineRange, RunId, Scope, SeatId
from massgen_ls.core.text import Encoding
from massgen_ls.core.wire import envelope_json, event_json, to_json


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (0.5, "0.5"),
        ("ü", '"\\u00fc"'),
        (Encoding.UTF16, '"utf-16"'),
        ((1, (2, ())), "[1, [2, []]]"),
        ([None, "a"], '[null, "a"]'),
        (frozenset({"b", "c", "a"}), '["a", "b", "c"]'),
        ({2, 1}, "[1, 2]"),
        ({"k": (LineRange(1, 2),)}, '{"k": [{"first": 1, "last": 2}]}'),
        (
            Scope(RelPath("a.py"), LineRange(3, 4)),
            '{"path": "a.py", "lines": {"first": 3, "last": 4}, "diagnostics": []}',
        ),
    ],
)
def test_every_value_has_one_way_to_be_written(value: object, written: str) -> None:
    assert json.dumps(to_json(value)) == written


@pytest.mark.parametrize("value", [b"bytes", object(), {"in": [1j]}, (b"",)])
def test_what_is_no_value_of_the_core_is_never_written_as_something_else(value: object) -> None:
    with pytest.raises(TypeError, match="is not a value of the core"):
        to_json(value)


def test_a_path_that_is_not_unicode_survives() -> None:
    event = Delivered(CandidateId("a.1"), (RelPath("bad\udcff\n\u2028name"),))
    assert json.loads(json.dumps(event_json(event)))["paths"] == ["bad\udcff\n\u2028name"]


def test_an_event_is_told_with_its_place_and_noise_without() -> None:
    run = RunId("r1")
    assert envelope_json(Envelope(run, 7, 1.5, AgentActed(SeatId("a"), "edit", "f.py"))) == {
        "kind": "agent_acted",
        "run": "r1",
        "seq": 7,
        "time": 1.5,
        "seat": "a",
        "action": "edit",
        "target": "f.py",
    }
    assert envelope_json(Delta(run, "a", "stderr", "hm")) == {
        "kind": "delta",
        "run": "r1",
        "source": "a",
        "stream": "stderr",
        "text": "hm",
    }
    assert event_json(Notice("info", "x")) == {
        "kind": "notice",
        "level": "info",
        "text": "x",
        "seat": None,
        "tree": None,
    }


def test_a_transcript_goes_out_as_an_outline_and_is_stored_whole() -> None:
    parts = (Spoken("hello"), Called("run", "make", result="x" * 8_000, ok=True))
    files = (RelPath("a.py"), RelPath("b\udcff"))
    event = Conversed(SeatId("a"), 2, Transcript("a", "codex", parts, files, "Did it.", 3, "s1"))
    assert envelope_json(Envelope(RunId("r1"), 7, 1.5, event)) == {
        "kind": "conversed",
        "run": "r1",
        "seq": 7,
        "time": 1.5,
        "seat": "a",
        "attempt": 2,
        "transcript": {
            "agent": "a",
            "type": "codex",
            "parts": 2,
            "files": ["a.py", "b\udcff"],
            "summary": "Did it.",
            "omitted": 3,
        },
    }
    stored = event_json(event)["transcript"]
    assert isinstance(stored, dict)
    assert stored["session"] == "s1"
    assert stored["parts"] == [
        {"text": "hello", "by": "agent", "thinking": False},
        to_json(parts[1]),
    ]


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.kind)
def test_no_field_of_an_event_hides_its_place(kind: type) -> None:
    assert {field.name for field in fields(kind)}.isdisjoint({"kind", "run", "seq", "time"})


def test_no_two_events_have_one_name() -> None:
    kinds = [kind.kind for kind in get_args(Event)]
    assert len({*kinds, "delta"}) == len(kinds) + 1
