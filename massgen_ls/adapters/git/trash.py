"""Takes folders out of the way at once and deletes them later."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping

from massgen_ls.adapters.git.shadow import fresh_name
from massgen_ls.ports import Command, Processes

_GATHERING = 0.2
"""Seconds after which something else may have been thrown away as well: one command for both."""
_AT_ONCE = 100
"""Names that one command deletes: all of them may be too many for its arguments."""


class Trash:
    """A folder of things that wait for deletion. What is in it is nobody's.

    `work` is the background task; whoever owns it decides when it ends. What it did not get to
    is found by the next start.
    """

    def __init__(self, path: str, processes: Processes, environ: Mapping[str, str]) -> None:
        self._path = path
        self._processes = processes
        self._environ = {"PATH": environ.get("PATH", os.defpath), "LC_ALL": "C"}
        self._filled = asyncio.Event()
        self._filled.set()  # there may be something that an earlier process did not get to

    def throw(self, path: str) -> None:
        """Takes a file or folder away: one rename. Nothing there: nothing happens.

        Raises:
            OSError: It cannot be moved.
        """
        self.put(path)
        self.wake()

    def wake(self) -> None:
        """Lets the deletion of what was `put` there begin."""
        self._filled.set()

    def put(self, path: str) -> None:
        """What `throw` does, for threads: whoever owns the event loop has to `wake` it after."""
        target = os.path.join(self._path, fresh_name())
        try:
            os.rename(path, target)
        except FileNotFoundError:
            if os.path.isdir(self._path):
                return
            os.makedirs(self._path, exist_ok=True)
            os.rename(path, target)
        except PermissionError:
            # A folder that cannot be written cannot be moved elsewhere either.
            os.chmod(path, 0o700, follow_symlinks=False)
            os.rename(path, target)

    async def work(self) -> None:
        """Deletes what is thrown away, until cancelled."""
        while True:
            await self._filled.wait()
            await asyncio.sleep(_GATHERING)
            self._filled.clear()
            await self.empty()

    async def empty(self) -> None:
        """Deletes everything that is there now; what resists stays for the next time."""
        try:
            names = await asyncio.to_thread(os.listdir, self._path)
        except FileNotFoundError:
            return
        for start in range(0, len(names), _AT_ONCE):
            await self._delete(set(names[start : start + _AT_ONCE]))

    async def _delete(self, names: set[str]) -> None:
        # `rm` knows folders deeper than any path may be long; Python's rmtree does not.
        try:
            for argv in (("rm", "-rf"), ("chmod", "-R", "u+rwx"), ("rm", "-rf")):
                paths = (os.path.join(self._path, name) for name in sorted(names))
                await self._processes.run(
                    Command(argv=(*argv, "--", *paths), cwd=os.sep, env=self._environ, tree=False)
                )
                names &= set(await asyncio.to_thread(os.listdir, self._path))
                if not names:
                    return
        except FileNotFoundError:
            for name in names:
                path = os.path.join(self._path, name)
                await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
