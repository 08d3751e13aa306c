"""``massgen-ls stats``: who wins, what the user took, and what that cost."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from massgen_ls.cli.exits import EXIT_WON
from massgen_ls.cli.options import StatsOptions
from massgen_ls.cli.run import folder_of
from massgen_ls.core.budget import MICRO, money
from massgen_ls.core.learning import CheckRecord, Record
from massgen_ls.core.task import Json
from massgen_ls.wiring import open_supervisor

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def stats(options: StatsOptions) -> int:
    """Reads the newest runs and prints a line for each agent."""
    found, checks = asyncio.run(_records(options))
    if options.json:
        for record in found:
            sys.stdout.write(json.dumps(record_json(record)) + "\n")
        for check in checks:
            sys.stdout.write(json.dumps(check_json(check)) + "\n")
        return EXIT_WON
    if not found:
        sys.stdout.write("No agent has taken part in a run here yet.\n")
        return EXIT_WON
    from rich.console import Console

    console = Console()
    show_agents(console, found)
    if checks:
        console.print()
        console.print(_of_checks(checks))
    return EXIT_WON


_LESS = ("type", "candidates", "spent", "each taken")
"""Columns that a narrow terminal does without."""


def show_agents(console: Console, found: Sequence[Record]) -> None:
    """A line for each agent, as far as there is room for it."""
    table = _of_agents(found)
    boundless = console.options.update(max_width=1000)
    if console.measure(table, options=boundless).minimum <= console.width:
        console.print(table)
        return
    console.print(_of_agents(found, without=_LESS))
    console.print(f"[dim]A wider terminal, or --json, shows more: {', '.join(_LESS)}.[/]")


def _of_agents(found: Sequence[Record], without: Sequence[str] = ()) -> Table:
    from rich.table import Table

    from massgen_ls.cli.shown import shown

    rows = [
        {
            "agent": shown(record.agent),
            "type": shown(f"{record.type} {record.model}".strip()),
            "runs": str(record.runs),
            "candidates": str(record.candidates),
            "won": f"{record.wins} of {record.contests}",
            "rate (95 %)": _rate(record),
            "taken": _taken(record),
            "given up": _given_up(record),
            "spent": str(record.usage) if record.usage.tokens or record.usage.cost else "–",
            "each taken": money(each) if (each := record.cost_per_accepted) is not None else "–",
        }
        for record in found
    ]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in (title for title in rows[0] if title not in without):
        # What is one thing stays in one line; lists of words may take more.
        table.add_column(title, no_wrap=title not in {"taken", "given up"})
    for row in rows:
        table.add_row(*(text for title, text in row.items() if title not in without))
    return table


def _of_checks(checks: Sequence[CheckRecord]) -> Table:
    from rich.table import Table

    from massgen_ls.cli.shown import shown

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in (
        "check",
        "passed, taken",
        "passed, rejected",
        "failed, taken",
        "failed, rejected",
    ):
        table.add_column(title)
    for check in checks:
        numbers = (
            check.passed_taken, check.passed_rejected, check.failed_taken, check.failed_rejected,
        )  # fmt: skip
        table.add_row(shown(check.check), *map(str, numbers))
    return table


async def _records(options: StatsOptions) -> tuple[Sequence[Record], Sequence[CheckRecord]]:
    folder = None if options.all else str(folder_of(options))
    async with open_supervisor() as supervisor:
        return await supervisor.all_records(folder, options.limit)


def _taken(record: Record) -> str:
    parts = ((record.partly, "in part"), (record.edited, "edited"))
    more = [f"{count} {word}" for count, word in parts if count]
    return ", ".join([str(record.accepted + record.partly), *more])


def _given_up(record: Record) -> str:
    parts = ((record.undone, "undone"), (record.discarded, "discarded"))
    return ", ".join(f"{count} {word}" for count, word in parts if count) or "–"


def _rate(record: Record) -> str:
    if record.win_rate is None or record.interval is None:
        return "–"
    low, high = record.interval
    return f"{record.win_rate:.0%} ({low:.0%} to {high:.0%})"


def record_json(record: Record) -> dict[str, Json]:
    """One agent, for programs; costs in US dollars as exact text, null where nobody told them."""
    cost, each = record.usage.cost, record.cost_per_accepted
    return {
        "agent": record.agent,
        "type": record.type,
        "model": record.model,
        "runs": record.runs,
        "candidates": record.candidates,
        "contests": record.contests,
        "wins": record.wins,
        "failed": record.failed,
        "winRate": record.win_rate,
        "interval": [*record.interval] if record.interval else None,
        "accepted": record.accepted,
        "partly": record.partly,
        "edited": record.edited,
        "undone": record.undone,
        "discarded": record.discarded,
        "tokens": record.usage.tokens,
        "cost": None if cost is None else f"{cost / MICRO:.6f}",
        "costPerAccepted": None if each is None else f"{each / MICRO:.6f}",
    }


def check_json(record: CheckRecord) -> dict[str, Json]:
    """One check, for programs: how often it and the user were of one mind."""
    return {
        "check": record.check,
        "passedTaken": record.passed_taken,
        "passedRejected": record.passed_rejected,
        "failedTaken": record.failed_taken,
        "failedRejected": record.failed_rejected,
    }
