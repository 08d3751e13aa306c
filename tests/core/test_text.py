"""Positions and edits at their edges, in tables."""

from __future__ import annotations

import re

import pytest

from massgen_ls.core.text import (
    Edit,
    Encoding,
    LineIndex,
    Lines,
    Position,
    Range,
    apply_change,
    apply_edits,
)

UTF8, UTF16, UTF32 = Encoding.UTF8, Encoding.UTF16, Encoding.UTF32


@pytest.mark.parametrize(
    ("text", "line", "character", "encoding", "offset"),
    [
        ("ab\ncd", -1, 1, UTF16, 0),
        ("ab\ncd", 1, -1, UTF16, 3),
        ("ab\ncd", 0, 9, UTF16, 2),
        ("ab\ncd", 9, 0, UTF16, 5),
        ("ab\r\ncd", 0, 9, UTF16, 2),
        ("ab\rcd", 1, 1, UTF16, 4),
        ("ab\r\n", 9, 9, UTF16, 4),
        # Inside a character: its start. Past the line: its end.
        ("é!", 0, 1, UTF8, 0),
        ("é!", 0, 2, UTF8, 1),
        ("é!", 0, 9, UTF8, 2),
        ("😀!", 0, 3, UTF8, 0),
        ("😀!", 0, 1, UTF16, 0),
        ("😀!", 0, 2, UTF16, 1),
        ("😀!", 0, 9, UTF16, 2),
        ("😀!", 0, 1, UTF32, 1),
        # Lone surrogates are characters, also two that would make one together.
        ("\ud83d\ude00!", 0, 1, UTF16, 1),
        ("\ud83d\ude00!", 0, 2, UTF8, 0),
        ("\ud83d\ude00!", 0, 9, UTF8, 3),
    ],
)
def test_where_a_position_points(
    text: str, line: int, character: int, encoding: Encoding, offset: int
) -> None:
    position = Position(line, character)
    assert LineIndex(text).offset_at(position, encoding) == offset
    counted = LineIndex(text)
    assert counted.starts[0] == 0
    assert counted.offset_at(position, encoding) == offset, "also with an index"


@pytest.mark.parametrize(
    ("text", "offset", "position"),
    [
        ("a\r\nb", 1, Position(0, 1)),
        ("a\r\nb", 2, Position(0, 1)),  # between the two: no editor can say it
        ("a\r\nb", 3, Position(1, 0)),
        ("a\rb", 2, Position(1, 0)),
        ("a\n", 2, Position(1, 0)),
        ("a\n", 99, Position(1, 0)),
        ("a\n", -1, Position(0, 0)),
        ("", 0, Position(0, 0)),
    ],
)
def test_where_an_offset_is(text: str, offset: int, position: Position) -> None:
    assert LineIndex(text).position_at(offset, UTF16) == position


def test_a_line_of_a_long_text_is_found_without_counting_all() -> None:
    lengths = [(7 * n * n) % 61 for n in range(2_000)]
    text = "".join("x" * length + "\n" for length in lengths) + "end"
    start = 0
    for line, length in enumerate([*lengths, 3]):
        if line % 37 == 0 or line >= 1_999:
            # A new index each time: the first look-up does without one.
            assert LineIndex(text).offset_at(Position(line, 0), UTF16) == start
            assert LineIndex(text).offset_at(Position(line, 999), UTF16) == start + length
        start += length + 1
    assert LineIndex(text).offset_at(Position(2_001, 0), UTF16) == len(text)


@pytest.mark.parametrize(
    "edits",
    [
        [Edit(2, 1, "")],
        [Edit(-1, 0, "")],
        [Edit(0, 9, "")],
        [Edit(0, 2, "x"), Edit(1, 3, "y")],
        [Edit(2, 3, "x"), Edit(0, 1, "y")],
    ],
)
def test_edits_that_make_no_sense_are_refused(edits: list[Edit]) -> None:
    with pytest.raises(ValueError, match="overlaps, is unsorted or out of range"):
        apply_edits("four", edits)


def test_edits_that_touch_are_performed_in_turn() -> None:
    assert apply_edits("four", [Edit(0, 1, "x"), Edit(1, 1, "y"), Edit(1, 4, "z")]) == "xyz"


@pytest.mark.parametrize(
    ("where", "result"),
    [
        (None, "new"),
        (Range(Position(0, 1), Position(1, 1)), "anew\n"),
        (Range(Position(1, 0), Position(0, 1)), "a\nnewb\n"),  # ends before it starts
        (Range(Position(7, 0), Position(9, 0)), "a\nb\nnew"),
    ],
)
def test_a_change_event(where: Range | None, result: str) -> None:
    assert apply_change("a\nb\n", where, "new", UTF16) == result


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_of_a_long_text_start_where_they_do_in_any_order(end: str) -> None:
    text = "".join(f"{'x' * (n % 90)}{n}{end}" for n in range(3_000)) + "the last"
    every = [0, *(m.end() for m in re.finditer("\n", text)), len(text)]
    lines = Lines(text)
    for wanted in ([2_900], [2_950, 2_960], [7, 3_001], [3_000], list(range(0, 3_001, 10))):
        assert lines.starts(wanted) == [every[line] for line in wanted]
