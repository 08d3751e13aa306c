"""What Codex prints becomes news, whatever it is; what it is told becomes TOML."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.adapters.agents.attempt.failing import kind_of
from massgen_ls.adapters.agents.codex.events import Reading, bare
from massgen_ls.adapters.agents.codex.launch import overrides, toml
from massgen_ls.core.budget import Usage
from massgen_ls.ports import Acted, AgentNews, Returned, Said, Spoke, Used

STREAMS = Path(__file__).parent / "streams" / "codex"
TOP = "/work-tree"


def read(name: str) -> tuple[Reading, list[AgentNews]]:
    """A recorded stream, read to its end."""
    reading = Reading(TOP)
    lines = (STREAMS / f"{name}.jsonl").read_text().splitlines()
    return reading, [news for line in lines for news in reading.heard(json.loads(line))]


ENDS: dict[str, tuple[str, str | None]] = {
    "edit": ("completed", None),
    "new-file": ("completed", None),
    "rename": ("completed", None),
    "shell": ("completed", None),
    "text": ("completed", None),
    "vote": ("completed", None),
    "401": ("failed", "auth"),
    "429": ("failed", "rate_limit"),
    "500": ("failed", "overloaded"),
    "cut": ("failed", "network"),
    "too-long": ("failed", "context"),
    "refused": ("running", "network"),
}


def test_every_recording_has_its_line_here() -> None:
    assert {path.stem for path in STREAMS.glob("*.jsonl")} == set(ENDS)


@pytest.mark.parametrize("name", ENDS)
def test_how_a_recorded_turn_ends(name: str) -> None:
    reading, _ = read(name)
    turn, kind = ENDS[name]
    assert reading.turn == turn
    assert (kind_of(None, reading.error) if reading.error else None) == kind
    assert reading.offline == (name == "refused")
    assert reading.session


def test_an_edit() -> None:
    reading, news = read("edit")
    assert news == [
        Spoke("A doubling.", thinking=True),
        Said("I simplify it.\n"),
        Spoke("I simplify it."),
        Acted("edit", "app.py", call="1.item_2"),
        Returned("1.item_2", "", ok=True),
        Said("Done.\n"),
        Spoke("Done."),
        Used(Usage(input=1500, cached=1200, output=52)),
    ]
    assert (reading.last, reading.uses) == ("Done.", 1)


def test_a_command_that_fails() -> None:
    _, news = read("shell")
    assert [item for item in news if isinstance(item, Acted | Returned)] == [
        Acted("run", "ls; echo trouble >&2; exit 3", call="1.item_0"),
        Returned("1.item_0", "app.py\nnotes.txt\ntrouble\n", ok=False),
    ]


def item(kind: str, step: str = "completed", **more: Any) -> dict[str, Any]:
    return {"type": f"item.{step}", "item": {"id": "i", "type": kind, **more}}


def test_many_files_in_one_patch() -> None:
    changes = [
        {"path": f"{TOP}/new.py", "kind": "add"},
        {"path": f"{TOP}/old.py", "kind": "delete"},
        {"path": "/elsewhere/x.py", "kind": "update"},
    ]
    reading = Reading(TOP)
    begun = reading.heard(item("file_change", "started", changes=changes, status="in_progress"))
    ended = reading.heard(item("file_change", changes=changes, status="failed"))
    assert begun == [
        Acted("write", "new.py", call="0.i"),
        Acted("delete", "old.py", call="0.i.1"),
        Acted("edit", "/elsewhere/x.py", call="0.i.2"),
    ]
    assert [(one.call, one.ok) for one in ended if isinstance(one, Returned)] == [
        ("0.i", False),
        ("0.i.1", False),
        ("0.i.2", False),
    ]
    assert reading.uses == 1


def test_tools_of_servers() -> None:
    reading = Reading(TOP)
    ours = {"server": "massgen", "tool": "vote", "arguments": {"candidate": "A"}}
    assert reading.heard(item("mcp_tool_call", "started", **ours)) == [
        Acted("massgen vote", "", '{"candidate": "A"}', "0.i")
    ]
    answer = {"content": [{"type": "text", "text": "Noted."}]}
    told = reading.heard(item("mcp_tool_call", **ours, status="completed", result=answer))
    assert told == [Returned("0.i", "Noted.", ok=True)]
    other = {"server": "jira", "tool": "find", "status": "failed", "error": {"message": "no"}}
    assert Reading(TOP).heard(item("mcp_tool_call", **other)) == [
        Acted("jira find", "", "", "0.i"),
        Returned("0.i", "no", ok=False),
    ]


def test_a_plan_and_a_search() -> None:
    steps = [{"text": "look", "completed": True}, {"text": "mend", "completed": False}]
    reading = Reading(TOP)
    assert reading.heard(item("todo_list", items=steps)) == [
        Acted("think", "plan", "[x] look\n[ ] mend", "0.i")
    ]
    assert reading.heard(item("web_search", query="pygls")) == [
        Acted("search", "pygls", call="0.i")
    ]


def test_a_remark_is_no_failure() -> None:
    reading = Reading(TOP)
    reading.heard({"type": "turn.started"})
    said = reading.heard(item("error", message="Model metadata not found."))
    assert said == [Said("[Model metadata not found.]\n", "stderr")]
    reading.heard({"type": "turn.completed", "usage": {}})
    assert (reading.turn, reading.error) == ("completed", "")


def test_a_conversation_that_goes_on_counts_from_where_it_was() -> None:
    reading = Reading(TOP, before=Usage(input=1000, cached=200, output=50))
    usage = {"input_tokens": 3700, "cached_input_tokens": 700, "output_tokens": 80}
    (news,) = reading.heard({"type": "turn.completed", "usage": usage})
    assert news == Used(Usage(input=2000, cached=500, output=30))


def test_each_run_of_the_program_counts_its_items_anew() -> None:
    reading = Reading(TOP)
    calls: list[str] = []
    for _ in range(2):
        reading.heard({"type": "thread.started", "thread_id": "t"})
        (acted,) = reading.heard(item("command_execution", "started", command="ls"))
        assert isinstance(acted, Acted)
        calls.append(acted.call)
    assert calls == ["1.i", "2.i"]


@pytest.mark.parametrize(
    ("wrapped", "command"),
    [
        ("/bin/bash -lc 'ls -l'", "ls -l"),
        ("/bin/zsh -c ls", "ls"),
        ("bash -lc 'echo '\"'\"'x'\"'\"''", "echo 'x'"),
        ("ls -l", "ls -l"),
        ("/bin/bash -lc 'open", "/bin/bash -lc 'open"),
        ("bash -c 'a' b", "bash -c 'a' b"),
        ("crash -c 'x'", "crash -c 'x'"),
    ],
)
def test_a_command_without_its_shell(wrapped: str, command: str) -> None:
    assert bare(wrapped) == command


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
KINDS = (
    "thread.started", "turn.started", "turn.completed", "turn.failed", "error", "item.started",
    "item.updated", "item.completed",
)  # fmt: skip
ITEMS = (
    "agent_message", "reasoning", "command_execution", "file_change", "mcp_tool_call",
    "web_search", "todo_list", "error", "unheard_of",
)  # fmt: skip
FIELDS = (
    "id", "text", "command", "aggregated_output", "exit_code", "status", "changes", "server",
    "tool", "arguments", "result", "error", "query", "items", "message",
)  # fmt: skip
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS) | JSON},
    optional={
        "thread_id": JSON,
        "message": JSON,
        "error": st.fixed_dictionaries({}, optional={"message": JSON}) | JSON,
        "usage": st.dictionaries(
            st.sampled_from(
                ["input_tokens", "cached_input_tokens", "cache_write_input_tokens", "output_tokens"]
            ),
            JSON,
        )
        | JSON,
        "item": st.fixed_dictionaries(
            {"type": st.sampled_from(ITEMS) | JSON},
            optional=dict.fromkeys(FIELDS, JSON)
            | {
                "changes": st.lists(
                    st.fixed_dictionaries({}, optional={"path": JSON, "kind": JSON}) | JSON,
                    max_size=3,
                )
            },
        )
        | JSON,
    },
)


@given(st.lists(EVENTS | st.dictionaries(st.text(), JSON), max_size=12))
def test_nothing_that_it_prints_breaks_the_reading(events: list[dict[str, Any]]) -> None:
    reading = Reading(TOP, before=Usage(input=5, output=5))
    begun: set[str] = set()
    for event in events:
        for news in reading.heard(event):
            if isinstance(news, Acted):
                begun.add(news.call)
            elif isinstance(news, Returned):
                assert news.call in begun, "what returns has begun"
            elif isinstance(news, Used):
                assert min(news.usage.input, news.usage.cached, news.usage.output) >= 0
    assert reading.turn in {"none", "running", "completed", "failed"}


TOML = st.recursive(
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8).filter(str.isidentifier), TOML, max_size=5))
def test_settings_are_toml(settings: Any) -> None:
    assert tomllib.loads(toml(settings).encode().decode()) == settings


def test_settings_as_arguments_leave_the_user_s_own_beside_them() -> None:
    given_: Any = {
        "a": "x",
        "features": {"goals": False, "deep": {"er": 1}},
        "projects": {"/a/b.c": {"trust_level": "untrusted"}},
    }
    assert overrides(given_) == [
        'a="x"',
        "features.goals=false",
        "features.deep.er=1",
        'projects={"/a/b.c" = {trust_level = "untrusted"}}',
    ]
