"""What ought to be going on in a run: ``next_steps(state)``, and the verdict that it ends in.

``next_steps`` names everything that ought to be going on now, in flight or not; whoever performs
the steps starts what is missing and cancels what is no longer named. So cancelling is a fact like
any other, and a dead seat cannot block: its attempt ends, and the next look at the state goes on
without it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from massgen_ls.core.basetests import BaseTest
from massgen_ls.core.candidate import TreeId, whole
from massgen_ls.core.consensus import AskVoter, counting, open_votes, words_of
from massgen_ls.core.gates import (
    clusters,
    eligible,
    faulty,
    mends_to_look_at,
    ruled_out,
    to_look_at_again,
)
from massgen_ls.core.polls import AskJudge, open_questions
from massgen_ls.core.run_state import RunState
from massgen_ls.core.scoring import (
    agreed,
    base_runs,
    cross_runs,
    early_base_run,
    scorecards,
    to_fuse,
    to_land,
)
from massgen_ls.core.seats import SeatState
from massgen_ls.core.task import CandidateId, SeatId
from massgen_ls.core.voting import Verdict, decide
from massgen_ls.core.wording import counted

_SHORT = 140
"""Characters of an agent's reason in the verdict."""


@dataclass(frozen=True, slots=True)
class TakeSnapshot:
    """Record the base."""


@dataclass(frozen=True, slots=True)
class MakeAttempt:
    """Lease a worktree, run the seat's agent in it, capture what it left."""

    seat: SeatId
    attempt: int


@dataclass(frozen=True, slots=True)
class RunCheck:
    """Judge a tree; ``repeat`` 1 is the second look at something that may be flaky."""

    check: str
    tree: TreeId
    repeat: int = 0


@dataclass(frozen=True, slots=True)
class CrossTest:
    """Run the tests that one candidate brought on another tree, the base's or a candidate's."""

    author: TreeId
    onto: TreeId
    repeat: int = 0
    """1 is the second look at what tells candidates apart."""


@dataclass(frozen=True, slots=True)
class Fuse:
    """Compose what several candidates share, and enter it as one more."""


@dataclass(frozen=True, slots=True)
class TryLanding:
    """Work out whether these would land beside what the user has changed; write nothing."""

    candidates: tuple[CandidateId, ...]


@dataclass(frozen=True, slots=True)
class Settle:
    """Nothing is left to find out."""

    verdict: Verdict


Work = (
    TakeSnapshot
    | MakeAttempt
    | RunCheck
    | Fuse
    | CrossTest
    | BaseTest
    | AskJudge
    | AskVoter
    | TryLanding
)
"""A step that takes its time."""
Step = Work | Settle


def next_steps(state: RunState) -> frozenset[Step]:
    """Everything that ought to be going on in this state; empty when it is over."""
    if state.spec is None or state.verdict is not None:
        return frozenset()
    open_seats = tuple(s for s in state.seats if not s.over)
    if state.stopping:
        # What is in flight is cancelled by not being named; the end waits for it to wrap up.
        busy = any(
            s.phase == "working" or (s.phase == "ended" and not s.captured) for s in open_seats
        )
        return frozenset() if busy else frozenset({Settle(verdict(state))})
    if state.snapshot is None:
        return frozenset({Settle(verdict(state))} if state.late else {TakeSnapshot()})
    steps: set[Step] = set()
    wanted = _waited_for(state)
    for seat in open_seats:
        if seat.seat in wanted and seat.phase != "ended":
            number = seat.attempt + 1 if seat.phase == "waiting" else seat.attempt
            steps.add(MakeAttempt(seat.seat, number))
        elif seat.phase == "ended":
            steps.add(MakeAttempt(seat.seat, seat.attempt))  # its capture is still to come
    steps |= set(_checks(state, attempts_open=bool(wanted)))
    if not state.late and (early := early_base_run(state)):
        steps.add(early)
    waiting = any(
        s.phase == "working" or (s.phase == "ended" and not s.captured) for s in open_seats
    )
    if not steps and not waiting and not state.late and agreed(state) is None:
        # The gates have spoken about everybody; more is asked only of those who passed them.
        steps |= {Fuse()} if to_fuse(state) else set()
    if not steps and not waiting and not state.late and agreed(state) is None:
        steps |= {CrossTest(*wanted) for wanted in cross_runs(state)}
    if not steps and not waiting and not state.late and agreed(state) is None:
        steps |= set(base_runs(state))
    # What is known of landing is known at the very end: nobody is asked about it once more.
    tried = state.landing is not None and not to_land(state)
    if not steps and not waiting and not tried:
        steps |= set(open_questions(state))  # only when there is nothing left to measure
    if (
        not tried
        and all(isinstance(step, MakeAttempt) for step in steps)
        and all(s.onto for s in open_seats)
    ):
        # Who improves does not keep the others from voting, as long as nothing new has come.
        steps |= set(open_votes(state))
    if not steps and not waiting:
        landing = to_land(state)
        steps.add(TryLanding(landing) if landing else Settle(verdict(state)))
    return frozenset(steps)


def _enough(state: RunState) -> bool:
    """Whether no further attempt is wanted: what is there is judged, and that is the end."""
    return state.late or bool(state.used_up) or agreed(state) is not None


def _waited_for(state: RunState) -> frozenset[SeatId]:
    """The open seats whose work is waited for; the quorum is one of first answers."""
    if _enough(state):
        return frozenset()
    answered = _quorum_reached(state)
    return frozenset(
        s.seat for s in state.seats if not s.over and (s.onto is not None or not answered)
    )


def _quorum_reached(state: RunState) -> bool:
    assert state.spec is not None, "asked only of a run that has begun"
    share = min(max(state.spec.rules.quorum, 0.0), 1.0)
    needed = max(1, math.ceil(share * len(state.seats)))
    # The dead count as ended, and yet the living are not cancelled for nothing.
    first = sum(s.over or s.onto is not None for s in state.seats)
    return first >= needed and bool(eligible(state))


def _checks(state: RunState, *, attempts_open: bool) -> Iterator[RunCheck]:
    """Checks of the base and of every cluster, and second looks where a failure is new, or mended.

    Who fails a gate is not put through the others, as long as somebody may win. Where nobody does,
    all is measured, for the best of them are named, and voters choose among them what to improve
    on; but not beyond the time and the money that a run has.
    """
    assert state.spec is not None, "asked only of a run that has begun"
    assert state.snapshot is not None, "without a base there is nothing to judge"
    base_tree = state.snapshot.tree
    trees = [c.tree for c in clusters(state) if not faulty(state, c.tree)]
    left = [tree for tree in trees if not ruled_out(state, tree)]
    over = state.late or bool(state.used_up)
    if not left and not over and (state.consensus or not attempts_open):
        left = trees
    for check in state.spec.checks:
        base = state.results(check.name, base_tree)
        # The base is judged while the agents work, and not at all when nobody made anything.
        if not base and (trees or attempts_open):
            yield RunCheck(check.name, base_tree)
        again = False
        for tree in left:
            mine = state.results(check.name, tree)
            if not mine:
                yield RunCheck(check.name, tree)
            elif to_look_at_again(state, check.name, tree):
                looks = whole(mine)
                again = again or not looks[0].part
                if len(looks) == 1 and len(mine) < 3:
                    yield RunCheck(check.name, tree, len(mine))
        if again and len(base) == 1:
            yield RunCheck(check.name, base_tree, 1)
    for name, tree in mends_to_look_at(state):
        yield RunCheck(name, tree, len(state.results(name, tree)))


def verdict(state: RunState) -> Verdict:
    """The verdict that the state asks for, if it had to end now."""
    kept = tuple(c.id for c in state.candidates)
    if state.failure:
        return Verdict("none", None, state.failure, kept)
    if state.cancelled_by or state.interrupted:
        left = f" {counted(len(kept), 'candidate')} kept: {', '.join(kept)}." if kept else ""
        who = (
            f"Cancelled by {state.cancelled_by}."
            if state.cancelled_by
            else ("The server stopped before there was a verdict.")
        )
        return Verdict("cancelled", None, who + left, kept)
    cards = scorecards(state)
    if not cards:
        ends = "; ".join(f"{s.seat}: {_end(s)}" for s in state.seats)
        partly = f" What was left unfinished is kept as {', '.join(kept)}." if kept else ""
        if state.used_up or state.late:
            short = state.used_up or "Out of time"
            return Verdict(
                "cancelled", None, f"{short} before any agent had finished ({ends}).{partly}", kept
            )
        return Verdict("none", None, f"No agent produced a candidate ({ends}).{partly}", kept)
    unjudged = tuple(
        c for c in kept if c not in {m for card in cards for m in card.cluster.members}
    )
    assert state.spec is not None, "a run that has not begun has no candidates"
    ended = decide(cards, state.ballots, counting(state))
    judged = {c.seat for c in state.candidates if c.id not in unjudged}
    left = {c.seat: c.id for c in state.candidates if c.seat not in judged}
    ends = {s.seat: f"({_end(s)})" for s in state.seats if s.seat not in judged}
    missing = [f"{seat} {end}" for seat, end in ends.items() if seat not in left]
    unfinished = [f"{left[seat]} {end}" for seat, end in ends.items() if seat in left]
    note = f" Without a candidate: {', '.join(missing)}." if missing else ""
    note += f" Kept unfinished: {', '.join(unfinished)}." if unfinished else ""
    for seat in state.seats:
        if seat.lost and seat.seat in judged:
            lost = "; ".join(map(_short, seat.lost))
            note += f" At {seat.seat} a fallback ({seat.type}) worked instead: {lost}."
    note = _rounds(state) + note
    if state.used_up:
        note = f" {state.used_up}.{note}"
    elif state.late:
        note = f" Time ran out.{note}"
    elif agreed(state) and any(s.outcome in {"cancelled", None} for s in state.seats):
        note = f" More than half of the agents agree, so nobody else was waited for.{note}"
    return replace(ended, why=ended.why + note, ranking=(*ended.ranking, *unjudged))


def _rounds(state: RunState) -> str:
    """What led to the last votes, where agents were asked for them."""
    words = words_of(state)
    if not words:
        return ""
    came = [f"{w.came} improves on {w.choice}" for w in words if w.came]
    return f" {counted(words[-1].round, 'round')} of votes{': ' if came else ''}{', '.join(came)}."


def _end(seat: SeatState) -> str:
    lost = [_short(why) for why in seat.lost]
    if seat.outcome is None:
        return "; then its fallback: ".join(lost) or "not started"
    plain = "changed nothing" if seat.outcome == "done" else seat.outcome.replace("_", " ")
    return "; then its fallback: ".join([*lost, _short(seat.reason) or plain])


def _short(reason: str) -> str:
    """The beginning of a reason: the whole of it stands with its seat."""
    flat = " ".join(reason.split()).rstrip(".")
    return flat if len(flat) <= _SHORT else f"{flat[:_SHORT].rstrip()}…"
