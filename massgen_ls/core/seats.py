"""What is known of one agent in a run, and what it may still do there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from massgen_ls.core.budget import Usage, total
from massgen_ls.core.events import (
    AgentActed,
    AttemptEnded,
    AttemptOutcome,
    AttemptPaused,
    AttemptStarted,
    NothingCaptured,
    UsageReported,
)
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

    # ── what becomes of it; an event that makes no sense changes nothing ────────────────────────

    def after(self, event: WorkEvent) -> SeatState:
        """The seat after one more event of its agent's work."""
        match event:
            case AttemptStarted(attempt=n) if self.phase == "waiting" and n == self.attempt + 1:
                return replace(self, phase="working", attempt=n, type=event.type)
            case AgentActed(action=action, target=target) if self.phase == "working":
                return replace(self, action=f"{action} {target}".strip())
            case AttemptPaused(attempt=n, reason=why, seconds=pause) if (
                self.phase == "working" and n == self.attempt
            ):
                return replace(self, action=f"waits {pause:.0f} s: {why}")
            case AttemptEnded(attempt=n) if self.phase == "working" and n == self.attempt:
                return replace(
                    self,
                    phase="ended",
                    outcome=event.outcome,
                    reason=event.reason,
                    seconds=event.seconds,
                    failure=event.failure,
                    action="",
                )
            case _:
                return self

    def spending(self, event: UsageReported) -> SeatState:
        """What an attempt of it has spent so far."""
        spent = [*self.spent, *[Usage()] * (event.attempt - len(self.spent))]
        spent[event.attempt - 1] = event.usage
        return replace(self, spent=tuple(spent))

    def interrupted(self) -> SeatState:
        """Our process died: whatever was going on is over, and nothing more is captured."""
        if self.phase == "working":
            return replace(self, phase="ended", outcome="interrupted", captured=True)
        return replace(self, captured=True) if self.phase == "ended" else self

    def handed_on(self) -> SeatState:
        """It waits for its fallback, as its agent could not work."""
        why = self.reason or str(self.outcome).replace("_", " ")
        return replace(self._anew(), agent=self.agent + 1, lost=(*self.lost, why))

    def improving(self, onto: CandidateId, epoch: int) -> SeatState:
        """It is to improve on a candidate, as its agent wished in this epoch."""
        begun = replace(self._anew(), onto=onto, wished=epoch)
        return replace(begun, improved=self.improved + 1, wishes=self.wishes + 1)

    def _anew(self) -> SeatState:
        return replace(self, phase="waiting", outcome=None, captured=False, reason="", failure=None)


WorkEvent = AttemptStarted | AgentActed | AttemptPaused | AttemptEnded
"""What is heard of an agent at work."""
SeatEvent = WorkEvent | NothingCaptured


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
