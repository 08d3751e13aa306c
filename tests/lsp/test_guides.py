"""The snippets of the guides for editors that cannot be run here, against what their sources take.

The names below were read in the sources: Helix 25.07.1, Sublime's LSP 4070-2.13.0,
kakoune-lsp 21.0.2, Zed of 2026.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from massgen_ls.lsp.capabilities import resolve
from tests.lsp.editor import VSCODE, talking

EDITORS = Path(__file__).parents[2] / "editors"
SERVE = ["massgen-ls", "serve", "--stdio"]

HELIX_SERVER = {"command", "args", "config", "timeout", "environment", "required-root-patterns"}
SUBLIME_REQUIRED = {"enabled", "command", "selector"}
SUBLIME_SERVER = SUBLIME_REQUIRED | {"initialization_options", "settings", "env", "schemes"}
KAKOUNE_SERVER = {
    "root", "root_globs", "command", "args", "single_instance", "settings", "settings_section",
    "workspace_did_change_configuration_subsection", "experimental", "symbol_kinds",
}  # fmt: skip
ZED_SERVER = {"binary", "initialization_options", "settings", "enable_lsp_tasks", "fetch"}
ZED_BINARY = {"path", "arguments", "env", "ignore_system_version"}
ZED_PYTHON = {"basedpyright", "ruff", "ty", "pyrefly", "pyright", "pylsp"}


def snippets(guide: str, language: str) -> list[str]:
    text = (EDITORS / guide / "README.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def check_options(options: Any) -> None:
    """The server understands them."""
    assert options == {"events": "none"}
    assert resolve({"initializationOptions": options}).events == "none"


def test_helix() -> None:
    (text,) = snippets("helix", "toml")
    found = tomllib.loads(text)
    (server,) = found["language-server"].values()
    (language,) = found["language"]
    assert set(server) <= HELIX_SERVER
    assert [server["command"], *server["args"]] == SERVE
    assert "massgen" in language["language-servers"]
    check_options(server["config"])


def test_sublime() -> None:
    server = json.loads(snippets("sublime", "json")[0])["massgen"]
    assert set(server) >= SUBLIME_REQUIRED
    assert set(server) <= SUBLIME_SERVER
    assert server["command"] == SERVE
    check_options(server["initialization_options"])


def test_kakoune() -> None:
    code = snippets("kakoune", "kak")[0]
    (table,) = re.findall(r"lsp_servers %\{\n(.*?)\n    \}", code, re.DOTALL)
    ((name, server),) = tomllib.loads(table).items()
    assert set(server) <= KAKOUNE_SERVER
    assert len({"root", "root_globs"} & set(server)) == 1
    assert [server.get("command", name), *server["args"]] == SERVE
    check_options(server["settings"][server["settings_section"]])


def test_zed() -> None:
    (text,) = snippets("zed", "json")
    found = json.loads(text)
    ((name, server),) = found["lsp"].items()
    assert set(server) <= ZED_SERVER
    assert set(server["binary"]) <= ZED_BINARY
    assert [Path(server["binary"]["path"]).name, *server["binary"]["arguments"]] == SERVE
    servers = found["languages"]["Python"]["language_servers"]
    assert name in servers, "it is off by default"
    assert set(servers) <= ZED_PYTHON
    check_options(server["initialization_options"])


@pytest.mark.parametrize("guide", ["sublime", "kakoune"])
async def test_the_commands_of_a_guide_do_what_it_says(tmp_path: Path, guide: str) -> None:
    if guide == "sublime":
        (binding,) = json.loads(snippets(guide, "json")[1])
        assert binding["args"]["session_name"] in json.loads(snippets(guide, "json")[0])
        wanted = [(binding["args"]["command_name"], binding["args"]["command_args"])]
    else:
        lines = re.findall(
            r"lsp-execute-command (\S+) '(.*)' massgen-ls\n", snippets(guide, "kak")[1]
        )
        wanted = [(name, json.loads(arguments)) for name, arguments in lines]
    async with talking(tmp_path, VSCODE) as client:
        run: Any = None
        for name, (argument,) in wanted:
            answer = await client.command(
                name, {**argument, **run} if "runId" in argument else argument
            )
            run = run or answer
        assert re.fullmatch(r"\S+", run["runId"])
        spec = client.engine.started[0][0]
        assert (spec.task.prompt, spec.apply) == ("Fix what the type checker says.", "ask")
        assert bool(client.engine.cancelled) is (guide == "kakoune")


def names_of_vs_code() -> tuple[set[str], set[str], set[str]]:
    """What its manifest has: commands, their titles, settings."""
    offers = json.loads((EDITORS / "vscode" / "package.json").read_text())["contributes"]
    commands = {
        each["command"]: f"{each['category']}: {each['title']}" for each in offers["commands"]
    }
    return set(commands), set(commands.values()), set(offers["configuration"]["properties"])


def test_vs_code_has_what_its_pages_name_and_does_what_it_offers() -> None:
    commands, titles, settings = names_of_vs_code()
    folder = EDITORS / "vscode"
    pages = [folder / "README.md", *(folder / "media" / "walkthrough").glob("*.md")]
    text = "\n".join(page.read_text() for page in pages)
    named = set(re.findall(r"`(massgen\.[\w.]+)`", text)) - {"massgen.yaml"}
    assert named
    assert named <= commands | settings
    titled = set(re.findall(r"\*\*(Massgen: .+?)\*\*", text))
    assert titled
    assert titled <= titles
    source = (folder / "src" / "extension.ts").read_text()
    table = source.split("const commands: Record<")[1].split("\n  };\n")[0]
    made = set(re.findall(r"^    (\w+)[:,]", table, re.MULTILINE))
    internal = {"mergeConflicts"}  # for who has an answer of `massgen/apply` in hand
    assert {f"massgen.{name}" for name in made - internal} == commands


def test_the_help_of_neovim_names_all_that_there_is_and_nothing_else() -> None:
    folder = EDITORS / "nvim"
    lua = {f.stem: f.read_text() for f in (folder / "lua" / "massgen").glob("*.lua")}
    table = lua["commands"].split("local SUBCOMMANDS = {\n")[1].split("\n}\n")[0]
    subcommands = {"run", *re.findall(r"^  (\w+) = \{", table, re.MULTILINE)}
    functions = set(re.findall(r"^function M\.(\w+)", lua["init"], re.MULTILINE))
    events = set(re.findall(r"tell\('(Massgen\w+)'", "".join(lua.values())))
    groups = set(re.findall(r"^  (Massgen\w+) = '", lua["panel"], re.MULTILINE))
    keys = re.findall(r"^  \{ '(\S+)', '", lua["panel"], re.MULTILINE)
    text = (folder / "doc" / "massgen.txt").read_text()
    assert set(re.findall(r"\*:Massgen-(\w+)\*", text)) == subcommands
    assert set(re.findall(r"\*massgen\.(\w+)\(\)\*", text)) == functions
    assert set(re.findall(r"\*(Massgen\w+)\*", text)) == events
    assert set(re.findall(r"^\t(Massgen\w+)\t", text, re.MULTILINE)) == groups
    panel = text.split("Its keys are shown")[1].split("=====")[0]
    assert [key for key in [*keys, "<Esc>", "g?"] if key not in panel.split()] == []
    readme = (folder / "README.md").read_text()
    assert set(re.findall(r"Massgen\w+", readme)) <= events
    named = re.findall(r"`:Massgen (\w+)`", readme)
    assert set(named) <= subcommands
