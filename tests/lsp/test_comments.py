"""Task comments in the syntax of each language."""

from __future__ import annotations

import pytest

from massgen_ls.lsp.comments import TaskComment, find_task

FOUND = [
    ("python", "a.py", "x = 1  # massgen: rename x\n", 0, (0, 0, "rename x")),
    ("python", "a.py", "# massgen: one\n# two\n\n# three\n", 1, (0, 1, "one two")),
    ("python", "a.py", "#massgen:one\n    # two\n", 0, (0, 0, "one")),
    ("python", "a.py", "# massgen: one\n# massgen: two\n", 1, (1, 1, "two")),
    ("rust", "a.rs", "/// massgen: doc this\n", 0, (0, 0, "doc this")),
    ("c", "a.c", "int x; /* massgen: fix it */\n", 0, (0, 0, "fix it")),
    ("c", "a.c", "/*\n * massgen: fix it\n * and well\n */\n", 2, (1, 3, "fix it and well")),
    ("html", "a.html", "<!-- massgen: add a title -->\n", 0, (0, 0, "add a title")),
    ("lua", "a.lua", "-- MassGen: tidy\r\n", 0, (0, 0, "tidy")),
    ("clojure", "a.clj", ";; massgen: tidy\n", 0, (0, 0, "tidy")),
    ("bat", "a.bat", "REM massgen: tidy\n", 0, (0, 0, "tidy")),
    ("vim", "a.vim", '" massgen: tidy\n', 0, (0, 0, "tidy")),
    ("sql", "a.sql", "select 1 -- massgen: tidy\n", 0, (0, 0, "tidy")),
    ("ocaml", "a.ml", "(* massgen: tidy *)\n", 0, (0, 0, "tidy")),
    ("julia", "a.jl", "#= massgen: a\nb =#\n", 1, (0, 1, "a b")),
    ("tex", "a.tex", "% massgen: tidy\n", 0, (0, 0, "tidy")),
    ("unheard-of", "a.tf", "// massgen: tidy\n", 0, (0, 0, "tidy")),
    ("unheard-of", "Makefile", "# massgen: tidy\n", 0, (0, 0, "tidy")),
    ("unheard-of", "a.unheard", "# massgen: tidy\n", 0, (0, 0, "tidy")),
    ("python", "a.py", "# a\x0cb\n# massgen: tidy\n", 1, (1, 1, "tidy")),
]


@pytest.mark.parametrize(("language", "path", "text", "line", "expected"), FOUND)
def test_a_wish_is_found_where_the_language_has_comments(
    language: str, path: str, text: str, line: int, expected: tuple[int, int, str]
) -> None:
    assert find_task(text, line, language, path) == TaskComment(*expected)


@pytest.mark.parametrize(
    ("language", "text", "line"),
    [
        ("python", "massgen: no comment\n", 0),
        ("python", 'x = "massgen: no comment"\n', 0),
        ("python", "# massgen\n", 0),
        ("python", "# massgen:\n", 0),
        ("python", "# massgen: one\nx = 1\n", 1),
        ("c", "/* closed */ massgen: no\n", 0),
        ("html", "<p>massgen: no</p>\n", 0),
        ("python", "# massgen: one\n", 99),
        ("python", "", 0),
    ],
)
def test_nothing_else_is_a_wish(language: str, text: str, line: int) -> None:
    assert find_task(text, line, language, "a") is None
