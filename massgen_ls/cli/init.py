"""``massgen-ls init``: a first configuration, by questions on a terminal or by options alone."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import textwrap
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from massgen_ls import founding
from massgen_ls.adapters.host.process import HostProcesses
from massgen_ls.cli.exits import EXIT_CANCELLED, EXIT_WON
from massgen_ls.cli.options import InitOptions
from massgen_ls.config import Beside, load
from massgen_ls.config.starter import (
    Around,
    Choice,
    choose,
    pick,
)
from massgen_ls.config.starter_text import text_of
from massgen_ls.config.templates import template, templates
from massgen_ls.core.errors import ConfigError, MassgenError, WorkspaceError
from massgen_ls.core.wording import counted
from massgen_ls.founding import Target, Trusted
from massgen_ls.health import Finding, checks_health, team_health, to_mend
from massgen_ls.wiring import trust_gate

if TYPE_CHECKING:
    from rich.console import Console

_T = TypeVar("_T")


def init(options: InitOptions) -> int:
    """Looks, asks what is open, writes, and says how it is."""
    folder = Path(options.repo or ".").resolve()
    if not folder.is_dir():
        raise WorkspaceError(f"{folder} is not a folder", "Name the folder of your project")
    environ = dict(os.environ)
    chosen = founding.target(
        folder, environ, options.output, user=options.user, force=options.force
    )
    if options.user and options.checks not in {None, "none"}:
        raise ConfigError("Checks belong to a project", "Leave --checks out with --user")
    asks = not (options.yes or options.json)
    if asks and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError(
            "There is no terminal to ask on", "Give --yes to take what is proposed, or --json"
        )
    around = asyncio.run(founding.look_around(folder, environ))
    if asks:
        return _talk(options, folder, chosen, around)
    choice = _chosen(options, around)
    trusted = _write(options, folder, chosen, text_of(choice, around, user=options.user))
    health = asyncio.run(_health(folder, chosen, environ))
    if options.json:
        _print_json(folder, chosen, choice, around, trusted, health)
    else:
        console = _console()
        _show_found(console, folder, around, user=options.user)
        _show_end(console, folder, chosen, choice, trusted, health)
    return EXIT_WON


def _chosen(options: InitOptions, around: Around) -> Choice:
    """What the options say, and for the rest what is proposed."""
    wanted = options.checks or ("none" if options.user else "detected")
    agents = None if options.agents is None else _names(options.agents)
    return choose(around, agents, options.template, _checks(wanted))


def _checks(said: str) -> list[str] | None:
    if said in {"", "all", "detected"}:
        return None
    return [] if said == "none" else _names(said)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.replace(" ", ",").split(",") if name.strip()]


def _write(options: InitOptions, folder: Path, chosen: Target, text: str) -> Trusted:
    gate = trust_gate()
    before = founding.look_before(gate, folder)
    founding.write(chosen, text, os.environ, force=options.force)
    trusted = founding.trust_written(gate, folder, chosen, text, before)
    if trusted.outcome == "ask" and trusted.claim is not None and options.trust:
        gate.store.approve(trusted.claim, "user")
        return Trusted("trusted", trusted.claim)
    return trusted


async def _health(folder: Path, chosen: Target, environ: dict[str, str]) -> list[Finding]:
    from massgen_ls.cli.doctor import git_health, sandbox_health

    # What counts in the end: other layers may have their say too.
    loaded = load(folder, None if chosen.counts else str(chosen.path), Beside(environ))
    findings = await git_health(HostProcesses(), folder, environ)
    findings.append(await asyncio.to_thread(sandbox_health, environ))
    findings += await team_health(environ, loaded)
    return [*findings, *await checks_health(environ, folder, loaded)]


# ── questions ───────────────────────────────────────────────────────────────────────────────────


def _talk(options: InitOptions, folder: Path, chosen: Target, around: Around) -> int:
    console = _console()
    _show_found(console, folder, around, user=options.user)
    try:
        choice = _asked(options, around)
        console.print()
        if not _agreed(f"Write {choice.shown} to {founding.near(chosen.path, folder)}?"):
            raise EOFError
    except (KeyboardInterrupt, EOFError):
        sys.stdout.write("\nNothing was written.\n")
        return EXIT_CANCELLED
    trusted = _write(options, folder, chosen, text_of(choice, around, user=options.user))
    if trusted.outcome == "ask" and trusted.claim is not None:
        try:
            sys.stdout.write("\nAgents would also obey what this folder brings along:\n")
            for power in trusted.claim.own:
                sys.stdout.write(f"  {power.shown}\n")
            if _agreed("Trust that too, as it is now?", default=False):
                trust_gate().store.approve(trusted.claim, "user")
                trusted = Trusted("trusted", trusted.claim)
        except (KeyboardInterrupt, EOFError):
            sys.stdout.write("\n")
    health = asyncio.run(_health(folder, chosen, dict(os.environ)))
    _show_end(console, folder, chosen, choice, trusted, health)
    return EXIT_WON


def _asked(options: InitOptions, around: Around) -> Choice:
    choice = _chosen(options, around)
    if options.agents is None and options.template is None:
        _say(
            "Who shall be in the team? Names or numbers, one for each seat; a name twice is two"
            f" seats. Or a ready team: {', '.join(templates())}."
        )
        proposed = ", ".join(coder.name for coder in choice.coders) or "offline"
        choice = _until(f"Team [{proposed}]: ", lambda said: _team(said, around, choice))
    if options.checks is None and around.checks and not options.user:
        _say("Which checks shall decide? Names, `all` or `none`.")
        names = ", ".join(found.check.name for found in around.checks)
        team = choice
        choice = _until(
            f"Checks [{names}]: ",
            lambda said: replace(team, checks=choose(around, checks=_checks(said)).checks),
        )
    return choice


def _team(said: str, around: Around, proposed: Choice) -> Choice:
    if not said:
        return proposed
    if said in templates() and said != "offline":
        return replace(proposed, coders=(), template=template(said))
    listed = around.installed
    names = [
        listed[int(name) - 1].name if name.isdecimal() and 0 < int(name) <= len(listed) else name
        for name in _names(said)
    ]
    return replace(proposed, coders=pick(around, names))


def _say(text: str) -> None:
    sys.stdout.write("\n" + textwrap.fill(text, 78, break_on_hyphens=False) + "\n")


def _until(question: str, understood: Callable[[str], _T]) -> _T:
    """Asks until the answer can be understood."""
    while True:
        try:
            return understood(input(question).strip())
        except MassgenError as error:
            sys.stdout.write(textwrap.indent(textwrap.fill(str(error), 76), "  ") + "\n")


def _agreed(question: str, *, default: bool = True) -> bool:
    said = input(f"{question} [{'Y/n' if default else 'y/N'}] ").strip().lower()
    return said in {"y", "yes"} if said else default


# ── what is shown ───────────────────────────────────────────────────────────────────────────────


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def _show_found(console: Console, folder: Path, around: Around, *, user: bool) -> None:
    from rich.table import Table

    from massgen_ls.cli.shown import shown

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for number, coder in enumerate(around.installed, 1):
        mark = "[green]✓[/]" if coder.ready else "[yellow]·[/]"
        hint = f"\n[dim]{shown(coder.hint)}[/]" if coder.hint else ""
        named = f"{mark} {number} {coder.name}"
        table.add_row("" if number > 1 else "agents", named, shown(coder.entry) + hint)
    if not around.installed:
        table.add_row("agents", "[yellow]·[/] none", "no coding agent is installed here")
    if around.keys:
        table.add_row("keys", "[green]✓[/] set", ", ".join(around.keys))
    for server in around.servers:
        table.add_row("server", f"[yellow]·[/] {server.name}", f"at 127.0.0.1:{server.port}")
    if not user:
        for found in around.checks:
            argv = shown(" ".join(found.check.argv))
            mark = "[red]✗[/]" if found.lacks else "·"
            why = f"{found.lacks}; {found.why}" if found.lacks else found.why
            table.add_row("check", f"{mark} {found.check.name}", f"{argv}\n[dim]{shown(why)}[/]")
    console.print(f"[bold]{'Your own team' if user else shown(str(folder))}[/]\n")
    console.print(table)


def _show_end(
    console: Console,
    folder: Path,
    chosen: Target,
    choice: Choice,
    trusted: Trusted,
    health: list[Finding],
) -> None:
    from massgen_ls.cli import doctor
    from massgen_ls.cli.shown import shown

    file = shown(founding.near(chosen.path, folder))
    console.print(f"\n[green]✓[/] {file} is written: {shown(choice.shown)}.")
    for line in founding.notes(chosen, trusted):
        console.print(f"  {shown(line)}")
    console.print()
    doctor.show(console, health)
    missing = to_mend(health)
    doubtful = sum(finding.part == "agent" and finding.mark == "note" for finding in health)
    if missing:
        console.print(f"\n[red]{missing}[/]")
    elif doubtful:
        console.print(f"\n[yellow]{counted(doubtful, 'agent')} may not be able to work yet.[/]")
    else:
        console.print('\n[green]Ready:[/] massgen-ls run "what you want done"')


def _print_json(
    folder: Path,
    chosen: Target,
    choice: Choice,
    around: Around,
    trusted: Trusted,
    health: list[Finding],
) -> None:
    told = {
        "file": str(chosen.path),
        "folder": str(folder),
        **choice.plain(),
        "trusted": trusted.outcome in {"trusted", "unneeded"},
        "notes": founding.notes(chosen, trusted),
        "found": around.plain(),
        "health": [asdict(finding) for finding in health],
        "ready": not to_mend(health),
    }
    sys.stdout.write(json.dumps(told, indent=2, ensure_ascii=True) + "\n")
