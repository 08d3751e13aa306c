"""One attempt: whatever the driver, the disk or a cancel do, its end is told and its work kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from massgen_ls.core.candidate import Candidate
from massgen_ls.core.changes import ChangeSet, FileChange, RelPath
from massgen_ls.core.errors import GitError
from massgen_ls.core.events import (
    AttemptEnded,
    AttemptStarted,
    CandidateCaptured,
    Event,
    NothingCaptured,
    Notice,
)
from massgen_ls.core.normal import Normaliser
from massgen_ls.core.syntax import Language
from massgen_ls.core.task import (
    AgentId,
    AgentSpec,
    CandidateId,
    Diagnostic,
    LineRange,
    RunId,
    RunSpec,
    Scope,
    Task,
)
from massgen_ls.engine.brief import brief
from massgen_ls.engine.seat import Seat
from massgen_ls.engine.substance import Files
from massgen_ls.engine.world import World
from massgen_ls.ports import AgentNews, Brief, Captured, Ended, Fence, Place
from massgen_ls.testing.agents import ends
from tests.engine.seats import CHANGES, LEFT, A, Desk, seat

KEPT = Candidate(CandidateId("a.1"), A, "base", "t1", "c1", CHANGES)
STARTED = AttemptStarted(A, 1, "/w", "scripted")


async def test_what_an_agent_left_is_a_candidate_and_what_was_left_out_is_told() -> None:
    events: list[Event] = []
    desk = Desk(Captured("t1", "c1", CHANGES, ("a link leads outside", "too large")))
    await seat(desk, ends(Ended("done", exit_code=0, summary="did it")), events).work()
    assert events == [
        STARTED,
        AttemptEnded(A, 1, "done", "", 0),
        Notice("warning", "a link leads outside", A),
        Notice("warning", "too large", A),
        CandidateCaptured(replace(KEPT, summary="did it")),
    ]
    assert desk.asked == [("a.1", "a.1: do it")]


async def test_work_in_files_that_git_ignores_is_told_as_such() -> None:
    names = (".env", "a.local", "b.local", "c.local", "d.local")
    alone, beside = list[Event](), list[Event]()
    ends_well = ends(Ended("done"))
    await seat(Desk(replace(LEFT, changes=ChangeSet(), unseen=names[:2])), ends_well, alone).work()
    await seat(Desk(replace(LEFT, unseen=names)), ends_well, beside).work()
    assert alone[-1] == NothingCaptured(
        A, 1, "changed only files that git ignores: .env and a.local"
    )
    assert [event.text for event in beside if isinstance(event, Notice)] == [
        "git ignores .env, a.local, b.local and 2 more: "
        "what was written there is no part of the candidate"
    ]


async def test_an_agent_of_an_unknown_type_is_told_with_the_types_there_are() -> None:
    events: list[Event] = []
    at = seat(Desk(replace(LEFT, changes=ChangeSet())), ends(Ended("done")), events)
    await replace(at, agent=replace(at.agent, type="magic")).work()
    reason = "no driver for type 'magic'; there are: other, scripted"
    assert events == [
        replace(STARTED, type="magic"),
        AttemptEnded(A, 1, "missing", reason, failure="missing"),
        NothingCaptured(A, 1, "changed nothing"),
    ]


async def test_a_driver_that_does_not_keep_to_its_time_is_cut_off_and_its_work_kept() -> None:
    async def hangs(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        await asyncio.Event().wait()
        yield Ended("done")

    events: list[Event] = []
    at = replace(seat(Desk(), hangs, events, attempt_timeout=0.01), grace=0.01)
    await at.work()
    assert events == [
        STARTED,
        AttemptEnded(A, 1, "timed_out", "did not end within 0.01 s", failure="timeout"),
        CandidateCaptured(KEPT),
    ]


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [({}, 60.0), ({"timeout": 5}, 5.0), ({"timeout": 99.5}, 60.0), ({"timeout": None}, 60.0)],
)
async def test_an_agent_has_its_own_time_within_that_of_the_run(
    settings: dict[str, float | None], allowed: float
) -> None:
    places: list[Place] = []

    async def looks(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        places.append(place)
        yield Ended("done")

    at = seat(Desk(), looks, [], attempt_timeout=60.0)
    await replace(at, agent=replace(at.agent, settings=settings)).work()
    mine = [replace(place, approve=None, inbox=None, up=None) for place in places]
    walls = Fence(("/w", "/home"), readable=Desk.reads)
    assert mine == [Place("/w", "/w/sub", "/home", RunId("r"), allowed, walls)]


@pytest.mark.parametrize(
    ("sandbox", "fence"),
    [
        ("off", None),
        ("auto", Fence(("/w", "/home"), readable=Desk.reads)),
        ("required", Fence(("/w", "/home"), required=True, readable=Desk.reads)),
    ],
)
async def test_the_fence_is_as_the_rules_say(sandbox: str, fence: Fence | None) -> None:
    fences: list[Fence | None] = []

    async def looks(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        fences.append(place.fence)
        yield Ended("done")

    await seat(Desk(), looks, [], sandbox=sandbox).work()
    assert fences == [fence]


async def test_no_worktree_no_attempt() -> None:
    events: list[Event] = []
    await seat(Desk(missing="the disk is full"), ends(Ended("done")), events).work()
    assert events == [
        AttemptStarted(A, 1, "", "scripted"),
        AttemptEnded(A, 1, "failed", "the disk is full"),
        NothingCaptured(A, 1, "the disk is full"),
    ]


async def test_what_cannot_be_captured_is_told() -> None:
    async def fails() -> None:
        raise GitError("the index is broken", "Look at the disk")

    events: list[Event] = []
    await seat(Desk(before_capture=fails), ends(Ended("done")), events).work()
    reason = "cannot be captured: the index is broken. Look at the disk"
    assert events[-1] == NothingCaptured(A, 1, reason)


async def test_a_bug_in_a_capture_ends_the_attempt_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def bug() -> None:
        raise ZeroDivisionError("a bug in a capture")

    events: list[Event] = []
    await seat(Desk(before_capture=bug), ends(Ended("done")), events).work()
    assert events[-1] == NothingCaptured(
        A, 1, "internal error: ZeroDivisionError: a bug in a capture"
    )
    assert "a bug in a capture" in caplog.text


def keeping(at: Seat, keep: Callable[[], Awaitable[None]]) -> Seat:
    """The same seat where that happens when an agent's conversation is to be kept."""

    async def kept(*_: object) -> None:
        await keep()

    ports = {**vars(at.world), "conversations": SimpleNamespace(keep=kept)}
    return replace(at, world=cast(World, SimpleNamespace(**ports)))


SAID = Ended("done", session="s1", conversation="/home/said")


async def test_a_bug_in_keeping_a_conversation_costs_the_conversation_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def bug() -> None:
        raise ZeroDivisionError("a bug in a folder")

    events: list[Event] = []
    await keeping(seat(Desk(), ends(SAID), events), bug).work()
    assert events == [STARTED, AttemptEnded(A, 1, "done"), CandidateCaptured(KEPT)]
    assert "a bug in a folder" in caplog.text


async def test_a_conversation_that_is_never_kept_costs_no_candidate() -> None:
    begun = asyncio.Event()

    async def hangs() -> None:
        begun.set()
        await asyncio.Event().wait()

    events: list[Event] = []
    at = replace(keeping(seat(Desk(), ends(SAID), events), hangs), wrap_up=0.01)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        working = group.create_task(at.work())
        await begun.wait()
        working.cancel()
    assert events[:3] == [STARTED, AttemptEnded(A, 1, "done"), CandidateCaptured(KEPT)]


@pytest.mark.parametrize("broken", ["objects", "parse"])
async def test_a_bug_in_what_reads_the_changes_costs_no_candidate(
    caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    async def read(_snapshot: object, wanted: list[object]) -> list[bytes]:
        if broken == "objects":
            raise ZeroDivisionError("a bug in a reader")
        return [b"package main\n"] * len(wanted)

    def parse(language: Language, content: bytes) -> None:
        raise ZeroDivisionError("a bug in a reader")

    go = FileChange("add", RelPath("f.go"), new_oid="o1", new_type="file", added=1, removed=0)
    changes = ChangeSet.of([go])
    events: list[Event] = []
    at = seat(Desk(replace(LEFT, changes=changes)), ends(Ended("done")), events)
    ports = {**vars(at.world), "objects": SimpleNamespace(read=read)}
    world = cast(World, SimpleNamespace(**ports))
    spec = replace(at.spec, agents=(*at.spec.agents, AgentSpec(AgentId("b"), "scripted")))
    at = replace(at, world=world, spec=spec, files=Files(Normaliser(parse)))
    await at.work()
    assert events[-1] == CandidateCaptured(replace(KEPT, changes=changes))
    assert "a bug in a reader" in caplog.text


async def test_a_cancel_while_the_work_is_recorded_does_not_lose_it() -> None:
    capturing, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> None:
        capturing.set()
        await go_on.wait()

    events: list[Event] = []
    at = seat(Desk(before_capture=slowly), ends(Ended("done")), events)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        working = group.create_task(at.work())
        await capturing.wait()
        working.cancel()
        group.create_task(asyncio.to_thread(lambda: None)).add_done_callback(lambda _: go_on.set())
    assert working.cancelled(), "and then the cancellation goes on"
    assert events == [STARTED, AttemptEnded(A, 1, "done"), CandidateCaptured(KEPT)]


async def test_a_cancelled_attempt_ends_even_where_the_disk_hangs() -> None:
    capturing = asyncio.Event()

    async def hangs() -> None:
        capturing.set()
        await asyncio.Event().wait()

    events: list[Event] = []
    at = replace(seat(Desk(before_capture=hangs), ends(Ended("done")), events), wrap_up=0.01)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        working = group.create_task(at.work())
        await capturing.wait()
        working.cancel()
    reason = "what it left could not be recorded within 0.01 s"
    assert events[-1] == NothingCaptured(A, 1, reason)


# ── what an agent is told ───────────────────────────────────────────────────────────────────────

F = RelPath("src/f.py")


@pytest.mark.parametrize(
    ("message", "scope", "prompt"),
    [
        ("", Scope(), "do it"),
        ("\n You are kind. \n", Scope(), "You are kind.\n\ndo it"),
        ("", Scope(F), "do it\n\nScope: src/f.py."),
        ("Kind.", Scope(F, LineRange(3, 9)), "Kind.\n\ndo it\n\nScope: src/f.py, lines 3 to 9."),
        (
            "",
            Scope(
                F,
                LineRange(7, 7),
                (
                    Diagnostic(F, 7, "unused import", "ruff", "F401"),
                    Diagnostic(F, 8, "what is this?"),
                ),
            ),
            "do it\n\nScope: src/f.py, lines 7 to 7.\n"
            "Diagnostic: src/f.py:7: ruff: unused import [F401]\n"
            "Diagnostic: src/f.py:8: what is this?",
        ),
    ],
)
def test_an_agent_is_told_the_task_and_its_scope_in_these_words(
    message: str, scope: Scope, prompt: str
) -> None:
    agent = AgentSpec(AgentId("a"), "x", system_message=message)
    task = Task("do it", scope)
    told = brief(agent, RunSpec(task, (agent,)), 2, briefed=False)
    assert told == Brief(task, A, 2, prompt)
