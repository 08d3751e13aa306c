"""What is known of a run: `evolve(state, event)` folds its events into a `RunState`.

``evolve`` is total: it never raises, and an event that is stale or makes no sense changes
nothing. So resuming after a crash is a fold over what was stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from massgen_ls.core.ballots import Ballot, author
from massgen_ls.core.budget import Usage, total
from massgen_ls.core.candidate import (
    Candidate,
    CheckResult,
    Fate,
    Snapshot,
    TreeId,
)
from massgen_ls.core.events import (
    AgentActed,
    AttemptEnded,
    AttemptPaused,
    AttemptStarted,
    BallotCast,
    BallotMissed,
    BaseTested,
    CancelRequested,
    CandidateCaptured,
    CheckFinished,
    CrossTested,
    DeadlinePassed,
    Delivered,
    Discarded,
    Event,
    FusionTried,
    JudgingUsed,
    LandingTried,
    NothingCaptured,
    Notice,
    RefinementChosen,
    Revised,
    RunFailed,
    RunInterrupted,
    RunSettled,
    RunStarted,
    SnapshotTaken,
    UsageReported,
)
from massgen_ls.core.looks import once
from massgen_ls.core.seats import Asked, Refined, SeatEvent, SeatState, may_improve
from massgen_ls.core.task import AgentSpec, CandidateId, RunSpec, SeatId
from massgen_ls.core.voting import Verdict


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
    finished: frozenset[CandidateId] = field(default_factory=frozenset[CandidateId])
    """Candidates whose attempt ended well."""
    checked: tuple[CheckFinished, ...] = ()
    crossed: tuple[CrossTested, ...] = ()
    base_tested: tuple[BaseTested, ...] = ()
    ballots: tuple[Ballot, ...] = ()
    """The last valid one of each judge for each question, by the judge's id and the question."""
    asked: tuple[Asked, ...] = ()
    """Questions to judges of which more is known than their answer, in the same order."""
    voided: tuple[Ballot, ...] = ()
    """Ballots of earlier epochs, by epoch, judge and question."""
    fusion_tried: bool = False
    live: bool = False
    """Whether candidates can be tried on the user's live files."""
    landing: LandingTried | None = None
    """What came of that, the last time."""
    refined: tuple[Refined, ...] = ()
    """Wishes to improve that were granted, by epoch and seat."""
    cancelled_by: str = ""
    late: bool = False
    failure: str = ""
    interrupted: bool = False
    verdict: Verdict | None = None
    deliveries: tuple[Delivered, ...] = ()
    discarded: frozenset[CandidateId] = field(default_factory=frozenset[CandidateId])
    fates: tuple[tuple[CandidateId, Fate], ...] = ()
    """What became of candidates that had landed and were not kept as they were."""
    notices: tuple[Notice, ...] = ()
    overdrawn: str = ""
    """The limit that was once used up: a smaller report afterwards gives nothing back."""

    @property
    def epoch(self) -> int:
        """The version of the candidate set; a ballot of another one is void."""
        return len(self.candidates)

    @property
    def consensus(self) -> bool:
        """Whether agents vote or improve on what is there."""
        return self.spec is not None and self.spec.rules.mode == "consensus"

    @property
    def usage(self) -> Usage:
        """Everything that the run has spent."""
        return total((*(s.usage for s in self.seats), self.judging))

    @property
    def judging(self) -> Usage:
        """What the judges have spent, voided answers included."""
        return total(a.usage for a in self.asked)

    @property
    def used_up(self) -> str:
        """Which limit of the run is passed, for people; empty when none is."""
        return (self.spec.rules.limits.passed(self.usage) if self.spec else "") or self.overdrawn

    @property
    def stopping(self) -> bool:
        """Whether nothing new may begin."""
        return bool(self.cancelled_by or self.failure or self.interrupted)

    def agent(self, seat: SeatId) -> AgentSpec | None:
        """The agent that sits there now: the configured one, or one of its fallbacks."""
        state = self.seat(seat)
        if state is None or self.spec is None:
            return None
        found = next((a for a in self.spec.agents if str(a.id) == str(seat)), None)
        for _ in range(state.agent):
            found = found.fallback if found else None
        return found

    def seat(self, seat: SeatId) -> SeatState | None:
        """One agent's state."""
        return next((s for s in self.seats if s.seat == seat), None)

    def candidate(self, candidate: CandidateId) -> Candidate | None:
        """One candidate."""
        return next((c for c in self.candidates if c.id == candidate), None)

    def results(self, check: str, tree: TreeId) -> tuple[CheckResult, ...]:
        """Every run of a check on a tree, first look first."""
        return _runs(self).get((check, tree), ())

    def crossed_with(self, author: TreeId, onto: TreeId, repeat: int = 0) -> CheckResult | None:
        """What a check said about one candidate's tests on another tree."""
        return _crossed(self).get((author, onto, repeat))


@once
def _runs(state: RunState) -> Mapping[tuple[str, TreeId], tuple[CheckResult, ...]]:
    """The runs of each check on each tree, first look first."""
    found: dict[tuple[str, TreeId], list[CheckFinished]] = {}
    for run in state.checked:
        found.setdefault((run.result.check, run.result.tree), []).append(run)
    return {
        key: tuple(run.result for run in sorted(runs, key=lambda run: run.repeat))
        for key, runs in found.items()
    }


@once
def _crossed(state: RunState) -> Mapping[tuple[TreeId, TreeId, int], CheckResult]:
    return {(c.author, c.onto, c.repeat): c.result for c in state.crossed}


EMPTY = RunState()

_MOST_NOTICES = 200
"""Notices that a state remembers; the record has them all."""


def fold(events: Iterable[Event], state: RunState = EMPTY) -> RunState:
    """The state after these events."""
    for event in events:
        state = evolve(state, event)
    return state


def _fates(
    state: RunState, candidate: CandidateId, fate: Fate
) -> tuple[tuple[CandidateId, Fate], ...]:
    others = tuple(known for known in state.fates if known[0] != candidate)
    landed = any(delivery.candidate == candidate for delivery in state.deliveries)
    return (*others, (candidate, fate)) if landed and fate != "kept" else others


def evolve(state: RunState, event: Event) -> RunState:
    """The state after one more event."""
    if isinstance(event, RunStarted):
        if state.spec is not None:
            return state
        seats = tuple(SeatState(SeatId(str(a.id))) for a in event.spec.agents)
        known = replace(state, spec=event.spec, folder=event.folder, live=event.live)
        return replace(known, seats=seats)
    if state.spec is None:
        return state
    match event:
        case Notice():
            kept = len(state.notices) < _MOST_NOTICES
            return replace(state, notices=(*state.notices, event)) if kept else state
        case Delivered() if state.candidate(event.candidate):
            fates = _fates(state, event.candidate, "kept")
            return replace(state, deliveries=(*state.deliveries, event), fates=fates)
        case Revised():
            return replace(state, fates=_fates(state, event.candidate, event.fate))
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
                seats=tuple(s.interrupted() for s in state.seats),
            )
        case SnapshotTaken(snapshot=snapshot):
            return state if state.snapshot else replace(state, snapshot=snapshot)
        case CheckFinished():
            return _checked(state, event)
        case CrossTested(author=author, onto=onto, repeat=repeat):
            if state.crossed_with(author, onto, repeat) or state.snapshot is None:
                return state
            trees = {state.snapshot.tree, *(c.tree for c in state.candidates)}
            known = {author, onto} <= trees and author != state.snapshot.tree
            return replace(state, crossed=(*state.crossed, event)) if known else state
        case BaseTested(onto=onto, repeat=repeat):
            if any((b.onto, b.repeat) == (onto, repeat) for b in state.base_tested):
                return state
            known = any(c.tree == onto for c in state.candidates)
            return replace(state, base_tested=(*state.base_tested, event)) if known else state
        case FusionTried(candidate=candidate):
            return _fused(state, candidate)
        case LandingTried(candidates=tried, clashes=clashes):
            known = all(map(state.candidate, tried)) and all(c.paths for c in clashes)
            return replace(state, landing=event) if known else state
        case BallotCast(ballot=ballot):
            return _voted(state, ballot)
        case BallotMissed() | JudgingUsed():
            return _asked(state, event)
        case RefinementChosen():
            return _refine(state, event)
        case CandidateCaptured(candidate=candidate):
            return _captured(state, candidate)
        case AttemptStarted() | AgentActed() | AttemptEnded() | AttemptPaused() | NothingCaptured():
            return _at_seat(state, event)
        case UsageReported():
            return _spent(state, event)
        case _:
            return state


def _checked(state: RunState, event: CheckFinished) -> RunState:
    key = (event.result.check, event.result.tree, event.repeat)
    if state.spec is None or event.result.check not in {c.name for c in state.spec.checks}:
        return state
    if any((c.result.check, c.result.tree, c.repeat) == key for c in state.checked):
        return state
    return replace(state, checked=(*state.checked, event))


def _voted(state: RunState, ballot: Ballot) -> RunState:
    if ballot.epoch != state.epoch or not ballot.sensible or not _is_judge(state, ballot.judge):
        return state
    compared = [state.candidate(c) for c in (ballot.shown or (ballot.choice,)) if c is not None]
    own = {c.essence for c in state.candidates if author(c.id) == ballot.judge}
    if any(c is None or c.essence in own for c in compared):
        return state  # nobody judges what they made themselves
    key = (ballot.judge, ballot.shown)
    others = (b for b in state.ballots if (b.judge, b.shown) != key)
    ordered = sorted([*others, ballot], key=lambda b: (b.judge, b.shown))
    return replace(state, ballots=tuple(ordered))


def _is_judge(state: RunState, judge: SeatId) -> bool:
    named = state.spec.rules.voting.judges if state.spec else ()
    return state.seat(judge) is not None or any(str(a.id) == judge for a in named)


def _asked(state: RunState, event: BallotMissed | JudgingUsed) -> RunState:
    known = all(state.candidate(c) for c in event.shown)
    # In consensus everything is shown, and nothing is named.
    fitting = len(event.shown) > 1 or (state.consensus and not event.shown)
    if not fitting or not known or not _is_judge(state, event.judge) or event.epoch > state.epoch:
        return state
    key = (event.judge, event.epoch, event.shown)
    found = {(a.judge, a.epoch, a.shown): a for a in state.asked}
    now = found.get(key) or Asked(*key)
    if isinstance(event, JudgingUsed):
        now = replace(now, usage=event.usage)
    elif event.epoch == state.epoch:
        now = replace(now, missed=now.missed or event.reason or "no answer came")
    else:
        return state
    found[key] = now
    state = replace(state, asked=tuple(found[k] for k in sorted(found)))
    return replace(state, overdrawn=state.used_up)


def _refine(state: RunState, event: RefinementChosen) -> RunState:
    """An agent goes to work again, from a candidate; or it is only counted that it wanted to."""
    seat, onto = state.seat(event.seat), state.candidate(event.onto)
    if not state.consensus or state.spec is None or seat is None or not seat.over:
        return state
    if event.epoch != state.epoch or onto is None or onto.id not in state.finished:
        return state
    wishes = seat.wishes + 1
    if not may_improve(state.spec.rules.consensus, state.seats, state.epoch, seat):
        return _with_seat(state, replace(seat, wishes=wishes))
    again = seat.improving(onto.id, state.epoch)
    granted = Refined(state.epoch, seat.seat, onto.id, seat.attempt + 1, event.reason)
    refined = sorted([*state.refined, granted], key=lambda r: (r.epoch, r.seat))
    # Its later word counts: who improves has not voted.
    ballots = tuple(b for b in state.ballots if b.judge != seat.seat)
    return _with_seat(replace(state, refined=tuple(refined), ballots=ballots), again)


def _captured(state: RunState, candidate: Candidate) -> RunState:
    seat = state.seat(candidate.seat)
    if seat is None or seat.phase != "ended" or seat.captured or state.snapshot is None:
        return state
    if candidate.base != state.snapshot.tree or state.candidate(candidate.id):
        return state
    if candidate.id != f"{seat.seat}.{seat.attempt}":
        return state  # of an attempt before: its seat is at work anew
    if seat.onto is not None:
        known = {c.substance for c in state.candidates}
        if seat.outcome != "done" or candidate.substance in known:
            # Half of an improvement, or what is there already, is no reason to ask everyone anew.
            return _with_seat(state, replace(seat, captured=True))
    state = _with_candidate(state, candidate, well=seat.outcome == "done")
    return _with_seat(state, _looked_at(state, replace(seat, captured=True)))


def _with_candidate(state: RunState, candidate: Candidate, *, well: bool) -> RunState:
    order = {seat.seat: place for place, seat in enumerate(state.seats)}
    candidates = [*state.candidates, candidate]
    # What no seat made comes last.
    candidates.sort(key=lambda c: order.get(c.seat, len(order)))
    # A new candidate makes a new epoch: every ballot so far is void.
    return replace(
        state,
        candidates=tuple(candidates),
        ballots=(),
        voided=(*state.voided, *state.ballots),
        finished=state.finished | ({candidate.id} if well else set[CandidateId]()),
    )


def _fused(state: RunState, candidate: Candidate | None) -> RunState:
    if state.fusion_tried or state.snapshot is None:
        return state
    base, state = state.snapshot.tree, replace(state, fusion_tried=True)
    known = {c.substance for c in state.candidates}
    if (
        candidate is None
        or candidate.base != base
        or candidate.substance in known
        or state.candidate(candidate.id)
        or state.seat(candidate.seat)
        or not all(map(state.candidate, candidate.parts))
        or len(candidate.parts) < 2
    ):
        return state
    return _with_candidate(state, candidate, well=True)


def _looked_at(state: RunState, seat: SeatState) -> SeatState:
    """A seat whose worktree was looked at: over, or with a fallback to take it."""
    current = state.agent(seat.seat)
    if (
        state.stopping
        or seat.outcome not in {"failed", "missing", "timed_out"}
        or current is None
        or current.fallback is None
        or seat.onto is not None  # its first answer stands
    ):
        return seat
    return seat.handed_on()


def _spent(state: RunState, event: UsageReported) -> RunState:
    seat = state.seat(event.seat)
    if seat is None or not 1 <= event.attempt <= seat.attempt:
        return state
    state = _with_seat(state, seat.spending(event))
    return replace(state, overdrawn=state.used_up)


def _at_seat(state: RunState, event: SeatEvent) -> RunState:
    seat = state.seat(event.seat)
    if seat is None:
        return state
    if not isinstance(event, NothingCaptured):
        now = seat.after(event)
        return state if now is seat else _with_seat(state, now)
    if seat.phase != "ended" or seat.captured or event.attempt != seat.attempt:
        return state
    over = replace(seat, captured=True, reason=seat.reason or event.reason)
    return _with_seat(state, _looked_at(state, over))


def _with_seat(state: RunState, seat: SeatState) -> RunState:
    return replace(state, seats=tuple(seat if s.seat == seat.seat else s for s in state.seats))
