"""Gemini CLI's stream-json as news: recorded runs, and any lines at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.adapters.agents.gemini.events import Told
from massgen_ls.core.budget import Usage
from massgen_ls.ports import Acted, AgentNews, Returned, Said, Spoke, Used

STREAMS = Path(__file__).parent / "streams" / "gemini"


def played(name: str) -> tuple[Told, list[AgentNews]]:
    told = Told("/work-tree")
    news: list[AgentNews] = []
    for line in (STREAMS / f"{name}.jsonl").read_text().splitlines():
        news += told.heard(json.loads(line))
    return told, [*news, *told.flush()]


@pytest.mark.parametrize(
    ("name", "acted", "last"),
    [
        ("edit", [("edit", "app.py")], "Done."),
        ("new-file", [("write", "test_app.py")], "Done."),
        ("rename", [("run", "mv notes.txt README.txt")], "Done."),
        ("shell", [("run", "ls; echo trouble >&2; exit 3")], "Done."),
        ("text", [], "It doubles. Nothing to do – fine as it is."),
    ],
)
def test_recorded_runs(name: str, acted: list[tuple[str, str]], last: str) -> None:
    told, news = played(name)
    assert [(item.action, item.target) for item in news if isinstance(item, Acted)] == acted
    assert len([item for item in news if isinstance(item, Returned)]) == len(acted)
    assert told.last == last
    assert told.result is not None
    assert told.result["status"] == "success"
    assert told.session
    assert told.usage.cached == 1200


@pytest.mark.parametrize("name", ["401", "429", "500", "cut", "too-long", "max-turns", "refused"])
def test_recorded_troubles_end_with_an_error(name: str) -> None:
    told, _ = played(name)
    assert told.result is not None
    assert told.result["status"] == "error"


def test_what_earlier_runs_have_spent_is_kept() -> None:
    told = Told("/w", before=Usage(5, 1, 0, 2))
    stats = {"input_tokens": 10, "cached": 4, "output_tokens": 3}
    assert told.heard({"type": "result", "stats": stats}) == [Used(Usage(11, 5, 0, 5))]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=6), part),
    max_leaves=8,
)
NAMES = st.sampled_from([
    "type", "role", "content", "tool_name", "tool_id", "parameters", "status", "output", "error",
    "stats", "session_id", "message", "severity",
])  # fmt: skip
TYPES = st.sampled_from(["init", "message", "tool_use", "tool_result", "error", "result"])
EVENTS = st.builds(
    lambda body, kind: {**body, "type": kind}, st.dictionaries(NAMES, JSON), TYPES | JSON
)


@given(st.lists(EVENTS, max_size=10))
def test_no_line_breaks_it(events: list[dict[str, Any]]) -> None:
    told = Told("/w")
    news = [item for event in events for item in told.heard(event)]
    assert all(isinstance(i, Said | Spoke | Acted | Returned | Used) for i in news)
    assert isinstance(told.summary, str)
