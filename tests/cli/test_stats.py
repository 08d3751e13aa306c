"""The table of agents in a narrow terminal and in a wide one."""

from __future__ import annotations

import io

from rich.console import Console

from massgen_ls.cli.stats import show_agents
from massgen_ls.core.budget import Usage
from massgen_ls.core.learning import Record

RECORDS = (
    Record(
        "slow-but-steady", "claude_code", "claude-sonnet-4-5", runs=12, candidates=11, contests=9,
        wins=5, accepted=4, partly=1, edited=1, undone=1, discarded=1,
        usage=Usage(12_000, 300, 2, 340_000),
    ),
    Record("gemini", "gemini_cli", "gemini-2.5-pro", runs=12, candidates=11, contests=9, wins=4),
)  # fmt: skip


def shown(width: int) -> list[str]:
    text = io.StringIO()
    show_agents(Console(file=text, width=width), RECORDS)
    return text.getvalue().splitlines()


def test_a_wide_terminal_shows_every_column() -> None:
    head, first, *_ = shown(160)
    assert "each taken" in head
    assert "claude_code claude-sonnet-4-5" in first
    assert "…" not in "".join(shown(160))


def test_a_narrow_one_cuts_no_name_and_no_number_and_says_what_it_leaves_out() -> None:
    lines = shown(80)
    assert all(len(line.rstrip()) <= 80 for line in lines)
    assert "…" not in "".join(lines)
    assert lines[1].startswith("slow-but-steady  12    5 of 9  56% (27% to 81%)")
    assert lines[-1].startswith("A wider terminal, or --json, shows more: type,")
