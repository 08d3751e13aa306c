"""Edits for an editor whose buffer is a list of lines end in exactly the lines that were wanted."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from massgen_ls.core.text import Edit, Encoding, apply_edits, edits_to_ranges
from massgen_ls.lsp.files.lastline import before_last_end
from massgen_ls.testing.line_list import edited_lines, range_json
from massgen_ls.testing.profiles import Object

LINES = st.text(alphabet="ab€😀\n", max_size=12)


@st.composite
def texts_and_edits(draw: st.DrawFn) -> tuple[str, tuple[Edit, ...]]:
    text = draw(LINES) + "\n" * draw(st.booleans())
    edits: list[Edit] = []
    at = 0
    while at <= len(text) and draw(st.booleans()):
        start = draw(st.integers(at, len(text)))
        end = draw(st.integers(start, len(text)))
        edits.append(Edit(start, end, draw(LINES)))
        at = end
    return text, tuple(edits)


def as_sent(text: str, edits: tuple[Edit, ...]) -> list[Object]:
    ranges = edits_to_ranges(text, edits, Encoding.UTF16)
    return [{"range": range_json(where), "newText": new} for where, new in ranges]


def lines_of(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n")


@given(texts_and_edits())
@example(("a\nb\n", (Edit(4, 4, "c\n"),)))
@example(("a\nb\n", (Edit(4, 4, "c"),)))
@example(("a\nb\n", (Edit(2, 4, ""),)))
@example(("a\nb\n", (Edit(0, 4, ""),)))
@example(("a\nb", (Edit(3, 3, "\nc\n"),)))
@example(("a\nb\n", (Edit(2, 4, "B\n"), Edit(4, 4, "c\n"))))
@example(("", (Edit(0, 0, "\n\n"),)))
@example(("\n", (Edit(0, 0, "a\nb\n"),)))
def test_the_buffer_has_the_lines_of_the_result(case: tuple[str, tuple[Edit, ...]]) -> None:
    text, edits = case
    worded = before_last_end(text, edits)
    shown = edited_lines(text, as_sent(text, worded), Encoding.UTF16)
    # Where there is no last line end to show, none of those that are shown is it.
    buffer = lines_of(shown) if text.endswith("\n") else shown.split("\n")
    assert buffer == lines_of(apply_edits(text, edits))
    assert shown == apply_edits(text, worded), "and what is expected of the mirror is what comes"


@given(texts_and_edits())
def test_line_ends_stay_those_of_the_text(case: tuple[str, tuple[Edit, ...]]) -> None:
    text, edits = case

    def crlf(part: str) -> str:
        return part.replace("\n", "\r\n")

    def moved(offset: int) -> int:
        return offset + text.count("\n", 0, offset)

    if "\n" not in text:
        return
    wide = tuple(Edit(moved(e.start), moved(e.end), crlf(e.new)) for e in edits)
    after = apply_edits(crlf(text), before_last_end(crlf(text), wide))
    assert after == crlf(apply_edits(text, before_last_end(text, edits)))
