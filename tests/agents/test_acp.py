"""Any ACP agent: one of the official SDK is driven through everything that the protocol has."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from massgen_ls.adapters.agents.acp.driver import AcpDriver
from massgen_ls.adapters.host.sandbox import Sandbox
from massgen_ls.core.budget import Usage
from massgen_ls.core.permissions import Permissions
from massgen_ls.core.task import AgentSpec, Json
from massgen_ls.ports import Access, Acted, Driver, Halt, Note, Picture, Said, Spoke
from tests.agents.stage import Stage, Told, agent, attempt, begun, brief, left_over, there
from tests.fakes.pictures import DOT

AGENT = Path(__file__).with_name("sdk_agent.py")
VOTE: dict[str, Json] = {
    "type": "object",
    "properties": {"vote": {"enum": ["a", "b"]}, "why": {"type": "string"}},
    "required": ["vote"],
    "additionalProperties": False,
}


class Theatre:
    """A stage with a driver and an SDK agent."""

    def __init__(self, top: Path, sandbox: Sandbox | None = None, **like: Any) -> None:
        self.log = top / "seat-home" / "heard.jsonl"
        environ = {"SDK_AGENT": json.dumps({"log": str(self.log), **like})}
        self.stage = Stage(top, environ, sandbox)
        self.driver = AcpDriver(self.stage.processes, self.stage.around)

    def spec(self, **settings: Json) -> AgentSpec:
        return agent("acp", argv=[sys.executable, "-P", str(AGENT)], env=["SDK_AGENT"], **settings)

    async def play(self, prompt: str, **more: Any) -> Told:
        settings = more.pop("settings", {})
        order = more.pop("order", {})
        place = self.stage.place(**more)
        told = await attempt(self.driver, self.spec(**settings), brief(prompt, **order), place)
        assert left_over(self.stage) == []
        return told

    def heard(self, kind: str) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [told for line in lines if (told := json.loads(line))["kind"] == kind]


@pytest.fixture
def theatre(tmp_path: Path) -> Theatre:
    return Theatre(tmp_path)


def test_it_is_a_driver(theatre: Theatre) -> None:
    port: Driver = theatre.driver
    assert (port.briefed, port.heavy) == (True, True)


# ── work ────────────────────────────────────────────────────────────────────────────────────────


async def test_what_it_says_and_does_is_told_in_its_order(theatre: Theatre) -> None:
    told = await theatre.play(
        "think first\nsay I begin.\nwrite new.txt hello\nedit app.py gone\nrun echo hi\nsay Done."
    )
    assert told.how == ("done", None)
    assert told.ended.summary == "Done."
    assert told.acted == [("write", "new.txt"), ("edit", "app.py"), ("run", "echo hi")]
    assert told.returned == [True, True, True]
    assert told.spoke == ["I begin.", "Done."]
    assert told.said == "I begin.Done."
    assert Spoke("first", thinking=True) in told.news
    assert next(i for i in told.news if isinstance(i, Acted)).detail == "hello\n"
    assert theatre.stage.changed == {"new.txt": "hello\n", "app.py": "gone\n"}


async def test_it_starts_in_the_users_folder_and_is_offered_no_files_of_ours(
    theatre: Theatre,
) -> None:
    await theatre.play("strange\nsay ok", folder=str(theatre.stage.tree / "sub"))
    assert theatre.heard("new")[0]["cwd"] == str(theatre.stage.tree / "sub")
    hello = theatre.heard("initialize")[0]
    assert hello["version"] == 1
    assert hello["capabilities"]["fs"] == {"readTextFile": False, "writeTextFile": False}
    assert hello["capabilities"]["terminal"] is False
    assert hello["seat"] == "a"
    assert "SDK_AGENT" in hello["env"]


async def test_a_request_that_we_do_not_know_is_answered_as_unknown(theatre: Theatre) -> None:
    told = await theatre.play("strange")
    assert told.spoke == ["code -32601"]


async def test_lines_of_a_megabyte_are_read(theatre: Theatre) -> None:
    told = await theatre.play("huge 3000\nsay end")
    assert len(told.said) == 3000 * 1024 + 3
    assert told.how == ("done", None)


async def test_the_system_text_comes_first_and_once(theatre: Theatre) -> None:
    await theatre.play("say x", order={"system": "Be kind."})
    assert theatre.heard("prompt")[0]["text"] == "Be kind.\n\nsay x"


@pytest.mark.parametrize("sees", [True, False])
async def test_pictures_are_shown_once_and_to_who_can_see(tmp_path: Path, sees: bool) -> None:
    theatre = Theatre(tmp_path, sees=sees)
    picture = tmp_path / "dot.png"
    picture.write_bytes(DOT)
    shown = (Picture("dot.png", "image/png", str(picture)),)
    order = {"pictures": shown, "schema": VOTE}
    told = await theatre.play("say nothing of use", order=order)
    assert told.ended.failure == "protocol"
    first = [base64.b64encode(DOT).decode()] if sees else []
    assert [heard["shown"] for heard in theatre.heard("prompt")] == [first, [], []]


@pytest.mark.parametrize("text", ["/clear everything", "  $skill", "!ls", "#note", "@file"])
async def test_a_task_is_never_taken_for_a_command_of_the_agents(
    theatre: Theatre, text: str
) -> None:
    await theatre.play(f"{text}\nsay x")
    assert theatre.heard("prompt")[0]["text"] == f"The task:\n\n{text}\nsay x"


async def test_tokens_and_dollars_add_up_over_turns(theatre: Theatre) -> None:
    theatre.stage.inbox.put(Note("spend 20 0.75\nsay two"))
    told = await theatre.play("spend 10 0.5\nsay one")
    assert told.usage == Usage(input=30, cached=10, output=14, cost=750_000)


# ── permissions ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "asked", "option"),
    [
        ("write a.txt x", ("edit", "a.txt", True), "o-allow_once"),
        ("write ../out.txt x", ("edit", "{top}/out.txt", False), "o-reject_once"),
        ("run rm -rf x", ("run", "rm -rf x", True), "o-reject_once"),
        ("ask read /etc/passwd", ("read", "/etc/passwd", False), "o-reject_once"),
        ("ask delete {tree}/app.py", ("edit", "app.py", True), "o-allow_once"),
        ("ask fetch http://x/", ("fetch", "fetch http://x/", True), "o-reject_once"),
        ("ask other nothing", ("other", "", True), "o-reject_once"),
    ],
)
async def test_the_rule_decides_and_only_for_this_once(
    theatre: Theatre, line: str, asked: tuple[str, str, bool], option: str
) -> None:
    tree = theatre.stage.tree
    approve = theatre.stage.approving(Permissions(mode="auto"))
    told = await theatre.play(line.format(tree=tree) + "\nsay end", approve=approve)
    kind, target, within = asked
    (action,) = theatre.stage.asked
    wanted = (kind, target.format(top=tree.parent), within)
    assert (action.kind, action.target, action.inside) == wanted
    (answer,) = theatre.heard("permission")
    assert answer["outcome"]["optionId"] == option
    assert told.how == ("done", None)
    assert not (tree.parent / "out.txt").exists()


async def test_without_anybody_to_decide_nothing_is_allowed(theatre: Theatre) -> None:
    told = await theatre.play("write a.txt x\nrun echo hi\nsay end", approve=None)
    assert told.returned == [False, False]
    assert theatre.stage.changed == {}


async def test_a_person_who_takes_time_is_no_silence(theatre: Theatre) -> None:
    asked, answered = asyncio.Event(), asyncio.Event()
    allowing = theatre.stage.approving(Permissions(mode="allow"))

    async def slowly(action: Any) -> Any:
        asked.set()
        await answered.wait()
        return await allowing(action)

    place = theatre.stage.place(approve=slowly)
    spec = theatre.spec(idle_timeout=0.3)
    async with begun(theatre.driver, spec, brief("write a.txt x\nsay end"), place) as (news, _):
        await asked.wait()
        await asyncio.sleep(1)  # three times the silence that is allowed
        answered.set()
    assert Told(news).how == ("done", None)
    assert theatre.stage.changed == {"a.txt": "x\n"}


async def test_trouble_of_our_own_in_deciding_is_ours(theatre: Theatre) -> None:
    async def broken(action: Any) -> Any:
        raise OSError("the record is full")

    with pytest.raises(OSError, match="the record is full"):
        await theatre.play("write a.txt x", approve=broken)
    assert left_over(theatre.stage) == []


# ── judgements ──────────────────────────────────────────────────────────────────────────────────


async def test_a_judgement_is_found_in_words(theatre: Theatre) -> None:
    line = 'say I think.\\n```json\\n{"vote": "a", "why": "small"}\\n```'
    told = await theatre.play(line, order={"schema": VOTE})
    assert told.ended.answer == {"vote": "a", "why": "small"}
    assert '"required"' in theatre.heard("prompt")[0]["text"]


async def test_a_judge_may_not_change_anything(theatre: Theatre) -> None:
    line = 'write a.txt x\nrun touch b\nask read app.py\nsay {"vote": "b"}'
    told = await theatre.play(line, order={"schema": VOTE})
    assert told.ended.answer == {"vote": "b"}
    assert theatre.stage.changed == {}
    options = [told["outcome"]["optionId"] for told in theatre.heard("permission")]
    assert options == ["o-reject_once", "o-reject_once", "o-allow_once"]


async def test_who_never_answers_by_the_schema_is_asked_three_times(theatre: Theatre) -> None:
    told = await theatre.play('say {"vote": "c"}', order={"schema": VOTE})
    assert told.how == ("failed", "protocol")
    assert 'must be one of ["a", "b"]' in told.ended.reason or "no JSON" in told.ended.reason
    assert told.ended.answer is None
    prompts = theatre.heard("prompt")
    assert [p["session"] for p in prompts] == ["s1"] * 3
    assert "cannot be used" in prompts[1]["text"]


# ── messages ────────────────────────────────────────────────────────────────────────────────────


async def test_notes_become_the_next_turn_of_the_same_session(theatre: Theatre) -> None:
    theatre.stage.inbox.put(Note("say noted"))
    theatre.stage.inbox.put(Note("write n.txt from-note"))
    told = await theatre.play("say first")
    prompts = [(p["session"], p["text"]) for p in theatre.heard("prompt")]
    assert prompts == [("s1", "say first"), ("s1", "say noted\n\nwrite n.txt from-note")]
    assert told.spoke == ["first", "noted"]
    assert theatre.stage.changed == {"n.txt": "from-note\n"}


async def test_a_halt_stops_the_turn_and_what_was_done_counts(theatre: Theatre) -> None:
    spec, place = theatre.spec(), theatre.stage.place()
    order = brief("edit a.txt x\nsay working\ntouch here\nwait")
    async with begun(theatre.driver, spec, order, place) as (news, _):
        await there(theatre.stage.tree / "here")
        theatre.stage.inbox.put(Halt())
    told = Told(news)
    assert (told.ended.outcome, told.ended.reason) == ("done", "stopped on request")
    assert told.ended.summary == "working"
    assert theatre.stage.changed["a.txt"] == "x\n"
    assert len(theatre.heard("cancel")) == 1
    assert left_over(theatre.stage) == []


async def test_a_halt_is_obeyed_even_where_the_agent_is_deaf(theatre: Theatre) -> None:
    spec, place = theatre.spec(), theatre.stage.place()
    async with begun(theatre.driver, spec, brief("touch here\ndeaf"), place) as (news, _):
        await there(theatre.stage.tree / "here")
        theatre.stage.inbox.put(Halt())
    assert Told(news).ended.reason == "stopped on request"
    assert left_over(theatre.stage) == []


@pytest.mark.parametrize("what", ["wait", "deaf", "background 100\ntouch here\nwait"])
async def test_cancelling_ends_it_with_all_its_descendants(theatre: Theatre, what: str) -> None:
    spec, place = theatre.spec(), theatre.stage.place()
    async with begun(theatre.driver, spec, brief(f"touch here\n{what}"), place) as (_, task):
        await there(theatre.stage.tree / "here")
        task.cancel()
    assert left_over(theatre.stage) == []
    assert len(theatre.heard("cancel")) == 1


async def test_news_that_are_no_longer_wanted_end_it(theatre: Theatre) -> None:
    order, place = brief("say working\nwait"), theatre.stage.place()
    telling = theatre.driver.attempt(theatre.spec(), order, place)
    async for item in telling:
        if isinstance(item, Said) and item.stream == "stdout":
            break
    await telling.aclose()
    assert left_over(theatre.stage) == []


async def test_a_daemon_that_it_leaves_behind_is_ended(theatre: Theatre) -> None:
    told = await theatre.play("background 100\nsay end")
    assert told.how == ("done", None)


# ── conversations ───────────────────────────────────────────────────────────────────────────────


async def test_a_conversation_is_taken_up_and_not_told_again(tmp_path: Path) -> None:
    theatre = Theatre(tmp_path, load=True)
    first = await theatre.play("say one")
    assert first.ended.session == "s1"
    order = {"session": first.ended.session, "system": "Be kind."}
    told = await theatre.play("say two", order=order)
    assert theatre.heard("load") == [{"kind": "load", "session": "s1"}]
    assert told.spoke == ["two"]
    assert theatre.heard("prompt")[1]["text"] == "say two"


async def test_a_lost_conversation_is_begun_anew_with_its_task(tmp_path: Path) -> None:
    theatre = Theatre(tmp_path, load=True)
    order = replace(brief("say the task"), session="lost", prompt="say go on")
    told = await attempt(theatre.driver, theatre.spec(), order, theatre.stage.place())
    assert "its conversation is lost" in told.asides
    assert theatre.heard("prompt")[0]["text"] == "say the task\n\nsay go on"
    assert told.how == ("done", None)


async def test_an_agent_that_forgets_names_no_session(theatre: Theatre) -> None:
    assert (await theatre.play("say one")).ended.session == ""


# ── settings ────────────────────────────────────────────────────────────────────────────────────


async def test_mode_model_and_options_are_set(theatre: Theatre) -> None:
    settings = {"mode": "code", "model": "big", "options": {"loud": True}}
    told = await theatre.play("say x", settings=settings)
    assert told.how == ("done", None)
    assert theatre.heard("mode") == [{"kind": "mode", "mode": "code"}]
    told_options = [(option["id"], option["value"]) for option in theatre.heard("option")]
    assert told_options == [("brain", "big"), ("loud", True)]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"mode": "fly"}, "no mode 'fly'; it has: ask, code"),
        ({"options": {"speed": "high"}}, "no option 'speed'; it has: brain, loud"),
        ({"model": "huge"}, "refuses 'huge' for its option 'brain'"),
    ],
)
async def test_what_the_agent_does_not_have_is_a_mistake_of_the_configuration(
    theatre: Theatre, settings: dict[str, Json], said: str
) -> None:
    told = await theatre.play("say x", settings=settings)
    assert told.how == ("failed", "config")
    assert said in told.ended.reason
    assert theatre.heard("prompt") == []


# ── our tools ───────────────────────────────────────────────────────────────────────────────────

ACCESS = Access("http://127.0.0.1:9/mcp", "s3cret", "massgen", ("submit",))


async def test_our_server_is_told_to_agents_that_take_it(theatre: Theatre) -> None:
    told = await theatre.play("say x", access=ACCESS)
    (server,) = theatre.heard("new")[0]["servers"]
    assert (server["type"], server["name"], server["url"]) == ("http", "massgen", ACCESS.url)
    assert server["headers"][0]["value"] == "Bearer s3cret"
    assert "s3cret" not in repr(told.news)


async def test_an_agent_that_takes_no_server_works_without_and_it_is_said(tmp_path: Path) -> None:
    theatre = Theatre(tmp_path, http=False)
    told = await theatre.play("say x", access=ACCESS)
    assert theatre.heard("new")[0]["servers"] == []
    assert "works without massgen's tools" in told.asides
    assert told.how == ("done", None)


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "outcome", "failure", "words"),
    [
        ("stop end_turn", "failed", "protocol", "without a word"),
        ("say x\nstop max_tokens", "failed", "context", "outgrew"),
        ("say x\nstop max_turn_requests", "failed", "turns", "max_turns"),
        ("say x\nstop refusal", "failed", "refused", "declined"),
        ("say x\nstop cancelled", "failed", "protocol", "cancelled its turn"),
        ("error -32000 Log in", "failed", "auth", "log it in"),
        ("error -32603 fetch failed", "failed", "network", "fetch failed"),
        ("error 429 Try again in 3 s", "failed", "rate_limit", "fewer requests"),
        ("error 500 overloaded", "failed", "overloaded", "overloaded"),
        ("error 413 prompt is too long", "failed", "context", "outgrew"),
        ("error -32603 odd", "failed", None, "odd (-32603)"),
        ("crash", "failed", "crashed", "ended by SIGKILL: Segmentation fault, honestly"),
    ],
)
async def test_what_goes_wrong_is_told_by_kind(
    theatre: Theatre, line: str, outcome: str, failure: str | None, words: str
) -> None:
    told = await theatre.play(line)
    assert told.how == (outcome, failure)
    assert words in told.ended.reason


async def test_what_the_service_asks_to_wait_is_passed_on(theatre: Theatre) -> None:
    told = await theatre.play("error 429 Try again in 3 s")
    assert told.ended.retry_after == 3


async def test_a_login_is_asked_for_in_the_agents_own_words(tmp_path: Path) -> None:
    theatre = Theatre(tmp_path, locked=True, methods=["browser", "key"])
    told = await theatre.play("say x")
    assert told.how == ("failed", "auth")
    assert "it offers: Browser, Key" in told.ended.reason


async def test_the_configured_way_to_log_in_is_taken_when_it_is_needed(tmp_path: Path) -> None:
    theatre = Theatre(tmp_path, locked=True, methods=["browser", "key"], opens="key")
    told = await theatre.play("say x", settings={"auth": "key"})
    assert told.how == ("done", None)
    assert theatre.heard("authenticate") == [{"kind": "authenticate", "method": "key"}]


async def test_a_key_that_does_not_open_is_told(tmp_path: Path) -> None:
    theatre = Theatre(tmp_path, locked=True, methods=["key"], opens="other")
    told = await theatre.play("say x", settings={"auth": "key"})
    assert told.how == ("failed", "auth")
    assert "that key opens nothing" in told.ended.reason


async def test_another_version_of_the_protocol_is_told(tmp_path: Path) -> None:
    told = await Theatre(tmp_path, version=2).play("say x")
    assert told.how == ("failed", "protocol")
    assert "version 2" in told.ended.reason


async def test_silence_ends_it(theatre: Theatre) -> None:
    told = await theatre.play("say x\ndeaf", settings={"idle_timeout": 0.5})
    assert told.how == ("timed_out", "timeout")
    assert "idle_timeout" in told.ended.reason


@pytest.mark.parametrize("like", [{}, {"mute": True}])
async def test_its_time_limit_is_kept(tmp_path: Path, like: dict[str, Any]) -> None:
    began = time.monotonic()
    told = await Theatre(tmp_path, **like).play("say x\nwait", settings={"timeout": 3})
    assert told.how == ("timed_out", "timeout")
    assert "3 s" in told.ended.reason
    assert time.monotonic() - began < 20


async def test_noise_on_both_streams_disturbs_nobody(tmp_path: Path) -> None:
    stage = Stage(tmp_path, {"SDK_AGENT": "{}"})
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(
        f"#!/bin/sh\necho 'warning: loud'; echo '{{\"a\": 1}}'; echo '[1]'; echo oops >&2\n"
        f"exec {sys.executable} -P {AGENT}\n"
    )
    wrapper.chmod(0o755)
    spec = agent("acp", argv=[str(wrapper)], env=["SDK_AGENT"])
    told = await attempt(
        AcpDriver(stage.processes, stage.around), spec, brief("say x"), stage.place()
    )
    assert told.how == ("done", None)
    assert told.said == "x"
