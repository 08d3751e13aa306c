"""What became of each agent's work over many runs, and who shall work by that.

Who wins, what the user took, and the order in which a team sits when it is to follow from that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from massgen_ls.core.ballots import author
from massgen_ls.core.budget import Usage
from massgen_ls.core.events import (
    AttemptEnded,
    AttemptStarted,
    CancelRequested,
    CandidateCaptured,
    Delivered,
    Discarded,
    FusionTried,
    NothingCaptured,
    RefinementChosen,
    Revised,
    RunFailed,
    RunInterrupted,
    RunSettled,
    RunStarted,
    SnapshotTaken,
    UsageReported,
)
from massgen_ls.core.gates import evidence_of
from massgen_ls.core.run_state import RunState
from massgen_ls.core.seats import SeatState
from massgen_ls.core.task import AgentSpec, RunSpec
from massgen_ls.core.wording import counted

TELLING = frozenset(
    event.kind
    for event in (
        *(RunStarted, SnapshotTaken, AttemptStarted, AttemptEnded, UsageReported),
        *(CandidateCaptured, NothingCaptured, RefinementChosen, FusionTried),
        *(CancelRequested, RunFailed, RunInterrupted, RunSettled, Delivered, Discarded, Revised),
    )
)
"""The kinds of events that records are made of; most of a run's history is of others."""

DEEDS = frozenset(event.kind for event in (Delivered, Discarded, Revised))
"""The kinds of events that say what the user did."""

NEWEST = 200
"""Runs of a folder whose records count, the newest ones: programs and models change."""

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
    failed: int = 0
    """Runs that another agent won, in which its own work came to nothing by itself."""
    accepted: int = 0
    """Changes that landed in the user's files whole, and were not given up afterwards."""
    partly: int = 0
    """The same, in part."""
    edited: int = 0
    """Of those taken, whole or in part: changes that the user went on to change themselves."""
    undone: int = 0
    """Changes that landed, and that the user took back."""
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
    def sure(self) -> float:
        """The win rate that is sure of: the lower end of its interval.

        To have failed where others won counts as lost here. 0 without a win.
        """
        return wilson(self.wins, self.trials)[0] if self.wins else 0.0

    @property
    def trials(self) -> int:
        """How often it could have won."""
        return self.contests + self.failed

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

    Args:
        states: Runs, made of at least the events that are `TELLING`.
    """
    found: dict[_Key, Record] = {}
    for state in states:
        if state.verdict is None or state.spec is None:
            continue
        for seat in state.seats:
            agent = state.agent(seat.seat)
            if agent is not None and seat.attempt:
                key = _key(agent)
                found[key] = _with(found.get(key) or Record(*key), state, seat)
    return tuple(sorted(found.values(), key=_order))


_Key = tuple[str, str, str]


def _key(agent: AgentSpec) -> _Key:
    model = agent.settings.get("model")
    return str(agent.id), agent.type, model if isinstance(model, str) else ""


def _with(known: Record, state: RunState, seat: SeatState) -> Record:
    winner = state.verdict.winner if state.verdict else None
    rivals = {author(c) for c in state.finished}
    made = [c.id for c in state.candidates if c.seat == seat.seat]
    contest = winner is not None and seat.seat in rivals and len(rivals) > 1
    # Who was stopped, because others had decided it or somebody wished so, has not failed.
    failed = winner is not None and seat.seat not in rivals and seat.outcome in _BY_ITSELF
    landed = {d.candidate: bool(d.conflicts) for d in state.deliveries if d.candidate in made}
    fates = dict(state.fates)
    undone = {c for c in landed if fates.get(c) == "undone"}
    kept = {c: partly for c, partly in landed.items() if c not in state.discarded | undone}
    return replace(
        known,
        runs=known.runs + 1,
        candidates=known.candidates + len(made),
        contests=known.contests + contest,
        wins=known.wins + (contest and winner in made),
        failed=known.failed + failed,
        accepted=known.accepted + sum(not partly for partly in kept.values()),
        partly=known.partly + sum(kept.values()),
        edited=known.edited + sum(fates.get(c) == "edited" for c in kept),
        undone=known.undone + len(undone),
        discarded=known.discarded + sum(c in state.discarded for c in made),
        usage=known.usage + seat.usage,
    )


_BY_ITSELF = frozenset({"done", "failed", "missing", "timed_out"})


def _order(record: Record) -> tuple[float, int, str, str, str]:
    lowest = record.interval[0] if record.interval else 0.0
    return (-lowest, -record.accepted, record.agent, record.type, record.model)


# ── what the user thought of a check's word ─────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """How often a check and the user were of one mind about a candidate."""

    check: str
    passed_taken: int = 0
    """It let it pass, and the user took it, whole or in part."""
    passed_rejected: int = 0
    """It let it pass, and the user discarded it or took it back: the check saw too little."""
    failed_taken: int = 0
    """It ruled it out, and the user took it all the same: the check asked too much."""
    failed_rejected: int = 0


def check_records(states: Iterable[RunState]) -> tuple[CheckRecord, ...]:
    """Every check's record, by its name, where users did something about a candidate."""
    found: dict[str, CheckRecord] = {}
    for state in states:
        undone = {c for c, fate in state.fates if fate == "undone"}
        rejected = state.discarded | undone
        taken = {delivery.candidate for delivery in state.deliveries} - rejected
        for candidate in state.candidates:
            if candidate.id not in rejected | taken:
                continue
            mind = "taken" if candidate.id in taken else "rejected"
            for said in evidence_of(state, candidate.tree):
                if said.measured:
                    known = found.get(said.check) or CheckRecord(said.check)
                    field_name = f"{'passed' if said.clears else 'failed'}_{mind}"
                    count = getattr(known, field_name) + 1
                    found[said.check] = replace(known, **{field_name: count})
    return tuple(found[name] for name in sorted(found))


# ── who sits where ──────────────────────────────────────────────────────────────────────────────


def ordered(agents: Sequence[AgentSpec], known: Iterable[Record]) -> tuple[AgentSpec, ...]:
    """A team by its records: the win rate that is `Record.sure` first.

    Of those that never won the one that had fewer chances; all other ties as they are listed.

    Who has never been tried comes right behind the best that has won: only beside that one does it
    show what it is worth. So each agent gets its turn, and no run is without the best.
    """
    found = _known(known)
    tried = [a for a in agents if (r := found.get(_key(a))) and r.trials]
    tried.sort(key=lambda agent: (-found[_key(agent)].sure, found[_key(agent)].trials))
    new = [agent for agent in agents if agent not in tried]
    best = [agent for agent in tried[:1] if found[_key(agent)].sure]
    return (*best, *new, *tried[len(best) :])


def _known(records: Iterable[Record]) -> Mapping[_Key, Record]:
    return {(r.agent, r.type, r.model): r for r in records}


def seated(
    spec: RunSpec, known: Sequence[Record], votes: Callable[[AgentSpec], bool]
) -> tuple[RunSpec, str]:
    """The order with those agents that work, and in words who they are and why; else empty.

    Args:
        spec: The order. Its rules say in which order agents sit, and how many work.
        known: Their records; read only with ``agents: auto``.
        votes: Whether an agent can vote. In consensus one that can is kept in the last place,
            where all the others cannot.
    """
    rules, team, why = spec.rules, spec.agents, ""
    if rules.agents == "auto":
        team = ordered(team, known)
        found = _known(known)
        said = ", ".join(f"{agent.id} ({_told(found.get(_key(agent)))})" for agent in team)
        why = f"The order of the agents follows from their records here: {said}."
    most = rules.max_agents or len(team)
    works, left = team[:most], team[most:]
    if rules.mode == "consensus" and not any(map(votes, (*works, *rules.voting.judges))):
        voter = next(filter(votes, left), None)
        works = (*works[:-1], voter) if voter else works
    out = ", ".join(str(agent.id) for agent in team if agent not in works)
    if out:
        why += f" Left out, as max_agents is {most}: {out}."
    return replace(spec, agents=works), why.strip()


def _told(record: Record | None) -> str:
    if record is None or not record.trials:
        return "not tried yet"
    lost = f", failed in {counted(record.failed, 'other')}" if record.failed else ""
    return f"won {record.wins} of {record.contests}{lost}"
