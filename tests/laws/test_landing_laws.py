"""Landing in part: what holds for every base, candidate and text of the user's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st

from massgen_ls.adapters.git.linediff import differ, refiner
from massgen_ls.core.changes import ChangeSet, FileChange, RelPath
from massgen_ls.core.diff import Hunk, line_hunks
from massgen_ls.core.landing import Contents, plan_landing
from massgen_ls.core.merge import rebase
from massgen_ls.core.plan import EditPlan, EditText, LiveFile
from massgen_ls.core.selection import Selection
from massgen_ls.core.task import CandidateId
from massgen_ls.core.text import Edit, apply_edits, split_lines

F = RelPath("f")
lines = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\n", "\n", "}\n"]), max_size=14)
documents = st.tuples(lines, st.sampled_from(["", "", "end"])).map(
    lambda parts: "".join(parts[0]) + parts[1]
)


def plan(base: str, live: str, candidate: str, selection: Selection) -> EditPlan:
    change = FileChange("modify", F, None, old_type="file", new_type="file")
    now = LiveFile(F, live.encode(), live)
    contents = Contents({F: base.encode()}, {F: candidate.encode()}, {F: now})
    return plan_landing(
        CandidateId("one.1"), "", ChangeSet.of([change]), contents, differ, refiner, selection
    )


def result(found: EditPlan, live: str) -> str:
    for operation in found.operations:
        assert isinstance(operation, EditText)
        assert operation.before == live
        live = apply_edits(live, operation.edits)
    return live


def edits(base: Sequence[str], new: Sequence[str], hunks: Iterable[Hunk]) -> list[Edit]:
    at = list(accumulate(map(len, base), initial=0))
    return [
        Edit(at[h.old_start], at[h.old_end], "".join(new[h.new_start : h.new_end])) for h in hunks
    ]


@given(documents, documents, documents)
@settings(max_examples=500)
def test_what_is_not_reported_is_merged_exactly_and_nothing_else_is(
    base: str, live: str, candidate: str
) -> None:
    found = plan(base, live, candidate, Selection(partial=True))
    reported = {number for conflict in found.conflicts for number in conflict.hunks}
    fitting = {*rebase(base, live, candidate, differ).fitting}
    before, mine, theirs = split_lines(base), split_lines(live), split_lines(candidate)
    hunks = line_hunks(before, theirs, differ)
    ours = edits(before, mine, line_hunks(before, mine, differ))
    landing = edits(before, theirs, [h for n, h in enumerate(hunks) if n in fitting])
    # Nothing of the two meets, so both can be applied to the base as they are.
    assert result(found, live) == apply_edits(base, sorted([*ours, *landing]))
    assert not reported & fitting
    for number in {*range(len(hunks))} - reported - fitting:
        there = hunks[number]  # neither: then the user has it already
        assert "".join(theirs[there.new_start : there.new_end]) in live


@given(documents, documents, documents)
@settings(max_examples=500)
def test_the_lines_of_a_conflict_stay_as_the_user_has_them(
    base: str, live: str, candidate: str
) -> None:
    merge = rebase(base, live, candidate, differ)
    at = list(accumulate(map(len, split_lines(live)), initial=0))
    for clash in merge.conflicts:
        assert clash.hunks
        assert not {*clash.hunks} & {*merge.fitting}
        start, end = at[clash.live[0]], at[clash.live[1]]
        assert live[start:end] == clash.live_text
        assert all(edit.end < start or end < edit.start for edit in merge.edits)
    if merge.conflicts:
        partial = result(plan(base, live, candidate, Selection(partial=True)), live)
        for clash in merge.conflicts:
            start = at[clash.live[0]]
            moved = sum(len(e.new) - (e.end - e.start) for e in merge.edits if e.end < start)
            there = partial[start + moved : start + moved + len(clash.live_text)]
            assert there == clash.live_text


@given(documents, documents, documents)
@settings(max_examples=500)
def test_choosing_what_waits_lands_what_landing_in_part_would(
    base: str, live: str, candidate: str
) -> None:
    whole = plan(base, live, candidate, Selection())
    partial = plan(base, live, candidate, Selection(partial=True))
    if not whole.conflicts:
        assert partial == whole
        return
    assert whole.operations == (), "without the user's word nothing of the file is written"
    assert partial.conflicts == whole.conflicts
    waiting = frozenset(number for held in whole.held for number in held.hunks)
    chosen = plan(base, live, candidate, Selection(hunks={F: waiting}))
    assert chosen.conflicts == ()
    assert chosen.operations == partial.operations
    assert bool(waiting) == bool(partial.operations)


@given(documents, documents, documents, st.data())
def test_every_chosen_hunk_lands_or_is_reported(
    base: str, live: str, candidate: str, data: st.DataObject
) -> None:
    count = len(line_hunks(split_lines(base), split_lines(candidate), differ))
    chosen = data.draw(st.sets(st.integers(0, count - 1)) if count else st.just(set[int]()))
    found = plan(base, live, candidate, Selection(hunks={F: frozenset(chosen)}))
    merge = rebase(base, live, candidate, differ, chosen)
    reported = {number for conflict in found.conflicts for number in conflict.hunks}
    assert reported <= chosen
    assert {*merge.fitting} <= chosen - reported
    assert found.held == ()
