"""What this room is given from outside: the engine, the configuration and the disk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from massgen_ls.core.candidate import Fate
from massgen_ls.core.conversation import Transcript
from massgen_ls.core.events import Delta, Envelope
from massgen_ls.core.run_state import RunState
from massgen_ls.core.selection import EVERYTHING, Selection
from massgen_ls.core.survey import FileSurvey
from massgen_ls.core.task import (
    AgentSpec,
    ApplyMode,
    Attachment,
    CandidateId,
    Json,
    Mode,
    RunId,
    RunSpec,
    Scope,
    Task,
)
from massgen_ls.core.trust import Claim, Giver, Word
from massgen_ls.engine.bus import Gap
from massgen_ls.engine.delivery import Delivery
from massgen_ls.ports import Approver, Buffer, Health, LiveFiles, Message, RunRecord

if TYPE_CHECKING:
    from massgen_ls.config.problems import Problem
    from massgen_ls.config.starter import Around, Choice

News = Envelope | Delta | Gap


@dataclass(frozen=True, slots=True)
class Team:
    """What a run in a folder can be told to use."""

    agents: tuple[tuple[str, str], ...]
    """(id, type) of each agent, in the order of the configuration."""
    checks: tuple[str, ...]
    mode: Mode
    source: str
    """Where it comes from, for people."""


@dataclass(frozen=True, slots=True)
class EditorView:
    """What the editor has that counts for a run."""

    settings: Mapping[str, object] = field(default_factory=dict[str, object])
    """Its section ``massgen``."""
    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    """By absolute path: what it has open, saved or not."""

    @property
    def says(self) -> bool:
        """Whether the settings say anything about runs: what else is there are words and flags."""
        groups = (value for key, value in self.settings.items() if key != "profile")
        return bool(self.settings.get("profile")) or any(isinstance(g, dict | list) for g in groups)


@dataclass(frozen=True, slots=True)
class Founded:
    """A configuration that was written."""

    file: str
    trusted: bool
    """Whether it may have its way, or wants nothing that needs trust."""
    notes: tuple[str, ...]
    """What its user has to know of it."""
    health: tuple[dict[str, Json], ...]
    """Of each agent: part, mark (ok, note, bad), text, hint."""


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
        editor: EditorView,
        word: Word | None = None,
    ) -> RunSpec:
        """Chooses agents, checks and rules. Called in a thread: it may read files.

        ``scope.path`` is relative to ``folder``. None means: as configured. ``word`` is what the
        editor says about trusting the folder.

        Raises:
            ConfigError: The configuration cannot be used, or names no such agent or check.
            UntrustedError: The folder wants what needs its user's trust.
        """
        ...

    def problems(self, folder: str, editor: EditorView) -> Sequence[Problem]:
        """What is wrong in the configuration of a folder. Called in a thread; never raises."""
        ...

    def approve(self, claim: Claim, by: Giver) -> None:
        """Remembers that a folder's content, as it was shown, is trusted. Called in a thread.

        Raises:
            StorageError: It cannot be remembered.
        """
        ...

    async def look(self, folder: str) -> Around:
        """What there is for a first configuration."""
        ...

    async def found(
        self, folder: str, choice: Choice, around: Around, *, user: bool, force: bool, trusts: bool
    ) -> Founded:
        """Writes a first configuration.

        Args:
            folder: The folder that it is for.
            choice: What it shall say.
            around: What was found.
            user: It is the user's own, for all projects.
            force: A file that is there may be replaced.
            trusts: The editor does not forbid to trust the folder.

        Raises:
            ConfigError: It cannot be written, or is there already.
        """
        ...

    def check_place(self, folder: str, *, user: bool, force: bool) -> str:
        """The file that `found` would write. Called in a thread.

        Raises:
            ConfigError: It is there already.
        """
        ...

    def team(self, folder: str, editor: EditorView) -> Team:
        """What is configured for a folder. Called in a thread: it may read files.

        Raises:
            ConfigError: The configuration cannot be used.
        """
        ...

    def agents(self, file: str, editor: EditorView) -> Sequence[AgentSpec]:
        """The agents of one configuration file. Called in a thread: it may read files.

        Raises:
            ConfigError: The configuration cannot be used.
        """
        ...

    def named_agents(self) -> Mapping[str, str]:
        """The ACP agents that can be configured by name: what each id stands for."""
        ...


class Engine(Protocol):
    """The part of `engine.supervisor.Supervisor` that editors reach; its docstrings hold."""

    async def start(
        self,
        spec: RunSpec,
        folder: str,
        buffers: Sequence[Buffer] = (),
        live: LiveFiles | None = None,
    ) -> RunId:
        """Starts a run and returns at once."""
        ...

    async def resolve(self, run: str) -> RunId:
        """The whole id of a run that is named by its beginning."""
        ...

    async def wait(self, run: RunId) -> RunState:
        """Waits for the verdict."""
        ...

    async def cancel(self, run: RunId, by: str) -> bool:
        """Cancels a run; False: it was over."""
        ...

    async def tell(self, run: RunId, seat: str, message: Message, by: str) -> None:
        """Says something to an agent at work, or stops it where it is."""
        ...

    async def health(self, agents: Sequence[AgentSpec]) -> Sequence[Health]:
        """Whether each agent could start now; starts nothing."""
        ...

    async def transcripts(self, run: RunId) -> Sequence[Transcript]:
        """What each agent of a run said and did."""
        ...

    async def continued(self, task: Task, run: str, seat: str | None = None) -> Task:
        """A task that goes on from what the agents of an earlier run did."""
        ...

    async def attach(self, name: str, content: bytes) -> Attachment:
        """Keeps a picture for a task that is about to begin."""
        ...

    async def attached(self, name: str, digest: str) -> Attachment:
        """A picture of an earlier task."""
        ...

    async def state(self, run: RunId) -> RunState:
        """All that is known of a run."""
        ...

    async def runs(self, folder: str | None = None, limit: int = 50) -> Sequence[RunRecord]:
        """The newest runs first."""
        ...

    async def apply(
        self,
        run: RunId,
        candidate: CandidateId | None,
        live: LiveFiles,
        selection: Selection = EVERYTHING,
    ) -> Delivery:
        """Lands a candidate, or a part of it, in the live files."""
        ...

    async def hunks(
        self, run: RunId, candidate: CandidateId | None, live: LiveFiles
    ) -> tuple[CandidateId, str, tuple[FileSurvey, ...]]:
        """A candidate, the top that its paths count from, and its hunks in the live files."""
        ...

    async def revised(self, run: RunId, candidate: CandidateId, fate: Fate) -> None:
        """Records what its user made of a candidate that had landed."""
        ...

    async def discard(self, run: RunId, candidate: CandidateId | None) -> None:
        """Records that the user does not want it."""
        ...

    async def file(self, run: RunId, candidate: CandidateId | None, path: str) -> bytes:
        """A file as a candidate, or the base, has it."""
        ...

    async def files(self, run: RunId, candidate: CandidateId) -> Mapping[str, bytes]:
        """Every file that a candidate changes and has."""
        ...

    async def patch(self, run: RunId, candidate: CandidateId | None) -> str:
        """A candidate's unified diff."""
        ...

    def subscribe(self, run: RunId | None = None) -> AbstractContextManager[AsyncIterator[News]]:
        """Live news, of one run or of all."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """The floors below, put together."""

    engine: Engine
    desk: Desk
    disk: LiveFiles
    """The user's files on the disk, without regard to open buffers."""


Compose = Callable[[Callable[[str], None], Approver], AbstractAsyncContextManager[Services]]
"""Puts the services together; leaving the context cancels every run and leaves nothing behind.

It is given what tells the user something that they did not ask for.
"""
