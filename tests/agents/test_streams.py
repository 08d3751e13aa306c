"""The recorded streams are whole, small, and say nothing of the machine that made them."""

from __future__ import annotations

import getpass
import json
import platform
import re

import pytest

from tests.agents.neutral import neutral
from tests.agents.recording import CASES, ENDLESS, KINDS, STREAMS

FILES = [
    STREAMS / kind / f"{case}.jsonl"
    for kind in KINDS
    for case in CASES
    if not (case == "max-turns" and kind in ENDLESS)
]


@pytest.mark.parametrize("file", FILES, ids=lambda f: f"{f.parent.name}-{f.stem}")
def test_a_stream_is_json_and_neutral(file) -> None:
    text = file.read_text()
    events = [json.loads(line) for line in text.split("\n") if line]
    assert events
    assert all(isinstance(event, dict) for event in events)
    private = {platform.node(), f"/home/{getpass.getuser()}"} - {"", "localhost"}
    assert [word for word in private if word in text] == []
    assert not re.search(r"/tmp/(?!cc-socks/1)|/root|/Users/", text)


def test_the_corpus_stays_small() -> None:
    sizes = [f.stat().st_size for f in STREAMS.rglob("*.jsonl")]
    assert len(sizes) == len(FILES)
    assert sum(sizes) < 600_000


def test_a_recording_is_made_neutral() -> None:
    line = json.dumps({
        "cwd": "/tmp/x/work/a", "id": "0f9ab2d1-1111-4222-8333-444455556666", "skills": [*"abcd"],
        "at": "2026-11-21T10:33:01.589Z", "tool": "write_1795256820622_0", "duration_ms": 12.5,
        "url": "http://127.0.0.1:4711/v1",
    })  # fmt: skip
    told = json.loads(neutral([line], {"/tmp/x": "/run", "/tmp/x/work": "/work-tree"})[0])
    assert told == {
        "cwd": "/work-tree/a",
        "id": "00000000-0000-4000-8000-000000000001",
        "skills": ["a", "b", "c"],
        "at": "2026-01-01T00:00:00.000Z",
        "tool": "write_1700000000000_0",
        "duration_ms": 1000,
        "url": "http://127.0.0.1:8080/v1",
    }
