"""Configuration: found where users put it, refused with the place and the nearest name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from massgen_ls.config import Beside, load, pick_checks, team
from massgen_ls.config.problems import InvalidConfig
from massgen_ls.core.budget import Limits
from massgen_ls.core.errors import ConfigError
from massgen_ls.core.permissions import Permissions
from massgen_ls.core.task import AgentId, AgentSpec, CheckSpec, Rules, WorktreeRules

ROOT = Path(__file__).resolve().parents[2]

FULL = """
agents:
  - id: one
    system_message: Be brief.
    backend:
      type: command
      argv: [my-agent, --fast, "{file}"]
      stdin: none
      env: [MY_KEY]
      timeout: 60
      prompt_file: true
      ok_exit_codes: [0, 1]
  - id: two
    backend: {type: command, argv: [other]}
checks:
  - {name: tests, argv: [pytest, -q], timeout: 30, parser: junit}
  - {name: lint, argv: [ruff, check]}
orchestrator: {mode: consensus, timeout: 100, attempt_timeout: 50, quorum: 0.5, sandbox: off}
worktree: {include: [.env], include_mode: symlink, setup: [[npm, ci]], setup_key: [package.json]}
"""


def refusal(text: str, tmp_path: Path) -> str:
    file = tmp_path / "massgen.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    return str(caught.value).replace(str(file), "F")


def test_a_whole_file(tmp_path: Path) -> None:
    (tmp_path / "massgen.yaml").write_text(FULL)
    loaded = load(tmp_path)
    one, two = loaded.agents
    assert (one.id, one.type, one.system_message) == ("one", "command", "Be brief.")
    assert one.settings == {
        "argv": ["my-agent", "--fast", "{file}"],
        "stdin": "none",
        "env": ["MY_KEY"],
        "timeout": 60.0,
        "prompt_file": True,
        "ok_exit_codes": [0, 1],
    }
    assert two.settings["stdin"] == "prompt", "an agent is told the task unless it says otherwise"
    assert loaded.checks == (
        CheckSpec("tests", ("pytest", "-q"), 30.0, "junit"),
        CheckSpec("lint", ("ruff", "check")),
    )
    rules = WorktreeRules((".env",), "symlink", (("npm", "ci"),), ("package.json",))
    assert loaded.rules == Rules("consensus", "listed", None, 50, 100, 0.5, "off", rules)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("agnets: []", "F:1:1: unknown key 'agnets'; did you mean 'agents'?"),
        ("agents:\n- id: a\n", "F:2:3: in agents[0]: the key 'backend' is missing"),
        (
            "agents:\n- id: a\n  backend: {type: comand, argv: [x]}",
            "F:3:13: in agents[0].backend.type: 'comand' is none of: command, claude_code, codex,"
            " gemini_cli, acp; did you mean 'command'?",
        ),
        (
            "agents:\n- id: a\n  backend: {type: command, argv: [x], stdn: none}",
            "F:3:39: in agents[0].backend: unknown key 'stdn'; did you mean 'stdin'?",
        ),
        (
            "agents:\n- id: a\n  backend: {type: command, argv: x y}",
            "F:3:28: in agents[0].backend.argv: should be a list, not 'x y'",
        ),
        (
            "agents:\n- id: a/b\n  backend: {type: command, argv: [x]}",
            "F:2:3: in agents[0].id: 'a/b' is no name: letters, digits, dot, dash and underscore",
        ),
        ("checks:\n- {name: t, argv: []}", "F:2:13: in checks[0].argv: "),
        ("orchestrator: {mode: best}", "'best' is none of: best_of_n or consensus"),
        ("orchestrator: {quorum: 0}", "F:1:16: in orchestrator.quorum: should be greater than 0"),
        (
            "agents:\n- id: a\n  backend: {type: command, argv: [x], env: [KEY=secret]}",
            "a list of names",
        ),
        ("a: 1\na: 2", "F:2:1: the key 'a' is there twice (first in line 1)"),
        ("agents: [", "F:1:10: not YAML"),
        ("- 1", "F:1:1: a configuration is a mapping"),
        ("x: !!python/name:os.system y", "F:1:4: cannot be understood"),
        (
            "agents:\n- {id: a, backend: {type: command, argv: [x]}}\n"
            "- {id: a, backend: {type: command, argv: [x]}}",
            "two agents are called 'a'",
        ),
        ("\t", "not YAML"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    assert said in refusal(text, tmp_path)


def test_every_error_is_told_at_once(tmp_path: Path) -> None:
    told = refusal("agnets: []\ncheks: []\norchestrator: {mode: x}\n", tmp_path)
    assert len(told.split("\n")) == 3


@pytest.mark.parametrize("kind", ["claude", "copilot", "gemini", "ag2", "vllm"])
@pytest.mark.parametrize(
    ("agent", "who"),
    [
        ("{{id: a, backend: {{type: {}}}}}", "The agent 'a'"),
        (
            "{{id: a, backend: {{type: codex}}, fallback: {{backend: {{type: {}}}}}}}",
            "A fallback of the agent 'a'",
        ),
    ],
)
def test_a_team_that_needs_what_is_not_built_is_valid_and_says_which_part_is_missing(
    kind: str, agent: str, who: str, tmp_path: Path
) -> None:
    (tmp_path / "massgen.yaml").write_text(
        f"agents:\n- {agent.format(kind)}\n- {{id: b, backend: {{type: codex}}}}"
    )
    loaded = load(tmp_path)
    with pytest.raises(ConfigError) as caught:
        team(tmp_path, loaded, None)
    assert caught.value.what.startswith(f"{who} has the backend {kind!r}, which needs the drivers")
    assert "type: command" in caught.value.hint
    assert [a.id for a in team(tmp_path, loaded, "b")] == ["b"], "who can work may"


def test_a_judge_that_is_not_built_is_no_judge(tmp_path: Path) -> None:
    (tmp_path / "massgen.yaml").write_text(
        AGENTS + "{judges: [{id: ref, backend: {type: openai, model: m}}]}"
    )
    with pytest.raises(ConfigError, match="'ref' has the backend 'openai'"):
        team(tmp_path, load(tmp_path), "a")


CODING = """
agents:
  - id: claude
    system_message: Be kind.
    backend:
      type: claude_code
      model: opus
      args: [--verbose]
      base_url: http://127.0.0.1:9/
      idle_timeout: 60
      max_turns: 5
    permissions: {mode: ask, allow: ["run:pytest *", "fetch"], deny: ["run:git push*"]}
    fallback:
      backend: {type: codex, login: user}
      fallback: {backend: {type: acp, agent: goose}, permissions: allow}
  - {id: gem, backend: {type: gemini_cli, protocol: stream-json}}
  - {id: any, backend: {type: acp, argv: [my-agent, --acp], mode: code, auth: key}}
orchestrator:
  limits: {max_cost: 2.5, max_tokens: 100000, max_minutes: 10}
  share_candidates: true
  instructions: false
"""


def test_coding_agents_with_permissions_fallbacks_and_limits(tmp_path: Path) -> None:
    (tmp_path / "massgen.yaml").write_text(CODING)
    loaded = load(tmp_path)
    last = AgentSpec(
        AgentId("claude"),
        "acp",
        {"agent": "goose", "args": [], "env": [], "login": "own", "share": True},
        permissions=Permissions("allow"),
    )
    second = AgentSpec(
        AgentId("claude"), "codex", {"args": [], "env": [], "login": "user"}, fallback=last
    )
    first, gem, other = loaded.agents
    assert first == AgentSpec(
        AgentId("claude"),
        "claude_code",
        {
            "model": "opus",
            "args": ["--verbose"],
            "base_url": "http://127.0.0.1:9/",
            "idle_timeout": 60.0,
            "max_turns": 5,
            "env": [],
            "login": "own",
        },
        "Be kind.",
        Permissions("ask", ("run:pytest *", "fetch"), ("run:git push*",)),
        second,
    )
    assert (gem.type, gem.settings["protocol"]) == ("gemini_cli", "stream-json")
    assert other.settings["argv"] == ["my-agent", "--acp"]
    assert loaded.rules.limits == Limits(2_500_000, 100_000, 10.0)
    assert (loaded.rules.share_candidates, loaded.rules.instructions) == (True, False)


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (
            "{id: a, backend: {type: claude_code, modle: x}}",
            "in agents[0].backend: unknown key 'modle'; did you mean 'model'?",
        ),
        (
            "{id: a, backend: {type: codex, login: mine}}",
            "in agents[0].backend.login: 'mine' is none of: own or user",
        ),
        (
            "{id: a, backend: {type: acp}}",
            "in agents[0].backend: give `agent` (a name such as goose) or `argv`, one of the two",
        ),
        (
            "{id: a, backend: {type: acp, agent: goose, max_turns: 3}}",
            "in agents[0].backend: `max_turns` cannot be kept: ACP has no way to say it; use",
        ),
        (
            "{id: a, backend: {type: acp, argv: [x], base_url: 'http://127.0.0.1:9/'}}",
            "in agents[0].backend: `base_url` goes with `agent`; how a program of your own is led",
        ),
        (
            "{id: a, backend: {type: gemini_cli, login: user, max_turns: 3}}",
            "in agents[0].backend: `max_turns` cannot be kept with `login: user`: it is a setting",
        ),
        (
            "{id: a, backend: {model: x}}",
            "in agents[0].backend: the key 'type' is missing; it is one of: command, claude_code,",
        ),
        (
            "{id: a, backend: {type: codex}, permissions: {allow: ['shell:x']}}",
            "in agents[0].permissions.allow[0]: 'shell:x' is no pattern: a kind (read, edit, run,",
        ),
        (
            "{id: a, backend: {type: codex, base_url: 'ftp://x'}}",
            "in agents[0].backend.base_url: 'ftp://x' is no http:// or https:// address",
        ),
    ],
)
def test_what_is_wrong_with_a_coding_agent(agent: str, said: str, tmp_path: Path) -> None:
    told = refusal(f"agents:\n- {agent}", tmp_path)
    assert told.startswith("F:2:")
    assert said in told


def test_aliases_may_not_explode(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for i in range(1, 9):
        refs = ", ".join(f"*a{i - 1}" for _ in range(10))
        lines.append(f"a{i}: &a{i} [{refs}]")
    assert "too large" in refusal("\n".join(lines), tmp_path)


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    told = refusal("[" * 5000, tmp_path)
    assert "F" in told


def test_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "massgen.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(tmp_path)


def test_the_offline_team_steps_in_where_no_agents_are_named(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    nothing = load(tmp_path)
    assert [a.id for a in nothing.agents] == ["tidy", "bold", "prune"]
    assert "offline" in nothing.source
    (tmp_path / "massgen.yaml").write_text("checks: [{name: t, argv: [x]}]")
    checks_only = load(tmp_path)
    assert checks_only.agents == nothing.agents
    assert [c.name for c in checks_only.checks] == ["t"]


def test_a_folder_takes_the_nearest_configuration_up_to_its_repository(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    deep = repo / "a/b"
    deep.mkdir(parents=True)
    (repo / ".git").mkdir()
    outside = "agents: [{id: outside, backend: {type: command, argv: [x]}}]"
    (tmp_path / "massgen.yaml").write_text(outside)
    assert load(deep).agents[0].id == "tidy", "what lies above the repository is not its own"
    (repo / ".massgen").mkdir()
    (repo / ".massgen/config.yaml").write_text(outside.replace("outside", "top"))
    assert load(deep).agents[0].id == "top"
    (repo / "a/massgen.yaml").write_text(outside.replace("outside", "near"))
    assert load(deep).agents[0].id == "near"
    assert load(deep, str(tmp_path / "massgen.yaml")).agents[0].id == "outside"
    with pytest.raises(ConfigError, match=r"absent\.yaml"):
        load(deep, "absent.yaml")


def test_choosing_agents_and_checks(tmp_path: Path) -> None:
    (tmp_path / "massgen.yaml").write_text(FULL)
    loaded = load(tmp_path)
    assert [a.id for a in team(tmp_path, loaded, "two,one")] == ["two", "one"]
    assert team(tmp_path, loaded, None) == loaded.agents
    (tmp_path / "other.yaml").write_text(json.dumps(
        {"agents": [{"id": "x", "backend": {"type": "command", "argv": ["x"]}}]}
    ))  # fmt: skip
    assert [a.id for a in team(tmp_path, loaded, "other.yaml")] == ["x"]
    assert [c.name for c in pick_checks(loaded, ["lint"])] == ["lint"]
    with pytest.raises(ConfigError, match="Did you mean 'one'"):
        team(tmp_path, loaded, ["onne"])
    with pytest.raises(ConfigError, match="There are: tests, lint"):
        pick_checks(loaded, ["nope"])


@pytest.mark.parametrize("file", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda p: p.name)
def test_every_configuration_that_we_ship_is_valid(file: Path) -> None:
    assert load(file.parent, str(file)).agents


AGENTS = """
agents:
- {id: a, backend: {type: claude_code}}
- {id: p, backend: {type: command, argv: [x]}}
orchestrator:
  voting: """


def test_judges_are_agents_by_their_names_or_agents_that_only_judge(tmp_path: Path) -> None:
    (tmp_path / "massgen.yaml").write_text(
        AGENTS + "{rule: score, margin: 0.2, max_ballots: 4, timeout: 9,"
        " judges: [a, {id: ref, backend: {type: codex, model: m}}]}"
    )
    voting = load(tmp_path).rules.voting
    assert (voting.rule, voting.margin, voting.max_ballots, voting.timeout) == ("score", 0.2, 4, 9)
    assert [(j.id, j.type, j.settings.get("model")) for j in voting.judges] == [
        ("a", "claude_code", None), ("ref", "codex", "m"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("voting", "said"),
    [
        ("{judges: [b]}", "judges[0]: there is no agent 'b'; there are: a, p"),
        ("{judges: [p]}", "judges[0]: 'p' is a program that edits files, which cannot judge"),
        ("{judges: [a, a]}", "judges[1]: 'a' is named twice"),
        (
            "{judges: [{id: a, backend: {type: codex}}]}",
            "judges[0]: 'a' is an agent already; name it without a backend",
        ),
        ("{judges: [{id: r, backend: {type: command, argv: [x]}}]}", "'r' is a program that"),
        ("{judges: [{id: r, backnd: {type: codex}}]}", "unknown key 'backnd'; did you mean"),
        ("{judges: a}", "should be a list, not 'a'"),
        ("{margin: 1.5}", "in orchestrator.voting.margin: should be less than or equal to 1"),
        ("{rule: pairwize}", "did you mean 'pairwise'?"),
        ("{max_ballots: -1}", "should be greater than or equal to 0, not -1"),
    ],
)
def test_what_is_wrong_with_judges(voting: str, said: str, tmp_path: Path) -> None:
    assert said in refusal(AGENTS + voting, tmp_path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("argv: pytest", "should be a list, not 'pytest'; write [pytest]"),
        ("argv: pytest -q", "should be a list, not 'pytest -q'; write [pytest, -q]"),
        ("argv: \"a 'b c'\"", "write each word as an item: [one, two]"),
        ("argv: [a], timeout: soon", "should be a number, not 'soon'"),
    ],
)
def test_a_value_of_another_form_is_told_in_words(tmp_path: Path, given: str, said: str) -> None:
    (tmp_path / "massgen.yaml").write_text(f"checks: [{{name: a, {given}}}]\n")
    with pytest.raises(InvalidConfig) as error:
        load(tmp_path, None, Beside({"HOME": str(tmp_path)}))
    assert said in str(error.value)
