"""``massgen-ls bugreport``: what a maintainer needs, and nothing private.

The report is put together from a list of what may be in it: versions, kinds, numbers, times. Texts
of tasks, of agents and of files, names of files, folders, agents and people are never in it, nor
is any value of the environment. It is meant to be read before it is given away.
"""

from __future__ import annotations

import asyncio
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from massgen_ls import __version__
from massgen_ls.adapters.host.sandbox import Sandbox
from massgen_ls.cli.exits import EXIT_WON
from massgen_ls.cli.options import BugreportOptions
from massgen_ls.cli.run import folder_of
from massgen_ls.core.errors import ConfigError, WorkspaceError
from massgen_ls.core.events import Envelope
from massgen_ls.core.run_state import RunState, fold
from massgen_ls.core.task import AgentSpec
from massgen_ls.wiring import open_supervisor

_PROGRAMS = ("git", "bwrap", "claude", "gemini", "codex", "node", "nvim", "code")
_RUNS = 10


def bugreport(options: BugreportOptions) -> int:
    """Writes the report to standard output, or to a file.

    Raises:
        WorkspaceError: The file is there already, or cannot be written.
    """
    folder = folder_of(options)
    text = "\n".join(asyncio.run(_lines(options, folder))) + "\n"
    if options.output is None:
        sys.stdout.write(text)
        return EXIT_WON
    try:
        with Path(options.output).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise WorkspaceError(f"{options.output} is there already", "Name another file") from error
    except OSError as error:
        raise WorkspaceError(f"{options.output} cannot be written: {error.strerror}") from error
    sys.stdout.write(f"Written to {options.output}. Read it before you give it away.\n")
    return EXIT_WON


async def _lines(options: BugreportOptions, folder: Path) -> list[str]:
    env = dict(os.environ)
    lines = [
        "# massgen-ls: report of a problem",
        "",
        "What happened, and what did you expect?",
        "",
        "(your words)",
        "",
        *_section("Versions", _versions()),
        *_section("Here", await asyncio.to_thread(_here, env)),
        *_section("Configuration", await asyncio.to_thread(_configuration, folder, options.config)),
    ]
    async with open_supervisor() as supervisor:
        if options.run:
            history = await supervisor.history(await supervisor.resolve(options.run))
            lines += _section("The run", [*_run(fold(e.event for e in history)), *_steps(history)])
            return lines
        for number, record in enumerate(await supervisor.runs(str(folder), _RUNS), 1):
            state = await supervisor.state(record.run)
            lines += _section(f"Run {number} of the newest here", _run(state))
    return lines


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    yield from (f"- {line}" for line in lines)
    yield ""


def _versions() -> Iterator[str]:
    yield f"massgen-ls {__version__}"
    yield f"{platform.python_implementation()} {platform.python_version()}"
    yield f"{platform.system()} {platform.release()} {platform.machine()}"
    for named in metadata.requires("massgen-ls") or ():
        name = re.split(r"[^\w.-]", named, maxsplit=1)[0]
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            yield f"{name}: not installed"


def _here(env: Mapping[str, str]) -> Iterator[str]:
    path = env.get("PATH", os.defpath)
    yield f"programs on PATH: {_named(p for p in _PROGRAMS if shutil.which(p, path=path))}"
    works = Sandbox.probe(env.get("HOME", ""), path).describe().works
    yield f"sandbox: {'works' if works else 'does not work'}; cores: {os.cpu_count()}"
    yield f"our variables that are set: {_named(n for n in env if n.startswith('MASSGEN_'))}"
    yield f"terminal: {sys.stdout.isatty()}; encoding: {sys.stdout.encoding}"


def _configuration(folder: Path, config: str | None) -> Iterator[str]:
    from massgen_ls.config import load

    try:
        loaded = load(folder, config)
    except ConfigError as error:
        # What it says may quote the file.
        yield f"cannot be used ({type(error).__name__})"
        return
    yield f"layers: {_named({file.author for file in loaded.files})}"
    for number, agent in enumerate(loaded.agents, 1):
        yield f"agent {number}: {_agent(agent)}"
    yield f"checks: {', '.join(check.parser for check in loaded.checks) or 'none'} (by parser)"
    rules = loaded.rules
    yield (
        f"mode {rules.mode}, agents {rules.agents} (at most {rules.max_agents or 'all'}), "
        f"sandbox {rules.sandbox}, quorum {rules.quorum}, attempt "
        f"{rules.attempt_timeout:.0f} s, run {rules.run_timeout:.0f} s, early exit "
        f"{rules.early_exit}, voting {rules.voting.rule} with {len(rules.voting.judges)} judges, "
        f"cross-tests {rules.cross_tests.enabled}"
    )


def _agent(agent: AgentSpec) -> str:
    keys = _named(agent.settings)
    then = f", else {_agent(agent.fallback)}" if agent.fallback else ""
    return f"{agent.type} with {keys or 'no settings'}; permissions {agent.permissions.mode}{then}"


def _run(state: RunState) -> Iterator[str]:
    verdict = state.verdict
    yield f"outcome: {verdict.outcome if verdict else 'unsettled'}"
    if state.spec is not None:
        yield f"mode {state.spec.rules.mode}, {len(state.spec.checks)} checks"
    for number, seat in enumerate(state.seats, 1):
        failed = f", {seat.failure}" if seat.failure is not None else ""
        yield (
            f"seat {number}: {seat.type or 'not begun'}, {seat.phase}, {seat.outcome or 'open'}"
            f"{failed}, attempt {seat.attempt}, {seat.seconds:.1f} s, "
            f"{'with' if seat.captured else 'without'} a candidate"
        )
    for number, candidate in enumerate(state.candidates, 1):
        files = candidate.changes.files
        added = sum(f.added or 0 for f in files)
        removed = sum(f.removed or 0 for f in files)
        yield f"candidate {number}: {len(files)} files, +{added} -{removed} lines"
    results = [checked.result.outcome for checked in state.checked]
    yield f"results of checks: {_counted(results)}; cross-tests: {len(state.crossed)}"
    said = f"deliveries: {len(state.deliveries)}; notices: {len(state.notices)}"
    yield f"ballots: {len(state.ballots)}; {said}"
    if state.failure:
        yield "the run failed by a fault of ours"


def _steps(history: Sequence[Envelope]) -> Iterator[str]:
    """What happened when, by kind alone."""
    for envelope in history:
        yield f"{envelope.time - history[0].time:9.3f} s  {type(envelope.event).__name__}"


def _named(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _counted(outcomes: Sequence[str]) -> str:
    kinds = sorted(set(outcomes))
    return ", ".join(f"{outcomes.count(kind)} {kind}" for kind in kinds) or "none"
