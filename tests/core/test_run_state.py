"""What single events do to a run, and what then ought to be going on, in small tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from massgen_ls.core.ballots import Ballot
from massgen_ls.core.candidate import Candidate, CheckResult, Snapshot
from massgen_ls.core.changes import ChangeSet, FileChange, rel_path
from massgen_ls.core.coordination import (
    MakeAttempt,
    RunCheck,
    Settle,
    TakeSnapshot,
    next_steps,
    verdict,
)
from massgen_ls.core.events import (
    AgentActed,
    AttemptEnded,
    AttemptOutcome,
    AttemptStarted,
    BallotCast,
    CancelRequested,
    CandidateCaptured,
    CheckFinished,
    DeadlinePassed,
    Delivered,
    DeliveryRefused,
    Discarded,
    Event,
    NothingCaptured,
    Notice,
    RunFailed,
    RunInterrupted,
    RunSettled,
    RunStarted,
    SnapshotTaken,
)
from massgen_ls.core.run_state import EMPTY, RunState, evolve, fold
from massgen_ls.core.scoring import scorecards
from massgen_ls.core.task import (
    AgentId,
    AgentSpec,
    CandidateId,
    CheckSpec,
    Rules,
    RunSpec,
    SeatId,
    Task,
)
from massgen_ls.core.voting import Verdict

A, B = SeatId("a"), SeatId("b")
SNAPSHOT = Snapshot("/repo", "", "/shadow", "c0", "base", "h0")
SPEC = RunSpec(
    Task("do it"),
    (AgentSpec(AgentId("a"), "x"), AgentSpec(AgentId("b"), "x")),
    (CheckSpec("k", ("true",)),),
)


def candidate(seat: SeatId, tree: str = "t1", base: str = "base") -> Candidate:
    changes = ChangeSet.of([FileChange("modify", rel_path("f"), added=1, removed=0)])
    return Candidate(CandidateId(f"{seat}.1"), seat, base, tree, "c1", changes)


def ended(seat: SeatId, outcome: AttemptOutcome = "done", reason: str = "") -> list[Event]:
    return [AttemptStarted(seat, 1, "/w"), AttemptEnded(seat, 1, outcome, reason)]


def captured(seat: SeatId, tree: str = "t1") -> list[Event]:
    return [*ended(seat), CandidateCaptured(candidate(seat, tree))]


def checked(tree: str, *failures: str, repeat: int = 0) -> CheckFinished:
    outcome = "failed" if failures else "passed"
    return CheckFinished(CheckResult("k", tree, outcome, failures), repeat)


def run(*events: Event, spec: RunSpec = SPEC) -> RunState:
    return fold([RunStarted(spec, "/repo", "1:1"), SnapshotTaken(SNAPSHOT, 0.0), *events])


ANY: list[Event] = [
    SnapshotTaken(SNAPSHOT, 0.0),
    *captured(A),
    AgentActed(A, "edit"),
    NothingCaptured(A, 1, ""),
    checked("base"),
    BallotCast(Ballot(A, 0, CandidateId("b.1"))),
    CancelRequested("you"),
    DeadlinePassed(1.0),
    RunFailed("x"),
    RunInterrupted(),
    RunSettled(Verdict("none", None, "x")),
    Delivered(CandidateId("a.1"), ()),
    DeliveryRefused(CandidateId("a.1"), "x"),
    Discarded(None),
    Notice("info", "x"),
]


@pytest.mark.parametrize("event", ANY, ids=lambda e: e.kind)
def test_nothing_happens_to_a_run_that_has_not_begun(event: Event) -> None:
    assert evolve(EMPTY, event) == EMPTY
    assert next_steps(EMPTY) == frozenset()


@pytest.mark.parametrize(
    "event",
    [
        RunStarted(SPEC, "/elsewhere", "2:2"),
        SnapshotTaken(Snapshot("/other", "", "", "", "", None), 0.0),
        DeliveryRefused(CandidateId("a.1"), "the disk is full"),
        Delivered(CandidateId("z.1"), ()),
        checked("t1", "again"),
        CheckFinished(CheckResult("unknown", "t1", "failed")),
        AgentActed(A, "edit", "after its end"),
        AgentActed(SeatId("z"), "edit"),
        AttemptStarted(A, 2, "/w"),
        AttemptEnded(A, 1, "failed"),
        NothingCaptured(A, 1, "late"),
        CandidateCaptured(candidate(A)),
        CandidateCaptured(candidate(B)),
        CandidateCaptured(candidate(SeatId("z"))),
        BallotCast(Ballot(A, 1, CandidateId("a.1"))),
        BallotCast(Ballot(B, 0, CandidateId("a.1"))),
        BallotCast(Ballot(B, 1, CandidateId("z.1"))),
        BallotCast(Ballot(SeatId("z"), 1, CandidateId("a.1"))),
    ],
    ids=lambda e: e.kind,
)
def test_what_is_stale_or_makes_no_sense_changes_nothing(event: Event) -> None:
    state = run(*captured(A), checked("t1"))
    assert evolve(state, event) == state


def test_a_candidate_of_another_base_is_none() -> None:
    state = run(*ended(A))
    assert evolve(state, CandidateCaptured(candidate(A, base="elsewhere"))) == state


def test_what_was_said_and_delivered_is_kept_also_after_the_verdict() -> None:
    over = run(*captured(A), *captured(B, "t2"), RunSettled(Verdict("none", None, "x")))
    landed = Delivered(CandidateId("a.1"), (rel_path("f"),))
    notice = Notice("warning", "careful")
    state = fold([landed, notice, Discarded(CandidateId("b.1"))], over)
    assert state.deliveries == (landed,)
    assert state.notices == (notice,)
    assert state.discarded == {"b.1"}
    assert evolve(state, Discarded(None)).discarded == {"a.1", "b.1"}
    assert evolve(over, Discarded(CandidateId("z.1"))) == over


def test_what_an_agent_does_is_seen_while_it_works() -> None:
    state = run(AttemptStarted(A, 1, "/w"), AgentActed(A, "edit", "f.py"))
    seat = state.seat(A)
    assert seat is not None
    assert (seat.phase, seat.action) == ("working", "edit f.py")
    seat = evolve(state, AttemptEnded(A, 1, "done", seconds=2.0)).seat(A)
    assert seat is not None
    assert (seat.phase, seat.action, seat.seconds) == ("ended", "", 2.0)


def test_the_first_who_cancels_and_the_first_failure_are_remembered() -> None:
    assert run(CancelRequested("you"), CancelRequested("me")).cancelled_by == "you"
    assert run(CancelRequested("")).cancelled_by == "someone"
    assert run(RunFailed("a"), RunFailed("b")).failure == "a"
    assert run(RunFailed("")).failure == "unknown reason"


def test_an_interruption_ends_what_was_going_on_and_nothing_else() -> None:
    three = RunSpec(SPEC.task, (*SPEC.agents, AgentSpec(AgentId("c"), "x")))
    state = run(AttemptStarted(A, 1, "/w"), *ended(B), RunInterrupted(), spec=three)
    assert [(s.phase, s.outcome, s.captured) for s in state.seats] == [
        ("ended", "interrupted", True),
        ("ended", "done", True),
        ("waiting", None, False),
    ]
    (settle,) = next_steps(state)
    assert isinstance(settle, Settle)
    assert settle.verdict.why == "The server stopped before there was a verdict."


def test_a_cancelled_run_waits_for_what_wraps_up_and_names_what_it_keeps() -> None:
    state = run(*captured(A), AttemptStarted(B, 1, "/w"), CancelRequested("you"))
    assert next_steps(state) == frozenset()
    state = fold([AttemptEnded(B, 1, "cancelled")], state)
    assert next_steps(state) == frozenset()
    state = fold([NothingCaptured(B, 1, "")], state)
    assert next_steps(state) == {
        Settle(
            Verdict(
                "cancelled",
                None,
                "Cancelled by you. 1 candidate kept: a.1.",
                (CandidateId("a.1"),),
            )
        )
    }


def test_the_base_is_judged_while_the_agents_work_and_not_for_nobody() -> None:
    first = {MakeAttempt(A, 1), MakeAttempt(B, 1)}
    begun = fold([RunStarted(SPEC, "/repo", "1:1")])
    assert next_steps(begun) == {TakeSnapshot()}
    assert next_steps(run()) == first | {RunCheck("k", "base")}
    idle = [*ended(A), NothingCaptured(A, 1, ""), *ended(B), NothingCaptured(B, 1, "")]
    (settle,) = next_steps(run(*idle))
    assert isinstance(settle, Settle)
    assert settle.verdict.outcome == "none"


def test_a_capture_is_waited_for_also_when_enough_have_ended() -> None:
    hasty = RunSpec(SPEC.task, SPEC.agents, (), Rules(quorum=0.5))
    state = run(*captured(A), *ended(B), spec=hasty)
    assert next_steps(state) == {MakeAttempt(B, 1)}
    assert next_steps(run(*captured(A), AttemptStarted(B, 1, "/w"), spec=hasty)) == frozenset()


def test_a_second_look_is_taken_once_on_each_side() -> None:
    two = [*captured(A), *ended(B), NothingCaptured(B, 1, "")]
    state = run(*two, checked("base"), checked("t1", "f"), checked("t1", "f", repeat=1))
    assert next_steps(state) == {RunCheck("k", "base", 1)}
    state = fold([checked("base", repeat=1)], state)
    (settle,) = next_steps(state)
    assert isinstance(settle, Settle)
    assert settle.verdict.outcome == "abstained"


def test_evidence_needs_both_sides() -> None:
    state = run(*captured(A))
    assert [card.evidence for card in scorecards(state)] == [()]
    assert [card.evidence for card in scorecards(evolve(state, checked("t1")))] == [()]
    (card,) = scorecards(fold([checked("t1"), checked("base", "f")], state))
    assert [e.fixed for e in card.evidence] == [("f",)]


def test_a_finding_that_moved_below_the_opened_folder_is_not_new() -> None:
    moved = FileChange("rename", rel_path("sub/new"), rel_path("sub/old"), added=0, removed=0)
    renamer = Candidate(CandidateId("a.1"), A, "base", "t1", "c", ChangeSet.of([moved]))
    below = Snapshot("/repo", "sub", "/shadow", "c0", "base", "h0")
    state = fold(
        [
            RunStarted(SPEC, "/repo/sub", "1:1"),
            SnapshotTaken(below, 0.0),
            *ended(A),
            CandidateCaptured(renamer),
            checked("base", "old: E1"),
            checked("t1", "new: E1"),
        ]
    )
    assert [card.clears for card in scorecards(state)] == [True]


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], "a: not started; b: not started"),
        ([*ended(A), *ended(B, "timed_out")], "a: changed nothing; b: timed out"),
        (
            [*ended(A, "done", "said no"), *ended(B, "failed", "exit 3")],
            "a: said no; b: exit 3",
        ),
    ],
)
def test_how_every_agent_ended_is_said(events: list[Event], said: str) -> None:
    assert verdict(run(*events)).why == f"No agent produced a candidate ({said})."
    late = verdict(run(*events, DeadlinePassed(1.0)))
    assert late.why == f"Out of time before any agent had finished ({said})."


def test_a_verdict_in_time_trouble_says_so_and_who_is_missing() -> None:
    why = verdict(run(*captured(A), DeadlinePassed(1.0))).why
    assert why.endswith("a.1 wins. Time ran out. Without a candidate: b (not started).")


def test_nobody_loses_by_the_size_of_the_tests_that_they_bring() -> None:
    def sized(seat: SeatId, tree: str, code: int, tests: int) -> list[Event]:
        files = [FileChange("modify", rel_path("f.py"), added=code, removed=0)]
        files += [FileChange("add", rel_path("test_f.py"), added=tests, removed=0)] if tests else []
        made = replace(candidate(seat, tree), changes=ChangeSet.of(files))
        return [*ended(seat), CandidateCaptured(made)]

    state = run(*sized(A, "t1", 5, 0), *sized(B, "t2", 4, 40))
    assert [card.size.beside for card in scorecards(state)] == [5, 4]
    assert verdict(state).winner == "b.1"
