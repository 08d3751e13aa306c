"""The scripted models speak well enough for the real programs, in good times and in bad ones."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from massgen_ls.testing.models import (
    Answer,
    Cut,
    Edit,
    Episode,
    Garbage,
    Gate,
    Read,
    Refuse,
    Reset,
    Shell,
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
from tests.agents.bare import Ran, run

pytestmark = pytest.mark.agents


@pytest.fixture(params=["claude", "gemini", "codex"])
def agent(request: pytest.FixtureRequest) -> str:
    """Each of the programs."""
    return request.getfixturevalue(request.param)


def name(agent: str) -> str:
    return Path(agent).name


def said(ran: Ran) -> str:
    """All that the program says its model said."""
    words: list[str] = []
    for event in ran.events:
        match event:
            case {"type": "assistant", "message": {"content": blocks}}:
                words += [b["text"] for b in blocks if b["type"] == "text"]
            case {"type": "message", "role": "assistant", "content": text}:
                words.append(text)
            case {"type": "item.completed", "item": {"type": "agent_message", "text": text}}:
                words.append(text)
            case _:
                pass
    return "".join(words)


def trouble(ran: Ran) -> str:
    """What the program's last word says went wrong; empty when nothing did."""
    match ran.last:
        case {"type": "result", "is_error": bool(wrong), "result": str(text)}:
            return text if wrong else ""
        case {"type": "result", "status": "error", **rest}:
            return str(rest.get("error"))
        case {"type": "result", "status": "success"} | {"type": "turn.completed"}:
            return ""
        case {"type": "turn.failed", "error": {"message": text}}:
            return text
        case other:
            raise AssertionError(f"not a last word: {other}\n{ran.stderr}")


async def after(
    agent: str, place: Path, *turns: Turn, retries: int = 0, **files: str
) -> tuple[Ran, int]:
    """The run, and how many turns were taken."""
    async with serving({"seat": Episode(*turns)}) as models:
        ran = await run(agent, models.url, place, files=files, key="seat", retries=retries)
        return ran, len(models.turns("seat"))


async def test_a_text_answer(agent: str, tmp_path: Path) -> None:
    turn = Turn(Thinking("Hm."), Text("Grüße from the model."), usage=Usage(500, 9, cached=200))
    ran, turns = await after(agent, tmp_path, turn)
    assert (ran.code, trouble(ran), turns) == (0, "", 1)
    assert said(ran) == "Grüße from the model."
    assert tokens(ran.last) == (500, 200, 9)


def tokens(last: Any) -> tuple[int, int, int]:
    """Input with what was cached, cached, output."""
    match last:
        case {"stats": stats}:
            return stats["input_tokens"], stats["cached"], stats["output_tokens"]
        case {"type": "turn.completed", "usage": used}:
            return used["input_tokens"], used["cached_input_tokens"], used["output_tokens"]
        case {"usage": used}:
            cached = used["cache_read_input_tokens"]
            return used["input_tokens"] + cached, cached, used["output_tokens"]
        case _:
            raise AssertionError(last)


async def test_files_are_written_edited_read_and_commands_run(agent: str, tmp_path: Path) -> None:
    async with serving(
        Episode(
            Turn(Text("First a file. "), Write("new.txt", "one\ntwo\n")),
            Turn(Edit("old", "b\nc", "B\nC")),
            Turn(Read("old"), Shell("mkdir made && printf 'told %d' 42")),
            Turn(Text("Done.")),
        )
    ) as models:
        ran = await run(agent, models.url, tmp_path, files={"old": "a\nb\nc\nd\n"})
        told = str(models.requests[-1].body)
    work = tmp_path / "work"
    assert (ran.code, trouble(ran), said(ran)) == (0, "", "First a file. Done.")
    assert (work / "new.txt").read_text() == "one\ntwo\n"
    assert (work / "old").read_text() == "a\nB\nC\nd\n"
    assert (work / "made").is_dir()
    assert "told 42" in told
    assert len(models.turns()) == 4


REFUSALS: list[tuple[str, Step, dict[str, str]]] = [
    ("401", Refuse(401), {
        "claude": "Invalid API key", "gemini": "API key not valid", "codex": "401 Unauthorized"}),
    ("429", Refuse(429, headers={"retry-after": "1"}), {
        "claude": "rate limit", "gemini": "quota", "codex": "429 Too Many Requests"}),
    ("500", Refuse(500), {
        "claude": "500", "gemini": "internal error", "codex": "high demand"}),
    ("529", Refuse(529), {"claude": "529", "gemini": "529", "codex": "529"}),
    ("too long", TooLong(), {
        "claude": "Prompt is too long", "gemini": "input token count", "codex": "ran out of room"}),
    ("cut in a text", Cut(Text("half a sentence that goes on")), {
        "claude": "", "gemini": "terminated", "codex": "stream disconnected"}),
    ("cut in a tool", Cut(Write("half.txt", "A" * 400)), {
        "claude": "", "gemini": "terminated", "codex": "stream disconnected"}),
    ("reset", Reset(), {
        "claude": "", "gemini": "fetch failed", "codex": "error sending request"}),
]  # fmt: skip


@pytest.mark.parametrize(("step", "words"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS])
async def test_what_goes_wrong_is_told(
    agent: str, tmp_path: Path, step: Step, words: dict[str, str]
) -> None:
    ran, _ = await after(agent, tmp_path, Turn(step))
    assert ran.code != 0
    assert words[name(agent)] in (trouble(ran) or pytest.fail(f"no trouble: {ran.last}"))
    assert list((tmp_path / "work").iterdir()) == []


async def test_garbage_is_no_answer(agent: str, tmp_path: Path) -> None:
    ran, _ = await after(agent, tmp_path, Turn(Garbage(), Text("never heard")))
    if name(agent) == "claude":
        # It skips what is no event and hears the rest.
        assert (ran.code, said(ran)) == (0, "never heard")
    else:
        assert ran.code != 0
        assert "never heard" not in trouble(ran)
        assert trouble(ran)


async def test_a_program_asks_again_after_a_refusal(agent: str, tmp_path: Path) -> None:
    refusal = Turn(Refuse(429, headers={"retry-after": "1"}))
    ran, turns = await after(agent, tmp_path, refusal, Turn(Text("Now it is.")), retries=1)
    assert (ran.code, trouble(ran), said(ran), turns) == (0, "", "Now it is.", 2)


SCHEMA = '{"type":"object","properties":{"vote":{"type":"string"}},"required":["vote"],"additionalProperties":false}'  # fmt: skip  # noqa: E501


async def test_a_structured_answer(claude: str, codex: str, tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text(SCHEMA)
    async with serving(Episode(Turn(Answer({"vote": "b"})), Turn(Text("Voted.")))) as models:
        ran = await run(
            claude, models.url, tmp_path / "c", more=["--tools", "", "--json-schema", SCHEMA]
        )
        assert ran.last["structured_output"] == {"vote": "b"}
        more = ["--output-schema", str(tmp_path / "schema.json")]
        ran = await run(codex, models.url, tmp_path / "x", more=more)
        assert said(ran) == '{"vote": "b"}'


async def test_all_at_once_on_one_server_each_with_its_own_episode(
    claude: str, gemini: str, codex: str, tmp_path: Path
) -> None:
    gate = Gate()
    programs = {"a": claude, "b": gemini, "c": codex, "d": codex}
    scripts = {
        seat: Episode(Turn(Wait(gate), Write("mine", f"{seat}\n")), Turn(Text(f"I am {seat}.")))
        for seat in programs
    }
    async with serving(scripts) as models, asyncio.TaskGroup() as group:
        running = {
            seat: group.create_task(run(program, models.url, tmp_path / seat, key=seat))
            for seat, program in programs.items()
        }
        for seat in programs:
            await models.saw(lambda s, seat=seat: s.request is not None and s.request.seat == seat)
        gate.open()
    for seat, task in running.items():
        assert (task.result().code, said(task.result())) == (0, f"I am {seat}.")
        assert (tmp_path / seat / "work" / "mine").read_text() == f"{seat}\n"
        assert [r.turn for r in models.turns(seat)] == [0, 1]


async def test_codex_waits_for_a_network_that_refuses_it(codex: str, tmp_path: Path) -> None:
    """So whoever drives it needs a clock of their own; no count of retries ends this."""
    ran = await run(codex, "http://127.0.0.1:9", tmp_path, ends_at="waiting for network")
    assert ran.last["type"] == "error"
    assert ran.code != 0
