"""An order out of a wish: who has to be in a team, and what is said on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from massgen_ls.core.errors import ConfigError
from massgen_ls.core.task import Mode, RunSpec, Scope
from massgen_ls.wiring import make_spec

PROGRAM = "{id: prog, backend: {type: command, argv: [my-agent]}}"
CODER = "{id: coder, backend: {type: codex}}"


def spec(folder: Path, agents: str, judges: str = "", mode: Mode | None = "consensus") -> RunSpec:
    voting = f"orchestrator: {{voting: {{judges: [{judges}]}}}}\n" if judges else ""
    (folder / "massgen.yaml").write_text(f"agents: [{agents}]\n{voting}")
    return make_spec(folder, prompt="do it", scope=Scope(), mode=mode, word="once")


def test_programs_alone_cannot_vote(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs agents that can vote") as error:
        spec(tmp_path, PROGRAM)
    assert "best_of_n" in str(error.value)
    assert spec(tmp_path, PROGRAM, mode=None).rules.mode == "best_of_n"


def test_a_coding_agent_or_a_judge_is_enough(tmp_path: Path) -> None:
    assert spec(tmp_path, f"{PROGRAM}, {CODER}").rules.mode == "consensus"
    judge = "{id: referee, backend: {type: claude_code}}"
    assert spec(tmp_path, PROGRAM, judge).rules.mode == "consensus"


def test_whoever_is_named_for_a_run_works_in_that_order(tmp_path: Path) -> None:
    names = ("one", "two", "three")
    team = ", ".join(f"{{id: {name}, backend: {{type: codex}}}}" for name in names)
    (tmp_path / "massgen.yaml").write_text(
        f"agents: [{team}]\norchestrator: {{agents: auto, max_agents: 1}}\n"
    )

    def made(agents: str | None) -> RunSpec:
        return make_spec(tmp_path, prompt="do it", scope=Scope(), agents=agents, word="once")

    assert (made(None).rules.agents, made(None).rules.max_agents) == ("auto", 1)
    named = made("three,one")
    assert [str(agent.id) for agent in named.agents] == ["three", "one"]
    assert (named.rules.agents, named.rules.max_agents) == ("listed", None)


def test_what_is_said_of_a_project_s_own_checks(tmp_path: Path) -> None:
    heard: list[str] = []

    def order(*, detected: bool) -> list[str]:
        spec = make_spec(
            tmp_path, prompt="x", scope=Scope(), detected_checks=detected, say=heard.append
        )
        return [check.name for check in spec.checks]

    assert order(detected=False) == order(detected=True) == []
    assert heard == ["this project's files suggest no checks; name them under `checks`"]
    (tmp_path / "test_it.py").write_text("def test_it(): ...\n")
    assert (order(detected=True), order(detected=False)) == (["pytest"], [])
    assert heard[1:] == [
        "no check is configured, and this project seems to have pytest: `massgen-ls init` writes it"
        " down, `massgen-ls run --detected-checks` runs it once"
    ]
    (tmp_path / "massgen.yaml").write_text("checks: []\n")
    assert order(detected=False) == []
    assert len(heard) == 2, "who wants none is left alone"
