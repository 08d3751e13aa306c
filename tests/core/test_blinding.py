"""Nobody is recognised, nobody speaks out of turn, and an answer is what it has to be."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgen_ls.core import blinding
from massgen_ls.core.ballots import CRITERIA, Ballot, Marks
from massgen_ls.core.blinding import Blind
from massgen_ls.core.task import CandidateId, Json, SeatId

A, B = CandidateId("a.1"), CandidateId("b.1")
NAMES = {A: "KX41", B: "QZ77"}
MAKERS = ["claude", "Claude Code", "gemini-cli", "GPT-5.2", "gpt-4o", "OpenAI Codex", "Sonnet"]


def marks(**other: Json) -> dict[str, Json]:
    return {**dict.fromkeys(CRITERIA, 50), **other}


def answer(**other: Json) -> dict[str, Json]:
    given: dict[str, Json] = {
        "reason": "KX41 is right, QZ77 is not.",
        "marks": {"KX41": marks(task=90), "QZ77": marks()},
        "better": "KX41",
    }
    return {**given, **other}


def test_an_answer_becomes_a_ballot_with_real_names() -> None:
    found, wrong = blinding.ballot(answer(), SeatId("c"), 3, NAMES)
    assert wrong == ""
    assert found == Ballot(
        SeatId("c"),
        3,
        A,
        "a.1 is right, b.1 is not.",
        (A, B),
        (Marks(90, 50, 50, 50, 50), Marks(50, 50, 50, 50, 50)),
    )
    assert found.sensible


def test_neither_is_an_answer() -> None:
    found, _ = blinding.ballot(answer(better="neither"), SeatId("c"), 3, NAMES)
    assert found is not None
    assert found.choice is None


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("KX41", "the answer is no object"),
        (None, "the answer is no object"),
        (answer(better="a.1"), "`better` must be one of KX41, QZ77, neither"),
        (answer(better=["KX41"]), "`better` must be one of"),
        (answer(reason="  "), "`reason` is missing"),
        (answer(reason=7), "`reason` is missing"),
        (answer(marks={"KX41": marks()}), "`marks` must be about KX41 and QZ77"),
        (answer(marks={"KX41": marks(), "QZ77": marks(), "C": marks()}), "and nothing else"),
        (answer(marks={"KX41": marks(task=101), "QZ77": marks()}), "`marks.KX41` needs"),
        (answer(marks={"KX41": marks(), "QZ77": marks(fit=-1)}), "`marks.QZ77` needs"),
        (answer(marks={"KX41": marks(), "QZ77": marks(fit=True)}), "`marks.QZ77` needs"),
        (answer(marks={"KX41": marks(), "QZ77": marks(fit="9")}), "`marks.QZ77` needs"),
        (answer(marks={"KX41": marks(), "QZ77": marks(fit=9.5)}), "`marks.QZ77` needs"),
        (answer(marks={"KX41": marks(), "QZ77": marks(fit=float("inf"))}), "`marks.QZ77` needs"),
        (answer(marks={"KX41": marks(), "QZ77": {}}), "`marks.QZ77` needs"),
        (answer(winner="KX41"), "the answer must not have 'winner'"),
    ],
)
def test_what_is_no_answer(given: Json, problem: str) -> None:
    found, wrong = blinding.ballot(given, SeatId("c"), 3, NAMES)
    assert found is None
    assert problem in wrong


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["reason", "marks", "better", "KX41", "QZ77", *CRITERIA]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(json_values)
@settings(deadline=None, max_examples=80)
def test_no_answer_of_any_kind_raises(given_answer: Json) -> None:
    found, wrong = blinding.ballot(given_answer, SeatId("c"), 3, NAMES)
    assert (found is None) == bool(wrong)


def test_names_are_new_for_each_question_and_never_the_same_for_two() -> None:
    salts = [str(n) for n in range(300)]
    all_names = [blinding.aliases((A, B), salt) for salt in salts]
    assert all(len(set(names.values())) == 2 for names in all_names)
    assert len({names[A] for names in all_names}) > 100
    assert all(re.fullmatch("[A-Z]{2}[0-9]{2}", n) for names in all_names for n in names.values())


# ── nobody is recognised ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("maker", MAKERS)
def test_a_model_s_name_is_taken_out_of_prose_and_new_lines(maker: str) -> None:
    blind = Blind.of([], ["fix the bug"])
    said = blind.text(f"I am {maker} and fixed it.\nGenerated with {maker}\nIt works.")
    assert maker.lower() not in said.lower()
    assert said.startswith("I am [agent]")
    assert said.endswith("and fixed it.\nIt works.")
    patch = f"@@ -1 +1,2 @@\n old\n+# written by {maker}\n+x = 1  # {maker}\n"
    shown = blind.diff(patch)
    assert maker.lower() not in shown.lower()
    assert shown.count("\n") == patch.count("\n"), "line numbers stay right"


@pytest.mark.parametrize(
    "line",
    [
        "Co-Authored-By: Somebody <x@example.com>",
        "co-authored-by: A <a@b>",
        "\U0001f916 Generated with [Claude Code](https://claude.com/claude-code)",
        "See https://claude.ai/code/session_1",
        "mail noreply@anthropic.com",
    ],
)
def test_signatures_go(line: str) -> None:
    blind = Blind.of([], [])
    assert blind.text(f"Done.\n{line}") == "Done."
    assert blind.diff(f"+{line}") == "+[a line that names its author]"


def test_agents_of_the_run_go_with_their_candidates() -> None:
    blind = Blind.of(["a", "fixer", "fixer2"], [])
    assert blind.text("fixer2 beats fixer; see a.1 and fixer.2, says agent a") == (
        "[agent] beats [agent]; see [agent] and [agent], says [agent]"
    )
    assert blind.text("a fixer-upper in a house") == "a fixer-upper in a house"


def test_what_the_project_is_about_stays() -> None:
    patch = " import claude\n-old = claude.ask()\n+new = claude.ask(model='gpt-4')\n+tests = 1"
    blind = Blind.of(["tests", "beta"], ["use Gemini here", blinding.of_base(patch), "in tests"])
    assert blind.diff(patch) == (
        " import claude\n-old = claude.ask()\n+new = claude.ask(model='[agent]')\n+tests = 1"
    )
    assert blind.text("Gemini, claude and beta") == "Gemini, claude and [agent]"


def test_paths_tell_nothing_either() -> None:
    patch = "diff --git a/notes_codex.md b/notes_codex.md\nnew file mode 100644\n+++ b/gemini/x.py"
    assert Blind.of([], []).diff(patch) == (
        "diff --git a/notes_[agent].md b/notes_[agent].md\nnew file mode 100644\n+++ b/[agent]/x.py"
    )


# ── nobody speaks out of turn ───────────────────────────────────────────────────────────────────


def test_hidden_characters_are_shown_and_lone_surrogates_can_be_sent() -> None:
    shown = blinding.clean("a\u202eb\u200bc\rd\x1b[2Je\udcff\r\nf\tg")
    assert shown == "a\\u202eb\\u200bc\\u000dd\\u001b[2Je\\udcff\nf\tg"
    shown.encode("utf-8")


@given(st.lists(st.text(alphabet="0123456789abcdef=", max_size=60), max_size=4), st.text())
@settings(deadline=None, max_examples=80)
def test_no_text_holds_its_own_fence(contents: list[str], salt: str) -> None:
    mark = blinding.fence(salt, contents)
    assert not any(mark in content for content in contents)
    # Whoever writes the mark down, having somehow learnt it, gets another one.
    assert blinding.fence(salt, [*contents, mark]) != mark
