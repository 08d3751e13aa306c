"""A key that an agent says in every way that there is reaches nothing that is kept or shown."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.core.candidate import CheckResult, TreeId
from massgen_ls.core.events import (
    CandidateCaptured,
    Delta,
    Envelope,
    Event,
    PermissionDecided,
)
from massgen_ls.core.permissions import Action, Permissions
from massgen_ls.core.secrets import secrets_of
from massgen_ls.core.task import AgentId, AgentSpec, CheckSpec, RunId, SeatId, Task
from massgen_ls.core.wire import envelope_json, to_json
from massgen_ls.engine.report import run_json
from massgen_ls.engine.veil import Veil
from massgen_ls.engine.world import World
from massgen_ls.ports import (
    Access,
    Acted,
    AgentNews,
    Brief,
    Ended,
    Place,
    Returned,
    Said,
    Spoke,
    Toolbox,
)
from massgen_ls.testing.agents import Script, ScriptedDriver
from tests.engine.conftest import Bench

KEY = 'sk-ant-"quoted"/12345'
WORD = "swordfish"
BEARER = "bearer-of-this-seat"
ENVIRON = {"ANTHROPIC_API_KEY": KEY, "MY_SETTING": WORD, "PATH": "/usr/bin:/bin", "A_TOKEN": "abc"}
LEAK = f"x {KEY} {json.dumps(KEY)} {quote(KEY, safe='')} {WORD} {BEARER} y"
CLEAN = 'x [ANTHROPIC_API_KEY] "[ANTHROPIC_API_KEY]" [ANTHROPIC_API_KEY] [MY_SETTING] [token] y'


@dataclass
class Desk:
    """`ports.Endpoint` and `ports.Approver` that remember."""

    tools: list[Toolbox] = field(default_factory=list[Toolbox])
    asked: list[Action] = field(default_factory=list[Action])

    @asynccontextmanager
    async def open(self, toolbox: Toolbox) -> AsyncIterator[Access]:
        self.tools.append(toolbox)
        yield Access("http://127.0.0.1:1/x/mcp", BEARER)

    async def ask(self, run: RunId, seat: SeatId, action: Action, reason: str) -> bool:
        self.asked.append(action)
        return True


class LeakyChecks:
    """`ports.Checker` of a check that prints its environment."""

    async def run(
        self, check: CheckSpec, tree: TreeId, place: Place, say: Callable[[Said], None]
    ) -> CheckResult:
        say(Said(LEAK))
        return CheckResult(check.name, tree, "passed", output=LEAK)


async def test_no_sink_of_a_run_gets_a_key(bench: Bench) -> None:
    desk = Desk()

    def leaks(end: Ended) -> Script:
        async def script(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
            assert place.approve is not None
            (Path(place.folder) / f"{brief.seat}.txt").write_text("x\n")
            decision = await place.approve(Action("run", f"curl {LEAK}", LEAK))
            assert decision.word == "allow"
            for n in range(0, len(LEAK), 3):  # as models stream: no piece has the whole key
                yield Said(LEAK[n : n + 3])
            yield Said(LEAK, "stderr")
            yield Spoke("z" * 8000 + LEAK + "z" * 8000)
            yield Spoke(LEAK, thinking=True)
            yield Acted(LEAK, LEAK, LEAK, "1")
            yield Returned("1", LEAK, ok=True)
            if end.outcome == "done":
                # Where a summary is shortened, half a key would be left.
                long = "s" * 3990 + KEY + "s" * 3990
                answer = await desk.tools[0].call("submit_summary", {"summary": long})
                assert answer.ok
            yield end

        return script

    scripts = {
        "good": leaks(Ended("done", LEAK, summary=LEAK)),
        "bad": leaks(Ended("failed", LEAK, summary=LEAK, failure="auth")),
    }

    def with_keys(world: World) -> World:
        return replace(
            world,
            drivers={"scripted": ScriptedDriver(scripts, briefed=True)},
            endpoint=desk,
            approver=desk,
            checker=LeakyChecks(),
            secrets=lambda chosen: secrets_of(ENVIRON, chosen),
        )

    async with bench.engine(change=with_keys) as supervisor:
        agents = tuple(
            AgentSpec(AgentId(n), "scripted", {"env": ["MY_SETTING"]}, permissions=Permissions())
            for n in ("good", "bad")
        )
        spec = replace(bench.spec(checks=("k",), share_candidates=True), agents=agents)
        news: list[Envelope | Delta] = []
        with supervisor.subscribe() as live:
            run, state = await bench.finish(supervisor, spec)
            while not any(isinstance(i, Envelope) and i.event.kind == "run_settled" for i in news):
                item = await anext(live)
                assert isinstance(item, Envelope | Delta), "nothing was dropped"
                news.append(item)
        history = await supervisor.history(run)
        shown = {
            "events of the editor": [envelope_json(item) for item in news],
            "record": [envelope_json(item) for item in history],
            "show --json": run_json(run, state),
            "transcripts": [to_json(t) for t in await supervisor.transcripts(run)],
            "context": (await supervisor.continued(Task(""), run)).context,
            "people": [repr(action) for action in desk.asked],
        }
    shown["file"] = [
        p.read_bytes().decode("latin-1") for p in bench.user.state.rglob("*") if p.is_file()
    ]
    for sink, told in shown.items():
        text = json.dumps(told, ensure_ascii=False)
        for secret in (WORD, BEARER, "sk-ant", "12345"):
            at = text.find(secret)
            assert at < 0, f"{sink}: …{text[max(0, at - 200) : at + 50]}…"
    events = [item.event for item in history]
    decided = [e for e in events if isinstance(e, PermissionDecided)]
    assert {e.action.target for e in decided} == {f"curl {CLEAN}"}
    summaries = [e.candidate.summary for e in events if isinstance(e, CandidateCaptured)]
    assert len(summaries) == 2
    streamed = "".join(
        i.text for i in news if isinstance(i, Delta) and (i.source, i.stream) == ("good", "stdout")
    )
    assert streamed == CLEAN


def test_only_keys_and_what_is_passed_on_are_secret() -> None:
    assert secrets_of(ENVIRON) == {KEY: "[ANTHROPIC_API_KEY]"}
    assert secrets_of(ENVIRON, ["MY_SETTING"]) == {KEY: "[ANTHROPIC_API_KEY]", WORD: "[MY_SETTING]"}


def test_of_two_keys_that_begin_alike_the_longer_is_not_cut() -> None:
    veil = Veil({"sk-1234": "[A]", "sk-1234-longer": "[B]"})
    assert veil.text("sk-1234 sk-1234-longer") == "[A] [B]"


SECRETS = {"aab": "[1]", "aabab": "[2]", "bb": "[3]"}


def played(pieces: Iterable[str], secrets: Mapping[str, str]) -> str:
    veil = Veil(secrets)
    told = [veil.live(Delta(RunId("r"), "a", "stdout", piece)) for piece in pieces]
    return "".join(delta.text for delta in (*told, *veil.held()) if delta is not None)


@given(st.lists(st.text("ab", max_size=4), max_size=12))
def test_however_noise_is_cut_no_secret_comes_through_and_nothing_is_lost(
    pieces: list[str],
) -> None:
    told = played(pieces, SECRETS)
    assert not {"aab", "bb"} & {part for shown in told.split("[") for part in shown.split("]")}
    assert "aab" not in told
    assert "bb" not in told
    restored = told.replace("[1]", "aab").replace("[2]", "aabab").replace("[3]", "bb")
    assert restored == "".join(pieces)


def test_no_event_s_own_words_pass_by() -> None:
    """Every kind of event that has free text, whoever adds the next one."""
    veil = Veil({"sk-1234": "[A]"})
    left = [
        kind.__name__
        for kind in get_args(Event)
        for free in fields(kind)
        if free.name in {"reason", "text"} and str(free.type) == "str"
        and "sk-1234" in getattr(veil.event(_with(kind, free.name, "use sk-1234")), free.name)
    ]  # fmt: skip
    assert left == []


def _with(kind: type[Any], name: str, text: str) -> Any:
    """An event of which nothing is set but one text."""
    event = object.__new__(kind)
    for each in fields(kind):
        empty = Action("run", "") if str(each.type) == "Action" else ""
        object.__setattr__(event, each.name, text if each.name == name else empty)
    return event
