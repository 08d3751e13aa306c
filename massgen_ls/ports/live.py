"""The user's live files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from massgen_ls.core.changes import RelPath
from massgen_ls.core.plan import Blocked, EditPlan, LiveFile


@dataclass(frozen=True, slots=True)
class Landed:
    """Every operation of the plan was performed."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was written."""

    reason: str
    stale: bool = False
    """The files moved on, so a new plan may land."""
    blocked: tuple[Blocked, ...] = ()
    """The files that alone hold the plan back: without them the others would land."""


class LiveFiles(Protocol):
    """The user's files as they are now: open buffers first, then the disk."""

    async def read(self, root: str, paths: Sequence[RelPath]) -> Mapping[RelPath, LiveFile]:
        """The live files among ``paths``; what does not exist is absent."""
        ...

    async def apply(self, root: str, plan: EditPlan) -> Landed | Refused:
        """Performs the whole plan, or nothing of it.

        Cancelled, it ends what it has begun, or waits a moment for who does that, and is cancelled
        only then. What is in the files by that time is not cancelled but answered: `Landed`.
        """
        ...
