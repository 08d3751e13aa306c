"""``massgen-ls demo``: the main job on a sample, through the real language server over stdio."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table

from massgen_ls.adapters.host.places import Places
from massgen_ls.cli.exits import EXIT_INTERNAL, EXIT_WON
from massgen_ls.cli.options import DemoOptions
from massgen_ls.cli.shown import shown
from massgen_ls.core.wording import counted
from massgen_ls.ports import Command, Processes
from massgen_ls.testing.editor import NEOVIM, StandInEditor, open_editor
from massgen_ls.testing.sample import Sample, make_sample
from massgen_ls.wiring import open_processes

_PATIENCE = 120.0
"""Seconds until the demo gives up."""
_SHOWN = 48
"""Lines of the winning diff."""


def demo(options: DemoOptions) -> int:
    """Shows one run from the unsaved buffer to the applied winner."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 100)
    with tempfile.TemporaryDirectory(prefix="massgen-ls-demo-") as folder:
        return asyncio.run(_demo(console, Path(folder).resolve()))


async def _demo(console: Console, top: Path) -> int:
    # A world of its own: nothing of the user's is read, and nothing is left behind.
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(top / "home"),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "MASSGEN_LS_CACHE": str(top / "cache"),
        "MASSGEN_LS_STATE": str(top / "state"),
    }
    (top / "home").mkdir()
    if shutil.which("git") is None:
        console.print("The demo needs git on PATH.")
        return EXIT_INTERNAL
    async with open_processes(env, Places.of(env)) as processes:
        sample = await make_sample(top / "billing", processes, env)
        await _show_sample(console, sample, processes, env)
        server = Command(
            (sys.executable, "-m", "massgen_ls", "serve", "--stdio"), str(top), env, tree=False
        )
        started = time.monotonic()
        async with (
            asyncio.timeout(_PATIENCE),
            # The sample is ours, so its checks may run.
            open_editor(processes, server, sample.folder, NEOVIM, {"trusted": True}) as editor,
        ):
            spent = time.monotonic() - started
            _title(console, "2", "an editor starts the language server over stdio")
            console.print(
                f"massgen-ls serve --stdio answered `initialize` in {spent * 1000:.0f} ms"
            )
            ok = await _run(console, editor, sample)
    console.print()
    console.print("[dim]Everything above happened in a temporary folder, which is gone now.[/]")
    return EXIT_WON if ok else EXIT_INTERNAL


def _title(console: Console, number: str, text: str) -> None:
    console.print()
    console.print(Rule(f"[bold]{number}  {text}[/]", align="left", style="dim"))


async def _show_sample(
    console: Console, sample: Sample, processes: Processes, env: Mapping[str, str]
) -> None:
    _title(console, "1", "a small repository with unfinished work")
    listed = await processes.run(
        Command(("git", "status", "--short", "--branch"), str(sample.folder), env, tree=False)
    )
    console.print(f"$ git status --short   [dim]in {sample.folder.name}/[/]")
    console.print(shown(listed.stdout.decode().rstrip()))
    name = sample.buffer.relative_to(sample.folder)
    console.print(f"{name} is open in the editor, changed and [bold]not saved[/]:")
    console.print(_diff(sample.buffer.read_text(), sample.buffer_text, str(name)))


async def _run(console: Console, editor: StandInEditor, sample: Sample) -> bool:
    name = sample.buffer.relative_to(sample.folder).as_posix()
    await editor.open(name, sample.buffer_text)
    before = _fingerprint(sample.folder)
    _title(console, "3", f'massgen/run  "{sample.prompt}"')
    answer = await editor.request("massgen/run", {"prompt": sample.prompt, "apply": "auto"})
    run = answer["runId"]
    await _follow(console, editor, run)
    settled = await editor.request("massgen/wait", {"runId": run})
    verdict = settled["verdict"]
    _title(console, "4", "the candidates, and what the checks say of them")
    console.print(_matrix(settled))
    _title(console, "5", "the verdict")
    console.print(f"[bold green]{verdict['outcome']}: {verdict['winner']}[/]")
    console.print(shown(verdict["why"]))
    if verdict["winner"] is None:
        return False
    _title(console, "6", "the winning diff, against the snapshot")
    read = await editor.request("massgen/read", {"runId": run, "candidateId": verdict["winner"]})
    patch = next(c["diff"] for c in read["candidates"] if c["id"] == verdict["winner"])
    lines = patch.rstrip().split("\n")
    console.print(_coloured("\n".join(lines[:_SHOWN])))
    if len(lines) > _SHOWN:
        console.print(f"[dim]… and {len(lines) - _SHOWN} more lines[/]")
    _title(console, "7", "applied: one versioned workspace edit, into the open buffers")
    await editor.seen(lambda method, p: method == "massgen/event" and p["kind"] == "delivered")
    changed = [d for d in editor.documents.values() if d.history]
    for document in changed:
        path = document.uri.rsplit("/", 1)[-1]
        console.print(f"  {path}  version {document.version}, unsaved, one undo takes it back")
    console.print(f"\nThe buffer {name}, from what was on the screen to what is now:")
    text = editor.text(name) or ""
    console.print(_diff(sample.buffer_text, text, name))
    same = _fingerprint(sample.folder) == before
    console.print(
        "[green]✓[/] the repository on disk, .git and all, is byte-identical to before the run"
        if same
        else "[red]✗ the repository on disk has changed[/]"
    )
    return same and text != sample.buffer_text


async def _follow(console: Console, editor: StandInEditor, run: str) -> None:
    """Prints the run's events as they come, until it is settled."""
    told: set[int] = set()
    while True:
        event: dict[str, Any] = await editor.seen(
            lambda method, p: method == "massgen/event" and p.get("seq", 0) not in {0, *told}
        )
        told.add(event["seq"])
        line = _line(event)
        if line:
            console.print(line)
        if event["kind"] == "run_settled":
            return


def _line(event: Mapping[str, Any]) -> str:
    match event["kind"]:
        case "snapshot_taken":
            made = event["snapshot"]["commit"][:10]
            return (
                f"[cyan]snapshot[/]   {made} in our shadow repository, unsaved buffer included"
                f"  [dim]{event['seconds']:.2f} s[/]"
            )
        case "attempt_started":
            tree = Path(event["worktree"]).parent.name
            return f"[cyan]at work[/]    [bold]{event['seat']}[/] in worktree {tree} of the shadow"
        case "attempt_ended":
            return (
                f"[cyan]ended[/]      [bold]{event['seat']}[/] {event['outcome']}"
                f"  [dim]{event['seconds']:.2f} s[/]"
            )
        case "candidate_captured":
            candidate = event["candidate"]
            return (
                f"[cyan]captured[/]   {candidate['id']}: {len(candidate['changes']['files'])} files"
            )
        case "check_finished":
            result = event["result"]
            failures = len(result["failures"])
            found = f", {counted(failures, 'failure')}" if failures else ""
            again = " (second look)" if event["repeat"] else ""
            return (
                f"[cyan]checked[/]    {result['check']} on tree {result['tree'][:10]}: "
                f"{result['outcome']}{found}{again}  [dim]{result['seconds']:.2f} s[/]"
            )
        case _:
            return ""


def _matrix(settled: Mapping[str, Any]) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for title in ("candidate", "files", "lines"):
        table.add_column(title)
    checks = [check["check"] for check in settled["candidates"][0]["checks"]]
    for check in checks:
        table.add_column(check)
    for candidate in settled["candidates"]:
        lines = sum((f["added"] or 0) + (f["removed"] or 0) for f in candidate["files"])
        cells: list[str] = []
        for check in candidate["checks"]:
            broke, fixed = check["new_failures"], check["fixed"]
            parts = [f"[red]breaks {len(broke)}[/]"] if broke else []
            parts += [f"[green]mends {len(fixed)}[/]"] if fixed else []
            cells.append(", ".join(parts) or "[green]passed[/]")
        won = candidate["id"] == settled["verdict"]["winner"]
        label = f"[bold green]{candidate['id']}[/]" if won else candidate["id"]
        table.add_row(label, str(len(candidate["files"])), str(lines), *cells)
    return table


def _diff(old: str, new: str, path: str) -> Syntax:
    from massgen_ls.adapters.git.linediff import differ
    from massgen_ls.core.unified import unified

    text = unified(path, old, new, differ).rstrip()
    return _coloured(text)


def _coloured(text: str) -> Syntax:
    return Syntax(text, "diff", theme="ansi_dark", background_color="default")


def _fingerprint(folder: Path) -> str:
    """A hash over every file below a folder, its .git included."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.update(str(path.relative_to(folder)).encode())
            found.update(path.read_bytes())
    return found.hexdigest()
