"""MassGen's files on the command line, and loaded as if they were ours."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from massgen_ls.cli import main
from massgen_ls.config import Beside, load
from massgen_ls.config.massgen.kind import kind_of
from massgen_ls.config.massgen.loading import OURS
from massgen_ls.config.problems import InvalidConfig
from massgen_ls.core.permissions import Permissions
from massgen_ls.core.task import AgentId, AgentSpec, Scope
from massgen_ls.lsp.desk import EditorView
from massgen_ls.wiring import ConfiguredDesk, make_spec

CONFIGS = Path(__file__).parent / "massgen" / "configs"
REPORTS = Path(__file__).parent / "reports"
NOBODY = Beside(environ={"HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent"})

TEAM = """
agents:
  - {id: one, backend: {type: claude_code, model: opus, cwd: w, permission_mode: acceptEdits}}
  - {id: two, backend: {type: codex, cwd: w}}
orchestrator: {snapshot_storage: s, agent_temporary_workspace: t}
timeout_settings: {orchestrator_timeout_seconds: 700}
ui: {display_type: simple}
"""
REFUSED = """
agents:
  - {id: one, backend: {type: codex, cwd: /srv/elsewhere}}
ui: {}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without a configuration, of a user without one."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / ".config"))
    (tmp_path / "work" / ".git").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def check(path: Path | str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = main(["config", "check", str(path), "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", [".massgen/config.yaml", "massgen.yaml", ".massgen/config.json"])
def test_a_file_of_massgen_that_is_found_is_used(name: str, folder: Path) -> None:
    import yaml

    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(yaml.safe_load(TEAM)) if name.endswith("json") else TEAM)
    loaded = load(folder, None, NOBODY)
    settings = {"model": "opus", "env": [], "args": [], "login": "own"}
    assert loaded.agents[0] == AgentSpec(
        AgentId("one"), "claude_code", settings, "", Permissions("auto")
    )
    assert loaded.agents[1].type == "codex"
    assert loaded.rules.run_timeout == 700
    told = [warning.shown() for warning in loaded.warnings]
    assert len(told) == len(set(told))
    assert any("worktrees" in line and f"{file}:" in line for line in told)
    origin = loaded.merged.origin(("orchestrator", "timeout"))
    assert (origin.source, origin.line > 0) == (str(file), True)


def test_what_is_refused_stops_with_its_place(folder: Path) -> None:
    (folder / "massgen.yaml").write_text(REFUSED)
    with pytest.raises(InvalidConfig) as caught:
        load(folder, None, NOBODY)
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == ("agents[0].backend.cwd", 3)


def test_a_run_with_what_is_refused_starts_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "team.yaml").write_text(REFUSED)
    assert main(["run", "do it", "--config", "team.yaml"]) == 2
    told = capsys.readouterr().err
    assert "team.yaml:3:" in told
    assert "Open that folder" in told


def test_what_is_ignored_is_told_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "team.yaml").write_text(TEAM)
    heard: list[str] = []
    make_spec(folder, prompt="x", scope=Scope(), config="team.yaml", say=heard.append)
    assert [line for line in heard if "worktrees" in line]
    desk = ConfiguredDesk("team.yaml")
    for _ in range(3):
        desk.make_spec(str(folder), "x", Scope(), None, None, None, "none", EditorView())
    assert len(capsys.readouterr().err.splitlines()) == len(heard)


@pytest.mark.parametrize("key", sorted(OURS))
def test_the_short_way_agrees_with_the_rule(key: str) -> None:
    assert kind_of({key: [], "ui": {}, "models": []}) == "massgen-ls"


# ── config check ────────────────────────────────────────────────────────────────────────────────


def test_check_says_whose_it_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.yaml").write_text(TEAM)
    code, told = check("a.yaml", capsys)
    assert (code, told["ok"], told["kind"]) == (0, True, "massgen")
    (folder / "b.yaml").write_text(REFUSED)
    code, told = check("b.yaml", capsys)
    assert (code, told["ok"], told["kind"]) == (2, False, "massgen")
    assert [entry["path"] for entry in told["refused"]] == ["agents[0].backend.cwd"]


@pytest.mark.parametrize(
    ("name", "text", "code", "word"),
    [
        ("a.yaml", "checks: []", 0, ""),
        ("a.yaml", "cheks: []", 2, "did you mean 'checks'?"),
        ("a.yaml", "a: [", 2, "not YAML"),
        ("a.yaml", "", 0, ""),
        ("a.yaml", "- 1", 2, "a mapping"),
        ("a.yaml", "just text", 2, "a mapping"),
        ("a.json", '{"ui": {}, "agents": [}', 2, "not JSON"),
        ("a.toml", "[orchestrator]\ntimeout = 5", 0, ""),
        ("pyproject.toml", "[tool.massgen.orchestrator]\ntimeout = -5", 2, "greater than 0"),
        ("a.yaml", "agents: [{id: a, backend: {type: openai, model: m}}]", 0, ""),
        ("a.yaml", "a: &a [1]\nb: *a\nc: *b", 2, "alias"),
        ("a.yaml", "? [1]\n: 2", 2, "a word"),
    ],
)
def test_check_of_odd_files(
    name: str, text: str, code: int, word: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / name).write_text(text)
    found, told = check(name, capsys)
    assert (found, told["ok"]) == (code, code == 0)
    assert word in " ".join(f"{e['message']} {e['suggestion']}" for e in told["errors"])
    assert all(entry["line"] >= 1 and entry["column"] >= 1 for entry in told["errors"])
    assert main(["config", "check", name]) == code
    assert name in capsys.readouterr().out


def test_check_of_what_is_no_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "binary.yaml").write_bytes(b"\x00\xff\xfe")
    (folder / "large.yaml").write_text("a" * (5 << 20))
    (folder / "zero.yaml").write_bytes(b"\x00")
    os.mkfifo(folder / "pipe.yaml")
    (folder / "loop.yaml").symlink_to("loop.yaml")
    said = {
        "binary.yaml": "not UTF-8",
        "large.yaml": "too big",
        "zero.yaml": "not YAML",
        "pipe.yaml": "no ordinary file",
        "loop.yaml": "",
        "missing.yaml": "no such file",
        ".": "a folder",
        "a\0b": "",
        "x" * 5000: "",
    }
    for name, word in said.items():
        code, told = check(name, capsys)
        assert (code, told["ok"]) == (2, False), name
        assert word in told["errors"][0]["message"]


def test_a_secret_in_a_text_is_an_error_and_not_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = "sk-ant-api03-" + "a1B2" * 12
    (folder / "a.yaml").write_text(
        f"agents: [{{id: a, system_message: 'use {key}', backend: {{type: codex, cwd: w}}}}]"
    )
    code, told = check("a.yaml", capsys)
    assert code == 2
    assert [e["path"] for e in told["errors"]] == ["agents[0].system_message"]
    assert "agents[0].system_message" not in [e["path"] for e in told["mapped"]]
    assert key not in json.dumps(told)


@pytest.mark.parametrize(
    "name",
    [
        "basic/multi/geminicode_gpt5nano_claude.yaml",
        "tools/filesystem/gpt5mini_cc_fs_context_path.yaml",
        "debug/restart_test_controlled.yaml",
        "providers/azure/azure_openai_single.yaml",
        "../v1/examples/single_agent.yaml",
    ],
)
def test_reports_as_people_read_them(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The kept reports are read by people: after a change, look at what is new in them."""
    main(["config", "check", str(CONFIGS / name)])
    told = capsys.readouterr().out.replace(str(CONFIGS / name), "FILE")
    kept = REPORTS / (Path(name).stem + ".txt")
    if os.environ.get("MASSGEN_LS_KEEP_REPORTS"):
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(told)
    assert told == kept.read_text()


# ── config import ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name", [path.relative_to(CONFIGS).as_posix() for path in sorted(CONFIGS.rglob("*.yaml"))]
)
def test_what_is_imported_is_ours_and_can_be_used(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "import", str(CONFIGS / name)]) == 0
    assert "massgen.yaml is written" in capsys.readouterr().out
    code, told = check("massgen.yaml", capsys)
    assert (code, told["kind"], told["errors"], told["refused"]) == (0, "massgen-ls", [], [])
    imported, direct = load(folder, None, NOBODY), load(folder, str(CONFIGS / name), NOBODY)
    assert imported.agents == direct.agents
    assert imported.rules == direct.rules


def test_import_never_replaces_a_file_unasked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "theirs.yaml").write_text(TEAM)
    (folder / "massgen.yaml").write_text("mine")
    assert main(["config", "import", "theirs.yaml"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (folder / "massgen.yaml").read_text() == "mine"
    assert main(["config", "import", "theirs.yaml", "--output", "other.yaml"]) == 0
    assert (folder / "other.yaml").is_file()
    assert main(["config", "import", "theirs.yaml", "--force"]) == 0
    assert "codex" in (folder / "massgen.yaml").read_text()
    assert sorted(path.name for path in folder.iterdir()) == [
        ".git",
        "massgen.yaml",
        "other.yaml",
        "theirs.yaml",
    ]


def test_import_of_what_cannot_be_imported_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "ours.yaml").write_text("checks: []")
    (folder / "wrong.yaml").write_text("ui: {}\nagents: [{id: a}]")
    for name in ("ours.yaml", "wrong.yaml", "missing.yaml"):
        assert main(["config", "import", name]) == 2
    assert "already" in capsys.readouterr().err
    assert not (folder / "massgen.yaml").exists()
    (folder / "theirs.yaml").write_text(TEAM)
    assert main(["config", "import", "theirs.yaml", "--output", "no/such/folder.yaml"]) == 2


def test_import_marks_what_needs_a_hand(folder: Path) -> None:
    (folder / "theirs.yaml").write_text(REFUSED)
    assert main(["config", "import", "theirs.yaml"]) == 0
    text = (folder / "massgen.yaml").read_text()
    assert "\n  # NEEDS YOUR HAND: backend.cwd (line 3): " in text
    assert "/srv/elsewhere" not in text
