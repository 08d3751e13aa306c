"""Laws of our own gates: who is ruled out has no say, costs no check, and is ruled out for good."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.core.candidate import FITS, PARSES
from massgen_ls.core.changes import rel_path
from massgen_ls.core.coordination import RunCheck, Settle, TryLanding, next_steps, verdict
from massgen_ls.core.events import CheckFinished, Event, LandingTried, SnapshotTaken
from massgen_ls.core.explain import explanation, own_words
from massgen_ls.core.gates import evidence_of
from massgen_ls.core.markdown import markdown
from massgen_ls.core.plan import Clash
from massgen_ls.core.run_state import RunState, fold
from massgen_ls.core.scoring import scorecards
from massgen_ls.core.task import CandidateId
from massgen_ls.core.voting import Verdict, contenders
from tests.laws.histories import (
    BASE,
    FAILURES,
    SNAPSHOT,
    TORN,
    candidate,
    made,
    result,
    spec,
    started,
    torn,
)

Sound = tuple[str, int]
"""A tree and the lines of its change."""
sound = st.lists(st.tuples(st.sampled_from(["t1", "t2", "t3"]), st.integers(1, 3)), max_size=4)
measured = st.fixed_dictionaries(
    {tree: st.sets(st.sampled_from(FAILURES)) for tree in (BASE, "t1", "t2", "t3")}
)


def judged(seats: list[Sound | None], failing: dict[str, set[str]]) -> RunState:
    """A run in which everybody has ended and been judged; None left what nobody can read."""
    run = spec(len(seats), 1)
    events: list[Event] = [SnapshotTaken(SNAPSHOT, 0.0)]
    for number, seat in enumerate(seats):
        found = candidate(f"a{number}", *(seat or (TORN, 1)))
        events += made(f"a{number}", found if seat else torn(found))
    for tree, names in failing.items():
        events += [CheckFinished(result("k0", tree, tuple(names)), n) for n in (0, 1)]
    return fold(events, started(run))


def chosen(state: RunState, found: Verdict) -> tuple[str | None, int]:
    """The tree that is chosen, and the size of the change."""
    winner = next((c for c in state.candidates if c.id == found.winner), None)
    return (winner.tree, winner.changes.size) if winner else (None, 0)


@given(sound, measured, st.integers(0, 4))
def test_what_nobody_can_read_changes_no_winner(
    seats: list[Sound], failing: dict[str, set[str]], place: int
) -> None:
    without = judged([*seats], failing)
    torn_too = judged([*seats[:place], None, *seats[place:]], failing)
    if not seats:
        assert verdict(torn_too).outcome == "abstained"
        return
    assert chosen(without, verdict(without)) == chosen(torn_too, verdict(torn_too))
    assert (verdict(torn_too).outcome, verdict(without).outcome) in {
        ("won", "won"),
        ("abstained", "abstained"),
    }
    last = torn_too.candidate(verdict(torn_too).ranking[-1])
    assert last is not None
    assert last.faults, "nothing but this is known of it"


@given(st.lists(st.none() | st.tuples(st.sampled_from(["t1", "t2"]), st.just(1)), max_size=4))
def test_no_check_is_run_on_what_nobody_can_read(seats: list[Sound | None]) -> None:
    state = judged(seats, {})
    steps = next_steps(state)
    trees = {step.tree for step in steps if isinstance(step, RunCheck)}
    assert trees == {seat[0] for seat in seats if seat} | ({BASE} if any(seats) else set())
    assert any(isinstance(step, Settle) for step in steps) != bool(trees)


@given(st.permutations([0, 1, 2]), measured)
def test_the_order_in_which_they_come_does_not_matter(
    order: list[int], failing: dict[str, set[str]]
) -> None:
    whole = judged([("t1", 2), None, ("t2", 1)], failing)
    parts = [made(c.seat, c) for c in whole.candidates]
    events: list[Event] = [SnapshotTaken(SNAPSHOT, 0.0)]
    events += [event for place in order for event in parts[place]]
    state = fold([*events, *whole.checked], started(spec(3, 1)))
    assert state == replace(whole, checked=state.checked)
    assert verdict(state) == verdict(whole)


def test_what_rules_out_is_told_in_words() -> None:
    state = judged([None, ("t1", 2)], {BASE: set(), "t1": set()})
    (evidence,) = evidence_of(state, TORN)
    words = "f.py no longer parses (line 3: '(' was never closed)"
    assert (evidence.check, evidence.new_failures) == (PARSES, (words,))
    found = verdict(state)
    assert found.winner == "a1.1"
    assert f"1 of 2 pass every gate ({PARSES}, k0)" in found.why
    assert f"a0.1 is ruled out: {words}." in found.why
    told = explanation(replace(state, verdict=found))
    assert told.checks == ("k0", PARSES)
    assert [row.checks for row in told.rows] == [("passed", "–"), ("not judged", words)]


def test_the_same_tree_is_ruled_out_whoever_said_so() -> None:
    """An older record has a candidate without the word that another one of its tree has."""
    mute, telling = candidate("a0", TORN), torn(candidate("a1", TORN))
    state = fold([*made("a0", mute), *made("a1", telling)], started(spec(2, 0)))
    assert verdict(state).outcome == "abstained"


# ── beside what the user has changed ────────────────────────────────────────────────────────────

names = st.sets(st.integers(0, 3))


def landed(state: RunState, clashing: set[int], order: int = 1) -> RunState:
    """The state after those who can win were tried, and these seats are in the user's way."""
    steps = [step for step in next_steps(state) if isinstance(step, TryLanding)]
    for step in steps:
        inside = [c for c in step.candidates if int(c[1]) in clashing][::order]
        clashes = tuple(Clash(c, (rel_path("f.py"),)) for c in inside)
        state = fold([LandingTried(step.candidates[::order], clashes)], state)
    return state


def seated(seats: list[Sound], failing: dict[str, set[str]]) -> RunState:
    return replace(judged([*seats], failing), live=True)


@given(sound, measured, names)
def test_of_those_that_measure_the_same_one_that_lands_wins(
    seats: list[Sound], failing: dict[str, set[str]], clashing: set[int]
) -> None:
    state = seated(seats, failing)
    before, field = verdict(state), {c.cluster.members[0] for c in contenders(scorecards(state))}
    wanted = next_steps(state)
    assert any(isinstance(step, TryLanding) for step in wanted) == (len(field) > 1)
    after = verdict(landed(state, clashing))
    assert after.outcome == before.outcome, "a conflict never takes the winner from a run"
    landing = {c for c in field if int(c[1]) not in clashing}
    if len(field) < 2 or not landing or landing == field:
        assert after == before
        return
    assert after.winner in landing, "and never the evidence from the winner"
    if before.winner in landing:
        assert after.winner == before.winner
    for name in field - landing:
        assert f"{name} is ruled out" in after.why or name in agreeing(state, field - landing)


def agreeing(state: RunState, out: set[CandidateId]) -> set[CandidateId]:
    """Those that are named together with another one."""
    cards = [card for card in scorecards(state) if card.cluster.members[0] in out]
    return {m for card in cards if len(card.cluster.members) > 1 for m in card.cluster.members}


@given(sound, measured, names)
def test_the_order_of_what_was_tried_does_not_matter(
    seats: list[Sound], failing: dict[str, set[str]], clashing: set[int]
) -> None:
    state = seated(seats, failing)
    assert verdict(landed(state, clashing, -1)) == verdict(landed(state, clashing))


@given(sound, measured, names)
def test_it_is_tried_once_and_then_settled(
    seats: list[Sound], failing: dict[str, set[str]], clashing: set[int]
) -> None:
    steps = next_steps(landed(seated(seats, failing), clashing))
    assert [type(step) for step in steps] == [Settle]


def test_who_is_in_the_way_is_told_in_words() -> None:
    state = landed(seated([("t1", 1), ("t2", 2)], {BASE: set(), "t1": set(), "t2": set()}), {0})
    words = "it conflicts with what you have changed in f.py"
    found = verdict(state)
    assert found.winner == "a1.1"
    assert f"1 of 2 pass every gate (k0, {FITS}). a1.1 wins. a0.1 is ruled out: {words}." in (
        found.why
    )
    told = explanation(replace(state, verdict=found))
    assert told.checks == ("k0", FITS)
    assert [row.checks for row in told.rows] == [("passed", "–"), ("passed", words)]
    assert f"| a0.1 | 1 file, 1 line | passed | {words} |" in markdown(state, "r")


def test_what_was_tried_of_somebody_unknown_changes_nothing() -> None:
    state = seated([("t1", 1), ("t2", 2)], {})
    assert fold([LandingTried((CandidateId("zz.1"),))], state) == state
    (one, two) = (c.id for c in state.candidates)
    assert fold([LandingTried((one, two), (Clash(one, ()),))], state) == state


def test_conflicts_are_told_in_a_few_words() -> None:
    def said(*paths: str) -> str:
        return str(Clash(CandidateId("a.1"), tuple(map(rel_path, paths))))

    assert said("a", "b") == "it conflicts with what you have changed in a and b"
    assert said("a", "b", "c") == "it conflicts with what you have changed in a and 2 more files"


def test_the_words_of_our_own_gates_can_be_read_one_by_one() -> None:
    state = landed(seated([("t1", 1), ("t2", 2)], {BASE: set(), "t1": set(), "t2": set()}), {0})
    one, two = (c.id for c in state.candidates)
    assert own_words(state, one, FITS) == ("it conflicts with what you have changed in f.py",)
    assert own_words(state, two, FITS) == ()
    assert own_words(state, CandidateId("zz.1"), FITS) == ()
    assert own_words(state, one, "k0") == ()
