"""The real Gemini CLI with scripted models: work, questions, messages, sessions, our tools."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from massgen_ls.adapters.agents.acp.pool import AcpPool
from massgen_ls.adapters.agents.gemini.driver import GeminiDriver
from massgen_ls.adapters.host.sandbox import Sandbox
from massgen_ls.core.permissions import Permissions
from massgen_ls.core.task import AgentSpec, Json
from massgen_ls.ports import Driver, Halt, Note
from massgen_ls.testing.models import (
    Answer,
    Edit,
    Episode,
    Gate,
    ModelServer,
    Native,
    Read,
    Script,
    Shell,
    Silence,
    Text,
    Turn,
    Usage,
    Wait,
    Write,
    serving,
)
from tests.agents.mcp_server import TOKEN, mcp_server
from tests.agents.stage import (
    FILES,
    Stage,
    Told,
    agent,
    attempt,
    begun,
    brief,
    left_over,
    there,
)

pytestmark = pytest.mark.agents
MODEL = "gemini-2.5-pro"
KEY = "AIza-dummy"
DOUBLED = Edit("app.py", "    return x + x", "    return 2 * x")
APP = FILES["app.py"].replace("x + x", "2 * x")
VOTE: dict[str, Json] = {
    "type": "object",
    "properties": {"vote": {"type": "string", "enum": ["a", "b"]}},
    "required": ["vote"],
}


class Studio:
    """A stage, the real program, and its model."""

    def __init__(self, stage: Stage, models: ModelServer, pool: AcpPool | None = None) -> None:
        self.stage = stage
        self.models = models
        self.driver = GeminiDriver(stage.processes, stage.around, pool)

    def spec(self, **settings: Json) -> AgentSpec:
        return agent("gemini_cli", **{"base_url": self.models.url, "model": MODEL, **settings})

    async def play(self, prompt: str = "Please do it.", **more: Any) -> Told:
        settings, order = more.pop("settings", {}), more.pop("order", {})
        place = self.stage.place(**more)
        told = await attempt(self.driver, self.spec(**settings), brief(prompt, **order), place)
        assert left_over(self.stage) == []
        assert KEY not in repr(told.news)
        return told

    @property
    def body(self) -> str:
        """The last request to the model."""
        return json.dumps(self.models.requests[-1].body)


@asynccontextmanager
async def studio(
    top: Path, script: Script, sandbox: Sandbox | None = None
) -> AsyncGenerator[Studio]:
    async with serving(script) as models:
        yield Studio(Stage(top, {"GEMINI_API_KEY": KEY}, sandbox), models)


@pytest.fixture(params=["acp", "stream-json"])
def protocol(request: pytest.FixtureRequest, gemini: str) -> dict[str, Json]:
    return {"protocol": request.param}


def test_it_is_a_driver(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    port: Driver = GeminiDriver(stage.processes, stage.around)
    assert (port.briefed, port.heavy) == (True, True)


# ── work ────────────────────────────────────────────────────────────────────────────────────────


async def test_it_edits_makes_moves_and_runs(tmp_path: Path, protocol: dict[str, Json]) -> None:
    episode = Episode(
        Turn(Text("I work."), DOUBLED, Write("sub/new.py", "NEW = 1\n")),
        Turn(Shell("mv notes.txt README.txt")),
        Turn(Read("app.py")),
        Turn(Text("All is "), Text("done.")),
    )
    async with studio(tmp_path, episode) as play:
        told = await play.play(settings=protocol)
    assert told.how == ("done", None)
    assert told.ended.summary == "All is done."
    assert told.spoke == ["I work.", "All is done."]
    assert told.acted == [
        ("edit", "app.py"),
        ("write", "sub/new.py"),
        ("run", "mv notes.txt README.txt"),
        ("read", "app.py"),
    ]
    assert told.returned == [True] * 4
    assert play.stage.changed == {
        "app.py": APP,
        "sub/new.py": "NEW = 1\n",
        "notes.txt": None,
        "README.txt": FILES["notes.txt"],
    }
    assert told.usage.input == 4800
    assert told.usage.output == 160
    assert told.ended.session


async def test_in_the_sandbox_it_does_the_same_and_no_daemon_stays(
    tmp_path: Path, gemini: str
) -> None:
    sandbox = await asyncio.to_thread(Sandbox.probe, str(tmp_path), "/usr/bin:/bin")
    if not sandbox.works:
        pytest.skip("no sandbox here")
    script = "setsid sh -c 'sleep 100' >/dev/null 2>&1 & touch ../out.txt; echo x > in.txt"
    episode = Episode(Turn(DOUBLED, Shell(script)), Turn(Text("Done.")))
    async with studio(tmp_path, episode, sandbox) as play:
        told = await play.play(approve=play.stage.approving(Permissions(mode="auto")))
    assert told.how == ("done", None)
    assert play.stage.changed == {"app.py": APP, "in.txt": "x\n"}
    assert not (tmp_path / "out.txt").exists()


async def test_a_daemon_that_its_shell_leaves_behind_is_ended(
    tmp_path: Path, protocol: dict[str, Json]
) -> None:
    script = "setsid sh -c 'sleep 100' >/dev/null 2>&1 & echo x > in.txt"
    async with studio(tmp_path, Episode(Turn(Shell(script)), Turn(Text("Done.")))) as play:
        told = await play.play(settings=protocol)
    assert told.how == ("done", None)
    assert play.stage.changed == {"in.txt": "x\n"}


async def test_a_slash_in_front_is_no_command(tmp_path: Path, gemini: str) -> None:
    async with studio(tmp_path, Episode(Turn(Text("Done.")))) as play:
        told = await play.play("/about this program")
        assert "/about this program" in play.body
    assert told.spoke == ["Done."]


# ── permissions and judgements ──────────────────────────────────────────────────────────────────


async def test_what_it_asks_for_is_decided_by_the_rule(tmp_path: Path, gemini: str) -> None:
    episode = Episode(
        Turn(DOUBLED),
        Turn(Shell("echo x > made.txt")),
        Turn(Shell("echo y > other.txt")),
        Turn(Text("Done.")),
    )
    async with studio(tmp_path, episode) as play:
        rule = Permissions(mode="deny", allow=("edit:*", "run:echo y*"), deny=("run:*made*",))
        told = await play.play(approve=play.stage.approving(rule))
    assert told.how == ("done", None)
    assert [(a.kind, a.target) for a in play.stage.asked] == [
        ("edit", "app.py"),
        ("run", "echo x > made.txt"),
        ("run", "echo y > other.txt"),
    ]
    # An allowed command is one command: this one writes into a file.
    assert play.stage.changed == {"app.py": APP}


async def test_without_anybody_to_decide_it_changes_nothing(
    tmp_path: Path, protocol: dict[str, Json]
) -> None:
    episode = Episode(Turn(DOUBLED, Shell("touch x")), Turn(Text("I may not.")))
    async with studio(tmp_path, episode) as play:
        told = await play.play(settings=protocol, approve=None)
    assert told.how == ("done", None)
    assert play.stage.changed == {}


async def test_a_judgement_changes_nothing(tmp_path: Path, protocol: dict[str, Json]) -> None:
    episode = Episode(
        Turn(DOUBLED), Turn(Text("Hm.")), Turn(Answer({"vote": "c"})), Turn(Answer({"vote": "a"}))
    )
    async with studio(tmp_path, episode) as play:
        told = await play.play(settings=protocol, order={"schema": VOTE})
    assert told.ended.answer == {"vote": "a"}
    assert told.how == ("done", None)
    assert play.stage.changed == {}


async def test_a_model_that_never_answers_by_the_schema_fails(
    tmp_path: Path, protocol: dict[str, Json]
) -> None:
    async with studio(tmp_path, Episode(Turn(Text("Perhaps.")))) as play:
        told = await play.play(settings=protocol, order={"schema": VOTE})
        assert len(play.models.turns()) == 3
    assert told.how == ("failed", "protocol")
    assert told.ended.answer is None


# ── messages, cancelling, sessions ──────────────────────────────────────────────────────────────


async def test_a_note_is_worked_off_before_the_end(
    tmp_path: Path, protocol: dict[str, Json]
) -> None:
    gate = Gate()
    episode = Episode(Turn(Text("One."), Wait(gate)), Turn(DOUBLED), Turn(Text("Two.")))
    async with studio(tmp_path, episode) as play:
        spec, place = play.spec(**protocol), play.stage.place()
        async with begun(play.driver, spec, brief(), place) as (news, _):
            await gate.reached()
            play.stage.inbox.put(Note("Double it, please."))
            gate.open()
        told = Told(news)
        requests = [seen for seen in play.models.requests if not seen.side]
        assert "Double it, please." in json.dumps(requests[1].body)
    assert told.how == ("done", None)
    assert told.spoke == ["One.", "Two."]
    assert play.stage.changed == {"app.py": APP}


@pytest.mark.parametrize("halted", [True, False])
@pytest.mark.parametrize("busy", ["model", "shell"])
async def test_it_is_stopped_wherever_it_is(
    tmp_path: Path, protocol: dict[str, Json], busy: str, halted: bool
) -> None:
    waits = Silence() if busy == "model" else Shell("touch here; sleep 100")
    episode = Episode(Turn(DOUBLED), Turn(waits), Turn(Text("never")))
    async with studio(tmp_path, episode) as play:
        spec, place = play.spec(**protocol), play.stage.place()
        async with begun(play.driver, spec, brief(), place) as (news, task):
            if busy == "shell":
                await there(play.stage.tree / "here")
            else:
                await play.models.saw(lambda s: s.request is not None and s.request.turn == 1)
            if halted:
                play.stage.inbox.put(Halt())
            else:
                task.cancel()
        assert left_over(play.stage) == []
    assert play.stage.changed["app.py"] == APP
    if halted:
        assert Told(news).ended.outcome == "done"
        assert Told(news).ended.reason == "stopped on request"


async def test_a_conversation_is_taken_up(tmp_path: Path, protocol: dict[str, Json]) -> None:
    episode = Episode(Turn(Text("I remember blue.")), Turn(Text("It was blue.")))
    async with studio(tmp_path, episode) as play:
        first = await play.play("My colour is blue.", settings=protocol)
        told = await play.play(
            "Which was it?", settings=protocol, order={"session": first.ended.session}
        )
        assert "My colour is blue." in play.body
        assert "I remember blue." in play.body
    assert told.spoke == ["It was blue."]


async def test_turns_are_limited(tmp_path: Path, protocol: dict[str, Json]) -> None:
    async with studio(tmp_path, Episode(Turn(Shell("true")))) as play:
        told = await play.play(settings={**protocol, "max_turns": 3})
        assert len(play.models.turns()) == 3
    assert told.how == ("failed", "turns")


# ── our tools ───────────────────────────────────────────────────────────────────────────────────


async def test_our_tools_are_used_where_the_worktree_is_trusted(
    tmp_path: Path, gemini: str
) -> None:
    episode = Episode(
        Turn(Native("mcp_massgen_submit", {"summary": "It is done."})), Turn(Text("Handed in."))
    )
    with mcp_server() as (server, access):
        async with studio(tmp_path, episode) as play:
            told = await play.play(access=access, trusted=True, approve=None)
    (call,) = server.calls
    assert (call["name"], call["arguments"]) == ("submit", {"summary": "It is done."})
    assert server.refused == 0
    assert told.acted == [("massgen submit", "")]
    assert told.returned == [True]
    assert TOKEN not in repr(told.news)
    written = "".join(
        path.read_text(errors="replace")
        for path in play.stage.home.rglob("*")
        if path.is_file() and path.stat().st_size < 1_000_000
    )
    assert TOKEN not in written


async def test_in_a_worktree_that_is_not_trusted_it_has_none_and_it_is_said(
    tmp_path: Path, protocol: dict[str, Json]
) -> None:
    with mcp_server() as (server, access):
        async with studio(tmp_path, Episode(Turn(Text("Done.")))) as play:
            told = await play.play(settings=protocol, access=access)
    assert server.methods == []
    assert "works without massgen's tools" in told.asides.replace("\n", " ")
    assert told.how == ("done", None)


# ── several at once ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seats", [2, 8])
async def test_seats_share_one_program(tmp_path: Path, gemini: str, seats: int) -> None:
    gate = Gate()
    episode = Episode(Turn(DOUBLED), Turn(Wait(gate), Text("Done.")))
    scripts = {f"seat{n}": Episode(*episode.turns) for n in range(seats)}
    stages = [Stage(tmp_path / f"seat{n}", {"GEMINI_API_KEY": KEY}) for n in range(seats)]
    async with serving(scripts) as models, AcpPool(stages[0].processes, 0.0) as pool:
        driver = GeminiDriver(stages[0].processes, stages[0].around, pool)
        spec = agent("gemini_cli", base_url=models.url, model=MODEL)
        async with asyncio.TaskGroup() as group:
            plays = [
                group.create_task(attempt(driver, spec, brief(f"I am seat{n}."), stage.place()))
                for n, stage in enumerate(stages)
            ]
            for number in range(seats):
                await models.saw(
                    lambda s, n=number: (
                        s.request is not None
                        and s.request.seat == f"seat{n}"
                        and s.request.turn == 1
                    )
                )
            assert pool.processes == 1
            gate.open()
    for stage, play in zip(stages, plays, strict=True):
        assert play.result().how == ("done", None)
        assert stage.changed == {"app.py": APP}
        assert left_over(stage) == []


async def test_usage_without_any_is_nothing(tmp_path: Path, gemini: str) -> None:
    episode = Episode(Turn(Text("Done."), usage=Usage(10, 2, 0)))
    async with studio(tmp_path, episode) as play:
        told = await play.play()
    assert (told.usage.input, told.usage.output, told.usage.cost) == (10, 2, None)
