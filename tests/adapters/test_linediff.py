"""The real differ and refiner, and merges held against git's own."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from massgen_ls.adapters.git.linediff import differ, refiner
from massgen_ls.core.diff import Hunk, edits_between, line_hunks
from massgen_ls.core.merge import rebase
from massgen_ls.core.text import Edit, Lines, apply_edits, split_lines
from massgen_ls.core.unified import unified


@pytest.mark.parametrize(
    ("old", "new", "hunks"),
    [
        ("", "", []),
        ("", "a\n", [Hunk(0, 0, 0, 1)]),
        ("a\n", "", [Hunk(0, 1, 0, 0)]),
        ("a", "a\n", [Hunk(0, 1, 0, 1)]),
        ("a\nb\n", "a\nx\nb\n", [Hunk(1, 1, 1, 2)]),
        ("a\nb\nc\n", "b\nc\nd\n", [Hunk(0, 1, 0, 0), Hunk(3, 3, 2, 3)]),
        ("a\r\nb\n", "a\nb\n", [Hunk(0, 1, 0, 1)]),
        ("a\rb\rc", "a\rX\rc", [Hunk(1, 2, 1, 2)]),  # git would see one line here
        ("\0\nb\n", "\0\nc\n", [Hunk(1, 2, 1, 2)]),  # and a binary file here
        ("a\x0cb\n", "a\x0cc\n", [Hunk(0, 1, 0, 1)]),
        ("\ud800\nb\n", "\udfff\nb\n", [Hunk(0, 1, 0, 1)]),
        ("a\u2028b\n", "a\u2028c\n", [Hunk(0, 1, 0, 1)]),
    ],
)
def test_hunks_of_any_lines(old: str, new: str, hunks: list[Hunk]) -> None:
    assert list(differ(split_lines(old), split_lines(new))) == hunks


def test_a_change_too_large_to_review_is_one_hunk() -> None:
    old = [f"{n}\n" for n in range(250_000)]
    assert list(differ(old, old[::-1])) == [Hunk(0, 250_000, 0, 250_000)]
    assert list(differ(old, list(old))) == []


@pytest.mark.parametrize(
    ("old", "new", "edits"),
    [
        ("x = foo(1)\n", "x = bar(1)\n", [Edit(4, 7, "bar")]),
        ("foo_bar", "foo_baz", [Edit(6, 7, "z")]),
        ("return a\n", "return a + b\n", [Edit(8, 8, " + b")]),
        ("a+b", "x+y", [Edit(0, 3, "x+y")]),  # one equal character between is no rest for the eye
        ("a = 1\nb = 2\n", "a = 3\nb = 4\n", [Edit(4, 5, "3"), Edit(10, 11, "4")]),
        ("one\ntwo\n", "ONE\nTWO\n", [Edit(0, 3, "ONE"), Edit(4, 7, "TWO")]),
        ("same", "same", []),
        ("", "new", [Edit(0, 0, "new")]),
    ],
)
def test_edits_end_where_words_end(old: str, new: str, edits: list[Edit]) -> None:
    assert list(refiner(old, new)) == edits


@pytest.mark.parametrize(
    ("old", "new", "edits"),
    [
        ("a\r\nb\r\n", "a\nb\r\n", (Edit(1, 3, "\n"),)),
        ("a\nb\n", "a\r\nb\n", (Edit(1, 2, "\r\n"),)),
        ("a\r\nb", "a\r\nb\r\n", (Edit(4, 4, "\r\n"),)),
        ("a\n", "a", (Edit(1, 2, ""),)),
        ("cafe\n", "cafe\u0301\n", (Edit(3, 4, "e\u0301"),)),
        ("e\u0301\n", "a\u0301\n", (Edit(0, 2, "a\u0301"),)),
        ("é😀\n", "é😁\n", (Edit(1, 2, "😁"),)),
    ],
)
def test_line_ends_and_characters_stay_whole(old: str, new: str, edits: tuple[Edit, ...]) -> None:
    assert edits_between(old, new, differ, refiner) == edits


def test_a_longer_block_that_is_indented_is_edited_line_by_line() -> None:
    old = "".join(f"value_{n} = compute(value_{n}, {n * 1000})\n" for n in range(80))
    new = "".join(f"    {line}" for line in split_lines(old))
    edits = edits_between(old, new, differ, refiner)
    assert [edit.new for edit in edits] == ["    "] * 80


def test_a_diff_for_people_is_what_git_shows(tmp_path: Path) -> None:
    old = "".join(f"line {n}\n" for n in range(40)) + "no end"
    new = (
        old.replace("line 3\n", "line three\n").replace("line 30\n", "").replace("no end", "end\n")
    )
    (tmp_path / "old").write_text(old)
    (tmp_path / "new").write_text(new)
    shown = git(["diff", "--no-index", "--no-color", "old", "new"], tmp_path).stdout.decode()
    body = shown[shown.index("@@") :]
    plain = "\n".join("@@".join(line.split("@@")[:2]) + "@@" if line[:2] == "@@" else line
                      for line in body.split("\n"))  # fmt: skip
    assert unified("f", old, new, differ) == "--- a/f\n+++ b/f\n" + plain


def test_equal_texts_have_no_diff() -> None:
    assert unified("f", "a\n", "a\n", differ) == ""


# ── against git merge-file ──────────────────────────────────────────────────────────────────────


def git(argv: Sequence[str], folder: Path) -> subprocess.CompletedProcess[bytes]:
    env = {
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
    }
    return subprocess.run(["git", *argv], cwd=folder, env=env, capture_output=True, check=False)


def mutated(rng: random.Random, lines: list[str], fresh: Callable[[], str]) -> list[str]:
    out = list(lines)
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, len(out))
        new = [fresh() for _ in range(rng.randint(1, 3))]
        match rng.choice(["insert", "delete", "replace"]):
            case "insert":
                out[at:at] = new
            case "delete":
                del out[at : at + rng.randint(1, 3)]
            case _:
                out[at : at + rng.randint(1, 3)] = new
    if out and rng.random() < 0.2:
        out[-1] = out[-1].rstrip("\n") or "last"
    return out


def merged_by_git(base: str, live: str, candidate: str, folder: Path) -> str | None:
    for name, text in (("base", base), ("live", live), ("candidate", candidate)):
        (folder / name).write_bytes(text.encode())
    result = git(["merge-file", "-p", "live", "base", "candidate"], folder)
    assert 0 <= result.returncode < 128, result.stderr
    return None if result.returncode else result.stdout.decode()


def merged_alike(base: str, live: str, candidate: str, folder: Path, seed: int) -> bool:
    """Holds both verdicts side by side; whether there is no conflict."""
    wanted = merged_by_git(base, live, candidate, folder)
    merge = rebase(base, live, candidate, differ)
    assert (wanted is None) == bool(merge.conflicts), f"seed {seed}"
    assert wanted is None or apply_edits(live, merge.edits) == wanted, f"seed {seed}"
    return wanted is not None


@pytest.mark.parametrize("block", range(4))
def test_merges_are_those_of_git(block: int, tmp_path: Path) -> None:
    clean = 0
    for seed in range(block * 100, block * 100 + 100):
        rng = random.Random(seed)

        # New lines come from few, so that both sides often make the same change.
        def fresh(rng: random.Random = rng) -> str:
            return f"new {rng.randint(0, 5)}\n"

        lines = [f"line {n}\n" for n in range(rng.randint(0, 30))]
        both = mutated(rng, lines, fresh), mutated(rng, lines, fresh)
        clean += merged_alike("".join(lines), *map("".join, both), tmp_path, seed)
    assert 10 < clean < 90, "both verdicts have to be seen"


@pytest.mark.parametrize("block", range(4))
def test_merges_are_those_of_git_where_lines_repeat(block: int, tmp_path: Path) -> None:
    few = ["a\n", "b\n", "}\n", "\n"]
    clean = 0
    for seed in range(block * 200, block * 200 + 200):
        rng = random.Random(seed)

        def fresh(rng: random.Random = rng) -> str:
            return rng.choice(few)

        # Sometimes between long equal ends, of which the differ is shown little.
        ends = [f"line {n}\n" if n % 3 else rng.choice(few) for n in range(rng.choice((0, 40)))]
        lines = [rng.choice(few) for _ in range(rng.randint(5, 25))]
        texts = (lines, mutated(rng, lines, fresh), mutated(rng, lines, fresh))
        base, live, candidate = ("".join([*ends, *text, *ends]) for text in texts)
        clean += merged_alike(base, live, candidate, tmp_path, seed)
    assert 20 < clean < 180, "both verdicts have to be seen"


@pytest.mark.parametrize("few", [["a\n"], ["a\n", "b\n"], ["\n", "}\n", "x\n"]])
def test_what_the_differ_is_not_shown_changes_nothing(few: list[str]) -> None:
    for seed in range(300):
        rng = random.Random(seed)

        def fresh(rng: random.Random = rng) -> str:
            return rng.choice(few)

        old = [rng.choice(few) for _ in range(rng.randint(1, 150))]
        new = mutated(rng, old, fresh)
        whole = tuple(differ(old, new))
        assert line_hunks(old, new, differ) == whole, f"seed {seed}"
        assert line_hunks(Lines("".join(old)), Lines("".join(new)), differ) == tuple(
            differ(Lines("".join(old)), Lines("".join(new)))
        ), f"seed {seed}"
