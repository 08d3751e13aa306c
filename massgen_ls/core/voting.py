"""Who wins, and why: ballots, the tally and the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from massgen_ls.core.candidate import Evidence, Scorecard
from massgen_ls.core.task import CandidateId, SeatId
from massgen_ls.core.wording import counted

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


@dataclass(frozen=True, slots=True)
class Tally:
    """Votes by candidate."""

    votes: Counter[CandidateId]

    @classmethod
    def of(cls, ballots: Iterable[Ballot]) -> Tally:
        """Counts ballots; their order does not matter."""
        return cls(Counter(b.choice for b in ballots))

    def of_cluster(self, card: Scorecard) -> int:
        """The votes for any member of a cluster: they are one and the same text."""
        return sum(self.votes[member] for member in card.cluster.members)


def decide(cards: Sequence[Scorecard], ballots: Sequence[Ballot] = ()) -> Verdict:
    """Best of n: gates first, then evidence, votes, agreement, and the smaller change.

    Evidence is what is mended of the base, then the tests that candidates brought. A test that none
    but its author passes comes after agreement: it may only know its author's names.

    Args:
        cards: One for each cluster, in configuration order of their first members, which is the
            last tie-break; at least one.
        ballots: The valid ballots of the current epoch.
    """
    tally = Tally.of(ballots)
    place = {card.cluster.tree: i for i, card in enumerate(cards)}

    def merit(card: Scorecard) -> tuple[bool, int, int, int, int, int, int, int, int]:
        return (
            not card.clears,
            card.broke,
            -card.fixed,
            -card.cross.shared,
            -tally.of_cluster(card),
            -len(card.cluster.members),
            -card.cross.alone,
            card.size,
            place[card.cluster.tree],
        )

    ordered = sorted(cards, key=merit)
    ranking = tuple(member for card in ordered for member in card.cluster.members)
    best = ordered[0]
    passed = [card for card in ordered if card.clears]
    failed = [card for card in ordered if not card.clears]
    losses = " ".join(_ruled_out(card) for card in failed)
    if not passed:
        why = f"No candidate passed the gates, so none is offered as the winner. {losses}"
        return Verdict("abstained", None, why, ranking)
    winner = best.cluster.members[0]
    why = f"{_field(cards, passed)} {_why_best(best, passed[1:], tally)} {losses}".strip()
    return Verdict("won", winner, " ".join(why.split()), ranking)


def _field(cards: Sequence[Scorecard], passed: Sequence[Scorecard]) -> str:
    total = sum(len(card.cluster.members) for card in cards)
    every = [e for card in cards for e in card.evidence]
    # A check that could say nothing is no gate, and must not read like one that was passed.
    gates = ", ".join(dict.fromkeys(e.check for e in every if e.measured))
    notes = "".join(f" {note}." for note in dict.fromkeys(e.note for e in every if e.note))
    if total == 1:
        only = f"passes every gate ({gates})" if gates else "was measured by no check"
        return f"The only candidate {only}.{notes}"
    distinct = "" if len(cards) == total else f", {len(cards)} distinct"
    if len(cards) == 1:
        distinct = ", all the same"
    if not gates:
        return f"{total} candidates{distinct}, measured by no check.{notes}"
    return (
        f"{total} candidates{distinct}; {sum(len(c.cluster.members) for c in passed)} of {total} "
        f"pass every gate ({gates}).{notes}"
    )


def _why_best(best: Scorecard, others: Sequence[Scorecard], tally: Tally) -> str:
    winner = best.cluster.members[0]
    mended = f" and mends {counted(best.fixed, 'failure')} of the base" if best.fixed else ""
    if not others:
        return f"{winner} wins{mended}."
    second = others[0]
    rival = second.cluster.members[0]
    votes, agreeing = tally.of_cluster(best), len(best.cluster.members)
    rival_votes, rival_agreeing = tally.of_cluster(second), len(second.cluster.members)
    if best.fixed != second.fixed:
        return (
            f"{winner} wins: it mends {counted(best.fixed, 'failure')} of the base, the next best, "
            f"{rival}, mends {second.fixed}."
        )
    tried = (
        f"of the {counted(best.cross.tests, 'test')} that candidates brought it passes "
        f"{best.cross.passed}, the next best, {rival}, passes {second.cross.passed}"
    )
    if best.cross.shared != second.cross.shared:
        return f"{winner} wins: {tried}."
    same = f"{winner} and {rival} measure the same"
    if votes != rival_votes:
        return f"{winner} wins by votes, {votes} to {rival_votes} for {rival}{mended}."
    if agreeing != rival_agreeing:
        return f"{same}; {winner} wins because {agreeing} agents arrived at exactly this change."
    if best.cross.alone != second.cross.alone:
        return f"{same} by the project's own checks; {winner} wins by its tests: {tried}."
    if best.size != second.size:
        return (
            f"{same}; {winner} wins as the smaller change ({counted(best.size, 'line')} against "
            f"{second.size})."
        )
    return f"{same}, also in size; {winner} wins because its agent is configured first."


def _ruled_out(card: Scorecard) -> str:
    names = " and ".join(card.cluster.members)
    broken = "; ".join(_broke(e) for e in card.evidence if not e.clears)
    return f"{names} {'are' if len(card.cluster.members) > 1 else 'is'} ruled out: {broken}."


def _broke(evidence: Evidence) -> str:
    if not evidence.new_failures:
        return evidence.note
    first, *rest = evidence.new_failures
    more = f" and {len(rest)} more" if rest else ""
    return f"{evidence.check} fails where the base does not ({first}{more})"
