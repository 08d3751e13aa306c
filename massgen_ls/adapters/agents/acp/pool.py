"""One process of an ACP agent for several seats.

Most agents that speak ACP keep several sessions apart in one process, each with its own working
folder; starting a session then costs a twentieth of starting a program, and its memory.

Seats share a process when nothing tells them apart but their folders: the same program with the
same arguments, environment and files, and **no sandbox in force**. A sandbox is a fence around a
process, and it is fixed when the process starts: where one confines the seats each has a process of
its own, for in a shared one every seat could write into the worktrees of the others.

What a shared process cannot have is an environment for each seat: its HOME and settings are in a
folder of the pool's own, which outlives it by some minutes, so that a seat that is tried again can
take up its conversation; ``MASSGEN_SEAT`` is ``shared`` in it. What its tools start in the
background lives until the process ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self

from massgen_ls.core.errors import MassgenError
from massgen_ls.ports import Command, Processes

_log = logging.getLogger(__name__)

LINGER = 3.0
"""Seconds that a process without a seat waits for the next one."""
KEEP = 600.0
"""Seconds that the home of a process that has ended is kept: longer than any pause before a try."""
STOPPING = 3.0
"""Seconds that a session has to stop: ending the process ends the work of the other seats too."""

if TYPE_CHECKING:
    from massgen_ls.adapters.agents.acp.connection import Connection

Prepare = Callable[[str], Awaitable[Command]]
"""Given a home that is ready to be filled, makes the command that starts the program."""


@dataclass(eq=False)
class _Shared:
    """A process and who is in it."""

    seats: int = 0
    ready: asyncio.Future[Connection | OSError | MassgenError] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    empty: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when nobody is in it."""
    condemned: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def over(self) -> bool:
        """Whether the program has ended; who looks after it may not have noticed yet."""
        if not self.ready.done():
            return False
        connection = self.ready.result()
        return isinstance(connection, OSError | MassgenError) or connection.over.is_set()


class AcpPool:
    """Owns the shared processes; an asynchronous context manager. No process outlives it.

    Args:
        processes: Starts the programs.
        linger: Seconds that a process without a seat waits for the next one.
        stopping: Seconds that a session has to stop before its process is ended.
        keep: Seconds that the home of a process that has ended is kept.
    """

    def __init__(
        self,
        processes: Processes,
        linger: float = LINGER,
        stopping: float = STOPPING,
        keep: float = KEEP,
    ) -> None:
        self._processes = processes
        self._linger = linger
        self._stopping = stopping
        self._keep = keep
        self._numbers = itertools.count(1)
        self._running: dict[str, _Shared] = {}
        self._homes: dict[str, str] = {}
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        try:
            # The group would wrap what the block raises; it only needs to know of cancellation.
            if isinstance(error, asyncio.CancelledError):
                await self._group.__aexit__(kind, error, at)
            else:
                await self._group.__aexit__(None, None, None)
        finally:
            if self._folder is not None:
                await asyncio.to_thread(self._folder.cleanup)

    @property
    def processes(self) -> int:
        """How many programs run, or linger."""
        return len(self._running)

    @contextlib.asynccontextmanager
    async def seat(self, key: str, prepare: Prepare) -> AsyncGenerator[Connection]:
        """A place in the process for ``key``, which is started for the first one.

        Raises:
            FileNotFoundError: There is no such program.
            OSError: It cannot be run.
            MassgenError: It may not be run here.
        """
        shared = self._running.get(key)
        if shared is None or shared.over:
            shared = self._running[key] = _Shared()
            self._begin(self._run(key, shared, prepare))
        shared.seats += 1
        shared.empty.clear()
        try:
            connection = await asyncio.shield(shared.ready)
            if isinstance(connection, OSError | MassgenError):
                raise connection
            yield connection
        finally:
            shared.seats -= 1
            if shared.seats == 0:
                shared.empty.set()

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def condemn(self, connection: Connection) -> None:
        """Ends a process in which a session does not stop; the other seats in it try again."""
        for key, shared in self._running.items():
            if shared.ready.done() and shared.ready.result() is connection:
                del self._running[key]
                shared.condemned.set()
                return

    async def _run(self, key: str, shared: _Shared, prepare: Prepare) -> None:
        # Imported at the first use: what opens a pool may never start an agent.
        from massgen_ls.adapters.agents.acp.connection import connect

        try:
            command = await prepare(await self._home(key))
            async with connect(
                self._processes, command, alone=False, stopping=self._stopping
            ) as connection:
                shared.ready.set_result(connection)
                await self._while_of_use(key, shared, connection)
        except (OSError, MassgenError) as error:
            if not shared.ready.done():
                shared.ready.set_result(error)
        except Exception as error:  # noqa: BLE001 - it goes to those who wait, and to the log
            # A bug in what speaks to one program is not the end of every run.
            _log.exception("the shared process of %s", key)
            if not shared.ready.done():
                shared.ready.set_result(MassgenError(f"internal error: {error}"))
        finally:
            if self._running.get(key) is shared:
                del self._running[key]
            if not shared.ready.done():
                shared.ready.set_result(MassgenError("The pool of agents was closed."))
        self._begin(self._free(key))

    async def _while_of_use(self, key: str, shared: _Shared, connection: Connection) -> None:
        async with asyncio.TaskGroup() as group:
            ends = [group.create_task(connection.over.wait()),
                    group.create_task(shared.condemned.wait())]  # fmt: skip
            leaving = group.create_task(self._emptied(key, shared))
            await asyncio.wait([*ends, leaving], return_when=asyncio.FIRST_COMPLETED)
            for task in (*ends, leaving):
                task.cancel()

    async def _emptied(self, key: str, shared: _Shared) -> None:
        """Until nobody was in it for a while; from then on nobody comes in."""
        while True:
            await shared.empty.wait()
            await asyncio.sleep(self._linger)
            if shared.empty.is_set():
                if self._running.get(key) is shared:
                    del self._running[key]
                return

    async def _home(self, key: str) -> str:
        if key not in self._homes:
            if self._folder is None:
                self._folder = await asyncio.to_thread(_folder)
            self._homes[key] = os.path.join(self._folder.name, str(next(self._numbers)))
        return self._homes[key]

    async def _free(self, key: str) -> None:
        """Removes a home after a while, unless a process lives in it again."""
        await asyncio.sleep(self._keep)
        if key not in self._running and (home := self._homes.pop(key, "")):
            await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="massgen-acp-", ignore_cleanup_errors=True)
