"""ACP agents that cannot start, what is told of them beforehand, and where they are confined."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from massgen_ls.adapters.host.sandbox import Sandbox
from massgen_ls.core.task import Json
from tests.agents.stage import agent, attempt, brief, left_over
from tests.agents.test_acp import Theatre


@pytest.fixture
def theatre(tmp_path: Path) -> Theatre:
    return Theatre(tmp_path)


async def test_a_program_that_is_not_there_is_told_with_what_to_do(theatre: Theatre) -> None:
    told = await attempt(
        theatre.driver, agent("acp", agent="goose"), brief(), theatre.stage.place()
    )
    assert told.how == ("missing", "missing")
    assert "'goose' was not found. Install it: " in told.ended.reason


async def test_an_unknown_agent_is_told_with_the_nearest_name(theatre: Theatre) -> None:
    told = await attempt(theatre.driver, agent("acp", agent="gose"), brief(), theatre.stage.place())
    assert told.how == ("failed", "config")
    assert "Did you mean 'goose'?" in told.ended.reason


@pytest.mark.parametrize("program", ["/bin/false", "/bin/cat", "/bin/echo"])
async def test_a_program_that_speaks_no_acp_is_told(theatre: Theatre, program: str) -> None:
    settings: dict[str, Json] = {"timeout": 4}
    spec = agent("acp", argv=[program], **settings)
    told = await attempt(theatre.driver, spec, brief(), theatre.stage.place())
    assert told.ended.outcome in {"failed", "timed_out"}
    assert told.ended.failure in {"crashed", "timeout", "protocol"}
    assert left_over(theatre.stage) == []


async def test_health_says_what_is_there_and_what_is_missing(theatre: Theatre) -> None:
    there = await theatre.driver.health(theatre.spec())
    assert (there.ok, there.found) == (True, sys.executable)
    gone = await theatre.driver.health(agent("acp", agent="kimi"))
    assert (gone.ok, gone.hint) == (False, "Install it: uv tool install kimi-cli.")
    unknown = await theatre.driver.health(agent("acp", agent="clin"))
    assert "'cline'" in unknown.hint
    nothing = await theatre.driver.health(agent("acp"))
    assert not nothing.ok


async def test_in_the_sandbox_it_writes_its_worktree_and_nothing_else(tmp_path: Path) -> None:
    sandbox = await asyncio.to_thread(Sandbox.probe, str(tmp_path), "/usr/bin:/bin")
    if not sandbox.works:
        pytest.skip("no sandbox here")
    theatre = Theatre(tmp_path, sandbox)
    told = await theatre.play(
        "edit in.txt x\nbackground 100\nrun touch ../out.txt && echo escaped\nsay end"
    )
    assert told.how == ("done", None)
    assert theatre.stage.changed == {"in.txt": "x\n"}
    assert not (tmp_path / "out.txt").exists()


async def test_a_login_of_the_users_is_used_when_they_say_so(theatre: Theatre) -> None:
    told = await theatre.play("run echo $HOME\nsay end", settings={"login": "user"})
    assert told.how == ("done", None)
    returned = [item.text for item in told.news if hasattr(item, "ok")]
    assert returned == [f"{theatre.stage.user}\n"]


@pytest.mark.parametrize(("name", "led"), [("codex", False), ("goose", False), ("kimi", True)])
async def test_an_agent_that_cannot_be_led_elsewhere_does_not_start_and_doctor_says_so(
    theatre: Theatre, name: str, led: bool
) -> None:
    settings: dict[str, Json] = {"program": sys.executable, "base_url": "http://127.0.0.1:9/"}
    spec = agent("acp", agent=name, **settings)
    health = await theatre.driver.health(spec)
    assert health.ok == led
    if not led:
        assert "`base_url` cannot be kept" in health.hint
        told = await attempt(theatre.driver, spec, brief(), theatre.stage.place())
        assert told.how == ("failed", "config")
        assert "it would go to its usual one. Correct the agent 'a'." in told.ended.reason
