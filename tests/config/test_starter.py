"""What is proposed out of what was found, the text of the file, and the ready teams."""

from __future__ import annotations

from pathlib import Path

import pytest

from massgen_ls.config import Beside, load
from massgen_ls.config.files import checked
from massgen_ls.config.starter import (
    Around,
    Coder,
    Found,
    Way,
    choose,
    seat_ids,
    team,
)
from massgen_ls.config.starter_text import scalar, with_checks, written
from massgen_ls.config.templates import template, templates
from massgen_ls.config.yaml_text import read
from massgen_ls.core.errors import ConfigError
from massgen_ls.core.task import CheckSpec

NO_ENV: dict[str, str] = {}


def coder(name: str, way: Way = "key", **more: object) -> Coder:
    own = name in {"claude_code", "codex", "gemini_cli"}
    backend = {"type": name} if own else {"type": "acp", "agent": name}
    keys = ("SOME_KEY",) if way == "key" else ()
    return Coder(name, name.title(), backend, way, keys, **more)  # type: ignore[arg-type]


PYTEST = Found(
    CheckSpec("pytest", ("python", "-m", "pytest", "-q"), 600.0), "tests/ has tests", (".venv",)
)
RUFF = Found(CheckSpec("ruff", ("ruff", "check", "."), 120.0, "lines"), "ruff.toml is here")


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ([], ()),
        (["claude_code"], ("claude_code",) * 3),
        (["gemini_cli"], ("gemini_cli",) * 3),
        (["gemini_cli", "claude_code"], ("claude_code", "claude_code", "gemini_cli")),
        (["codex", "claude_code"], ("claude_code", "claude_code", "codex")),
        (["gemini_cli", "codex", "claude_code"], ("claude_code", "claude_code", "codex")),
        (["goose", "gemini_cli"], ("gemini_cli", "gemini_cli", "goose")),
        (["droid", "qwen", "goose"], ("goose", "goose", "droid")),
        (["codex", "goose", "gemini_cli"], ("codex", "codex", "gemini_cli")),
    ],
)
def test_the_best_agent_works_twice_before_a_weaker_one_once(there, expected) -> None:
    around = Around(tuple(coder(name) for name in there))
    assert tuple(c.name for c in team(around)) == expected


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        # Who cannot work yet is proposed only where nobody can.
        ([coder("claude_code", "none"), coder("goose")], ("goose",) * 3),
        ([coder("claude_code", "none")], ("claude_code",) * 3),
        ([coder("claude_code", installed=False), coder("qwen", "login")], ("qwen",) * 3),
        ([coder("claude_code", installed=False)], ()),
        # A key that other agents use too may not be enough.
        ([coder("goose", shared=True), coder("gemini_cli")], ("gemini_cli",) * 3),
        ([coder("goose", shared=True), coder("codex", "none")], ("goose",) * 3),
    ],
)
def test_who_can_work_comes_first(there, expected) -> None:
    assert tuple(c.name for c in team(Around(tuple(there)))) == expected


def test_ids_are_short_and_different() -> None:
    names = ["claude_code", "goose", "claude_code", "gemini_cli", "claude_code"]
    assert seat_ids(map(coder, names)) == ("claude", "goose", "claude-2", "gemini", "claude-3")


@pytest.mark.parametrize("user", [False, True])
@pytest.mark.parametrize("checks", [(), (PYTEST, RUFF)])
@pytest.mark.parametrize(
    "names", [(), ("claude_code",), ("claude_code",) * 5, ("codex", "goose", "gemini_cli")]
)
def test_what_is_written_is_a_configuration(tmp_path: Path, names, checks, user) -> None:
    around = Around((*map(coder, dict.fromkeys(names)), coder("qwen", "none", hint="no key")))
    file = tmp_path / "massgen.yaml"
    file.write_text(written([*map(coder, names)], checks, around, user=user))
    _, report = checked(file, NO_ENV)
    assert (report.kind, report.errors, report.ignored) == ("massgen-ls", (), ())
    loaded = load(tmp_path, beside=Beside(NO_ENV))
    wanted = seat_ids(map(coder, names)) or ("tidy", "bold", "prune")
    assert tuple(agent.id for agent in loaded.agents) == wanted
    assert loaded.checks == tuple(found.check for found in checks)
    assert loaded.rules.worktree.include == ((".venv",) if checks else ())
    said = [agent.system_message for agent in loaded.agents if names]
    assert len(set(said)) == min(len(names), 4) or len(set(names)) == len(names)
    assert max(map(len, file.read_text().split("\n"))) <= 100


def test_what_is_not_ready_is_said_where_it_stands() -> None:
    text = written(
        [coder("claude_code", "none"), coder("goose", installed=False, hint="Install it: x.")],
        (),
        Around((coder("qwen", "login"),)),
    )
    assert "with no key or login yet: log in with it once" in text
    assert "backend: {type: claude_code, login: user}" in text
    assert "Goose, not installed. Install it: x.\n" in text
    assert "# - {id: qwen, backend: {type: acp, agent: qwen, login: user}}" in text


@pytest.mark.parametrize(
    "text",
    [
        "pytest", "-q", ".", "./...", "--flag=1", "no", "null", "1", "1e3", "", "a b", "a,b", "{x}",
        "a: b", "# c", "*", "&a", "!x", "---", "---x", "%a", "@a", "`", "'", '"', "a\nb", "\x85",
        "é", "\U0001f600", "2020-01-01", "0x1", "~", "a]", "-", "=", "<<", "yes", ".inf", "./",
    ],
)  # fmt: skip
def test_a_text_comes_back_as_it_was(text: str) -> None:
    found = read(f"a: [{scalar(text)}]\nb: {scalar(text)}\n")
    assert (found.body, found.problems) == ({"a": [text], "b": text}, ())


def test_a_dollar_is_no_variable(tmp_path: Path) -> None:
    check = Found(CheckSpec("c", ("echo", "${HOME}", "$HOME", "$${HOME}")), "x")
    (tmp_path / "massgen.yaml").write_text(written((), (check,), Around()))
    loaded = load(tmp_path, beside=Beside({"HOME": "/wrong"}))
    assert loaded.checks[0].argv == check.check.argv


def test_names_of_files_cannot_write_into_the_configuration(tmp_path: Path) -> None:
    why = "a\nagents: [evil]\r\x85b\u2028orchestrator: {sandbox: off}\x1b[2J"
    text = written((), (Found(PYTEST.check, why),), Around())
    (tmp_path / "massgen.yaml").write_text(text)
    assert "evil" in text
    assert not {"\r", "\x85", "\u2028", "\x1b"} & set(text)
    loaded = load(tmp_path, beside=Beside(NO_ENV))
    assert [agent.id for agent in loaded.agents] == ["tidy", "bold", "prune"]
    assert loaded.rules.sandbox == "auto"


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"agents": ["claude_cod"]}, "no coding agent 'claude_cod'.*Did you mean 'claude_code'"),
        ({"agents": []}, "No agent is named"),
        ({"agents": ["offline", "codex"]}, "no coding agent 'offline'"),
        ({"ready": "chaep"}, "no template 'chaep'.*Did you mean 'cheap'"),
        ({"checks": ["mypy"]}, "No check 'mypy' was found.*Found: pytest, ruff"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused_with_what_there_is(wish, said: str) -> None:
    around = Around((coder("claude_code"), coder("codex")), checks=(PYTEST, RUFF))
    with pytest.raises(ConfigError, match=said):
        choose(around, **wish)


def test_a_wish_is_kept() -> None:
    around = Around((coder("claude_code"), coder("codex")), checks=(PYTEST, RUFF))
    chosen = choose(around, ["codex", "claude"], checks=["ruff"])
    assert chosen.plain() == {
        "template": None,
        "agents": [
            {"id": "codex", "name": "codex"},
            {"id": "claude", "name": "claude_code"},
        ],
        "checks": ["ruff"],
    }
    assert choose(around, ["offline"]).shown == "the offline team"
    assert choose(around, ready="cheap").shown == "the template cheap"


# ── ready teams ─────────────────────────────────────────────────────────────────────────────────


def test_the_ready_teams_are_those_of_the_folder() -> None:
    folder = Path(__file__).resolve().parents[2] / "configs"
    assert [*templates()] == sorted(file.stem for file in folder.iterdir())
    assert {"cheap", "thorough", "offline"} <= set(templates())
    assert template("cheap").about.startswith("Cheap: one small model")


@pytest.mark.parametrize("name", templates())
def test_a_ready_team_can_be_used_and_says_what_it_is(tmp_path: Path, name: str) -> None:
    found = template(name)
    assert 10 < len(found.about) < 200
    assert found.text.startswith("# ")
    (tmp_path / "massgen.yaml").write_text(with_checks(found.text, (PYTEST, RUFF)))
    _, report = checked(tmp_path / "massgen.yaml", NO_ENV)
    assert (report.kind, report.errors, report.ignored) == ("massgen-ls", (), ())
    loaded = load(tmp_path, beside=Beside(NO_ENV))
    assert [check.name for check in loaded.checks] == ["pytest", "ruff"]
    assert loaded.agents
    assert found.text.rstrip("\n") in (tmp_path / "massgen.yaml").read_text()
