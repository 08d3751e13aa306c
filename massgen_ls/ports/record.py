"""The record of every run, and who listens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from massgen_ls.core.candidate import CheckResult
from massgen_ls.core.events import Delta, Envelope, Event
from massgen_ls.core.task import Attachment, Origin, RunId


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A line of the list of runs."""

    run: RunId
    folder: str
    root: str
    prompt: str
    started: float
    owner: str
    settled: bool
    outcome: str = ""
    winner: str = ""
    candidates: tuple[str, ...] = field(default=())


class Store(Protocol):
    """The append-only record of every run."""

    async def append(self, run: RunId, events: Sequence[Event]) -> Sequence[Envelope]:
        """Stores events for good, in this order, and gives them their numbers."""
        ...

    async def read(self, run: RunId, after: int = 0) -> Sequence[Envelope]:
        """A run's history past a sequence number. Empty for an unknown run."""
        ...

    async def newest(
        self,
        folder: str | None,
        limit: int,
        kinds: Collection[str],
        whole: Collection[str] = (),
    ) -> Sequence[Sequence[Envelope]]:
        """The histories of the runs that `runs` lists, in its order; without a run that has none.

        Args:
            folder: That of the runs.
            limit: How many of them.
            kinds: The kinds of events that are read.
            whole: A run that has an event of one of these kinds is read whole.
        """
        ...

    def mark(self) -> object:
        """Equal to the last one when nobody, of any process, has written since. Cheap.

        What is being written while it is taken may be in it and not to be read yet, so a mark that
        stays equal puts a reading off and does not save it for ever.
        """
        ...

    async def runs(self, folder: str | None = None, limit: int = 50) -> Sequence[RunRecord]:
        """The newest runs first; ``folder`` keeps those of that folder or below."""
        ...

    async def find(self, prefix: str) -> Sequence[RunId]:
        """Every run whose id starts so; just the one when the id is whole."""
        ...

    async def unsettled(self) -> Sequence[RunRecord]:
        """Runs without a verdict, whoever drives them."""
        ...

    async def cached_check(self, key: str, since: float = 0.0) -> CheckResult | None:
        """A stored check result, if it was stored at ``since`` or later."""
        ...

    async def cache_check(self, key: str, result: CheckResult) -> None:
        """Stores a check result under everything that it depends on."""
        ...


class Attachments(Protocol):
    """The pictures of tasks, kept by their content for as long as their runs are."""

    async def keep(self, name: str, content: bytes) -> Attachment:
        """Keeps a picture.

        Raises:
            AttachmentError: Agents cannot be shown it.
            StorageError: It cannot be written.
        """
        ...

    async def find(self, name: str, digest: str) -> Attachment:
        """A picture that was kept before.

        Raises:
            NotFoundError: It is not there (any more).
        """
        ...

    async def lay(self, attachment: Attachment, folder: str) -> str:
        """Copies a picture into a folder of ours; returns the file's path.

        Raises:
            NotFoundError: It is not there any more.
            StorageError: It cannot be written.
        """
        ...


class Conversations(Protocol):
    """Conversations of agents, as their own programs write them down, to go on from a copy."""

    async def keep(self, origin: Origin, file: str, home: str, clean: Callable[[str], str]) -> None:
        """Keeps what an agent has left in a file; where that cannot be, it is done without.

        Args:
            origin: Whose conversation it is.
            file: Where it is written down.
            home: The agent's home: what leads out of it is not followed.
            clean: Takes secrets out of a text.
        """
        ...

    async def lay(self, origin: Origin, home: str) -> str:
        """Copies it into an agent's home; the file's path, or nothing where none is kept."""
        ...


class Audience(Protocol):
    """Hears of everything that happens, after it was stored. Never blocks, never raises."""

    def hear(self, news: Envelope | Delta) -> None:
        """Takes one piece of news."""
        ...
