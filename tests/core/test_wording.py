"""Which line of a program's output says why it failed."""

from __future__ import annotations

import pytest

from massgen_ls.core.wording import telling


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("\n> lint\n\nsh: 1: eslint: not found\n\nThe program", "sh: 1: eslint: not found"),
        ("$ eslint .\nready\nError: Cannot find module 'x'\n", "Error: Cannot find module 'x'"),
        ("uv was not found on PATH. Install it", "uv was not found on PATH. Install it"),
        ("> lint\n  one\ntwo", "one"),
        ("> lint", "> lint"),
        (" \n", ""),
    ],
)  # fmt: skip
def test_the_most_telling_line(output: str, line: str) -> None:
    assert telling(output) == line
