"""The command line: one command, its log, and its exit code. Each command imports what it uses."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager

from massgen_ls.cli import options as given
from massgen_ls.cli.arguments import parse
from massgen_ls.cli.exits import EXIT_CANCELLED, EXIT_INTERNAL, EXIT_PIPE, EXIT_USAGE
from massgen_ls.cli.options import Options
from massgen_ls.core.errors import (
    AttachmentError,
    ConfigError,
    MassgenError,
    NotFoundError,
    WorkspaceError,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    options = parse(argv)
    _leave_folder_out()
    try:
        if isinstance(options, given.ServeOptions):
            return _dispatch(options)  # its log is opened when the editor has its first answer
        with logged(options):
            code = _dispatch(options)
            sys.stdout.flush()  # at the exit nobody could tell any more that it is closed
            return code
    except (ConfigError, WorkspaceError, NotFoundError, AttachmentError) as error:
        _complain(error)
        return EXIT_USAGE
    except MassgenError as error:
        _complain(error)
        return EXIT_INTERNAL
    except KeyboardInterrupt:
        return EXIT_CANCELLED
    except SystemExit as error:
        # What draws tables ends us by itself when nobody reads them any more.
        if isinstance(error.__context__, BrokenPipeError):
            return EXIT_PIPE
        raise
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
        try:
            os.getcwd()
        except FileNotFoundError:
            sys.stderr.write(
                "massgen-ls: The current folder is not there any more\n"
                "  Change to one that is (cd), or name your project with --repo\n"
            )
            return EXIT_USAGE
        raise error
    # Python would complain once more when it flushes at the exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if closed is not None:
        return EXIT_PIPE  # whoever read our output has enough
    sys.stderr.write("massgen-ls: standard output cannot be written: no space left\n")
    return EXIT_INTERNAL


def _dispatch(options: Options) -> int:
    match options:
        case given.RunOptions():
            from massgen_ls.cli.run import run

            return run(options)
        case given.ServeOptions():
            from massgen_ls.cli.serve import serve

            return serve(options)
        case given.RunsOptions():
            from massgen_ls.cli.runs import runs

            return runs(options)
        case given.ShowOptions():
            from massgen_ls.cli.runs import show

            return show(options)
        case given.ApplyOptions():
            from massgen_ls.cli.runs import apply

            return apply(options)
        case given.CancelOptions():
            from massgen_ls.cli.runs import cancel

            return cancel(options)
        case given.StatsOptions():
            from massgen_ls.cli.stats import stats

            return stats(options)
        case given.CleanOptions():
            from massgen_ls.cli.clean import clean

            return clean(options)
        case given.DoctorOptions():
            from massgen_ls.cli.doctor import doctor

            return doctor(options)
        case given.InitOptions():
            from massgen_ls.cli.init import init

            return init(options)
        case given.TrustOptions():
            from massgen_ls.cli.trust import trust

            return trust(options)
        case given.EvaluateOptions():
            from massgen_ls.cli.evaluate import evaluate

            return evaluate(options)
        case given.BugreportOptions():
            from massgen_ls.cli.bugreport import bugreport

            return bugreport(options)
        case given.DemoOptions():
            from massgen_ls.cli.demo import demo

            return demo(options)
        case given.ConfigShowOptions():
            from massgen_ls.cli.config import show

            return show(options)
        case given.ConfigSchemaOptions():
            from massgen_ls.cli.config import schema

            return schema(options)
        case given.ConfigTemplatesOptions():
            from massgen_ls.cli.config import templates

            return templates(options)
        case given.ConfigImportOptions():
            from massgen_ls.cli.config_files import import_file

            return import_file(options)
        case given.ConfigCheckOptions():
            from massgen_ls.cli.config_files import check

            return check(options)
        case _:
            raise AssertionError(f"no command takes {options}")


def _complain(error: MassgenError) -> None:
    sys.stderr.write(f"massgen-ls: {error.what}\n")
    if error.hint:
        sys.stderr.write(f"  {error.hint}\n")
