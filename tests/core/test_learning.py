"""Records of agents over many runs."""

from __future__ import annotations

import pytest

from massgen_ls.core.budget import Usage
from massgen_ls.core.changes import rel_path
from massgen_ls.core.events import (
    AttemptStarted,
    Delivered,
    Discarded,
    Event,
    RunSettled,
    RunStarted,
    UsageReported,
)
from massgen_ls.core.learning import Record, records, wilson
from massgen_ls.core.plan import Conflict
from massgen_ls.core.run_state import RunState, fold
from massgen_ls.core.task import CandidateId, RunSpec, SeatId, Task, Voting
from massgen_ls.core.voting import Verdict
from tests.core.test_polls import TEAM, agent, made

A, B = CandidateId("a.1"), CandidateId("b.1")
TWO = TEAM[:2]


def settled(
    winner: CandidateId | None, *after: Event, trees: dict[str, str] | None = None
) -> RunState:
    state = made(trees or {"a": "t1", "b": "t2"}, Voting(), TWO)
    spent = [UsageReported(SeatId(s), 1, Usage(100, cost=600)) for s in "ab"]
    verdict = Verdict("won" if winner else "tied", winner, "why")
    return fold([*spent, RunSettled(verdict), *after], state)


def landed(candidate: CandidateId, *, partly: bool = False) -> Delivered:
    path = rel_path("f.py")
    conflict = Conflict(path, "overlap", (0, 1), (0, 1), (0, 1), "", "", ())
    return Delivered(candidate, (path,), (conflict,) if partly else ())


def of(name: str, *states: RunState) -> Record:
    (found,) = [record for record in records(states) if record.agent == name]
    return found


def test_wins_are_counted_where_somebody_else_could_have_won() -> None:
    alone = settled(A, trees={"a": "t1", "b": "failed"})
    runs = (settled(A), settled(A), settled(B), settled(None), alone)
    a, b = of("a", *runs), of("b", *runs)
    assert (a.runs, a.candidates, a.contests, a.wins) == (5, 5, 3, 2)
    assert (b.runs, b.candidates, b.contests, b.wins) == (5, 4, 3, 1)
    assert a.win_rate == pytest.approx(2 / 3)
    assert [record.agent for record in records(runs)] == ["a", "b"]
    assert of("a", alone).win_rate is None
    assert of("a", alone).interval is None


def test_what_the_user_did_with_it() -> None:
    runs = (
        settled(A, landed(A)),
        settled(A, landed(A, partly=True)),
        settled(A, landed(A), Discarded(A)),
        settled(A, Discarded(None)),
    )
    a = of("a", *runs)
    assert (a.accepted, a.partly, a.discarded) == (1, 1, 2)
    assert a.cost_per_accepted == 1200
    assert of("b", *runs).cost_per_accepted is None


def test_a_change_that_landed_twice_is_one() -> None:
    assert of("a", settled(A, landed(A, partly=True), landed(A))).accepted == 1
    assert of("a", settled(A, landed(A, partly=True), landed(A))).partly == 0


def test_what_is_not_over_or_never_began_is_not_counted() -> None:
    assert records([made({"a": "t1"}, Voting(), TWO)]) == ()
    unstarted = fold(
        [RunStarted(RunSpec(Task("t"), TWO), "/r", "1:1"), RunSettled(Verdict("none", None, ""))]
    )
    assert records([unstarted]) == ()


def test_another_model_is_another_agent() -> None:
    events: list[Event] = []
    states: list[RunState] = []
    for model in ("x", "y"):
        events = [
            RunStarted(RunSpec(Task("t"), (agent("a", model=model),)), "/r", "1:1"),
            AttemptStarted(SeatId("a"), 1, "/w"),
            RunSettled(Verdict("none", None, "")),
        ]
        states.append(fold(events))
    assert [(r.agent, r.model, r.runs) for r in records(states)] == [("a", "x", 1), ("a", "y", 1)]


@pytest.mark.parametrize(
    ("wins", "of_all", "low", "high"),
    [(0, 0, 0, 1), (0, 10, 0, 0.2775), (10, 10, 0.7225, 1), (5, 10, 0.2366, 0.7634)],
)
def test_wilson(wins: int, of_all: int, low: float, high: float) -> None:
    assert wilson(wins, of_all) == pytest.approx((low, high), abs=1e-4)
