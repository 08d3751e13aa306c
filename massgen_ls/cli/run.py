"""``massgen-ls run``: the main job on the command line."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from massgen_ls.cli.exits import (
    EXIT_ABSTAINED,
    EXIT_CANCELLED,
    EXIT_INTERNAL,
    EXIT_NO_CANDIDATE,
    EXIT_NOT_APPLIED,
    EXIT_WON,
)
from massgen_ls.cli.options import InFolder, RunOptions
from massgen_ls.cli.trust import ask
from massgen_ls.config import Beside
from massgen_ls.core.attachments import LARGEST, MOST
from massgen_ls.core.changes import rel_path
from massgen_ls.core.errors import (
    AttachmentError,
    ConfigError,
    MassgenError,
    UnsafePathError,
    WorkspaceError,
)
from massgen_ls.core.events import Delta, RunSettled
from massgen_ls.core.run_state import RunState
from massgen_ls.core.task import LineRange, RunId, RunSpec, Scope
from massgen_ls.core.trust import UntrustedError
from massgen_ls.engine.bus import Gap, Subscription
from massgen_ls.engine.report import delivery_json, envelope_json, settled
from massgen_ls.engine.supervisor import Delivery, Supervisor
from massgen_ls.wiring import disk_files, make_spec, open_supervisor

if TYPE_CHECKING:
    from rich.console import Console

_EXITS = {
    "won": EXIT_WON,
    "tied": EXIT_ABSTAINED,
    "abstained": EXIT_ABSTAINED,
    "none": EXIT_NO_CANDIDATE,
    "cancelled": EXIT_CANCELLED,
}


def run(options: RunOptions) -> int:
    """Runs a task to its verdict."""
    folder = folder_of(options)
    scope = parse_scope(options.scope, folder)

    def order() -> RunSpec:
        return make_spec(
            folder,
            prompt=options.prompt,
            scope=scope,
            agents=options.agents,
            config=options.config,
            beside=Beside(profile=options.profile),
            mode=options.mode,
            detected_checks=options.detected_checks,
            apply="auto" if options.apply else "none",
            word="once" if options.trust else None,
        )

    try:
        spec = order()
    except UntrustedError as error:
        if not ask(error):
            raise
        spec = order()  # what has changed while they looked at it is refused
    return asyncio.run(_run(options, spec, str(folder)))


def folder_of(options: InFolder) -> Path:
    """The folder to work on, absolute.

    Raises:
        WorkspaceError: It is not a folder.
    """
    folder = Path(options.repo).resolve() if options.repo else Path.cwd()
    if not folder.is_dir():
        raise WorkspaceError(
            f"{folder} is not a folder", "Give --repo a folder of a git repository"
        )
    return folder


def parse_scope(text: str | None, folder: Path) -> Scope:
    """``FILE``, ``FILE:L`` or ``FILE:L1-L2`` (1-based lines), below the folder.

    Raises:
        ConfigError: No such file there, or no such lines.
    """
    if not text:
        return Scope()
    name, _, lines = text.rpartition(":")
    wanted: LineRange | None = None
    first, _, last = lines.partition("-")
    if name and first.isascii() and first.isdigit() and (not last or last.isdigit()):
        wanted = LineRange(int(first), int(last or first))
        if wanted.first < 1 or wanted.last < wanted.first:
            raise ConfigError(f"--scope {text}: lines count from 1, the first before the last")
    else:
        name = text
    file = folder / name
    if not file.exists():
        raise ConfigError(f"--scope {text}: there is no {file}", "Name a file below the folder")
    try:
        path = rel_path(os.path.relpath(file, folder).replace(os.sep, "/"))
    except UnsafePathError as error:
        raise ConfigError(f"--scope {text}: {error}", "Name a file below the folder") from error
    return Scope(path, wanted)


def read(files: Sequence[str]) -> list[tuple[str, bytes]]:
    """Pictures for the agents, each with its name.

    Raises:
        AttachmentError: There are too many, or one cannot be read.
    """
    if len(files) > MOST:
        raise AttachmentError(f"{len(files)} pictures are too many", f"At most {MOST} fit a task")
    found: list[tuple[str, bytes]] = []
    for name in files:
        try:
            with open(name, "rb") as file:
                found.append((name, file.read(LARGEST + 1)))
        except OSError as error:
            raise AttachmentError(f"--attach {name}: {error.strerror or error}") from error
    return found


async def _run(options: RunOptions, spec: RunSpec, folder: str) -> int:
    async with open_supervisor() as supervisor:
        if options.context:
            earlier, _, agent = options.context.partition("/")
            task = await supervisor.continued(spec.task, earlier, agent or None)
            spec = replace(spec, task=task)
        if options.attach:
            kept = [await supervisor.attach(name, body) for name, body in read(options.attach)]
            spec = replace(spec, task=replace(spec.task, attachments=tuple(kept)))
        with supervisor.subscribe() as news:
            run = await supervisor.start(spec, folder, live=disk_files())
            async with _cancelled_by_signals(supervisor, run):
                if options.json:
                    state = await _stream(supervisor, run, news)
                else:
                    state = await _watch(supervisor, run, news)
        delivery: Delivery | None = None
        if options.apply and state.verdict and state.verdict.winner:
            delivery = await supervisor.apply(run, None, disk_files())
            state = await supervisor.state(run)
        if options.json:
            last = settled(run, state)
            if delivery is not None:
                last["delivery"] = delivery_json(delivery)
            _print_line(last)
        else:
            await _report(supervisor, run, state, delivery)
    if state.failure or state.verdict is None:
        sys.stderr.write(f"massgen-ls: {state.failure or 'the run was cut off'}\n")
        return EXIT_INTERNAL
    if delivery is not None and not delivery.whole:
        return EXIT_NOT_APPLIED
    return _EXITS[state.verdict.outcome]


@asynccontextmanager
async def _cancelled_by_signals(supervisor: Supervisor, run: RunId) -> AsyncGenerator[None]:
    """Ctrl-C and SIGTERM cancel the run; a second one while it wraps up changes nothing."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    by = ["a signal"]

    def ask(number: signal.Signals) -> None:
        by[0] = "you (Ctrl-C)" if number is signal.SIGINT else number.name
        asked.set()

    async def cancel_when_asked() -> None:
        await asked.wait()
        with suppress(MassgenError):  # what cannot be recorded ends with us
            await supervisor.cancel(run, by[0])

    signals = (signal.SIGINT, signal.SIGTERM)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(cancel_when_asked())
        for number in signals:
            with suppress(NotImplementedError):  # Windows: KeyboardInterrupt cancels the loop
                loop.add_signal_handler(number, ask, number)
        try:
            yield
        finally:
            waiting.cancel()
            for number in signals:
                with suppress(NotImplementedError):
                    loop.remove_signal_handler(number)


async def _watch(supervisor: Supervisor, run: RunId, news: Subscription) -> RunState:
    from rich.console import Console

    from massgen_ls.cli.watch import Watch

    # Progress goes to standard error: standard output is for the diff.
    console = Console(stderr=True)
    with Watch(console, run) as watch:
        for envelope in await supervisor.history(run):
            watch.hear(envelope)
        async for item in news:
            if isinstance(item, Gap):
                watch.reread(await supervisor.state(run))
            else:
                watch.hear(item)
            if (await supervisor.state(run)).verdict is not None:
                break
    return await supervisor.wait(run)


async def _stream(supervisor: Supervisor, run: RunId, news: Subscription) -> RunState:
    """Every event a line, without a gap: what a full queue lost is read from the record."""
    seen = 0
    while True:
        for envelope in await supervisor.history(run, after=seen):
            seen = envelope.seq
            if not isinstance(envelope.event, RunSettled):
                _print_line(envelope_json(envelope))
        # Not from the record alone: where that cannot be written, the run ends all the same.
        if (await supervisor.state(run)).verdict is not None:
            return await supervisor.wait(run)
        async for item in news:
            if not isinstance(item, Delta):
                break
            _print_line(envelope_json(item))  # live, and not in the record


def _print_line(body: object) -> None:
    sys.stdout.write(json.dumps(body) + "\n")
    sys.stdout.flush()


async def _report(
    supervisor: Supervisor, run: RunId, state: RunState, delivery: Delivery | None
) -> None:
    from rich.console import Console

    from massgen_ls.cli.watch import print_diff, print_verdict

    errors = Console(stderr=True)
    verdict = state.verdict
    if verdict is not None and verdict.winner is not None:
        print_diff(Console(), await supervisor.patch(run, verdict.winner))
    # Last, so that it is on the screen however long the diff is.
    print_verdict(errors, run, state)
    if delivery is not None:
        print_delivery(errors, run, delivery)
    elif verdict is not None and verdict.winner is not None:
        errors.print(f"[dim]massgen-ls apply {run}[/]  merges it into your working tree")
    elif state.candidates:
        errors.print(f"[dim]massgen-ls show {run} --candidate ID[/]  shows a candidate's diff")


def print_delivery(console: Console, run: RunId, delivery: Delivery) -> None:
    """What became of the files."""
    from massgen_ls.cli.shown import shown

    if delivery.applied and delivery.paths:
        names = shown(", ".join(delivery.paths))
        count = f"{len(delivery.paths)} {'file' if len(delivery.paths) == 1 else 'files'}"
        console.print(f"[green]applied[/] {count}: {names}", highlight=False)
    elif delivery.applied:
        console.print("[green]nothing to do[/]: your files have these changes already")
    for conflict in delivery.conflicts:
        first, last = conflict.live
        console.print(
            f"[red]conflict[/] {shown(conflict.path)}:{first + 1}-{max(last, first + 1)}: "
            f"{conflict.reason.replace('_', ' ')}; left as it is",
            highlight=False,
        )
    for blocked in delivery.blocked if delivery.applied else ():
        console.print(f"[red]left out[/]: {shown(blocked.why)}", highlight=False)
    if not delivery.applied:
        console.print(f"[red]not applied[/]: {shown(delivery.reason)}", highlight=False)
    for held in delivery.held:
        count = len(held.hunks)
        changes = "1 other change" if count == 1 else f"{count} other changes"
        fits = "fits" if count == 1 else "fit"
        console.print(f"{changes} in {shown(held.path)} {fits} beside yours", highlight=False)
    if delivery.held:
        again = f"massgen-ls apply {run} --candidate {delivery.candidate} --partial"
        console.print(f"[dim]{again}[/]  merges what fits", highlight=False, soft_wrap=True)
    elif delivery.blocked:
        again = f"massgen-ls apply {run} --candidate {delivery.candidate}"
        console.print(f"[dim]{again}[/]  applies it after that", highlight=False, soft_wrap=True)
        if delivery.others:
            again += " --partial"
            console.print(f"[dim]{again}[/]  applies the rest", highlight=False, soft_wrap=True)
