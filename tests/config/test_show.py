"""``massgen-ls config show``: what counts, and where it was said."""

from __future__ import annotations

from pathlib import Path

import pytest

from massgen_ls.cli import main

USERS = """
agents:
- id: one
  backend: {type: command, argv: [mine]}
- id: two
  backend: {type: command, argv: [other]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    (home / ".config/massgen").mkdir(parents=True)
    (home / ".config/massgen/config.yaml").write_text(USERS)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / "repo/.git").mkdir(parents=True)
    return tmp_path / "repo"


def shown(capsys: pytest.CaptureFixture[str], folder: Path, *more: str) -> str:
    assert main(["config", "show", "--repo", str(folder), *more]) == 0
    return capsys.readouterr().out


def test_what_stands_instead_of_something_of_the_user_s_is_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "agents:\n- two\n- id: one\n  backend: {type: codex}\n"
    (folder / "massgen.yaml").write_text(text)
    user = tmp_path / "home/.config/massgen/config.yaml"
    lines = [" ".join(x.split()) for x in shown(capsys, folder, "--origin").split("\n")]
    new = (
        f'agents[1].backend.type: "codex" # project: massgen.yaml:4:13, instead of user: {user}:3:3'
    )
    assert new in lines
    assert sum("instead of" in line for line in lines) == 1
    assert f'"instead_of": "{user}:3:3"' in shown(capsys, folder, "--json")


def test_an_option_is_the_highest_layer(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "massgen.yaml").write_text("orchestrator: {mode: best_of_n}\n")
    lines = shown(capsys, folder, "--origin", "--mode", "consensus").split("\n")
    (mode,) = [" ".join(line.split()) for line in lines if "orchestrator.mode" in line]
    assert mode == 'orchestrator.mode: "consensus" # arguments: --mode'


def test_what_a_project_writes_is_no_command_to_the_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = '"\\e]0;evil\\a \\x9b31m \\u202e ü"'
    (folder / "massgen.yaml").write_text(f"agents: [{{id: one, system_message: {message}}}]\n")
    for more in ((), ("--origin",), ("--json",)):
        out = shown(capsys, folder, *more)
        assert "evil" in out
        assert out.replace("\n", "").isprintable(), ascii(out)
