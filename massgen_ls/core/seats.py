"""What is known of one agent in a run, and what it may still do there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from massgen_ls.core.budget import Usage, total
from massgen_ls.core.events import AttemptOutcome
from massgen_ls.core.failures import FailureKind
from massgen_ls.core.task import CandidateId, ConsensusRules, SeatId


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
    failure: FailureKind | None = None
    type: str = ""
    """The kind of agent that sits there now."""
    agent: int = 0
    """Which of the seat's agents: 0 for the first, 1 for its fallback, …"""
    lost: tuple[str, ...] = ()
    """Why the agents before it could not work."""
    spent: tuple[Usage, ...] = ()
    """By attempt, from the first."""
    onto: CandidateId | None = None
    """In consensus: the candidate that its last attempt improves on; None for a first answer."""
    wished: int = -1
    """The epoch in which it last began to improve."""
    improved: int = 0
    """How often it began to."""
    wishes: int = 0
    """How often it wanted to, granted or not."""

    @property
    def usage(self) -> Usage:
        """Everything that the seat has spent."""
        return total(self.spent)

    @property
    def over(self) -> bool:
        """Whether its agent has ended and what it left is known."""
        return self.phase == "ended" and self.captured

    @property
    def refining(self) -> bool:
        """Whether it improves on a candidate, or is about to."""
        return self.onto is not None and not self.over


@dataclass(frozen=True, slots=True)
class Refined:
    """A wish to improve that was granted."""

    epoch: int
    seat: SeatId
    onto: CandidateId
    attempt: int
    """The attempt that it led to."""
    reason: str

    @property
    def candidate(self) -> CandidateId:
        """What comes of it is called so."""
        return CandidateId(f"{self.seat}.{self.attempt}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to a judge: what it has cost, and why there is no answer."""

    judge: SeatId
    epoch: int
    shown: tuple[CandidateId, ...]
    usage: Usage = field(default_factory=Usage)
    missed: str = ""
    """Why no answer will come; empty while one may, and when there is one."""


def may_improve(
    rules: ConsensusRules, seats: Sequence[SeatState], candidates: int, seat: SeatState
) -> bool:
    """Whether an agent in consensus may answer anew.

    Args:
        rules: How often.
        seats: All of them: what is being improved will be an answer, too.
        candidates: How many there are, which is the epoch.
        seat: Whose turn it is. What it began in this epoch came to nothing, so now it votes.
    """
    coming = sum(s.refining for s in seats)
    return (
        seat.over
        and seat.improved < rules.answers_per_agent - 1
        and seat.wished != candidates
        and (rules.answers is None or candidates + coming < rules.answers)
    )
