"""Consensus: who is asked to vote or to improve, and when the votes have decided.

First every agent answers on its own. Then each is shown what there is, without names, and votes
for the best of the others or goes to work again, from a candidate of its choice. A new candidate
makes a new epoch: older votes are void, and everybody is asked anew, once nobody improves any more.
Everything here is a pure function of the state, and votes only tell apart what the evidence cannot.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from massgen_ls.core.ballots import author
from massgen_ls.core.blinding import aliases
from massgen_ls.core.candidate import Candidate, Scorecard
from massgen_ls.core.run_state import RunState
from massgen_ls.core.scoring import agreed, scorecards
from massgen_ls.core.seats import may_improve
from massgen_ls.core.task import CandidateId, SeatId, Voting
from massgen_ls.core.voting import contenders, share

MOST_OTHERS = 6
"""Candidates of others that a voter is shown: models choose worse among many."""
_TRIES = 3
"""Wishes that are not granted before an agent is no longer asked."""


@dataclass(frozen=True, slots=True)
class AskVoter:
    """Ask an agent to vote for a candidate or to improve on one."""

    judge: SeatId
    epoch: int
    turn: int
    """How often it has wanted to improve: what came to nothing is asked about once more."""

    @property
    def shown(self) -> tuple[CandidateId, ...]:
        """Empty: it is shown all that there is, and a vote names one of all."""
        return ()


def open_votes(state: RunState) -> tuple[AskVoter, ...]:
    """Who is to be asked now and has not spoken; empty when the votes have decided."""
    if not state.consensus or state.stopping or state.late or state.used_up:
        return ()
    if agreed(state) is not None or len(choices(state)) < 2:
        return ()
    if any(seat.refining and seat.wished < state.epoch for seat in state.seats):
        return ()  # what is being made would void every vote: it is waited for
    left = [judge for judge in electorate(state) if not _spoken(state, judge)]
    if not left or _enough(state) or decided(state, len(left)):
        return ()
    return tuple(
        AskVoter(judge, state.epoch, seat.wishes if (seat := state.seat(judge)) else 0)
        for judge in left
        if not _at_work(state, judge)
    )


def electorate(state: RunState) -> tuple[SeatId, ...]:
    """Everybody who votes: agents that can answer and whose last work ended well, and judges.

    Who was asked and gave no answer that can be used is out for the rest of the run.
    """
    if state.spec is None:
        return ()
    out = {a.judge for a in state.asked if a.missed}
    named = [SeatId(str(judge.id)) for judge in state.spec.rules.voting.judges]
    return tuple(judge for judge in named if judge not in out and _fit(state, judge))


def _fit(state: RunState, judge: SeatId) -> bool:
    seat = state.seat(judge)
    if seat is None:
        return True
    patient = seat.wishes - seat.improved < _TRIES
    return patient and (seat.refining or seat.outcome == "done")


def _spoken(state: RunState, judge: SeatId) -> bool:
    return any(ballot.judge == judge and not ballot.shown for ballot in state.ballots)


def _at_work(state: RunState, judge: SeatId) -> bool:
    seat = state.seat(judge)
    return seat is not None and seat.refining


def _enough(state: RunState) -> bool:
    """Whether the quorum has voted; who was asked in vain has had its chance."""
    assert state.spec is not None, "asked only of a run that has begun"
    there = electorate(state)
    share = min(max(state.spec.rules.quorum, 0.0), 1.0)
    missing = len({a.judge for a in state.asked if a.missed})
    voted = sum(_spoken(state, judge) for judge in there)
    return voted > 0 and voted + missing >= math.ceil(share * (len(there) + missing))


def decided(state: RunState, left: int) -> bool:
    """Whether the votes that are still to come cannot change who wins.

    Args:
        state: The run.
        left: How many voters have not voted in this epoch.
    """
    assert state.spec is not None, "asked only of a run that has begun"
    field = contenders(scorecards(state))
    where = {m: n for n, card in enumerate(field) for m in card.cluster.members}
    cast = [ballot.choice for ballot in state.ballots if not ballot.shown and ballot.choice]
    votes = Counter(where[choice] for choice in cast if choice in where)
    ordered = sorted((votes[n] for n in range(len(field))), reverse=True)
    if len(ordered) < 2:
        return False
    lead = ordered[0] - ordered[1] - left
    margin = share(state.spec.rules.voting.margin)
    return lead > 0 and Fraction(lead, len(cast) + left) >= margin


def counting(state: RunState) -> Voting:
    """The rules by which ballots are counted: votes, in consensus."""
    assert state.spec is not None, "asked only of a run that has begun"
    rules = state.spec.rules.voting
    if not state.consensus:
        return rules
    return Voting("plurality", rules.margin, rules.judges, rules.max_ballots, rules.timeout)


# ── what is shown ───────────────────────────────────────────────────────────────────────────────


def choices(state: RunState) -> tuple[Scorecard, ...]:
    """What there is to choose from, the best evidence first; empty where that decides alone.

    Without a candidate that passes every gate all are shown, for there is something to improve.
    """
    cards = [card for card in scorecards(state) if not card.fused]  # it needs no votes
    field = contenders(cards)
    if len(field) == 1:
        return ()
    others = [card for card in cards if card.clears and card not in field] if field else []
    worse = [] if field else sorted(cards, key=lambda card: (card.unread, card.broke))
    return (*field, *others, *worse)


@dataclass(frozen=True, slots=True)
class Paper:
    """What a voter is shown, in this order."""

    others: tuple[Candidate, ...]
    own: tuple[Candidate, ...]
    may_improve: bool


def paper(state: RunState, judge: SeatId) -> Paper:
    """What an agent is shown: the others' candidates, then its own, one of each choice.

    The others stand in the order of their labels, beginning with another one for each voter.
    """
    assert state.spec is not None, "asked only of a run that has begun"
    others: list[Candidate] = []
    own: list[Candidate] = []
    for card in choices(state):
        mine = any(author(member) == judge for member in card.cluster.members)
        found = state.candidate(card.cluster.members[0])
        assert found is not None, "a choice has members"
        (own if mine else others).append(found)
    there = labels(state)
    shown = sorted(others[:MOST_OTHERS], key=lambda c: there[c.id])
    voters = [SeatId(str(agent.id)) for agent in state.spec.rules.voting.judges]
    start = voters.index(judge) % len(shown) if judge in voters and shown else 0
    seat = state.seat(judge)
    rules = state.spec.rules.consensus
    may = seat is not None and may_improve(rules, state.seats, state.epoch, seat)
    return Paper((*shown[start:], *shown[:start]), tuple(own), may)


def labels(state: RunState) -> dict[CandidateId, str]:
    """A name for each candidate that stays the same in the run and that its author cannot guess."""
    found: dict[CandidateId, str] = {}
    for candidate in sorted(state.candidates, key=lambda c: c.id):
        salts = (f"{candidate.commit}\0{number}" for number in itertools.count())
        names = (aliases([candidate.id], salt)[candidate.id] for salt in salts)
        taken = {*found.values()}
        found[candidate.id] = next(name for name in names if name not in taken)
    return found


# ── told afterwards ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Word:
    """What one agent said in one round."""

    round: int
    """From 1."""
    judge: SeatId
    said: Literal["vote", "improve"]
    choice: CandidateId
    """What it voted for, or built on."""
    reason: str
    came: CandidateId | None = None
    """What came of its improvement."""


def words_of(state: RunState) -> tuple[Word, ...]:
    """All that was said, round by round; the votes of rounds before the last one are void."""
    if not state.consensus:
        return ()
    votes = [b for b in (*state.voided, *state.ballots) if not b.shown and b.choice is not None]
    epochs = sorted({b.epoch for b in votes} | {r.epoch for r in state.refined})
    rounds = {epoch: n for n, epoch in enumerate(epochs, 1)}
    words: list[Word] = []
    for ballot in votes:
        choice = ballot.choice
        assert choice is not None, "picked out above"
        words.append(Word(rounds[ballot.epoch], ballot.judge, "vote", choice, ballot.reason))
    for wish in state.refined:
        came = wish.candidate if state.candidate(wish.candidate) else None
        number = rounds[wish.epoch]
        words.append(Word(number, wish.seat, "improve", wish.onto, wish.reason, came))
    return tuple(sorted(words, key=lambda w: (w.round, w.judge)))
