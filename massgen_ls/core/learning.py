"""What became of each agent's work over many runs: who wins, and what the user took."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from massgen_ls.core.ballots import author
from massgen_ls.core.budget import Usage
from massgen_ls.core.run_state import RunState
from massgen_ls.core.task import SeatId

_Z = 1.959964
"""Two-sided 95 %."""


@dataclass(frozen=True, slots=True)
class Record:
    """One agent's record."""

    agent: str
    type: str
    model: str = ""
    """As it is configured; empty for its program's own default."""
    runs: int = 0
    """Settled runs that it took part in."""
    candidates: int = 0
    contests: int = 0
    """Runs with a winner in which others made a change, too, that could have won."""
    wins: int = 0
    """Contests that it won."""
    accepted: int = 0
    """Changes that landed in the user's files whole, and were not discarded afterwards."""
    partly: int = 0
    """The same, in part."""
    discarded: int = 0
    usage: Usage = field(default_factory=Usage)

    @property
    def win_rate(self) -> float | None:
        """The share of its contests that it won."""
        return self.wins / self.contests if self.contests else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where its true win rate lies, with 95 % confidence."""
        return wilson(self.wins, self.contests) if self.contests else None

    @property
    def cost_per_accepted(self) -> int | None:
        """Millionths of a US dollar for each change that was taken, whole or in part."""
        taken, cost = self.accepted + self.partly, self.usage.cost
        return None if cost is None or not taken else (cost + taken // 2) // taken


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's score interval for a share, at 95 %; all of 0 to 1 without trials."""
    if trials <= 0:
        return 0.0, 1.0
    share, square = successes / trials, _Z * _Z
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    spread = math.sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    half = _Z * spread / (1 + square / trials)
    return max(0.0, middle - half), min(1.0, middle + half)


def records(states: Iterable[RunState]) -> tuple[Record, ...]:
    """Every agent's record, the best win rate that is sure of first.

    Agents of one name that are of different types or models are different agents. A seat that a
    fallback took counts for the fallback.
    """
    found: dict[tuple[str, str, str], Record] = {}
    for state in states:
        if state.verdict is None or state.spec is None:
            continue
        rivals = {author(c) for c in state.finished}
        for seat in state.seats:
            agent = state.agent(seat.seat)
            if agent is None or not seat.attempt:
                continue
            model = agent.settings.get("model")
            key = (str(agent.id), agent.type, model if isinstance(model, str) else "")
            found[key] = _with(found.get(key) or Record(*key), state, seat.seat, rivals)
    return tuple(sorted(found.values(), key=_order))


def _with(known: Record, state: RunState, seat: SeatId, rivals: set[SeatId]) -> Record:
    winner = state.verdict.winner if state.verdict else None
    made = [c.id for c in state.candidates if c.seat == seat]
    contest = winner is not None and seat in rivals and len(rivals) > 1
    landed = {d.candidate: bool(d.conflicts) for d in state.deliveries if d.candidate in made}
    kept = {c: partly for c, partly in landed.items() if c not in state.discarded}
    spent = state.seat(seat)
    return replace(
        known,
        runs=known.runs + 1,
        candidates=known.candidates + len(made),
        contests=known.contests + contest,
        wins=known.wins + (contest and winner in made),
        accepted=known.accepted + sum(not partly for partly in kept.values()),
        partly=known.partly + sum(kept.values()),
        discarded=known.discarded + sum(c in state.discarded for c in made),
        usage=known.usage + (spent.usage if spent else Usage()),
    )


def _order(record: Record) -> tuple[float, int, str, str, str]:
    lowest = record.interval[0] if record.interval else 0.0
    return (-lowest, -record.accepted, record.agent, record.type, record.model)
