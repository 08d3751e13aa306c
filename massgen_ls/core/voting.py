"""Who wins, and why: ballots, the tally and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from massgen_ls.core.ballots import Ballot, Standing, Tally, count
from massgen_ls.core.candidate import FITS, OWN_GATES, Evidence, Scorecard, Size
from massgen_ls.core.crosstests import WHOLE
from massgen_ls.core.task import CandidateId, Voting
from massgen_ls.core.wording import counted

Outcome = Literal["won", "tied", "abstained", "none", "cancelled"]
"""``tied``: candidates pass, and none of them is ahead by the margin that was asked for.
``abstained``: there are candidates, and none passes the gates. Neither has a winner."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of a run, in a form that people and programs can read."""

    outcome: Outcome
    winner: CandidateId | None
    why: str
    """One paragraph."""
    ranking: tuple[CandidateId, ...] = ()
    """Every candidate, best first."""


def contenders(cards: Sequence[Scorecard]) -> tuple[Scorecard, ...]:
    """Those that pass every gate and that the evidence cannot tell from the best of them.

    What no agent made is among them only where it measures better than all that agents made.
    """
    passed = [card for card in cards if card.clears]
    best = min(map(_measured, passed), default=None)
    found = [card for card in passed if _measured(card) == best]
    return tuple(card for card in found if not card.fused) or tuple(found)


def majority(cards: Sequence[Scorecard]) -> Scorecard | None:
    """The change that more than half of all candidates are, where there is one."""
    cards = [card for card in cards if not card.fused]
    total = sum(len(card.cluster.members) for card in cards)
    return next((card for card in cards if 2 * len(card.cluster.members) > total), None)


def settled(cards: Sequence[Scorecard]) -> Scorecard | None:
    """The majority, where neither the evidence nor the base's own tests are against it."""
    most, field = majority(cards), contenders(cards)
    if most is None or most not in field:
        return None
    return None if any(len(c.outdates) < len(most.outdates) for c in field) else most


def _measured(card: Scorecard) -> tuple[bool, bool, int, int, int]:
    """What the evidence says; less is better."""
    return (not card.clears, card.unread, card.broke, -card.fixed, -card.cross.shared)


def _out(card: Scorecard) -> tuple[bool, int]:
    """How bad it is what rules it out; to be in the way of the user's changes is the least."""
    return card.unread, any(not e.clears for e in card.evidence if e.check != FITS)


def _but_for_fits(card: Scorecard) -> Scorecard:
    return replace(card, evidence=tuple(e for e in card.evidence if e.check != FITS))


@dataclass(frozen=True, slots=True)
class Order:
    """Clusters, best first, with what the ballots say about each."""

    cards: tuple[Scorecard, ...]
    tally: Tally
    """Standings in the order of ``cards``."""
    field: tuple[Scorecard, ...]
    """`contenders`, best first."""
    lead: Fraction
    """How far the best of the field is ahead of the second, by ballots."""
    decided: bool
    """Whether the best of the field has won."""


def in_order(
    cards: Sequence[Scorecard], ballots: Sequence[Ballot], voting: Voting | None = None
) -> Order:
    """Puts clusters in order.

    That is: evidence, the judges' word, votes, the base's own tests, agreement, what only a
    candidate's own tests show, size, configuration.

    Args:
        cards: One for each cluster, in configuration order of their first members.
        ballots: The valid ballots of the current epoch.
        voting: The rules.
    """
    rules = voting or Voting()
    field = contenders(cards)
    tally = count(rules.rule, [card.cluster.members for card in cards], _heard(cards, ballots))

    def merit(
        place: int,
    ) -> tuple[tuple[bool, bool, int, int, int], bool, Fraction, int, int, int, int, Size, int]:
        card, standing = cards[place], tally.standings[place]
        # Where somebody passes, the others need not have been through all checks.
        return (
            _measured(card) if card.clears or not field else (True, *_out(card), 0, 0),
            card.fused,
            -standing.support,
            -standing.votes,
            len(card.outdates),
            -len(card.cluster.members),
            -card.cross.alone,
            card.size,
            place,
        )

    places = sorted(range(len(cards)), key=merit)
    ordered = tuple(cards[place] for place in places)
    tally = Tally(tuple(tally.standings[place] for place in places), tally.compared)
    lead = tally.lead(0, 1) if len(field) > 1 else Fraction(1)
    decided = bool(field) and (
        len(field) == 1 or settled(cards) is ordered[0] or lead >= share(rules.margin)
    )
    return Order(ordered, tally, ordered[: len(field)], lead, decided)


def share(margin: float) -> Fraction:
    """The margin as it is written: 0.1 is a tenth, and not a little more."""
    return Fraction(str(min(max(margin, 0.0), 1.0)))


def between(field: Sequence[Scorecard], ballots: Sequence[Ballot]) -> list[Ballot]:
    """Ballots about those that are to be told apart; votes of agents at work all count."""
    inside = {member for card in field for member in card.cluster.members}
    return [b for b in ballots if not b.shown or inside.issuperset(b.shown)]


def _heard(cards: Sequence[Scorecard], ballots: Sequence[Ballot]) -> list[Ballot]:
    """The ballots about those that are to be told apart.

    Judges were asked before it was known who is in the way of the user's changes. What they said of
    the others beside those counts all the same, for nobody is asked once more.
    """
    asked = between(contenders([_but_for_fits(card) for card in cards]), ballots)
    inside = {member for card in contenders(cards) for member in card.cluster.members}
    return [b for b in asked if not b.shown or len(inside.intersection(b.shown)) > 1]


def decide(
    cards: Sequence[Scorecard], ballots: Sequence[Ballot] = (), voting: Voting | None = None
) -> Verdict:
    """Best of n: gates, evidence, judges, votes, the base's tests, agreement, the smaller change.

    Evidence is what is mended of the base, then the tests that candidates brought. A test that none
    but its author passes comes after agreement: it may only know its author's names.

    Args:
        cards: One for each cluster, in configuration order of their first members, which is the
            last tie-break; at least one.
        ballots: The valid ballots of the current epoch.
        voting: The rules; the usual ones where none are given.
    """
    order = in_order(cards, ballots, voting)
    ranking = tuple(member for card in order.cards for member in card.cluster.members)
    failed = [card for card in order.cards if not card.clears]
    losses = " ".join(_ruled_out(card) for card in failed)
    if not order.field:
        why = f"No candidate passed the gates, so none is offered as the winner. {losses}"
        return Verdict("abstained", None, why, ranking)
    passed = [card for card in order.cards if card.clears]
    tail = _why_best(order, passed) if order.decided else _why_tied(order, voting or Voting())
    why = " ".join(f"{_field(cards, passed)} {tail} {losses}".split())
    if not order.decided:
        return Verdict("tied", None, why, ranking)
    return Verdict("won", order.field[0].cluster.members[0], why, ranking)


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


def _why_best(order: Order, passed: Sequence[Scorecard]) -> str:
    best = passed[0]
    winner = best.cluster.members[0]
    mended = f" and mends {counted(best.fixed, 'failure')} of the base" if best.fixed else ""
    if len(passed) < 2:
        return f"{winner} wins{mended}."
    second = passed[1]
    rival = second.cluster.members[0]
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
    first_standing, second_standing = order.tally.standings[:2]
    voted = order.tally.compared == order.tally.votes and first_standing.votes
    if order.tally.compared and not voted and first_standing.support != second_standing.support:
        return f"{same}; {winner} wins by the judges' word: {_judged(order)}{mended}."
    if first_standing.votes != second_standing.votes:
        return (
            f"{winner} wins by votes, {first_standing.votes} to {second_standing.votes} for "
            f"{rival}{mended}."
        )
    if order.tally.compared:
        same = f"{winner} and {rival} measure the same, also to the judges ({_judged(order)})"
    if len(best.outdates) != len(second.outdates):
        return f"{same}; {winner} wins by the base's own tests: {_outdating(best, second)}."
    agreeing = len(best.cluster.members)
    if agreeing != len(second.cluster.members):
        return f"{same}; {winner} wins because {agreeing} agents arrived at this change."
    if best.cross.alone != second.cross.alone:
        return f"{same} by the project's own checks; {winner} wins by its tests: {tried}."
    if best.size.tests_only != second.size.tests_only:
        return f"{same}; {winner} wins because {rival} changes nothing but tests."
    if best.size != second.size:
        return f"{same}; {winner} wins as the smaller change ({smaller(best, second)})."
    return f"{same}, also in size; {winner} wins because its agent is configured first."


def _outdating(best: Scorecard, second: Scorecard) -> str:
    names = [
        f"{card.cluster.members[0]} {outdating(card) or 'fails none of them'}"
        for card in (second, best)
    ]
    return ", ".join(names)


def outdating(card: Scorecard) -> str:
    """How many of the base's tests a candidate fails that it changes, in words; else empty."""
    if not card.outdates:
        return ""
    if WHOLE in card.outdates:
        return "fails the tests that it changes, as they were"
    return f"fails {len(card.outdates)} of the tests that it changes, as they were"


def smaller(best: Scorecard, second: Scorecard) -> str:
    """By how much one of two changes is the smaller one, in words."""
    one, other = best.size, second.size
    if one.beside == other.beside:
        return f"{counted(one.lines, 'line')} against {other.lines}"
    brings = one.beside != one.lines or other.beside != other.lines
    return f"{counted(one.beside, 'line')} against {other.beside}{' beside tests' * brings}"


def _why_tied(order: Order, voting: Voting) -> str:
    best, second = (card.cluster.members[0] for card in order.field[:2])
    said = _judged(order) if order.tally.compared else ""
    if not said:
        votes = [standing.votes for standing in order.tally.standings[:2]]
        said = f"{votes[0]} to {votes[1]} votes" if any(votes) else "no judge has said anything"
    return (
        f"{best} and {second} measure the same and are the two best; {best} is ahead by "
        f"{float(order.lead):.0%} where {voting.margin:.0%} is asked for ({said}), so none is "
        "offered as the winner."
    )


def _judged(order: Order) -> str:
    """What the judges say about the two best, in a few words."""
    first, second = order.tally.standings[:2]
    best, rival = (card.cluster.members[0] for card in order.field[:2])
    if first.won or first.tied or first.lost:
        return f"{best} {_record(first)}, {rival} {_record(second)}"
    if first.votes or second.votes:
        return f"{first.votes} to {second.votes} votes"
    ahead = float(100 * (first.support - second.support))
    return f"{ahead:.1f} of 100 points ahead on average"


def _record(standing: Standing) -> str:
    ties = f", {standing.tied} tied" if standing.tied else ""
    return f"preferred {standing.won} of {standing.won + standing.tied + standing.lost} times{ties}"


def _ruled_out(card: Scorecard) -> str:
    names = " and ".join(card.cluster.members)
    broken = "; ".join(_broke(e) for e in card.evidence if not e.clears)
    return f"{names} {'are' if len(card.cluster.members) > 1 else 'is'} ruled out: {broken}."


def _broke(evidence: Evidence) -> str:
    if not evidence.new_failures:
        return evidence.note
    first, *rest = evidence.new_failures
    more = f" and {len(rest)} more" if rest else ""
    if evidence.check in OWN_GATES:
        return f"{first}{more}"
    return f"{evidence.check} fails where the base does not ({first}{more})"
