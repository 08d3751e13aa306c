"""Records of agents over many runs."""

from __future__ import annotations

import pytest

from massgen_ls.core.budget import Usage
from massgen_ls.core.candidate import CheckOutcome, CheckResult, TreeId
from massgen_ls.core.changes import rel_path
from massgen_ls.core.events import (
    AttemptStarted,
    CheckFinished,
    Delivered,
    Discarded,
    Event,
    Revised,
    RunSettled,
    RunStarted,
    UsageReported,
)
from massgen_ls.core.learning import (
    CheckRecord,
    Record,
    check_records,
    ordered,
    records,
    seated,
    wilson,
)
from massgen_ls.core.plan import Conflict
from massgen_ls.core.run_state import RunState, fold
from massgen_ls.core.task import (
    AgentSpec,
    CandidateId,
    CheckSpec,
    Mode,
    Rules,
    RunSpec,
    SeatId,
    Task,
    TeamOrder,
    Voting,
)
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
    assert (a.failed, b.failed) == (0, 1), "and who failed beside a winner is known"
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


def test_what_was_kept_of_it() -> None:
    runs = (
        settled(A, landed(A), Revised(A, "edited")),
        settled(A, landed(A, partly=True), Revised(A, "undone")),
        settled(A, landed(A), Revised(A, "undone"), Revised(A, "kept")),
        settled(A, landed(A), Revised(A, "undone"), landed(A)),
        settled(A, Revised(A, "undone")),
    )
    a = of("a", *runs)
    assert (a.accepted, a.partly, a.edited, a.undone, a.discarded) == (3, 0, 1, 1, 0)


def test_checks_and_users_are_of_one_mind_or_not() -> None:
    def run(*after: Event, passes: bool, base: CheckOutcome = "passed") -> RunState:
        check = CheckSpec("k", ("k",))
        state = made({"a": "t1", "b": "t2"}, Voting(), TWO, checks=(check,))
        assert state.snapshot is not None
        looks = [
            CheckResult(
                "k", TreeId(tree), "passed" if ok else "failed", failures=() if ok else ("x",)
            )
            for tree, ok in (("t1", passes), ("t2", True))
        ]
        looks.append(CheckResult("k", state.snapshot.tree, base))
        checked = [CheckFinished(look, 0) for look in looks]
        return fold([*checked, RunSettled(Verdict("won", A, "why")), *after], state)

    runs = (
        run(landed(A), passes=True),
        run(landed(A, partly=True), Revised(A, "edited"), passes=True),
        run(landed(A), passes=False),
        run(landed(A), Revised(A, "undone"), passes=True),
        run(Discarded(A), passes=False),
        run(passes=True),
        run(landed(A), passes=True, base="broken"),
    )
    assert check_records(runs) == (CheckRecord("k", 2, 1, 1, 1),)
    assert check_records([settled(A, landed(A))]) == (), "no check has looked"


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


# ── who sits where ──────────────────────────────────────────────────────────────────────────────


def known(name: str, wins: int, contests: int, failed: int = 0) -> Record:
    return Record(name, TEAM[0].type, contests=contests, wins=wins, failed=failed)


def spec(order: TeamOrder, most: int | None = None, mode: Mode = "best_of_n") -> RunSpec:
    rules = Rules(mode, agents=order, max_agents=most)
    return RunSpec(Task("t"), tuple(map(agent, ("a", "b", "c"))), rules=rules)


def names(agents: tuple[AgentSpec, ...]) -> str:
    return "".join(str(each.id) for each in agents)


@pytest.mark.parametrize(
    ("records", "order"),
    [
        ((), "abc"),
        ((known("c", 3, 4), known("a", 1, 4), known("b", 2, 4)), "cba"),
        ((known("b", 1, 1), known("c", 8, 10), known("a", 1, 9)), "cba"),  # one win says little
        ((known("c", 3, 4), known("a", 1, 4)), "cba"),  # who is new sits beside the best
        ((known("a", 0, 4), known("b", 0, 9)), "cab"),  # and before those who never won
        ((known("a", 0, 9), known("b", 0, 4), known("c", 0, 4)), "bca"),
        ((known("a", 3, 4, failed=4), known("b", 3, 4)), "bca"),
        ((known("a", 0, 0, failed=4),), "bca"),
        ((Record("c", TEAM[0].type, "another model", contests=2, wins=2),), "abc"),
    ],
)
def test_a_team_by_its_records(records: tuple[Record, ...], order: str) -> None:
    assert names(ordered(spec("auto").agents, records)) == order


def test_who_works_and_why() -> None:
    records = (known("c", 3, 4), known("a", 1, 4, failed=2))
    chosen, why = seated(spec("auto", 2), records, lambda _: True)
    assert names(chosen.agents) == "cb"
    assert why == (
        "The order of the agents follows from their records here: c (won 3 of 4), b (not tried "
        "yet), a (won 1 of 4, failed in 2 others). Left out, as max_agents is 2: a."
    )
    chosen, why = seated(spec("listed", 2), records, lambda _: True)
    assert (names(chosen.agents), why) == ("ab", "Left out, as max_agents is 2: c.")
    assert seated(spec("listed"), records, lambda _: True) == (spec("listed"), "")


def test_in_consensus_somebody_who_can_vote_stays() -> None:
    order = spec("listed", 2, "consensus")
    assert names(seated(order, (), lambda a: a.id == "c")[0].agents) == "ac"
    assert names(seated(order, (), lambda a: a.id == "b")[0].agents) == "ab"
    assert names(seated(order, (), lambda _: False)[0].agents) == "ab"
