"""Ways through the core that the laws take by luck only, each taken once on purpose."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import pytest

from massgen_ls.core.ballots import Bounds, bounds
from massgen_ls.core.basetests import BaseTest, base_check, outdated, said, to_run
from massgen_ls.core.candidate import CheckResult
from massgen_ls.core.changes import ChangeSet, FileChange, rel_path
from massgen_ls.core.consensus import electorate
from massgen_ls.core.crosstests import CrossRow, scores
from massgen_ls.core.diff import Hunk, line_hunks, refine
from massgen_ls.core.events import BaseTested, CheckFinished, CrossTested
from massgen_ls.core.evidence import parts_above
from massgen_ls.core.explain import explanation
from massgen_ls.core.normal import LARGEST, form
from massgen_ls.core.powers import findings
from massgen_ls.core.run_state import EMPTY, RunState, evolve, fold
from massgen_ls.core.scoring import scorecards, to_fuse
from massgen_ls.core.task import CandidateId, CheckSpec, Json, SeatId, Task, Voting
from massgen_ls.core.text import Edit, Lines, split_lines
from massgen_ls.core.trust import SETTINGS, Approval, Claim, decide
from massgen_ls.core.votes import choice
from massgen_ls.core.voting import outdating
from tests.core.test_polls import TEAM, THREE, agent, made
from tests.laws.histories import BASE, candidate

K0 = (CheckSpec("k0", ("pytest",)),)


def test_before_a_run_has_begun_nothing_is_wanted_of_anybody() -> None:
    assert electorate(EMPTY) == ()
    assert to_fuse(EMPTY) == ()
    assert base_check(EMPTY, "t1") is None


def test_a_judge_without_a_seat_votes_too() -> None:
    state = made(THREE, Voting(judges=(agent("x"), *TEAM[:1])))
    assert electorate(state) == ("x", "a")


def test_without_judges_no_support_can_move() -> None:
    groups = [[CandidateId("a.1")], [CandidateId("b.1")]]
    assert (
        bounds("evidence-only", groups, (), [("a.1", "b.1")])
        == (Bounds(Fraction(0), Fraction(0)),) * 2
    )


def test_what_was_made_of_contenders_has_no_say_in_what_their_tests_are_worth() -> None:
    rows = [
        CrossRow("t1", "one", frozenset({"t1", "t2", "both"})),
        CrossRow("t3", "two", frozenset({"t3"})),
    ]
    told = scores(rows, ("t1", "t2", "t3"), ("both",))
    assert [(told[t].shared, told[t].alone, told[t].passed) for t in ("both", "t1", "t3")] == [
        (2, 0, 1),
        (2, 0, 1),
        (0, 1, 1),
    ]


def whole(old: Sequence[str], new: Sequence[str]) -> list[Hunk]:
    """A differ that sees no line twice: all of it is another text."""
    return [Hunk(0, len(old), 0, len(new))]


@pytest.mark.parametrize("plain", [False, True])
def test_a_hunk_that_would_go_on_into_what_was_not_shown_is_looked_at_again(plain: bool) -> None:
    same = [f"{n}\n" for n in range(100)]
    old, new = "".join([*same, "x\n", *same]), "".join([*same, "y\n", *same])
    texts = (Lines(old), Lines(new)) if plain else (split_lines(old), split_lines(new))
    (hunk,) = line_hunks(*texts, whole)
    assert (hunk.old_end, hunk.new_end) == (201, 201)
    assert 0 < hunk.old_start < 100


def test_the_parts_above_a_name_that_begins_with_a_joint() -> None:
    assert list(parts_above("/a/b")) == ["/a"]


def test_an_edit_that_does_nothing_is_none() -> None:
    assert refine("abc", [Edit(1, 1, "")], lambda *_: []) == ()


def test_a_very_large_file_is_its_bytes() -> None:
    text = b"x = 1\n" * (LARGEST // 6 + 1)
    assert form("a.py", text) != form("a.py", text.replace(b" ", b"  "))
    assert form("a.py", text[:600]) == form("a.py", text[:600].replace(b" ", b"  "))


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        assert form("a.py", b"x = 1\n") == form("a.py", b"x  =  1\n")
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_an_agent_among_what_is_none_is_compared_with_nobody() -> None:
    mine = {"id": "a", "permissions": {"mode": "allow"}}
    told = findings({"agents": ["x", mine]}, {"agents": ["x"]})
    assert [f.where for f in told] == [("agents", 1, "permissions", "mode")]
    assert findings({"agents": ["x", mine]}, {"agents": ["x", mine]}) == ()
    assert findings({"agents": [mine]}, {"agents": [5, {**mine, "id": "b"}, mine]}) == ()


def test_the_users_settings_for_an_agent_are_named_by_themselves() -> None:
    wanted = Claim("/r", ".", (), (), {SETTINGS: "2"})
    for files, words in (({}, "are new"), ({SETTINGS: "1"}, "have changed")):
        told = decide(wanted, {".": Approval("user", files)}, None)
        assert told.changed == (f"{SETTINGS} {words}",)


# ── votes in consensus ──────────────────────────────────────────────────────────────────────────

OTHERS, OWN = {CandidateId("b.1"): "teal"}, {CandidateId("a.1"): "plum"}


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ("teal", "the answer is no object"),
        ({"vote": "teal"}, "the answer must not have 'vote'"),
        ({"decision": "both"}, "`decision` must be `vote` or `improve`"),
        ({"decision": "vote", "candidate": "red"}, "`candidate` must be one of teal, plum"),
        ({"decision": "vote", "candidate": "plum"}, "nobody votes for their own; name one of teal"),
        ({"decision": "vote", "candidate": "teal", "reason": " "}, "`reason` is missing"),
    ],
)
def test_an_answer_that_cannot_be_used_says_why(given: Json, wrong: str) -> None:
    assert choice(given, OTHERS, OWN, may_improve=True) == (None, wrong)


def test_an_improvement_that_was_not_offered() -> None:
    given: Json = {"decision": "improve", "candidate": "plum", "reason": "teal is close"}
    assert "no further improvement" in choice(given, OTHERS, OWN, may_improve=False)[1]
    found, wrong = choice(given, OTHERS, OWN, may_improve=True)
    assert (found and found.reason, wrong) == ("b.1 is close", "")


# ── states ──────────────────────────────────────────────────────────────────────────────────────


def checked(
    state: RunState, *trees: str, failing: tuple[str, ...] = (), passed: tuple[str, ...] = ()
) -> RunState:
    """After checks, of which those on the base fail like this, and all others pass."""
    base = CheckResult("k0", BASE, "failed" if failing else "passed", failing, passed=passed)
    mine = [CheckResult("k0", tree, "passed", passed=(*failing, *passed)) for tree in trees]
    return fold([CheckFinished(each, repeat) for repeat in (0, 1) for each in (base, *mine)], state)


def test_the_base_s_own_tests_of_a_candidate_that_changes_them_in_words() -> None:
    state = made({"a": "t1"}, Voting(), TEAM[:1], checks=K0)
    mine = candidate("a", "t1", rewrites=True)
    state = checked(replace(state, candidates=(mine,)), "t1", passed=("m::known",))
    assert to_run(state, "t1") == BaseTest("t1")
    assert said(state, "t1") == ""
    kept = CheckResult("k0", "t1", "passed", passed=("m::known",))
    assert said(evolve(state, BaseTested("t1", kept)), "t1") == "passes"
    lost = CheckResult("k0", "t1", "failed", ("m::known",), passed=())
    for repeat in (0, 1):
        state = evolve(state, BaseTested("t1", lost, repeat))
    assert evolve(state, BaseTested("t1", lost, 1)) is state, "the same fact twice is one"
    assert outdated(state, "t1") == ("m::known",)
    assert said(state, "t1") == "fails 1"
    assert [outdating(card) for card in scorecards(state)] == [
        "fails 1 of the tests that it changes, as they were"
    ]


def test_a_suite_that_names_no_tests_is_outdated_as_a_whole() -> None:
    state = made({"a": "t1"}, Voting(), TEAM[:1], checks=K0)
    state = replace(state, candidates=(candidate("a", "t1", rewrites=True),))
    nameless = [CheckResult("k0", tree, "passed") for tree in (BASE, "t1")]
    lost = CheckResult("k0", "t1", "failed")
    seen = [CheckFinished(each, repeat) for repeat in (0, 1) for each in nameless]
    state = fold([*seen, *(BaseTested("t1", lost, repeat) for repeat in (0, 1))], state)
    assert said(state, "t1") == "fails"
    assert [outdating(card) for card in scorecards(state)] == [
        "fails the tests that it changes, as they were"
    ]


def test_deleting_a_failing_test_mends_nothing() -> None:
    state = made({"a": "t1"}, Voting(), TEAM[:1], checks=K0)
    gone = FileChange("delete", rel_path("tests/test_m.py"), old_type="file", removed=1)
    mine = replace(candidate("a", "t1"), changes=ChangeSet.of([gone]))
    failing = ("tests/test_m.py::test_it", "other::stays")
    state = checked(replace(state, candidates=(mine,)), "t1", failing=failing)
    (card,) = scorecards(state)
    (evidence,) = card.evidence
    assert evidence.fixed == ("other::stays",)
    assert evidence.note == "k0: 1 failure only went away with a deleted file"


def test_a_seat_that_is_called_like_what_is_fused_keeps_its_name() -> None:
    state = made(THREE, Voting(), (agent("fused"), *TEAM[1:]))
    assert state.spec is not None
    rules = replace(state.spec.rules, fusion=True)
    assert to_fuse(replace(state, spec=replace(state.spec, task=Task("t"), rules=rules))) == ()


def test_a_tie_that_own_tests_break() -> None:
    state = made({"a": "t1", "b": "t2"}, Voting(), TEAM[:2], checks=K0)
    mine = tuple(candidate(s, t, tests=True) for s, t in (("a", "t1"), ("b", "t2")))
    state = checked(replace(state, candidates=mine), "t1", "t2", passed=("test_f::it",))
    passes = {("t1", "t1"), ("t2", "t2"), ("t2", "t1")}
    for author in ("t1", "t2"):
        for onto in (BASE, "t1", "t2"):
            ok = (author, onto) in passes
            found = CheckResult(
                "k0", onto, "passed" if ok else "failed", () if ok else ("test_f::it",),
                passed=("test_f::it",) if ok else (),
            )  # fmt: skip
            for repeat in (0, 1):
                state = evolve(state, CrossTested(author, onto, found, repeat))
    assert explanation(state).steps[-1] == "tie broken by its own tests, which only it passes"
    assert SeatId("a") == explanation(state).rows[0].candidate.removesuffix(".1")
