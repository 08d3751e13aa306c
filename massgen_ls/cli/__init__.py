"""The command line. Parsing here imports nothing heavy; each command imports what it uses."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from massgen_ls import __version__
from massgen_ls.cli.config import add_parser as add_config_parser
from massgen_ls.core.errors import (
    AttachmentError,
    ConfigError,
    MassgenError,
    NotFoundError,
    WorkspaceError,
)

if TYPE_CHECKING:
    from massgen_ls.core.task import Mode, VotingRule

EXIT_WON = 0
EXIT_INTERNAL = 1
EXIT_USAGE = 2
EXIT_NO_CANDIDATE = 3
EXIT_ABSTAINED = 4
EXIT_CANCELLED = 5
EXIT_NOT_APPLIED = 6
EXIT_INCOMPLETE = 7
EXIT_PIPE = 141

EXIT_CODES = """\
exit codes:
  0  a candidate won (and was applied, when that was asked for)
  1  internal error
  2  usage or configuration: nothing was started
  3  no agent produced a candidate
  4  no winner among the candidates: none passes the gates (abstained), or none is ahead of the
     others by the margin that is asked for (tied)
  5  cancelled or out of time
  6  a candidate won, and could not be applied as a whole (conflicts, unwritable files)
"""

EVALUATE_EXIT_CODES = """\
exit codes:
  0  every case was measured, or as many cases were built as were asked for
  1  internal error
  2  usage, or no case could be measured or built at all
  5  stopped; what was measured until then is told
  7  some cases could not be measured (each says why), or fewer were built than were asked for
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What every command gets."""

    command: str
    prompt: str = ""
    run: str = ""
    config: str | None = None
    repo: str | None = None
    scope: str | None = None
    agents: str | None = None
    candidate: str | None = None
    mode: Mode | None = None
    apply: bool = False
    partial: bool = False
    dry_run: bool = False
    json: bool = False
    markdown: bool = False
    diff: bool = False
    all: bool = False
    detected_checks: bool = False
    limit: int = 20
    log_level: str | None = None
    log_file: str | None = None
    log_format: str | None = None
    context: str | None = None
    attach: Sequence[str] = ()
    transcript: str | None = None
    dir: str | None = None
    list: bool = False
    show: bool = False
    revoke: bool = False
    trust: bool = False
    action: str = ""
    profile: str | None = None
    origin: bool = False
    cases: str | None = None
    rules: tuple[VotingRule, ...] = ()
    early_exit: bool = False
    jobs: int = 1
    from_history: str | None = None
    revision: str = "HEAD"
    count: int = 12
    seed: int = 0
    output: str | None = None
    check: str | None = None
    build_only: bool = False
    file: str = ""
    force: bool = False
    yes: bool = False
    user: bool = False
    template: str | None = None
    checks: str | None = None
    name: str | None = None


def parser() -> argparse.ArgumentParser:
    """The arguments of every command."""
    top = argparse.ArgumentParser(
        prog="massgen-ls",
        description="A team of coding agents for your editor and your terminal.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"massgen-ls {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    run = commands.add_parser(
        "run",
        help="let the team work on a task and show the winning diff",
        description="Lets the team work on a task in isolated worktrees of a snapshot of your"
        " working tree, checks and compares what they made, and shows the winning diff.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("prompt", help="the task, in your words")
    _config_and_repo(run)
    run.add_argument(
        "--agents",
        metavar="NAMES|FILE",
        help="comma-separated ids of configured agents, or a configuration file with a team",
    )
    run.add_argument("--scope", metavar="FILE[:L1-L2]", help="the file, or lines of it, to work on")
    run.add_argument("--mode", choices=["best_of_n", "consensus"], help="how the winner is found")
    run.add_argument(
        "--detected-checks",
        action="store_true",
        help="also run the checks that this project seems to have (`massgen-ls doctor` lists them)",
    )
    run.add_argument(
        "--context",
        metavar="RUN[/AGENT]",
        help="tell the agents what those of an earlier run, or one of them, said and did",
    )
    run.add_argument(
        "--attach",
        metavar="FILE",
        action="append",
        default=[],
        help="a picture for the agents (PNG, JPEG, GIF, WebP); may be given several times",
    )
    run.add_argument(
        "--trust", action="store_true", help="trust this folder's configuration for this run alone"
    )
    run.add_argument("--apply", action="store_true", help="merge the winner into the working tree")
    run.add_argument("--json", action="store_true", help="one event a line on standard output")

    runs = commands.add_parser("runs", help="list the runs of this folder")
    runs.add_argument("--repo", metavar="DIR", help="another folder than the current one")
    runs.add_argument("--all", action="store_true", help="those of every folder")
    runs.add_argument("--limit", type=_positive, default=20, metavar="N", help="at most N (20)")
    runs.add_argument("--json", action="store_true", help="one run a line, for programs")

    stats = commands.add_parser("stats", help="say which agents win, and what became of their work")
    stats.add_argument("--repo", metavar="DIR", help="another folder than the current one")
    stats.add_argument("--all", action="store_true", help="the runs of every folder")
    stats.add_argument(
        "--limit", type=_positive, default=200, metavar="N", help="of the N newest runs (200)"
    )
    stats.add_argument("--json", action="store_true", help="one agent a line, for programs")

    show = commands.add_parser("show", help="show a run: agents, checks, verdict, winning diff")
    show.add_argument("run", metavar="RUN", help="its id, or the beginning of it")
    show.add_argument("--candidate", metavar="ID", help="show this candidate's diff")
    show.add_argument("--diff", action="store_true", help="nothing but the diff")
    show.add_argument(
        "--transcript", metavar="AGENT", help="nothing but what this agent said and did"
    )
    show.add_argument(
        "--markdown", action="store_true", help="the verdict with all that led to it, without diffs"
    )
    show.add_argument("--json", action="store_true", help="for programs")

    apply = commands.add_parser("apply", help="merge a run's winner into the working tree")
    apply.add_argument("run", metavar="RUN", help="its id, or the beginning of it")
    apply.add_argument("--candidate", metavar="ID", help="this candidate instead of the winner")
    apply.add_argument(
        "--partial",
        action="store_true",
        help="of files with conflicts, merge what fits and leave out the rest",
    )
    apply.add_argument("--json", action="store_true", help="for programs")

    cancel = commands.add_parser("cancel", help="cancel a run, also one of another program")
    cancel.add_argument("run", metavar="RUN", help="its id, or the beginning of it")

    clean = commands.add_parser("clean", help="free what only forgotten runs needed")
    clean.add_argument("--dry-run", action="store_true", help="only say what would be freed")
    clean.add_argument("--json", action="store_true", help="for programs")

    _init(
        commands.add_parser(
            "init",
            help="propose a team and checks for this project, and write massgen.yaml",
            description="Looks for coding agents, keys (by name), model servers of this machine"
            " (a connection to 127.0.0.1, nothing else) and the project's checks; proposes a team,"
            " asks, writes a commented file, and says whether the team could work now.",
        )
    )

    doctor = commands.add_parser("doctor", help="say what was found here and what to do")
    _config_and_repo(doctor)
    doctor.add_argument("--json", action="store_true", help="for programs")

    trust = commands.add_parser(
        "trust",
        help="let a folder's configuration and agents' project settings have their way",
        description="Trusts a folder as it is now: its configuration may name programs, addresses"
        " and permissions, and agents obey its own settings. Any change asks again.",
    )
    trust.add_argument("dir", nargs="?", metavar="DIR", help="the folder (the current one)")
    trust.add_argument("--list", action="store_true", help="list the folders that are trusted")
    trust.add_argument("--show", action="store_true", help="only show what would be trusted")
    trust.add_argument("--revoke", action="store_true", help="take it back, for the repository")
    trust.add_argument("--json", action="store_true", help="for programs")
    _evaluate(
        commands.add_parser(
            "evaluate",
            help="measure on recorded cases how good the choice is",
            description="Replays recorded candidates as agents, lets the real selection choose, and"
            " says how much of the gap between one agent and a perfect choice it closes. Nothing of"
            " it enters your record of runs. See docs/selection.md.",
            epilog=EVALUATE_EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    )

    report = commands.add_parser(
        "bugreport",
        help="collect what a maintainer needs to know of a problem, and nothing private",
        description="Collects versions, kinds, numbers and times; no texts, names, paths or keys."
        " Read it before you give it away.",
    )
    report.add_argument("run", nargs="?", metavar="RUN", help="only this run, step by step")
    report.add_argument("--output", metavar="FILE", help="instead of standard output")
    _config_and_repo(report)

    commands.add_parser(
        "demo",
        help="show the main job on a sample repository",
        description="Makes a small repository in a temporary folder and runs the offline team on it"
        " through the language server. Needs no key and no network.",
    )

    add_config_parser(commands, _config_and_repo)

    serve = commands.add_parser("serve", help="the language server, on standard input and output")
    serve.add_argument("--stdio", action="store_true", help="the default; editors send it")
    serve.add_argument("--clientProcessId", metavar="PID", help=argparse.SUPPRESS)
    _config_and_repo(serve)
    for command in (top, *commands.choices.values()):
        _logging(command)
    return top


def _init(command: argparse.ArgumentParser) -> None:
    team = command.add_mutually_exclusive_group()
    team.add_argument(
        "--agents",
        metavar="NAMES",
        help="one for each seat, e.g. claude_code,claude_code,gemini_cli; or `offline`",
    )
    team.add_argument(
        "--template", metavar="NAME", help="a ready team; `config templates` lists them"
    )
    command.add_argument(
        "--checks", metavar="NAMES", help="of those that are found; `detected` is all, or `none`"
    )
    command.add_argument("--user", action="store_true", help="your own file, for all projects")
    command.add_argument("--output", metavar="FILE", help="instead of massgen.yaml")
    command.add_argument("--force", action="store_true", help="replace a file that is there")
    command.add_argument("--yes", action="store_true", help="ask nothing, take what is proposed")
    command.add_argument("--trust", action="store_true", help="trust what else the folder wants")
    command.add_argument("--repo", metavar="DIR", help="another folder than the current one")
    command.add_argument("--json", action="store_true", help="for programs; asks nothing")


def _evaluate(command: argparse.ArgumentParser) -> None:
    command.add_argument("cases", metavar="DIR", nargs="?", help="a case, or a folder of cases")
    command.add_argument(
        "--rule",
        dest="rules",
        action="append",
        choices=["pairwise", "score", "plurality", "evidence-only"],
        help="how judges are asked; may be given several times, to compare (as configured)",
    )
    command.add_argument(
        "--config", metavar="FILE", help="a configuration: its judges and its rules"
    )
    command.add_argument(
        "--early-exit",
        action="store_true",
        help="end a run when more than half of its agents agree, as runs do; else all are heard",
    )
    command.add_argument(
        "--jobs", type=_positive, default=1, metavar="N", help="cases at the same time (1)"
    )
    command.add_argument("--json", action="store_true", help="for programs")
    history = command.add_argument_group("cases out of a repository's past fixes")
    history.add_argument(
        "--from-history",
        metavar="REPO",
        nargs="?",
        const=".",
        help="build cases of commits that change Python code and tests (of the current folder)",
    )
    history.add_argument("--repo", metavar="DIR", help="the same as --from-history DIR")
    history.add_argument(
        "--revision", default="HEAD", metavar="REV", help="look at its commits and older (HEAD)"
    )
    history.add_argument("--count", type=_positive, default=12, metavar="N", help="at most N (12)")
    history.add_argument("--seed", type=int, default=0, metavar="S", help="what is drawn (0)")
    history.add_argument(
        "--check", metavar="COMMAND", help="the project's tests, e.g. 'python -m pytest -q'"
    )
    history.add_argument("--output", metavar="DIR", help="keep the cases there")
    history.add_argument("--build-only", action="store_true", help="do not measure them")


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1")
    return int(text)


def _logging(command: argparse.ArgumentParser) -> None:
    # Given before or after the command, they are the same; a default would undo what came before.
    log = command.add_argument_group("log", argument_default=argparse.SUPPRESS)
    log.add_argument(
        "--log-level",
        metavar="LEVEL",
        help="error, warning (default), info or debug; single rooms: info,engine=debug",
    )
    log.add_argument("--log-file", metavar="FILE", help="instead of standard error")
    log.add_argument("--log-format", choices=["text", "json"], help="text (default) or json")


def _config_and_repo(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", metavar="FILE", help="a configuration file")
    command.add_argument("--profile", metavar="NAME", help="a profile of the configuration")
    command.add_argument("--repo", metavar="DIR", help="another folder than the current one")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    given = parser().parse_args(argv)
    known = Options.__dataclass_fields__
    options = Options(**{k: v for k, v in vars(given).items() if k in known and v is not None})
    _leave_folder_out()
    try:
        if options.command == "serve":
            return _dispatch(options)  # its log is opened when the editor has its first answer
        with logged(options):
            return _dispatch(options)
    except (ConfigError, WorkspaceError, NotFoundError, AttachmentError) as error:
        _complain(error)
        return EXIT_USAGE
    except MassgenError as error:
        _complain(error)
        return EXIT_INTERNAL
    except KeyboardInterrupt:
        return EXIT_CANCELLED
    except (OSError, ExceptionGroup) as error:
        return _unwritable(error)


def logged(options: Options) -> AbstractContextManager[None]:
    """The log, as the options and the environment want it; keys are no part of it.

    Raises:
        ConfigError: A word is none of those that there are, or the file cannot be written.
    """
    from massgen_ls.adapters.host.logs import log_rules, open_log
    from massgen_ls.core.secrets import Hidden, secrets_of

    rules = log_rules(os.environ, options.log_level, options.log_file, options.log_format)
    return open_log(rules, Hidden(secrets_of(os.environ), shapes=True))


def _leave_folder_out() -> None:
    """Sees to it that no program is taken from the current folder, by whatever looks on PATH."""
    from massgen_ls.adapters.host.programs import absolute

    os.environ["PATH"] = absolute(os.environ.get("PATH", os.defpath))


def _unwritable(error: OSError | ExceptionGroup[Exception]) -> int:
    """The end when standard output is closed or full; any other error goes on."""
    group = error if isinstance(error, ExceptionGroup) else ExceptionGroup("", [error])
    closed = group.subgroup(BrokenPipeError)
    full = group.subgroup(lambda e: isinstance(e, OSError) and e.errno == errno.ENOSPC)
    if closed is None and full is None:
        raise error
    # Python would complain once more when it flushes at the exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if closed is not None:
        return EXIT_PIPE  # whoever read our output has enough
    sys.stderr.write("massgen-ls: standard output cannot be written: no space left\n")
    return EXIT_INTERNAL


def _dispatch(options: Options) -> int:
    match options.command:
        case "run":
            from massgen_ls.cli.run import run

            return run(options)
        case "serve":
            from massgen_ls.cli.serve import serve

            return serve(options)
        case "trust":
            from massgen_ls.cli.trust import trust

            return trust(options)
        case "config":
            from massgen_ls.cli.config import config

            return config(options)
        case "bugreport":
            from massgen_ls.cli.bugreport import bugreport

            return bugreport(options)
        case "demo":
            from massgen_ls.cli.demo import demo

            return demo(options)
        case "stats":
            from massgen_ls.cli.stats import stats

            return stats(options)
        case "clean":
            from massgen_ls.cli.clean import clean

            return clean(options)
        case "evaluate":
            from massgen_ls.cli.evaluate import evaluate

            return evaluate(options)
        case "init":
            from massgen_ls.cli.init import init

            return init(options)
        case "doctor":
            from massgen_ls.cli.doctor import doctor

            return doctor(options)
        case _:
            from massgen_ls.cli.runs import command

            return command(options)


def _complain(error: MassgenError) -> None:
    sys.stderr.write(f"massgen-ls: {error.what}\n")
    if error.hint:
        sys.stderr.write(f"  {error.hint}\n")
