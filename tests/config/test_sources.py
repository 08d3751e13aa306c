"""Where settings come from: each source, its place among the others, what may go wrong there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from massgen_ls.config import Beside, Loaded, load
from massgen_ls.config.checkup import problems_of
from massgen_ls.config.effective import settings
from massgen_ls.core.errors import ConfigError

TIMEOUT = ("orchestrator", "timeout")


def home(tmp_path: Path, text: str = "", name: str = "config.yaml") -> dict[str, str]:
    """An environment whose user has this configuration."""
    folder = tmp_path / "home/.config/massgen"
    folder.mkdir(parents=True, exist_ok=True)
    if text:
        (folder / name).write_text(text)
    return {"HOME": str(tmp_path / "home")}


def project(tmp_path: Path, text: str = "", name: str = "massgen.yaml") -> Path:
    folder = tmp_path / "repo"
    (folder / ".git").mkdir(parents=True, exist_ok=True)
    if text:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def timeout(loaded: Loaded) -> tuple[float, str]:
    return loaded.rules.run_timeout, loaded.merged.origin(TIMEOUT).layer


def say(seconds: int) -> str:
    return f"orchestrator: {{timeout: {seconds}}}\n"


def test_each_layer_counts_over_those_below(tmp_path: Path) -> None:
    folder = project(tmp_path)
    nothing = home(tmp_path)
    assert timeout(load(folder, beside=Beside(nothing))) == (3600, "defaults")
    env: Mapping[str, str] = home(tmp_path, say(1))
    assert timeout(load(folder, beside=Beside(env))) == (1, "user")
    project(tmp_path, say(2) + "profiles: {ci: {orchestrator: {timeout: 3}}}")
    assert timeout(load(folder, beside=Beside(env))) == (2, "project")
    assert timeout(load(folder, beside=Beside(env, "ci"))) == (3, "profile")
    editor: dict[str, Any] = {"orchestrator": {"timeout": 4, "quorum": None}, "whenWon": "ask"}
    assert timeout(load(folder, beside=Beside(env, "ci", editor))) == (4, "editor")
    env = {**env, "MASSGEN_ORCHESTRATOR__TIMEOUT": "5", "MASSGEN_LS_X": "1", "MASSGEN_LOG": "x"}
    loaded = load(folder, beside=Beside(env, "ci", editor))
    assert timeout(loaded) == (5, "environment")
    assert loaded.merged.origin(TIMEOUT).shown() == "MASSGEN_ORCHESTRATOR__TIMEOUT"
    argument = [("--timeout", TIMEOUT, 6)]
    assert timeout(load(folder, beside=Beside(env, "ci", editor, argument))) == (6, "arguments")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("massgen.yaml", say(7)),
        ("massgen.yml", say(7)),
        ("massgen.json", '{"orchestrator": {"timeout": 7}}'),
        ("massgen.toml", "[orchestrator]\ntimeout = 7\n"),
        (".massgen/config.yaml", say(7)),
        (".massgen/config.json", '{"orchestrator": {"timeout": 7}}'),
        (".massgen/config.toml", "orchestrator.timeout = 7"),
        ("pyproject.toml", "[project]\nname = 'x'\n[tool.massgen.orchestrator]\ntimeout = 7\n"),
    ],
)
def test_the_same_in_every_language_and_place(name: str, text: str, tmp_path: Path) -> None:
    loaded = load(project(tmp_path, text, name), beside=Beside(home(tmp_path)))
    assert timeout(loaded) == (7, "project")
    origin = loaded.merged.origin(TIMEOUT)
    assert origin.source.endswith(name)
    assert "timeout" in text.split("\n")[origin.line - 1]


def test_a_pyproject_without_our_table_is_no_configuration(tmp_path: Path) -> None:
    folder = project(tmp_path, "[tool.massgenerate]\nx = 1\n", "pyproject.toml")
    assert load(folder, beside=Beside(home(tmp_path))).merged.origin(("agents",)).author == "us"
    project(tmp_path, "[tool.massgen\nx = 1\n", "pyproject.toml")
    with pytest.raises(ConfigError, match="not TOML"):
        load(folder, beside=Beside(home(tmp_path)))


def test_a_project_chooses_among_its_users_agents(tmp_path: Path) -> None:
    env = home(
        tmp_path,
        "agents:\n- {id: mine, backend: {type: codex}}\n- {id: other, backend: {type: codex}}\n",
    )
    folder = project(tmp_path, "agents: [other, tidy]\n")
    loaded = load(folder, beside=Beside(env))
    assert [(a.id, a.type) for a in loaded.agents] == [("other", "codex"), ("tidy", "command")]
    project(tmp_path, "agents: [othr]\n")
    with pytest.raises(ConfigError, match=r"'backend' is missing.*tidy, bold, prune, mine, other"):
        load(folder, beside=Beside(env))


def test_variables_change_agents_by_their_names(tmp_path: Path) -> None:
    folder = project(
        tmp_path,
        "agents:\n- {id: my-one, backend: {type: codex}}\n- {id: two, backend: {type: codex}}\n",
    )
    env = {**home(tmp_path), "MASSGEN_AGENTS__MY_ONE__BACKEND__MODEL": "big"}
    one, two = load(folder, beside=Beside(env)).agents
    assert (one.settings["model"], two.settings.get("model")) == ("big", None)
    env = {**home(tmp_path), "MASSGEN_AGENTS": "two, my-one"}
    assert [a.id for a in load(folder, beside=Beside(env)).agents] == ["two", "my-one"]
    for name, value, said in [
        ("MASSGEN_AGENTS__NOBODY__BACKEND__MODEL", "x", "NOBODY"),
        ("MASSGEN_ORCHESTRATOR__TIMEOUT", "soon", "MASSGEN_ORCHESTRATOR__TIMEOUT: in orch"),
        ("MASSGEN_ORCHESTRATOR__TIMOUT", "3", "did you mean 'timeout'"),
        ("MASSGEN_CHECKS", "[", "MASSGEN_CHECKS: not YAML"),
    ]:
        with pytest.raises(ConfigError, match=said):
            load(folder, beside=Beside({**home(tmp_path), name: value}))


def test_profiles_are_chosen_by_argument_variable_or_editor(tmp_path: Path) -> None:
    text = "profiles: {dev: {orchestrator: {timeout: 1}}, ci: {orchestrator: {timeout: 2}}}"
    folder, env = project(tmp_path, text), home(tmp_path)
    by_editor = Beside(env, None, {"profile": "dev"})
    assert timeout(load(folder, beside=by_editor)) == (1, "profile")
    by_variable = Beside({**env, "MASSGEN_PROFILE": "ci"}, None, {"profile": "dev"})
    assert timeout(load(folder, beside=by_variable)) == (2, "profile")
    assert timeout(load(folder, beside=Beside(by_variable.env, "dev"))) == (1, "profile")
    with pytest.raises(ConfigError, match="no profile 'cii'; did you mean 'ci'"):
        load(folder, beside=Beside(env, "cii"))
    project(tmp_path, "checks: []")
    everywhere = load(folder, beside=by_variable)
    assert [w.severity for w in everywhere.warnings] == ["warning"], "set for other projects, too"
    with pytest.raises(ConfigError, match="no profile 'ci'"):
        load(folder, beside=Beside(env, "ci"))


def test_files_include_others_which_count_less(tmp_path: Path) -> None:
    env = home(tmp_path)
    folder = project(tmp_path, "include: [a.yaml, sub/b.json]\norchestrator: {quorum: 0.5}\n")
    project(tmp_path, say(1) + "checks: [{name: t, argv: [x]}]", "a.yaml")
    project(tmp_path, '{"include": "c.toml", "orchestrator": {"timeout": 2}}', "sub/b.json")
    project(tmp_path, "[orchestrator]\nattempt_timeout = 3\ntimeout = 9\n", "sub/c.toml")
    loaded = load(folder, beside=Beside(env))
    rules = loaded.rules
    assert (rules.run_timeout, rules.attempt_timeout, rules.quorum) == (2, 3, 0.5)
    assert loaded.merged.origin(TIMEOUT).source == str(folder / "sub/b.json")
    assert [c.name for c in loaded.checks] == ["t"]
    assert [f.path.name for f in loaded.files] == ["a.yaml", "c.toml", "b.json", "massgen.yaml"]


@pytest.mark.parametrize(
    ("include", "said"),
    [
        ("massgen.yaml", "massgen.yaml includes this file again"),
        ("loop.yaml", "massgen.yaml includes this file again"),
        ("none.yaml", "there is no file none.yaml"),
        ("../out.yaml", "../out.yaml lies outside of the project"),
        ("link.yaml", "link.yaml lies outside of the project"),
        ("[1]", "should be a valid string"),
    ],
)
def test_a_project_includes_nothing_from_outside_and_nothing_twice(
    include: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "out.yaml").write_text(say(1))
    folder = project(tmp_path, f"include: {include}\n")
    (folder / "link.yaml").symlink_to(tmp_path / "out.yaml")
    project(tmp_path, "include: massgen.yaml", "loop.yaml")
    with pytest.raises(ConfigError) as caught:
        load(folder, beside=Beside(home(tmp_path)))
    assert said in str(caught.value)


def test_variables_are_put_in_and_secrets_never(tmp_path: Path) -> None:
    agent = '{id: a, backend: {type: command, argv: ["x", "%s"]}}'
    env = {**home(tmp_path), "WHERE": "there", "MY_TOKEN": "hidden"}

    def argument(text: str) -> Any:
        folder = project(tmp_path, f"agents:\n- {agent % text}\n")
        loaded = load(folder, beside=Beside(env))
        argv: Any = loaded.agents[0].settings["argv"]
        return argv[1], [w.message for w in loaded.warnings]

    assert argument("--in=${WHERE}/${WHERE}") == ("--in=there/there", [])
    assert argument("$${WHERE} $WHERE") == ("${WHERE} $WHERE", [])
    assert argument("${cwd}/x") == (f"{tmp_path / 'repo'}/x", [])
    assert argument("${UNSET}") == (
        "${UNSET}",
        ["the variable UNSET is not set; ${UNSET} stays as it is"],
    )
    with pytest.raises(ConfigError, match=r"record of every run.*env: .MY_TOKEN") as caught:
        argument("${MY_TOKEN}")
    assert "hidden" not in str(caught.value)


KEY = "sk-ant-api03-" + "x" * 40


@pytest.mark.parametrize(
    "text",
    [
        f"agents: [{{id: a, backend: {{type: openai, api_key: {KEY}}}}}]",
        "agents: [{id: a, backend: {type: openai, api_key: short}}]",
        f"agents: [{{id: a, system_message: 'use {KEY}', backend: {{type: codex}}}}]",
        f"agents: [{{id: a, backend: {{type: codex, args: [--key={KEY}]}}}}]",
        f"agents: [{{id: a, backend: {{type: {KEY}}}}}]",
        f"orchestrator: {{timeout: {KEY}}}",
        f"profiles: {{ci: {{orchestrator: {{mode: {KEY}}}}}}}",
        f"checks: [{{name: t, argv: [curl, 'Bearer {KEY}']}}]",
    ],
)
def test_no_secret_stands_in_a_file_and_none_is_repeated(text: str, tmp_path: Path) -> None:
    file = project(tmp_path, text) / "massgen.yaml"
    found = problems_of(file, Beside(home(tmp_path)))
    told = "\n".join(p.shown() for p in found)
    assert "environment variable" in told
    assert KEY not in told
    assert "short" not in told.replace(str(file), "")


def test_keys_are_named_in_either_form(tmp_path: Path) -> None:
    for given in ("api_key_env: MY_KEY", 'api_key: "${MY_KEY}"'):
        text = f"agents: [{{id: a, backend: {{type: openai, {given}}}}}]"
        env = {**home(tmp_path), "MY_KEY": "hidden"}
        (agent,) = load(project(tmp_path, text), beside=Beside(env)).agents
        assert agent.settings == {"api_key_env": "MY_KEY"}


def test_what_an_editor_has_open_counts_before_it_is_saved(tmp_path: Path) -> None:
    folder, env = project(tmp_path, say(1)), home(tmp_path)
    open_text = {folder / "massgen.yaml": say(2)}
    assert timeout(load(folder, beside=Beside(env, read=open_text.get)))[0] == 2
    new = {folder / "a/massgen.json": json.dumps({"orchestrator": {"timeout": 3}})}
    assert timeout(load(folder / "a", beside=Beside(env, read=new.get)))[0] == 3


def test_every_problem_of_a_file_is_told_in_its_order_with_its_place(tmp_path: Path) -> None:
    text = """\
agents:
  - {id: a, backend: {type: codex, modle: x}}
orchestrator: {mode: best, timeout: ${NOPE}}
profiles:
  ci:
    orchestrator: {quorum: 3}
    agents: [a, nobody]
    include: x.yaml
agnets: []
"""
    folder, env = project(tmp_path, text.replace("${NOPE}", '"${NOPE}"')), home(tmp_path)
    found = problems_of(folder / "massgen.yaml", Beside(env))
    assert [(p.line, p.path, p.severity, p.meant) for p in found] == [
        (2, "agents[0].backend.modle", "error", "model"),
        (3, "orchestrator.mode", "error", "best_of_n"),
        (3, "orchestrator.timeout", "warning", None),
        (3, "orchestrator.timeout", "error", None),
        (6, "profiles.ci.orchestrator.quorum", "error", None),
        (7, "profiles.ci.agents[1]", "error", None),
        (8, "profiles.ci.include", "error", None),
        (9, "agnets", "error", "agents"),
    ]
    assert (found[0].column, found[0].end) == (36, (2, 41))


def test_problems_are_those_of_the_file_alone(tmp_path: Path) -> None:
    env = home(tmp_path, "orchestrator: {timeout: soon}")
    folder = project(tmp_path, "orchestrator: {mode: best}")
    (mine,) = problems_of(folder / "massgen.yaml", Beside(env))
    assert mine.path == "orchestrator.mode"
    user = Path(env["HOME"]) / ".config/massgen/config.yaml"
    (users,) = problems_of(user, Beside(env))
    assert (users.path, users.file) == ("orchestrator.timeout", str(user))
    with pytest.raises(ConfigError) as caught:
        load(folder, beside=Beside(env))
    assert str(user) in str(caught.value), "a run would use both"
    assert str(folder) in str(caught.value)


def test_the_effective_settings_have_defaults_and_origins(tmp_path: Path) -> None:
    folder = project(tmp_path, "agents: [{id: a, backend: {type: codex}, permissions: ask}]\n")
    found = {s.path: s for s in settings(load(folder, beside=Beside(home(tmp_path))).merged)}
    assert found["agents[0].permissions.mode"].value == "ask"
    assert found["agents[0].permissions.mode"].origin.line == 1
    assert found["orchestrator.quorum"].value == 1.0
    assert found["orchestrator.quorum"].origin.shown() == "default"
    assert found["agents[0].backend.login"].origin.layer == "defaults"


@pytest.mark.parametrize("target", ["a\0b.yaml", "loop", "x" * 300, "\ud800.yaml"])
def test_an_include_that_can_be_no_file_is_said(target: str, tmp_path: Path) -> None:
    folder = project(tmp_path, json.dumps({"include": [target]}), "massgen.json")
    (folder / "loop").symlink_to("loop")
    with pytest.raises(ConfigError, match=r"cannot be read|there is no file"):
        load(folder, None, Beside(home(tmp_path)))


@pytest.mark.parametrize("open_", ["[", "{a: "])
def test_what_is_nested_without_end_is_said(open_: str, tmp_path: Path) -> None:
    folder = project(tmp_path, "agents: " + open_ * 5_000)
    with pytest.raises(ConfigError):
        load(folder, None, Beside(home(tmp_path)))
