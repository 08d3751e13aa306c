"""Updates of an ACP agent as news: recorded ones, odd ones, and any at all."""

from __future__ import annotations

import gc
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.adapters.agents.acp.events import Feed, permitted
from massgen_ls.adapters.agents.acp.permits import option
from massgen_ls.adapters.agents.program.speech import Saying
from massgen_ls.core.budget import Usage
from massgen_ls.ports import Acted, AgentNews, Returned, Said, Spoke, Used

STREAMS = Path(__file__).parent / "streams" / "gemini-acp"


def played(name: str) -> tuple[Feed, list[AgentNews]]:
    """A recorded session, as it would be heard."""
    feed = Feed("/work-tree", "massgen", ("submit",))
    news: list[AgentNews] = []
    for line in (STREAMS / f"{name}.jsonl").read_text().splitlines():
        told = json.loads(line)
        message = told["message"]
        if told["from"] != "agent":
            continue
        if message.get("method") == "session/update":
            news += feed.heard(message["params"]["update"])
        elif message.get("method") == "session/request_permission":
            news += feed.wanted(message["params"]["toolCall"])[0]
        elif "stopReason" in (message.get("result") or {}):
            news += feed.turn_over(message["result"])
    return feed, news


def whole(news: list[AgentNews]) -> list[AgentNews]:
    return [item for item in news if not isinstance(item, Said)]


@pytest.mark.parametrize(
    ("name", "acted", "last"),
    [
        ("edit", [("edit", "app.py")], "Done."),
        ("new-file", [("write", "test_app.py")], "Done."),
        ("rename", [("run", "mv notes.txt README.txt")], "Done."),
        ("shell", [("run", "ls; echo trouble >&2; exit 3")], "Done."),
        ("text", [], "It doubles. Nothing to do – fine as it is."),
        ("vote", [], '{"vote": "candidate-2", "reason": "It is the smaller change."}'),
    ],
)
def test_recorded_sessions(name: str, acted: list[tuple[str, str]], last: str) -> None:
    feed, news = played(name)
    assert [(item.action, item.target) for item in news if isinstance(item, Acted)] == acted
    calls = [item.call for item in news if isinstance(item, Acted)]
    assert [item.call for item in news if isinstance(item, Returned)] == calls
    if name != "vote":
        assert feed.last == last
    else:
        assert json.loads(feed.last) == json.loads(last)
    said = "".join(item.text for item in news if isinstance(item, Said)).strip()
    assert said.endswith(feed.last)
    assert isinstance(news[-1], Used)
    assert news[-1].usage.output > 0


@pytest.mark.parametrize("name", ["401", "429", "500", "cut", "refused", "too-long", "max-turns"])
def test_recorded_troubles_are_no_news_of_their_own(name: str) -> None:
    _, news = played(name)
    assert all(isinstance(i, Said | Spoke | Acted | Returned | Used) for i in news)


def call(**told: Any) -> dict[str, Any]:
    return {"sessionUpdate": "tool_call", "toolCallId": "c", **told}


def update(**told: Any) -> dict[str, Any]:
    return {"sessionUpdate": "tool_call_update", "toolCallId": "c", **told}


def diff(old: str | None, new: str, path: str = "/w/a.py") -> dict[str, Any]:
    return {"type": "diff", "path": path, "oldText": old, "newText": new}


@pytest.mark.parametrize(
    ("told", "action", "target", "detail"),
    [
        ({"kind": "read", "locations": [{"path": "/w/a.py"}]}, "read", "a.py", ""),
        ({"kind": "read", "rawInput": {"path": "b.py"}}, "read", "b.py", '{"path": "b.py"}'),
        ({"kind": "edit", "content": [diff("x", "y")]}, "edit", "a.py", "y"),
        ({"kind": "edit", "content": [diff(None, "y")]}, "write", "a.py", "y"),
        ({"kind": "edit", "content": [diff("x", "y", "/etc/x")]}, "edit", "/etc/x", "y"),
        ({"kind": "delete", "locations": [{"path": "/w/a.py"}]}, "delete", "a.py", ""),
        ({"kind": "execute", "rawInput": {"command": "ls -l"}}, "run", "ls -l", ""),
        ({"kind": "execute", "rawInput": {"command": ["bash", "-lc", "ls"]}}, "run", "ls", ""),
        ({"kind": "execute", "rawInput": {"command": ["ls", "-l"]}}, "run", "ls -l", ""),
        ({"kind": "execute", "title": "`ls`"}, "run", "ls", ""),
        ({"kind": "search", "title": "grep x"}, "search", "grep x", ""),
        ({"kind": "fetch", "rawInput": {"url": "http://x"}}, "fetch", "http://x",
         '{"url": "http://x"}'),
        ({"kind": "other", "title": "submit (massgen MCP Server)"}, "massgen submit", "", ""),
        ({"title": "mcp__massgen__submit"}, "massgen submit", "", ""),
        ({"kind": "execute", "title": "Tool: massgen/submit"}, "massgen submit", "", ""),
        ({"kind": "other", "title": "submit (other server)"}, "submit (other server)", "", ""),
        ({}, "tool", "", ""),
    ],
)  # fmt: skip
def test_uses_of_tools_in_our_words(
    told: dict[str, Any], action: str, target: str, detail: str
) -> None:
    feed = Feed("/w", "massgen", ("submit", "vote"))
    assert feed.heard(call(status="in_progress", **told)) == [Acted(action, target, detail, "c")]
    assert feed.heard(update(status="completed")) == [Returned("c", "", ok=True)]
    assert feed.heard(update(status="completed")) == []


def test_a_use_is_told_once_and_as_soon_as_it_is_known_what_it_is_about() -> None:
    feed = Feed("/w")
    assert feed.heard(call(title="Terminal", kind="execute", status="pending", rawInput={})) == []
    known = update(title="`ls`", rawInput={"command": "ls"})
    assert feed.heard(known) == [Acted("run", "ls", "", "c")]
    assert feed.heard(update(status="in_progress")) == []
    over = update(status="failed", content=[{"type": "content", "content": text("boom")}])
    assert feed.heard(over) == [Returned("c", "boom", ok=False)]


def test_a_use_that_is_only_told_of_at_its_end_is_told() -> None:
    feed = Feed("/w")
    assert feed.heard(update(title="x", kind="think", status="completed")) == [
        Acted("think", "x", "", "c"),
        Returned("c", "", ok=True),
    ]


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def chunk(words: str, kind: str = "agent_message_chunk") -> dict[str, Any]:
    return {"sessionUpdate": kind, "content": text(words)}


def test_words_become_whole_where_something_else_begins() -> None:
    feed = Feed("/w")
    news = [*feed.heard(chunk("hm", "agent_thought_chunk")), *feed.heard(chunk("I ")),
            *feed.heard(chunk("go.")), *feed.heard(call(status="in_progress")),
            *feed.heard(chunk("There.")), *feed.turn_over({})]  # fmt: skip
    assert whole(news) == [
        Spoke("hm", thinking=True), Spoke("I go."), Acted("tool", "", "", "c"), Spoke("There."),
    ]  # fmt: skip
    assert feed.last == feed.summary == "There."


def test_tokens_and_money() -> None:
    feed = Feed("/w")
    cost = {"sessionUpdate": "usage_update", "cost": {"amount": 0.25, "currency": "USD"}}
    assert feed.heard(cost) == [Used(Usage(cost=250_000))]
    own = {"inputTokens": 10, "outputTokens": 2, "thoughtTokens": 3, "cachedReadTokens": 4}
    assert feed.turn_over({"usage": own}) == [Used(Usage(10, 4, 0, 5, 0, 250_000))]
    quota = {"_meta": {"quota": {"token_count": {"input_tokens": 1, "output_tokens": 1}}}}
    assert feed.turn_over(quota) == [Used(Usage(11, 4, 0, 6, 0, 250_000))]
    euros = {"sessionUpdate": "usage_update", "cost": {"amount": 1, "currency": "EUR"}}
    assert feed.heard(euros) == []


@pytest.mark.parametrize(
    ("kinds", "allowed", "chosen"),
    [
        (["allow_always", "allow_once", "reject_once"], True, "1"),
        (["allow_always", "allow_once", "reject_once"], False, "2"),
        (["allow_always", "reject_always"], True, None),
        (["allow_always", "reject_always"], False, "1"),
        ([], True, None),
        ([], False, None),
    ],
)
def test_only_this_once(kinds: list[str], allowed: bool, chosen: str | None) -> None:
    options = [{"optionId": str(n), "kind": kind} for n, kind in enumerate(kinds)]
    assert option(options, allowed=allowed) == chosen


def test_kinds_of_actions() -> None:
    words = ["read", "search", "edit", "write", "delete", "move", "run", "fetch", "massgen vote"]
    kinds = ["read", "read", "edit", "edit", "edit", "edit", "run", "fetch", "other"]
    assert [permitted(word) for word in words] == kinds


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=10,
)
NAMES = st.sampled_from([
    "sessionUpdate", "content", "toolCallId", "title", "kind", "status", "locations", "rawInput",
    "rawOutput", "cost", "type", "text", "path", "newText", "oldText", "amount", "currency",
])  # fmt: skip
VALUES = JSON | st.sampled_from([
    "agent_message_chunk", "agent_thought_chunk", "tool_call", "tool_call_update", "usage_update",
    "completed", "failed", "edit", "execute", "diff", "content", "text", "USD",
])  # fmt: skip
ODD = st.recursive(
    st.dictionaries(NAMES, VALUES, max_size=6),
    lambda inner: st.dictionaries(NAMES, inner | st.lists(inner, max_size=3) | VALUES, max_size=6),
    max_leaves=6,
)


@given(st.lists(ODD, max_size=8), ODD)
def test_no_update_breaks_it(updates: list[dict[str, Any]], result: dict[str, Any]) -> None:
    feed = Feed("/w", "massgen", ("submit",))
    news: list[AgentNews] = []
    for one in updates:
        news += feed.heard(one)
        news += feed.wanted(one)[0]
    news += feed.turn_over(result)
    assert all(isinstance(i, Said | Spoke | Acted | Returned | Used) for i in news)
    assert isinstance(feed.summary, str)


# ── memory ──────────────────────────────────────────────────────────────────────────────────────


def test_of_a_message_that_never_ends_only_the_end_is_kept() -> None:
    saying = Saying(most=10)
    for number in range(1000):
        saying.add(f"{number},")
    assert saying.whole().endswith("998,999,")
    assert not saying
    for _ in range(1000):
        saying.add("1234567890")
    assert saying.whole() == "…1234567890"


def test_what_a_use_brought_is_let_go_when_it_is_over_or_there_are_too_many() -> None:
    feed = Feed("/w")
    gc.collect()

    def begun(name: str) -> dict[str, Any]:
        given = {"command": name + "x" * 100_000}
        return {"sessionUpdate": "tool_call", "toolCallId": name, "title": name, "rawInput": given}

    tracemalloc.start()
    for number in range(200):
        feed.heard(begun(f"open{number}"))
        feed.heard(begun(f"over{number}"))
        over = {"sessionUpdate": "tool_call_update", "toolCallId": f"over{number}"}
        feed.heard({**over, "status": "completed", "rawOutput": "y" * 100_000})
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 66 * 100_000
