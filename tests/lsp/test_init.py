"""``massgen/init`` and its command: questions where a form is not to be had."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from massgen_ls.lsp.files.livefiles import Deadlines
from massgen_ls.lsp.initiating import NOT_NOW, OTHER, WITHOUT_CHECKS, WRITE
from massgen_ls.testing.editor import ServerError
from massgen_ls.wiring import ConfiguredDesk, trust_gate
from tests.lsp.editor import EGLOT, PROFILES, VSCODE, Client, Object, talking
from tests.lsp.test_trust import pick


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a check, on a machine with Claude Code and a key of it."""
    root = tmp_path.resolve()
    for name in ("bin", "home", "project/.git", "project/tests"):
        (root / name).mkdir(parents=True)
    (root / "project/pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (root / "project/tests/test_a.py").write_text("")
    program = root / "bin/claude"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{root}/bin:{Path(sys.executable).parent}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", f"{root}/home")
    monkeypatch.setenv("MASSGEN_LS_STATE", f"{root}/state")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "x")
    for name in ("XDG_CONFIG_HOME", "MASSGEN_AGENTS"):
        monkeypatch.delenv(name, raising=False)
    return root / "project"


def talk(folder: Path, profile: Object = VSCODE, **options: Any):
    return talking(
        folder,
        profile,
        options=options,
        deadlines=Deadlines(question=0.5, trust=0.4),
        desk=ConfiguredDesk(None),
    )


async def command(client: Client, argument: Object | None = None) -> Any:
    return await client.command("massgen.init", argument or {})


def ids(told: Any) -> list[str]:
    return [agent["id"] for agent in told["agents"]]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())
async def test_the_user_agrees_to_what_is_proposed(folder: Path, profile: Object) -> None:
    async with talk(folder, profile) as client:
        offered = pick(client, WRITE)
        told = await command(client)
        assert offered == [[WRITE, WITHOUT_CHECKS, OTHER, NOT_NOW]]
        assert told["file"] == str(folder / "massgen.yaml")
        assert ids(told) == ["claude", "claude-2", "claude-3"]
        assert (told["checks"], told["trusted"], told["ready"]) == (["pytest"], True, True)
        asked = client.all("window/showMessageRequest")[0]["message"]
        assert "claude, claude-2, claude-3? Checks: pytest." in asked
        said = client.all("window/showMessage")[0]["message"]
        assert "massgen.yaml is written" in said
    assert "name: pytest" in (folder / "massgen.yaml").read_text()
    assert str(folder) in trust_gate().store.read().folders


@pytest.mark.parametrize(
    ("answers", "expected", "checks"),
    [
        ((WITHOUT_CHECKS,), ["claude", "claude-2", "claude-3"], []),
        ((OTHER, "Claude Code alone"), ["claude"], ["pytest"]),
        ((OTHER, "thorough"), [], ["pytest"]),
    ],
)
async def test_the_user_changes_it(folder: Path, answers, expected, checks) -> None:
    async with talk(folder) as client:
        pick(client, *answers)
        told = await command(client)
        assert (ids(told), told["checks"]) == (expected, checks)
    text = (folder / "massgen.yaml").read_text()
    assert ("mode: consensus" in text) == (answers[-1] == "thorough")


@pytest.mark.parametrize("answers", [(NOT_NOW,), (None,), (OTHER, NOT_NOW), (OTHER, None)])
async def test_nothing_is_written_without_a_word(folder: Path, answers) -> None:
    async with talk(folder) as client:
        pick(client, *answers)
        assert await command(client) == {"file": None}
    assert not (folder / "massgen.yaml").exists()


async def test_who_does_not_answer_is_not_waited_for(folder: Path) -> None:
    async with talk(folder) as client:
        assert await command(client) == {"file": None}
    assert not (folder / "massgen.yaml").exists()


async def test_an_editor_that_cannot_ask_says_how_else(folder: Path) -> None:
    async with talk(folder, EGLOT) as client:
        waiting = client.ask(
            "workspace/executeCommand", {"command": "massgen.init", "arguments": [{}]}
        )
        asked = await client.until(lambda m: m.get("method") == "window/showMessageRequest")
        client.send(id=asked["id"], error={"code": -32601, "message": "no such method"})
        with pytest.raises(ServerError, match="cannot ask, so nothing was written"):
            await client.reply(waiting)
    assert not (folder / "massgen.yaml").exists()


async def test_a_form_of_the_editor_s_own_is_asked_nothing(folder: Path) -> None:
    async with talk(folder) as client:
        found = await client.request("massgen/init", {"look": True, "folder": folder.as_uri()})
        assert found["file"] is None
        assert found["found"]["keys"] == ["ANTHROPIC_API_KEY"]
        assert ids(found["proposed"]) == ["claude", "claude-2", "claude-3"]
        assert "cheap" in {ready["name"] for ready in found["templates"]}
        assert not (folder / "massgen.yaml").exists()
        told = await client.request("massgen/init", {"agents": ["codex"], "checks": []})
        assert (ids(told), told["ready"]) == (["codex"], False)
        assert "codex not found" in told["health"][0]["text"]
        with pytest.raises(ServerError, match="is there already"):
            await client.request("massgen/init", {"template": "cheap"})
        told = await client.request("massgen/init", {"template": "cheap", "force": True})
        assert told["template"] == "cheap"
        told = await client.request("massgen/init", {"agents": ["claude"], "user": True})
        assert told["file"].endswith("home/.config/massgen/config.yaml")
        assert client.all("window/showMessageRequest") == []
        for wrong, why in (
            ({"agents": ["x"], "template": "cheap"}, "one of the two"),
            ({"agents": "claude"}, "a list of text"),
            ({"user": True, "checks": ["pytest"]}, "checks belong to a project"),
            ({"template": "chaep", "force": True}, "Did you mean 'cheap'"),
            ({"folder": "/nowhere/at/all"}, "There is no folder"),
        ):
            with pytest.raises(ServerError, match=why):
                await client.request("massgen/init", wrong)


async def test_an_editor_that_does_not_trust_the_folder_is_obeyed(folder: Path) -> None:
    async with talk(folder, trusted=False) as client:
        told = await client.request("massgen/init", {"agents": ["claude"]})
        assert told["trusted"] is False
    assert trust_gate().store.read().folders == {}


async def test_what_the_folder_brings_along_is_not_trusted_in_passing(folder: Path) -> None:
    (folder / ".mcp.json").write_text("{}")
    async with talk(folder) as client:
        pick(client, WRITE)
        told = await command(client)
        assert told["trusted"] is False
        assert "agents would also obey" in " ".join(told["notes"])
    assert trust_gate().store.read().folders == {}
