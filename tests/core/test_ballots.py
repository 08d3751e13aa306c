"""What ballots add up to, rule by rule."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgen_ls.core.ballots import Ballot, Marks, Tally, count
from massgen_ls.core.candidate import Scorecard
from massgen_ls.core.task import CandidateId, SeatId, Voting, VotingRule
from massgen_ls.core.voting import decide, in_order
from tests.core.test_voting import card, votes

A, B, C = (CandidateId(f"{name}.1") for name in "abc")
GROUPS = ((A,), (B,), (C,))
MARKS = Marks(50, 50, 50, 50, 50)


def said(judge: str, choice: CandidateId | None, *shown: CandidateId) -> Ballot:
    return Ballot(SeatId(judge), 3, choice, shown=shown)


def both(judge: str, one: CandidateId, other: CandidateId) -> list[Ballot]:
    """A judge that prefers the first of two, whichever is shown first."""
    return [said(judge, one, one, other), said(judge, one, other, one)]


def marked(judge: str, **given: int) -> list[Ballot]:
    """Marks for candidates, the same in both orders."""
    shown = tuple(CandidateId(f"{name}.1") for name in given)
    marks = tuple(Marks(*[mark] * 5) for mark in given.values())
    ballot = Ballot(SeatId(judge), 3, None, shown=shown, marks=marks)
    return [ballot, replace(ballot, shown=shown[::-1], marks=marks[::-1])]


def supports(tally: Tally) -> list[Fraction]:
    return [standing.support for standing in tally.standings]


def test_the_share_of_comparisons_that_were_won() -> None:
    cast = [*both("x", A, B), *both("x", A, C), *both("x", B, C)]
    assert supports(count("pairwise", GROUPS, cast)) == [1, Fraction(1, 2), 0]


def test_who_changes_its_mind_with_the_order_sees_no_difference() -> None:
    tally = count("pairwise", GROUPS, [said("x", A, A, B), said("x", B, B, A)])
    assert tally.compared == 1
    assert [s.tied for s in tally.standings] == [1, 1, 0]
    assert len(set(supports(tally))) == 1


def test_half_a_comparison_says_nothing() -> None:
    assert count("pairwise", GROUPS, [said("x", A, A, B)]).compared == 0
    assert count("score", GROUPS, marked("x", a=90, b=10)[:1]).compared == 0


@pytest.mark.parametrize("rule", ["pairwise", "score"])
def test_nobody_judges_what_they_or_somebody_like_them_made(rule: VotingRule) -> None:
    groups = ((A,), (B, C))
    own = [*both("c", B, A), *marked("a", a=100, b=0), said("b", C)]
    assert count(rule, groups, own) == count(rule, groups, [])


def test_a_pair_that_more_judges_were_asked_about_does_not_weigh_more() -> None:
    cast = [*both("x", A, B), *both("y", A, B), *both("z", A, B), *both("x", C, A)]
    assert supports(count("pairwise", GROUPS, cast)) == [Fraction(1, 2), 0, 1]


def test_marks_count_against_what_was_shown_with_them() -> None:
    # The strict judge was shown b and c; the kind one a and b.
    cast = [*marked("strict", b=20, c=10), *marked("kind", a=90, b=95)]
    tally = count("score", GROUPS, cast)
    assert supports(tally) == [Fraction(-5, 200), Fraction(15, 400), Fraction(-10, 200)]
    assert tally.compared == 2


def test_a_vote_of_an_agent_at_work_gives_way_to_its_word_when_it_is_asked() -> None:
    cast = [*votes(x="b", y="b"), said("x", A, A, B, C)]
    tally = count("plurality", GROUPS, cast)
    assert [s.votes for s in tally.standings] == [1, 1, 0]


def test_evidence_only_hears_nobody() -> None:
    cards = [card("a.1"), card("b.1", size=9)]
    cast = [*both("x", B, A), *votes(x="b", y="b")]
    assert decide(cards, cast).winner == "b.1"
    assert decide(cards, cast, Voting("evidence-only")).winner == "a.1"


@pytest.mark.parametrize(
    ("cast", "voting", "why"),
    [
        (
            [*both("x", B, A), *both("y", B, A), said("z", A, A, B), said("z", B, B, A)],
            Voting(),
            "b.1 wins by the judges' word: b.1 preferred 2 of 3 times, 1 tied, a.1 preferred 0 of 3"
            " times, 1 tied.",
        ),
        (
            marked("x", a=60, b=90),
            Voting("score"),
            "b.1 wins by the judges' word: 30.0 of 100 points ahead on average.",
        ),
        (
            [said("x", B, A, B), said("y", B, B, A), said("z", A, A, B)],
            Voting("plurality"),
            "b.1 wins by votes, 2 to 1 for a.1.",
        ),
        (
            [said("z", A, A, B), said("z", B, B, A)],
            Voting(),
            "also to the judges (b.1 preferred 0 of 1 times, 1 tied, a.1 preferred 0 of 1 times, "
            "1 tied); b.1 wins as the smaller change (4 lines against 5).",
        ),
    ],
)
def test_the_judges_word_in_words(cast: list[Ballot], voting: Voting, why: str) -> None:
    verdict = decide([card("a.1"), card("b.1", size=4)], cast, voting)
    assert (verdict.outcome, verdict.winner) == ("won", "b.1")
    assert verdict.why.endswith(why)


def test_evidence_is_stronger_than_any_judge() -> None:
    cast = both("x", B, A)
    assert decide([card("a.1", fixed=1), card("b.1")], cast).winner == "a.1"
    assert decide([card("a.1"), card("b.1", broke=("f",))], cast).winner == "a.1"


def test_less_than_the_margin_is_no_verdict_and_names_the_two_best() -> None:
    cast = [*both("x", B, A), *both("y", B, A), *both("z", A, B)]
    cards = [card("a.1"), card("b.1"), card("c.1", broke=("f",))]
    verdict = decide(cards, cast, Voting(margin=0.5))
    assert (verdict.outcome, verdict.winner) == ("tied", None)
    assert verdict.ranking == ("b.1", "a.1", "c.1")
    assert (
        "b.1 and a.1 measure the same and are the two best; b.1 is ahead by 33% where 50% is asked"
        " for (b.1 preferred 2 of 3 times, a.1 preferred 1 of 3 times)" in verdict.why
    )
    assert decide(cards, cast, Voting(margin=0.33)).winner == "b.1"


def test_a_margin_is_the_number_that_is_written() -> None:
    cast = [*votes(**{f"j{n}": "a" for n in range(11)}), *votes(**{f"k{n}": "b" for n in range(9)})]
    cards = [card("a.1"), card("b.1")]
    assert in_order(cards, cast, Voting(margin=0.1)).lead == Fraction(1, 10)
    assert decide(cards, cast, Voting(margin=0.1)).outcome == "won"


def test_without_judges_a_margin_abstains_and_none_decides() -> None:
    cards = [card("a.1"), card("b.1")]
    assert decide(cards).outcome == "won"
    verdict = decide(cards, (), Voting(margin=0.1))
    assert verdict.outcome == "tied"
    assert "(no judge has said anything)" in verdict.why


@pytest.mark.parametrize(
    "cards",
    [
        [card("a.1")],
        [card("a.1", fixed=2), card("b.1", fixed=1)],
        [card("a.1"), card("b.1", broke=("f",))],
        [card("a.1", "c.1"), card("b.1")],
    ],
)
def test_what_needs_no_judge_needs_no_margin(cards: list[Scorecard]) -> None:
    assert decide(cards, (), Voting(margin=1.0)).winner == "a.1"


# ── laws ────────────────────────────────────────────────────────────────────────────────────────

names = st.sampled_from([A, B, C])
marks = st.sampled_from([MARKS, Marks(0, 0, 0, 0, 0), Marks(90, 80, 70, 61, 50)])
orders = [(A, B), (B, A), (A, C), (C, A), (B, C), (C, B), (A, B, C), (C, B, A), (B, C, A)]


@st.composite
def ballots(draw: st.DrawFn) -> Ballot:
    shown = draw(st.sampled_from(orders))
    given_marks = tuple(draw(marks) for _ in shown)
    choice = draw(st.sampled_from([None, *shown]))
    judge = SeatId(draw(st.sampled_from(["a", "b", "x", "y", "z"])))
    if draw(st.integers(0, 3)) == 0:
        return Ballot(judge, 3, draw(names))
    return Ballot(judge, 3, choice, "", shown, given_marks)


cast_by_all = st.lists(ballots(), max_size=9, unique_by=lambda b: (b.judge, b.shown))
quick = settings(deadline=None, max_examples=50)
rules = st.sampled_from(["pairwise", "score", "plurality", "evidence-only"])


@quick
@given(cast_by_all, rules, st.permutations([0, 1, 2]), st.randoms(use_true_random=False))
def test_neither_the_order_of_ballots_nor_that_of_seats_changes_a_verdict(
    cast: list[Ballot], rule: VotingRule, order: list[int], random: object
) -> None:
    # Sizes differ, so that the configured order, the last tie-break, has nothing to say.
    cards = [card("a.1", size=3), card("b.1", size=4), card("c.1", size=5)]
    shuffled = list(cast)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for margin in (0.0, 0.25):
        voting = Voting(rule, margin)
        expected = decide(cards, cast, voting)
        assert decide([cards[i] for i in order], shuffled, voting) == expected


@quick
@given(cast_by_all, rules)
def test_a_greater_margin_never_finds_a_winner_that_a_smaller_one_does_not(
    cast: list[Ballot], rule: VotingRule
) -> None:
    cards = [card("a.1"), card("b.1"), card("c.1")]
    margins = (0.0, 0.1, 0.2, 0.5, 1.0)
    found = [decide(cards, cast, Voting(rule, margin)) for margin in margins]
    won = [verdict.outcome == "won" for verdict in found]
    assert won[0]
    assert won == sorted(won, reverse=True)
    assert len({verdict.ranking for verdict in found}) == 1


@quick
@given(cast_by_all, rules, st.permutations(["a", "b", "c"]))
def test_names_change_nothing_but_names(
    cast: list[Ballot], rule: VotingRule, called: list[str]
) -> None:
    new = {f"{old}.1": CandidateId(f"{name}.1") for old, name in zip("abc", called, strict=True)}
    judges = {old: SeatId(name) for old, name in zip("abc", called, strict=True)}

    def renamed(ballot: Ballot) -> Ballot:
        return replace(
            ballot,
            judge=judges.get(ballot.judge, ballot.judge),
            choice=new[ballot.choice] if ballot.choice else None,
            shown=tuple(new[c] for c in ballot.shown),
        )

    sizes = {"a.1": 3, "b.1": 4, "c.1": 5}
    before = decide([card(c, size=n) for c, n in sizes.items()], cast, Voting(rule))
    after = decide(
        [card(new[c], size=n) for c, n in sizes.items()], list(map(renamed, cast)), Voting(rule)
    )
    assert after.ranking == tuple(new[c] for c in before.ranking)


@quick
@given(ballots())
def test_what_is_drawn_here_is_sensible(ballot: Ballot) -> None:
    assert ballot.sensible


@pytest.mark.parametrize(
    "ballot",
    [
        Ballot(SeatId("x"), 3, None),
        Ballot(SeatId("x"), 3, A, marks=(MARKS,)),
        Ballot(SeatId("x"), 3, A, shown=(A,)),
        Ballot(SeatId("x"), 3, A, shown=(A, A)),
        Ballot(SeatId("x"), 3, C, shown=(A, B)),
        Ballot(SeatId("x"), 3, A, shown=(A, B), marks=(MARKS,)),
        Ballot(SeatId("x"), 3, A, shown=(A, B), marks=(MARKS, replace(MARKS, fit=101))),
        Ballot(SeatId("x"), 3, A, shown=(A, B), marks=(MARKS, replace(MARKS, task=-1))),
    ],
)
def test_ballots_that_make_no_sense(ballot: Ballot) -> None:
    assert not ballot.sensible
