"""The run as a pure state machine: ``evolve(state, event)`` and ``next_steps(state)``.

``evolve`` is total: it never raises, and an event that is stale or makes no sense changes
nothing. ``next_steps`` names everything that ought to be going on now, in flight or not; whoever
performs the steps starts what is missing and cancels what is no longer named. So resuming is a
fold, cancelling is a fact like any other, and a dead seat cannot block: its attempt ends, and
the next look at the state goes on without it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from massgen_ls.core.candidate import (
    Candidate,
    CheckResult,
    Cluster,
    Evidence,
    Scorecard,
    Snapshot,
    TreeId,
)
from massgen_ls.core.events import (
    AgentActed,
    AttemptEnded,
    AttemptOutcome,
    AttemptStarted,
    BallotCast,
    CancelRequested,
    CandidateCaptured,
    CheckFinished,
    DeadlinePassed,
    Delivered,
    Discarded,
    Event,
    NothingCaptured,
    Notice,
    RunFailed,
    RunInterrupted,
    RunSettled,
    RunStarted,
    SnapshotTaken,
)
from massgen_ls.core.evidence import looks_flaky, weigh
from massgen_ls.core.task import CandidateId, RunSpec, SeatId
from massgen_ls.core.voting import Ballot, Verdict, decide

# ── the state ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class SeatState:
    """What is known of an agent in this run."""

    seat: SeatId
    phase: Literal["waiting", "working", "ended"] = "waiting"
    attempt: int = 0
    outcome: AttemptOutcome | None = None
    reason: str = ""
    captured: bool = False
    """Whether its last attempt's worktree was looked at (a candidate or nothing)."""
    action: str = ""
    """The last thing it was seen doing."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RunState:
    """Everything that a run's stored events say, and nothing else."""

    spec: RunSpec | None = None
    folder: str = ""
    snapshot: Snapshot | None = None
    seats: tuple[SeatState, ...] = ()
    """In the order of the configuration."""
    candidates: tuple[Candidate, ...] = ()
    """In the order of the configuration, then of their capture."""
    checked: tuple[CheckFinished, ...] = ()
    ballots: tuple[Ballot, ...] = ()
    """The last valid one of each judge, by the judge's id."""
    cancelled_by: str = ""
    late: bool = False
    failure: str = ""
    interrupted: bool = False
    verdict: Verdict | None = None
    deliveries: tuple[Delivered, ...] = ()
    discarded: frozenset[CandidateId] = field(default_factory=frozenset[CandidateId])
    notices: tuple[Notice, ...] = ()

    @property
    def epoch(self) -> int:
        """The version of the candidate set; a ballot of another one is void."""
        return len(self.candidates)

    def seat(self, seat: SeatId) -> SeatState | None:
        """One agent's state."""
        return next((s for s in self.seats if s.seat == seat), None)

    def candidate(self, candidate: CandidateId) -> Candidate | None:
        """One candidate."""
        return next((c for c in self.candidates if c.id == candidate), None)

    def results(self, check: str, tree: TreeId) -> tuple[CheckResult, ...]:
        """Every run of a check on a tree, first look first."""
        found = [c for c in self.checked if c.result.check == check and c.result.tree == tree]
        return tuple(c.result for c in sorted(found, key=lambda c: c.repeat))


EMPTY = RunState()

_MOST_NOTICES = 200
"""Notices that a state remembers; the record has them all."""


def fold(events: Iterable[Event], state: RunState = EMPTY) -> RunState:
    """The state after these events."""
    for event in events:
        state = evolve(state, event)
    return state


def evolve(state: RunState, event: Event) -> RunState:
    """The state after one more event."""
    if isinstance(event, RunStarted):
        if state.spec is not None:
            return state
        seats = tuple(SeatState(SeatId(str(a.id))) for a in event.spec.agents)
        return replace(state, spec=event.spec, folder=event.folder, seats=seats)
    if state.spec is None:
        return state
    match event:
        case Notice():
            kept = len(state.notices) < _MOST_NOTICES
            return replace(state, notices=(*state.notices, event)) if kept else state
        case Delivered() if state.candidate(event.candidate):
            return replace(state, deliveries=(*state.deliveries, event))
        case Discarded(candidate=chosen):
            gone = {c.id for c in state.candidates if chosen is None or c.id == chosen}
            return replace(state, discarded=state.discarded | gone)
        case _ if state.verdict is not None:
            return state
        case RunSettled(verdict=verdict):
            return replace(state, verdict=verdict)
        case CancelRequested(by=by):
            return state if state.cancelled_by else replace(state, cancelled_by=by or "someone")
        case DeadlinePassed():
            return replace(state, late=True)
        case RunFailed(reason=reason):
            return state if state.failure else replace(state, failure=reason or "unknown reason")
        case RunInterrupted():
            return replace(
                state,
                interrupted=True,
                seats=tuple(_interrupt(s) for s in state.seats),
            )
        case SnapshotTaken(snapshot=snapshot):
            return state if state.snapshot else replace(state, snapshot=snapshot)
        case CheckFinished():
            return _checked(state, event)
        case BallotCast(ballot=ballot):
            return _voted(state, ballot)
        case CandidateCaptured(candidate=candidate):
            return _captured(state, candidate)
        case AttemptStarted() | AgentActed() | AttemptEnded() | NothingCaptured():
            return _at_seat(state, event)
        case _:
            return state


def _interrupt(seat: SeatState) -> SeatState:
    if seat.phase == "working":
        return replace(seat, phase="ended", outcome="interrupted", captured=True)
    return replace(seat, captured=True) if seat.phase == "ended" else seat


def _checked(state: RunState, event: CheckFinished) -> RunState:
    key = (event.result.check, event.result.tree, event.repeat)
    if state.spec is None or event.result.check not in {c.name for c in state.spec.checks}:
        return state
    if any((c.result.check, c.result.tree, c.repeat) == key for c in state.checked):
        return state
    return replace(state, checked=(*state.checked, event))


def _voted(state: RunState, ballot: Ballot) -> RunState:
    choice = state.candidate(ballot.choice)
    if ballot.epoch != state.epoch or choice is None or state.seat(ballot.judge) is None:
        return state
    if choice.seat == ballot.judge:
        return state  # self-votes do not count
    others = (b for b in state.ballots if b.judge != ballot.judge)
    return replace(state, ballots=tuple(sorted([*others, ballot], key=lambda b: b.judge)))


def _captured(state: RunState, candidate: Candidate) -> RunState:
    seat = state.seat(candidate.seat)
    if seat is None or seat.phase != "ended" or seat.captured or state.snapshot is None:
        return state
    if candidate.base != state.snapshot.tree or state.candidate(candidate.id):
        return state
    order = [s.seat for s in state.seats]
    candidates = sorted([*state.candidates, candidate], key=lambda c: order.index(c.seat))
    # A new candidate makes a new epoch: every ballot so far is void.
    return _with_seat(
        replace(state, candidates=tuple(candidates), ballots=()), replace(seat, captured=True)
    )


def _at_seat(
    state: RunState, event: AttemptStarted | AgentActed | AttemptEnded | NothingCaptured
) -> RunState:
    seat = state.seat(event.seat)
    if seat is None:
        return state
    match event:
        case AttemptStarted(attempt=n) if seat.phase == "waiting" and n == seat.attempt + 1:
            return _with_seat(state, replace(seat, phase="working", attempt=n))
        case AgentActed(action=action, target=target) if seat.phase == "working":
            return _with_seat(state, replace(seat, action=f"{action} {target}".strip()))
        case AttemptEnded(attempt=n) if seat.phase == "working" and n == seat.attempt:
            ended = replace(
                seat,
                phase="ended",
                outcome=event.outcome,
                reason=event.reason,
                seconds=event.seconds,
                action="",
            )
            return _with_seat(state, ended)
        case NothingCaptured(attempt=n, reason=reason) if (
            seat.phase == "ended" and not seat.captured and n == seat.attempt
        ):
            return _with_seat(state, replace(seat, captured=True, reason=seat.reason or reason))
        case _:
            return state


def _with_seat(state: RunState, seat: SeatState) -> RunState:
    return replace(state, seats=tuple(seat if s.seat == seat.seat else s for s in state.seats))


# ── what follows from the state ─────────────────────────────────────────────────────────────────


def eligible(state: RunState) -> tuple[Candidate, ...]:
    """Candidates that may win: their attempt ended well.

    What a crashed or stopped attempt left is kept and listed, yet it is half a work.
    """
    done = {s.seat for s in state.seats if s.outcome == "done"}
    return tuple(c for c in state.candidates if c.seat in done)


def clusters(candidates: Iterable[Candidate]) -> tuple[Cluster, ...]:
    """Candidates with equal trees, in the order of their first members."""
    found: dict[TreeId, list[CandidateId]] = {}
    for candidate in candidates:
        found.setdefault(candidate.tree, []).append(candidate.id)
    return tuple(Cluster(tree, tuple(members)) for tree, members in found.items())


def scorecards(state: RunState) -> tuple[Scorecard, ...]:
    """The evidence so far about every cluster of eligible candidates."""
    sizes = {c.tree: c.changes.size for c in state.candidates}
    return tuple(
        Scorecard(cluster, tuple(_evidence(state, cluster.tree)), sizes[cluster.tree])
        for cluster in clusters(eligible(state))
    )


def _evidence(state: RunState, tree: TreeId) -> Iterator[Evidence]:
    assert state.spec is not None, "a run that has not begun has no candidates"
    assert state.snapshot is not None, "no candidate without a base"
    for check in state.spec.checks:
        base = state.results(check.name, state.snapshot.tree)
        mine = _as_in_base(state, tree, state.results(check.name, tree))
        if base and mine:
            yield _without_deleted(state, tree, weigh(check.name, base, mine))


def _without_deleted(state: RunState, tree: TreeId, evidence: Evidence) -> Evidence:
    """Takes back the credit for failures that went away with the file they were found in.

    Deleting a failing test mends nothing.
    """
    candidate = next((c for c in state.candidates if c.tree == tree), None)
    if candidate is None or not evidence.fixed:
        return evidence
    gone: set[str] = set()
    for change in candidate.changes.files:
        if change.kind == "delete":
            stem = change.path.rpartition(".")[0] or change.path
            gone |= {change.path, stem.replace("/", "."), stem.rpartition("/")[2]}
    words = re.compile(r"[^\w./-]+")
    kept = tuple(name for name in evidence.fixed if gone.isdisjoint(_names(name, words)))
    if len(kept) == len(evidence.fixed):
        return evidence
    lost = len(evidence.fixed) - len(kept)
    note = f"{evidence.check}: {_count(lost, 'failure')} only went away with a deleted file"
    return replace(evidence, fixed=kept, note=evidence.note or note)


def _names(failure: str, words: re.Pattern[str]) -> set[str]:
    """Everything in a failure's name that may name a file or a module, with its parents."""
    found: set[str] = set()
    for word in words.split(failure):
        found.add(word)
        parts = word.split(".")
        found |= {".".join(parts[:end]) for end in range(1, len(parts))}
        found |= set(parts)
    return found


def _as_in_base(
    state: RunState, tree: TreeId, results: Iterable[CheckResult]
) -> tuple[CheckResult, ...]:
    """A candidate's results with findings named by the files' old paths.

    A finding that moved along with its file is not a new one.
    """
    candidate = next(c for c in state.candidates if c.tree == tree)
    assert state.snapshot is not None, "no candidate without a base"
    top = f"{state.snapshot.prefix}/" if state.snapshot.prefix else ""
    moved = {
        f"{change.path.removeprefix(top)}: ": f"{change.old_path.removeprefix(top)}: "
        for change in candidate.changes.files
        if change.old_path and change.old_path != change.path
    }
    if not moved:
        return tuple(results)

    def renamed(failure: str) -> str:
        path, separator, rest = failure.partition(": ")
        return moved.get(path + separator, path + separator) + rest

    return tuple(replace(r, failures=tuple(sorted(map(renamed, r.failures)))) for r in results)


# ── what ought to be going on ───────────────────────────────────────────────────────────────────


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
class Settle:
    """Nothing is left to find out."""

    verdict: Verdict


Step = TakeSnapshot | MakeAttempt | RunCheck | Settle


def next_steps(state: RunState) -> frozenset[Step]:
    """Everything that ought to be going on in this state; empty when it is over."""
    if state.spec is None or state.verdict is not None:
        return frozenset()
    open_seats = tuple(s for s in state.seats if not _over(s))
    stopping = bool(state.cancelled_by or state.failure or state.interrupted)
    if stopping:
        # What is in flight is cancelled by not being named; the end waits for it to wrap up.
        busy = any(
            s.phase == "working" or (s.phase == "ended" and not s.captured) for s in open_seats
        )
        return frozenset() if busy else frozenset({Settle(verdict(state))})
    if state.snapshot is None:
        return frozenset({Settle(verdict(state))} if state.late else {TakeSnapshot()})
    steps: set[Step] = set()
    enough = _quorum_reached(state) or state.late
    for seat in open_seats:
        if not enough and seat.phase != "ended":
            steps.add(MakeAttempt(seat.seat, max(seat.attempt, 1)))
        elif seat.phase == "ended":
            steps.add(MakeAttempt(seat.seat, seat.attempt))  # its capture is still to come
    steps |= set(_checks(state))
    waiting = any(
        s.phase == "working" or (s.phase == "ended" and not s.captured) for s in open_seats
    )
    if not steps and not waiting:
        steps.add(Settle(verdict(state)))
    return frozenset(steps)


def _over(seat: SeatState) -> bool:
    return seat.phase == "ended" and seat.captured


def _quorum_reached(state: RunState) -> bool:
    assert state.spec is not None, "asked only of a run that has begun"
    share = min(max(state.spec.rules.quorum, 0.0), 1.0)
    needed = max(1, math.ceil(share * len(state.seats)))
    # The dead count as ended, and yet the living are not cancelled for nothing.
    return sum(_over(s) for s in state.seats) >= needed and bool(eligible(state))


def _checks(state: RunState) -> Iterator[RunCheck]:
    """Checks of the base and of every cluster, and second looks where a failure is new."""
    assert state.spec is not None, "asked only of a run that has begun"
    assert state.snapshot is not None, "without a base there is nothing to judge"
    base_tree = state.snapshot.tree
    attempts_open = any(not _over(s) for s in state.seats) and not (
        _quorum_reached(state) or state.late
    )
    trees = [c.tree for c in clusters(eligible(state))]
    for check in state.spec.checks:
        base = state.results(check.name, base_tree)
        # The base is judged while the agents work, and not at all when nobody made anything.
        if not base and (trees or attempts_open):
            yield RunCheck(check.name, base_tree)
        again = False
        for tree in trees:
            mine = state.results(check.name, tree)
            if not mine:
                yield RunCheck(check.name, tree)
            elif mine[0].outcome in {"failed", "timed_out"} and looks_flaky(
                base, _as_in_base(state, tree, mine)
            ):
                again = True
                if len(mine) == 1:
                    yield RunCheck(check.name, tree, 1)
        if again and len(base) == 1:
            yield RunCheck(check.name, base_tree, 1)


def verdict(state: RunState) -> Verdict:
    """The verdict that the state asks for, if it had to end now."""
    kept = tuple(c.id for c in state.candidates)
    if state.failure:
        return Verdict("none", None, state.failure, kept)
    if state.cancelled_by or state.interrupted:
        left = f" {_count(len(kept), 'candidate')} kept: {', '.join(kept)}." if kept else ""
        who = (
            f"Cancelled by {state.cancelled_by}."
            if state.cancelled_by
            else ("The server stopped before there was a verdict.")
        )
        return Verdict("cancelled", None, who + left, kept)
    cards = scorecards(state)
    if not cards:
        ends = "; ".join(f"{s.seat}: {_end(s)}" for s in state.seats)
        if state.late:
            return Verdict(
                "cancelled", None, f"Out of time before any agent had finished ({ends}).", kept
            )
        partly = f" What was left unfinished is kept as {', '.join(kept)}." if kept else ""
        return Verdict("none", None, f"No agent produced a candidate ({ends}).{partly}", kept)
    unjudged = tuple(
        c for c in kept if c not in {m for card in cards for m in card.cluster.members}
    )
    ended = decide(cards, state.ballots)
    judged = {c.seat for c in state.candidates if c.id not in unjudged}
    missing = [f"{s.seat} ({_end(s)})" for s in state.seats if s.seat not in judged]
    note = f" Without a candidate: {', '.join(missing)}." if missing else ""
    if state.late:
        note = f" Time ran out.{note}"
    return replace(ended, why=ended.why + note, ranking=(*ended.ranking, *unjudged))


def _end(seat: SeatState) -> str:
    if seat.outcome is None:
        return "not started"
    if seat.outcome == "done":
        return seat.reason or "changed nothing"
    return seat.reason or seat.outcome.replace("_", " ")


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
