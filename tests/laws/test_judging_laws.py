"""The laws of asking judges: what is no longer asked could not have changed who wins."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from massgen_ls.core.ballots import Ballot, Marks
from massgen_ls.core.coordination import verdict
from massgen_ls.core.events import BallotCast, BallotMissed, Event
from massgen_ls.core.polls import AskJudge, open_questions, questions
from massgen_ls.core.run_state import RunState, evolve
from massgen_ls.core.task import Voting
from tests.core.test_polls import agent, made

TREES = {"a": "t1", "b": "t2", "c": "t3", "d": "t4"}
TEAM = tuple(map(agent, TREES))
JUDGES = (*TEAM, agent("x"), agent("y"))
votings = st.builds(
    lambda rule, margin, most: Voting(rule, margin, JUDGES, most),
    st.sampled_from(["pairwise", "score", "plurality"]),
    st.sampled_from([0.0, 0.2, 0.5, 1.0]),
    st.sampled_from([6, 12]),
)


@st.composite
def answer(draw: st.DrawFn, step: AskJudge, epoch: int, taste: str) -> Event:
    if draw(st.integers(0, 7)) == 0:
        return BallotMissed(step.judge, epoch, step.shown, "it is dead")
    liked = next((c for c in step.shown if c.startswith(taste)), None)
    choice = draw(st.sampled_from([liked, liked, liked, None, *step.shown]))
    marks = tuple(Marks(*[draw(st.sampled_from([0, 50, 100]))] * 5) for _ in step.shown)
    if draw(st.booleans()):
        marks = tuple(Marks(*[100 if c == liked else 0] * 5) for c in step.shown)
    return BallotCast(Ballot(step.judge, epoch, choice, "why", step.shown, marks))


def ends(state: RunState) -> tuple[str, str | None]:
    found = verdict(state)
    return found.outcome, found.winner


@given(votings, st.integers(2, 4), st.sampled_from("abc"), st.data())
@settings(deadline=None, max_examples=80)
def test_what_is_not_asked_any_more_could_not_have_changed_the_winner(
    voting: Voting, count: int, taste: str, data: st.DataObject
) -> None:
    trees = dict(list(TREES.items())[:count])
    sizes = {name: 9 - n for n, name in enumerate(trees)}
    state = made(trees, voting, TEAM[:count], sizes=sizes)
    early: tuple[str, str | None] | None = None
    for step in data.draw(st.permutations(questions(state))):
        if early is None and not open_questions(state):
            early = ends(state)
        state = evolve(state, data.draw(answer(step, count, taste)))
    assert early in (None, ends(state))
    assert open_questions(state) == ()


def test_the_third_judge_is_not_asked_when_two_agree() -> None:
    judges = tuple(map(agent, "xyz"))
    state = made({"a": "t1", "b": "t2"}, Voting(judges=judges), TEAM[:2], sizes={"a": 9})
    asked = questions(state)
    assert len(asked) == 6
    for step in asked[:4]:
        assert open_questions(state) != ()
        better = next(c for c in step.shown if c.startswith("a"))
        state = evolve(state, BallotCast(Ballot(step.judge, 2, better, "why", step.shown)))
    assert open_questions(state) == ()
    assert ends(state) == ("won", "a.1")
