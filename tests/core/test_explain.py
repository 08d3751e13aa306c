"""A verdict as a table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from massgen_ls.core.ballots import Ballot, Marks
from massgen_ls.core.candidate import Evidence
from massgen_ls.core.coordination import Settle, next_steps
from massgen_ls.core.events import BallotCast, BallotMissed, CheckFinished, Event, RunSettled
from massgen_ls.core.explain import BallotRow, explanation, said
from massgen_ls.core.markdown import markdown
from massgen_ls.core.polls import questions
from massgen_ls.core.run_state import EMPTY, RunState, evolve, fold
from massgen_ls.core.task import CheckSpec, SeatId, Voting
from tests.core.test_polls import TEAM3, THREE, agent, made
from tests.laws.histories import BASE, result


def judged(voting: Voting, reason: str = "a is right") -> RunState:
    """Judges who prefer a to all, b to c; nobody answers for the last question."""
    state = made(THREE, voting, TEAM3, sizes={"a": 9, "b": 2, "c": 1})
    events: list[Event] = []
    for q in questions(state):
        best = min(q.shown)
        marks = tuple(Marks(90, 80, 70, 60, 50) if c == best else Marks(*[40] * 5) for c in q.shown)
        events.append(BallotCast(Ballot(q.judge, 3, best, reason, q.shown, marks)))
    last = questions(state)[-1]
    events[-1] = BallotMissed(last.judge, 3, last.shown, "it is dead")
    state = fold(events, state)
    (step,) = next_steps(state)
    assert isinstance(step, Settle)
    return evolve(state, RunSettled(step.verdict))


def test_rows_are_in_the_order_of_the_verdict_with_what_the_judges_say() -> None:
    told = explanation(judged(Voting(judges=TEAM3)))
    # Of a and b half a comparison is missing: both have beaten c, and b is smaller.
    assert [(row.candidate, row.won, row.lines, row.judges) for row in told.rows] == [
        ("b.1", True, 2, "1 won, 0 tied, 0 lost"),
        ("a.1", False, 9, "1 won, 0 tied, 0 lost"),
        ("c.1", False, 1, "0 won, 0 tied, 2 lost"),
    ]
    assert len(told.ballots) == 6
    assert told.ballots[-1].choice == "no answer"
    assert told.ballots[-1].reason == "it is dead"
    assert told.steps[0] == "3 candidates, 3 different"
    assert told.steps[1] == "3 of 3 pass every gate"
    assert told.steps[2].startswith("the evidence cannot tell these apart: ")
    assert told.steps[3].startswith("judges: ")


def test_how_a_tie_was_broken_is_said() -> None:
    state = made(THREE, Voting(judges=TEAM3), TEAM3, sizes={"a": 9, "b": 2, "c": 1})
    assert explanation(state).steps[-1] == "tie broken by size: 1 line against 2"
    even = made(THREE, Voting(judges=TEAM3), TEAM3)
    assert explanation(even).steps[-1] == "tie broken by the order of the configuration"
    margin = made(THREE, Voting(judges=TEAM3, margin=0.1), TEAM3)
    assert explanation(margin).steps[-1] == "that is less than the margin: no winner"
    team = tuple(map(agent, "abcd"))
    pair = made({"a": "t1", "b": "t2", "c": "t2", "d": "t3"}, Voting(), team)
    assert explanation(pair).steps[-1] == (
        "tie broken by agreement: more agents arrived at this change"
    )
    most = made({"a": "t1", "b": "t2", "c": "t2"}, Voting(), TEAM3)
    assert "2 of 3 candidates are one and the same change" in explanation(most).steps


def test_a_vote_of_an_agent_at_work_is_a_ballot_too() -> None:
    state = made({"a": "t1", "b": "t2"}, Voting(), TEAM3)
    (choice,) = [c.id for c in state.candidates if c.seat == "b"]
    state = evolve(state, BallotCast(Ballot(SeatId("c"), 2, choice, "neat")))
    assert explanation(state).ballots == (BallotRow(SeatId("c"), (), "b.1", (), "neat"),)
    assert explanation(state).rows[0].judges == "1 vote"
    assert explanation(state).steps[-1] == "votes: 1 to 0"


def test_markdown_holds_it_all_and_nothing_in_it_is_markup_of_an_agent() -> None:
    evil = "good |\n| x | [link](http://evil) `code` <img src=x>"
    page = markdown(judged(Voting(judges=TEAM3), evil), "run-1")
    lines = page.split("\n")
    assert lines[0].startswith("# won: ")
    assert "Run `run-1`" in lines
    assert "> t" in lines
    tables = [line for line in lines if line.startswith("|")]
    widths = {line.replace("\\|", "").count("|") for line in tables}
    assert widths == {5, 10}, "five cells less one fence for candidates, nine for ballots"
    assert "\\[link](http://evil) \\`code\\` \\<img src=x>" in page
    assert "| 90 / 40 |" in page
    assert page.endswith("\n")


def test_a_run_that_has_hardly_begun_can_be_explained() -> None:
    assert explanation(EMPTY).rows == ()
    assert markdown(EMPTY, "r") == "# still running\n\nRun `r`\n"
    state = replace(made({}, Voting(), TEAM3), verdict=None)
    assert explanation(state).steps == ()


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (Evidence("k", "passed", (), (), ()), "passed"),
        (Evidence("k", "timed_out", (), (), ()), "timed out"),
        (Evidence("k", "failed", ("x",), ("y", "z"), ("w",)), "breaks 1, mends 2, 1 flaky"),
        (None, "not judged"),
    ],
)
def test_what_a_check_says(evidence: Evidence | None, words: str) -> None:
    assert said(evidence) == words
    assert said(None, eligible=False) == "unfinished"


def test_the_evidence_narrows_the_field_down() -> None:
    spec = (CheckSpec("k0", ("true",)),)
    state = made(THREE, Voting(judges=TEAM3), TEAM3, checks=spec)
    failures = {BASE: ("f1",), "t1": (), "t2": ("f1",), "t3": ("f1", "f2")}
    looked: list[Event] = [
        CheckFinished(result("k0", tree, names), repeat)
        for tree, names in failures.items()
        for repeat in (0, 1)
    ]
    told = explanation(fold(looked, state))
    assert told.steps == (
        "3 candidates, 3 different",
        "2 of 3 pass every gate",
        "1 of these measure best",
    )
    assert [row.checks for row in told.rows] == [("mends 1",), ("failed",), ("breaks 1",)]


def test_points_of_judges_that_score() -> None:
    told = explanation(judged(Voting("score", judges=(agent("x"),))))
    assert [row.judges for row in told.rows] == ["", "", ""], "an answer in one order says nothing"
    both = explanation(judged(Voting("score", judges=(agent("x"), agent("y")))))
    assert [row.judges for row in both.rows] == ["+20.0 points", "-10.0 points", "-10.0 points"]
