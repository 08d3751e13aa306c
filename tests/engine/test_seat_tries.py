"""What a seat makes of an agent's failures, its spending, its words and its questions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from massgen_ls.core.budget import Usage
from massgen_ls.core.conversation import Called, Spoken, Transcript
from massgen_ls.core.events import (
    AgentActed,
    AttemptEnded,
    AttemptPaused,
    CandidateCaptured,
    Conversed,
    Event,
    Notice,
    PermissionDecided,
    UsageReported,
)
from massgen_ls.core.failures import Backoff, FailureKind
from massgen_ls.core.permissions import Action, Decision, Permissions
from massgen_ls.core.task import RunId, SeatId
from massgen_ls.engine import prompts
from massgen_ls.engine.seat import Seat
from massgen_ls.engine.world import World
from massgen_ls.ports import (
    STOPPED,
    Acted,
    AgentNews,
    Brief,
    Ended,
    Halt,
    Message,
    Note,
    Place,
    Returned,
    Said,
    Spoke,
    Used,
)
from massgen_ls.testing.agents import Script, plays
from tests.engine.seats import A, Desk, seat


def in_turn(*tries: tuple[AgentNews, ...]) -> tuple[Script, list[Brief]]:
    """An agent that is heard to say this in its first try, that in its second one, …"""
    heard: list[Brief] = []

    async def script(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        heard.append(brief)
        for item in tries[len(heard) - 1]:
            yield item

    return script, heard


def failed(kind: FailureKind, session: str = "", after: float | None = None) -> Ended:
    return Ended("failed", f"{kind}.", failure=kind, session=session, retry_after=after)


async def test_what_passes_by_itself_is_tried_again_in_the_same_conversation() -> None:
    script, briefs = in_turn(
        (Used(Usage(10, requests=1)), failed("overloaded", "s1")),
        (Used(Usage(5, requests=1)), failed("rate_limit")),
        (Used(Usage(7, cost=30)), Ended("done")),
    )
    events: list[Event] = []
    await seat(Desk(), script, events).work()
    assert [(b.session, b.prompt) for b in briefs] == [
        ("", "do it"),
        ("s1", prompts.GO_ON),
        ("s1", prompts.GO_ON),
    ]
    assert [e for e in events if isinstance(e, AttemptPaused)] == [
        AttemptPaused(A, 1, "overloaded", "overloaded.", 0.0, 1),
        AttemptPaused(A, 1, "rate_limit", "rate_limit.", 0.0, 2),
    ]
    assert [e.usage for e in events if isinstance(e, UsageReported)] == [
        Usage(10, requests=1),
        Usage(15, requests=2),
        Usage(22, requests=2, cost=30),
    ]
    assert [e.outcome for e in events if isinstance(e, AttemptEnded)] == ["done"]


@pytest.mark.parametrize(
    ("kind", "tries"),
    [
        ("auth", 1), ("context", 1), ("refused", 1), ("turns", 1), ("config", 1), ("missing", 1),
        ("crashed", 2), ("protocol", 2), ("network", 3), ("rate_limit", 4), ("overloaded", 4),
    ],
)  # fmt: skip
async def test_each_kind_of_failure_is_tried_as_often_as_it_can_help(
    kind: FailureKind, tries: int
) -> None:
    script, briefs = in_turn(*[(failed(kind),)] * 9)
    events: list[Event] = []
    await seat(Desk(), script, events).work()
    assert len(briefs) == tries
    many = f"{kind} (tried {tries} times)." if tries > 1 else f"{kind}."
    ends = [e for e in events if isinstance(e, AttemptEnded)]
    assert [(e.outcome, e.reason, e.failure) for e in ends] == [("failed", many, kind)]


async def test_a_pause_that_the_time_does_not_allow_is_not_made() -> None:
    script, briefs = in_turn((failed("rate_limit", after=61.0),))
    events: list[Event] = []
    await seat(Desk(), script, events, attempt_timeout=60.0).work()
    assert len(briefs) == 1
    assert not [e for e in events if isinstance(e, AttemptPaused)]


async def test_what_an_agent_says_and_does_is_kept_as_a_transcript() -> None:
    script = plays(
        Said("live noise"),
        Spoke("let me see", thinking=True),
        Acted("read", "a.py", call="1"),
        Acted("run", "pytest", call="2"),
        Returned("2", "1 failed", ok=False),
        Returned("1", "x = 1", ok=True),
        Returned("9", "of no call", ok=True),
        Spoke("Done."),
        Ended("done", summary="Did it.", session="s1"),
    )
    events: list[Event] = []
    at = seat(Desk(), script, events, briefed=True)
    await at.work()
    kept = next(e for e in events if isinstance(e, Conversed))
    first, *parts = kept.transcript.parts
    assert isinstance(first, Spoken)
    assert (first.by, first.text.startswith("do it\n\n## Where you work")) == ("user", True)
    assert replace(kept, transcript=replace(kept.transcript, parts=tuple(parts))) == Conversed(
        A,
        1,
        Transcript(
            "a",
            "scripted",
            (
                Spoken("let me see", thinking=True),
                Called("read", "a.py", result="x = 1", ok=True, call="1"),
                Called("run", "pytest", result="1 failed", ok=False, call="2"),
                Spoken("Done."),
            ),
            at_files(events),
            "Did it.",
            session="s1",
        ),
    )
    acted = [(e.action, e.target) for e in events if isinstance(e, AgentActed)]
    assert acted == [("read", "a.py"), ("run", "pytest")]
    # The transcript is stored before the candidate, which may be the last fact of the run.
    kinds = [e.kind for e in events]
    assert kinds.index("conversed") < kinds.index("candidate_captured")


def at_files(events: list[Event]) -> tuple[str, ...]:
    captured = next(e for e in events if isinstance(e, CandidateCaptured))
    return tuple(f.path for f in captured.candidate.changes.files)


class Person:
    """`ports.Approver` with an answer for every question."""

    def __init__(self, *, yes: bool) -> None:
        self._yes = yes
        self.asked: list[str] = []

    async def ask(self, run: RunId, seat: SeatId, action: Action, reason: str) -> bool:
        self.asked.append(f"{seat} {action.kind} {action.target}: {reason}")
        return self._yes


RUN = Action("run", "make all", "Bash")


@pytest.mark.parametrize(
    ("person", "confines", "word", "by", "asked"),
    [
        (None, True, "allow", "rule", []),
        (None, False, "deny", "rule", []),
        (True, False, "allow", "user", ["a run make all: no sandbox confines it"]),
        (False, False, "deny", "user", ["a run make all: no sandbox confines it"]),
    ],
)
async def test_who_asks_is_answered_by_rule_or_by_a_person(
    person: bool | None, confines: bool, word: str, by: str, asked: list[str]
) -> None:
    answers: list[Decision] = []

    async def asks(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        assert place.approve is not None
        assert place.confined == confines
        answers.append(await place.approve(Action("edit", "a.py")))
        answers.append(await place.approve(RUN))
        yield Ended("done")

    events: list[Event] = []
    approver = None if person is None else Person(yes=person)
    at = seat(Desk(), asks, events)
    world: World = at.world
    world.confines = confines
    world.approver = approver  # type: ignore[misc]
    await at.work()
    assert [answer.word for answer in answers] == ["allow", word]
    decided = [e for e in events if isinstance(e, PermissionDecided)]
    # An edit that a rule allows is not worth a line.
    assert [(e.action, e.word, e.by) for e in decided] == [(RUN, word, by)]
    assert (approver.asked if approver else []) == asked


async def test_nobody_there_means_no_and_says_how_to_allow_it() -> None:
    answers: list[Decision] = []

    async def asks(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        assert place.approve is not None
        answers.append(await place.approve(RUN))
        yield Ended("done")

    at = seat(Desk(), asks, [])
    await replace(at, agent=replace(at.agent, permissions=Permissions("ask"))).work()
    assert answers == [
        Decision(
            "deny",
            "`permissions: ask` in the configuration, and nobody can be asked here; "
            'allow it in the configuration, e.g. `allow: ["run:*"]`',
        )
    ]


# ── what is said to it meanwhile ────────────────────────────────────────────────────────────────

LONG = Backoff(first=3600.0, most=3600.0)


def patient(at: Seat) -> Seat:
    """A seat that would wait for an hour before it tries again."""
    at.world.backoff = LONG  # type: ignore[misc]
    return at


async def saying(at: Seat, events: list[Event], message: Message) -> None:
    """Lets a seat work, and says something to its agent as soon as it pauses."""
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        working = group.create_task(patient(at).work())
        while not any(isinstance(e, AttemptPaused) for e in events):  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert at.inbox.put(message)
        await working


async def test_a_halt_in_a_pause_ends_it_at_once_and_what_was_done_counts() -> None:
    script, briefs = in_turn((failed("overloaded", "s1"),))
    events: list[Event] = []
    await saying(seat(Desk(), script, events, attempt_timeout=9e9), events, Halt())
    assert len(briefs) == 1
    ends = [(e.outcome, e.reason, e.failure) for e in events if isinstance(e, AttemptEnded)]
    assert ends == [("done", STOPPED, None)]
    assert any(isinstance(e, CandidateCaptured) for e in events)


@pytest.mark.parametrize("session", ["s1", ""])
async def test_a_note_in_a_pause_is_a_reason_to_try_again_at_once(session: str) -> None:
    script, briefs = in_turn((failed("overloaded", session),), (Ended("done"),))
    events: list[Event] = []
    at = seat(Desk(), script, events, attempt_timeout=9e9)
    await saying(at, events, Note("use the other one"))
    assert briefs[1].session == session
    words = prompts.GO_ON if session else "do it"
    assert briefs[1].prompt == f"{words}\n\n{prompts.SAID.format(notes='use the other one')}"
    assert not [e for e in events if isinstance(e, Notice)]


async def test_who_ended_before_it_heard_a_note_goes_on_with_it() -> None:
    script, briefs = in_turn(
        (Used(Usage(10)), Ended("done", session="s1", summary="One.", unheard=("and the tests",))),
        (Used(Usage(5)), Ended("done", session="s1", summary="Two.")),
    )
    events: list[Event] = []
    at = seat(Desk(), script, events, briefed=True)
    await at.work()
    assert [b.session for b in briefs] == ["", "s1"]
    said = prompts.SAID.format(notes="and the tests")
    assert briefs[1].prompt == f"{prompts.FOLLOW_UP}\n\n{said}"
    captured = [e.candidate.summary for e in events if isinstance(e, CandidateCaptured)]
    assert captured == ["Two."]
    assert [e.usage.input for e in events if isinstance(e, UsageReported)] == [10, 15]
    (kept,) = [e.transcript for e in events if isinstance(e, Conversed)]
    assert Spoken("and the tests", by="user") in kept.parts
    assert not [e for e in events if isinstance(e, Notice)]


async def test_a_note_that_nobody_took_is_not_lost_either() -> None:
    seats: list[Seat] = []

    async def deaf(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        heard.append(brief.prompt)
        if len(heard) == 1:
            assert seats[0].inbox.put(Note("hello?"))
        yield Ended("done", session="s1")

    heard: list[str] = []
    seats.append(seat(Desk(), deaf, []))
    await seats[0].work()
    assert len(heard) == 2
    assert "hello?" in heard[1]
    assert not seats[0].inbox.put(Note("anybody?")), "what nobody will read is not accepted"


@pytest.mark.parametrize(
    "end",
    [
        Ended("failed", "no key.", failure="auth", unheard=("and the tests",)),
        Ended("timed_out", "late", failure="timeout", unheard=("and the tests",)),
    ],
)
async def test_a_note_that_cannot_be_told_any_more_is_not_said_to_be_told(end: Ended) -> None:
    script, briefs = in_turn((end,))
    events: list[Event] = []
    await seat(Desk(), script, events).work()
    assert len(briefs) == 1
    assert [e for e in events if isinstance(e, Notice)] == [
        Notice("warning", "a ended before it could be told: and the tests", A)
    ]


async def test_who_was_stopped_does_not_go_on_with_a_note() -> None:
    async def obeys(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        at.inbox.put(Note("one more"))
        at.inbox.put(Halt())
        yield Ended("done", STOPPED, unheard=("first",))

    events: list[Event] = []
    at = seat(Desk(), obeys, events)
    await at.work()
    lost = [e.text for e in events if isinstance(e, Notice)]
    assert lost == [f"a ended before it could be told: {n}" for n in ("first", "one more")]
    assert [e.outcome for e in events if isinstance(e, AttemptEnded)] == ["done"]
