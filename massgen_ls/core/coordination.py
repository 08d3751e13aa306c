"""The run as a pure state machine: ``evolve(state, event)`` and ``next_steps(state)``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from massgen_ls.core.candidate import Candidate, CheckResult, Cluster, Scorecard, Snapshot
from massgen_ls.core.events import AttemptOutcome, Delivered
from massgen_ls.core.task import CandidateId, RunSpec, SeatId
from massgen_ls.core.voting import Ballot, Verdict


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
    candidates: tuple[Candidate, ...] = ()
    """In the order of the configuration, then of their capture."""
    results: tuple[CheckResult, ...] = ()
    ballots: tuple[Ballot, ...] = ()
    cancelled_by: str = ""
    late: bool = False
    failure: str = ""
    verdict: Verdict | None = None
    clusters: tuple[Cluster, ...] = ()
    scorecards: tuple[Scorecard, ...] = ()
    deliveries: tuple[Delivered, ...] = ()
    discarded: frozenset[CandidateId] = field(default_factory=frozenset[CandidateId])
    notices: tuple[str, ...] = ()
