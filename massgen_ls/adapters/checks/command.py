"""Runs a check: a command of the user's, in a worktree, read for what failed."""

from __future__ import annotations

import asyncio
import codecs
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from massgen_ls.adapters.checks import parsers
from massgen_ls.adapters.checks.reading import read_bounded
from massgen_ls.core.candidate import CheckOutcome, CheckResult, TreeId
from massgen_ls.core.task import CheckSpec
from massgen_ls.ports import Command, Finished, Place, Processes, Said

SHOWN: Final = 16 * 1024
"""Bytes of output kept for people: the end of it."""
LARGEST_REPORT: Final = 32 * 1024 * 1024
"""Bytes of a JUnit report; a larger one is not read."""

_PASSED_ON: Final = (
    *("LANG", "LANGUAGE", "TZ", "USER", "LOGNAME"),
    # Where tool chains live: names of folders, never secrets.
    *("RUSTUP_HOME", "CARGO_HOME", "RUSTUP_TOOLCHAIN", "GOROOT", "GOPATH", "GOMODCACHE"),
    *("GOTOOLCHAIN", "GOFLAGS", "JAVA_HOME", "PYENV_ROOT", "PYENV_VERSION", "NVM_DIR"),
    *("VOLTA_HOME", "ASDF_DIR", "ASDF_DATA_DIR", "MISE_DATA_DIR", "COREPACK_HOME"),
    *("VIRTUAL_ENV", "CONDA_PREFIX", "NIX_PATH", "NIX_SSL_CERT_FILE", "SSL_CERT_FILE"),
)
_AT_HOME: Final = {"RUSTUP_HOME": ".rustup", "CARGO_HOME": ".cargo", "GOMODCACHE": "go/pkg/mod"}
"""Tool chains that are looked for in HOME, which a check does not share."""

_RUNS_OTHERS: Final = frozenset(
    {"uv", "uvx", "poetry", "pdm", "hatch", "pipenv", "rye", "pixi", "conda", "mamba", "mise"}
    | {"env", "nice", "timeout", "xvfb-run"}
)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to start, and where its report will be."""

    argv: tuple[str, ...]
    report: str | None


class CommandChecker:
    """Runs checks as processes; what goes wrong is in the result, never raised.

    A check sees a private HOME, an allow-listed environment and no colours. Programs are looked
    for in the worktree's ``.venv/bin`` and ``node_modules/.bin`` (there when ``worktree.include``
    brings them in), then on the user's PATH, then beside our own Python.

    An item of its argv may be ``{python}``, our own interpreter, or hold ``{junit}``, the path at
    which to write a JUnit report.

    Args:
        processes: Starts the programs.
        environ: The user's environment; only a few names of it are passed on.
        python: The path of our own interpreter.
    """

    def __init__(self, processes: Processes, environ: Mapping[str, str], python: str) -> None:
        self._processes = processes
        self._environ = environ
        self._python = python

    async def run(
        self, check: CheckSpec, tree: TreeId, place: Place, say: Callable[[Said], None]
    ) -> CheckResult:
        """Runs it once in ``place.folder``."""
        plan = self._plan(check, place)
        if plan.report is not None:
            await asyncio.to_thread(_remove, plan.report)
        command = Command(
            argv=plan.argv,
            cwd=place.folder,
            env=await asyncio.to_thread(self._env, place),
            timeout=min(check.timeout, place.timeout),
            fence=place.fence,
        )
        shown = _Tail(SHOWN)
        try:
            async with self._processes.start(command) as running:
                decoders = {
                    stream: codecs.getincrementaldecoder("utf-8")("replace")
                    for stream in ("stdout", "stderr")
                }
                async for piece in running.output():
                    shown.add(piece.bytes)
                    text = parsers.tidy(decoders[piece.stream].decode(piece.bytes))
                    if text:
                        say(Said(text, piece.stream))
                ended = await running.wait()
        except FileNotFoundError:
            return _broken(check, tree, self._missing(plan.argv[0], place))
        except (OSError, ValueError) as error:
            return _broken(check, tree, f"{plan.argv[0]} cannot be started: {error}.")
        return await asyncio.to_thread(_result, check, tree, place, plan, ended, shown)

    def _plan(self, check: CheckSpec, place: Place) -> _Plan:
        named = re.sub(r"[^A-Za-z0-9._-]", "_", check.name)[:80]
        report = os.path.join(place.home, f"junit-{named}.xml")
        argv = tuple(self._python if item == "{python}" else item for item in check.argv)
        if any("{junit}" in item for item in argv):
            return _Plan(tuple(item.replace("{junit}", report) for item in argv), report)
        at = _pytest_at(argv) if check.parser in ("auto", "junit") else None
        if at is None:
            return _Plan(argv, None)
        if own := _own_report(argv[at + 1 :]):
            return _Plan(argv, os.path.join(place.folder, own))
        options = ("-o", "junit_family=xunit2", f"--junitxml={report}")
        return _Plan((*argv[: at + 1], *options, *argv[at + 1 :]), report)

    def _env(self, place: Place) -> dict[str, str]:
        given = self._environ
        env = {
            name: value
            for name, value in given.items()
            if name in _PASSED_ON or name.startswith("LC_")
        }
        for name, below in _AT_HOME.items():
            folder = os.path.join(given.get("HOME", ""), below)
            if name not in env and os.path.isabs(folder) and os.path.isdir(folder):
                env[name] = folder
        env.update(
            PATH=path_of(place.folder, given, self._python),
            HOME=place.home,
            TMPDIR=place.home,
            TERM="dumb",
            NO_COLOR="1",
            CARGO_TERM_COLOR="never",
            CI="1",
            PYTHONDONTWRITEBYTECODE="1",
            # The same order of sets on the base and on every candidate.
            PYTHONHASHSEED="0",
        )
        if roots := _import_roots(place.folder):
            env["PYTHONPATH"] = os.pathsep.join(roots)
        return env

    def _missing(self, program: str, place: Place) -> str:
        if not os.path.isdir(place.folder):
            return f"The folder {place.folder} is not there."
        return (
            f"{program} was not found on PATH. Install it; if it lives in an ignored folder of the "
            "project (.venv, node_modules), name that folder under worktree.include."
        )


def path_of(
    folder: str, environ: Mapping[str, str], python: str, brought: Collection[str] | None = None
) -> str:
    """The ``PATH`` that a check has in a folder.

    Args:
        folder: The worktree.
        environ: The user's environment.
        python: The path of our own interpreter.
        brought: Those of the folders `.venv` and `node_modules` that count; None: all that there
            are.
    """
    own = [
        os.path.join(folder, name, inside)
        for name, inside in ((".venv", "bin"), ("node_modules", ".bin"))
        if brought is None or name in brought
    ]
    path = [each for each in own if os.path.isdir(each)]
    return os.pathsep.join([*path, environ.get("PATH") or os.defpath, os.path.dirname(python)])


class _Tail:
    """The last bytes of a stream."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept = bytearray()

    def add(self, piece: bytes) -> None:
        self._kept += piece
        if len(self._kept) > 2 * self._size:
            del self._kept[: -self._size]

    def text(self) -> str:
        # A cut may fall inside a character: what is left of it is dropped.
        cut = len(self._kept) > self._size
        text = bytes(self._kept[-self._size :]).decode(errors="replace")
        return f"…{text.lstrip(chr(0xFFFD))}" if cut else text


def _result(
    check: CheckSpec, tree: TreeId, place: Place, plan: _Plan, ended: Finished, shown: _Tail
) -> CheckResult:
    """Reads how it ended. Runs in a thread: output may be megabytes."""
    raw = ended.stdout + b"\n" + ended.stderr
    text = parsers.tidy(raw.decode(errors="replace"), _folders(place))
    outcome, reason = _outcome(check, ended, text)
    failures: tuple[str, ...] = ()
    passed: tuple[str, ...] | None = None
    if outcome in ("passed", "failed") and check.parser != "exit":
        report = _report(plan)
        passed = _passed(check, report, ended, text)
        if outcome == "failed":
            failures, reason = _failures(check, report, ended, text)
    output = parsers.tidy(shown.text(), _folders(place))
    if outcome == "broken":  # why the check says nothing comes before what its program says
        output, reason = reason, output.strip()
    return CheckResult(
        check=check.name,
        tree=tree,
        outcome=outcome,
        failures=failures,
        exit_code=ended.exit_code,
        seconds=ended.seconds,
        output=f"{output.rstrip()}\n\n{reason}".strip() if reason else output,
        passed=passed,
    )


_NO_MODULE = re.compile(r"^\S*python\S*: No module named ([\w.]+)$", re.MULTILINE)


def _outcome(check: CheckSpec, ended: Finished, text: str) -> tuple[CheckOutcome, str]:
    if ended.timed_out:
        return "timed_out", f"Ended after {ended.seconds:.1f} s: it took too long."
    if check.parser != "exit" and _ran_nothing(check, ended, text):
        return "broken", f"{check.name} ran no tests: nothing was measured."
    if ended.exit_code == 0:
        return "passed", ""
    if ended.exit_code in (126, 127):
        # Every shell's and runner's way to say that the program itself was not there.
        return "broken", "The program behind the check was not found or may not be run."
    # Python says this alone, and in a test's output it stands among other lines.
    lone = _NO_MODULE.fullmatch(text.strip())
    if lone and "-m" in check.argv:
        return "broken", (
            f"{check.argv[0]} has no module {lone[1]}. Install it there, or bring the project's "
            "own environment in with worktree.include."
        )
    return "failed", ""


_RAN = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)


def _ran_nothing(check: CheckSpec, ended: Finished, text: str) -> bool:
    """Whether a runner of tests found none; of unittest's only some of its versions fail then."""
    if ended.exit_code == 5 and any("pytest" in item or "py.test" in item for item in check.argv):
        return True
    if ended.exit_code not in (0, 5) or not any("unittest" in item for item in check.argv):
        return False
    return set(_RAN.findall(text)) == {"0"}


def _report(plan: _Plan) -> parsers.Report | None:
    if plan.report is None:
        return None
    # The check's own code chose what lies there: no link is followed, no pipe is waited for.
    report = read_bounded(plan.report, LARGEST_REPORT)
    return parsers.junit(report) if report is not None else None


def _passed(
    check: CheckSpec, report: parsers.Report | None, ended: Finished, text: str
) -> tuple[str, ...] | None:
    if report is not None:
        return report.passed
    if check.parser != "auto" or ended.dropped:
        return None
    return parsers.passed(text)


def _failures(
    check: CheckSpec, report: parsers.Report | None, ended: Finished, text: str
) -> tuple[tuple[str, ...], str]:
    if report is not None and report.failed:
        return report.failed, ""
    if check.parser == "junit":
        return (), "There is no JUnit report that names what failed."
    if ended.dropped:
        # Names out of half an output would differ between trees for no reason.
        return (), f"{ended.dropped} bytes of output were dropped: failures have no names."
    return parsers.read(text, lines_only=check.parser == "lines"), ""


def _broken(check: CheckSpec, tree: TreeId, reason: str) -> CheckResult:
    return CheckResult(check.name, tree, "broken", output=reason)


def _folders(place: Place) -> tuple[str, ...]:
    folders = (place.folder, os.path.realpath(place.folder), place.path, place.home)
    return tuple(dict.fromkeys(folder for folder in folders if folder != os.sep))


def _pytest_at(argv: tuple[str, ...]) -> int | None:
    """Where pytest's own arguments begin, when pytest is what the command runs."""
    for at, item in enumerate(argv):
        if os.path.basename(item) not in ("pytest", "py.test"):
            continue
        behind_runner = os.path.basename(argv[0]) in _RUNS_OTHERS
        if at == 0 or argv[at - 1] == "-m" or behind_runner:
            return at
    return None


def _own_report(arguments: tuple[str, ...]) -> str:
    for at, item in enumerate(arguments):
        option, _, path = item.partition("=")
        if option in ("--junitxml", "--junit-xml"):
            return path or next(iter(arguments[at + 1 :]), "")
    return ""


def _import_roots(folder: str) -> tuple[str, ...]:
    """Where a Python project's own packages are in the worktree.

    An editable install in the user's environment points at the user's checkout. Without this, its
    tests would be run against the code on the user's disk and not against the candidate's.
    """
    config = ("pyproject.toml", "setup.py", "setup.cfg")
    if not any(os.path.isfile(os.path.join(folder, name)) for name in config):
        return ()
    source = os.path.join(folder, "src")
    roots = [source] if os.path.isdir(source) else []
    if any(_is_package(entry) for entry in _entries(folder)):
        roots.append(folder)
    return tuple(roots)


def _entries(folder: str) -> Iterable[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def _is_package(entry: os.DirEntry[str]) -> bool:
    if not entry.is_dir(follow_symlinks=False):
        return False
    return os.path.isfile(os.path.join(entry.path, "__init__.py"))


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return
