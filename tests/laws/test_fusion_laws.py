"""The laws of fusion: only what is shared, in any order, and never half of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.adapters.git.linediff import differ
from massgen_ls.core.candidate import Cluster, CrossScore, Evidence, Scorecard, Size
from massgen_ls.core.fusion import composed, shared_hunks
from massgen_ls.core.task import CandidateId
from massgen_ls.core.voting import decide

BASE = "".join(f"line {n}\n" for n in range(12))
edits = st.dictionaries(st.integers(0, 11), st.sampled_from(["", "x\n", "y\n", "x \n"]), max_size=5)


def version(changes: dict[int, str]) -> str:
    return "".join(changes.get(n, line) for n, line in enumerate(BASE.splitlines(keepends=True)))


versions = st.lists(edits.map(version), min_size=2, max_size=4)


@given(versions, st.data())
def test_only_what_two_have_and_the_order_does_not_matter(
    texts: list[str], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(texts))
    assert composed(BASE, texts, differ) == composed(BASE, shuffled, differ)
    for hunk in shared_hunks(BASE, texts, differ):
        having = [t for t in texts if hunk in shared_hunks(BASE, [t, t], differ) or hunk.new]
        assert len(having) > 1
    made = composed(BASE, texts, differ)
    if made is not None:
        ours = {(h.start, h.end) for h in shared_hunks(BASE, [made, made], differ)}
        assert len(ours) <= len(shared_hunks(BASE, texts, differ))
        lines = set(made.splitlines(keepends=True)) - set(BASE.splitlines(keepends=True))
        for line in lines:
            assert sum(line.rstrip() in t.replace(" \n", "\n").split("\n") for t in texts) > 1


@given(edits.map(version))
def test_what_all_have_is_all_of_it_and_what_one_has_nothing(text: str) -> None:
    assert composed(BASE, [text, text], differ) == text
    assert composed(BASE, [text, BASE], differ) == BASE


def test_two_shared_hunks_that_touch_make_nothing() -> None:
    one = version({3: "a\n", 4: "b\n"})
    other = version({4: "c\n", 5: "d\n"})
    assert composed(BASE, [one, one, other, other], differ) is None


def card(name: str, mends: int, *, fused: bool = False, shared: int = 0) -> Scorecard:
    evidence = Evidence("k", "passed", (), tuple(f"f{n}" for n in range(mends)), ())
    cluster = Cluster(name, (CandidateId(f"{name}.1"),))
    size = Size(False, 1, 1) if fused else Size(False, 9, 9)
    return Scorecard(cluster, (evidence,), size, CrossScore(shared), fused)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=4), st.integers(0, 2))
def test_what_is_fused_wins_by_evidence_alone(mends: list[int], fused: int) -> None:
    cards = [*(card(f"s{n}", m) for n, m in enumerate(mends)), card("fused", fused, fused=True)]
    verdict = decide(cards)
    assert (verdict.winner == "fused.1") == (fused > max(mends))
    if fused <= max(mends):
        assert verdict.winner == decide(cards[:-1]).winner
