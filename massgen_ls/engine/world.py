"""Everything that the engine reaches for outside itself, in one value."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from massgen_ls.core.diff import Differ, Refiner
from massgen_ls.core.failures import Backoff
from massgen_ls.core.syntax import Parse
from massgen_ls.engine.starts import Starts
from massgen_ls.ports import (
    Approver,
    Attachments,
    Checker,
    Clock,
    Conversations,
    Driver,
    Endpoint,
    Ids,
    Objects,
    Snapshots,
    Store,
    Worktrees,
)


@dataclass(frozen=True, slots=True)
class World:
    """The ports of one process, made by wiring."""

    clock: Clock
    ids: Ids
    store: Store
    snapshots: Snapshots
    worktrees: Worktrees
    objects: Objects
    attachments: Attachments
    """The pictures of tasks."""
    conversations: Conversations
    """What agents of earlier runs can go on from."""
    drivers: Mapping[str, Driver]
    """By the ``type`` of an agent's backend."""
    checker: Checker
    differ: Differ
    refiner: Refiner
    owner: str
    """This process, as `RunStarted.owner` names it."""
    alive: Callable[[str], bool]
    """Whether the process that such a name stands for still lives."""
    cores: int
    """How many checks may run at once."""
    starts: Starts
    """Turns of heavy programs to start."""
    parse: Parse | None = None
    """Reads programming languages; None: only what the standard library knows is understood."""
    confines: bool = False
    """Whether fences are really kept here by a sandbox."""
    endpoint: Endpoint | None = None
    """Where agents reach our tools; None: they have none."""
    approver: Approver | None = None
    """Who is asked what no rule answers; None: nobody is there, and the answer is no."""
    secrets: Callable[[Iterable[str]], Mapping[str, str]] = lambda chosen: {}
    """What has to be hidden of what agents say, with what is shown instead; given the names of the
    variables that they get by the configuration."""
    chance: Callable[[], float] = field(default=random.random)
    """From 0 to 1, for the jitter of pauses."""
    backoff: Backoff = field(default_factory=Backoff)
