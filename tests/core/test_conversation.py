"""A transcript keeps to its bound whatever an agent says, in order, results with their calls."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.core.changes import RelPath
from massgen_ls.core.conversation import Called, Part, Recorder, Spoken, Transcript, shorten

PART = 20 * 1024
"""Characters that one part may have at most, with the words about what is missing in it."""


def size(parts: tuple[Part, ...]) -> int:
    """Every character that will be stored."""
    return sum(
        len(p.text) + len(p.by)
        if isinstance(p, Spoken)
        else len(p.tool) + len(p.target) + len(p.detail) + len(p.result) + len(p.call)
        for p in parts
    )


lengths = st.sampled_from([0, 1, 30, 500, 5_000, 20_000])
texts = st.builds(lambda n: "x" * n, lengths)
calls = st.sampled_from(["", "c1", "c2", "c3"])
steps = st.one_of(
    st.builds(Spoken, texts, st.sampled_from(["agent", "user"]), st.booleans()),
    st.builds(lambda tool, a, b, c: Called(tool, a, b, call=c), texts, texts, texts, calls),
    st.tuples(calls, texts, st.booleans()),
)


@given(st.lists(steps, max_size=60), st.sampled_from([0, 100, 4_000, 60_000, 256 * 1024]))
def test_the_whole_keeps_to_its_bound(given_steps: list[object], most: int) -> None:
    recorder, added = Recorder(most), 0
    for step in given_steps:
        if isinstance(step, tuple):
            call, result, ok = step
            recorder.returned(call, result, ok=ok)
        else:
            recorder.add(step)  # type: ignore[arg-type]
            added += 1
        told = recorder.transcript("a", "t")
        assert size(told.parts) <= most + PART
        assert len(told.parts) + told.omitted == added


def test_many_calls_whose_results_come_late_keep_to_the_bound() -> None:
    recorder = Recorder()
    for i in range(5_000):
        recorder.add(Called("read", call=str(i)))
    for i in range(5_000):
        recorder.returned(str(i), "r" * 10_000, ok=True)
    told = recorder.transcript("a", "t")
    assert size(told.parts) <= 256 * 1024 + PART
    assert len(told.parts) + told.omitted == 5_000
    numbers = [int(p.call) for p in told.parts if isinstance(p, Called)]
    assert numbers == sorted(numbers)
    assert (numbers[0], numbers[-1]) == (0, 4_999), "the first and the last ones stay"


@given(st.lists(st.integers(1, 3_000), max_size=80))
def test_order_is_kept_and_only_the_middle_is_left_out(spoken: list[int]) -> None:
    recorder = Recorder(10_000)
    said = [Spoken(f"{i}:".ljust(n, ".")) for i, n in enumerate(spoken)]
    for part in said:
        recorder.add(part)
    told = recorder.transcript("a", "t")
    head = next(
        (i for i, (a, b) in enumerate(zip(told.parts, said, strict=False)) if a != b),
        len(told.parts),
    )
    tail = len(told.parts) - head
    assert list(told.parts) == [*said[:head], *said[len(said) - tail :]]
    if not told.omitted:
        assert list(told.parts) == said


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=3), st.text(max_size=20)), unique_by=lambda c: c[0]
    ),
    st.randoms(),
)
def test_results_go_to_their_calls_in_whatever_order(
    made: list[tuple[str, str]], random: object
) -> None:
    recorder = Recorder()
    for call, _ in made:
        recorder.add(Called("run", call=call))
    shuffled = list(made)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for call, result in shuffled:
        recorder.returned(call, result, ok=True)
    assert list(recorder.transcript("a", "t").parts) == [
        Called("run", result=result, ok=True, call=call) for call, result in made
    ]


def test_a_result_completes_the_latest_open_call_of_its_name_once() -> None:
    recorder = Recorder()
    recorder.add(Called("run", "first", call="c"))
    recorder.returned("c", "1", ok=False)
    recorder.add(Called("run", "second", call="c"))
    recorder.returned("c", "2", ok=True)
    recorder.returned("c", "of no open call", ok=True)
    recorder.returned("never called", "?", ok=True)
    assert recorder.transcript("a", "t").parts == (
        Called("run", "first", result="1", ok=False, call="c"),
        Called("run", "second", result="2", ok=True, call="c"),
    )


def test_names_that_an_agent_makes_up_are_bounded_and_still_pair() -> None:
    recorder = Recorder()
    call = "c" * 1_000_000
    recorder.add(Called("t" * 1_000_000, call=call))
    recorder.returned(call, "done", ok=True)
    (part,) = recorder.transcript("a", "t").parts
    assert isinstance(part, Called)
    assert (part.result, part.ok) == ("done", True)
    assert len(part.tool) + len(part.call) < 2_000


def test_a_long_text_keeps_both_ends_and_says_once_what_is_missing() -> None:
    recorder = Recorder()
    recorder.add(Called("edit", "f", "<" + "d" * 100_000 + ">", call="c"))
    before = recorder.transcript("a", "t").parts[0]
    recorder.returned("c", "ok", ok=True)
    (part,) = recorder.transcript("a", "t").parts
    assert isinstance(before, Called)
    assert part == replace(before, result="ok", ok=True), "what was shortened stays as it is"
    assert (part.detail[0], part.detail[-1]) == ("<", ">")
    assert part.detail.count("characters") == 1
    assert f"[… {100_002 - 8 * 1024} characters …]" in part.detail


def test_what_else_is_known_goes_with_it() -> None:
    recorder = Recorder()
    recorder.add(Spoken("hi"))
    told = recorder.transcript("a", "t", files=[RelPath("f")], summary="s" * 50_000, session="x")
    assert told == Transcript(
        "a", "t", (Spoken("hi"),), (RelPath("f"),), shorten("s" * 50_000, 8 * 1024), 0, "x"
    )


@pytest.mark.parametrize(
    ("text", "most", "short"),
    [
        ("abcd", 4, "abcd"),
        ("abcdef", 4, "ab\n[… 2 characters …]\nef"),
        ("abcdef", 5, "ab\n[… 2 characters …]\nef"),
        ("abcdef", 1, "\n[… 6 characters …]\n"),
        ("abcdef", 0, "\n[… 6 characters …]\n"),
        ("", 0, ""),
    ],
)
def test_shortening(text: str, most: int, short: str) -> None:
    assert shorten(text, most) == short
