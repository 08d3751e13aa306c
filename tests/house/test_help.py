"""The help of every command fits a terminal of 80 columns."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import pytest

from massgen_ls.cli.arguments import parser


def commands(above: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield above
    for action in above._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from commands(below)


def test_no_line_is_wider_than_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    every = list(commands(parser()))
    wide = {c.prog: [ln for ln in c.format_help().split("\n") if len(ln) > 80] for c in every}
    assert {name: lines for name, lines in wide.items() if lines} == {}
    assert len(every) > 15
