"""Runs git so that nothing of the user's setup and nothing of a hostile repository's can act.

Every call has a complete, fixed environment: no prompts, no hooks, no fsmonitor, no optional
locks, no pager. Configuration that has to hold is given through ``GIT_CONFIG_COUNT``, which
wins over every file. The user's global configuration is read (ignore rules, line ends, filter
drivers that they chose themselves); a *repository's* own configuration never is, because the
work happens with ``GIT_DIR`` at a folder of ours (see `View`).
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from massgen_ls.core.errors import GitError, MassgenError, StorageError, WorkspaceError
from massgen_ls.ports import Command, Finished, Processes

OLDEST = (2, 35)
"""The oldest git that is known to work."""

CACHE_OVERRIDE = "MASSGEN_LS_CACHE"
"""The environment variable that moves the cache folder; named in error messages."""

_INHERITED = (
    "PATH",
    "HOME",
    "XDG_CONFIG_HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SYSTEMROOT",
    "USERPROFILE",
    "APPDATA",
    "PROGRAMDATA",
    "GIT_EXEC_PATH",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CEILING_DIRECTORIES",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    # So that tests may play a user who does not own a repository.
    "GIT_TEST_ASSUME_DIFFERENT_OWNER",
)

# Git's own output is never bounded: a truncated listing would be a wrong answer.
_KEEP = 1 << 40

# read-tree says no more than that it was unable to write.
_FULL = re.compile(
    rb"No space left on device|Disk quota exceeded|Read-only file system|unable to write"
)


@dataclass(frozen=True, slots=True)
class View:
    """Where a git command looks: repository folder, working tree, index and settings."""

    git_dir: str
    common: str | None = None
    """The shadow, when ``git_dir`` is only a private folder (HEAD, index) on top of it."""
    work_tree: str | None = None
    index: str | None = None
    """Default: ``index`` in ``git_dir``."""
    settings: Mapping[str, str] = field(default_factory=dict[str, str])

    def environ(self) -> dict[str, str]:
        """The variables that make git look there."""
        found = {"GIT_DIR": self.git_dir}
        if self.common:
            found["GIT_COMMON_DIR"] = self.common
        if self.work_tree:
            found["GIT_WORK_TREE"] = self.work_tree
        if self.index:
            found["GIT_INDEX_FILE"] = self.index
        return found

    def with_settings(self, more: Mapping[str, str]) -> View:
        """The same place with some settings added."""
        return replace(self, settings={**self.settings, **more})


class Git:
    """Runs git commands. One instance serves any number of repositories at a time.

    Args:
        processes: What starts the programs.
        environ: The environment to take PATH, HOME and the like from.
        empty: A folder of ours that is empty and stays so.
        cores: Upper bound of git processes that work on files at a time.
    """

    def __init__(
        self, processes: Processes, environ: Mapping[str, str], empty: str, cores: int
    ) -> None:
        self._processes = processes
        self._environ = {
            **{name: environ[name] for name in _INHERITED if name in environ},
            "LC_ALL": "C",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "SSH_ASKPASS": "",
            "GIT_PAGER": "cat",
            "GIT_EDITOR": "false",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_ALLOW_PROTOCOL": "none",
            "GIT_DEFAULT_REF_FORMAT": "files",
        }
        self._fixed = {
            "core.hooksPath": empty,
            "core.fsmonitor": "false",
            "core.safecrlf": "false",
            "core.splitIndex": "false",
            "core.untrackedCache": "false",
            "core.quotePath": "false",
            "core.commitGraph": "true",
            "core.alternateRefsCommand": "false",
            "diff.external": "",
            "gc.auto": "0",
            "maintenance.auto": "false",
            "index.sparse": "false",
            "submodule.recurse": "false",
            "credential.helper": "",
            "i18n.commitEncoding": "UTF-8",
        }
        # By its whole path: otherwise every start tries the folders of PATH one after the other.
        self._git = shutil.which("git", path=environ.get("PATH", os.defpath)) or "git"
        self._nice = shutil.which("nice", path=environ.get("PATH", os.defpath)) is not None
        self._version: tuple[int, int] | None = None
        self._asking = asyncio.Lock()
        self.crowd = asyncio.Semaphore(max(1, cores))
        """Holds back commands that write whole trees: more at a time than cores gains nothing."""

    async def ready(self) -> None:
        """Makes sure once that git is there and young enough.

        Raises:
            WorkspaceError: It is missing or too old.
        """
        if self._version is not None:
            return
        async with self._asking:
            done = await self._spawn((self._git, "version"), os.sep, None, self._environ)
            said = done.stdout.decode("utf-8", "replace")
            found = re.search(r"(\d+)\.(\d+)", said)
            if done.exit_code or not found:
                raise WorkspaceError(
                    "git does not run: " + (_last_line(done.stderr) or said.strip()),
                    "Install git 2.35 or newer and make sure that it is on PATH.",
                )
            version = (int(found[1]), int(found[2]))
            if version < OLDEST:
                raise WorkspaceError(
                    f"git {found[0]} is too old", "Install git 2.35 or newer, first on PATH."
                )
            self._version = version

    async def run(
        self,
        view: View | None,
        *args: str,
        cwd: str | None = None,
        stdin: bytes | None = None,
        low: bool = False,
    ) -> bytes:
        """Runs a command that has to succeed and returns what it prints.

        Args:
            view: Where git looks.
            args: The command.
            cwd: Where it starts; None for the view's own place.
            stdin: What it reads.
            low: Let everything else on the machine go first.

        Raises:
            GitError: It failed.
            StorageError: It failed because our folder is full or cannot be written.
        """
        done = await self.attempt(view, *args, cwd=cwd, stdin=stdin, low=low)
        if done.exit_code:
            raise self.failure(done, args)
        return done.stdout

    async def attempt(
        self,
        view: View | None,
        *args: str,
        cwd: str | None = None,
        stdin: bytes | None = None,
        low: bool = False,
    ) -> Finished:
        """Runs a command that may fail; arguments as those of `run`."""
        environ = dict(self._environ)
        settings = dict(self._fixed)
        if view is not None:
            environ.update(view.environ())
            settings.update(view.settings)
        environ["GIT_CONFIG_COUNT"] = str(len(settings))
        for number, (key, value) in enumerate(settings.items()):
            environ[f"GIT_CONFIG_KEY_{number}"] = key
            environ[f"GIT_CONFIG_VALUE_{number}"] = value
        place = cwd or (view and (view.work_tree or view.git_dir)) or os.sep
        polite = ("nice", "-n", "19") if low and self._nice else ()
        return await self._spawn((*polite, self._git, *args), place, stdin, environ)

    async def _spawn(
        self, argv: Sequence[str], cwd: str, stdin: bytes | None, environ: Mapping[str, str]
    ) -> Finished:
        command = Command(
            argv=tuple(argv), cwd=cwd, env=environ, stdin=stdin, keep=_KEEP, tree=False
        )
        try:
            return await self._processes.run(command)
        except FileNotFoundError as error:
            if not _is_folder(cwd):
                raise GitError(
                    f"The folder {cwd!r} is gone", "Something else removed it; start again."
                ) from error
            raise WorkspaceError(
                "git was not found", "Install git 2.35 or newer and make sure that it is on PATH."
            ) from error
        except NotADirectoryError as error:
            raise WorkspaceError(f"{cwd!r} is not a folder", "Open a folder.") from error
        except PermissionError as error:
            raise WorkspaceError(
                f"git cannot be started in {cwd!r}: {error.strerror}",
                "Check that git is executable and that you may enter that folder.",
            ) from error

    @staticmethod
    def failure(done: Finished, args: Sequence[str]) -> MassgenError:
        """The error that stands for a command's failure."""
        said = _last_line(done.stderr) or f"exit code {done.exit_code}"
        if _FULL.search(done.stderr):
            return StorageError(f"git could not write: {said}", _ROOM)
        return GitError(
            f"git {args[0]} failed: {said}",
            "If the repository looks healthy (`git fsck`), please report this.",
        )


_ROOM = f"Make room there, or set {CACHE_OVERRIDE} to a folder that you can write to."


def storage_error(error: OSError, path: str) -> StorageError:
    """What to tell a person when our own folder fails."""
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else path
    return StorageError(f"{where!r} cannot be written: {error.strerror or error}", _ROOM)


def first_of(errors: ExceptionGroup[Exception]) -> Exception:
    """The error that tasks side by side have failed with; all of them when one is a bug.

    To be raised outside of ``except*``, which would wrap it in a group again.
    """
    _, bugs = errors.split(MassgenError)
    return errors if bugs is not None else errors.exceptions[0]


def _is_folder(path: str) -> bool:
    return os.path.isdir(path)


def _last_line(stderr: bytes) -> str:
    lines = [line for line in stderr.decode("utf-8", "replace").split("\n") if line.strip()]
    fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return (fatal or lines or [""])[-1].strip()


def names(listing: bytes) -> list[str]:
    """Splits a ``-z`` listing; bytes that are not UTF-8 become surrogates."""
    return [os.fsdecode(name) for name in listing.split(b"\0") if name]


def listing(paths: Sequence[str]) -> bytes:
    """Joins paths for a ``-z --stdin``."""
    return b"".join(os.fsencode(path) + b"\0" for path in paths)
