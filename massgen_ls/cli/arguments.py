"""The arguments of every command. Parsing imports nothing heavy."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from massgen_ls import __version__
from massgen_ls.cli import options
from massgen_ls.cli.exits import EVALUATE_EXIT_CODES, EXIT_CODES
from massgen_ls.cli.options import Options

_MODES = ["best_of_n", "consensus"]


def parse(argv: Sequence[str] | None) -> Options:
    """What a command line says; None is that of this process.

    Raises:
        SystemExit: It asks for help, or cannot be understood: the reason is written.
    """
    given = vars(parser().parse_args(argv))
    kind: type[Options] = given["options"]
    names = [field.name for field in fields(kind)]
    return kind(**{name: given[name] for name in names if given.get(name) is not None})


def parser() -> argparse.ArgumentParser:
    """The arguments of every command."""
    top = argparse.ArgumentParser(
        prog="massgen-ls",
        description="A team of coding agents for your editor and your terminal.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"massgen-ls {__version__}")
    group = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands = _Commands(group)
    _run(commands)
    _records(commands)
    _one_run(commands)
    _machine(commands)
    _init(commands)
    _trust(commands)
    _evaluate(commands)
    _reports(commands)
    _config(commands)
    _serve(commands)
    for command in (top, *group.choices.values()):
        _logging(command)
    return top


class _Commands:
    """A group of commands, each with the class that takes what it is given."""

    def __init__(
        self,
        group: argparse._SubParsersAction[argparse.ArgumentParser],  # pyright: ignore[reportPrivateUsage] # argparse has no public name for it
    ) -> None:
        self._group = group

    def add(
        self, name: str, kind: type[Options], about: str, description: str = "", codes: str = ""
    ) -> argparse.ArgumentParser:
        """One command: ``about`` stands in the list, ``description`` in its own help.

        With ``codes``, a list that stays as it is, so does the description: lines of at most 80.
        """
        given: dict[str, Any] = {"description": description} if description else {}
        if codes:
            given |= {"epilog": codes, "formatter_class": argparse.RawDescriptionHelpFormatter}
        command = self._group.add_parser(name, help=about, **given)
        command.set_defaults(options=kind)
        return command

    def group(self, name: str, about: str) -> _Commands:
        """Commands below a command."""
        above = self._group.add_parser(name, help=about)
        return _Commands(above.add_subparsers(dest="action", metavar="ACTION", required=True))


# ── what several take ───────────────────────────────────────────────────────────────────────────


def _folder(command: argparse.ArgumentParser) -> None:
    command.add_argument("--repo", metavar="DIR", help="another folder than the current one")


def _configured(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", metavar="FILE", help="a configuration file")
    command.add_argument("--profile", metavar="NAME", help="a profile of the configuration")
    _folder(command)


def _json(command: argparse.ArgumentParser, about: str = "for programs") -> None:
    command.add_argument("--json", action="store_true", help=about)


def _named_run(command: argparse.ArgumentParser) -> None:
    command.add_argument("run", metavar="RUN", help="its id, or the beginning of it")


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


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1")
    return int(text)


# ── the commands ────────────────────────────────────────────────────────────────────────────────


def _run(commands: _Commands) -> None:
    command = commands.add(
        "run",
        options.RunOptions,
        "let the team work on a task and show the winning diff",
        "Lets the team work on a task in isolated worktrees of a snapshot of your\n"
        "working tree, checks and compares what they made, and shows the winning diff.",
        EXIT_CODES,
    )
    command.add_argument("prompt", help="the task, in your words")
    _configured(command)
    command.add_argument(
        "--agents",
        metavar="NAMES|FILE",
        help="comma-separated ids of configured agents, or a configuration file with a team",
    )
    command.add_argument(
        "--scope", metavar="FILE[:L1-L2]", help="the file, or lines of it, to work on"
    )
    command.add_argument("--mode", choices=_MODES, help="how the winner is found")
    command.add_argument(
        "--detected-checks",
        action="store_true",
        help="also run the checks that this project seems to have (`massgen-ls doctor` lists them)",
    )
    command.add_argument(
        "--context",
        metavar="RUN[/AGENT]",
        help="tell the agents what those of an earlier run, or one of them, said and did",
    )
    command.add_argument(
        "--attach",
        metavar="FILE",
        action="append",
        help="a picture for the agents (PNG, JPEG, GIF, WebP); may be given several times",
    )
    command.add_argument(
        "--trust", action="store_true", help="trust this folder's configuration for this run alone"
    )
    command.add_argument(
        "--apply", action="store_true", help="merge the winner into the working tree"
    )
    _json(command, "one event a line on standard output")


def _records(commands: _Commands) -> None:
    runs = commands.add("runs", options.RunsOptions, "list the runs of this folder")
    _folder(runs)
    runs.add_argument("--all", action="store_true", help="those of every folder")
    runs.add_argument("--limit", type=_positive, default=20, metavar="N", help="at most N (20)")
    _json(runs, "one run a line, for programs")

    stats = commands.add(
        "stats", options.StatsOptions, "say which agents win, and what became of their work"
    )
    _folder(stats)
    stats.add_argument("--all", action="store_true", help="the runs of every folder")
    stats.add_argument(
        "--limit", type=_positive, default=200, metavar="N", help="of the N newest runs (200)"
    )
    _json(stats, "one agent a line, for programs")


def _one_run(commands: _Commands) -> None:
    show = commands.add(
        "show", options.ShowOptions, "show a run: agents, checks, verdict, winning diff"
    )
    _named_run(show)
    show.add_argument("--candidate", metavar="ID", help="show this candidate's diff")
    show.add_argument("--diff", action="store_true", help="nothing but the diff")
    show.add_argument(
        "--transcript", metavar="AGENT", help="nothing but what this agent said and did"
    )
    show.add_argument(
        "--markdown", action="store_true", help="the verdict with all that led to it, without diffs"
    )
    _json(show)

    apply = commands.add(
        "apply", options.ApplyOptions, "merge a run's winner into the working tree"
    )
    _named_run(apply)
    apply.add_argument("--candidate", metavar="ID", help="this candidate instead of the winner")
    apply.add_argument(
        "--partial",
        action="store_true",
        help="of files with conflicts, merge what fits and leave out the rest",
    )
    _json(apply)

    _named_run(
        commands.add("cancel", options.CancelOptions, "cancel a run, also one of another program")
    )


def _machine(commands: _Commands) -> None:
    clean = commands.add("clean", options.CleanOptions, "free what only forgotten runs needed")
    clean.add_argument("--dry-run", action="store_true", help="only say what would be freed")
    _json(clean)

    doctor = commands.add("doctor", options.DoctorOptions, "say what was found here and what to do")
    _configured(doctor)
    _json(doctor)


def _init(commands: _Commands) -> None:
    command = commands.add(
        "init",
        options.InitOptions,
        "propose a team and checks for this project, and write massgen.yaml",
        "Looks for coding agents, keys (by name), model servers of this machine (a connection to"
        " 127.0.0.1, nothing else) and the project's checks; proposes a team, asks, writes a"
        " commented file, and says whether the team could work now.",
    )
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
    _folder(command)
    _json(command, "for programs; asks nothing")


def _trust(commands: _Commands) -> None:
    command = commands.add(
        "trust",
        options.TrustOptions,
        "let a folder's configuration and agents' project settings have their way",
        "Trusts a folder as it is now: its configuration may name programs, addresses and"
        " permissions, and agents obey its own settings. Any change asks again.",
    )
    command.add_argument("dir", nargs="?", metavar="DIR", help="the folder (the current one)")
    command.add_argument("--list", action="store_true", help="list the folders that are trusted")
    command.add_argument("--show", action="store_true", help="only show what would be trusted")
    command.add_argument("--revoke", action="store_true", help="take it back, for the repository")
    _json(command)


def _evaluate(commands: _Commands) -> None:
    command = commands.add(
        "evaluate",
        options.EvaluateOptions,
        "measure on recorded cases how good the choice is",
        "Replays recorded candidates as agents, lets the real selection choose, and says\n"
        "how much of the gap between one agent and a perfect choice it closes. Nothing of\n"
        "it enters your record of runs. See docs/selection.md.",
        EVALUATE_EXIT_CODES,
    )
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
    _json(command)
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


def _reports(commands: _Commands) -> None:
    command = commands.add(
        "bugreport",
        options.BugreportOptions,
        "collect what a maintainer needs to know of a problem, and nothing private",
        "Collects versions, kinds, numbers and times; no texts, names, paths or keys."
        " Read it before you give it away.",
    )
    command.add_argument("run", nargs="?", metavar="RUN", help="only this run, step by step")
    command.add_argument("--output", metavar="FILE", help="instead of standard output")
    _configured(command)

    commands.add(
        "demo",
        options.DemoOptions,
        "show the main job on a sample repository",
        "Makes a small repository in a temporary folder and runs the offline team on it"
        " through the language server. Needs no key and no network.",
    )


def _config(commands: _Commands) -> None:
    actions = commands.group("config", "show, check and import configurations")
    show = actions.add(
        "show",
        options.ConfigShowOptions,
        "show what counts in this folder",
        "Shows the configuration that counts in this folder: defaults, your own file,"
        " the project's, a profile, variables. Keys are never shown, only their names.",
    )
    _configured(show)
    show.add_argument("--origin", action="store_true", help="also say where each value was said")
    _json(show)
    show.add_argument("--mode", choices=_MODES, help="as for run")

    actions.add(
        "schema", options.ConfigSchemaOptions, "print the JSON schema of configuration files"
    )

    check = actions.add(
        "check",
        options.ConfigCheckOptions,
        "say whether a file can be used, and what becomes of it",
        "Checks a configuration file of massgen-ls or of MassGen, and says what is"
        " wrong with it, what is used and what is not. Exit code 0: it can be used; 2: it cannot.",
    )
    check.add_argument("file", metavar="FILE", help="YAML, JSON or TOML")
    _json(check)

    taken = actions.add(
        "import",
        options.ConfigImportOptions,
        "write a configuration of massgen-ls out of one of MassGen",
        "Writes what a configuration of MassGen means here as a file of massgen-ls,"
        " with comments where something is not used or needs your hand, and says what became of"
        " each key.",
    )
    taken.add_argument("file", metavar="FILE", help="a configuration of MassGen")
    taken.add_argument(
        "--output", metavar="FILE", default="massgen.yaml", help="massgen.yaml by default"
    )
    taken.add_argument("--force", action="store_true", help="replace a file that is there")
    _json(taken)

    ready = actions.add(
        "templates",
        options.ConfigTemplatesOptions,
        "list ready teams, or print one",
        "Lists the teams that come with massgen-ls, or prints one with its comments."
        " `massgen-ls init --template NAME` makes one the team of a project.",
    )
    ready.add_argument("name", nargs="?", metavar="NAME", help="print this one")
    _json(ready)


def _serve(commands: _Commands) -> None:
    command = commands.add(
        "serve", options.ServeOptions, "the language server, on standard input and output"
    )
    command.add_argument("--stdio", action="store_true", help="the default; editors send it")
    command.add_argument("--clientProcessId", metavar="PID", help=argparse.SUPPRESS)
    _configured(command)
