"""The git rooms of one cache folder: snapshots, worktrees, objects, and who tidies up."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from massgen_ls.adapters.git.collecting import Collected, collect, known_runs
from massgen_ls.adapters.git.objects import GitObjects
from massgen_ls.adapters.git.plumbing import Git, storage_error
from massgen_ls.adapters.git.setups import Setups
from massgen_ls.adapters.git.shadow import Shadows
from massgen_ls.adapters.git.snapshots import GitSnapshots
from massgen_ls.adapters.git.staging import HUGE
from massgen_ls.adapters.git.trash import Trash
from massgen_ls.adapters.git.worktrees import GitWorktrees
from massgen_ls.core.errors import MassgenError
from massgen_ls.ports import Processes

_log = logging.getLogger(__name__)

_DAY = 24 * 3600.0


class GitRooms:
    """Gives out the three git ports, and owns the deletion that goes on behind them.

    Use it as an async context manager; the ports work inside of it. Several processes may use
    one cache folder at a time.

    Args:
        processes: Starts git and set-up commands.
        cache: Our folder; made when it is not there.
        environ: Where PATH, HOME and git's own variables are taken from.
        cores: How many worktrees are written at a time.
        huge: Bytes; larger files are left out of snapshots (unless tracked) and captures.
        tidy: Whether to tidy up in the background.
    """

    def __init__(
        self,
        processes: Processes,
        cache: Path,
        environ: Mapping[str, str],
        cores: int,
        *,
        huge: int = HUGE,
        tidy: bool = True,
    ) -> None:
        # Resolved: git compares paths as the system spells them.
        self._cache = os.path.realpath(cache)
        git = Git(processes, environ, os.path.join(self._cache, "empty"), cores)
        shadows = Shadows(git, self._cache, environ)
        self._trash = Trash(os.path.join(self._cache, "trash"), processes, environ)
        self._shadows = shadows
        self.git = git
        self.snapshots = GitSnapshots(git, shadows, environ, huge)
        self.worktrees = GitWorktrees(
            git, shadows, Setups(git, processes, environ), self._trash, huge
        )
        self.objects = GitObjects(git, shadows)
        self._tidies = tidy
        self._group = asyncio.TaskGroup()
        self._work: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> GitRooms:
        """Makes the cache folder and starts to tidy up after dead processes in the background.

        The HOMEs of their agents are out of the way when this returns.

        Raises:
            StorageError: The cache folder cannot be written.
        """
        try:
            for name in ("empty", "trash", "shadows"):
                os.makedirs(os.path.join(self._cache, name), mode=0o700, exist_ok=True)
            if self._tidies:
                self.worktrees.leave_homes()
        except OSError as error:
            raise storage_error(error, self._cache) from error
        await self._group.__aenter__()
        if self._tidies:
            self._work = [
                self._group.create_task(self._trash.work(), name="empty the trash"),
                self._group.create_task(self._tidy(), name="tidy up"),
                self._group.create_task(self._collect_when_idle(), name="free old objects"),
            ]
        return self

    async def _tidy(self) -> None:
        try:
            await self.worktrees.clear_away()
            await self._retire(time.time())
        except (MassgenError, OSError) as error:  # work goes on where it is not tidy
            _log.info("not everything was tidied up: %s", error)

    async def _retire(self, now: float) -> None:
        if self._is_due("retired", now):
            await self.worktrees.retire(now)
            self._stamp("retired")

    async def _collect_when_idle(self) -> None:
        """Once a day, after a run; a process that ends earlier leaves it to another."""
        while True:
            await self.worktrees.idle.wait()
            self.worktrees.idle.clear()
            now = time.time()
            try:
                new = not os.path.exists(os.path.join(self._cache, "collected"))
                if not new and self._is_due("collected", now):
                    await self.collect(now)
                    new = True
                if new:  # a cache of today has nothing that is old
                    self._stamp("collected")
            except (MassgenError, OSError) as error:
                _log.info("old objects were not freed: %s", error)

    async def collect(self, now: float, *, dry: bool = False) -> list[Collected]:
        """Forgets old runs and frees what only they needed, shadow by shadow.

        Raises:
            StorageError: Our folder cannot be written.
        """
        return [
            await collect(self.git, shadow, self._trash, now, dry=dry)
            for shadow in self._shadows.all()
        ]

    def runs(self, now: float) -> set[str]:
        """Every run that is not forgotten, and would not be at ``now``. Blocking.

        Raises:
            StorageError: Our folder cannot be read.
        """
        return {run for shadow in self._shadows.all() for run in known_runs(shadow, now)}

    async def empty_trash(self, *, dry: bool = False) -> int:
        """Deletes what is thrown away now, not later; returns the bytes that it takes.

        Raises:
            StorageError: Our folder cannot be read.
        """
        if not dry:
            await self.worktrees.clear_away()
        size = await asyncio.to_thread(_size, os.path.join(self._cache, "trash"))
        if not dry:
            await self._trash.empty()
        return size

    def _is_due(self, stamp: str, now: float) -> bool:
        try:
            return abs(now - os.stat(os.path.join(self._cache, stamp)).st_mtime) >= _DAY
        except FileNotFoundError:
            return True

    def _stamp(self, stamp: str) -> None:
        path = os.path.join(self._cache, stamp)
        with open(path, "wb"):
            os.utime(path)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops the background deletion; what is left in the trash waits for the next start."""
        for task in self._work:
            task.cancel()
        await self._group.__aexit__(None, None, None)


def _size(folder: str) -> int:
    """Bytes of the files below a folder, about."""
    total = 0
    for above, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(above, name)).st_size
            except OSError:
                continue
    return total
