"""What judges say about candidates, and what it adds up to.

A ballot compares the candidates that a judge was shown, in the order in which it was shown them.
Judges favour places, so a question is asked in both orders, and a judge that changes its mind with
the order has said that it sees no difference. What a judge says about its own change, or about one
that is the same as its own, does not count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from massgen_ls.core.task import CandidateId, SeatId, VotingRule

CRITERIA: Mapping[str, str] = {
    "task": "solves the task as it was asked, whole",
    "correctness": "is right, also at the edges, and safe",
    "fit": "looks like the code around it: its style, its names, its ways",
    "focus": "changes what the task needs and nothing else",
    "tests": "is covered by tests, new or old, as far as this project tests such things",
}
"""What a judge gives marks for, from 0 to 100 each, and what that means."""
FULL = 100


@dataclass(frozen=True, slots=True)
class Marks:
    """A judge's marks for one candidate, by `CRITERIA`; whole numbers from 0 to `FULL`."""

    task: int
    correctness: int
    fit: int
    focus: int
    tests: int

    @property
    def each(self) -> tuple[int, ...]:
        """In the order of the criteria."""
        return (self.task, self.correctness, self.fit, self.focus, self.tests)

    @property
    def mean(self) -> Fraction:
        """From 0 to `FULL`."""
        return Fraction(sum(self.each), len(self.each))

    @property
    def valid(self) -> bool:
        """Whether each is on the scale."""
        return all(0 <= mark <= FULL for mark in self.each)


@dataclass(frozen=True, slots=True)
class Ballot:
    """One judge's word on the candidates of one epoch."""

    judge: SeatId
    epoch: int
    """The number of candidates that existed when it was asked; an older ballot is void."""
    choice: CandidateId | None
    """None: none of them is better than the others."""
    reason: str = ""
    shown: tuple[CandidateId, ...] = ()
    """What it compared, in the order in which it was shown. Empty: an agent at work has voted for
    one of all (the tool ``vote``)."""
    marks: tuple[Marks, ...] = ()
    """One for each that was shown; empty where no marks were asked for."""

    @property
    def sensible(self) -> bool:
        """Whether its parts fit together."""
        if not self.shown:
            return self.choice is not None and not self.marks
        return (
            len(set(self.shown)) == len(self.shown) > 1
            and (self.choice is None or self.choice in self.shown)
            and len(self.marks) in {0, len(self.shown)}
            and all(marks.valid for marks in self.marks)
        )


def author(candidate: CandidateId) -> SeatId:
    """The seat that made a candidate, which its name says."""
    return SeatId(candidate.rpartition(".")[0])


@dataclass(frozen=True, slots=True)
class Standing:
    """What judges say about one group of equal candidates."""

    support: Fraction = Fraction(0)
    """By the rule, comparable within one tally only. ``pairwise``: the share of its comparisons
    that it won, a tie being half a win. ``score``: how far its mean mark is from the mean of what
    was shown with it, as a share of the scale. ``plurality``: its share of the votes."""
    won: int = 0
    tied: int = 0
    lost: int = 0
    """Comparisons in both orders, for ``pairwise``."""
    votes: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """All that counts of the ballots. ``standings`` in the order of the groups."""

    standings: tuple[Standing, ...]
    compared: int = 0
    """Questions that were answered in every order they had to be asked in, and so count."""

    @property
    def votes(self) -> int:
        """All votes for one of the groups."""
        return sum(standing.votes for standing in self.standings)

    def lead(self, best: int, second: int) -> Fraction:
        """How far one group is ahead of another, from -1 to 1; 0 when nobody said anything."""
        if self.compared:
            return self.standings[best].support - self.standings[second].support
        if not self.votes:
            return Fraction(0)
        return Fraction(self.standings[best].votes - self.standings[second].votes, self.votes)


def count(
    rule: VotingRule, groups: Sequence[Sequence[CandidateId]], ballots: Iterable[Ballot]
) -> Tally:
    """Counts ballots; neither their order nor that of the groups matters.

    Args:
        rule: How.
        groups: The candidates in question, those that are one and the same change together.
        ballots: Of the current epoch, one of each judge for each question.
    """
    if rule == "evidence-only":
        return Tally(tuple(Standing() for _ in groups))
    heard = _counting(groups, ballots)
    votes = [0] * len(groups)
    for choice in _votes(rule, heard):
        votes[choice] += 1
    if rule == "plurality":
        total = sum(votes)
        return Tally(
            tuple(Standing(Fraction(n, total or 1), votes=n) for n in votes), compared=total
        )
    tally = _pairwise(len(groups), heard) if rule == "pairwise" else _score(len(groups), heard)
    return Tally(
        tuple(
            Standing(s.support, s.won, s.tied, s.lost, n)
            for s, n in zip(tally.standings, votes, strict=True)
        ),
        tally.compared,
    )


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a `Standing.support` may still end up."""

    low: Fraction
    high: Fraction


def bounds(
    rule: VotingRule,
    groups: Sequence[Sequence[CandidateId]],
    ballots: Iterable[Ballot],
    coming: Iterable[Sequence[CandidateId]],
) -> tuple[Bounds, ...]:
    """How far the support of each group can still move, whatever is answered or not.

    Args:
        rule: As for `count`.
        groups: As for `count`.
        ballots: Those that there are.
        coming: What judges may still compare: once for each judge, in whatever order.
    """
    heard = _counting(groups, ballots)
    where = {member: i for i, members in enumerate(groups) for member in members}
    asked = [tuple(sorted(where[member] for member in shown)) for shown in coming]
    match rule:
        case "pairwise":
            return _pair_bounds(len(groups), heard, Counter(asked))
        case "score":
            return _score_bounds(len(groups), heard, asked)
        case "plurality":
            votes = Counter(_votes(rule, heard))
            total = votes.total() + len(asked)
            return tuple(
                Bounds(Fraction(votes[i], total or 1), Fraction(votes[i] + len(asked), total or 1))
                for i in range(len(groups))
            )
        case _:
            return (Bounds(Fraction(0), Fraction(0)),) * len(groups)


def _pair_bounds(
    groups: int, heard: Sequence[_Heard], coming: Counter[tuple[int, ...]]
) -> tuple[Bounds, ...]:
    verdicts = _verdicts(heard)
    found: list[Bounds] = []
    for place in range(groups):
        low: list[Fraction] = []
        high: list[Fraction] = []
        for pair in verdicts.keys() | coming.keys():
            if place not in pair:
                continue
            said, more = verdicts.get(pair, []), coming[pair]
            points = said.count(place) + Fraction(said.count(None), 2)
            # A pair that nobody will have compared after all does not count: that lies between.
            low.append(points / (len(said) + more))
            high.append((points + more) / (len(said) + more))
        half = Fraction(1, 2)
        found.append(Bounds(_mean(low, half), _mean(high, half)))
    return tuple(found)


def _score_bounds(
    groups: int, heard: Sequence[_Heard], coming: Sequence[tuple[int, ...]]
) -> tuple[Bounds, ...]:
    ahead, _ = _leads(groups, heard)
    # One full mark among nothing but zeros: further from the mean nobody can be.
    most = Fraction(groups - 1, groups)
    found: list[Bounds] = []
    for place, known in enumerate(ahead):
        more = [most] * (2 * sum(place in shown for shown in coming))
        low = _mean([*known, *(-lead for lead in more)], Fraction(0))
        found.append(Bounds(low, _mean([*known, *more], Fraction(0))))
    return tuple(found)


def _mean(values: Sequence[Fraction], without: Fraction) -> Fraction:
    return sum(values, Fraction(0)) / len(values) if values else without


@dataclass(frozen=True, slots=True)
class _Heard:
    """A ballot that counts, with groups in place of candidates."""

    ballot: Ballot
    shown: tuple[int, ...]
    choice: int | None


def _counting(groups: Sequence[Sequence[CandidateId]], ballots: Iterable[Ballot]) -> list[_Heard]:
    """The ballots about these groups by judges who made none of what they were shown."""
    where = {member: i for i, members in enumerate(groups) for member in members}
    authors = [{author(member) for member in members} for members in groups]
    heard: list[_Heard] = []
    for ballot in ballots:
        places = tuple(where.get(member, -1) for member in ballot.shown)
        choice = None if ballot.choice is None else where.get(ballot.choice, -1)
        concerned = {*places, *([] if choice is None else [choice])}
        if -1 in concerned or any(ballot.judge in authors[place] for place in concerned):
            continue
        heard.append(_Heard(ballot, places, choice))
    return heard


def _votes(rule: VotingRule, heard: Sequence[_Heard]) -> Iterator[int]:
    """One for each judge that voted; where judges are asked for a vote, that word is the last."""
    spontaneous = {one.ballot.judge: {one.choice} for one in heard if not one.shown}
    asked: dict[SeatId, set[int | None]] = {}
    if rule == "plurality":
        for one in heard:
            if one.shown:
                asked.setdefault(one.ballot.judge, set()).add(one.choice)
    for said in (spontaneous | asked).values():
        # Who says different things when asked twice says nothing.
        if len(said) == 1 and (choice := next(iter(said))) is not None:
            yield choice


def _in_both_orders(heard: Sequence[_Heard]) -> Iterator[tuple[_Heard, _Heard]]:
    """Questions that a judge has answered in both orders, each once."""
    known = {(one.ballot.judge, one.shown): one for one in heard if one.shown}
    for (judge, shown), one in known.items():
        other = known.get((judge, shown[::-1]))
        if other is not None and shown < shown[::-1]:
            yield one, other


def _verdicts(heard: Sequence[_Heard]) -> dict[tuple[int, ...], list[int | None]]:
    """By pair, the lower place first: what each judge that was asked in both orders prefers."""
    verdicts: dict[tuple[int, ...], list[int | None]] = {}
    for one, other in _in_both_orders([h for h in heard if len(h.shown) == 2]):
        agreed = one.choice if one.choice == other.choice else None
        verdicts.setdefault(one.shown, []).append(agreed)
    return verdicts


def _pairwise(groups: int, heard: Sequence[_Heard]) -> Tally:
    verdicts = _verdicts(heard)
    shares: list[list[Fraction]] = [[] for _ in range(groups)]
    won, tied, lost = [0] * groups, [0] * groups, [0] * groups
    for pair, said in verdicts.items():
        ties = said.count(None)
        for place in pair:
            wins = said.count(place)
            won[place] += wins
            tied[place] += ties
            lost[place] += len(said) - wins - ties
            # By pair first: a pair that more judges were asked about does not weigh more.
            shares[place].append((wins + Fraction(ties, 2)) / len(said))
    return Tally(
        tuple(
            Standing(_mean(s, Fraction(1, 2)), w, t, n)
            for s, w, t, n in zip(shares, won, tied, lost, strict=True)
        ),
        sum(map(len, verdicts.values())),
    )


def _score(groups: int, heard: Sequence[_Heard]) -> Tally:
    ahead, compared = _leads(groups, heard)
    return Tally(tuple(Standing(_mean(a, Fraction(0))) for a in ahead), compared)


def _leads(groups: int, heard: Sequence[_Heard]) -> tuple[list[list[Fraction]], int]:
    """For each group, how far its marks are from the mean of each answer; how many were asked."""
    ahead: list[list[Fraction]] = [[] for _ in range(groups)]
    compared = 0
    for both in _in_both_orders([h for h in heard if h.ballot.marks]):
        compared += 1
        for one in both:
            means = [marks.mean for marks in one.ballot.marks]
            # Held against what was shown with it: a strict judge is not against those it was shown.
            middle = sum(means, Fraction(0)) / len(means)
            for place, mean in zip(one.shown, means, strict=True):
                ahead[place].append((mean - middle) / FULL)
    return ahead, compared
