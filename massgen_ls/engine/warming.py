"""Worktrees made ready between two runs, so that the next one does not wait for them."""

from __future__ import annotations

import asyncio
import logging

from massgen_ls.core.errors import MassgenError
from massgen_ls.core.run_state import RunState
from massgen_ls.ports import Worktrees

_log = logging.getLogger(__name__)

_MOST = 16
"""Worktrees that are made ready, at most."""
_PATIENCE = 5.0
"""Seconds that a run waits for the leave-taking; past it, it goes on with other worktrees."""


class Warming:
    """Brings the worktrees of a run that is over to its base: the next snapshot will be near.

    One at a time, in the background of ``group``, and it gives way to whatever has to be done.
    """

    def __init__(self, worktrees: Worktrees, group: asyncio.TaskGroup) -> None:
        self._worktrees = worktrees
        self._group = group
        self._task: asyncio.Task[None] | None = None

    def begin(self, state: RunState) -> None:
        """Starts after a run; nothing when the run never had a snapshot."""
        self.stop()
        if state.spec is not None and state.snapshot is not None:
            self._task = self._group.create_task(self._warm(state), name="warm worktrees")

    def stop(self) -> None:
        """Asks it to end; what it has finished stays."""
        if self._task is not None:
            self._task.cancel()

    async def stopped(self) -> None:
        """Waits for that: what it still holds would have to be made anew."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_PATIENCE)

    async def _warm(self, state: RunState) -> None:
        assert state.spec is not None
        assert state.snapshot is not None
        try:
            await self._worktrees.warm(state.snapshot, min(len(state.spec.agents), _MOST))
        except MassgenError as error:
            _log.info("no worktrees were made ahead: %s", error)
