"""The owner of all runs: start, wait, cancel, read, deliver, shut down."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType

from massgen_ls.core.coordination import RunState
from massgen_ls.core.events import Delta, Envelope
from massgen_ls.core.plan import EditPlan
from massgen_ls.core.task import CandidateId, RunId, RunSpec
from massgen_ls.engine.delivery import Delivery
from massgen_ls.ports import Buffer, LiveFiles, RunRecord


@dataclass(frozen=True, slots=True)
class Gap:
    """A slow reader has lost news: it re-reads `Supervisor.state` and goes on."""

    lost: int


class Supervisor:
    """Owns every run of this process; leaving its context cancels what still runs."""

    async def __aenter__(self) -> Supervisor:
        """Settles what a dead process left behind, then is ready."""
        raise NotImplementedError

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Cancels every run and waits until nothing of theirs is left."""
        raise NotImplementedError

    async def start(self, spec: RunSpec, folder: str, buffers: Sequence[Buffer] = ()) -> RunId:
        """Starts a run and returns at once; what goes wrong later is in the run's events."""
        raise NotImplementedError

    async def wait(self, run: RunId) -> RunState:
        """Waits until a run is settled. Cancelling the wait does not cancel the run."""
        raise NotImplementedError

    async def cancel(self, run: RunId, by: str) -> bool:
        """Cancels a run, also one that another process drives. False: it was over already."""
        raise NotImplementedError

    async def state(self, run: RunId) -> RunState:
        """All that is known of a run, live or stored. ``run`` may be a unique prefix.

        Raises:
            NotFoundError: No such run.
        """
        raise NotImplementedError

    async def runs(self, folder: str | None = None, limit: int = 50) -> Sequence[RunRecord]:
        """The newest runs first."""
        raise NotImplementedError

    async def plan(
        self,
        run: RunId,
        candidate: CandidateId | None,
        live: LiveFiles,
        *,
        paths: Sequence[str] | None = None,
        hunks: Mapping[str, Sequence[int]] | None = None,
    ) -> EditPlan:
        """What `apply` would do now."""
        raise NotImplementedError

    async def apply(
        self,
        run: RunId,
        candidate: CandidateId | None,
        live: LiveFiles,
        *,
        paths: Sequence[str] | None = None,
        hunks: Mapping[str, Sequence[int]] | None = None,
    ) -> Delivery:
        """Lands a candidate (None: the winner) in the live files by three-way merge.

        ``paths`` and ``hunks`` (path → indices of its hunks against the base) choose a part.
        With a conflict nothing of the conflicting files is written; the rest lands.
        """
        raise NotImplementedError

    async def discard(self, run: RunId, candidate: CandidateId | None) -> None:
        """Records that the user does not want it."""
        raise NotImplementedError

    async def file(self, run: RunId, candidate: CandidateId | None, path: str) -> bytes:
        """A file as a candidate (None: the base) has it.

        Raises:
            NotFoundError: No such run, candidate or file.
        """
        raise NotImplementedError

    async def patch(self, run: RunId, candidate: CandidateId) -> str:
        """A candidate's unified diff, for people."""
        raise NotImplementedError

    def subscribe(
        self, run: RunId | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[Envelope | Delta | Gap]]:
        """Live news of one run, or of all, from now on. The queue is bounded (see `Gap`)."""
        raise NotImplementedError
