"""What every driver of a coding agent must do, tried with its real program.

A driver's own test module makes a subclass of `Conformance` with a fixture ``kind``.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from massgen_ls.adapters.host.sandbox import Sandbox
from massgen_ls.core.permissions import Permissions
from massgen_ls.core.task import AgentSpec, Json
from massgen_ls.ports import Access, Driver, Halt, Note, Picture, Place, Said
from massgen_ls.testing.models import (
    Answer,
    Cut,
    Edit,
    Episode,
    Garbage,
    Gate,
    Refuse,
    Request,
    Reset,
    Shell,
    Silence,
    Step,
    Text,
    Thinking,
    TooLong,
    Turn,
    Usage,
    Wait,
    Write,
    serving,
)
from massgen_ls.testing.models.server import ModelServer
from tests.agents.stage import Stage, Told, agent, attempt, begun, brief, left_over, there
from tests.fakes.pictures import DOT

SCHEMA: Mapping[str, Json] = {
    "type": "object",
    "properties": {"vote": {"type": "string", "enum": ["A", "B"]}, "why": {"type": "string"}},
    "required": ["vote", "why"],
    "additionalProperties": False,
}
DONE = ("done", None)


@dataclass(frozen=True)
class Kind:
    """One kind of agent."""

    type: str
    make: Callable[[Stage], Driver]
    environ: Mapping[str, str]
    """With a key that is the name of the seat, ``seat``."""
    settings: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """For all of its agents: a model, and few retries."""

    def spec(self, url: str, permissions: Permissions | None = None, **settings: Json) -> AgentSpec:
        return agent(self.type, permissions, **{"base_url": url, **self.settings, **settings})


@dataclass
class Scene:
    """A kind of agent on its stage, with a model that plays an episode."""

    kind: Kind
    stage: Stage
    models: ModelServer
    driver: Driver

    def spec(self, permissions: Permissions | None = None, **settings: Json) -> AgentSpec:
        return self.kind.spec(self.models.url, permissions, **settings)

    @property
    def turns(self) -> list[Request]:
        return self.models.turns("seat")

    def heard(self, words: str) -> int:
        """How many requests to the model had these words in them."""
        return sum(
            words in str([request.body.get(n) for n in ("messages", "input", "contents")])
            for request in self.turns
        )


@contextlib.asynccontextmanager
async def scene(kind: Kind, stage: Stage, *turns: Turn):
    async with serving({"seat": Episode(*turns)}) as models:
        yield Scene(kind, stage, models, kind.make(stage))


WORK = (
    Turn(
        Thinking("A doubling."),
        Text("I look at it. "),
        Edit("app.py", "    return x + x", "    return 2 * x"),
        Write("new/file.txt", "N\n"),
    ),
    Turn(Shell("mv notes.txt README.txt && printf 'told %d' 42")),
    Turn(Text("All done."), usage=Usage(1500, 12, cached=1200)),
)
WORKED = {
    "app.py": "def double(x):\n    return 2 * x\n\n\nprint(double(2))\n",
    "new/file.txt": "N\n",
    "notes.txt": None,
    "README.txt": "some notes\nmore\n",
}
FAULTS: Mapping[str, tuple[Step, str]] = {
    "401": (Refuse(401), "auth"),
    "403": (Refuse(403), "auth"),
    "404": (Refuse(404), "config"),
    "429": (Refuse(429, headers={"retry-after": "1"}), "rate_limit"),
    "500": (Refuse(500), "overloaded"),
    "529": (Refuse(529), "overloaded"),
    "reset": (Reset(), "network"),
    "cut in a text": (Cut(Text("half a sentence that goes on")), "network"),
    "cut in a tool": (Cut(Write("half.txt", "A" * 400)), "network"),
    "garbage": (Garbage(), "protocol"),
    "too long": (TooLong(), "context"),
}


class Conformance:
    """The tests; a subclass gives the fixture ``kind``, and what differs, in ``faults``."""

    faults: ClassVar[Mapping[str, str]] = {}
    tells_cache: ClassVar[bool] = True
    """Whether it tells which tokens came from a cache."""
    asks_outside: ClassVar[bool] = True
    """Whether it asks before it writes outside of its folder, and does not refuse by itself."""
    """Kinds of failures that are told otherwise by this program."""

    @pytest.fixture
    def kind(self) -> Kind:
        raise NotImplementedError

    @pytest.fixture
    def stage(self, kind: Kind, tmp_path: Path) -> Stage:
        return Stage(tmp_path, kind.environ)

    # ── work ────────────────────────────────────────────────────────────────────────────────

    @pytest.mark.parametrize("confined", [False, True], ids=["free", "confined"])
    async def test_it_works(self, kind: Kind, tmp_path: Path, confined: bool) -> None:
        sandbox = None
        if confined:
            sandbox = Sandbox.probe(str(tmp_path), os.environ.get("PATH", os.defpath))
            if not sandbox.works:
                pytest.skip(f"THE SANDBOX IS NOT TESTED HERE: {sandbox.describe().text}")
        stage = Stage(tmp_path, kind.environ, sandbox)
        async with scene(kind, stage, *WORK) as on:
            told = await attempt(on.driver, on.spec(), brief(), stage.place())
        assert told.how == DONE, told.ended
        assert stage.changed == WORKED
        assert "All done." in told.ended.summary
        assert "All done." in told.said
        assert "All done." in "".join(told.spoke)
        assert {("edit", "app.py"), ("write", "new/file.txt")} <= set(told.acted)
        assert any(action == "run" and "mv notes.txt" in what for action, what in told.acted)
        assert all(told.returned)
        assert len(told.returned) >= 3
        spent = told.usage
        cached = 1200 if self.tells_cache else 0
        assert (spent.input + spent.cached, spent.cached, spent.output) == (3900, cached, 92)
        assert told.ended.session
        assert left_over(stage) == []

    async def test_a_long_task_a_system_message_and_a_picture(
        self, kind: Kind, stage: Stage
    ) -> None:
        async with scene(kind, stage, Turn(Text("Read."))) as on:
            picture = stage.tree / "dot.png"
            picture.write_bytes(DOT)
            order = brief(
                "TASK-BEGINS " + "long " * 60_000,
                system="SYSTEM-BEGINS " + "s " * 80_000,
                pictures=(Picture("dot.png", "image/png", str(picture)),),
            )
            told = await attempt(on.driver, on.spec(), order, stage.place())
            sent = str(on.turns[0].body)
        assert told.how == DONE, told.ended
        assert "TASK-BEGINS" in sent
        assert "SYSTEM-BEGINS" in sent
        assert base64.b64encode(DOT).decode() in sent

    async def test_a_task_that_looks_like_a_command(self, kind: Kind, stage: Stage) -> None:
        async with scene(kind, stage, Turn(Text("Read."))) as on:
            told = await attempt(on.driver, on.spec(), brief("/compact is slow"), stage.place())
            assert (told.how, on.heard("/compact is slow")) == (DONE, 1), told.ended

    async def test_the_repository_s_words_come_once(self, kind: Kind, stage: Stage) -> None:
        (stage.tree / "AGENTS.md").write_text("AGENTS-SAY-SO\n")
        for instructions in (True, False):
            async with scene(kind, stage, Turn(Text("Read."))) as on:
                place = stage.place(instructions=instructions)
                told = await attempt(on.driver, on.spec(), brief(), place)
                assert told.how == DONE, told.ended
                assert str(on.turns[0].body).count("AGENTS-SAY-SO") == instructions

    async def test_several_at_once(self, kind: Kind, tmp_path: Path) -> None:
        count = 8
        stages = [Stage(tmp_path / str(n), kind.environ) for n in range(count)]
        async with (
            serving(
                {
                    f"seat-{n}": Episode(Turn(Write("mine.txt", f"{n}\n")), Turn(Text("Done.")))
                    for n in range(count)
                }
            ) as models,
            asyncio.TaskGroup() as group,
        ):
            tasks = [
                group.create_task(
                    attempt(
                        kind.make(stage),
                        kind.spec(models.url),
                        brief(f"Do it, seat-{n}"),
                        stage.place(),
                    )
                )
                for n, stage in enumerate(stages)
            ]
        assert [task.result().how for task in tasks] == [DONE] * count
        made = [stage.changed for stage in stages]
        assert made == [{"mine.txt": f"{n}\n"} for n in range(count)]

    async def test_a_daemon_of_its_shell_ends_with_it(self, kind: Kind, stage: Stage) -> None:
        daemon = "setsid sh -c 'sleep 600' >/dev/null 2>&1 </dev/null & echo started"
        async with scene(kind, stage, Turn(Shell(daemon)), Turn(Text("Done."))) as on:
            told = await attempt(on.driver, on.spec(), brief(), stage.place())
        assert told.how == DONE, told.ended
        assert left_over(stage) == []

    # ── judgements ──────────────────────────────────────────────────────────────────────────

    async def test_a_judgement(self, kind: Kind, stage: Stage) -> None:
        wanted: Json = {"vote": "B", "why": "It is smaller."}
        async with scene(kind, stage, Turn(Answer(wanted)), Turn(Text("Voted."))) as on:
            told = await attempt(on.driver, on.spec(), brief(schema=SCHEMA), stage.place())
        assert told.how == DONE, told.ended
        assert told.ended.answer == wanted
        assert stage.changed == {}

    async def test_a_judgement_that_never_comes(self, kind: Kind, stage: Stage) -> None:
        async with scene(kind, stage, Turn(Text("I would rather not."))) as on:
            told = await attempt(on.driver, on.spec(), brief(schema=SCHEMA), stage.place())
        assert told.how == ("failed", "protocol"), told.ended
        assert told.ended.answer is None

    # ── conversations ───────────────────────────────────────────────────────────────────────

    async def test_a_conversation_goes_on(self, kind: Kind, stage: Stage) -> None:
        first, second = Turn(Text("One.")), Turn(Text("Two."))
        async with scene(kind, stage, first, second) as on:
            one = await attempt(on.driver, on.spec(), brief("FIRST-TASK"), stage.place())
            order = brief("SECOND-TASK", session=one.ended.session)
            two = await attempt(on.driver, on.spec(), order, stage.place())
            sent = str(on.turns[-1].body)
        assert (one.how, two.how) == (DONE, DONE), (one.ended, two.ended)
        assert "FIRST-TASK" in sent
        assert "SECOND-TASK" in sent
        assert two.ended.session == one.ended.session
        assert two.usage == one.usage, "what the first has spent is not counted twice"

    async def test_a_note_reaches_the_turn_that_runs(self, kind: Kind, stage: Stage) -> None:
        wait = Shell("touch begun; while [ ! -e go ]; do sleep 0.02; done; rm begun go")
        async with scene(kind, stage, Turn(wait), Turn(Text("Done."))) as on:
            async with begun(on.driver, on.spec(), brief(), stage.place()) as (news, _):
                await there(stage.tree / "begun")
                stage.inbox.put(Note("NOTE-FOR-YOU"))
                (stage.tree / "go").touch()
            assert Told(news).how == DONE, news[-1]
            assert on.heard("NOTE-FOR-YOU") >= 1
        assert stage.changed == {}

    async def test_a_note_at_the_last_moment(self, kind: Kind, stage: Stage) -> None:
        gate = Gate()
        last = Turn(Text("I think I am "), Wait(gate), Text("done."))
        async with scene(kind, stage, last, Turn(Text("Noted."))) as on:
            async with begun(on.driver, on.spec(), brief(), stage.place()) as (news, _):
                await gate.reached()
                stage.inbox.put(Note("NOTE-AT-LAST"))
                gate.open()
            told = Told(news)
            assert told.how == DONE, told.ended
            assert on.heard("NOTE-AT-LAST") >= 1
            assert "Noted." in told.ended.summary

    # ── an end before the end ───────────────────────────────────────────────────────────────

    @pytest.mark.parametrize("where", ["model", "shell"])
    @pytest.mark.parametrize("how", ["halt", "cancel", "timeout"])
    async def test_it_is_stopped(self, kind: Kind, stage: Stage, where: str, how: str) -> None:
        gate = Gate()
        waiting = {
            "model": Turn(Text("Well, "), Wait(gate), Text("never said")),
            "shell": Turn(Shell("touch begun; sleep 600")),
        }[where]
        # Long enough for a slow machine to be where it shall be when its time is up.
        place = stage.place(timeout=8.0 if how == "timeout" else 60.0)
        async with scene(kind, stage, Turn(Write("made.txt", "M\n")), waiting) as on:
            async with begun(on.driver, on.spec(), brief(), place) as (news, task):
                await (gate.reached() if where == "model" else there(stage.tree / "begun"))
                if how == "cancel":
                    task.cancel()
                elif how == "halt":
                    stage.inbox.put(Halt())
            gate.open()
        if how == "cancel":
            assert task.cancelled()
        else:
            told = Told(news)
            wanted = DONE if how == "halt" else ("timed_out", "timeout")
            assert told.how == wanted, told.ended
        assert stage.files["made.txt"] == "M\n"
        assert left_over(stage) == []

    async def test_it_is_stopped_before_it_begins(self, kind: Kind, stage: Stage) -> None:
        stage.inbox.put(Halt())
        async with scene(kind, stage, Turn(Write("made.txt", "M\n")), Turn(Text("Done."))) as on:
            told = await attempt(on.driver, on.spec(), brief(), stage.place())
        assert told.how == DONE, told.ended
        assert stage.changed == {}
        assert left_over(stage) == []

    async def test_its_news_are_no_longer_wanted(self, kind: Kind, stage: Stage) -> None:
        async with scene(kind, stage, Turn(Text("Word "), Silence())) as on:
            telling = on.driver.attempt(on.spec(), brief(), stage.place())
            async for item in telling:
                if isinstance(item, Said) and item.stream == "stdout":
                    break
            await telling.aclose()
        assert left_over(stage) == []

    # ── permissions ─────────────────────────────────────────────────────────────────────────

    async def test_what_is_forbidden_is_not_done(self, kind: Kind, stage: Stage) -> None:
        rule = Permissions(mode="allow", deny=("run:touch*",))
        place = stage.place(approve=stage.approving(rule))
        async with scene(kind, stage, Turn(Shell("touch forbidden")), Turn(Text("Left it."))) as on:
            told = await attempt(on.driver, on.spec(rule), brief(), place)
        assert told.how == DONE, told.ended
        assert stage.changed == {}
        assert [(a.kind, a.target) for a in stage.asked] == [("run", "touch forbidden")]

    async def test_nothing_outside_is_changed(self, kind: Kind, stage: Stage) -> None:
        outside = stage.top / "outside.txt"
        rule = Permissions(mode="allow", allow=("edit:*",))
        place = stage.place(approve=stage.approving(rule))
        async with scene(kind, stage, Turn(Write(str(outside), "X\n")), Turn(Text("Left."))) as on:
            told = await attempt(on.driver, on.spec(rule), brief(), place)
        assert told.how == DONE, told.ended
        assert not outside.exists()
        asked = [("edit", False)] if self.asks_outside else []
        assert [(a.kind, a.inside) for a in stage.asked] == asked

    async def test_nobody_can_be_asked(self, kind: Kind, stage: Stage) -> None:
        async with scene(kind, stage, Turn(Shell("touch unasked")), Turn(Text("Left."))) as on:
            told = await attempt(on.driver, on.spec(), brief(), stage.place(approve=None))
        assert told.how == DONE, told.ended
        assert stage.changed == {}

    # ── what goes wrong ─────────────────────────────────────────────────────────────────────

    @pytest.mark.parametrize("fault", FAULTS)
    async def test_a_fault(self, kind: Kind, stage: Stage, fault: str) -> None:
        step, failure = FAULTS[fault]
        async with scene(kind, stage, Turn(step)) as on:
            told = await attempt(on.driver, on.spec(), brief(), stage.place())
        assert told.how == ("failed", self.faults.get(fault, failure)), told.ended
        assert len(told.ended.reason) > 20
        assert told.ended.answer is None
        assert stage.changed == {}
        assert left_over(stage) == []

    async def test_nobody_answers(self, kind: Kind, stage: Stage) -> None:
        spec = kind.spec("http://127.0.0.1:9")
        told = await attempt(kind.make(stage), spec, brief(), stage.place())
        assert told.how == ("failed", "network"), told.ended

    async def test_endless_silence(self, kind: Kind, stage: Stage) -> None:
        async with scene(kind, stage, Turn(Silence())) as on:
            spec = on.spec(idle_timeout=5.0)
            told = await attempt(on.driver, spec, brief(), stage.place())
            assert len(on.turns) >= 1
        assert told.how == ("timed_out", "timeout"), told.ended
        assert "idle_timeout" in told.ended.reason
        assert left_over(stage) == []

    async def test_out_of_turns(self, kind: Kind, stage: Stage) -> None:
        async with scene(kind, stage, Turn(Shell("true"))) as on:
            told = await attempt(on.driver, on.spec(max_turns=2), brief(), stage.place())
        assert told.how == ("failed", "turns"), told.ended

    async def test_a_failure_can_be_gone_on_from(self, kind: Kind, stage: Stage) -> None:
        broken = [Turn(Refuse(529))] * 3
        async with scene(kind, stage, Turn(Write("made.txt", "M\n")), *broken) as on:
            one = await attempt(on.driver, on.spec(), brief("FIRST-TASK"), stage.place())
            on.models.scripts["seat"] = Episode(Turn(Text("Gone on.")))
            order = brief("Go on.", session=one.ended.session)
            two = await attempt(on.driver, on.spec(), order, stage.place())
            sent = str(on.turns[-1].body)
        assert one.how == ("failed", "overloaded"), one.ended
        assert two.how == DONE, two.ended
        assert "FIRST-TASK" in sent

    async def test_it_is_not_installed(self, kind: Kind, stage: Stage) -> None:
        spec = kind.spec("http://127.0.0.1:9", program="no-such-agent")
        told = await attempt(kind.make(stage), spec, brief(), stage.place())
        assert told.how == ("missing", "missing"), told.ended
        assert "no-such-agent" in told.ended.reason
        health = await kind.make(stage).health(spec)
        assert (health.ok, "no-such-agent" in health.found, bool(health.hint)) == (
            False,
            True,
            True,
        )

    async def test_our_server_is_down(self, kind: Kind, stage: Stage) -> None:
        access = Access("http://127.0.0.1:9/mcp", "SECRET-TOKEN", tools=("vote",))
        async with scene(kind, stage, Turn(Text("Done without."))) as on:
            place: Place = stage.place(access=access)
            told = await attempt(on.driver, on.spec(), brief(), place)
        assert told.how == DONE, told.ended
        assert "massgen" in told.asides
        assert "SECRET-TOKEN" not in str(told.news)
