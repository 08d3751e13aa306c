"""What this room is given from outside: the engine, the configuration and the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from massgen_ls.core.task import ApplyMode, Mode, RunSpec, Scope
from massgen_ls.engine.supervisor import Supervisor
from massgen_ls.ports import LiveFiles


class Desk(Protocol):
    """Turns a wish into a full order, with the configuration of the folder."""

    def make_spec(
        self,
        folder: str,
        prompt: str,
        scope: Scope,
        agents: Sequence[str] | None,
        checks: Sequence[str] | None,
        mode: Mode | None,
        apply: ApplyMode,
    ) -> RunSpec:
        """Chooses agents, checks and rules. Called in a thread: it may read files.

        ``scope.path`` is relative to ``folder``. None means: as configured.

        Raises:
            ConfigError: The configuration cannot be used, or names no such agent or check.
        """
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """The floors below, put together."""

    supervisor: Supervisor
    desk: Desk
    disk: LiveFiles
    """The user's files on the disk, without regard to open buffers."""


Compose = Callable[[], AbstractAsyncContextManager[Services]]
"""Puts the services together; leaving the context cancels every run and leaves nothing behind."""
