"""How Claude Code is started, and whether it could be."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from massgen_ls.adapters.agents.attempt.settings import CodingSettings
from massgen_ls.adapters.agents.claude.driver import ClaudeCodeDriver
from massgen_ls.adapters.agents.claude.launch import free, going_on, launch
from massgen_ls.core.permissions import Permissions
from massgen_ls.core.task import Json
from massgen_ls.ports import Access, Brief, Command, Fence, Health, Place
from tests.agents.stage import Stage, agent, brief

AUTO = Permissions()


def started(
    stage: Stage, place: Place | None = None, order: Brief | None = None, **settings: Json
) -> Command:
    spec = agent("claude_code", **settings)
    place = place or stage.place()
    return launch(spec, CodingSettings.of(spec, "claude"), order or brief(), place, stage.around)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(
        tmp_path,
        {
            "ANTHROPIC_API_KEY": "k",
            "ANTHROPIC_BASE_URL": "http://gateway",
            "AWS_PROFILE": "p",
            "SECRET": "s",
            "HTTPS_PROXY": "http://proxy",
        },
    )


@pytest.mark.parametrize(
    ("rule", "confined", "login", "expected"),
    [
        (AUTO, True, "own", True),
        (Permissions(mode="allow"), True, "own", True),
        (AUTO, False, "own", False),
        (Permissions(mode="allow"), False, "own", False),
        (Permissions(mode="ask"), True, "own", False),
        (Permissions(mode="deny"), True, "own", False),
        (Permissions(deny=("run:rm*",)), True, "own", False),
        (Permissions(allow=("run:ls",)), True, "own", False),
        (AUTO, True, "user", False),
    ],
)
def test_it_need_not_ask_where_all_would_be_allowed(
    stage: Stage, rule: Permissions, confined: bool, login: str, expected: bool
) -> None:
    spec = agent("claude_code", rule, login=login)
    place = stage.place(confined=confined)
    settings = CodingSettings.of(spec, "claude")
    assert free(spec, place, settings) == expected
    command = launch(spec, settings, brief(), place, stage.around)
    assert ("--dangerously-skip-permissions" in command.argv) == expected
    assert ("--permission-prompt-tool" in command.argv) != expected
    assert ("IS_SANDBOX" in command.env) == (expected and os.geteuid() == 0)


def test_its_environment_is_what_is_named_and_nothing_else(stage: Stage) -> None:
    env = started(stage).env
    assert env["ANTHROPIC_API_KEY"] == "k"
    assert env["ANTHROPIC_BASE_URL"] == "http://gateway"
    assert env["HTTPS_PROXY"] == "http://proxy"
    assert "SECRET" not in env
    assert "AWS_PROFILE" not in env
    assert env["CLAUDE_CONFIG_DIR"] == str(stage.home / "claude")
    env = started(stage, env=["AWS_PROFILE"], base_url="http://mine").env
    assert (env["AWS_PROFILE"], env["ANTHROPIC_BASE_URL"]) == ("p", "http://mine")


def test_the_user_s_own_login_takes_their_folder_and_no_key(stage: Stage) -> None:
    command = started(stage, stage.place(fence=Fence((str(stage.tree),))), login="user")
    own = str(stage.user / ".claude")
    assert command.env["CLAUDE_CONFIG_DIR"] == own
    assert "ANTHROPIC_API_KEY" not in command.env
    assert command.fence == Fence((str(stage.tree), own))
    assert after(command, "--setting-sources") == "user"


def after(command: Command, flag: str) -> str:
    return command.argv[command.argv.index(flag) + 1]


def going(stage: Stage, login: str, **more: Any) -> Brief:
    settings = CodingSettings.of(agent("claude_code", login=login), "claude")
    return going_on(brief(**more), settings, stage.place(), stage.around)


def test_what_is_left_of_an_earlier_run_is_copied_and_what_is_gone_is_done_without(
    stage: Stage,
) -> None:
    kept = stage.user / ".claude" / "projects" / "-w" / "s-1.jsonl"
    kept.parent.mkdir(parents=True)
    kept.touch()
    past = stage.home / "conversation-x"
    past.write_text("{}")
    for login, given in (("user", ""), ("own", str(past)), ("own", str(past))):
        order = going(stage, login, origin="s-1", past=given, onward="Go on.")
        command = started(stage, order=order, login=login)
        assert (after(command, "--resume"), "--fork-session" in command.argv) == ("s-1", True)
        assert order.prompt == "Go on."
    assert [p.read_text() for p in stage.home.glob("claude/projects/*/s-1.jsonl")] == ["{}"]
    again = started(stage, order=going(stage, "user", origin="s-1", session="s-2"), login="user")
    assert (after(again, "--resume"), "--fork-session" in again.argv) == ("s-2", False)
    for origin, login in (("s-2", "own"), ("s-3", "user"), ("../-w/s-1", "user"), ("", "user")):
        order = going(stage, login, origin=origin, onward="Go on.")
        assert "--resume" not in started(stage, order=order, login=login).argv
        assert order.prompt == brief().prompt


def test_a_project_s_settings_are_read_when_it_is_trusted(stage: Stage) -> None:
    assert after(started(stage), "--setting-sources") == ""
    trusted = started(stage, stage.place(trusted=True))
    assert after(trusted, "--setting-sources") == "project,local"


def test_what_is_long_or_secret_is_in_files(stage: Stage) -> None:
    bait = stage.user / "mine"
    bait.write_text("precious")
    (stage.home / "claude-mcp.json").symlink_to(bait)
    access = Access("http://127.0.0.1:1/mcp", "TOKEN")
    order = brief("PROMPT", system="SYSTEM")
    command = started(stage, stage.place(access=access), order)
    line = "\0".join(command.argv)
    assert [word for word in ("PROMPT", "SYSTEM", "TOKEN") if word in line] == []
    servers = Path(after(command, "--mcp-config"))
    assert json.loads(servers.read_text())["mcpServers"]["massgen"]["headers"] == {
        "Authorization": "Bearer TOKEN"
    }
    system = Path(after(command, "--append-system-prompt-file"))
    assert system.read_text() == "SYSTEM"
    for file in (servers, system, Path(after(command, "--settings"))):
        assert file.stat().st_mode & 0o777 == 0o600
    assert bait.read_text() == "precious"


def test_a_judgement_has_no_tools(stage: Stage) -> None:
    place = stage.place(access=Access("http://127.0.0.1:1/mcp", "TOKEN"))
    command = started(stage, place, brief(schema={"type": "object"}))
    assert after(command, "--tools") == ""
    assert "--mcp-config" not in command.argv


def test_settings_become_arguments(stage: Stage) -> None:
    order = brief(session="s1")
    command = started(stage, None, order, model="opus", max_turns=7, args=["--effort", "high"])
    assert after(command, "--model") == "opus"
    assert after(command, "--max-turns") == "7"
    assert after(command, "--resume") == "s1"
    assert command.argv[-2:] == ("--effort", "high")


# ── health ──────────────────────────────────────────────────────────────────────────────────


def install(stage: Stage, path: str, package: dict[str, Any] | None = None) -> Path:
    """An installed program; ``package`` is the package.json above its folder."""
    real = stage.top / "installed" / path
    real.parent.mkdir(parents=True)
    real.write_text("#!/bin/sh\n")
    real.chmod(0o755)
    if package is not None:
        (real.parent.parent / "package.json").write_text(json.dumps(package))
    link = stage.top / "bin" / "claude"
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(real)
    return link


async def health(stage: Stage, **settings: Json) -> Health:
    driver = ClaudeCodeDriver(stage.processes, stage.around)
    return await driver.health(agent("claude_code", **settings))


@pytest.mark.parametrize(
    ("path", "package", "version"),
    [
        ("bin/claude.exe", {"name": "@anthropic-ai/claude-code", "version": "2.1.329"}, "2.1.329"),
        ("versions/2.1.300", None, "2.1.300"),
        ("bin/claude", {"name": "other"}, ""),
        ("bin/claude", None, ""),
    ],
)
async def test_its_version_is_told_by_what_lies_beside_it(
    stage: Stage, path: str, package: dict[str, Any] | None, version: str
) -> None:
    link = install(stage, path, package)
    found = await health(stage, program=str(link))
    assert (found.ok, found.version) == (True, version)
    assert str(link) in found.found


async def test_without_a_key_it_is_not_well(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    link = install(stage, "bin/claude")
    found = await health(stage, program=str(link))
    assert not found.ok
    assert "ANTHROPIC_API_KEY" in found.hint
    assert "setup-token" in found.hint


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("CLAUDE_CODE_OAUTH_TOKEN", []),
        ("CLAUDE_CODE_USE_BEDROCK", ["CLAUDE_CODE_USE_BEDROCK"]),
        ("MY_GATEWAY_TOKEN", ["MY_GATEWAY_TOKEN"]),
    ],
)
async def test_any_way_in_will_do(tmp_path: Path, name: str, named: list[Json]) -> None:
    stage = Stage(tmp_path, {name: "1"})
    found = await health(stage, program=str(install(stage, "bin/claude")), env=named)
    assert (found.ok, found.hint) == (True, "")


async def test_the_user_s_own_login_is_looked_for_by_name(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    link = str(install(stage, "bin/claude"))
    assert "log in" in (await health(stage, program=link, login="user")).hint
    (stage.user / ".claude").mkdir()
    (stage.user / ".claude" / ".credentials.json").write_text("{}")
    assert (await health(stage, program=link, login="user")).hint == ""
