"""The reading of what Claude Code prints: recorded streams, and anything else."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.adapters.agents.claude.events import (
    Begun,
    Question,
    Reading,
    Result,
    Strange,
    Taken,
    Told,
    Withdrawn,
)
from massgen_ls.adapters.agents.claude.tools import acted, wanted
from massgen_ls.core.budget import Usage
from massgen_ls.ports import Acted, Returned, Said, Spoke, Used

STREAMS = Path(__file__).parent / "streams" / "claude"


def read(events: list[Any]) -> tuple[list[Told], Reading]:
    reading = Reading(lambda path: path.removeprefix("/work-tree/"))
    return [told for event in events for told in reading.heard(event)], reading


def recorded(name: str) -> tuple[list[Told], Reading]:
    lines = (STREAMS / f"{name}.jsonl").read_text().split("\n")
    return read([json.loads(line) for line in lines if line])


def result(told: list[Told]) -> Result:
    (found,) = [item for item in told if isinstance(item, Result)]
    return found


def test_an_edit_is_told_in_order() -> None:
    told, reading = recorded("edit")
    kinds = [type(item) for item in told if not isinstance(item, Used)]
    assert kinds == [
        Begun, Spoke, Said, Spoke, Acted, Acted, Returned, Returned, Said, Spoke, Result,
    ]  # fmt: skip
    uses = [item for item in told if isinstance(item, Acted)]
    assert [(use.action, use.target, use.detail) for use in uses] == [
        ("read", "app.py", ""),
        ("edit", "app.py", "    return 2 * x"),
    ]
    returned = [item for item in told if isinstance(item, Returned)]
    assert [(use.call, True) for use in uses] == [(one.call, one.ok) for one in returned]
    assert result(told) == Result(
        ok=True, said="Done.", subtype="success", reason="completed", stop="end_turn"
    )
    assert reading.session == "00000000-0000-4000-8000-000000000001"
    assert reading.version == "2.1.329"


def test_a_command_that_fails_is_told_so() -> None:
    told, _ = recorded("shell")
    (use,) = [item for item in told if isinstance(item, Acted)]
    (back,) = [item for item in told if isinstance(item, Returned)]
    assert (use.action, use.target) == ("run", "ls; echo trouble >&2; exit 3")
    assert (back.ok, "trouble" in back.text) == (False, True)


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("401", 401, "Invalid API key"),
        ("429", 429, "rate limit"),
        ("500", 500, "500"),
        ("refused", None, "onnect"),
        ("cut", None, "lost"),
        ("too-long", 400, "too long"),
        ("max-turns", None, "maximum number of turns"),
    ],
)
def test_what_went_wrong_is_in_the_result(name: str, status: int | None, words: str) -> None:
    told, _ = recorded(name)
    ended = result(told)
    assert (ended.ok, ended.status) == (False, status)
    assert words in ended.said
    # Its own words about the error are no message of the model.
    assert words not in "".join(item.text for item in told if isinstance(item, Spoke))


def test_a_vote_is_an_answer_and_no_action() -> None:
    told, reading = recorded("vote")
    assert result(told).answer == {"vote": "candidate-2", "reason": "It is the smaller change."}
    assert [item for item in told if isinstance(item, Acted)] == []
    assert reading.usage == Usage(input=1200, output=40, requests=1, cost=4200)


def test_usage_counts_a_message_once_and_a_result_is_final() -> None:
    told, reading = recorded("edit")
    reports = [item.usage for item in told if isinstance(item, Used)]
    assert reports[0] == Usage(input=1200, output=1, requests=1)
    assert reports[-1] == reading.usage
    assert reading.usage == Usage(input=1500, cached=1200, output=52, requests=2, cost=5640)
    assert all(a.tokens <= b.tokens for a, b in itertools.pairwise(reports))


def of_model(cost: float = 0.5, **more: Any) -> dict[str, Any]:
    return {"inputTokens": 10, "outputTokens": 5, "costUSD": cost, **more}


def a_result(**more: Any) -> dict[str, Any]:
    return {"type": "result", "subtype": "success", "is_error": False, "result": "x", **more}


def test_turns_add_up_without_what_was_spent_before() -> None:
    # A resumed process goes on with the total of the one before.
    one = a_result(total_cost_usd=7.5, model_usage_since_last_result={"m": of_model()})
    two = a_result(
        total_cost_usd=8.0, model_usage_since_last_result={"m": of_model(), "n": of_model()}
    )
    _, reading = read([one, two])
    assert reading.usage == Usage(input=30, output=15, cost=1_500_000)


def test_the_price_of_an_unknown_model_is_not_known() -> None:
    told = of_model(costBasis="unknown")
    _, reading = read([a_result(model_usage_since_last_result={"own": told})])
    assert reading.usage == Usage(input=10, output=5, cost=None)


def test_an_older_program_tells_less() -> None:
    usage = {"input_tokens": 10, "cache_read_input_tokens": 3, "output_tokens": 5}
    one = a_result(total_cost_usd=0.5, usage=usage)
    two = a_result(total_cost_usd=0.75, usage=usage)
    _, reading = read([one, two])
    assert reading.usage == Usage(input=20, cached=6, output=10, cost=750_000)


def test_an_interrupted_request_was_used_all_the_same() -> None:
    start = {"type": "message_start", "message": {"id": "m1", "usage": {"input_tokens": 900}}}
    over = a_result(is_error=True, subtype="error_during_execution", usage={})
    told, reading = read([{"type": "stream_event", "event": start}, over])
    assert reading.usage == Usage(input=900, requests=1, cost=0)
    assert not result(told).ok


def test_words_are_said_as_they_come_and_once() -> None:
    def part(**event: Any) -> dict[str, Any]:
        return {"type": "stream_event", "event": event, "parent_tool_use_id": None}

    def delta(words: str) -> dict[str, Any]:
        return {"type": "text_delta", "text": words}

    message = {"id": "m1", "content": [{"type": "text", "text": "Hello\x1b[31m!"}]}
    told, _ = read([
        part(type="message_start", message={"id": "m1", "usage": {"input_tokens": 3}}),
        part(type="content_block_start", index=0, content_block={"type": "text", "text": ""}),
        part(type="content_block_delta", index=0, delta=delta("Hello")),
        part(type="content_block_delta", index=0, delta=delta("\x1b[31m!")),
        {"type": "assistant", "message": message, "parent_tool_use_id": None},
        part(type="content_block_stop", index=0),
    ])  # fmt: skip
    assert [item.text for item in told if isinstance(item, Said)] == ["Hello", "!", "\n"]
    assert [item.text for item in told if isinstance(item, Spoke)] == ["Hello\x1b[31m!"]


def test_what_a_subagent_says_is_not_said_but_what_it_does_is_told() -> None:
    blocks = [
        {"type": "text", "text": "below"},
        {"type": "tool_use", "id": "t1", "name": "Grep", "input": {"pattern": "x"}},
    ]
    event = {
        "type": "assistant",
        "message": {"id": "m", "content": blocks},
        "parent_tool_use_id": "p",
    }
    assert read([event])[0] == [Acted("search", "x", "", "t1")]


def test_questions_and_what_becomes_of_messages() -> None:
    told, _ = read([
        {"type": "control_request", "request_id": "r1",
         "request": {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": "ls"}}},
        {"type": "control_cancel_request", "request_id": "r1"},
        {"type": "control_request", "request_id": "r2", "request": {"subtype": "hook_callback"}},
        {"type": "command_lifecycle", "command_uuid": "u", "state": "queued"},
        {"type": "command_lifecycle", "command_uuid": "u", "state": "started"},
        {"type": "command_lifecycle", "command_uuid": "u", "state": "completed"},
    ])  # fmt: skip
    assert told == [
        Question("r1", "Bash", {"command": "ls"}), Withdrawn("r1"), Strange("r2", "hook_callback"),
        Taken("u"),
    ]  # fmt: skip


def test_a_server_that_failed_is_told_once() -> None:
    servers = [{"name": "massgen", "status": "failed"}, {"name": "fine", "status": "connected"}]
    init = {"type": "system", "subtype": "init", "mcp_servers": servers}
    told, _ = read([init, init])
    (said,) = [item for item in told if isinstance(item, Said)]
    assert "massgen (failed)" in said.text


def test_a_quota_that_is_used_up_says_until_when() -> None:
    info = {"status": "rejected", "resetsAt": 1_800_000_000}
    _, reading = read([{"type": "rate_limit_event", "rate_limit_info": info}])
    assert reading.resets_at == 1_800_000_000


@pytest.mark.parametrize(
    ("tool", "given", "told", "asked"),
    [
        ("Bash", {"command": "ls -l"}, ("run", "ls -l"), ("run", "ls -l", "")),
        ("Read", {"file_path": "a"}, ("read", "<a>"), ("read", "a", "a")),
        ("Write", {"file_path": "a", "content": "x"}, ("write", "<a>"), ("edit", "a", "a")),
        ("NotebookEdit", {"notebook_path": "n"}, ("edit", "<n>"), ("edit", "n", "n")),
        ("Grep", {"pattern": "x"}, ("search", "x"), ("read", ".", ".")),
        ("WebFetch", {"url": "http://u"}, ("fetch", "http://u"), ("fetch", "http://u", "")),
        ("mcp__massgen__vote", {}, ("massgen vote", ""), ("other", "massgen vote", "")),
        ("Skill", {}, ("Skill", ""), ("other", "Skill", "")),
        ("mcp__odd", {}, ("mcp__odd", ""), ("other", "mcp__odd", "")),
    ],
)
def test_tools_in_our_words(tool: str, given: Any, told: Any, asked: Any) -> None:
    news = acted(tool, given, "c", lambda path: f"<{path}>")
    assert (news.action, news.target) == told
    assert wanted(tool, given) == asked


# ── anything at all ─────────────────────────────────────────────────────────────────────────

WORDS = st.sampled_from([
    "type", "subtype", "system", "init", "api_retry", "assistant", "user", "result", "success",
    "stream_event", "event", "message", "message_start", "message_delta", "content_block_start",
    "content_block_delta", "content_block_stop", "content_block", "delta", "text_delta", "text",
    "id", "usage", "input_tokens", "content", "tool_use", "tool_result", "name", "input", "Bash",
    "control_request", "request", "request_id", "can_use_tool", "rate_limit_event",
    "rate_limit_info", "resetsAt", "status", "rejected", "modelUsage", "costUSD", "index",
    "model_usage_since_last_result", "total_cost_usd", "mcp_servers", "errors", "is_error",
    "parent_tool_use_id", "command_lifecycle", "state", "command_uuid", "tool_name", "file_path",
    "api_error_status", "queued_turn_count", "error_status", "retry_delay_ms", "max_retries",
])  # fmt: skip
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | WORDS | st.text()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=20,
)
EVENTS = st.dictionaries(WORDS, VALUES, max_size=6).flatmap(
    lambda body: st.sampled_from([
        "system", "stream_event", "assistant", "user", "result", "control_request",
        "control_cancel_request", "command_lifecycle", "rate_limit_event", "other",
    ]).map(lambda kind: body | {"type": kind})
)  # fmt: skip


@given(st.lists(EVENTS | st.dictionaries(WORDS, VALUES, max_size=6), max_size=6))
def test_anything_can_be_read(events: list[Any]) -> None:
    told, reading = read(events)
    assert all(isinstance(item, Told) for item in told)
    assert reading.usage.tokens >= 0
    assert reading.usage.cost is None or reading.usage.cost >= 0


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, inner in value.items():
            found += places(inner, (*path, key))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            found += places(inner, (*path, at))
    return found


@given(st.data())
def test_a_recorded_stream_with_one_thing_wrong_can_be_read(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["edit", "401", "vote", "max-turns", "shell"]))
    lines = (STREAMS / f"{name}.jsonl").read_text().split("\n")
    events = [json.loads(line) for line in lines if line]
    path = data.draw(st.sampled_from(places(events)))
    holder: Any = events
    for step in path[:-1]:
        holder = holder[step]
    if data.draw(st.booleans()):
        holder[path[-1]] = data.draw(VALUES)
    else:
        del holder[path[-1]]
    told, _ = read([event for event in events if isinstance(event, dict)])
    assert all(isinstance(item, Told) for item in told)
