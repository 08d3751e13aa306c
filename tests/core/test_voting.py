"""Why the best is the best, in the order in which reasons count."""

from __future__ import annotations

from dataclasses import replace

import pytest

from massgen_ls.core.ballots import CRITERIA, FULL, Ballot, Marks
from massgen_ls.core.candidate import FITS, Cluster, Evidence, Scorecard, Size
from massgen_ls.core.task import CandidateId, SeatId, Voting, VotingRule
from massgen_ls.core.voting import decide


def card(
    *members: str,
    fixed: int = 0,
    broke: tuple[str, ...] = (),
    size: int = 5,
    tests: int = 0,
    note: str = "",
) -> Scorecard:
    """One choice; ``size`` is of lines beside those of tests."""
    mended = tuple(f"f{n}" for n in range(fixed))
    outcome = "failed" if broke else "passed"
    evidence = Evidence("k", outcome, broke, mended, (), note, measured=not note)
    cluster = Cluster(f"tree of {members[0]}", tuple(map(CandidateId, members)))
    return Scorecard(cluster, (evidence,), Size(not size, size, size + tests))


def votes(**by: str) -> list[Ballot]:
    return [Ballot(SeatId(judge), 2, CandidateId(f"{choice}.1")) for judge, choice in by.items()]


@pytest.mark.parametrize(
    ("cards", "cast", "why"),
    [
        # Each row beats the one before it: the reasons of the earlier rows speak for b.1.
        ([card("a.1"), card("b.1")], [], "wins because its agent is configured first."),
        (
            [card("a.1", tests=2), card("b.1", tests=1)],
            [],
            "wins because its agent is configured first.",
        ),
        ([card("b.1"), card("a.1", size=1)], [], "the smaller change (1 line against 5)."),
        (
            [card("b.1"), card("a.1", size=1, tests=9)],
            [],
            "the smaller change (1 line against 5 beside tests).",
        ),
        ([card("b.1", size=0, tests=1), card("a.1")], [], "because b.1 changes nothing but tests."),
        (
            [card("b.1", size=1), card("a.1", "c.1")],
            [],
            "wins because 2 agents arrived at this change.",
        ),
        (
            [card("b.1", "c.1", size=1), card("a.1")],
            votes(x="a", y="a", z="b"),
            "a.1 wins by votes, 2 to 1 for b.1.",
        ),
        (
            [card("b.1", "c.1", size=1), card("a.1", fixed=1)],
            votes(x="b", y="b"),
            "a.1 wins: it mends 1 failure of the base, the next best, b.1, mends 0.",
        ),
        (
            [card("b.1", "c.1", size=1, fixed=9, broke=("f",)), card("a.1")],
            votes(x="b"),
            "b.1 and c.1 are ruled out: k fails where the base does not (f).",
        ),
    ],
)
def test_the_reasons_in_their_order(cards: list[Scorecard], cast: list[Ballot], why: str) -> None:
    verdict = decide(cards, cast)
    assert (verdict.outcome, verdict.winner) == ("won", "a.1")
    assert verdict.why.endswith(why)
    assert verdict.ranking[0] == "a.1"
    assert sorted(verdict.ranking) == sorted(m for c in cards for m in c.cluster.members)


def test_votes_among_those_who_mend_say_that_they_mend() -> None:
    cards = [card("b.1", fixed=2), card("a.1", fixed=2)]
    assert decide(cards, votes(x="a")).why.endswith(
        "a.1 wins by votes, 1 to 0 for b.1 and mends 2 failures of the base."
    )


def test_votes_for_one_text_are_counted_together() -> None:
    cards = [card("b.1"), card("a.1", "c.1")]
    verdict = decide(cards, votes(x="b", y="a", z="c"))
    assert (verdict.winner, "2 to 1 for b.1" in verdict.why) == ("a.1", True)


def test_a_check_that_says_nothing_is_not_called_a_gate() -> None:
    why = decide([card("a.1", note="k was not run on the base: it says nothing")]).why
    assert why == (
        "The only candidate was measured by no check. k was not run on the base: it says nothing. "
        "a.1 wins."
    )


# ── who is in the way of the user's changes ─────────────────────────────────────────────────────


def in_the_way(found: Scorecard) -> Scorecard:
    said = Evidence(FITS, "failed", ("it conflicts with what you have changed in f.py",), (), ())
    return replace(found, evidence=(*found.evidence, said))


@pytest.mark.parametrize("rule", ["plurality", "score", "pairwise"])
def test_what_was_said_of_the_others_beside_who_is_in_the_way_still_counts(
    rule: VotingRule,
) -> None:
    cards = [card("a.1", size=20), card("b.1", size=30), card("c.1", size=5)]
    named = {n: CandidateId(f"{n}.1") for n in "abc"}
    marks = {n: Marks(*[FULL if n == "b" else 0] * len(CRITERIA)) for n in "abc"}
    shown = ("ab", "ba", "bc", "cb", "ac", "ca") if rule == "pairwise" else ("abc", "cba")
    said = [
        Ballot(
            SeatId("j" if rule != "plurality" else f"j{number}"),
            3,
            None if rule == "score" else named["b" if "b" in among else "a"],
            "",
            tuple(named[n] for n in among),
            () if rule == "plurality" else tuple(marks[n] for n in among),
        )
        for number, among in enumerate(shown)
    ]
    before = decide(cards, said, Voting(rule))
    after = decide([in_the_way(cards[0]), *cards[1:]], said, Voting(rule, margin=0.2))
    assert (before.winner, after.winner) == ("b.1", "b.1")
    assert after.ranking == ("b.1", "c.1", "a.1")


def test_what_only_is_in_the_way_ranks_before_what_breaks_something() -> None:
    cards = [in_the_way(card("a.1", size=20)), card("b.1", size=30), card("c.1", broke=("f",))]
    assert decide(cards).ranking == ("b.1", "a.1", "c.1")
