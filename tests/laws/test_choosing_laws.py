"""Laws of choosing: copies, failures and seats have no say that they should not have."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.core.candidate import Cluster, CrossScore, Evidence, Scorecard, Size
from massgen_ls.core.crosstests import CrossRow, scores
from massgen_ls.core.task import CandidateId
from massgen_ls.core.voting import decide


def card(number: int, mends: int, breaks: bool, size: int, agree: int) -> Scorecard:
    evidence = Evidence(
        "k",
        "failed" if breaks else "passed",
        ("broken",) if breaks else (),
        tuple(f"f{n}" for n in range(mends)),
        (),
    )
    members = tuple(CandidateId(f"s{number}x{n}.1") for n in range(agree))
    return Scorecard(Cluster(f"t{number}", members), (evidence,), Size(not size, size, size))


@st.composite
def contests(draw: st.DrawFn) -> tuple[Scorecard, ...]:
    """Cards of a few choices, with the tests that they bring tried on each other."""
    count = draw(st.integers(1, 5))
    cards = [
        card(
            n,
            draw(st.integers(0, 1)),
            draw(st.sampled_from([False, False, True])),
            draw(st.integers(1, 3)),
            draw(st.integers(1, 3)),
        )
        for n in range(count)
    ]
    return crossed(tuple(cards), draw(rows_of(tuple(c.cluster.tree for c in cards if c.clears))))


def rows_of(trees: tuple[str, ...]) -> st.SearchStrategy[list[CrossRow]]:
    if len(trees) < 2:
        return st.just([])
    row = st.builds(
        lambda author, others, n: CrossRow(author, f"{author}-{n}", others | {author}),
        st.sampled_from(trees),
        st.frozensets(st.sampled_from(trees)),
        st.integers(0, 3),
    )
    return st.lists(row, max_size=6)


def crossed(cards: tuple[Scorecard, ...], rows: list[CrossRow]) -> tuple[Scorecard, ...]:
    found = scores(rows, [c.cluster.tree for c in cards if c.clears])
    return tuple(replace(c, cross=found.get(c.cluster.tree, c.cross)) for c in cards)


def winner(cards: tuple[Scorecard, ...]) -> str | None:
    chosen = decide(cards).winner
    return next((c.cluster.tree for c in cards if chosen in c.cluster.members), None)


def proven(found: Scorecard) -> tuple[int, int]:
    return found.fixed, found.cross.shared


@given(contests(), st.data())
def test_copies_of_a_loser_never_beat_a_better_tested_one(
    cards: tuple[Scorecard, ...], data: st.DataObject
) -> None:
    best = winner(cards)
    won = next((c for c in cards if c.cluster.tree == best), None)
    worse = [c for c in cards if won and c.clears and proven(c) < proven(won)]
    if not worse or won is None:
        return
    loser = data.draw(st.sampled_from(worse))
    copies = tuple(CandidateId(f"copy{n}.1") for n in range(9))
    cluster = replace(loser.cluster, members=(*loser.cluster.members, *copies))
    again = tuple(replace(c, cluster=cluster) if c is loser else c for c in cards)
    assert winner(again) == best


@given(contests(), st.data())
def test_taking_a_failing_candidate_away_changes_no_winner(
    cards: tuple[Scorecard, ...], data: st.DataObject
) -> None:
    failing = [c for c in cards if not c.clears]
    if not failing or len(cards) == 1:
        return
    gone = data.draw(st.sampled_from(failing))
    assert winner(tuple(c for c in cards if c is not gone)) == winner(cards)


@given(contests(), st.data())
def test_seats_decide_only_among_those_equal_in_everything(
    cards: tuple[Scorecard, ...], data: st.DataObject
) -> None:
    def merit(c: Scorecard) -> tuple[object, ...]:
        return (*proven(c), len(c.cluster.members), c.cross.alone, c.size)

    first, second = winner(cards), winner(tuple(data.draw(st.permutations(cards))))
    by_tree = {c.cluster.tree: c for c in cards}
    assert (first is None) == (second is None)
    if first is not None and second is not None:
        assert merit(by_tree[first]) == merit(by_tree[second])


@given(rows_of(("t1", "t2", "t3")), st.integers(1, 9))
def test_tests_that_say_the_same_count_once(rows: list[CrossRow], times: int) -> None:
    trees = ("t1", "t2", "t3")
    more = [replace(row, test=f"{row.test}-{n}") for row in rows for n in range(times)]
    for tree in trees:
        once, often = scores(rows, trees)[tree], scores(more, trees)[tree]
        assert (once.shared, once.alone) == (often.shared, often.alone)


@given(rows_of(("t1", "t2", "t3")))
def test_passing_more_never_counts_less(rows: list[CrossRow]) -> None:
    trees = ("t1", "t2", "t3")
    found = scores(rows, trees)
    for one in trees:
        for two in trees:
            if all(one in row.passed or two not in row.passed for row in rows):
                assert found[one].shared >= found[two].shared
                assert found[one].alone >= found[two].alone


def test_what_all_pass_says_nothing_and_what_one_passes_little() -> None:
    rows = [CrossRow("a", "t", frozenset("abc")), CrossRow("a", "u", frozenset("a"))]
    assert scores(rows, "abc") == {
        "a": CrossScore(0, 1, 2, 2),
        "b": CrossScore(0, 0, 1, 2),
        "c": CrossScore(0, 0, 1, 2),
    }
    rows = [CrossRow("a", "t", frozenset("ab"))]
    assert scores(rows, "abcd")["b"] == CrossScore(4, 0, 1, 1)
