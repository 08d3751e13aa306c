"""Starts programs so that nothing of theirs is left behind; `running` follows each to its end.

Starting is one synchronous call (vfork and exec, about a millisecond) without an await in it, so it
cannot be cancelled half way. No `preexec_fn`: it would fork all of our memory.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import ThreadPoolExecutor

from massgen_ls.adapters.host.journal import Journal
from massgen_ls.adapters.host.programs import leash, loadable, resolve
from massgen_ls.adapters.host.running import HostProcess, Patience
from massgen_ls.adapters.host.sandbox import Sandbox
from massgen_ls.adapters.host.survivors import MARKER, Pedigree, row_of
from massgen_ls.core.errors import MassgenError
from massgen_ls.ports import Command, Finished

__all__ = ["HostProcess", "HostProcesses", "Patience"]

_log = logging.getLogger(__name__)


class HostProcesses:
    """Starts programs on this machine; implements `ports.Processes`.

    Args:
        journal: Records what runs, so that a later process can end what this one left behind when
            it was killed. None: nothing is recorded.
        sandbox: Keeps `Command.fence`. None: there is no sandbox.
        enclosing: The value of `survivors.MARKER` in our own environment: we may ourselves run
            under a lease, and what we start then belongs to it as well.
        patience: How long a process may take to end.
    """

    def __init__(
        self,
        journal: Journal | None = None,
        sandbox: Sandbox | None = None,
        *,
        enclosing: str = "",
        patience: Patience | None = None,
    ) -> None:
        self._journal = journal
        self._sandbox = sandbox
        self._enclosing = enclosing
        self._patience = patience or Patience()
        token = journal.token if journal is not None else secrets.token_hex(6)
        self._series = f"{token}.{secrets.token_hex(2)}"
        self._numbers = itertools.count(1)
        self._leash = leash()
        self._hunter = ThreadPoolExecutor(1, thread_name_prefix="massgen-hunt")

    @property
    def leashed(self) -> bool:
        """Whether a program dies at once when we are killed, even without a sandbox."""
        return bool(self._leash)

    @property
    def confines(self) -> bool:
        """Whether `Command.fence` is kept here."""
        return self._sandbox is not None and self._sandbox.works

    @contextlib.asynccontextmanager
    async def start(self, command: Command) -> AsyncGenerator[HostProcess]:
        """Starts one program for as long as the context lasts.

        Raises:
            FileNotFoundError: There is no such program.
            OSError: It cannot be run, or the working folder is not there.
            MassgenError: A sandbox is required and there is none.
        """
        process = self._start(command)
        try:
            yield process
        finally:
            await process.dispose()

    async def run(self, command: Command) -> Finished:
        """Runs one program to its end. Raises what `start` raises."""
        async with self.start(command) as process:
            return await process.wait()

    def _start(self, command: Command) -> HostProcess:
        if sys.platform == "win32":
            raise MassgenError(
                "Programs cannot be run on Windows yet", "Use the server inside of WSL."
            )
        argv = command.argv
        env: Mapping[str, str] = command.env
        lease = ""
        fenced = False
        if command.tree:
            lease = f"{self._series}.{next(self._numbers)}"
            env = {**env, MARKER: f"{self._enclosing}/{lease}" if self._enclosing else lease}
            argv, fenced = self._dressed(command)
        try:
            child = subprocess.Popen(
                argv,
                cwd=command.cwd,
                env=env,
                stdin=subprocess.PIPE
                if command.stdin is not None or command.keep_stdin
                else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            if not os.path.isdir(command.cwd):
                raise NotADirectoryError(
                    errno.ENOTDIR, "The working folder is not there", command.cwd
                ) from error
            raise
        except PermissionError:
            # What may not be entered on the PATH says nothing about a program that is not there.
            resolve(command.argv[0], env, command.cwd)
            raise
        # Arguments can be whole prompts.
        _log.debug("process %d: %s", child.pid, command.argv[0])
        try:
            return self._attend(child, command, lease, fenced=fenced)
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            for file in (child.stdin, child.stdout, child.stderr):
                if file is not None:
                    file.close()
            raise

    def _attend(
        self, child: subprocess.Popen[bytes], command: Command, lease: str, *, fenced: bool
    ) -> HostProcess:
        pedigree: Pedigree | None = None
        if lease:
            row = row_of(child.pid)
            pedigree = Pedigree(lease, child.pid, row.start if row else 0)
            if self._journal is not None:
                self._journal.opened(pedigree, command.argv[0])
        journal = self._journal

        def ended(gone: bool) -> None:  # noqa: FBT001
            if journal is not None and lease and gone:
                journal.closed(lease)

        return HostProcess(
            child,
            command,
            pedigree,
            fenced=fenced,
            patience=self._patience,
            hunter=self._hunter,
            ended=ended,
        )

    def _dressed(self, command: Command) -> tuple[tuple[str, ...], bool]:
        """The argv with the sandbox, or at least the leash, in front of it."""
        if not os.path.isdir(command.cwd):
            raise NotADirectoryError(errno.ENOTDIR, "The working folder is not there", command.cwd)
        program = resolve(command.argv[0], command.env, command.cwd)
        # What stands in front would report these in its own words, and as an exit code.
        if not loadable(program):
            raise OSError(errno.ENOEXEC, "This is not a program that can be run here", program)
        if command.fence is not None:
            if self._sandbox is not None and self._sandbox.works:
                fenced = self._sandbox.wrap(
                    command.fence, command.argv, command.cwd, program, command.env
                )
                return fenced, True
            if command.fence.required:
                raise MassgenError(
                    "A sandbox is required and there is none on this machine",
                    "Install bubblewrap (bwrap), or set `sandbox: auto` to run without one.",
                )
        return (*self._leash, program, *command.argv[1:]), False
