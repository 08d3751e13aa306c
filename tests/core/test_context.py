"""What one agent did, as text for another: bounded, the newest whole, thoughts left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.core.changes import RelPath
from massgen_ls.core.context import CONTEXT, shared
from massgen_ls.core.conversation import Called, Part, Spoken, Transcript

THOUGHT = "a secret thought"

words = st.text(st.sampled_from("ab \n\t\u2028ü\udcff"), max_size=40)
texts = st.builds(lambda w, n: w * n, words, st.sampled_from([1, 1, 50, 2_000]))
parts = st.one_of(
    st.builds(Spoken, texts, st.sampled_from(["agent", "user"])),
    st.just(Spoken(THOUGHT, thinking=True)),
    st.builds(
        Called, words, texts, texts, texts, st.sampled_from([None, True, False]), st.just("c")
    ),
)
transcripts = st.builds(
    Transcript,
    st.sampled_from(["a", "agent.with-a_name"]),
    st.just("t"),
    st.lists(parts, max_size=12).map(tuple),
    st.lists(texts.map(RelPath), max_size=50).map(tuple),
    texts,
    st.integers(0, 9),
)


@given(st.lists(transcripts, max_size=6), st.sampled_from([0, 400, 3_000, CONTEXT]))
def test_it_is_about_as_long_as_it_may_be_and_never_tells_thoughts(
    told: list[Transcript], most: int
) -> None:
    text = shared(told, most)
    assert len(text) <= max(most, 400) + 200
    assert THOUGHT not in text


@given(st.integers(1, 400))
def test_very_many_agents_keep_to_the_bound_too(count: int) -> None:
    told = [
        Transcript(f"a{i}", "t", (Spoken("x" * 3_000),), summary="y" * 900) for i in range(count)
    ]
    text = shared(told)
    assert len(text) <= CONTEXT + 200
    assert f"### What a{count - 1} did" in text, "the latest are told"


@given(st.lists(st.integers(1, 3_000), min_size=1, max_size=60), st.integers(1_000, CONTEXT))
def test_the_newest_steps_stay_in_order(lengths: list[int], most: int) -> None:
    said = tuple(Spoken(f"<{i}>".ljust(n, ".")) for i, n in enumerate(lengths))
    text = shared([Transcript("a", "t", said)], most)
    there = [i for i in range(len(said)) if f"<{i}>" in text]
    assert there == list(range(len(said) - len(there), len(said)))
    assert there
    left_out = len(said) - len(there)
    assert (f"({left_out} earlier step" in text) == bool(left_out)


@pytest.mark.parametrize(
    "nothing",
    [
        [],
        [Transcript("a", "t")],
        [Transcript("a", "t", (Spoken("hm", thinking=True),))],
        [Transcript("a", "t", (Spoken(" \n"),), summary=" ")],
    ],
)
def test_nothing_to_tell_is_no_text(nothing: list[Transcript]) -> None:
    assert shared(nothing) == ""


def test_the_full_text_of_a_short_story() -> None:
    steps: tuple[Part, ...] = (
        Spoken("Fix the bug.\nQuickly.", by="user"),
        Spoken("I look first.", thinking=True),
        Called("read", "a.py", result="x = 1\n", ok=True),
        Called("edit", "a.py", "x = 2", ok=True),
        Called("run", "pytest -q", result="1 failed\nx", ok=False),
        Spoken("Done."),
    )
    one = Transcript("ada", "claude_code", steps, (RelPath("a.py"),), "Set x.\n", 2)
    two = Transcript("bob", "codex", (), (), "Gave up.")
    assert (
        shared([one, Transcript("eve", "x"), two])
        == """\
### What ada did
In its own words: Set x.
It changed: a.py
Its steps:
(2 earlier steps left out)
- it was told: Fix the bug.
Quickly.
- read a.py
  result:
    x = 1
- edit a.py
  with:
    x = 2
- run pytest -q (failed)
  result:
    1 failed
    x
- it said: Done.

### What bob did
In its own words: Gave up."""
    )


def test_earlier_steps_shrink_to_a_line_before_they_go() -> None:
    old = Called("run", "make", result="o" * 1_000, ok=True)
    new = Spoken("n" * 900)
    text = shared([Transcript("a", "t", (old, new))], 1_500)
    assert "- run make\n- it said: nnn" in text
    assert "n" * 900 in text
