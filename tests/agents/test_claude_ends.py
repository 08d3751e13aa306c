"""How an attempt of Claude Code ends when the program misbehaves; a small one plays its part."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from massgen_ls.adapters.agents.claude.driver import ClaudeCodeDriver
from massgen_ls.core.permissions import Action, Decision, Permissions
from massgen_ls.core.task import Json
from massgen_ls.ports import Note, Said
from tests.agents.stage import Stage, Told, agent, attempt, begun, brief, left_over, there

PROGRAM = f"""#!{sys.executable}
import json, os, signal, sys, time
def tell(**event):
    print(json.dumps(event), flush=True)
def hear():
    line = sys.stdin.readline()
    return json.loads(line) if line else None
def hello():
    tell(type="system", subtype="init", session_id="s1")
def speak(words="Done."):
    block = {{"type": "text", "text": words}}
    tell(type="assistant", message={{"id": "m-" + words, "content": [block]}})
def result(words="Done.", **more):
    tell(**{{"type": "result", "subtype": "success", "is_error": False, "result": words,
             "terminal_reason": "completed", "session_id": "s1", **more}})
def taken(message):
    tell(type="command_lifecycle", command_uuid=message["uuid"], state="completed")
first = hear()
"""
OK = ("done", None)


class Actor:
    """A program that plays Claude Code as a script says."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.driver = ClaudeCodeDriver(stage.processes, stage.around, farewell=0.5)

    def spec(self, script: str, **settings: Json):
        program = self.stage.top / "claude"
        program.write_text(PROGRAM + script)
        program.chmod(0o755)
        return agent("claude_code", program=str(program), **settings)

    async def plays(self, script: str, **settings: Json) -> Told:
        told = await attempt(
            self.driver, self.spec(script, **settings), brief(), self.stage.place()
        )
        assert left_over(self.stage) == []
        return told


@pytest.fixture
def actor(tmp_path: Path) -> Actor:
    return Actor(Stage(tmp_path))


async def test_it_does_not_end_after_its_result(actor: Actor) -> None:
    script = "hello(); taken(first); speak(); result()\nwhile True: time.sleep(60)"
    told = await actor.plays(script)
    assert told.how == OK, told.ended
    assert told.ended.summary == "Done."


async def test_it_goes_on_printing_after_its_result(actor: Actor) -> None:
    script = (
        "hello(); taken(first); speak(); result()\n"
        "while True: tell(type='keep_alive'); time.sleep(0.05)"
    )
    assert (await actor.plays(script)).how == OK


async def test_it_ends_without_a_word(actor: Actor) -> None:
    told = await actor.plays("hello(); taken(first); speak()")
    assert told.how == ("failed", "protocol"), told.ended
    assert "no result" in told.ended.reason


@pytest.mark.parametrize("number", ["KILL", "SEGV"])
async def test_it_is_killed(actor: Actor, number: str) -> None:
    told = await actor.plays(f"hello(); os.kill(os.getpid(), signal.SIG{number})")
    assert told.how == ("failed", "crashed"), told.ended
    assert f"SIG{number}" in told.ended.reason


async def test_it_refuses_to_start(actor: Actor) -> None:
    told = await actor.plays("print('error: unknown option --x', file=sys.stderr); sys.exit(1)")
    assert told.how == ("failed", "config"), told.ended
    assert "unknown option --x" in told.ended.reason
    assert told.ended.exit_code == 1


async def test_an_error_that_says_success(actor: Actor) -> None:
    told = await actor.plays("hello(); speak(); taken(first); result('Boom', is_error=True)")
    assert told.ended.outcome == "failed"
    assert "Boom" in told.ended.reason


async def test_a_result_that_is_not_complete(actor: Actor) -> None:
    told = await actor.plays("hello(); speak(); taken(first); result(terminal_reason='aborted')")
    assert told.ended.outcome == "failed"


async def test_the_model_declines(actor: Actor) -> None:
    told = await actor.plays("hello(); speak('No.'); taken(first); result(stop_reason='refusal')")
    assert told.how == ("failed", "refused"), told.ended


async def test_a_quota_with_a_date(actor: Actor) -> None:
    script = (
        "hello(); taken(first)\n"
        "tell(type='rate_limit_event', rate_limit_info={'status': 'rejected', "
        "'resetsAt': time.time() + 100})\n"
        "result('usage limit reached', is_error=True, api_error_status=429)"
    )
    told = await actor.plays(script)
    assert told.how == ("failed", "rate_limit"), told.ended
    assert 80 < (told.ended.retry_after or 0) <= 100


async def test_what_is_no_json_is_noise(actor: Actor) -> None:
    script = (
        "sys.stdout.buffer.write(b'\\xff\\x00 hm\\n[1]\\n{broken\\n'); sys.stdout.flush()\n"
        "hello(); speak(); taken(first); result()"
    )
    told = await actor.plays(script)
    assert told.how == OK, told.ended
    assert "{broken" in told.said


async def test_its_last_line_has_no_end(actor: Actor) -> None:
    script = "hello(); speak(); taken(first)\nprint(json.dumps({'type': 'result', 'subtype': "
    script += "'success', 'is_error': False, 'result': 'Done.'}), end='', flush=True)"
    told = await actor.plays(script)
    assert told.how == OK, told.ended


async def test_a_turn_that_follows_counts(actor: Actor) -> None:
    script = (
        "hello(); speak('One.'); taken(first); result('One.', queued_turn_count=1)\n"
        "hello(); time.sleep(1); speak('Two.'); result('Two.')\nhear()"
    )
    told = await actor.plays(script)
    assert told.how == OK, told.ended
    assert told.ended.summary == "Two."


async def test_a_note_that_it_never_acknowledges(actor: Actor) -> None:
    script = "hello(); speak(); open('ready', 'w'); hear(); result(); time.sleep(60)"
    spec = actor.spec(script)
    async with begun(actor.driver, spec, brief(), actor.stage.place()) as (news, _):
        actor.stage.inbox.put(Note("hurry"))
    assert Told(news).how == OK, news[-1]
    assert left_over(actor.stage) == []


async def test_silence_is_not_held_against_it_while_a_person_thinks(actor: Actor) -> None:
    async def think(action: Action) -> Decision:
        await asyncio.sleep(1.5)
        return Decision("allow", f"{action.target} it is")

    script = (
        "hello(); taken(first)\n"
        "tell(type='control_request', request_id='q1', request={'subtype': 'can_use_tool',\n"
        "     'tool_name': 'Bash', 'input': {'command': 'make'}})\n"
        "speak(json.dumps(hear())); result()"
    )
    place = actor.stage.place(approve=think)
    told = await attempt(actor.driver, actor.spec(script, idle_timeout=0.7), brief(), place)
    assert told.how == OK, told.ended
    answer = json.loads(told.spoke[0])["response"]
    assert answer["request_id"] == "q1"
    assert answer["response"] == {"behavior": "allow", "updatedInput": {"command": "make"}}


async def test_what_is_denied_comes_with_its_reason(actor: Actor) -> None:
    script = (
        "hello(); taken(first)\n"
        "tell(type='control_request', request_id='q1', request={'subtype': 'can_use_tool',\n"
        "     'tool_name': 'Write', 'input': {'file_path': '/etc/passwd'}})\n"
        "speak(json.dumps(hear())); result()"
    )
    place = actor.stage.place(approve=actor.stage.approving(Permissions(mode="allow")))
    told = await attempt(actor.driver, actor.spec(script), brief(), place)
    answer = json.loads(told.spoke[0])["response"]["response"]
    assert answer["behavior"] == "deny"
    assert "outside of its worktree" in answer["message"]


async def test_what_nobody_offers_is_refused(actor: Actor) -> None:
    script = (
        "hello(); taken(first)\n"
        "tell(type='control_request', request_id='q1', request={'subtype': 'mcp_message'})\n"
        "speak(json.dumps(hear())); result()"
    )
    told = await actor.plays(script)
    answer = json.loads(told.spoke[0])["response"]
    assert (answer["subtype"], answer["request_id"]) == ("error", "q1")


@pytest.mark.parametrize("how", ["silence", "time"])
async def test_it_does_not_let_itself_be_interrupted(actor: Actor, how: str) -> None:
    script = "signal.signal(signal.SIGTERM, signal.SIG_IGN); hello(); speak('Begun.')\n"
    script += (
        "while True: time.sleep(60)"
        if how == "silence"
        else "while True: speak('again'); time.sleep(0.02)"
    )
    settings = {"idle_timeout": 0.7} if how == "silence" else {"timeout": 1.0}
    told = await actor.plays(script, **settings)
    assert told.how == ("timed_out", "timeout"), told.ended
    assert [item for item in told.news if isinstance(item, Said)]


async def test_it_is_slow_to_end_when_it_is_interrupted(actor: Actor) -> None:
    script = (
        "hello(); speak('Begun.')\nhear(); tell(type='result', subtype='error_during_execution',"
        "is_error=True, total_cost_usd=0.5, session_id='s1')"
    )
    told = await actor.plays(script, timeout=1.0)
    assert told.how == ("timed_out", "timeout"), told.ended
    assert told.usage.cost == 500_000
    assert told.ended.session == "s1"


# ── a message in its last moments ───────────────────────────────────────────────────────────────


async def played(actor: Actor, script: str, *notes: str) -> Told:
    """Plays a script; the notes are said as soon as it has made the file `ready`."""
    place = actor.stage.place()
    async with begun(actor.driver, actor.spec(script), brief(), place) as (news, _):
        await there(actor.stage.tree / "ready")
        for note in notes:
            actor.stage.inbox.put(Note(note))
    return Told(news)


@pytest.mark.parametrize(
    ("after", "unheard"),
    [
        ("taken(hear()); result()", ()),
        ("note = hear(); result(); lose(note, 'cancelled')", ("hurry",)),
        ("note = hear(); lose(note, 'refused'); result()", ("hurry",)),
        ("hear(); result()", ("hurry",)),  # it says what becomes of messages, and said nothing
        ("hear(); os._exit(1)", ("hurry",)),
    ],
)
async def test_what_became_of_a_note_is_told(
    actor: Actor, after: str, unheard: tuple[str, ...]
) -> None:
    lose = "def lose(m, state): tell(type='command_lifecycle', command_uuid=m['uuid'], state=state)"
    script = f"{lose}\nhello(); taken(first); speak(); open('ready', 'w').close(); {after}"
    assert (await played(actor, script, "hurry")).ended.unheard == unheard


async def test_a_note_that_comes_when_it_is_leaving_is_not_taken_for_told(actor: Actor) -> None:
    script = (
        "hello(); taken(first); speak(); result(); sys.stdin.read()\n"
        "open('ready', 'w').close(); time.sleep(0.3)"
    )
    told = await played(actor, script, "one", "two")
    assert told.how == OK
    left = actor.stage.inbox.notes()
    assert [*told.ended.unheard, *left] == ["one", "two"]
    assert told.ended.session == "s1"
