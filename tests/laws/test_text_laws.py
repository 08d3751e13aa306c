"""Positions, edits and merges: what holds for every text."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from massgen_ls.adapters.git.linediff import differ, refiner
from massgen_ls.core.diff import Hunk, edits_between, line_hunks, refine, whole_edits
from massgen_ls.core.merge import rebase
from massgen_ls.core.text import (
    Edit,
    Encoding,
    LineIndex,
    Lines,
    Position,
    Range,
    apply_change,
    apply_edits,
    edits_to_ranges,
    split_lines,
)

# Few pieces, so that lines repeat, and everything that breaks a naive line model.
pieces = st.sampled_from(
    [
        "a",
        "b",
        " ",
        "\n",
        "\r\n",
        "\r",
        "\x0c",
        "\u2028",
        "e\u0301",
        "😀",
        "👩\u200d🚀",
        "\0",
        "\ud83d",
    ]
)
texts = st.lists(pieces, max_size=40).map("".join)
lines = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "d\n", "\n", "}\n"]), max_size=14)
documents = st.tuples(lines, st.sampled_from(["", "", "end"])).map(
    lambda parts: "".join(parts[0]) + parts[1]
)
encodings = st.sampled_from(list(Encoding))


def units(text: str, encoding: Encoding) -> int:
    """The slow and obvious count."""
    match encoding:
        case Encoding.UTF32:
            return len(text)
        case Encoding.UTF16:
            return sum(2 if ord(c) > 0xFFFF else 1 for c in text)
        case Encoding.UTF8:
            return sum(len(c.encode("utf-8", "surrogatepass")) for c in text)


@given(texts)
def test_lines_are_those_of_the_protocol(text: str) -> None:
    found = split_lines(text)
    assert "".join(found) == text
    assert found == re.findall(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+", text)


@given(texts, encodings)
def test_a_position_leads_back_to_its_offset(text: str, encoding: Encoding) -> None:
    index = LineIndex(text)
    for offset in range(len(text) + 1):
        if text[offset - 1 : offset + 1] == "\r\n" and offset > 0:
            continue  # no position is between the two
        position = index.position_at(offset, encoding)
        assert index.offset_at(position, encoding) == offset
        assert LineIndex(text).offset_at(position, encoding) == offset, "also without an index"
        assert position.line == len(re.findall(r"\r\n|\n|\r", text[:offset]))
        line = re.split(r"\r\n|\n|\r", text[:offset])[-1]
        assert position.character == units(line, encoding)


@given(texts, st.integers(0, 50), st.integers(0, 50), encodings)
def test_any_position_is_clamped_to_the_start_of_a_character(
    text: str, line: int, character: int, encoding: Encoding
) -> None:
    offset = LineIndex(text).offset_at(Position(line, character), encoding)
    starts = [0, *(m.end() for m in re.finditer(r"\r\n|\n|\r", text))]
    if line >= len(starts):
        assert offset == len(text)
        return
    row = re.split(r"\r\n|\n|\r", text)[line]
    fits = [n for n in range(len(row) + 1) if units(row[:n], encoding) <= character]
    assert offset == starts[line] + fits[-1]


@given(texts, texts)
def test_edits_turn_the_old_text_into_the_new_one(old: str, new: str) -> None:
    edits = edits_between(old, new, differ, refiner)
    assert apply_edits(old, edits) == new
    assert (edits == ()) == (old == new)


@given(texts, texts)
def test_no_edit_begins_or_ends_inside_a_line_end_or_a_character(old: str, new: str) -> None:
    for edit in edits_between(old, new, differ, refiner):
        for at in (edit.start, edit.end):
            assert old[max(at - 1, 0) : at + 1] != "\r\n" or at == 0
            assert old[at : at + 1] != "\u0301" or at == 0
        assert not (edit.new.endswith("\r") and old[edit.end : edit.end + 1] == "\n")
        assert not (edit.new.startswith("\n") and old[edit.start - 1 : edit.start] == "\r")


@given(documents, documents, encodings)
def test_an_editor_that_performs_the_ranges_backwards_gets_the_new_text(
    old: str, new: str, encoding: Encoding
) -> None:
    edits = edits_between(old, new, differ, refiner)
    text = old
    for where, put in reversed(edits_to_ranges(old, edits, encoding)):
        text = apply_change(text, where, put, encoding)
    assert text == new


@given(st.text(alphabet="ab\n", min_size=1, max_size=60), st.data())
def test_a_one_character_change_is_a_one_character_edit(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text) - 1))
    if text[at] == "\n":
        return
    changed = text[:at] + "Z" + text[at + 1 :]
    assert edits_between(text, changed, differ, refiner) == (Edit(at, at + 1, "Z"),)


def by_equality(old: list[str], new: list[str], hunks: list[Hunk]) -> None:
    at = 0, 0
    for hunk in hunks:
        assert old[at[0] : hunk.old_start] == new[at[1] : hunk.new_start]
        assert at == (0, 0) or hunk.old_start > at[0]
        at = hunk.old_end, hunk.new_end
    assert old[at[0] :] == new[at[1] :]


@given(texts, texts)
def test_what_is_outside_the_hunks_is_equal(old: str, new: str) -> None:
    before, after = split_lines(old), split_lines(new)
    by_equality(before, after, list(differ(before, after)))
    by_equality(before, after, list(line_hunks(before, after, differ)))


@given(texts | documents, st.data())
def test_lines_that_are_not_cut_are_the_same_lines(text: str, data: st.DataObject) -> None:
    cut, lines = split_lines(text), Lines(text)
    assert len(lines) == len(cut)
    starts = [len("".join(cut[:number])) for number in range(len(cut) + 1)]
    some = sorted(data.draw(st.lists(st.integers(0, len(cut)), max_size=12)))
    assert lines.starts(some) == [starts[number] for number in some]
    assert list(lines) == cut


@given(documents | texts, documents | texts)
@settings(max_examples=300)
def test_hunks_of_texts_are_those_of_their_lines(old: str, new: str) -> None:
    before, after = Lines(old), Lines(new)
    hunks = line_hunks(before, after, differ)
    assert hunks == line_hunks(split_lines(old), split_lines(new), differ)
    assert apply_edits(old, whole_edits(before, after, hunks)) == new


# ── merging ─────────────────────────────────────────────────────────────────────────────────────


@given(documents | texts, documents | texts)
def test_who_changes_nothing_decides_nothing(base: str, other: str) -> None:
    theirs = rebase(base, base, other, differ)
    assert not theirs.conflicts
    assert apply_edits(base, theirs.edits) == other
    ours = rebase(base, other, base, differ)
    assert ours.edits == ()
    assert ours.conflicts == ()


@given(documents | texts, documents | texts)
def test_the_same_change_twice_is_one_change(base: str, both: str) -> None:
    merge = rebase(base, both, both, differ)
    assert merge.edits == ()
    assert merge.conflicts == ()


@given(documents, documents, documents)
@settings(max_examples=300)
def test_a_merge_never_touches_what_only_the_user_changed(
    base: str, live: str, candidate: str
) -> None:
    merge = rebase(base, live, candidate, differ)
    base_lines, live_lines = split_lines(base), split_lines(live)
    ours = line_hunks(base_lines, live_lines, differ)
    starts = [0]
    for line in live_lines:
        starts.append(starts[-1] + len(line))
    for edit in merge.edits:
        first, last = starts.index(edit.start), starts.index(edit.end)
        for hunk in ours:
            assert last < hunk.new_start or first > hunk.new_end


@given(documents, documents, documents)
@settings(max_examples=300)
def test_every_change_of_the_candidate_is_an_edit_a_conflict_or_there_already(
    base: str, live: str, candidate: str
) -> None:
    merge = rebase(base, live, candidate, differ)
    if not merge.edits and not merge.conflicts and candidate != base:
        theirs = line_hunks(split_lines(base), split_lines(candidate), differ)
        assert all("".join(split_lines(candidate)[h.new_start : h.new_end]) in live for h in theirs)
    for clash in merge.conflicts:
        assert clash.live_text != clash.candidate_text
        assert "".join(split_lines(live)[slice(*clash.live)]) == clash.live_text
        assert "".join(split_lines(candidate)[slice(*clash.candidate)]) == clash.candidate_text
        assert "".join(split_lines(base)[slice(*clash.base)]) == clash.base_text


@given(documents, documents, documents)
@settings(max_examples=300)
def test_who_is_called_the_user_does_not_matter(base: str, one: str, other: str) -> None:
    forth, back = rebase(base, one, other, differ), rebase(base, other, one, differ)
    assert bool(forth.conflicts) == bool(back.conflicts)
    if not forth.conflicts:
        assert apply_edits(one, forth.edits) == apply_edits(other, back.edits)


@given(documents, documents, st.data())
def test_chosen_hunks_land_and_the_others_do_not(
    base: str, candidate: str, data: st.DataObject
) -> None:
    before, after = split_lines(base), split_lines(candidate)
    hunks = line_hunks(before, after, differ)
    chosen = data.draw(st.sets(st.integers(0, max(len(hunks) - 1, 0))))
    wanted: list[str] = []
    at = 0
    for number, hunk in enumerate(hunks):
        wanted += before[at : hunk.old_start]
        kept = after[hunk.new_start : hunk.new_end]
        wanted += kept if number in chosen else before[hunk.old_start : hunk.old_end]
        at = hunk.old_end
    wanted += before[at:]
    merge = rebase(base, base, candidate, differ, chosen)
    assert apply_edits(base, merge.edits) == "".join(wanted)


@given(documents, documents, documents)
def test_refined_edits_do_the_same_as_whole_lines(base: str, live: str, candidate: str) -> None:
    merge = rebase(base, live, candidate, differ)
    assert apply_edits(live, refine(live, merge.edits, refiner)) == apply_edits(live, merge.edits)


@given(texts, st.integers(0, 9), st.integers(0, 9), texts, encodings)
def test_a_change_event_is_what_the_slow_way_gives(
    text: str, line: int, character: int, new: str, encoding: Encoding
) -> None:
    where = Range(Position(line, character), Position(line + 1, 0))
    index = LineIndex(text)
    start, end = (index.offset_at(p, encoding) for p in (where.start, where.end))
    assert apply_change(text, where, new, encoding) == text[:start] + new + text[end:]
