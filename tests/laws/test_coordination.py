"""The laws of coordination: whatever happens in whatever order, a run ends once, for a reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from massgen_ls.core.ballots import Ballot
from massgen_ls.core.basetests import BaseTest
from massgen_ls.core.changes import ChangeSet, FileChange, rel_path
from massgen_ls.core.consensus import AskVoter
from massgen_ls.core.coordination import (
    CrossTest,
    Fuse,
    MakeAttempt,
    RunCheck,
    Settle,
    TakeSnapshot,
    TryLanding,
    next_steps,
)
from massgen_ls.core.events import (
    AttemptEnded,
    AttemptStarted,
    BallotCast,
    BallotMissed,
    BaseTested,
    CancelRequested,
    CandidateCaptured,
    CheckFinished,
    CrossTested,
    DeadlinePassed,
    Event,
    FusionTried,
    NothingCaptured,
    RunInterrupted,
    RunSettled,
    RunStarted,
    SnapshotTaken,
)
from massgen_ls.core.learning import TELLING, records
from massgen_ls.core.polls import AskJudge
from massgen_ls.core.run_state import EMPTY, RunState, evolve, fold
from massgen_ls.core.scoring import scorecards
from massgen_ls.core.task import CandidateId, RunSpec, SeatId
from massgen_ls.core.voting import Verdict, decide
from tests.laws.histories import (
    BASE,
    EVENTS,
    FAILURES,
    SNAPSHOT,
    TREES,
    answers,
    attempts,
    cancelled,
    candidate,
    endings,
    fusions,
    interruptions,
    made,
    result,
    spec,
    specs,
    spoken,
    started,
    tried,
)


@given(specs, st.booleans(), st.data())
@settings(deadline=None, max_examples=200)
def test_every_schedule_ends_in_exactly_one_settlement(
    run: RunSpec, live: bool, data: st.DataObject
) -> None:
    state = started(run, live=live)
    history: list[Event] = []
    in_flight: dict[object, list[Event]] = {}
    made: Counter[str] = Counter()
    landings = 0
    asked: Counter[AskJudge | AskVoter] = Counter()

    def append(event: Event) -> None:
        nonlocal state
        history.append(event)
        state = evolve(state, event)

    for _ in range(400):
        if state.verdict is not None:
            break
        wanted = next_steps(state)
        for step in [s for s in in_flight if s not in wanted]:
            del in_flight[step]
            if isinstance(step, MakeAttempt):
                for event in cancelled(step, state):
                    append(event)
        settle = [s for s in next_steps(state) if isinstance(s, Settle)]
        if settle and not in_flight:
            append(RunSettled(settle[0].verdict))
            break
        assert not (settle and next_steps(state) - set(settle)), "settled with work left to do"
        for step in sorted(next_steps(state) - in_flight.keys(), key=repr):
            match step:
                case TakeSnapshot():
                    in_flight[step] = [SnapshotTaken(SNAPSHOT, 0.1)]
                case MakeAttempt():
                    made[step.seat] += 1
                    in_flight[step] = data.draw(endings(step))
                case RunCheck():
                    names = tuple(data.draw(st.sets(st.sampled_from(FAILURES))))
                    found = result(step.check, step.tree, names)
                    if names and step.tree != BASE:
                        found = replace(found, part=data.draw(st.booleans()))
                    in_flight[step] = [CheckFinished(found, step.repeat)]
                case AskJudge():
                    asked[step] += 1
                    in_flight[step] = data.draw(answers(step, state.epoch))
                case Fuse():
                    made["fused"] += 1
                    in_flight[step] = [data.draw(fusions(state))]
                case AskVoter():
                    asked[step] += 1
                    in_flight[step] = data.draw(spoken(step, state))
                case CrossTest(author=author, onto=onto, repeat=repeat):
                    names = tuple(data.draw(st.sets(st.sampled_from(FAILURES))))
                    in_flight[step] = [
                        CrossTested(author, onto, result("k0", "both", names), repeat)
                    ]
                case BaseTest(onto=onto, repeat=repeat):
                    names = tuple(data.draw(st.sets(st.sampled_from(FAILURES))))
                    in_flight[step] = [BaseTested(onto, result("k0", "both", names), repeat)]
                case TryLanding(candidates=candidates):
                    landings += 1
                    in_flight[step] = [data.draw(tried(candidates))]
                case Settle():
                    pass
        interruption = data.draw(interruptions)
        if interruption is not None:
            append(interruption)
            continue
        if in_flight:
            step = data.draw(st.sampled_from(sorted(in_flight, key=repr)))
            append(in_flight[step].pop(0))
            if not in_flight[step]:
                del in_flight[step]
    assert state.verdict is not None, f"never settled: {next_steps(state)}"
    assert sum(isinstance(e, RunSettled) for e in history) == 1
    assert landings <= live
    assert next_steps(state) == frozenset()
    assert fold(history, started(run, live=live)) == state
    # What records are made of is enough for them.
    telling = fold((e for e in history if e.kind in TELLING), started(run))
    assert records([telling]) == records([state])
    # A second settlement, or anything else that comes late, changes nothing.
    assert evolve(state, RunSettled(Verdict("none", None, "late"))) == state
    assert evolve(state, CancelRequested("late")) == state
    winner = state.verdict.winner
    assert (winner is not None) == (state.verdict.outcome == "won")
    if winner is not None:
        seat = state.seat(SeatId(winner.rsplit(".", 1)[0]))
        assert winner in state.finished
        if not state.consensus and winner != "fused.1":
            assert seat is not None
            assert (seat.outcome, winner) == ("done", f"{seat.seat}.{seat.attempt}")
        assert all(card.clears for card in scorecards(state) if winner in card.cluster.members)
    assert set(state.verdict.ranking) == {c.id for c in state.candidates}
    assert all(made[seat] <= most for seat, most in attempts(run).items())
    assert made["fused"] <= run.rules.fusion
    for seat in state.seats:
        assert seat.agent == len(seat.lost) < attempts(run)[seat.seat]
    if state.consensus:
        # However often the candidates change, and whatever the agents say.
        rules = run.rules.consensus
        epochs = len(run.agents) * rules.answers_per_agent
        wishes = rules.answers_per_agent + 2
        assert sum(asked.values()) <= (epochs + wishes) * (len(run.agents) + 5)
        assert (
            len(state.candidates) <= max(rules.answers or epochs, sum(attempts(run).values())) + 1
        )
        assert all(len(b.shown) == 0 for b in state.ballots)
    else:
        assert sum(asked.values()) <= run.rules.voting.max_ballots
        assert all(times == 1 for times in asked.values())
    for ballot in state.ballots:
        own = {c.substance for c in state.candidates if c.seat == ballot.judge}
        assert own.isdisjoint(c.substance for c in state.candidates if c.id in ballot.shown)
    if state.verdict.outcome == "tied":
        assert run.rules.voting.margin > 0
    if state.used_up and not state.stopping:
        assert "is used up" in state.verdict.why


@given(st.lists(EVENTS, max_size=30))
@settings(deadline=None)
def test_no_event_in_no_order_raises_and_the_steps_can_always_be_named(events: list[Event]) -> None:
    run, state = spec(2, 1, fallbacks=2), EMPTY
    for event in [RunStarted(run, "/repo", "1:1"), *events]:
        state = evolve(state, event)
        next_steps(state)
        # A process that dies now leaves what can be settled at once.
        (end,) = next_steps(evolve(state, RunInterrupted()))
        assert isinstance(end, Settle)
    assert state.spec == run


@given(st.lists(EVENTS, max_size=30), specs)
@settings(deadline=None)
def test_dead_seats_never_block(events: list[Event], run: RunSpec) -> None:
    state = fold(events, started(run))
    # Whoever is at work in this state has died and is taken away; whoever is asked next dies, too.
    rounds = sum(attempts(run).values()) + len(run.checks) * 2 * (1 + len(TREES)) + 3
    rounds += 3  # what is shared; tests of candidates: on the base, then on the others
    rounds += 2  # the base's own, twice
    for _ in range(rounds):
        steps = next_steps(state)
        if any(isinstance(step, Settle) for step in steps):
            return
        for seat in state.seats:
            if seat.phase != "waiting":
                state = fold(
                    [
                        AttemptEnded(seat.seat, seat.attempt, "failed"),
                        NothingCaptured(seat.seat, seat.attempt, "died"),
                    ],
                    state,
                )
        for step in steps:
            match step:
                case TakeSnapshot():
                    state = evolve(state, SnapshotTaken(SNAPSHOT, 0.0))
                case MakeAttempt(seat=seat, attempt=n):
                    dies: list[Event] = [
                        AttemptStarted(seat, n, ""),
                        AttemptEnded(seat, n, "failed"),
                        NothingCaptured(seat, n, "died"),
                    ]
                    state = fold(dies, state)
                case RunCheck(check=check, tree=tree, repeat=repeat):
                    state = evolve(state, CheckFinished(result(check, tree), repeat))
                case AskJudge() | AskVoter():
                    state = evolve(state, BallotMissed(step.judge, state.epoch, step.shown, "died"))
                case Fuse():
                    state = evolve(state, FusionTried(None, "died"))
                case CrossTest(author=author, onto=onto, repeat=repeat):
                    found = result("k0", "both", ("f1",) if onto == BASE else ())
                    state = evolve(state, CrossTested(author, onto, found, repeat))
                case BaseTest(onto=onto, repeat=repeat):
                    found = result("k0", "both", ("f1",))
                    state = evolve(state, BaseTested(onto, found, repeat))
                case Settle():
                    pass
    raise AssertionError(f"still open after {rounds} rounds: {next_steps(state)}")


def three_candidates() -> RunState:
    state = fold([SnapshotTaken(SNAPSHOT, 0.0)], started(spec(4, 0)))
    for seat, tree in (("a0", "t1"), ("a1", "t2"), ("a2", "t3")):
        state = fold(
            [
                AttemptStarted(SeatId(seat), 1, "/w"),
                AttemptEnded(SeatId(seat), 1, "done"),
                CandidateCaptured(candidate(seat, tree)),
            ],
            state,
        )
    return state


ballots = st.builds(
    lambda judge, choice: Ballot(SeatId(judge), 3, CandidateId(choice)),
    st.sampled_from(["a0", "a1", "a2", "a3"]),
    st.sampled_from(["a0.1", "a1.1", "a2.1"]),
)


@given(st.lists(ballots, unique_by=lambda b: b.judge), st.randoms())
def test_ballots_commute(cast: list[Ballot], random: object) -> None:
    shuffled = list(cast)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    state = three_candidates()
    assert fold(map(BallotCast, cast), state) == fold(map(BallotCast, shuffled), state)


@given(ballots, st.integers(-1, 5).filter(lambda e: e != 3))
def test_a_stale_ballot_changes_nothing(ballot: Ballot, epoch: int) -> None:
    state = three_candidates()
    assert evolve(state, BallotCast(replace(ballot, epoch=epoch))) == state


@given(ballots.filter(lambda b: b.choice.startswith(b.judge)))
def test_nobody_votes_for_themselves(ballot: Ballot) -> None:
    state = three_candidates()
    assert evolve(state, BallotCast(ballot)) == state


def test_a_new_candidate_voids_the_ballots() -> None:
    state = evolve(three_candidates(), BallotCast(Ballot(SeatId("a0"), 3, CandidateId("a1.1"))))
    assert len(state.ballots) == 1
    state = fold(
        [
            AttemptStarted(SeatId("a3"), 1, "/w"),
            AttemptEnded(SeatId("a3"), 1, "done"),
            CandidateCaptured(candidate("a3", "t1")),
        ],
        state,
    )
    assert state.ballots == ()
    assert state.epoch == 4


def settled(state: RunState) -> Verdict:
    (step,) = next_steps(state)
    assert isinstance(step, Settle)
    return step.verdict


def judged(state: RunState, **failures: tuple[str, ...]) -> RunState:
    """``k0`` run on the base and every candidate, each twice, with these failures."""
    return fold(
        [
            CheckFinished(result("k0", tree, failures.get(tree, ())), repeat)
            for tree in (BASE, *TREES)
            for repeat in (0, 1)
        ],
        state,
    )


def with_checks(state: RunState) -> RunState:
    assert state.spec is not None
    ended = tuple(
        replace(s, phase="ended", outcome=s.outcome or "failed", captured=True) for s in state.seats
    )
    return replace(state, spec=replace(state.spec, checks=spec(1, 1).checks), seats=ended)


def test_what_breaks_a_check_that_the_base_passes_is_ruled_out() -> None:
    verdict = settled(judged(with_checks(three_candidates()), t1=("f1",)))
    assert verdict.winner == "a1.1"
    assert "a0.1 is ruled out: k0 fails where the base does not (f1)" in verdict.why


def test_a_failure_of_the_base_is_held_against_nobody() -> None:
    state = judged(
        with_checks(three_candidates()), base=("f1",), t1=("f1",), t2=("f1",), t3=("f1",)
    )
    assert settled(state).winner == "a0.1"


def test_mending_what_the_base_fails_wins() -> None:
    state = judged(with_checks(three_candidates()), base=("f1",), t1=("f1",), t2=("f1",))
    assert settled(state).winner == "a2.1"


def test_nothing_that_clears_the_gates_means_abstaining() -> None:
    verdict = settled(judged(with_checks(three_candidates()), t1=("f1",), t2=("f2",), t3=("f3",)))
    assert (verdict.outcome, verdict.winner) == ("abstained", None)
    assert len(verdict.ranking) == 3


def test_a_new_failure_is_looked_at_twice_before_it_counts() -> None:
    state = with_checks(three_candidates())
    state = fold(
        [CheckFinished(result("k0", t, ("f1",) if t == "t1" else ())) for t in (BASE, *TREES)],
        state,
    )
    assert next_steps(state) == {RunCheck("k0", "t1", 1), RunCheck("k0", BASE, 1)}
    again = [CheckFinished(result("k0", t), 1) for t in ("t1", BASE)]
    assert settled(fold(again, state)).winner == "a0.1", "what does not happen again is flaky"


def test_a_finding_that_moved_with_its_file_is_not_new() -> None:
    state = with_checks(three_candidates())
    moved = FileChange("rename", rel_path("new.py"), rel_path("old.py"), added=0, removed=0)
    renamer = replace(state.candidates[0], changes=ChangeSet.of([moved]))
    state = replace(state, candidates=(renamer, *state.candidates[1:]))
    old, new = ("old.py: F401 unused", "other.py: E1"), ("new.py: F401 unused", "other.py: E1")
    verdict = settled(judged(state, base=old, t1=new, t2=old, t3=old))
    assert "ruled out" not in verdict.why
    verdict = settled(judged(state, base=old, t1=("new.py: F402 worse", *old), t2=old, t3=old))
    assert "a0.1 is ruled out" in verdict.why


@given(st.permutations([0, 1, 2]), st.lists(st.sampled_from(TREES), min_size=3, max_size=3))
def test_equal_candidates_are_one_choice_and_agreement_counts(
    order: list[int], trees: list[str]
) -> None:
    state = fold([SnapshotTaken(SNAPSHOT, 0.0)], started(spec(3, 0)))
    for i in order:
        seat = SeatId(f"a{i}")
        state = fold(
            [
                AttemptStarted(seat, 1, "/w"),
                AttemptEnded(seat, 1, "done"),
                CandidateCaptured(candidate(seat, trees[i])),
            ],
            state,
        )
    winner = settled(state).winner
    assert winner is not None
    chosen = trees[int(winner[1])]
    assert trees.count(chosen) == max(trees.count(t) for t in trees)
    # Whoever finished first has no say: configuration order is the last tie-break.
    assert winner == f"a{trees.index(chosen)}.1"


def test_the_smaller_change_wins_among_equals() -> None:
    state = three_candidates()
    sizes = {"a0": 9, "a1": 2, "a2": 5}
    state = replace(
        state,
        candidates=tuple(candidate(c.seat, c.tree, sizes[c.seat]) for c in state.candidates),
    )
    assert decide(scorecards(state)).winner == "a1.1"


def test_an_unfinished_attempt_is_kept_and_never_wins() -> None:
    state = fold([SnapshotTaken(SNAPSHOT, 0.0)], started(spec(1, 0)))
    state = fold(
        [
            AttemptStarted(SeatId("a0"), 1, "/w"),
            AttemptEnded(SeatId("a0"), 1, "failed", "exit 3"),
            CandidateCaptured(candidate("a0", "t1")),
        ],
        state,
    )
    verdict = settled(state)
    assert (verdict.outcome, verdict.ranking) == ("none", ("a0.1",))
    assert "exit 3" in verdict.why


def test_out_of_time_keeps_what_there_is() -> None:
    state = fold([SnapshotTaken(SNAPSHOT, 0.0)], started(spec(2, 0)))
    state = fold(
        [
            AttemptStarted(SeatId("a0"), 1, "/w"),
            AttemptStarted(SeatId("a1"), 1, "/w"),
            AttemptEnded(SeatId("a0"), 1, "done"),
            CandidateCaptured(candidate("a0", "t1")),
            DeadlinePassed(5.0),
        ],
        state,
    )
    assert next_steps(state) == frozenset(), "the seat at work is no longer wanted"
    state = fold(
        [
            AttemptEnded(SeatId("a1"), 1, "cancelled"),
            NothingCaptured(SeatId("a1"), 1, "cancelled"),
        ],
        state,
    )
    assert settled(state).winner == "a0.1"


def test_out_of_time_with_nothing_is_cancelled() -> None:
    state = evolve(started(spec(2, 0)), DeadlinePassed(5.0))
    assert settled(state).outcome == "cancelled"


def test_more_than_half_of_all_seats_are_enough_and_half_is_not() -> None:
    state = started(spec(4, 1))
    state = fold([*made("a0", candidate("a0", "t1")), *made("a1", candidate("a1", "t1"))], state)
    passing = [CheckFinished(result("k0", tree)) for tree in (BASE, "t1")]
    half = fold(passing, state)
    assert {s for s in next_steps(half) if isinstance(s, MakeAttempt)}, "two of four"
    most = fold([*made("a2", candidate("a2", "t1")), *passing], state)
    verdict = settled(most)
    assert verdict.winner == "a0.1"
    assert "nobody else was waited for" in verdict.why
    patient = replace(most.spec.rules, early_exit=False) if most.spec else None
    assert most.spec is not None
    assert patient is not None
    waits = replace(most, spec=replace(most.spec, rules=patient))
    assert next_steps(waits) == {MakeAttempt(SeatId("a3"), 1)}


def test_agreement_does_not_cut_off_what_is_there_and_may_be_better() -> None:
    state = started(spec(4, 1))
    for seat, tree in (("a0", "t1"), ("a1", "t1"), ("a2", "t1"), ("a3", "t2")):
        state = fold(made(seat, candidate(seat, tree)), state)
    state = fold([CheckFinished(result("k0", t, ("f1",))) for t in (BASE, "t1")], state)
    assert next_steps(state) == {RunCheck("k0", "t2")}
    state = evolve(state, CheckFinished(result("k0", "t2")))
    again = [("k0", BASE, ("f1",)), ("k0", "t2", ())]  # what only one mends is looked at twice
    assert settled(fold([CheckFinished(result(*r), 1) for r in again], state)).winner == "a3.1"
