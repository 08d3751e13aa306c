"""Why a run ended as it did, as rows of a table: pure, for every face that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from massgen_ls.core import basetests
from massgen_ls.core.ballots import CRITERIA, Ballot, Marks
from massgen_ls.core.candidate import FITS, OWN_GATES, Evidence, Scorecard
from massgen_ls.core.consensus import Word, counting, words_of
from massgen_ls.core.run_state import RunState
from massgen_ls.core.scoring import clashing, cross_rows, per_tree, scorecards
from massgen_ls.core.task import CandidateId, SeatId, VotingRule
from massgen_ls.core.voting import Order, contenders, in_order, majority, outdating, smaller
from massgen_ls.core.wording import counted


@dataclass(frozen=True, slots=True)
class Row:
    """One candidate."""

    candidate: CandidateId
    won: bool
    files: int
    lines: int
    cluster: tuple[CandidateId, ...]
    """It and those that are the same change, whatever tests they bring."""
    eligible: bool
    """False: its attempt did not end well, so it cannot win."""
    checks: tuple[str, ...]
    """What each of `Explanation.checks` says, in their order."""
    judges: str
    """What the judges say about it; empty where none was heard."""
    built_on: CandidateId | None = None
    """The candidate that it improves on."""
    parts: tuple[CandidateId, ...] = ()
    """Of what no agent made: the candidates whose shared hunks it is."""
    cross: str = ""
    """How many of the telling tests that candidates brought it passes; empty without any."""
    base_tests: str = ""
    """What came of the base's own tests that it has changed; empty where they were not run."""

    @property
    def origin(self) -> str:
        """Where it comes from, where that is not simply its agent."""
        if self.parts:
            return f"fused: what several of {', '.join(self.parts)} share"
        return f"improves on {self.built_on}" if self.built_on else ""


@dataclass(frozen=True, slots=True)
class BallotRow:
    """One answer of a judge, or the word that there is none."""

    judge: SeatId
    shown: tuple[CandidateId, ...]
    """In the order in which they were shown; empty for a vote of an agent at work."""
    choice: str
    """The candidate; ``neither``; or ``no answer``."""
    marks: tuple[Marks, ...]
    """One for each that was shown, or none."""
    reason: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """All of it."""

    rule: VotingRule
    margin: float
    checks: tuple[str, ...]
    """The configured ones, and gates of our own that have ruled somebody out."""
    rows: tuple[Row, ...]
    """Best first."""
    ballots: tuple[BallotRow, ...]
    rounds: tuple[Word, ...]
    """In consensus: what agents said, round by round; all but the last round's votes are void."""
    steps: tuple[str, ...]
    """How the field was narrowed down to the verdict, one sentence for each rule that was used."""


def explanation(state: RunState) -> Explanation:
    """Explains what is known so far; after the verdict, that."""
    rules = counting(state) if state.spec else None
    cards = scorecards(state)
    order = in_order(cards, state.ballots, rules) if cards else None
    checks = gate_names(state)
    return Explanation(
        rules.rule if rules else "evidence-only",
        rules.margin if rules else 0.0,
        checks,
        _rows(state, order, checks),
        (*map(_ballot, state.ballots), *_missed(state)),
        words_of(state),
        tuple(_steps(cards, order)) if order else (),
    )


def gate_names(state: RunState) -> tuple[str, ...]:
    """The checks, and gates of our own that have ruled somebody out."""
    spoken = {e.check for card in per_tree(state) for e in card.evidence}
    spoken |= {FITS} if clashing(state) else set()
    checks = tuple(check.name for check in state.spec.checks) if state.spec else ()
    return (*checks, *(gate for gate in OWN_GATES if gate in spoken))


def evidence_by_gate(state: RunState, card: Scorecard | None) -> dict[str, Evidence]:
    """What each gate says about a tree; nothing of one that is out of the running.

    Args:
        state: The run.
        card: One of `per_tree`.
    """
    if card is None:
        return {}
    clash = clashing(state).get(card.cluster.tree)
    return {e.check: e for e in (*card.evidence, *([clash] if clash else ()))}


def own_words(state: RunState, candidate: CandidateId, gate: str) -> tuple[str, ...]:
    """Why a gate of our own rules a candidate out; empty where it does not."""
    for card in per_tree(state) if gate in OWN_GATES else ():
        if candidate in card.cluster.members:
            found = evidence_by_gate(state, card).get(gate)
            return found.new_failures if found else ()
    return ()


def _rows(state: RunState, order: Order | None, checks: tuple[str, ...]) -> tuple[Row, ...]:
    ranking = state.verdict.ranking if state.verdict else ()
    if not ranking and order:
        ranking = tuple(member for card in order.cards for member in card.cluster.members)
    places = {candidate: i for i, candidate in enumerate(ranking)}
    ordered = sorted(state.candidates, key=lambda c: places.get(c.id, len(places)))
    where = {
        member: i
        for i, card in enumerate(order.cards if order else ())
        for member in card.cluster.members
    }
    own = {member: card for card in per_tree(state) for member in card.cluster.members}
    rows: list[Row] = []
    for candidate in ordered:
        place = where.get(candidate.id)
        card = order.cards[place] if order and place is not None else None
        mine = own.get(candidate.id)
        evidence = evidence_by_gate(state, mine)
        rows.append(
            Row(
                candidate.id,
                state.verdict is not None and state.verdict.winner == candidate.id,
                len(candidate.changes.files),
                candidate.changes.size,
                card.cluster.members if card else (candidate.id,),
                card is not None,
                tuple(said(evidence.get(c), eligible=card is not None, check=c) for c in checks),
                _heard(order, place) if order and place is not None else "",
                candidate.built_on,
                candidate.parts,
                f"{mine.cross.passed} of {mine.cross.tests}" if mine and mine.cross.tests else "",
                basetests.said(state, candidate.tree),
            )
        )
    return tuple(rows)


Tone = Literal["bad", "good", "doubtful", "plain"]


def words(
    evidence: Evidence | None, *, eligible: bool = True, check: str = ""
) -> tuple[tuple[Tone, str], ...]:
    """What a check, or a gate of our own, says about a candidate: a few words each, and how meant.

    Args:
        evidence: What it has said; None while it has not.
        eligible: Whether the candidate may win.
        check: Its name, for where there is no evidence.
    """
    if (evidence.check if evidence else check) in OWN_GATES:
        return (("bad", _listed(evidence.new_failures)) if evidence else ("plain", "–"),)
    if evidence is None:
        return (("plain", "not judged" if eligible else "unfinished"),)
    found: list[tuple[Tone, str]] = []
    if evidence.new_failures:
        found.append(("bad", f"breaks {len(evidence.new_failures)}"))
    if evidence.fixed:
        found.append(("good", f"mends {len(evidence.fixed)}"))
    if evidence.flaky:
        found.append(("doubtful", f"{len(evidence.flaky)} flaky"))
    return tuple(found) or (("plain", evidence.outcome.replace("_", " ")),)


def said(evidence: Evidence | None, *, eligible: bool = True, check: str = "") -> str:
    """The same without how it is meant."""
    return ", ".join(text for _, text in words(evidence, eligible=eligible, check=check))


def _listed(words: Sequence[str]) -> str:
    more = f" and {len(words) - _FEW} more" if len(words) > _FEW else ""
    return "; ".join(words[:_FEW]) + more


_FEW = 3
"""Reasons in a cell of a table."""


def _heard(order: Order, place: int) -> str:
    standing = order.tally.standings[place]
    parts: list[str] = []
    if standing.won or standing.tied or standing.lost:
        parts.append(f"{standing.won} won, {standing.tied} tied, {standing.lost} lost")
    elif order.tally.compared and standing.support and not standing.votes:
        parts.append(f"{float(100 * standing.support):+.1f} points")
    if standing.votes:
        parts.append(counted(standing.votes, "vote"))
    return ", ".join(parts)


def _ballot(ballot: Ballot) -> BallotRow:
    choice = ballot.choice or "neither"
    return BallotRow(ballot.judge, ballot.shown, choice, ballot.marks, ballot.reason)


def _missed(state: RunState) -> list[BallotRow]:
    return [
        BallotRow(a.judge, a.shown, "no answer", (), a.missed)
        for a in state.asked
        if a.missed and a.epoch == state.epoch
    ]


def _steps(cards: tuple[Scorecard, ...], order: Order) -> list[str]:
    total = sum(len(card.cluster.members) for card in cards)
    passed = [card for card in cards if card.clears]
    steps = [
        f"{counted(total, 'candidate')}, {len(cards)} different",
        f"{len(passed)} of {len(cards)} pass every gate",
    ]
    field = contenders(cards)
    if passed and len(field) < len(passed):
        steps.append(f"{len(field)} of these measure best")
    if len(field) < 2:
        return steps
    names = ", ".join(card.cluster.members[0] for card in order.field)
    steps.append(f"the evidence cannot tell these apart: {names}")
    if (most := majority(cards)) is not None and most in field:
        size = len(most.cluster.members)
        steps.append(f"{size} of {total} candidates are one and the same change")
    best, second = order.field[:2]
    tally = order.tally
    if tally.compared and tally.votes != tally.compared:
        steps.append(f"judges: {_both(order)}, ahead by {float(order.lead):.0%}")
    first, other = tally.standings[:2]
    if tally.votes and (tally.compared == tally.votes or first.support == other.support):
        steps.append(f"votes: {first.votes} to {other.votes}")
    if not order.decided:
        return [*steps, "that is less than the margin: no winner"]
    if tally.standings[0].support != tally.standings[1].support:
        return steps
    if tally.standings[0].votes != tally.standings[1].votes:
        return steps
    if len(best.outdates) != len(second.outdates):
        told = " and ".join(
            f"{card.cluster.members[0]} {outdating(card)}"
            for card in (best, second)
            if card.outdates
        )
        return [*steps, f"tie broken by the base's own tests: {told}"]
    if len(best.cluster.members) != len(second.cluster.members):
        return [*steps, "tie broken by agreement: more agents arrived at this change"]
    if best.cross.alone != second.cross.alone:
        return [*steps, "tie broken by its own tests, which only it passes"]
    if best.size.tests_only != second.size.tests_only:
        return [*steps, f"tie broken: {second.cluster.members[0]} changes nothing but tests"]
    if best.size != second.size:
        return [*steps, f"tie broken by size: {smaller(best, second)}"]
    return [*steps, "tie broken by the order of the configuration"]


def _both(order: Order) -> str:
    best, second = (card.cluster.members[0] for card in order.field[:2])
    return f"{best} {_heard(order, 0) or 'nothing'}; {second} {_heard(order, 1) or 'nothing'}"


# ── cross-tests ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """One telling test."""

    test: str
    author: CandidateId
    """Who brought it."""
    cells: tuple[str, ...]
    """``passes`` or ``fails``, in the order of `Matrix.candidates`."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Which candidate passes which of the tests that others brought."""

    candidates: tuple[CandidateId, ...]
    rows: tuple[MatrixRow, ...]


BASE_TESTS = "base's tests"
"""Title of `Row.base_tests`."""
MOST_TESTS = 40
"""Rows of a matrix that people are shown."""


def cross_matrix(state: RunState) -> Matrix | None:
    """The telling tests by candidate; None where there are none."""
    rows = cross_rows(state)
    if not rows:
        return None
    cards = [card for card in per_tree(state) if card.clears]
    names = {card.cluster.tree: card.cluster.members[0] for card in cards}
    shown = [
        MatrixRow(
            row.test or "(the whole run)",
            names[row.author],
            tuple("passes" if tree in row.passed else "fails" for tree in names),
        )
        for row in rows[:MOST_TESTS]
    ]
    return Matrix(tuple(names.values()), tuple(shown))


# ── in cells ────────────────────────────────────────────────────────────────────────────────────


def round_cells(word: Word) -> tuple[str, ...]:
    """One line of the table of rounds."""
    came = (word.came or "nothing new") if word.said == "improve" else "–"
    said = {"vote": "votes for", "improve": "improves on"}[word.said]
    return str(word.round), word.judge, said, word.choice, came, word.reason or "–"


def marks_of(row: BallotRow) -> tuple[str, ...]:
    """A ballot's marks by criterion, those of what was shown first before those of the others."""
    return tuple(
        " / ".join(str(marks.each[i]) for marks in row.marks) or "–" for i in range(len(CRITERIA))
    )
