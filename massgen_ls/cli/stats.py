"""``massgen-ls stats``: who wins, what the user took, and what that cost."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence

from massgen_ls.cli import EXIT_WON, Options
from massgen_ls.cli.run import folder_of
from massgen_ls.core.budget import MICRO, money
from massgen_ls.core.learning import Record
from massgen_ls.core.task import Json
from massgen_ls.wiring import open_supervisor


def stats(options: Options) -> int:
    """Reads the newest runs and prints a line for each agent."""
    found = asyncio.run(_records(options))
    if options.json:
        for record in found:
            sys.stdout.write(json.dumps(record_json(record)) + "\n")
        return EXIT_WON
    if not found:
        sys.stdout.write("No agent has taken part in a run here yet.\n")
        return EXIT_WON
    from rich.console import Console
    from rich.table import Table

    from massgen_ls.cli.shown import shown

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in (
        "agent", "type", "runs", "candidates", "won", "rate (95 %)", "accepted", "in part",
        "discarded", "spent", "each accepted",
    ):  # fmt: skip
        table.add_column(title)
    for record in found:
        each = record.cost_per_accepted
        kind = f"{record.type} {record.model}".strip()
        table.add_row(
            shown(record.agent),
            shown(kind),
            str(record.runs),
            str(record.candidates),
            f"{record.wins} of {record.contests}",
            _rate(record),
            str(record.accepted),
            str(record.partly),
            str(record.discarded),
            str(record.usage) if record.usage.tokens or record.usage.cost else "–",
            "–" if each is None else money(each),
        )
    Console().print(table)
    return EXIT_WON


async def _records(options: Options) -> Sequence[Record]:
    folder = None if options.all else str(folder_of(options))
    async with open_supervisor() as supervisor:
        return await supervisor.records(folder, options.limit)


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
        "discarded": record.discarded,
        "tokens": record.usage.tokens,
        "cost": None if cost is None else f"{cost / MICRO:.6f}",
        "costPerAccepted": None if each is None else f"{each / MICRO:.6f}",
    }
