"""A seat whose agent cannot work goes to its fallback; spending counts and ends what it must."""

from __future__ import annotations

import pytest

from massgen_ls.core.budget import Limits, Usage
from massgen_ls.core.candidate import Candidate, CheckResult, Snapshot
from massgen_ls.core.changes import ChangeSet, FileChange, rel_path
from massgen_ls.core.coordination import (
    MakeAttempt,
    RunCheck,
    Settle,
    Step,
    next_steps,
    verdict,
)
from massgen_ls.core.events import (
    AttemptEnded,
    AttemptOutcome,
    AttemptPaused,
    AttemptStarted,
    CancelRequested,
    CandidateCaptured,
    CheckFinished,
    DeadlinePassed,
    Event,
    NothingCaptured,
    RunFailed,
    RunInterrupted,
    RunStarted,
    SnapshotTaken,
    UsageReported,
)
from massgen_ls.core.gates import eligible
from massgen_ls.core.run_state import RunState, evolve, fold
from massgen_ls.core.seats import SeatState
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
LAST = AgentSpec(AgentId("a"), "third")
CHAIN = AgentSpec(AgentId("a"), "first", fallback=AgentSpec(AgentId("a"), "second", fallback=LAST))
SPEC = RunSpec(Task("do it"), (CHAIN, AgentSpec(AgentId("b"), "alone")))


def candidate(seat: SeatId, n: int, tree: str) -> Candidate:
    changes = ChangeSet.of([FileChange("modify", rel_path("f"), added=1, removed=0)])
    return Candidate(CandidateId(f"{seat}.{n}"), seat, "base", tree, "c", changes)


def tried(
    seat: SeatId, n: int, outcome: AttemptOutcome, reason: str = "", tree: str = ""
) -> list[Event]:
    """One attempt from its start to its capture."""
    return [
        AttemptStarted(seat, n, "/w"),
        AttemptEnded(seat, n, outcome, reason),
        CandidateCaptured(candidate(seat, n, tree)) if tree else NothingCaptured(seat, n, "none"),
    ]


def run(*events: Event, spec: RunSpec = SPEC) -> RunState:
    return fold([RunStarted(spec, "/repo", "1:1"), SnapshotTaken(SNAPSHOT, 0.0), *events])


def seat(state: RunState, name: SeatId = A) -> SeatState:
    found = state.seat(name)
    assert found is not None
    return found


def settled(state: RunState) -> Verdict:
    (step,) = next_steps(state)
    assert isinstance(step, Settle), step
    return step.verdict


def sitting(state: RunState) -> str:
    agent = state.agent(A)
    assert agent is not None
    return agent.type


# ── fallbacks ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("outcome", ["failed", "missing", "timed_out"])
def test_who_cannot_work_hands_the_seat_on_as_a_new_attempt(outcome: AttemptOutcome) -> None:
    state = run(*tried(A, 1, outcome, "no key"))
    assert sitting(state) == "second"
    assert next_steps(state) == {MakeAttempt(A, 2), MakeAttempt(B, 1)}
    assert seat(state) == SeatState(A, attempt=1, agent=1, lost=("no key",))


@pytest.mark.parametrize("outcome", ["done", "cancelled", "interrupted"])
def test_who_worked_or_was_stopped_keeps_the_seat(outcome: AttemptOutcome) -> None:
    state = run(*tried(A, 1, outcome))
    assert sitting(state) == "first"
    assert next_steps(state) == {MakeAttempt(B, 1)}


def test_the_seat_is_handed_on_only_after_its_worktree_was_looked_at() -> None:
    state = run(AttemptStarted(A, 1, "/w"), AttemptEnded(A, 1, "failed", "x"))
    assert sitting(state) == "first"
    assert MakeAttempt(A, 1) in next_steps(state)


def test_a_chain_goes_on_to_its_end_and_no_further() -> None:
    state = run(*tried(B, 1, "done"), *tried(A, 1, "failed", "no key."))
    state = fold(tried(A, 2, "timed_out"), state)
    assert (sitting(state), next_steps(state)) == ("third", {MakeAttempt(A, 3)})
    state = fold(tried(A, 3, "missing", "not installed"), state)
    assert (sitting(state), seat(state).agent) == ("third", 2)
    assert settled(state).why == (
        "No agent produced a candidate (a: no key; then its fallback: none; then its fallback: "
        "not installed; b: none)."
    )


def test_what_a_failed_attempt_left_stays_listed_and_cannot_win() -> None:
    state = run(
        *tried(A, 1, "failed", "cut off", "half"),
        *tried(B, 1, "done"),
        *tried(A, 2, "done", "", "whole"),
    )
    assert [c.id for c in state.candidates] == ["a.1", "a.2"]
    assert [c.id for c in eligible(state)] == ["a.2"]
    said = settled(state)
    assert (said.outcome, said.winner, said.ranking) == ("won", "a.2", ("a.2", "a.1"))


def test_a_late_capture_of_an_earlier_attempt_is_not_the_later_ones() -> None:
    state = run(*tried(A, 1, "failed"), AttemptStarted(A, 2, "/w"), AttemptEnded(A, 2, "done"))
    for n in (0, 1, 3):
        assert evolve(state, CandidateCaptured(candidate(A, n, "t"))) == state
    assert eligible(evolve(state, CandidateCaptured(candidate(A, 2, "t"))))


@pytest.mark.parametrize(
    "stale",
    [
        AttemptStarted(A, 1, "/w"),
        AttemptStarted(A, 3, "/w"),
        AttemptEnded(A, 1, "done"),
        NothingCaptured(A, 1, ""),
        AttemptPaused(A, 1, None, "", 1.0, 1),
        CandidateCaptured(candidate(A, 1, "t")),
    ],
    ids=lambda e: e.kind,
)
def test_what_comes_late_from_the_first_agent_does_not_move_its_fallback(stale: Event) -> None:
    for state in (
        run(*tried(A, 1, "failed")),
        run(*tried(A, 1, "failed"), AttemptStarted(A, 2, "/w")),
    ):
        assert evolve(state, stale) == state


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (CancelRequested("you"), "cancelled"),
        (RunFailed("disk full"), "none"),
        (RunInterrupted(), "cancelled"),
        (DeadlinePassed(1.0), "cancelled"),
    ],
    ids=lambda e: getattr(e, "kind", e),
)
def test_no_fallback_begins_in_a_run_that_ends(end: Event, outcome: str) -> None:
    before = [*tried(B, 1, "failed", "x"), AttemptStarted(A, 1, "/w")]
    failing = [AttemptEnded(A, 1, "failed", "no key"), NothingCaptured(A, 1, "")]
    for events in ([*before, *failing, end], [*before, end, *failing]):
        said = settled(run(*events))
        assert said.outcome == outcome
        if outcome == "cancelled" and isinstance(end, DeadlinePassed):
            assert said.why == "Out of time before any agent had finished (a: no key; b: x)."


def test_a_fallback_at_work_is_cancelled_like_anybody() -> None:
    state = run(
        *tried(B, 1, "done"), *tried(A, 1, "failed", "x", "t1"), AttemptStarted(A, 2, "/w"),
        CancelRequested("you"),
    )  # fmt: skip
    assert next_steps(state) == frozenset()
    state = fold([AttemptEnded(A, 2, "cancelled"), NothingCaptured(A, 2, "")], state)
    assert settled(state).why == "Cancelled by you. 1 candidate kept: a.1."


def test_a_quorum_that_was_reached_needs_no_fallback() -> None:
    hasty = RunSpec(SPEC.task, SPEC.agents, (), Rules(quorum=0.5))
    state = run(*tried(B, 1, "done", "", "t1"), *tried(A, 1, "failed", "x"), spec=hasty)
    assert settled(state).winner == "b.1"
    assert settled(state).why.endswith("Without a candidate: a (x).")


def test_a_verdict_tells_of_the_fallback_that_worked() -> None:
    state = run(*tried(B, 1, "done"), *tried(A, 1, "failed", "no key."))
    state = fold([AttemptStarted(A, 2, "/w", "second"), *tried(A, 2, "done", "", "t2")[1:]], state)
    assert settled(state).winner == "a.2"
    assert settled(state).why.endswith(
        "Without a candidate: b (none). At a a fallback (second) worked instead: no key."
    )


def test_the_kind_of_agent_at_work_is_known() -> None:
    state = run(*tried(A, 1, "failed"), AttemptStarted(A, 2, "/w", "second"))
    assert (seat(state).type, seat(state).phase, seat(state).lost) == (
        "second",
        "working",
        ("none",),
    )


def test_a_fallback_that_changed_nothing_says_why_it_was_needed() -> None:
    state = run(*tried(A, 1, "failed", "no key."), *tried(A, 2, "done"), *tried(B, 1, "done"))
    assert "a: no key; then its fallback: none; b: none" in verdict(state).why


def test_a_failure_without_a_reason_is_named_by_its_outcome() -> None:
    state = run(*tried(A, 1, "timed_out", "", "t1"))
    assert seat(state).lost == ("timed out",)


# ── spending ────────────────────────────────────────────────────────────────────────────────────


def used(name: SeatId, n: int, tokens: int, cost: int | None = None) -> UsageReported:
    return UsageReported(name, n, Usage(tokens, cost=cost))


def test_the_latest_report_of_an_attempt_counts_and_attempts_add_up() -> None:
    state = run(
        AttemptStarted(A, 1, "/w"), used(A, 1, 5, 7), used(A, 1, 9, 8),
        AttemptEnded(A, 1, "failed"), NothingCaptured(A, 1, ""),
        AttemptStarted(A, 2, "/w"), used(A, 2, 100), used(A, 1, 10, 8),
        AttemptStarted(B, 1, "/w"), used(B, 1, 1000),
    )  # fmt: skip
    assert seat(state).spent == (Usage(10, cost=8), Usage(100))
    assert seat(state).usage == Usage(110, cost=8)
    assert state.usage == Usage(1110, cost=8)


def test_a_first_report_of_a_later_attempt_leaves_room_for_the_earlier() -> None:
    state = run(*tried(A, 1, "failed"), AttemptStarted(A, 2, "/w"), used(A, 2, 5))
    assert seat(state).spent == (Usage(), Usage(5))


@pytest.mark.parametrize(
    "senseless", [used(A, 0, 5), used(A, 2, 5), used(A, -1, 5), used(SeatId("z"), 1, 5)]
)
def test_usage_of_no_attempt_counts_for_nobody(senseless: Event) -> None:
    state = run(AttemptStarted(A, 1, "/w"))
    assert evolve(state, senseless) == state


def limited(*checks: str, **limits: int) -> RunSpec:
    specs = tuple(CheckSpec(name, ("true",)) for name in checks)
    return RunSpec(SPEC.task, SPEC.agents, specs, Rules(limits=Limits(**limits)))


@pytest.mark.parametrize(
    ("limits", "report", "stops"),
    [
        ({"tokens": 10}, used(A, 1, 9), False),
        ({"tokens": 10}, used(A, 1, 10), True),
        ({"cost": 10}, used(A, 1, 10**6), False),
        ({"cost": 10}, used(A, 1, 0, 10), True),
    ],
)
def test_a_limit_ends_attempts_at_work_and_lets_none_begin(
    limits: dict[str, int], report: Event, stops: bool
) -> None:
    state = run(AttemptStarted(A, 1, "/w"), report, spec=limited(**limits))
    wanted: set[Step] = set() if stops else {MakeAttempt(A, 1), MakeAttempt(B, 1)}
    assert next_steps(state) == wanted
    assert bool(state.used_up) == stops


def test_no_fallback_begins_when_the_money_is_gone() -> None:
    state = run(
        AttemptStarted(A, 1, "/w"), used(A, 1, 0, 2_000_000),
        AttemptEnded(A, 1, "failed", "no key"), NothingCaptured(A, 1, ""),
        spec=limited(cost=1_000_000),
    )  # fmt: skip
    said = settled(state)
    assert said.outcome == "cancelled"
    assert said.why == (
        "The limit of $1.00 is used up ($2.00 spent) before any agent had finished "
        "(a: no key; b: not started)."
    )


def test_what_is_finished_is_judged_and_the_verdict_says_what_was_used_up() -> None:
    spec = limited("k", tokens=10)
    state = run(
        *tried(A, 1, "done", "", "t1"), AttemptStarted(B, 1, "/w"), used(B, 1, 12), spec=spec
    )
    assert next_steps(state) == {RunCheck("k", "base"), RunCheck("k", "t1")}
    state = fold(
        [
            AttemptEnded(B, 1, "cancelled"),
            NothingCaptured(B, 1, "cancelled"),
            CheckFinished(CheckResult("k", "base", "passed")),
            CheckFinished(CheckResult("k", "t1", "passed")),
        ],
        state,
    )
    said = settled(state)
    assert said.winner == "a.1"
    assert said.why.endswith(
        "a.1 wins. The limit of 10 tokens is used up (12 spent). "
        "Without a candidate: b (cancelled)."
    )


def test_what_is_used_up_stays_used_up_whatever_is_reported_later() -> None:
    state = run(AttemptStarted(A, 1, "/w"), used(A, 1, 12), spec=limited(tokens=10))
    state = fold([used(A, 1, 3)], state)
    assert state.usage.tokens == 3
    assert state.used_up == "The limit of 10 tokens is used up (12 spent)"
    assert next_steps(state) == frozenset()


def test_an_agent_that_waits_is_seen_waiting_and_goes_on() -> None:
    state = run(AttemptStarted(A, 1, "/w"), AttemptPaused(A, 1, "rate_limit", "429.", 2.4, 1))
    assert seat(state).action == "waits 2 s: 429."
    assert MakeAttempt(A, 1) in next_steps(state)
    assert seat(evolve(state, AttemptEnded(A, 1, "done"))).action == ""


# ── after a crash of ours ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("cut", range(9))
def test_a_run_that_was_cut_off_anywhere_is_settled_with_what_it_kept(cut: int) -> None:
    events = [
        *tried(A, 1, "failed", "x", "t1"), *tried(B, 1, "done", "", "t2"),
        AttemptStarted(A, 2, "/w"), used(A, 2, 5), AttemptEnded(A, 2, "failed"),
    ][:cut]  # fmt: skip
    said = settled(run(*events, RunInterrupted()))
    assert (said.outcome, said.winner) == ("cancelled", None)
    kept = [str(e.candidate.id) for e in events if isinstance(e, CandidateCaptured)]
    assert list(said.ranking) == kept
