"""Edits no larger than they have to be, and never through the middle of a character."""

from __future__ import annotations

import pytest

from massgen_ls.adapters.git.linediff import differ, refiner
from massgen_ls.core.diff import REFINED_CHARACTERS, edits_between, refine
from massgen_ls.core.text import Edit, apply_edits
from massgen_ls.core.unified import unified


@pytest.mark.parametrize(
    ("old", "edits", "settled"),
    [
        # A gap that belongs to the character before it leaves nothing between the two edits.
        ("a\u0301b", [Edit(0, 1, "x"), Edit(2, 3, "y")], (Edit(0, 3, "x\u0301y"),)),
        ("a\r\nb", [Edit(0, 2, "x"), Edit(3, 4, "y")], (Edit(0, 4, "x\ny"),)),
        ("\r\nb", [Edit(0, 1, "x\r"), Edit(2, 3, "y")], (Edit(0, 0, "x"), Edit(2, 3, "y"))),
        ("a\u200db", [Edit(0, 1, "x"), Edit(2, 3, "y")], (Edit(0, 3, "x\u200dy"),)),
        ("a-\u0301b", [Edit(0, 1, "x"), Edit(3, 4, "y")], (Edit(0, 1, "x"), Edit(3, 4, "y"))),
        ("ab", [Edit(0, 1, "x"), Edit(1, 2, "y")], (Edit(0, 2, "xy"),)),
        ("e\u0301", [Edit(0, 1, "a")], (Edit(0, 2, "a\u0301"),)),
        ("cafe", [Edit(4, 4, "\u0301")], (Edit(3, 4, "e\u0301"),)),
        ("\ra", [Edit(1, 2, "\n")], (Edit(0, 2, "\r\n"),)),
    ],
)
def test_edits_that_have_to_be_one_become_one(
    old: str, edits: list[Edit], settled: tuple[Edit, ...]
) -> None:
    assert refine(old, edits, refiner) == settled
    assert apply_edits(old, settled) == apply_edits(old, edits)


def test_a_long_block_is_edited_in_the_lines_that_changed_alone() -> None:
    lines = [f"line {n} of a block that is long\n" for n in range(100)]
    changed = [*lines]
    changed[3], changed[97] = "line 3 of a block that is LONG\n", "\n"
    old, new = "".join(lines), "".join(changed)
    assert len(old) > REFINED_CHARACTERS
    at, last = sum(map(len, lines[:3])), sum(map(len, lines[:97]))
    assert refine(old, [Edit(0, len(old), new)], refiner) == (
        Edit(at + 26, at + 30, "LONG"),
        Edit(last, last + len(lines[97]) - 1, ""),
    )


@pytest.mark.parametrize(("count", "more"), [(1_000, "one\n"), (20_000, "")])
def test_a_block_too_long_to_be_looked_into_is_only_trimmed(count: int, more: str) -> None:
    # Other line counts, or so much text that nobody would read it word by word.
    body = "".join(f"{n}\n" for n in range(count))
    old, new = f"same{body}same", f"same{more}{body.replace('1', 'i')}same"
    (edit,) = refine(old, [Edit(0, len(old), new)], refiner)
    assert apply_edits(old, [edit]) == new
    assert old[: edit.start].startswith("same")
    assert old[edit.end :].endswith("same")
    assert edit.start > 0
    assert edit.end < len(old)


def test_a_rewritten_file_costs_no_thousands_of_edits_and_is_right() -> None:
    old = "".join(f"value {n} is {n * 7}\n\n" for n in range(3_000))
    new = "".join(f"VALUE {n} is {n * 7}.\n\n" for n in range(3_000))
    edits = edits_between(old, new, differ, refiner)
    assert apply_edits(old, edits) == new
    assert len(edits) <= 3_000 + 128, "past the first 128 lines one edit a line"


def test_equal_texts_have_neither_edits_nor_a_diff() -> None:
    assert edits_between("a\n", "a\n", differ, refiner) == ()
    assert unified("f", "a\n", "a\n", differ) == ""


def test_hunks_that_are_near_are_shown_together_and_far_ones_apart() -> None:
    old = "".join(f"{n}\n" for n in range(20))
    near = old.replace("3\n", "x\n", 1).replace("8\n", "y\n", 1)
    assert unified("f", old, near, differ).count("@@ -") == 1
    assert unified("f", old, near, differ, context=1).count("@@ -") == 2


def test_a_diff_for_people_shows_old_line_ends_as_lines() -> None:
    assert unified("f", "a\rb\rc", "a\rX\rc", differ) == (
        "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n a\r\n-b\r\n+X\r\n c\n\\ No newline at end of file\n"
    )
