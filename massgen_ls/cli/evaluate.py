"""``massgen-ls evaluate``: how good the choice is, on recorded cases."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from massgen_ls.adapters.host.places import Places
from massgen_ls.cli.exits import EXIT_CANCELLED, EXIT_INCOMPLETE, EXIT_USAGE, EXIT_WON
from massgen_ls.cli.options import EvaluateOptions
from massgen_ls.cli.shown import shown
from massgen_ls.config import load
from massgen_ls.core.errors import ConfigError, MassgenError, WorkspaceError
from massgen_ls.core.evaluation import CaseResult, Summary, summary
from massgen_ls.core.task import CheckSpec, Json, Rules, VotingRule
from massgen_ls.core.wire import to_json
from massgen_ls.core.wording import counted
from massgen_ls.evaluation.cases import BadCaseError, case_folders, read_case
from massgen_ls.evaluation.replay import WITHOUT_CROSS_TESTS, Replay, Replayed
from massgen_ls.evaluation.repositories import Repositories
from massgen_ls.ports import Processes
from massgen_ls.wiring import open_processes, open_supervisor

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from rich.console import Console


@dataclass
class _Found:
    """What is measured so far, by the case's place in the list."""

    done: dict[int, Replayed] = field(default_factory=dict[int, Replayed])
    bad: dict[int, str] = field(default_factory=dict[int, str])
    seconds: float = 0.0


def evaluate(options: EvaluateOptions) -> int:
    """Measures selection on the cases of a folder, or on those that it builds first."""
    if options.from_history is None and options.cases is None:
        raise ConfigError("No cases are named", "Give a folder with cases, or --from-history")
    rules = _rules(options)
    if options.from_history is None:
        return _measured(options, rules, Path(options.cases or "."))
    if options.cases is not None or (options.build_only and options.output is None):
        raise ConfigError(
            "--from-history builds cases of its own", "Give --output DIR to keep them there"
        )
    with tempfile.TemporaryDirectory(prefix="massgen-ls-cases-") as folder:
        into = Path(options.output or folder).resolve()
        try:
            built = asyncio.run(_built(options, into))
        except (KeyboardInterrupt, asyncio.CancelledError):
            return EXIT_CANCELLED
        if options.build_only or not built:
            if not built:
                sys.stderr.write("massgen-ls: no case could be built\n")
            code = EXIT_WON if built >= options.count else EXIT_INCOMPLETE
            return code if built else EXIT_USAGE
        code = _measured(options, rules, into)
        return code if built >= options.count else (code or EXIT_INCOMPLETE)


async def _built(options: EvaluateOptions, into: Path) -> int:
    """Builds cases and says what was skipped and why; how many there are."""
    from massgen_ls.adapters.checks.command import CommandChecker
    from massgen_ls.adapters.checks.detect import detect
    from massgen_ls.evaluation.history import History, SkippedError

    where = Path(os.path.abspath(options.repo or options.from_history or "."))
    try:
        words = shlex.split(options.check or "")
    except ValueError as error:
        raise ConfigError(f"--check cannot be taken apart: {error}", "Close its quotes") from error
    check = CheckSpec("tests", tuple(words)) if words else None

    def tests_of(folder: Path) -> CheckSpec | None:
        named = [found.check for found in detect(folder) if "test" in found.check.name]
        return named[0] if named else None

    built = 0
    async with _world() as (processes, repositories, top, environ):
        checker = CommandChecker(processes, environ, sys.executable)
        history = History(repositories, checker, where, check, tests_of, options.seed, top)
        fixes = await history.fixes(options.revision)
        _tell(f"{where}: {counted(len(fixes), 'commit')} change code and tests")
        for fix in fixes:
            if built >= options.count:
                break
            try:
                folder = await history.build(fix, into)
            except (SkippedError, MassgenError) as error:
                _tell(f"  {fix.commit[:10]} skipped: {error}")
                continue
            built += 1
            _tell(f"  {fix.commit[:10]} built: {folder.name} ({built} of {options.count})")
    return built


def _measured(options: EvaluateOptions, rules: Rules, top: Path) -> int:
    top = top.resolve()
    if not top.is_dir():
        raise WorkspaceError(f"{top} is not a folder", "Give a folder with cases")
    folders = case_folders(top)
    if not folders:
        raise WorkspaceError(
            f"There is no case in {top}",
            "A case is a folder with instance.json; `evaluate --from-history` builds some",
        )
    ways = tuple(dict.fromkeys(options.rules)) or (rules.voting.rule,)
    _say_what_needs_judges(rules, ways)
    found = _Found()
    stopped = False
    try:
        asyncio.run(_measure(folders, rules, ways, options.jobs, found))
    except (KeyboardInterrupt, asyncio.CancelledError):
        stopped = True  # what is measured is told all the same
    results = {way: [found.done[n].results[way] for n in sorted(found.done)] for way in _all(ways)}
    if options.json:
        sys.stdout.write(json.dumps(_body(folders, found, results, ways), indent=1) + "\n")
    else:
        _print(found, results, ways)
    if stopped:
        sys.stderr.write("massgen-ls: stopped; the numbers are of the cases that were measured\n")
        return EXIT_CANCELLED
    if not found.done:
        return EXIT_USAGE
    return EXIT_INCOMPLETE if found.bad else EXIT_WON


def _rules(options: EvaluateOptions) -> Rules:
    """The rules of a configuration, or the usual ones; every candidate is heard unless asked."""
    rules = Rules()
    if options.config:
        rules = load(Path.cwd(), options.config).rules
        if rules.mode != "best_of_n":
            raise ConfigError(
                "Recorded candidates can only be chosen among", "Use `mode: best_of_n`"
            )
    # Of a fused candidate nobody knows whether it is right. Recorded agents have no record.
    return replace(
        rules, early_exit=options.early_exit, fusion=False, agents="listed", max_agents=None
    )


def _say_what_needs_judges(rules: Rules, ways: Sequence[VotingRule]) -> None:
    asked = [way for way in ways if way != "evidence-only"]
    if asked and not rules.voting.judges:
        sys.stderr.write(
            f"massgen-ls: no judges are configured, so {' and '.join(asked)} can only decide by the"
            " evidence. Name some with --config FILE (orchestrator.voting.judges).\n"
        )


def _all(ways: Sequence[VotingRule]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*ways, WITHOUT_CROSS_TESTS)))


async def _measure(
    folders: Sequence[Path],
    rules: Rules,
    ways: Sequence[VotingRule],
    jobs: int,
    found: _Found,
) -> None:
    started = time.monotonic()
    turns = asyncio.Semaphore(jobs)
    try:
        async with _world() as (_, repositories, top, environ):
            replay = Replay(repositories, open_supervisor, environ, rules, ways)

            async def one(number: int) -> None:
                async with turns:
                    await _one(replay, folders, number, top, found)

            async with asyncio.TaskGroup() as group:
                for number in range(len(folders)):
                    group.create_task(one(number))
    finally:
        found.seconds = time.monotonic() - started


async def _one(
    replay: Replay, folders: Sequence[Path], number: int, top: Path, found: _Found
) -> None:
    folder = folders[number]
    told = f"[{number + 1}/{len(folders)}] {folder.name}"
    try:
        case = await asyncio.to_thread(read_case, folder)
        replayed = await replay.case(case, top / str(number))
    except BadCaseError as error:
        found.bad[number] = str(error)
        _tell(f"{told}: not measured: {error}")
        return
    found.done[number] = replayed
    first = next(iter(replayed.results.values()))
    word = "nothing" if first.chosen is None else first.chosen
    right = "right" if first.selected else "wrong" if first.chosen else "abstained"
    _tell(f"{told}: {word} ({right}), {counted(replayed.checks, 'check run')}, "
          f"{replayed.seconds:.1f} s")  # fmt: skip
    for note in replayed.notes:
        _tell(f"  {note}")


def _tell(line: str) -> None:
    from massgen_ls.cli.shown import harmless

    sys.stderr.write(harmless(line.replace("\n", " ")) + "\n")
    sys.stderr.flush()


@asynccontextmanager
async def _world() -> AsyncGenerator[tuple[Processes, Repositories, Path, Mapping[str, str]]]:
    """A place of our own: nothing is written into the user's record, cache or repositories."""
    with tempfile.TemporaryDirectory(
        prefix="massgen-ls-evaluate-", ignore_cleanup_errors=True
    ) as folder:
        top = Path(folder).resolve()
        environ = {**os.environ, "MASSGEN_LS_STATE": str(top / "state")}
        task = asyncio.current_task()
        assert task is not None, "commands run in tasks"
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        async with open_processes(environ, Places.of(environ)) as processes:
            yield processes, Repositories(processes, top, environ), top, environ


# ── what is told ────────────────────────────────────────────────────────────────────────────────


def _body(
    folders: Sequence[Path],
    found: _Found,
    results: Mapping[str, Sequence[CaseResult]],
    ways: Sequence[VotingRule],
) -> dict[str, Json]:
    first = summary(results[ways[0]])
    per_case: list[Json] = [
        {"id": folder.name, "error": found.bad[n]}
        if n in found.bad
        else _case_json(found.done[n], ways[0])
        for n, folder in enumerate(folders)
        if n in found.bad or n in found.done
    ]
    return {
        **_summary_json(first),
        "rule": ways[0],
        "rules": {way: _summary_json(summary(cases)) for way, cases in results.items()},
        "failed": len(found.bad),
        "checks_run": sum(r.checks for r in found.done.values()),
        "wall_seconds": round(found.seconds, 3),
        "per_case": per_case,
    }


def _summary_json(told: Summary) -> dict[str, Json]:
    return {
        "cases": told.cases,
        "mean": told.mean,
        "oracle": told.oracle,
        "random": told.random,
        "majority": told.majority,
        "selected": told.selected,
        "gap_closed": told.gap_closed,
        "majority_gap_closed": told.majority_gap_closed,
        "abstained": told.abstained,
        "abstention_precision": told.abstention_precision,
    }


def _case_json(replayed: Replayed, way: str) -> dict[str, Json]:
    case, found = replayed.results[way], replayed.verdicts[way]
    groups = {choice: n for n, choice in enumerate(dict.fromkeys(t.choice for t in case.trials))}
    return {
        "id": case.id,
        "chosen": case.chosen,
        "selected": float(case.selected),
        "outcome": found.outcome,
        "why": found.why,
        "mean": float(case.mean),
        "oracle": float(case.oracle),
        "random": float(case.random),
        "majority": float(case.majority),
        "rules": {name: result.chosen for name, result in replayed.results.items()},
        "candidates": [
            {
                "name": trial.name,
                "resolved": trial.resolved,
                "applied": bool(trial.choice),
                "group": groups[trial.choice] if trial.choice else None,
            }
            for trial in case.trials
        ],
        "support": to_json(replayed.support),
        "notes": [*replayed.notes],
        "checks_run": replayed.checks,
        "wall_seconds": round(replayed.seconds, 3),
    }


def _print(
    found: _Found, results: Mapping[str, Sequence[CaseResult]], ways: Sequence[VotingRule]
) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    told = {way: summary(cases) for way, cases in results.items()}
    first = told[ways[0]]
    if not first.cases:
        console.print("No case could be measured.")
        return
    _table(console, told, first)
    failed = f", {counted(len(found.bad), 'case')} not measured" if found.bad else ""
    checks = sum(r.checks for r in found.done.values())
    console.print(
        f"\n{counted(first.cases, 'case')}{failed}; {counted(checks, 'check run')}, "
        f"{found.seconds:.1f} s in all"
    )


def _table(console: Console, told: Mapping[str, Summary], first: Summary) -> None:
    from rich.table import Table

    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for title in ("choice", "resolved", "gap closed", "abstained", "of these rightly"):
        table.add_column(title)
    table.add_row("mean of single agents", f"{first.mean:.1%}", _share(0.0), "–", "–")
    table.add_row("random candidate", f"{first.random:.1%}", "–", "–", "–")
    majority = _share(first.majority_gap_closed)
    table.add_row("majority of equal changes", f"{first.majority:.1%}", majority, "–", "–")
    for way, one in [*told.items()][::-1]:
        name = f"[bold]{shown(way)}[/]" if one is first else shown(way)
        right = _share(one.abstention_precision)
        table.add_row(
            name, f"{one.selected:.1%}", _share(one.gap_closed), str(one.abstained), right
        )
    table.add_row("oracle", f"{first.oracle:.1%}", _share(1.0), "–", "–")
    console.print(table)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
