"""Laws of what is checked first: the order changes when a verdict is there, never the verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgen_ls.core.candidate import CheckResult
from massgen_ls.core.coordination import RunCheck, Settle, next_steps, verdict
from massgen_ls.core.events import (
    AttemptEnded,
    AttemptStarted,
    CandidateCaptured,
    CheckFinished,
    DeadlinePassed,
    Event,
    NothingCaptured,
    SnapshotTaken,
)
from massgen_ls.core.gates import clusters, ruled_out
from massgen_ls.core.order import precedence, tallies
from massgen_ls.core.run_state import RunState, evolve, fold
from massgen_ls.core.tallies import CheckTally, added, share
from massgen_ls.core.task import SeatId
from massgen_ls.core.voting import Verdict
from tests.laws.histories import BASE, FAILURES, SNAPSHOT, candidate, made, spec, started

SEATS, CHECKS = 4, 3
Said = dict[tuple[str, str], frozenset[str]]
"""What fails of a check on a tree, whenever it is run."""


@dataclass(frozen=True)
class Ended:
    verdict: Verdict
    ran: tuple[RunCheck, ...]
    state: RunState


def captured(trees: list[str], *, early: bool) -> RunState:
    run = spec(len(trees), CHECKS)
    state = started(replace(run, rules=replace(run.rules, early_exit=early)))
    state = evolve(state, SnapshotTaken(SNAPSHOT, 0.1))
    for n, tree in enumerate(trees):
        seat = SeatId(f"a{n}")
        made = candidate(seat, tree, lines=1 + int(tree[1]))
        events: list[Event] = [AttemptStarted(seat, 1, "/w"), AttemptEnded(seat, 1, "done")]
        state = fold([*events, CandidateCaptured(made)], state)
    return state


def finished(step: RunCheck, said: Said) -> CheckFinished:
    failing = tuple(sorted(said.get((step.check, step.tree), ())))
    found = CheckResult(step.check, step.tree, "failed" if failing else "passed", failing)
    return CheckFinished(found, step.repeat)


def played(state: RunState, said: Said, choose: Callable[[list[RunCheck]], RunCheck]) -> Ended:
    """A run to its end, one check after the other."""
    ran: list[RunCheck] = []
    while True:
        steps = next_steps(state)
        work = sorted((s for s in steps if isinstance(s, RunCheck)), key=repr)
        if not work:
            (settle,) = steps
            assert isinstance(settle, Settle)
            return Ended(settle.verdict, tuple(ran), state)
        out = {c.tree for c in clusters(state) if ruled_out(state, c.tree)}
        left = {c.tree for c in clusters(state)} - out
        assert not left or out.isdisjoint(s.tree for s in work), "nobody is asked in vain"
        step = choose(work)
        ran.append(step)
        state = evolve(state, finished(step, said))


trees = st.lists(st.sampled_from(["t1", "t2", "t3", "t4"]), min_size=2, max_size=SEATS)
said = st.dictionaries(
    st.tuples(
        st.sampled_from([f"k{n}" for n in range(CHECKS)]),
        st.sampled_from([BASE, "t1", "t2", "t3", "t4"]),
    ),
    st.frozensets(st.sampled_from(FAILURES), min_size=1),
    max_size=8,
)


@given(trees, said, st.booleans(), st.data())
@settings(deadline=None, max_examples=150)
def test_no_order_of_checks_changes_the_verdict(
    made: list[str], fails: Said, early: bool, data: st.DataObject
) -> None:
    state = captured(made, early=early)
    ends = [
        played(state, fails, lambda work: work[0]),
        played(state, fails, lambda work: work[-1]),
        played(state, fails, lambda work: min(work, key=lambda s: precedence(state, s, {}))),
        played(state, fails, lambda work: data.draw(st.sampled_from(work))),
    ]
    found = {(e.verdict.outcome, e.verdict.winner) for e in ends}
    assert len(found) == 1
    if not early:
        assert len({e.verdict.ranking for e in ends}) == 1
    # Nor does it change anything that some checks are not run at all.
    whole = state
    for check in (f"k{n}" for n in range(CHECKS)):
        for tree in (BASE, *dict.fromkeys(made)):
            for repeat in (0, 1):
                whole = evolve(whole, finished(RunCheck(check, tree, repeat), fails))
    full = verdict(whole)
    assert found == {(full.outcome, full.winner)}
    assert all(len(e.ran) <= 2 * CHECKS * (1 + len(set(made))) for e in ends)
    if full.outcome == "abstained":
        asked = {(step.check, step.tree) for step in ends[0].ran}
        assert len(asked) == CHECKS * (1 + len(set(made))), "the best of them are named, by all"


@given(trees, said)
@settings(deadline=None)
def test_what_is_counted_for_later_runs_is_what_was_said(made: list[str], fails: Said) -> None:
    end = played(captured(made, early=False), fails, lambda work: work[0])
    counted = {tally.check: tally for tally in tallies(end.state)}
    for check, tally in counted.items():
        on = {step.tree for step in end.ran if step.check == check} - {BASE}
        shut = {
            t
            for t in on
            if fails.get((check, t), frozenset()) - fails.get((check, BASE), frozenset())
        }
        assert (tally.looks, tally.ruled_out) == (len(on), len(shut))


counts = st.builds(
    lambda looks, out: CheckTally("k0", looks + out, out), st.integers(0, 99), st.integers(0, 99)
)


@given(counts, counts)
def test_a_check_is_likelier_to_tell_the_more_often_it_did(
    one: CheckTally, two: CheckTally
) -> None:
    assert 0 < share(one) < 1
    assert share(None) == share(CheckTally("k0", 0, 0))
    both = added([one, two])["k0"]
    assert (both.looks, both.ruled_out) == (
        one.looks + two.looks,
        one.ruled_out + two.ruled_out,
    )
    assert share(replace(one, ruled_out=one.ruled_out + 1, looks=one.looks + 1)) >= share(one)
    assert share(replace(one, looks=one.looks + 1)) <= share(one)


def test_what_tells_most_in_a_second_comes_first() -> None:
    state = captured(["t1", "t2"], early=True)
    for check, seconds in (("k0", 2.0), ("k1", 6.0), ("k2", 1.0)):
        base = CheckResult(check, BASE, "passed", seconds=seconds)
        state = evolve(state, CheckFinished(base))

    def order(known: dict[str, CheckTally]) -> list[str]:
        steps = [s for s in next_steps(state) if isinstance(s, RunCheck) and s.tree == "t1"]
        return [s.check for s in sorted(steps, key=lambda s: precedence(state, s, known))]

    assert order({}) == ["k2", "k0", "k1"], "nobody knows better: the quick ones"
    never = {check: CheckTally(check, 40, 0) for check in ("k0", "k2")}
    often = CheckTally("k1", 40, 30)
    assert order({**never, "k1": often}) == ["k1", "k2", "k0"]

    failed = CheckResult("k1", "t1", "failed", ("f",), seconds=6.0)
    state = evolve(state, CheckFinished(failed))
    steps = [s for s in next_steps(state) if isinstance(s, RunCheck)]
    line = [
        (s.check, s.tree, s.repeat) for s in sorted(steps, key=lambda s: precedence(state, s, {}))
    ]
    assert line == [
        ("k1", BASE, 1),
        *(("k2", "t2", 0), ("k1", "t1", 1), ("k0", "t2", 0), ("k1", "t2", 0)),
        *(("k2", "t1", 0), ("k0", "t1", 0)),
    ]


def all_ruled_out(*, consensus: bool) -> RunState:
    """Two choices that fail the first of three checks for good, and a seat that is at work."""
    run = spec(3, CHECKS)
    rules = replace(run.rules, mode="consensus" if consensus else "best_of_n", early_exit=False)
    state = evolve(started(replace(run, rules=rules)), SnapshotTaken(SNAPSHOT, 0.1))
    for seat, tree in (("a0", "t1"), ("a1", "t2")):
        state = fold(made(seat, candidate(seat, tree)), state)
    state = evolve(state, AttemptStarted(SeatId("a2"), 1, "/w"))
    failing: Said = {("k0", tree): frozenset(FAILURES[:1]) for tree in ("t1", "t2")}
    looks = [RunCheck("k0", tree, n) for n in (0, 1) for tree in (BASE, "t1", "t2")]
    others = [RunCheck(f"k{n}", BASE) for n in range(1, CHECKS)]
    return fold([finished(step, failing) for step in (*looks, *others)], state)


def asked(state: RunState) -> set[tuple[str, str]]:
    return {(s.check, s.tree) for s in next_steps(state) if isinstance(s, RunCheck)}


REST = {(f"k{n}", tree) for n in range(1, CHECKS) for tree in ("t1", "t2")}


def test_who_is_ruled_out_is_measured_in_full_once_nobody_else_can_come() -> None:
    state = all_ruled_out(consensus=False)
    assert asked(state) == set(), "somebody may still win"
    ended = fold([AttemptEnded(SeatId("a2"), 1, "failed", "no")], state)
    ended = fold([NothingCaptured(SeatId("a2"), 1, "no")], ended)
    assert asked(ended) == REST


def test_voters_see_everything_of_whom_they_may_improve_on() -> None:
    assert asked(all_ruled_out(consensus=True)) == REST


@pytest.mark.parametrize("consensus", [False, True])
def test_when_the_time_is_over_nothing_begins_that_changes_nothing(*, consensus: bool) -> None:
    assert asked(evolve(all_ruled_out(consensus=consensus), DeadlinePassed(5.0))) == set()


def test_before_there_is_a_snapshot_nothing_is_known_of_the_order() -> None:
    step = RunCheck("k0", BASE)
    assert precedence(started(spec(2, 1)), step, {}) == (True, 0.0, repr(step))
