"""Two more agents that know nothing of us: the ACP adapters of Claude Code and of Codex."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from massgen_ls.adapters.agents.acp.driver import AcpDriver
from massgen_ls.adapters.host.sandbox import Sandbox
from massgen_ls.core.permissions import Permissions
from massgen_ls.core.task import AgentSpec, Json
from massgen_ls.ports import Halt
from massgen_ls.testing.models import (
    Answer,
    Edit,
    Episode,
    Native,
    Refuse,
    Shell,
    Silence,
    Text,
    Turn,
    serving,
)
from tests.agents.mcp_server import TOKEN, mcp_server
from tests.agents.stage import FILES, Stage, Told, agent, attempt, begun, brief, left_over
from tests.agents.test_gemini_trust import hostile
from tests.fakes.programs import program

pytestmark = pytest.mark.agents
APP = FILES["app.py"].replace("x + x", "2 * x")
DOUBLED = Edit("app.py", "    return x + x", "    return 2 * x")
WORK = Episode(
    Turn(Text("I work."), DOUBLED), Turn(Shell("mv notes.txt README.txt")), Turn(Text("Done."))
)
VOTE: dict[str, Json] = {
    "type": "object", "properties": {"vote": {"enum": ["a", "b"]}}, "required": ["vote"],
}  # fmt: skip
ADAPTERS = ["claude", "codex"]


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> str:
    program(f"{request.param}-agent-acp" if request.param == "claude" else "codex-acp")
    return request.param


def staged(top: Path, adapter: str, sandbox: Sandbox | None = None) -> Stage:
    """A stage with a key; the adapter of Claude Code is led to the program that we have."""
    if adapter == "codex":
        return Stage(top, {"OPENAI_API_KEY": "dummy"}, sandbox)
    environ = {"ANTHROPIC_API_KEY": "dummy", "CLAUDE_CODE_EXECUTABLE": program("claude")}
    return Stage(top, environ, sandbox)


def spec(adapter: str, url: str, **more: Json) -> AgentSpec:
    """Codex is led to another service by arguments alone."""
    if adapter == "claude":
        settings: dict[str, Json] = {"base_url": url, "env": ["CLAUDE_CODE_EXECUTABLE"]}
    else:
        provider = (
            f'{{name="scripted",base_url="{url}/v1",wire_api="responses",'
            'env_key="OPENAI_API_KEY",request_max_retries=0,stream_max_retries=0}'
        )
        settings = {
            "args": [
                "-c", 'model_provider="scripted"', "-c", f"model_providers.scripted={provider}",
                "-c", 'model="gpt-5.5"',
            ]
        }  # fmt: skip
    return agent("acp", agent=adapter, **(settings | more))


@pytest.mark.parametrize("confined", [False, True])
async def test_it_edits_and_runs(tmp_path: Path, adapter: str, confined: bool) -> None:
    sandbox = None
    if confined:
        sandbox = await asyncio.to_thread(Sandbox.probe, str(tmp_path), "/usr/bin:/bin")
        if not sandbox.works:
            pytest.skip("no sandbox here")
    stage = staged(tmp_path, adapter, sandbox)
    async with serving(WORK) as models:
        driver = AcpDriver(stage.processes, stage.around)
        told = await attempt(driver, spec(adapter, models.url), brief(), stage.place())
    assert told.how == ("done", None), told.ended
    assert stage.changed == {"app.py": APP, "notes.txt": None, "README.txt": FILES["notes.txt"]}
    assert told.spoke == ["I work.", "Done."]
    assert ("edit", "app.py") in told.acted
    assert told.ended.session
    assert left_over(stage) == []


@pytest.mark.parametrize(
    ("rule", "warned"),
    [(Permissions("auto"), False), (Permissions("auto", deny=("run:git push*",)), True)],
)
async def test_codex_works_freely_where_we_confine_it_and_says_what_rules_it_does_not_ask(
    tmp_path: Path, rule: Permissions, warned: bool
) -> None:
    program("codex-acp")
    sandbox = await asyncio.to_thread(Sandbox.probe, str(tmp_path), "/usr/bin:/bin")
    if not sandbox.works:
        pytest.skip("no sandbox here")
    stage = staged(tmp_path, "codex", sandbox)
    script = Episode(Turn(Shell("echo ran > out.txt")), Turn(Text("Done.")))
    async with serving(script) as models:
        driver = AcpDriver(stage.processes, stage.around)
        restricted = replace(spec("codex", models.url), permissions=rule)
        place = stage.place(approve=stage.approving(rule))
        told = await attempt(driver, restricted, brief(), place)
    assert told.how == ("done", None), told.ended
    assert stage.asked == []
    assert ("runs commands in a sandbox of its own without asking" in told.asides) == warned
    health = await driver.health(restricted)
    assert ("without asking" in health.hint) == warned
    if not warned:
        assert stage.changed == {"out.txt": "ran\n"}


async def test_a_judgement(tmp_path: Path, adapter: str) -> None:
    stage = staged(tmp_path, adapter)
    async with serving(Episode(Turn(Text('My vote: {"vote": "b"}')))) as models:
        driver = AcpDriver(stage.processes, stage.around)
        order = brief(schema=VOTE)
        told = await attempt(driver, spec(adapter, models.url), order, stage.place())
    assert told.ended.answer == {"vote": "b"}
    assert Answer({"vote": "b"}).value == told.ended.answer


@pytest.mark.parametrize("halted", [True, False])
async def test_it_is_stopped_while_the_model_is_awaited(
    tmp_path: Path, adapter: str, halted: bool
) -> None:
    stage = staged(tmp_path, adapter)
    async with serving(Episode(Turn(DOUBLED), Turn(Silence()))) as models:
        driver = AcpDriver(stage.processes, stage.around)
        order, place = brief(), stage.place()
        async with begun(driver, spec(adapter, models.url), order, place) as (news, task):
            await models.saw(lambda s: s.request is not None and s.request.turn == 1)
            if halted:
                stage.inbox.put(Halt())
            else:
                task.cancel()
    if halted:
        assert Told(news).ended.reason == "stopped on request"
    assert stage.changed == {"app.py": APP}
    assert left_over(stage) == []


async def test_a_conversation_is_taken_up(tmp_path: Path) -> None:
    program("claude-agent-acp")
    stage = staged(tmp_path, "claude")
    async with serving(Episode(Turn(Text("Blue, I see.")), Turn(Text("Blue.")))) as models:
        driver = AcpDriver(stage.processes, stage.around)
        settings = spec("claude", models.url)
        first = await attempt(driver, settings, brief("It is blue."), stage.place())
        order = brief("Which?", session=first.ended.session)
        told = await attempt(driver, settings, order, stage.place())
        assert "It is blue." in json.dumps(models.requests[-1].body)
    assert told.spoke == ["Blue."]


async def test_a_refused_key_is_told_as_such(tmp_path: Path, adapter: str) -> None:
    stage = staged(tmp_path, adapter)
    async with serving(Episode(Turn(Refuse(401)))) as models:
        driver = AcpDriver(stage.processes, stage.around)
        told = await attempt(driver, spec(adapter, models.url), brief(), stage.place())
    assert told.how == ("failed", "auth"), told.ended


async def test_claude_asks_and_a_project_that_is_not_trusted_runs_nothing(tmp_path: Path) -> None:
    program("claude-agent-acp")
    stage = staged(tmp_path, "claude")
    mark = tmp_path / "mark"
    hook = {"hooks": [{"type": "command", "command": f"touch {mark}"}]}
    settings = {
        "hooks": {"SessionStart": [hook], "PreToolUse": [{"matcher": "*", **hook}]},
        "permissions": {"allow": ["Bash(*)"]},
    }
    (stage.tree / ".claude").mkdir()
    (stage.tree / ".claude" / "settings.json").write_text(json.dumps(settings))
    (stage.tree / "CLAUDE.md").write_text("Speak like a poet.\n")
    async with serving(Episode(Turn(Shell("touch ran")), Turn(Text("Done.")))) as models:
        driver = AcpDriver(stage.processes, stage.around)
        place = stage.place(approve=stage.approving(Permissions(mode="deny")))
        told = await attempt(driver, spec("claude", models.url), brief(), place)
        assert json.dumps(models.requests[-1].body).count("Speak like a poet.") == 1
        assert told.how == ("done", None)
        assert [action.target for action in stage.asked] == ["touch ran"]
        assert not (stage.tree / "ran").exists()
        assert not mark.exists()
        # Else the above would show nothing:
        await attempt(driver, spec("claude", models.url), brief("x"), stage.place(trusted=True))
        assert mark.exists()


async def test_claude_uses_our_tools(tmp_path: Path) -> None:
    program("claude-agent-acp")
    stage = staged(tmp_path, "claude")
    episode = Episode(
        Turn(Native("mcp__massgen__submit", {"summary": "All."})), Turn(Text("Handed in."))
    )
    with mcp_server() as (server, access):
        async with serving(episode) as models:
            driver = AcpDriver(stage.processes, stage.around)
            place = stage.place(access=access, approve=None)
            told = await attempt(driver, spec("claude", models.url), brief(), place)
    assert [call["arguments"] for call in server.calls] == [{"summary": "All."}]
    assert told.acted == [("massgen submit", "")]
    assert TOKEN not in repr(told.news)


async def test_the_row_of_gemini_takes_nothing_from_a_project_either(tmp_path: Path) -> None:
    program("gemini")
    stage = Stage(tmp_path, {"GEMINI_API_KEY": "dummy"})
    mark = tmp_path / "mark"
    show = "echo A=$STOLEN_A B=$STOLEN_B K=$GOOGLE_API_KEY > env.txt"
    with mcp_server() as (server, access):
        async with serving(Episode(Turn(Shell(show)), Turn(Text("Done.")))) as models:
            hostile(stage.tree, mark, models.url)
            driver = AcpDriver(stage.processes, stage.around)
            settings = agent("acp", agent="gemini", base_url=models.url, model="gemini-2.5-pro")
            place = stage.place(access=access)
            told = await attempt(driver, settings, brief(), place)
            body = json.dumps(models.requests[-1].body)
    assert told.how == ("done", None), told.ended
    assert (stage.tree / "env.txt").read_text() == "A= B= K=\n"
    assert not mark.exists()
    assert server.methods == []
    assert "works without massgen's tools" in told.asides
    assert body.count("GEMINI-SAYS-HI") == 1
    assert left_over(stage) == []
