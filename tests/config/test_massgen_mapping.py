"""What becomes of single keys of MassGen: values in, values out."""

from __future__ import annotations

from typing import Any

import pytest

from massgen_ls.config.document import Document, parse
from massgen_ls.config.massgen.kind import kind_of
from massgen_ls.config.massgen.mapping import convert
from massgen_ls.config.massgen.report import Report


def mapped(text: str) -> tuple[Any, Report]:
    ours, report = convert(parse(text, "f.yaml"))
    return ours.body, report


def agent(**keys: object) -> tuple[Any, Report]:
    """One agent with Claude Code; ``backend__x`` is a key of its backend."""
    backend: dict[str, object] = {"type": "claude_code"}
    whole: dict[str, object] = {"id": "a", "backend": backend}
    for key, value in keys.items():
        if key.startswith("backend__"):
            backend[key.removeprefix("backend__")] = value
        else:
            whole[key] = value
    ours, report = convert(Document({"agents": [whole], "ui": {}}, {}))
    return ours.body["agents"][0], report


def said(report: Report, path: str) -> tuple[str, str, str]:
    """List, message and suggestion of the one entry there."""
    found = [(fate, p) for fate, problems in report.lists() for p in problems if p.path == path]
    ((fate, problem),) = found
    return fate, problem.message, problem.suggestion


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"ui": {}}, "massgen"),
        ({"models": ["gpt-4o"]}, "massgen"),
        ({"agents": [{"id": "a", "backend": {"type": "openai", "cwd": "w"}}]}, "massgen"),
        ({"agents": [{"id": "a", "backend": {"type": "codex", "env": {"A": "b"}}}]}, "massgen"),
        ({"orchestrator": {"timeout": {"orchestrator_timeout_seconds": 5}}}, "massgen"),
        ({"agent": {"id": "a", "backend": {"type": "ag2", "cwd": "w"}}}, "massgen"),
        ({"agents": [{"id": "a", "backend": {"type": "claude_code"}}]}, "massgen-ls"),
        ({"agents": [{"id": "a", "backend": {"type": "codex", "env": ["A"]}}]}, "massgen-ls"),
        ({"agents": [{"id": "a", "backend": {"type": "acp"}}], "ui": {}}, "massgen-ls"),
        ({"orchestrator": {"timeout": 5}}, "massgen-ls"),
        ({"checks": [], "ui": {}}, "massgen-ls"),
        ({"foo": 1}, "massgen-ls"),
        ({}, "massgen-ls"),
        ([1], "massgen-ls"),
        (None, "massgen-ls"),
        ("text", "massgen-ls"),
    ],
)
def test_whose_a_document_is(body: object, kind: str) -> None:
    assert kind_of(body) == kind


TEAM = """
agents:
  - id: "Fixer 1"
    system_message: Be brief.
    backend:
      type: claude_code
      model: opus
      cwd: workspace1
      append_system_prompt: Be kind.
      permission_mode: bypassPermissions
      max_turns: 7
      allowed_tools: [Read, "Bash(git status)", mcp__x__y]
      disallowed_tools: [WebFetch, "Bash(git push:*)"]
      env: {MY_KEY: "${MY_KEY}"}
      reasoning: {effort: high}
  - id: other
    backend:
      type: codex
      reasoning: {effort: medium}
      command_line_execution_mode: docker
      command_line_blocked_commands: ["rm .*", "gh issue close"]
orchestrator:
  snapshot_storage: snapshots
  context_paths:
    - {path: ., permission: write, protected_paths: [secret.txt, docs/]}
timeout_settings: {orchestrator_timeout_seconds: 900, initial_round_timeout_seconds: 300}
"""


def test_a_team() -> None:
    body, report = mapped(TEAM)
    assert report.ok
    protected = ["edit:secret.txt", "edit:secret.txt/*", "edit:docs", "edit:docs/*"]
    one, two = body["agents"]
    assert one == {
        "id": "Fixer-1",
        "system_message": "Be brief.\n\nBe kind.",
        "backend": {
            "type": "claude_code",
            "model": "opus",
            "max_turns": 7,
            "env": ["MY_KEY"],
            "args": ["--effort", "high"],
        },
        "permissions": {
            "mode": "allow",
            "allow": ["read", "run:git status"],
            "deny": ["fetch", "run:git push*", *protected],
        },
    }
    assert two["backend"] == {"type": "codex", "args": ["-c", 'model_reasoning_effort="medium"']}
    assert two["permissions"] == {"deny": ["run:rm *", "run:gh issue close*", *protected]}
    rules = {"timeout": 900, "attempt_timeout": 300, "sandbox": "required"}
    assert {key: body["orchestrator"][key] for key in rules} == rules


def test_places_are_those_of_the_source() -> None:
    ours, report = convert(parse(TEAM, "f.yaml"))
    assert ours.place(("agents", 0, "backend", "max_turns")) == (11, 7)
    assert ours.place(("orchestrator", "timeout")) == (26, 20)
    assert {(p.path, p.line) for p in report.ignored} >= {("agents[0].backend.cwd", 8)}


@pytest.mark.parametrize(
    ("keys", "path", "fate", "word"),
    [
        ({"backend__api_key": "sk-live-1234567890"}, "backend.api_key", "refused", "a key stands"),
        ({"backend__api_key": "EMPTY"}, "backend.api_key", "ignored", "no key"),
        ({"backend__api_key": "${K}"}, "backend.api_key", "mapped", "handed on"),
        ({"backend__cwd": "/home/me/p"}, "backend.cwd", "refused", "elsewhere"),
        ({"backend__cwd": "../p"}, "backend.cwd", "refused", "elsewhere"),
        ({"backend__permission_mode": "plan"}, "backend.permission_mode", "refused", "plan mode"),
        ({"backend__permission_mode": "pln"}, "backend.permission_mode", "errors", "no such value"),
        ({"backend__env": {"A_TOKEN": "x"}}, "backend.env.A_TOKEN", "refused", "secret"),
        ({"backend__env": {"DEBUG": "1"}}, "backend.env.DEBUG", "ignored", "no values"),
        (
            {"backend__disallowed_tools": ["Write"]},
            "backend.disallowed_tools[0]",
            "ignored",
            "edit",
        ),
        ({"backend__hooks": {"PreToolUse": [1]}}, "backend.hooks.PreToolUse[0]", "refused", "hook"),
        ({"backend__modle": "x"}, "backend.modle", "errors", "no key 'modle'"),
        ({"backend__zzzzzz": "x"}, "backend.zzzzzz", "ignored", "no such key either"),
        ({"backend__max_turns": 0}, "backend.max_turns", "errors", "whole number"),
        ({"backend__base_url": "nowhere"}, "backend.base_url", "errors", "address"),
        ({"backend__temperature": 0.5}, "backend.temperature", "ignored", "does not hand"),
        ({"backend__model": None}, "backend.model", "ignored", "empty"),
        (
            {"backend__command_line_blocked_commands": ["a(b|c)"]},
            "backend.command_line_blocked_commands[0]",
            "refused",
            "cannot say",
        ),
        ({"system_message": 5}, "system_message", "errors", "a text"),
        ({"sytem_message": "x"}, "sytem_message", "errors", "no key"),
    ],
)
def test_a_key_of_an_agent(keys: dict[str, object], path: str, fate: str, word: str) -> None:
    _, report = agent(**keys)
    found, message, _ = said(report, f"agents[0].{path}")
    assert (found, word in message) == (fate, True), message


def test_no_report_repeats_a_secret() -> None:
    planted = "sk-live-0123456789abcdef"
    texts = {"A_KEY": planted, planted: planted, "DEBUG": planted}
    keys = {"api_key": planted, "env": texts, "mcp_servers": {"x": {"env": texts}}}
    _, report = agent(**{f"backend__{key}": value for key, value in keys.items()})
    told = [f"{p.message} {p.suggestion}" for _, problems in report.lists() for p in problems]
    assert told
    assert not [text for text in told if planted in text]


def test_only_listed_commands_need_no_word() -> None:
    found, _ = agent(backend__command_line_allowed_commands=["pytest.*", "python3 -m x"])
    assert found["permissions"] == {
        "mode": "ask",
        "allow": ["read", "edit", "run:pytest*", "run:python3 -m x*"],
    }


def test_the_stricter_permission_counts() -> None:
    keys = {"backend__command_line_allowed_commands": ["x"]}
    found, _ = agent(backend__permission_mode="bypassPermissions", **keys)
    assert found["permissions"]["mode"] == "ask"


def test_rules_of_permissions() -> None:
    rules = {
        "deny": ["command(git push --force*)", "write_file(/etc/**)"],
        "ask": ["read_url(*)"],
        "allow": ["command(git status)", "mcp(linear/*)"],
    }
    found, report = agent(
        backend__permissions={"enabled": True, "role": "implementer", "rules": rules}
    )
    assert found["permissions"] == {
        "allow": ["run:git status"],
        "deny": ["run:git push --force*", "edit:/etc/**", "fetch"],
    }
    assert report.ok


@pytest.mark.parametrize(
    ("text", "path", "fate", "word"),
    [
        ("models: [a]", "models[0]", "errors", "first version"),
        ("max_rounds: 3", "max_rounds", "errors", "first version"),
        (
            "hooks: {PreToolUse: [{handler: x.py}]}",
            "hooks.PreToolUse[0].handler",
            "refused",
            "hook",
        ),
        (
            "orchestrator: {coordination_mode: voting}",
            "orchestrator.coordination_mode",
            "ignored",
            "",
        ),
        (
            "orchestrator: {coordination_mode: decomposition}",
            "orchestrator.coordination_mode",
            "refused",
            "own part",
        ),
        (
            "orchestrator: {final_answer_strategy: synthesize}",
            "orchestrator.final_answer_strategy",
            "refused",
            "put together",
        ),
        (
            "orchestrator: {coordination: {checkpoint_enabled: true}}",
            "orchestrator.coordination.checkpoint_enabled",
            "refused",
            "checkpoints",
        ),
        (
            "orchestrator: {context_paths: [{path: /srv/data, permission: write}]}",
            "orchestrator.context_paths[0].path",
            "refused",
            "outside",
        ),
        (
            "orchestrator: {context_paths: [{path: /srv/data, permission: read}]}",
            "orchestrator.context_paths[0].path",
            "ignored",
            "outside",
        ),
        (
            "orchestrator: {enable_subagents: true}",
            "orchestrator.enable_subagents",
            "errors",
            "no key",
        ),
        (
            "orchestrator: {voting_sensitivity: roi}",
            "orchestrator.voting_sensitivity",
            "ignored",
            "",
        ),
        (
            "orchestrator: {voting_sensitivity: strct}",
            "orchestrator.voting_sensitivity",
            "errors",
            "",
        ),
        (
            "orchestrator: {max_new_answers_per_agent: x}",
            "orchestrator.max_new_answers_per_agent",
            "errors",
            "",
        ),
        (
            "timeout_settings: {orchestrator_timeout: 5}",
            "timeout_settings.orchestrator_timeout",
            "errors",
            "",
        ),
        ("timeout_settings: 5", "timeout_settings", "errors", "mapping"),
        ("agents: []", "agents", "errors", "no agents"),
        ("agents: {a: 1}", "agents.a", "errors", "list"),
        ("agents: [x]", "agents[0]", "errors", "mapping"),
        ("agents: [{backend: {type: claude}}]", "agents[0].id", "errors", "missing"),
        ("agents: [{id: a}]", "agents[0].backend", "errors", "missing"),
        ("agents: [{id: a, backend: {model: m}}]", "agents[0].backend.type", "errors", "missing"),
        (
            "agents: [{id: a, backend: {type: vllm}}]",
            "agents[0].backend.model",
            "errors",
            "missing",
        ),
        (
            "agents: [{id: a, backend: {type: calude}}]",
            "agents[0].backend.type",
            "errors",
            "no backend",
        ),
        (
            "agents: [{id: a, backend: {type: codex}}, {id: a, backend: {type: codex}}]",
            "agents[1].id",
            "errors",
            "two agents",
        ),
        ("agents: [{id: 1, backend: {type: codex}}]", "agents[0].id", "errors", "word"),
        ("checkpoint: {}", "checkpoint", "ignored", ""),
        ("wibble: 1", "wibble", "ignored", "no such key either"),
        ("agnets: 1", "agnets", "errors", "no key 'agnets'"),
        ("ui: {show_reasoning: true}", "ui.show_reasoning", "ignored", "displays of their own"),
        ("orchestrator: {wibble: [1]}", "orchestrator.wibble[0]", "ignored", "reads over it"),
        ("agent: {id: a, wibble: 1}", "agent.wibble", "ignored", "reads over it"),
        ("agent: {id: a, model: m}", "agent.model", "errors", "no key 'model'"),
        ("agent: {backend: {type: codex, wibble: 1}}", "agent.backend.wibble", "ignored", "over"),
        ("x-defaults: {a: 1}", "x-defaults.a", "ignored", ""),
    ],
)
def test_a_key_of_the_whole(text: str, path: str, fate: str, word: str) -> None:
    _, report = mapped(text if text.startswith("ui") else f"ui: {{}}\n{text}")
    found, message, _ = said(report, path)
    assert (found, word in message) == (fate, True), message


def test_both_forms_of_agents_are_one_too_many() -> None:
    text = "agents: [{id: a, backend: {type: codex}}]\nagent: {id: b, backend: {type: codex}}"
    _, report = mapped(text)
    assert any("not both" in p.message for p in report.errors)


def test_a_key_in_the_wrong_place_is_told_its_place() -> None:
    _, report = mapped("ui: {}\nagents: [{id: a, backend: {type: codex}}]\nsnapshot_storage: x")
    assert said(report, "snapshot_storage")[2] == "It belongs under `orchestrator`"


def test_names_stay_apart() -> None:
    text = "agents: [{id: a b, backend: {type: codex}}, {id: a-b, backend: {type: codex}}]"
    body, report = mapped(text)
    assert [a["id"] for a in body["agents"]] == ["a-b", "a-b-2"]
    assert report.ok


def test_a_team_votes() -> None:
    text = (
        "agents: [{id: a, backend: {type: codex}}, {id: b, backend: {type: codex}}]\n"
        "orchestrator: {max_new_answers_per_agent: 2, voting_sensitivity: strict}"
    )
    body, report = mapped(text)
    given = {"mode": "consensus", "max_new_answers_per_agent": 2, "voting_sensitivity": "strict"}
    assert body["orchestrator"] == given
    assert said(report, "orchestrator.mode")[0] == "mapped"


def test_one_agent_alone_has_nobody_to_vote_with() -> None:
    body, _ = mapped("agent: {id: a, backend: {type: codex}}\nui: {}")
    assert "orchestrator" not in body
