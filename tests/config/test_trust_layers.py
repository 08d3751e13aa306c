"""What a project may say over its user's own layers, and where what it may not is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from massgen_ls.config import Beside, Loaded, load

USERS = """
agents:
  - id: mine
    backend: {type: command, argv: [fixer], timeout: 60, env: [ONE, TWO]}
    permissions: {mode: ask, deny: ["run:rm*"]}
  - id: other
    backend: {type: command, argv: [other]}
checks:
  - {name: tests, argv: [pytest]}
orchestrator: {sandbox: required}
"""


def loaded(tmp_path: Path, project: Any, *, file: str | None = None, **beside: Any) -> Loaded:
    home, repo = tmp_path / "home", tmp_path / "repo"
    (home / ".config/massgen").mkdir(parents=True, exist_ok=True)
    (home / ".config/massgen/config.yaml").write_text(USERS)
    (repo / ".git").mkdir(parents=True, exist_ok=True)
    (repo / "massgen.yaml").write_text(project if isinstance(project, str) else json.dumps(project))
    environ = {"HOME": str(home), **beside.pop("environ", {})}
    return load(repo, file, Beside(environ=environ, **beside))


def wants(found: Loaded) -> list[str]:
    return [f"{Path(p.file).name}:{p.line} {p.key}" for p in found.powers]


@pytest.mark.parametrize(
    "project",
    [
        {"agents": ["mine"], "checks": ["tests"]},
        {"agents": ["tidy", {"id": "mine"}]},
        {"agents": [{"id": "mine", "permissions": {"mode": "deny"}, "backend": {"timeout": 5}}]},
        {"agents": [{"id": "mine", "permissions": {"deny": ["run:rm*", "fetch"]}}]},
        {"checks": [{"name": "tests", "timeout": 5}]},
        {"orchestrator": {"sandbox": "required", "timeout": 5, "limits": {"max_cost": 1}}},
        {"agents": [{"id": "other", "backend": {"type": "command", "argv": ["other"]}}]},
        {"include": "more.yaml"},
        {},
    ],
)  # fmt: skip
def test_a_project_chooses_and_is_stricter(tmp_path: Path, project: Any) -> None:
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo/more.yaml").write_text("orchestrator: {timeout: 7}")
    found = loaded(tmp_path, project)
    assert wants(found) == []
    assert {Path(s.path).name for s in found.sources} >= {"massgen.yaml"}


@pytest.mark.parametrize(
    ("project", "expected"),
    [
        ("agents:\n- id: mine\n  backend:\n    argv: [evil]\n", ["4 agents[0].backend.argv"]),
        ("agents:\n- id: tidy\n  backend:\n    argv: [evil]\n", ["4 agents[0].backend.argv"]),
        ("agents:\n- id: mine\n  backend:\n    env: [ONE, AWS]\n", ["4 agents[0].backend.env"]),
        (
            "agents:\n- id: mine\n  permissions: auto\n",
            ["3 agents[0].permissions.mode", "3 agents[0].permissions.deny"],
        ),
        (
            "agents:\n- id: mine\n  permissions: {deny: []}\n",
            ["3 agents[0].permissions.deny"],
        ),
        ("checks:\n- name: tests\n  argv: [evil]\n", ["3 checks[0].argv"]),
        ("orchestrator:\n  sandbox: auto\n", ["2 orchestrator.sandbox"]),
        ("orchestrator:\n  sandbox: 'off'\n  timeout: 3\n", ["2 orchestrator.sandbox"]),
        ("profiles:\n  ci:\n    worktree: {setup: [[evil]]}\n", ["3 profiles.ci.worktree.setup"]),
        ("worktree:\n  setup: [[evil]]\n", ["2 worktree.setup"]),
    ],
)
def test_it_may_do_nothing_else_and_its_line_is_named(
    tmp_path: Path, project: str, expected: list[str]
) -> None:
    assert wants(loaded(tmp_path, project)) == [f"massgen.yaml:{each}" for each in expected]


def test_what_a_replaced_block_took_away_is_named(tmp_path: Path) -> None:
    backend = {"type": "command", "argv": ["fixer"]}
    found = loaded(tmp_path, {"agents": [{"id": "mine", "backend": backend}]})
    assert "massgen.yaml:1 agents[0].backend.timeout" in wants(found)


def test_included_files_and_profiles_are_the_project_s_words(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo/more.yaml").write_text("\nworktree:\n  setup: [[evil]]\n")
    found = loaded(
        tmp_path, "include: more.yaml\nprofiles: {ci: {orchestrator: {timeout: 9999}}}\n"
    )
    assert "more.yaml:3 worktree.setup" in wants(found)
    assert {Path(s.path).name for s in found.sources} == {"massgen.yaml", "more.yaml"}
    chosen = loaded(tmp_path, "profiles:\n  ci:\n    orchestrator: {timeout: 9999}\n", profile="ci")
    assert "massgen.yaml:3 orchestrator.timeout" in wants(chosen)


def test_the_user_s_own_words_need_nobody_s_trust(tmp_path: Path) -> None:
    evil = "worktree:\n  setup: [[evil]]\n"
    assert wants(loaded(tmp_path, evil, file="massgen.yaml")) == []
    assert loaded(tmp_path, evil, file="massgen.yaml").sources == ()
    variables = {"MASSGEN_ORCHESTRATOR__TIMEOUT": "9999", "MASSGEN_AGENTS": "mine"}
    assert wants(loaded(tmp_path, "{}", environ=variables)) == []
    mixed = loaded(
        tmp_path,
        "agents:\n- id: mine\n  fallback: {backend: {type: command, argv: [evil]}}\n",
        environ={"MASSGEN_AGENTS__MINE__FALLBACK__SYSTEM_MESSAGE": "hello"},
    )
    assert wants(mixed) == ["massgen.yaml:3 agents[0].fallback"]


def test_what_is_shown_holds_no_value_of_the_user_s_environment(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        "agents:\n- id: mine\n  system_message: ${PLACE}\n",
        environ={"PLACE": "here"},
    )
    assert found.agents[0].system_message == "here"
    assert [p.value for p in found.powers] == ["${PLACE}"]
