"""What a project may say over its user's own layers, and where what it may not is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from massgen_ls.config import Beside, Loaded, load
from massgen_ls.config.effective import settings
from massgen_ls.config.sources import gather

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
        {"agents": [{"id": "mine", "backend": {"type": "command", "argv": ["fixer"]}}]},
        {"agents": [{"id": "mine", "permissions": {"deny": []}}]},
        {"agents": [{"id": "mine", "permissions": "deny"}]},
        {"profiles": {"ci": {"agents": ["mine"], "checks": ["tests"]}}},
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
            ["3 agents[0].permissions.mode"],
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


@pytest.mark.parametrize(
    "said",
    [
        {"permissions": "auto"},
        {"permissions": {"deny": ["fetch"]}},
        {"permissions": {"deny": []}},
        {"permissions": {"deny": None}},
        {"permissions": None},
        {"backend": {"type": "command", "argv": ["another"]}},
        {"backend": {"type": "claude_code"}, "permissions": "allow"},
    ],
)
def test_a_denial_and_a_limit_of_the_user_s_stay(tmp_path: Path, said: Any) -> None:
    (agent,) = loaded(tmp_path, {"agents": [{"id": "mine", **said}]}).agents
    more = (said.get("permissions") or {}) if isinstance(said.get("permissions"), dict) else {}
    assert agent.permissions.deny == ("run:rm*", *(more.get("deny") or ()))
    assert agent.settings["timeout"] == 60
    if "permissions" not in said:
        assert agent.permissions.mode == "ask"


def test_denials_add_up_over_all_layers(tmp_path: Path) -> None:
    deny = {"agents": {"mine": {"permissions": {"deny": ["edit:*.lock", "fetch"]}}}}
    found = loaded(
        tmp_path,
        "agents:\n- {id: mine, permissions: {deny: [fetch]}}\n"
        "profiles: {ci: {agents: [{id: mine, permissions: {deny: [read:x]}}]}}\n",
        profile="ci",
        settings=deny,
        environ={"MASSGEN_AGENTS__MINE__PERMISSIONS": "deny"},
    )
    assert found.agents[0].permissions.deny == ("run:rm*", "fetch", "read:x", "edit:*.lock")
    assert found.agents[0].permissions.mode == "deny"
    origins = [found.merged.origin(("agents", 0, "permissions", "deny", n)).layer for n in range(4)]
    assert origins == ["user", "project", "profile", "editor"]


def test_an_agent_described_anew_says_what_it_is_instead_of(tmp_path: Path) -> None:
    anew = "agents:\n- id: mine\n  backend: {type: codex}\n- {id: tidy, backend: {type: codex}}\n"
    found = loaded(tmp_path, f"{anew}checks: [{{name: tests, argv: [tox]}}]\n")
    shown = {s.path: s.instead_of for s in settings(found.merged) if s.instead_of}
    assert {path: (o.layer, o.line) for path, o in shown.items()} == {
        "agents[0].backend.type": ("user", 3),
        "checks[0].argv": ("user", 9),
    }


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


@pytest.mark.parametrize(
    ("project", "key"),
    [
        ("agents:\n- {id: mine, permissions: {deny: ['run:${PLACE}']}}\n", "permissions.deny[1]"),
        ("agents:\n- {id: mine, backend: {env: ['${PLACE}']}}\n", "backend.env"),
        ("agents:\n- {id: mine, system_message: 'say ${PLACE}'}\n", "system_message"),
        ("profiles: {ci: {agents: ['${PLACE}']}}\n", "agents[0]"),
    ],
)
def test_no_variable_is_read_into_a_value_without_trust(
    tmp_path: Path, project: str, key: str
) -> None:
    (power,) = loaded(tmp_path, project, environ={"PLACE": "mine"}).powers
    assert power.key.endswith(key)
    assert "${PLACE}" in power.value


def test_what_is_no_variable_needs_none(tmp_path: Path) -> None:
    deny = {"deny": ["run:$${PLACE}", "run:${", "run:$PLACE"]}
    assert wants(loaded(tmp_path, {"agents": [{"id": "mine", "permissions": deny}]})) == []


PYPROJECT = """
[project]
dependencies = ["a"]
[tool.ruff]
line-length = 100
[tool.massgen.orchestrator]
timeout = 5
[[tool.massgen.checks]]
name = "tests"
argv = ["pytest"]
"""
OTHERS = [
    ('["a"]', '["a", "b"]'),
    ("[project]", "# a note\n[project]"),
    ("100", "80"),
    ("[tool.ruff]", "[tool.massgens]\nchecks = 1\n[tool.ruff]"),
    ("[project]", "[massgen]\nchecks = []\n[project]"),
]
READ = [
    ('["pytest"]', '["pytest", "-x"]'),
    ('["pytest"]', '["rm"]'),
    ("timeout = 5", "timeout = 50"),
    ("timeout = 5", 'timeout = "5"'),
    ("timeout = 5", "timeout = 5\nsandbox = 'off'"),
    ("timeout = 5", "timeout = 5\n\"sand\\u0062ox\" = 'off'"),
    ("[tool.ruff]", "[tool.massgen.worktree]\nsetup = [['evil']]\n[tool.ruff]"),
    ("[tool.ruff]", "[tool.\"massgen\".worktree]\nsetup = [['evil']]\n[tool.ruff]"),
    ("[project]", "[tool]\nmassgen.worktree.setup = [['evil']]\n[project]"),
    ('name = "tests"', "name='x'\nargv=['x']\n[[tool.massgen.checks]]\nname = 'tests'"),
    ("[tool.ruff]", "[tool.massgen.profiles.ci.worktree]\nsetup = [['evil']]\n[tool.ruff]"),
]  # fmt: skip


@pytest.mark.parametrize("change", [*OTHERS, *READ])
def test_of_a_pyproject_trust_is_bound_to_what_is_read_of_it(
    tmp_path: Path, change: tuple[str, str]
) -> None:
    old, new = change
    if new.startswith("[tool]"):  # TOML wants a table said once
        before = "[tool]\nmassgen.checks = [{name = 'tests', argv = ['pytest']}]\n[project]\n"
        after = before.replace("[project]", "massgen.worktree.setup = [['evil']]\n[project]")
    else:
        before, after = PYPROJECT, PYPROJECT.replace(old, new, 1)
    assert before != after
    (tmp_path / ".git").mkdir()
    digests: list[str] = []
    for text in (before, after):
        (tmp_path / "pyproject.toml").write_text(text)
        found = gather(tmp_path, None, Beside({"HOME": str(tmp_path)}))
        assert not found.problems
        digests.append(found.files[0].digest)
    assert (digests[0] == digests[1]) is (change in OTHERS)
