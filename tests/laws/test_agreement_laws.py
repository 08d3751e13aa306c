"""Laws of agreement: tests make no second choice, and the order makes no difference."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.core.agreement import Told, joined
from massgen_ls.core.candidate import Cluster, Evidence, Scorecard, Size
from massgen_ls.core.changes import ChangeSet, FileChange, rel_path
from massgen_ls.core.normal import Normaliser
from massgen_ls.core.task import CandidateId
from massgen_ls.core.voting import decide

TEXTS = {
    "old": b"x = 1\n",
    "laid": b"x  =  1\n",
    "two": b"x = 2\n",
    "three": b"x = 3  # three\n",
    "tre": b"x = 3\n",
}


def change(path: str, oid: str | None) -> FileChange:
    kind = "delete" if oid is None else "modify"
    new = None if oid is None else "file"
    return FileChange(kind, rel_path(path), None, "old", oid, "file", new, 1, 1)


oids = st.sampled_from(["laid", "two", "three", "tre", None])
change_sets = st.dictionaries(
    st.sampled_from(["m.py", "n.py", "test_m.py", "tests/test_n.py"]), oids, min_size=1
).map(lambda files: ChangeSet.of(change(path, oid) for path, oid in files.items()))


def digests(changes: ChangeSet) -> tuple[str, str]:
    normaliser = Normaliser()
    for path, oid in normaliser.missing(changes):
        normaliser.add(path, oid, TEXTS[oid])
    return normaliser.digest(changes), normaliser.code(changes)


@given(st.lists(change_sets, min_size=2, max_size=6))
def test_choices_by_code_are_coarser_than_choices_by_all(sets: list[ChangeSet]) -> None:
    for one, two in combinations(map(digests, sets), 2):
        if one[0] == two[0]:
            assert one[1] == two[1]


@given(change_sets, st.dictionaries(st.just("tests/test_new.py"), oids, min_size=1))
def test_tests_change_nothing_about_the_code(changes: ChangeSet, tests: dict[str, str]) -> None:
    more = ChangeSet.of([*changes.files, *(change(p, oid) for p, oid in tests.items())])
    code = ChangeSet(tuple(f for f in changes.files if "test" not in f.path))
    if any(f.new_oid != "laid" for f in code.files):
        assert digests(more)[1] == digests(changes)[1] == digests(code)[0]


def test_a_change_of_nothing_but_tests_is_about_just_these() -> None:
    one, two = (ChangeSet.of([change("test_m.py", oid)]) for oid in ("two", "three"))
    assert digests(one)[1] != digests(two)[1]
    assert digests(one)[0] == digests(one)[1]


def test_code_that_becomes_a_test_is_code() -> None:
    moved = FileChange(
        "rename", rel_path("test_m.py"), rel_path("m.py"), "two", "two", "file", "file", 0, 0
    )
    other = change("n.py", "two")
    assert digests(ChangeSet.of([other, moved]))[1] != digests(ChangeSet.of([other]))[1]


@st.composite
def contests(draw: st.DrawFn) -> tuple[tuple[Scorecard, ...], dict[str, Told]]:
    cards: list[Scorecard] = []
    told: dict[str, Told] = {}
    for n in range(draw(st.integers(1, 6))):
        bad = draw(st.sampled_from([False, False, True]))
        evidence = Evidence("k", "failed" if bad else "passed", ("b",) if bad else (), (), ())
        names = tuple(CandidateId(f"s{n}x{m}.1") for m in range(draw(st.integers(1, 2))))
        size = Size(draw(st.booleans()), draw(st.integers(1, 2)), draw(st.integers(2, 3)))
        cards.append(Scorecard(Cluster(f"t{n}", names), (evidence,), size))
        telling = draw(st.integers(0, 2))
        told[f"t{n}"] = Told(draw(st.sampled_from("abc")), telling, telling > 0)
    return tuple(cards), told


def groups(cards: tuple[Scorecard, ...]) -> set[frozenset[str]]:
    return {frozenset(card.cluster.members) for card in cards}


@given(contests(), st.data())
def test_the_order_makes_no_other_choices(
    contest: tuple[tuple[Scorecard, ...], dict[str, Told]], data: st.DataObject
) -> None:
    cards, told = contest
    other = tuple(data.draw(st.permutations(cards)))
    assert groups(joined(cards, told)) == groups(joined(other, told))
    assert sum(len(g) for g in groups(joined(cards, told))) == sum(len(g) for g in groups(cards))


@given(contests())
def test_the_best_tested_one_that_passes_stands_for_all(
    contest: tuple[tuple[Scorecard, ...], dict[str, Told]],
) -> None:
    cards, told = contest
    of = {member: card for card in cards for member in card.cluster.members}
    for card in joined(cards, told):
        trees = {of[member].cluster.tree for member in card.cluster.members}
        assert len({told[tree].essence for tree in trees}) == 1
        assert len(trees) == 1 or all(of[m].clears for m in card.cluster.members)
        assert told[card.cluster.tree].telling == max(told[tree].telling for tree in trees)


@given(contests())
def test_taking_a_failing_one_away_changes_no_winner(
    contest: tuple[tuple[Scorecard, ...], dict[str, Told]],
) -> None:
    cards, told = contest
    left = tuple(card for card in cards if card.clears)
    if left:
        assert decide(joined(left, told)).winner == decide(joined(cards, told)).winner


@given(contests(), st.integers(1, 9))
def test_agreement_comes_after_the_tests_of_the_base(
    contest: tuple[tuple[Scorecard, ...], dict[str, Told]], copies: int
) -> None:
    cards, told = contest
    good = [card for card in joined(cards, told) if card.clears]
    if len(good) < 2:
        return
    names = tuple(CandidateId(f"copy{n}.1") for n in range(copies))
    loser = replace(
        good[0],
        outdates=("test_m::test_a",),
        cluster=replace(good[0].cluster, members=(*good[0].cluster.members, *names)),
    )
    assert decide([loser, *good[1:]]).winner not in loser.cluster.members
