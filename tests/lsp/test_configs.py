"""Configuration files in the editor, seen from the editor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.lsp.editor import EGLOT, NEOVIM, VSCODE, Client, Object, talking

GOOD = """\
agents:
  - id: tidy
    backend: {type: command, argv: [sort]}
"""
WRONG = GOOD + "orchestrator:\n  timout: 5\n"
MASSGEN = """\
agents:
  - id: one
    backend:
      type: claude_code
      cwd: workspace1
ui:
  display_type: rich_terminal
orchestrator:
  snapshot_storage: x
"""
DYNAMIC = {"dynamicRegistration": True}
ASSISTED: Object = {
    **VSCODE,
    "textDocument": {
        **VSCODE["textDocument"],
        "completion": {**DYNAMIC, "completionItem": {"snippetSupport": True}},
        "hover": {**DYNAMIC, "contentFormat": ["markdown"]},
        "definition": DYNAMIC,
        "documentLink": DYNAMIC,
        "codeLens": DYNAMIC,
        "publishDiagnostics": {"tagSupport": {"valueSet": [1, 2]}},
    },
}
PLAIN: Object = {
    **NEOVIM,
    "textDocument": {**NEOVIM["textDocument"], "completion": {}, "hover": {}, "definition": {}},
}


@pytest.fixture(autouse=True)
def _nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


async def told(client: Client, uri: str, wanted: Callable[[Any], bool]) -> list[Any]:
    """The diagnostics of a file, as soon as they are as they should be."""
    found = await client.told(
        "textDocument/publishDiagnostics", lambda p: p["uri"] == uri and wanted(p)
    )
    return found["diagnostics"]


@pytest.mark.parametrize("capabilities", [ASSISTED, PLAIN, EGLOT])
async def test_what_is_wrong_is_told_as_one_types_and_taken_back(
    tmp_path: Path, capabilities: Object
) -> None:
    async with talking(tmp_path, capabilities) as client:
        uri = client.open("massgen.yaml", GOOD, language="yaml")
        assert await told(client, uri, lambda p: p["version"] == 1) == []
        client.change("massgen.yaml", 2, WRONG)
        (wrong,) = await told(client, uri, lambda p: p["version"] == 2)
        assert wrong["range"] == {
            "start": {"line": 4, "character": 2},
            "end": {"line": 4, "character": 8},
        }
        assert (wrong["code"], wrong["severity"]) == ("unknown-key", 1)
        assert wrong["message"] == "unknown key 'timout'; did you mean 'timeout'?"
        client.change("massgen.yaml", 3, "agents: [\n")
        (broken,) = await told(client, uri, lambda p: p["version"] == 3)
        assert broken["code"] == "syntax"
        client.change("massgen.yaml", 4, GOOD)
        assert await told(client, uri, lambda p: p["version"] == 4) == []


async def test_the_last_of_many_versions_is_told(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        uri = client.open("massgen.yaml", WRONG)
        for version in range(2, 40):
            client.change("massgen.yaml", version, WRONG if version % 2 == 0 else GOOD)
        assert await told(client, uri, lambda p: p["version"] == 39) == []
        versions = [p["version"] for p in client.all("textDocument/publishDiagnostics")]
        assert versions == sorted(versions)


async def test_what_is_closed_has_no_diagnostics(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        uri = client.open("massgen.yaml", WRONG)
        await told(client, uri, lambda p: len(p["diagnostics"]) == 1)
        client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        assert await told(client, uri, lambda p: "version" not in p) == []


async def test_a_file_of_massgens_under_any_name(tmp_path: Path) -> None:
    async with talking(tmp_path, ASSISTED) as client:
        client.answers["client/registerCapability"] = lambda _: None
        uri = client.open("my team.yaml", MASSGEN)
        found = await told(client, uri, lambda p: p["version"] == 1)
        ignored = [each for each in found if each["code"] == "massgen-ignored"]
        assert {each["range"]["start"]["line"] for each in ignored} >= {6}
        assert all((each["severity"], each["tags"]) == (2, [1]) for each in ignored)
        asked = await client.told("client/registerCapability")
        (selector,) = asked["registrations"][0]["registerOptions"]["documentSelector"]
        assert selector == {"scheme": "file", "pattern": "**/my team.yaml"}


async def test_other_files_cost_nothing(tmp_path: Path) -> None:
    async with talking(tmp_path, ASSISTED) as client:
        client.open("docker-compose.yaml", "services:\n  agents: {image: x}\n")
        client.open("haproxy.yaml", "agents:\n  - id: x\n    backend: {type: tcp}\n")
        client.open("pyproject.toml", "[project]\nname = 'x'\n")
        uri = client.open("massgen.yaml", GOOD)
        await told(client, uri, lambda p: p["version"] == 1)
        told_of = {
            p["uri"] for p in client.all("textDocument/publishDiagnostics") if p["diagnostics"]
        }
        assert told_of == set()
        other = client.uri("docker-compose.yaml")
        params = {"textDocument": {"uri": other}, "position": {"line": 0, "character": 0}}
        assert await client.request("textDocument/codeLens", params) == []


async def test_the_client_is_told_once_and_of_these_files_alone(tmp_path: Path) -> None:
    async with talking(tmp_path, ASSISTED) as client:
        client.answers["client/registerCapability"] = lambda _: None
        one = client.open("massgen.yaml", GOOD)
        two = client.open("sub/massgen.json", "{}")
        await told(client, one, lambda p: p["version"] == 1)
        await told(client, two, lambda p: p["version"] == 1)
        (asked,) = client.all("client/registerCapability")
        methods = {each["method"].partition("/")[2] for each in asked["registrations"]}
        assert methods == {"completion", "hover", "definition", "documentLink"}


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("massgen.json", '{\n "checks": [],\n "agnets": []\n}', 2),
        (".massgen/config.toml", "[orchestrator]\ntimout = 1\n", 1),
        ("pyproject.toml", "[project]\nname = 'x'\n[tool.massgen.orchestrator]\ntimout = 1\n", 3),
    ],
)
async def test_every_language(tmp_path: Path, name: str, text: str, line: int) -> None:
    async with talking(tmp_path, VSCODE) as client:
        uri = client.open(name, text)
        (found,) = await told(client, uri, lambda p: p["version"] == 1)
        assert (found["code"], found["range"]["start"]["line"]) == ("unknown-key", line)


async def test_the_agents_of_a_file_are_looked_at(tmp_path: Path) -> None:
    async with talking(tmp_path, ASSISTED) as client:
        client.answers["client/registerCapability"] = lambda _: None
        uri = client.open("massgen.yaml", GOOD)
        await told(client, uri, lambda p: p["version"] == 1)
        (lens,) = await client.request("textDocument/codeLens", {"textDocument": {"uri": uri}})
        assert lens["command"]["title"] == "massgen: check 1 agent now"
        assert lens["range"]["start"]["line"] == 0
        answer = await client.command(lens["command"]["command"], lens["command"]["arguments"][0])
        assert [(each["id"], each["ok"]) for each in answer["agents"]] == [("tidy", True)]
        assert "tidy: ready" in (await client.told("window/showMessage"))["message"]
        (hint,) = await told(client, uri, lambda p: len(p["diagnostics"]) == 1)
        assert (hint["code"], hint["severity"]) == ("agent-ready", 3)
        assert hint["range"]["start"] == {"line": 1, "character": 8}


async def test_a_run_uses_the_text_of_the_buffer(tmp_path: Path) -> None:
    (tmp_path / "massgen.yaml").write_text(
        "agents: [{id: old, backend: {type: command, argv: [x]}}]"
    )
    async with talking(tmp_path, VSCODE) as client:
        uri = client.open("massgen.yaml", GOOD)
        answer = await client.request("massgen/checkAgents", {"uri": uri})
        assert [each["id"] for each in answer["agents"]] == ["tidy"]


def place(client: Client, uri: str, line: int, character: int) -> Object:
    return {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}}


@pytest.mark.parametrize("capabilities", [ASSISTED, PLAIN])
async def test_keys_and_values_are_proposed_and_explained(
    tmp_path: Path, capabilities: Object
) -> None:
    async with talking(tmp_path, capabilities) as client:
        client.answers["client/registerCapability"] = lambda _: None
        uri = client.open("massgen.yaml", "# 😀\norchestrator:\n  mode: con\n  ")
        found = await client.request("textDocument/completion", place(client, uri, 2, 11))
        edits = {item["label"]: item["textEdit"] for item in found["items"]}
        assert edits["consensus"]["newText"] == "consensus"
        assert edits["consensus"]["range"]["start"] == {"line": 2, "character": 8}
        found = await client.request("textDocument/completion", place(client, uri, 3, 2))
        labels = {item["label"] for item in found["items"]}
        assert "timeout" in labels
        assert "mode" not in labels
        told = await client.request("textDocument/hover", place(client, uri, 2, 3))
        assert "How the winner is found." in told["contents"]["value"]


async def test_the_agents_of_the_desk_are_proposed(tmp_path: Path) -> None:
    text = "agents:\n- id: a\n  backend:\n    type: acp\n    agent: \n"
    async with talking(tmp_path, PLAIN) as client:
        uri = client.open("massgen.yaml", text)
        found = await client.request("textDocument/completion", place(client, uri, 4, 11))
        told = {item["label"]: item["documentation"]["value"] for item in found["items"]}
        assert told == {"goose": "Goose", "otter": "The Otter"}


async def test_other_files_are_not_answered(tmp_path: Path) -> None:
    async with talking(tmp_path, PLAIN) as client:
        uri = client.open("compose.yaml", "services:\n  ")
        for feature in ("completion", "hover", "definition", "documentLink"):
            assert await client.request(f"textDocument/{feature}", place(client, uri, 1, 2)) is None


async def test_an_include_leads_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(GOOD)
    async with talking(tmp_path, ASSISTED) as client:
        client.answers["client/registerCapability"] = lambda _: None
        uri = client.open("massgen.yaml", "include: base.yaml\n")
        await told(client, uri, lambda p: p["version"] == 1)
        (link,) = await client.request("textDocument/documentLink", place(client, uri, 0, 0))
        assert link["target"] == client.uri("base.yaml")
        found = await client.request("textDocument/definition", place(client, uri, 0, 12))
        assert found["uri"] == client.uri("base.yaml")


async def test_what_was_meant_is_a_quick_fix(tmp_path: Path) -> None:
    async with talking(tmp_path, VSCODE) as client:
        uri = client.open("massgen.yaml", WRONG)
        (wrong,) = await told(client, uri, lambda p: p["version"] == 1)
        params = {
            "textDocument": {"uri": uri},
            "range": wrong["range"],
            "context": {"diagnostics": [wrong], "only": ["quickfix"]},
        }
        first, second, *_ = await client.request("textDocument/codeAction", params)
        assert (first["title"], first["isPreferred"]) == ("massgen: Did you mean 'timeout'?", True)
        (edit,) = first["edit"]["changes"][uri]
        assert (edit["newText"], edit["range"]) == ("timeout", wrong["range"])
        assert second["title"] == "massgen: Remove 'timout'"
        assert first["diagnostics"][0]["code"] == "unknown-key"


async def test_the_pointer_is_told_who_has_the_last_word(tmp_path: Path) -> None:
    options = {"settings": {"orchestrator": {"quorum": 0.5}}}
    async with talking(tmp_path, PLAIN, options=options) as client:
        uri = client.open("massgen.yaml", GOOD + "orchestrator:\n  timeout: 5\n  quorum: 1\n")
        told = await client.request("textDocument/hover", place(client, uri, 4, 4))
        assert told["contents"]["value"].endswith("In effect: no other layer says it.")
        told = await client.request("textDocument/hover", place(client, uri, 5, 4))
        end = "Not in effect: the editor's settings says 0.5."
        assert told["contents"]["value"].endswith(end)


async def test_one_key_of_massgens_is_migrated_where_the_cursor_is(tmp_path: Path) -> None:
    text = MASSGEN + "timeout_settings: {orchestrator_timeout_seconds: 60}\n"
    async with talking(tmp_path, PLAIN) as client:
        uri = client.open("team.yaml", text)
        await told(client, uri, lambda p: p["version"] == 1)
        at = {"line": 9, "character": 25}
        params = {
            "textDocument": {"uri": uri},
            "range": {"start": at, "end": at},
            "context": {"diagnostics": []},
        }
        titles = [each["title"] for each in await client.request("textDocument/codeAction", params)]
        wanted = "Migrate MassGen's 'orchestrator_timeout_seconds' to 'orchestrator.timeout'"
        assert f"massgen: {wanted}" in titles
        assert "massgen: Convert this MassGen file to massgen-ls" in titles
        hover = await client.request("textDocument/hover", place(client, uri, 9, 25))
        assert "orchestrator.timeout" in hover["contents"]["value"]
        found = await client.request("textDocument/completion", place(client, uri, 7, 2))
        assert "context_paths" in {item["label"] for item in found["items"]}
