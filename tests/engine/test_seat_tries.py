"""What a seat makes of an agent's failures, its spending, its words and its questions."""

from __future__ import annotations

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
    PermissionDecided,
    UsageReported,
)
from massgen_ls.core.failures import FailureKind
from massgen_ls.core.permissions import Action, Decision, Permissions
from massgen_ls.core.task import RunId, SeatId
from massgen_ls.engine import prompts
from massgen_ls.engine.world import World
from massgen_ls.ports import (
    Acted,
    AgentNews,
    Brief,
    Ended,
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
