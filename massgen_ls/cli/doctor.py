"""``massgen-ls doctor``: what was found here, and what to do about what is missing."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from massgen_ls import __version__
from massgen_ls.adapters.host.places import Places
from massgen_ls.adapters.host.process import HostProcesses
from massgen_ls.adapters.host.sandbox import Sandbox
from massgen_ls.adapters.languages.trees import EXTRA, TreeSitter
from massgen_ls.cli.exits import EXIT_USAGE, EXIT_WON
from massgen_ls.cli.options import DoctorOptions
from massgen_ls.core.errors import ConfigError
from massgen_ls.core.trust import UntrustedError
from massgen_ls.founding import KEYS
from massgen_ls.health import Finding, checks_health, lacking, team_health, to_mend
from massgen_ls.ports import Command

if TYPE_CHECKING:
    from rich.console import Console

    from massgen_ls.config import Loaded

GIT_NEEDED = (2, 35)
_AGENT_PROGRAMS = {
    "claude": "type: claude_code",
    "gemini": "type: gemini_cli",
    "codex": "type: codex",
    **{
        name: f"type: acp, agent: {name}"
        for name in ("qwen", "goose", "opencode", "copilot", "kimi", "auggie")
    },
    "cursor-agent": "type: acp, agent: cursor",
    "aider": "type: command",
}
_EDITORS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("nvim", "Neovim", (".config/nvim/init.lua", ".config/nvim/lsp/massgen.lua")),
    ("code", "VS Code", (".vscode/extensions/extensions.json",)),
    ("hx", "Helix", (".config/helix/languages.toml",)),
    ("vim", "Vim", (".vimrc", ".vim/vimrc")),
    ("emacs", "Emacs", (".emacs.d/init.el", ".emacs", ".config/emacs/init.el")),
)
_LOOK = 256 * 1024
"""Bytes of an editor's configuration that are searched for our name."""


def doctor(options: DoctorOptions) -> int:
    """Looks and says; starts nothing but ``git --version`` and the probe of the sandbox."""
    folder = Path(options.repo).resolve() if options.repo else Path.cwd()
    findings = asyncio.run(_examine(folder, options, dict(os.environ)))
    if options.json:
        sys.stdout.write(json.dumps([asdict(f) for f in findings], indent=2) + "\n")
    else:
        _print(findings)
    return EXIT_USAGE if to_mend(findings) else EXIT_WON


async def _examine(folder: Path, options: DoctorOptions, env: Mapping[str, str]) -> list[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    findings = [Finding("massgen-ls", "ok", f"{__version__}, Python {version}")]
    processes = HostProcesses()
    async with asyncio.TaskGroup() as group:
        git = group.create_task(git_health(processes, folder, env))
        sandbox = group.create_task(asyncio.to_thread(sandbox_health, env))
        languages = group.create_task(asyncio.to_thread(languages_health))
        team = group.create_task(_team(folder, options, env))
    findings += [*git.result(), *_places(env), sandbox.result(), languages.result()]
    findings += team.result()
    return [*findings, *_programs(env), *_keys(env), *_editors(env)]


async def git_health(
    processes: HostProcesses, folder: Path, env: Mapping[str, str]
) -> list[Finding]:
    """The program, and the repository of a folder."""
    install = f"Install git {GIT_NEEDED[0]}.{GIT_NEEDED[1]} or newer"
    try:
        ended = await processes.run(Command(("git", "--version"), "/", env, tree=False))
    except OSError as error:
        return [Finding("git", "bad", f"not found ({error.strerror})", install)]
    said = ended.stdout.decode(errors="replace").strip()
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < GIT_NEEDED:
        return [Finding("git", "bad", said or "says no version", install)]
    here = next((p for p in (folder, *folder.parents) if (p / ".git").exists()), None)
    repository = (
        Finding("repository", "ok", str(here))
        if here
        else Finding("repository", "note", f"{folder} is in none", "Runs need one: git init")
    )
    return [Finding("git", "ok", said.removeprefix("git version ")), repository]


def _places(env: Mapping[str, str]) -> Iterator[Finding]:
    places = Places.of(env)
    for name, path, variable in (
        ("cache", places.cache, "MASSGEN_LS_CACHE"),
        ("state", places.state, "MASSGEN_LS_STATE"),
    ):
        existing = next(p for p in (path, *path.parents) if p.exists())
        if existing.is_dir() and os.access(existing, os.W_OK):
            free = shutil.disk_usage(existing).free / 2**30
            yield Finding(name, "ok" if free > 1 else "note", f"{path} ({free:.0f} GiB free)")
        else:
            hint = f"Make it writable, or set {variable} to another folder"
            yield Finding(name, "bad", f"{path} cannot be written", hint)


def sandbox_health(env: Mapping[str, str]) -> Finding:
    """Whether agents can be confined. Starts the sandbox once."""
    described = Sandbox.probe(env.get("HOME", ""), env.get("PATH", os.defpath)).describe()
    return Finding("sandbox", "ok" if described.works else "note", described.text)


def languages_health() -> Finding:
    """Whose candidates are compared by what they say, beside Python's and JSON's.

    Every grammar is loaded: one that is installed may still be of no use.
    """
    known = TreeSitter().languages()
    if known:
        return Finding("languages", "ok", f"compared by syntax: {', '.join(known)}")
    text = "candidates in Go, Java, JavaScript, Rust and TypeScript are compared by lines"
    return Finding(
        "languages", "note", text, f"For their syntax: pip install 'massgen-ls[{EXTRA}]'"
    )


async def _team(folder: Path, options: DoctorOptions, env: Mapping[str, str]) -> list[Finding]:
    from massgen_ls.adapters.checks.detect import detect
    from massgen_ls.config import Beside, load

    beside = Beside(env, options.profile)
    try:
        loaded = await asyncio.to_thread(load, folder, options.config, beside)
    except ConfigError as error:
        return [Finding("configuration", "bad", error.what, error.hint)]
    findings = [Finding("configuration", "ok", loaded.source)]
    findings += await asyncio.to_thread(_trust, folder, loaded)
    findings += [Finding("configuration", "note", w.shown(loaded.source)) for w in loaded.warnings]
    findings += await team_health(env, loaded)
    findings += await checks_health(env, folder, loaded)
    if not loaded.checks:
        for proposal in await asyncio.to_thread(detect, folder):
            check = proposal.check
            why = lacking(check, env, folder, proposal.include)
            text = f"{check.name}: {' '.join(check.argv)} ({proposal.why}); not run"
            hint = "Put it into massgen.yaml, or use --detected-checks"
            if why:
                text, hint = f"{text}, for {why}", f"Install it. {hint}"
            findings.append(Finding("check", "note", text, hint))
    return findings


def _trust(folder: Path, loaded: Loaded) -> list[Finding]:
    """Whether the folder may have its way; what it would do when not."""
    from massgen_ls.wiring import claim_of, trust_gate

    claim = claim_of(folder, loaded)
    decision, known = trust_gate().look(claim, None)
    complaint = [Finding("trust", "note", known.complaint)] if known.complaint else []
    if decision.outcome == "trusted":
        return [*complaint, Finding("trust", "ok", f"{claim.folder} is trusted as it is")]
    if decision.outcome == "untrusted":
        return complaint
    wanted = UntrustedError(claim, decision)
    what = "; ".join(
        [*(f"{said} since you trusted it" for said in decision.changed)]
        + [power.shown for power in claim.powers]
    )
    return [*complaint, Finding("trust", "note", f"not trusted yet: {what}", wanted.hint)]


def _programs(env: Mapping[str, str]) -> Iterator[Finding]:
    for name, backend in _AGENT_PROGRAMS.items():
        path = shutil.which(name, path=env.get("PATH", os.defpath))
        if path:
            yield Finding("program", "note", f"{name} at {path}", f"Usable with `{backend}`")


def _keys(env: Mapping[str, str]) -> Iterator[Finding]:
    names = [name for name in KEYS if env.get(name)]
    # Names only: a value is never read further than to see that it is there.
    yield Finding(
        "keys", "note", f"set: {', '.join(names)}" if names else "none are set, none needed"
    )


def _editors(env: Mapping[str, str]) -> Iterator[Finding]:
    home = Path(env.get("HOME", "/nonexistent"))
    for program, name, files in _EDITORS:
        path = shutil.which(program, path=env.get("PATH", os.defpath))
        if path is None:
            continue
        if any(_mentions(home / file) for file in files):
            yield Finding("editor", "ok", f"{name} at {path}, configured for massgen")
        else:
            yield Finding("editor", "note", f"{name} at {path}", f"Set-up: {_GUIDES.get(program)}")


_GUIDES = {
    "nvim": "editors/nvim/README.md",
    "code": "any LSP client extension with the command `massgen-ls serve --stdio`",
    "hx": "editors/helix/README.md",
    "vim": "editors/vim/README.md",
    "emacs": "editors/emacs/README.md",
}


def _mentions(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return b"massgen" in stream.read(_LOOK)
    except OSError:
        return False


def _print(findings: list[Finding]) -> None:
    from rich.console import Console

    show(Console(highlight=False), findings)
    missing = to_mend(findings)
    end = f"[red]{missing}[/]" if missing else "[green]Ready.[/]"
    Console(highlight=False).print(f"\n{end}")


def show(console: Console, findings: list[Finding]) -> None:
    """The findings as a table, for people."""
    from rich.table import Table

    from massgen_ls.cli.shown import shown

    marks = {"ok": "[green]✓[/]", "note": "[yellow]·[/]", "bad": "[red]✗[/]"}
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    last = ""
    for finding in findings:
        text = shown(finding.text) + (f"\n[dim]{shown(finding.hint)}[/]" if finding.hint else "")
        table.add_row(marks[finding.mark], "" if finding.part == last else finding.part, text)
        last = finding.part
    console.print(table)
