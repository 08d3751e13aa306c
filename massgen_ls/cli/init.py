"""``massgen-ls init``: a first configuration, by questions on a terminal or by options alone."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from massgen_ls import founding
from massgen_ls.adapters.host.process import HostProcesses
from massgen_ls.cli import EXIT_CANCELLED, EXIT_WON, Options
from massgen_ls.config import Beside, load
from massgen_ls.config.starter import (
    Around,
    Coder,
    Found,
    pick,
    pick_found,
    seat_ids,
    team,
    with_checks,
    written,
)
from massgen_ls.config.templates import Template, template, templates
from massgen_ls.core.errors import ConfigError, MassgenError, WorkspaceError
from massgen_ls.founding import Finding, Target, Trusted
from massgen_ls.wiring import trust_gate

if TYPE_CHECKING:
    from rich.console import Console

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Choice:
    """What the file shall say."""

    coders: tuple[Coder, ...]
    checks: tuple[Found, ...]
    template: Template | None = None

    def text(self, around: Around, *, user: bool) -> str:
        if self.template is not None:
            kept = self.template.text
            return kept if user else with_checks(kept, self.checks)
        return written(self.coders, self.checks, around, user=user)

    @property
    def shown(self) -> str:
        """The team, in one line."""
        if self.template is not None:
            return f"the template {self.template.name}"
        return ", ".join(seat_ids(self.coders)) or "the offline team"


def init(options: Options) -> int:
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
    trusted = _write(options, folder, chosen, choice.text(around, user=options.user))
    health = asyncio.run(_health(folder, chosen, environ))
    if options.json:
        _print_json(folder, chosen, choice, around, trusted, health)
    else:
        console = _console()
        _show_found(console, folder, around, user=options.user)
        _show_end(console, chosen, choice, trusted, health)
    return EXIT_WON


def _chosen(options: Options, around: Around) -> _Choice:
    """What the options say, and for the rest what is proposed."""
    wanted = options.checks or ("none" if options.user else "detected")
    checks = pick_found(around, wanted)
    if options.template:
        return _Choice((), checks, template(options.template))
    if options.agents:
        return _Choice(pick(around, _names(options.agents)), checks)
    return _Choice(team(around), checks)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.replace(" ", ",").split(",") if name.strip()]


def _write(options: Options, folder: Path, chosen: Target, text: str) -> Trusted:
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
    return [*findings, *await founding.team_health(environ, loaded)]


# ── questions ───────────────────────────────────────────────────────────────────────────────────


def _talk(options: Options, folder: Path, chosen: Target, around: Around) -> int:
    console = _console()
    _show_found(console, folder, around, user=options.user)
    try:
        choice = _asked(options, around)
        console.print()
        if not _agreed(f"Write {choice.shown} to {chosen.path}?"):
            raise EOFError
    except (KeyboardInterrupt, EOFError):
        sys.stdout.write("\nNothing was written.\n")
        return EXIT_CANCELLED
    trusted = _write(options, folder, chosen, choice.text(around, user=options.user))
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
    _show_end(console, chosen, choice, trusted, health)
    return EXIT_WON


def _asked(options: Options, around: Around) -> _Choice:
    choice = _chosen(options, around)
    if not (options.agents or options.template):
        sys.stdout.write(
            "\nWho shall be in the team? Names or numbers, one for each seat (the same one twice"
            "\nworks twice), `offline`, or a template: " + ", ".join(templates()) + ".\n"
        )
        proposed = ", ".join(coder.name for coder in choice.coders) or "offline"
        found, ready = _until(f"Team [{proposed}]: ", lambda said: _team(said, around, choice))
        choice = _Choice(found, choice.checks, ready)
    if options.checks is None and around.checks and not options.user:
        names = ", ".join(found.check.name for found in around.checks)
        sys.stdout.write("\nWhich checks shall decide? Names, `all` or `none`.\n")
        checks = _until(f"Checks [{names}]: ", lambda said: pick_found(around, said or "all"))
        choice = _Choice(choice.coders, checks, choice.template)
    return choice


def _team(
    said: str, around: Around, proposed: _Choice
) -> tuple[tuple[Coder, ...], Template | None]:
    if not said:
        return proposed.coders, proposed.template
    if said in templates() and said != "offline":
        return (), template(said)
    listed = _listed(around)
    names = [
        listed[int(name) - 1].name if name.isdecimal() and 0 < int(name) <= len(listed) else name
        for name in _names(said)
    ]
    return pick(around, names), None


def _until(question: str, understood: Callable[[str], _T]) -> _T:
    """Asks until the answer can be understood."""
    while True:
        try:
            return understood(input(question).strip())
        except MassgenError as error:
            sys.stdout.write(f"  {error.what}. {error.hint}\n")


def _agreed(question: str, *, default: bool = True) -> bool:
    said = input(f"{question} [{'Y/n' if default else 'y/N'}] ").strip().lower()
    return said in {"y", "yes"} if said else default


# ── what is shown ───────────────────────────────────────────────────────────────────────────────


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def _listed(around: Around) -> Sequence[Coder]:
    return around.installed


def _show_found(console: Console, folder: Path, around: Around, *, user: bool) -> None:
    from rich.table import Table

    from massgen_ls.cli.shown import shown

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for number, coder in enumerate(_listed(around), 1):
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
            table.add_row("check", f"· {found.check.name}", f"{argv}\n[dim]{shown(found.why)}[/]")
    console.print(f"[bold]{'Your own team' if user else shown(str(folder))}[/]\n")
    console.print(table)


def _show_end(
    console: Console,
    chosen: Target,
    choice: _Choice,
    trusted: Trusted,
    health: list[Finding],
) -> None:
    from massgen_ls.cli import doctor
    from massgen_ls.cli.shown import shown

    console.print(f"\n[green]✓[/] {shown(str(chosen.path))} is written: {shown(choice.shown)}.")
    for line in _notes(chosen, trusted):
        console.print(f"  {shown(line)}")
    console.print()
    doctor.show(console, health)
    bad = sum(finding.mark == "bad" for finding in health)
    if bad:
        console.print(f"\n[red]{bad} to mend before a run can start.[/]")
    else:
        console.print('\n[green]Ready:[/] massgen-ls run "what you want done"')


def _notes(chosen: Target, trusted: Trusted) -> list[str]:
    notes: list[str] = []
    if trusted.outcome == "trusted":
        notes.append(
            "You made it, so it is trusted as it is: `massgen-ls trust` says what that is."
        )
    elif trusted.outcome == "ask":
        notes.append(
            "It is not trusted yet, for agents would also obey what this folder brings along:"
            " `massgen-ls trust --show` shows it, `massgen-ls trust` trusts both."
        )
    elif trusted.outcome == "impossible":
        why = trusted.claim.trouble if trusted.claim else "it was changed while it was written"
        notes.append(f"It is not trusted: {why}.")
    if not chosen.counts:
        notes.append(f"It is not where it is looked for: name it with --config {chosen.path}.")
    if chosen.above:
        notes.append(f"In this folder it counts instead of {chosen.above}.")
    return notes


def _print_json(
    folder: Path,
    chosen: Target,
    choice: _Choice,
    around: Around,
    trusted: Trusted,
    health: list[Finding],
) -> None:
    told = {
        "file": str(chosen.path),
        "folder": str(folder),
        "template": choice.template.name if choice.template else None,
        "agents": [
            {"id": seat, "name": coder.name}
            for seat, coder in zip(seat_ids(choice.coders), choice.coders, strict=True)
        ],
        "checks": [found.check.name for found in choice.checks],
        "trusted": trusted.outcome in {"trusted", "unneeded"},
        "notes": _notes(chosen, trusted),
        "found": {
            "agents": [
                {"name": c.name, "ready": c.ready, "way": c.way, "hint": c.hint}
                for c in around.installed
            ],
            "keys": list(around.keys),
            "servers": [asdict(server) for server in around.servers],
            "checks": [found.check.name for found in around.checks],
            "repository": around.repository or None,
        },
        "health": [asdict(finding) for finding in health],
        "ready": all(finding.mark != "bad" for finding in health),
    }
    sys.stdout.write(json.dumps(told, indent=2, ensure_ascii=True) + "\n")
