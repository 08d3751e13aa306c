"""Everything that the engine reaches for outside itself, in one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from massgen_ls.core.diff import Differ, Refiner
from massgen_ls.ports import (
    Checker,
    Clock,
    Driver,
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
