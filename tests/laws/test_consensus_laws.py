"""The laws of consensus: words commute, stale ones are void, and whatever agents want, it ends."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import assume, given
from hypothesis import strategies as st

from massgen_ls.core.ballots import Ballot
from massgen_ls.core.consensus import AskVoter, labels, open_votes, paper, words_of
from massgen_ls.core.coordination import MakeAttempt, Settle, next_steps
from massgen_ls.core.events import (
    AttemptEnded,
    AttemptStarted,
    BallotCast,
    BallotMissed,
    CandidateCaptured,
    Event,
    NothingCaptured,
    RefinementChosen,
)
from massgen_ls.core.novelty import alike, refusal, words
from massgen_ls.core.run_state import RunState, evolve, fold
from massgen_ls.core.task import CandidateId, ConsensusRules, SeatId, Voting
from tests.laws.histories import agent, candidate, made, spec, started

NAMES = ("a0", "a1", "a2", "a3")


def answered(answers: int = 2, most: int | None = None, quorum: float = 1.0) -> RunState:
    """Four agents that have answered, each in its own way."""
    judges = Voting(judges=tuple(map(agent, NAMES)))
    rules = ConsensusRules(answers, most)
    state = started(spec(4, 0, quorum, voting=judges, consensus=rules))
    for n, name in enumerate(NAMES):
        state = fold(made(name, candidate(name, f"t{n}", n + 1)), state)
    return state


def vote(judge: str, choice: str, epoch: int = 4) -> BallotCast:
    return BallotCast(Ballot(SeatId(judge), epoch, CandidateId(f"{choice}.1"), "why"))


def wish(seat: str, onto: str, epoch: int = 4) -> RefinementChosen:
    return RefinementChosen(SeatId(seat), epoch, CandidateId(f"{onto}.1"), "why")


said = st.builds(vote, st.sampled_from(NAMES), st.sampled_from(NAMES)) | st.builds(
    wish, st.sampled_from(NAMES), st.sampled_from(NAMES)
)


def speaker(event: Event) -> str:
    return event.ballot.judge if isinstance(event, BallotCast) else event.seat  # type: ignore[union-attr,return-value]


@given(st.lists(said, max_size=4, unique_by=speaker), st.randoms(use_true_random=False))
def test_words_of_different_agents_commute(events: list[Event], random: Random) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)
    state = answered()
    assert fold(events, state) == fold(shuffled, state)


@given(said, st.integers(-1, 9).filter(lambda e: e != 4))
def test_a_stale_word_changes_nothing(event: Event, epoch: int) -> None:
    state = answered()
    match event:
        case BallotCast(ballot=ballot):
            stale: Event = BallotCast(replace(ballot, epoch=epoch))
        case RefinementChosen():
            stale = replace(event, epoch=epoch)
        case _:
            raise AssertionError(event)
    assert evolve(state, stale) == state


def test_all_are_asked_at_once_and_who_improves_is_not_asked_meanwhile() -> None:
    state = answered()
    assert next_steps(state) == {AskVoter(SeatId(n), 4, 0) for n in NAMES}
    state = evolve(state, wish("a0", "a1"))
    others = {AskVoter(SeatId(n), 4, 0) for n in NAMES[1:]}
    assert next_steps(state) == {MakeAttempt(SeatId("a0"), 2), *others}
    state = fold([vote(n, "a0") for n in NAMES[1:]], state)
    assert next_steps(state) == {MakeAttempt(SeatId("a0"), 2)}, "what was begun is finished"


def improved(state: RunState, seat: str, tree: str, attempt: int = 2) -> RunState:
    return fold(
        [
            AttemptStarted(SeatId(seat), attempt, "/w"),
            AttemptEnded(SeatId(seat), attempt, "done"),
            CandidateCaptured(candidate(seat, tree, attempt=attempt)),
        ],
        state,
    )


def test_nobody_is_asked_anew_before_all_improvements_are_there() -> None:
    state = fold([wish("a0", "a1"), wish("a1", "a1"), vote("a2", "a0")], answered())
    state = improved(state, "a0", "t8")
    assert state.ballots == ()
    assert next_steps(state) == {MakeAttempt(SeatId("a1"), 2)}
    state = improved(state, "a1", "t9")
    assert state.epoch == 6
    assert next_steps(state) == {AskVoter(SeatId(n), 6, n in ("a0", "a1")) for n in NAMES}
    assert [(w.round, w.judge, w.said, w.came) for w in words_of(state)] == [
        (1, "a0", "improve", "a0.2"),
        (1, "a1", "improve", "a1.2"),
        (1, "a2", "vote", None),
    ]


@given(st.sampled_from(["t0", "t3"]), st.sampled_from(["done", "failed"]))
def test_what_is_there_already_or_half_done_asks_nobody_anew(tree: str, outcome: str) -> None:
    state = fold([wish("a0", "a1"), vote("a1", "a2")], answered())
    tree = tree if outcome == "done" else "t9"
    after = fold(
        [
            AttemptStarted(SeatId("a0"), 2, "/w"),
            AttemptEnded(SeatId("a0"), 2, outcome),  # type: ignore[arg-type]
            CandidateCaptured(candidate("a0", tree, attempt=2)),
        ],
        state,
    )
    assert after.epoch == 4
    assert after.ballots == state.ballots
    asked = {s.judge for s in next_steps(after) if isinstance(s, AskVoter)}
    assert asked == ({"a0", "a2", "a3"} if outcome == "done" else {"a2", "a3"})


@given(st.integers(1, 3), st.none() | st.integers(1, 9), st.lists(st.booleans(), max_size=40))
def test_agents_that_always_want_to_improve_come_to_an_end(
    answers: int, most: int | None, works: list[bool]
) -> None:
    state, trees, asked = answered(answers, most), iter(range(10, 99)), 0
    for _ in range(200):
        steps = next_steps(state)
        if any(isinstance(s, Settle) for s in steps):
            break
        for step in sorted(steps, key=repr):
            if isinstance(step, AskVoter):
                asked += 1
                state = evolve(state, wish(step.judge, "a0", step.epoch))
            elif isinstance(step, MakeAttempt):
                if works and works.pop():
                    state = improved(state, step.seat, f"t{next(trees)}", step.attempt)
                    continue
                ended: list[Event] = [
                    AttemptStarted(step.seat, step.attempt, "/w"),
                    AttemptEnded(step.seat, step.attempt, "done"),
                    NothingCaptured(step.seat, step.attempt, "changed nothing"),
                ]
                state = fold(ended, state)
    else:
        raise AssertionError(f"still going on: {next_steps(state)}")
    assert all(s.improved <= answers - 1 for s in state.seats)
    assert len(state.candidates) <= max(4, most or 4 * answers)
    # Each wish is granted (once for each answer) or counted, and three in vain are enough.
    assert asked <= 4 * (answers - 1 + 3)


@given(st.lists(st.sampled_from(NAMES), min_size=4, max_size=4), st.permutations(NAMES))
def test_the_rest_is_not_asked_only_where_it_cannot_change_the_winner(
    choices: list[str], order: list[str]
) -> None:
    assume(all(name != choice for name, choice in zip(NAMES, choices, strict=True)))
    says = dict(zip(NAMES, choices, strict=True))
    state, early = answered(answers=1), None
    for name in order:
        if early is None and not open_votes(state):
            (step,) = next_steps(state)
            assert isinstance(step, Settle)
            early = step.verdict.winner
        state = evolve(state, vote(name, says[name]))
    (step,) = next_steps(state)
    assert isinstance(step, Settle)
    assert early in (None, step.verdict.winner)


def test_a_quorum_of_votes_is_enough_and_the_dead_count_as_asked() -> None:
    state = answered(quorum=0.5)
    state = evolve(state, vote("a0", "a1"))
    assert len(open_votes(state)) == 3
    dead = evolve(state, BallotMissed(SeatId("a1"), 4, (), "died"))
    assert open_votes(dead) == ()
    assert open_votes(evolve(state, vote("a1", "a2"))) == ()


@given(st.sampled_from(NAMES))
def test_everybody_is_shown_the_others_first_and_its_own_last(judge: str) -> None:
    state = answered()
    sheet = paper(state, SeatId(judge))
    assert {c.seat for c in sheet.others} == {*NAMES} - {judge}
    assert [c.seat for c in sheet.own] == [judge]
    more = improved(fold([wish("a0", "a1")], state), "a0", "t9")
    assert labels(state).items() <= labels(more).items(), "labels stay the same"
    assert len(set(labels(more).values())) == 5


texts = st.lists(st.sampled_from(["+a b", "-c", " d", "+e(f)", "+++ x"]), max_size=6).map("\n".join)


@given(texts, texts)
def test_likeness_is_symmetric_and_novelty_is_monotone(one: str, other: str) -> None:
    share = alike(words(one), words(other))
    assert share == alike(words(other), words(one))
    assert 0 <= share <= 1
    there = {CandidateId("a.1"): other}
    assert refusal("lenient", one, there) == ""
    if refusal("balanced", one, there):
        assert refusal("strict", one, there)
