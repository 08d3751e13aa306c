"""Who is asked what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from massgen_ls.core.ballots import Ballot
from massgen_ls.core.budget import Limits, Usage
from massgen_ls.core.coordination import Settle, next_steps
from massgen_ls.core.events import (
    AttemptEnded,
    AttemptStarted,
    BallotCast,
    BallotMissed,
    CancelRequested,
    CandidateCaptured,
    CheckFinished,
    DeadlinePassed,
    Event,
    JudgingUsed,
    NothingCaptured,
    RunStarted,
    SnapshotTaken,
)
from massgen_ls.core.polls import AskJudge, family, open_questions, questions
from massgen_ls.core.run_state import RunState, fold
from massgen_ls.core.task import (
    AgentId,
    AgentSpec,
    CandidateId,
    CheckSpec,
    Json,
    Rules,
    RunSpec,
    SeatId,
    Task,
    Voting,
    VotingRule,
)
from tests.laws.histories import BASE, SNAPSHOT, candidate, result


def agent(name: str, kind: str = "claude_code", **settings: Json) -> AgentSpec:
    return AgentSpec(AgentId(name), kind, settings)


TEAM = tuple(map(agent, "abcd"))


def made(
    trees: dict[str, str],
    voting: Voting,
    team: tuple[AgentSpec, ...] = TEAM,
    limits: Limits | None = None,
    checks: tuple[CheckSpec, ...] = (),
    sizes: dict[str, int] | None = None,
) -> RunState:
    """A run in which these seats have made these trees, and the others nothing."""
    events: list[Event] = [
        RunStarted(
            RunSpec(Task("t"), team, checks, Rules(voting=voting, limits=limits or Limits())),
            "/r",
            "1:1",
        ),
        SnapshotTaken(SNAPSHOT, 0.0),
    ]
    for spec in team:
        seat = SeatId(str(spec.id))
        tree = trees.get(str(seat), "")
        size = (sizes or {}).get(str(seat), 1)
        outcome = "failed" if tree == "failed" else "done"
        left = (
            CandidateCaptured(candidate(seat, tree, size))
            if tree and tree != "failed"
            else NothingCaptured(seat, 1, "nothing")
        )
        events += [AttemptStarted(seat, 1, "/w"), AttemptEnded(seat, 1, outcome), left]
    return fold(events)


def pairs(state: RunState) -> set[tuple[str, ...]]:
    return {(q.judge, *(c.removesuffix(".1") for c in q.shown)) for q in questions(state)}


THREE = {"a": "t1", "b": "t2", "c": "t3"}
TEAM3 = TEAM[:3]


def test_each_pair_is_asked_of_who_made_neither_in_both_orders() -> None:
    assert pairs(made(THREE, Voting(judges=TEAM3), TEAM3)) == {
        ("c", "a", "b"), ("c", "b", "a"),
        ("b", "a", "c"), ("b", "c", "a"),
        ("a", "b", "c"), ("a", "c", "b"),
    }  # fmt: skip


def test_of_two_changes_their_authors_judge_neither() -> None:
    two = {"a": "t1", "b": "t2"}
    assert pairs(made(two, Voting(judges=TEAM[:2]), TEAM[:2])) == set()
    outside = Voting(judges=(*TEAM[:2], agent("judge")))
    assert pairs(made(two, outside, TEAM[:2])) == {("judge", "a", "b"), ("judge", "b", "a")}


def test_another_family_is_preferred_and_the_same_one_is_better_than_nobody() -> None:
    team = (agent("a"), agent("b"))
    judges = (agent("x", model="claude-opus"), agent("y", "codex"), agent("z", "gemini_cli"))
    state = made({"a": "t1", "b": "t2"}, Voting(judges=judges, max_ballots=2), team)
    assert pairs(state) == {("y", "a", "b"), ("y", "b", "a")}
    alone = made({"a": "t1", "b": "t2"}, Voting(judges=judges[:1]), team)
    assert {judge for judge, *_ in pairs(alone)} == {"x"}
    # Kin to both favours neither of them by that; kin to one does.
    mixed = (agent("a"), agent("b", "codex"))
    kin = (agent("x"), agent("z", "gemini_cli"))
    state = made({"a": "t1", "b": "t2"}, Voting(judges=kin, max_ballots=2), mixed)
    assert {judge for judge, *_ in pairs(state)} == {"z"}


@pytest.mark.parametrize(
    ("trees", "checks"),
    [
        ({"a": "t1"}, {}),
        ({"a": "t1", "b": "t1", "c": "t2"}, {}),
        ({"a": "t1", "b": "t1"}, {}),
        (THREE, {BASE: ("f1",), "t1": (), "t2": ("f1",), "t3": ("f1",)}),
        (THREE, {BASE: (), "t1": (), "t2": ("f1",), "t3": ("f1",)}),
    ],
)
def test_nobody_is_asked_where_it_is_clear(
    trees: dict[str, str], checks: dict[str, tuple[str, ...]]
) -> None:
    spec = (CheckSpec("k0", ("true",)),) if checks else ()
    state = made(trees, Voting(judges=TEAM, margin=0.5), checks=spec)
    looked: list[Event] = [
        CheckFinished(result("k0", tree, failures), repeat)
        for tree, failures in checks.items()
        for repeat in (0, 1)
    ]
    state = fold(looked, state)
    assert questions(state) == ()
    (step,) = next_steps(state)
    assert isinstance(step, Settle)
    assert step.verdict.winner == "a.1"


def test_what_the_checks_still_have_to_say_comes_first() -> None:
    state = made(THREE, Voting(judges=TEAM), checks=(CheckSpec("k0", ("true",)),))
    assert not any(isinstance(step, AskJudge) for step in next_steps(state))


def test_judges_are_steps_until_each_has_answered_or_will_not() -> None:
    state = made(THREE, Voting(judges=TEAM3, margin=0.1), TEAM3)
    asked = questions(state)
    assert next_steps(state) == set(asked)
    for number, q in enumerate(asked):
        event: Event = BallotMissed(q.judge, 3, q.shown, "it is dead")
        if number % 2:
            event = BallotCast(Ballot(q.judge, 3, q.shown[0], "", q.shown))
        assert q in open_questions(state)
        state = fold([event], state)
        assert q not in open_questions(state)
    (step,) = next_steps(state)
    assert isinstance(step, Settle)
    assert step.verdict.outcome == "tied"


@pytest.mark.parametrize("end", [CancelRequested("you"), DeadlinePassed(1.0)])
def test_nobody_is_asked_once_time_is_over_or_it_is_cancelled(end: Event) -> None:
    state = fold([end], made(THREE, Voting(judges=TEAM)))
    (step,) = next_steps(state)
    assert isinstance(step, Settle)


def test_what_judges_spend_counts_and_passing_a_limit_ends_the_asking() -> None:
    state = made(THREE, Voting(judges=TEAM3), TEAM3, Limits(tokens=100))
    first, second, *_ = questions(state)
    state = fold([JudgingUsed(first.judge, 3, first.shown, Usage(40))], state)
    state = fold([JudgingUsed(first.judge, 3, first.shown, Usage(60))], state)
    assert state.usage.tokens == state.judging.tokens == 60
    assert second in open_questions(state)
    state = fold([JudgingUsed(second.judge, 3, second.shown, Usage(45))], state)
    (step,) = next_steps(state)
    assert isinstance(step, Settle)
    assert "is used up" in step.verdict.why


@pytest.mark.parametrize("most", range(14))
@pytest.mark.parametrize("rule", ["pairwise", "score", "plurality"])
def test_never_more_questions_than_allowed(rule: VotingRule, most: int) -> None:
    everyone = (*TEAM, agent("x"), agent("y"), agent("z"))
    trees = {"a": "t1", "b": "t2", "c": "t3", "d": "t4"}
    asked = questions(made(trees, Voting(rule, judges=everyone, max_ballots=most)))
    assert len(asked) <= most
    assert len(asked) == len(set(asked))
    assert bool(asked) == (most >= (1 if rule == "plurality" else 2))
    for q in asked:
        assert f"{q.judge}.1" not in q.shown
        if rule != "plurality":
            assert AskJudge(q.judge, q.shown[::-1]) in asked


def test_four_are_compared_at_most_the_smaller_ones() -> None:
    team = tuple(map(agent, "abcdef"))
    trees = {name: f"t{name}" for name in "abcdef"}
    sizes = {"a": 9, "b": 1, "c": 2, "d": 8, "e": 3, "f": 4}
    state = made(trees, Voting(judges=team, max_ballots=100), team, sizes=sizes)
    assert {c for q in questions(state) for c in q.shown} == {"b.1", "c.1", "e.1", "f.1"}


def test_every_judge_of_a_list_sees_another_order() -> None:
    trees = {"a": "t1", "b": "t2", "c": "t3"}
    judges = tuple(map(agent, "xyz"))
    asked = questions(made(trees, Voting("plurality", judges=judges), TEAM3))
    assert {q.shown[0] for q in asked} == {"a.1", "b.1", "c.1"}


def test_who_has_voted_at_work_is_not_asked_for_a_vote() -> None:
    state = made(THREE, Voting("plurality", judges=TEAM3), TEAM3)
    state = fold([BallotCast(Ballot(SeatId("a"), 3, CandidateId("b.1")))], state)
    assert {q.judge for q in questions(state)} == {"b", "c"}


def test_an_agent_that_could_not_work_is_not_asked() -> None:
    trees = {"a": "t1", "b": "t2", "c": "failed"}
    assert pairs(made(trees, Voting(judges=TEAM3), TEAM3)) == set()
    assert pairs(made({**trees, "c": ""}, Voting(judges=TEAM3), TEAM3)) != set()


def test_evidence_only_asks_nobody() -> None:
    assert questions(made(THREE, Voting("evidence-only", judges=TEAM))) == ()


def test_what_makes_no_sense_changes_nothing() -> None:
    state = made(THREE, Voting(judges=TEAM3), TEAM3)
    shown = (CandidateId("a.1"), CandidateId("b.1"))
    good = Ballot(SeatId("c"), 3, CandidateId("a.1"), "", shown)
    for ballot in (
        replace(good, epoch=2),
        replace(good, judge=SeatId("a")),
        replace(good, judge=SeatId("nobody")),
        replace(good, choice=CandidateId("c.1")),
        replace(good, shown=(*shown, CandidateId("z.1"))),
    ):
        assert fold([BallotCast(ballot)], state) == state
    assert fold([BallotMissed(SeatId("c"), 2, shown, "late")], state) == state
    assert fold([JudgingUsed(SeatId("z"), 3, shown, Usage(9))], state) == state


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (agent("x"), "claude"),
        (agent("x", "codex"), "openai"),
        (agent("x", "gemini_cli"), "gemini"),
        (agent("x", "codex", model="claude-sonnet-5"), "claude"),
        (agent("x", "claude_code", model="gemini-3-pro"), "gemini"),
        (agent("x", "acp", argv=["claude-agent-acp"]), "claude"),
        (agent("x", "acp", program="/opt/bin/codex-acp"), "openai"),
        (agent("x", "acp", model="o3"), "openai"),
        (agent("x", "acp", model="Qwen3-Coder"), "qwen"),
        (agent("x", "acp", argv=["my-agent"]), "acp:x"),
        (agent("x", "acp", model=7), "acp:x"),
    ],
)
def test_families(spec: AgentSpec, expected: str) -> None:
    assert family(spec) == expected
