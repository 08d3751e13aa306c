"""Who wins, and why: ballots, tallies and the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from massgen_ls.core.task import CandidateId, SeatId

Outcome = Literal["won", "tied", "abstained", "none", "cancelled"]


@dataclass(frozen=True, slots=True)
class Ballot:
    """One judge's word on the candidates of one epoch."""

    judge: SeatId
    epoch: int
    """The number of candidates that existed when it was asked; an older ballot is void."""
    choice: CandidateId
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of a run, in a form that people and programs can read."""

    outcome: Outcome
    winner: CandidateId | None
    why: str
    """One paragraph."""
    ranking: tuple[CandidateId, ...] = ()
    """Every candidate, best first."""
