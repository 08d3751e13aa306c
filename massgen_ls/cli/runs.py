"""``massgen-ls runs``, ``show``, ``apply`` and ``cancel``: what became of earlier runs.

What draws tables is imported where it draws.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

from massgen_ls.cli.exits import EXIT_NOT_APPLIED, EXIT_USAGE, EXIT_WON
from massgen_ls.cli.options import (
    ApplyOptions,
    CancelOptions,
    Options,
    RunsOptions,
    ShowOptions,
)
from massgen_ls.cli.run import folder_of, print_delivery
from massgen_ls.core.errors import NotFoundError
from massgen_ls.core.markdown import markdown
from massgen_ls.core.selection import Selection
from massgen_ls.core.task import CandidateId, RunId
from massgen_ls.core.wire import to_json
from massgen_ls.engine.report import delivery_json, record_json, run_json
from massgen_ls.engine.supervisor import Supervisor
from massgen_ls.wiring import disk_files, open_supervisor

_O = TypeVar("_O", bound=Options)


def runs(options: RunsOptions) -> int:
    """Lists runs, the newest first."""
    return asyncio.run(_asked(_runs, options))


def show(options: ShowOptions) -> int:
    """Shows one run, or a part of it."""
    return asyncio.run(_asked(_show, options))


def apply(options: ApplyOptions) -> int:
    """Merges a candidate into the working tree."""
    return asyncio.run(_asked(_apply, options))


def cancel(options: CancelOptions) -> int:
    """Cancels a run and waits until it is over."""
    return asyncio.run(_asked(_cancel, options))


async def _asked(answer: Callable[[Supervisor, _O], Awaitable[int]], options: _O) -> int:
    async with open_supervisor() as supervisor:
        return await answer(supervisor, options)


async def _runs(supervisor: Supervisor, options: RunsOptions) -> int:
    folder = None if options.all else str(folder_of(options))
    records = await supervisor.runs(folder, options.limit)
    if options.json:
        for record in records:
            _print(record_json(record))
        return EXIT_WON
    if not records:
        sys.stdout.write('No runs here yet. Start one with: massgen-ls run "your task"\n')
        return EXIT_WON
    from rich.console import Console
    from rich.table import Table

    from massgen_ls.cli.shown import shown

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("run", "when", "outcome", "winner", "task"):
        # A run's id is there to be copied: it is never cut.
        table.add_column(title, no_wrap=title != "task", min_width=20 if title == "run" else None)
    for record in records:
        when = datetime.fromtimestamp(record.started, UTC).astimezone()
        outcome = record.outcome if record.settled else "running"
        colour = {"won": "green", "running": "cyan", "abstained": "yellow"}.get(outcome, "red")
        table.add_row(
            record.run,
            f"{when:%Y-%m-%d %H:%M}",
            f"[{colour}]{outcome}[/]",
            shown(record.winner or "–"),
            shown(record.prompt.split("\n")[0]),
        )
    Console().print(table)
    return EXIT_WON


async def _show(supervisor: Supervisor, options: ShowOptions) -> int:
    run = await supervisor.resolve(options.run)
    if options.transcript:
        return await _transcript(supervisor, run, options)
    state = await supervisor.state(run)
    if options.markdown:
        from massgen_ls.cli.shown import harmless

        sys.stdout.write(harmless(markdown(state, run)))
        return EXIT_WON
    candidate = CandidateId(options.candidate) if options.candidate else None
    winner = state.verdict.winner if state.verdict else None
    picked = candidate or winner
    patch = await supervisor.patch(run, picked) if picked else ""
    if options.json:
        _print({**run_json(run, state), "diff": patch, "diffOf": picked})
        return EXIT_WON
    from rich.console import Console

    from massgen_ls.cli.shown import shown
    from massgen_ls.cli.watch import print_ballots, print_diff, print_verdict

    console = Console()
    if not options.diff:
        task = state.spec.task.prompt if state.spec else ""
        console.print(f"[bold]{shown(task)}[/]")
        print_ballots(console, state)
        print_verdict(console, run, state)
    if picked:
        print_diff(console, patch)
    elif options.diff:
        raise NotFoundError(f"Run {run} has no winner", "Name one with --candidate ID")
    return EXIT_WON


async def _transcript(supervisor: Supervisor, run: RunId, options: ShowOptions) -> int:
    known = await supervisor.transcripts(run)
    chosen = [t for t in known if t.agent == options.transcript]
    if not chosen:
        there = ", ".join(dict.fromkeys(t.agent for t in known)) or "nobody"
        raise NotFoundError(
            f"Nothing is kept of what {options.transcript!r} did in run {run}",
            f"There are transcripts of: {there}",
        )
    if options.json:
        for transcript in chosen:
            _print(to_json(transcript))
    else:
        from rich.console import Console

        from massgen_ls.cli.transcript import print_transcript

        for transcript in chosen:
            print_transcript(Console(), transcript)
    return EXIT_WON


async def _apply(supervisor: Supervisor, options: ApplyOptions) -> int:
    run = await supervisor.resolve(options.run)
    candidate = CandidateId(options.candidate) if options.candidate else None
    delivery = await supervisor.apply(
        run, candidate, disk_files(), Selection(partial=options.partial)
    )
    if options.json:
        _print(delivery_json(delivery))
    else:
        from rich.console import Console

        print_delivery(Console(), run, delivery)
    return EXIT_WON if delivery.whole else EXIT_NOT_APPLIED


async def _cancel(supervisor: Supervisor, options: CancelOptions) -> int:
    run = await supervisor.resolve(options.run)
    if await supervisor.cancel(run, "massgen-ls cancel"):
        state = await supervisor.wait(run)
        why = state.verdict.why if state.verdict else ""
        sys.stdout.write(f"{run}: {why}\n")
        return EXIT_WON
    sys.stderr.write(f"massgen-ls: run {run} is over already\n")
    return EXIT_USAGE


def _print(body: object) -> None:
    sys.stdout.write(json.dumps(body) + "\n")
