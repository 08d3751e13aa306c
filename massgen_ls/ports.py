"""Every socket of the engine, as Protocols. What plugs in lives in adapters, lsp or testing.

All methods may raise the errors of `massgen_ls.core.errors` and `asyncio.CancelledError`;
what else an outside program can do wrong is a value.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from massgen_ls.core.candidate import CheckResult, Snapshot, TreeId
from massgen_ls.core.changes import ChangeSet, FileType, RelPath
from massgen_ls.core.diff import Differ as Differ
from massgen_ls.core.diff import Refiner as Refiner
from massgen_ls.core.events import AttemptOutcome, Delta, Envelope, Event
from massgen_ls.core.plan import EditPlan, LiveFile
from massgen_ls.core.task import (
    AgentId,
    AgentSpec,
    CandidateId,
    CheckSpec,
    RunId,
    SandboxRule,
    SeatId,
    Task,
    WorktreeRules,
)

# ── the world's small inputs ────────────────────────────────────────────────────────────────────


class Clock(Protocol):
    """Time, as the engine may see it."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        ...


class Ids(Protocol):
    """Fresh names."""

    def run_id(self) -> RunId:
        """A name that no run has had."""
        ...


# ── processes ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Fence:
    """What a process may write. Everything else is read-only to it where a sandbox is to be had."""

    writable: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    """Folders that appear empty."""
    required: bool = False
    """Refuse to start without a sandbox."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run."""

    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    """The complete environment: nothing is inherited."""
    stdin: bytes | None = None
    """Written, then closed. None: no input at all."""
    keep_stdin: bool = False
    """Leave stdin open for `Running.write`."""
    timeout: float | None = None
    """Seconds; past it the tree is ended and `Finished.timed_out` is set."""
    keep: int = 8 * 1024 * 1024
    """Bytes kept of each stream in `Finished`: the first half and the last half of it."""
    fence: Fence | None = None
    raw: bool = False
    """Pass output on as it comes, without waiting for the end of a line."""
    tree: bool = True
    """Own session, and every descendant is ended with it. False for short plumbing (git)."""


@dataclass(frozen=True, slots=True)
class Output:
    """A piece of what a process prints: whole lines where it prints lines, at most 64 KiB."""

    stream: Literal["stdout", "stderr"]
    bytes: bytes


@dataclass(frozen=True, slots=True)
class Finished:
    """How a process ended."""

    exit_code: int
    """Negative: ended by that signal."""
    stdout: bytes
    stderr: bytes
    seconds: float
    timed_out: bool = False
    dropped: int = 0
    """Bytes printed beyond what was kept."""
    survivors: int = 0
    """Descendants that outlived it and were ended."""


class Running(Protocol):
    """A process that runs. Leaving its context ends it and all its descendants."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    def output(self) -> AsyncGenerator[Output]:
        """What it prints, live; ends when it has ended. Bounded: a slow reader holds it back."""
        ...

    async def write(self, chunk: bytes) -> None:
        """Writes to its stdin; silently nothing when it no longer reads."""
        ...

    async def close_stdin(self) -> None:
        """Ends its input."""
        ...

    async def wait(self) -> Finished:
        """Waits for the end; never hangs on a grandchild that holds a pipe."""
        ...

    async def stop(self) -> Finished:
        """The kill ladder: close stdin, TERM, KILL of the whole tree."""
        ...


class Processes(Protocol):
    """Starts programs. A missing program raises `FileNotFoundError`, a bad one `OSError`."""

    def start(self, command: Command) -> AbstractAsyncContextManager[Running]:
        """Starts one program for as long as the context lasts."""
        ...

    async def run(self, command: Command) -> Finished:
        """Runs one program to its end."""
        ...


# ── git ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Buffer:
    """An open document whose text differs from its file, or has none yet."""

    path: str
    """Absolute."""
    text: str
    encoding: str = "utf-8"


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """What to take a snapshot of."""

    folder: str
    """The folder that the user opened, absolute: anywhere in a working tree."""
    run: RunId
    buffers: tuple[Buffer, ...] = ()


class Snapshots(Protocol):
    """Turns the user's workspace into a commit of the shadow, touching nothing of theirs."""

    async def locate(self, folder: str) -> str:
        """The top of the working tree that a folder lies in, absolute; cheap.

        Raises:
            WorkspaceError: Not in a git repository; git missing or too old; a bare repository.
        """
        ...

    async def take(self, request: SnapshotRequest) -> Snapshot:
        """Takes one; recorded as ``refs/runs/<run>/base``.

        Raises:
            WorkspaceError: Not in a git repository; git missing or too old; a bare repository.
            StorageError: Our cache folder cannot be written.
        """
        ...


@dataclass(frozen=True, slots=True)
class Captured:
    """A worktree's content, held against the base."""

    tree: TreeId
    commit: str
    changes: ChangeSet
    notes: tuple[str, ...] = ()
    """What was left out and why (a link that leads outside, a file too large)."""


class Lease(Protocol):
    """A worktree that is ours alone for a while."""

    @property
    def path(self) -> str:
        """Its top, absolute."""
        ...

    @property
    def folder(self) -> str:
        """Where the user's folder is in it, absolute: ``path`` plus the snapshot's prefix."""
        ...

    @property
    def home(self) -> str:
        """A private, writable folder beside it: HOME and TMPDIR of what runs there."""
        ...

    async def capture(self, candidate: CandidateId, message: str) -> Captured:
        """Records what differs from the base as ``refs/runs/<run>/<candidate>``.

        Nothing is recorded when nothing differs. Never trusts the worktree's own index or HEAD.
        """
        ...


class Worktrees(Protocol):
    """Leases checkouts of the shadow."""

    def lease(
        self,
        snapshot: Snapshot,
        run: RunId,
        rules: WorktreeRules,
        *,
        tree: TreeId | None = None,
        sandbox: SandboxRule = "auto",
    ) -> AbstractAsyncContextManager[Lease]:
        """A worktree at the snapshot, or at another tree of the shadow, as long as it is needed.

        Set-up commands run what lies in that tree, which an agent may have written: they are
        confined as the agent is, by ``sandbox``, to the worktree and its home.

        Raises:
            StorageError: It cannot be made; there is no fallback to the user's own checkout.
            WorkspaceError: A set-up command failed.
            MassgenError: A sandbox is required for set-up commands and there is none.
        """
        ...

    async def warm(self, snapshot: Snapshot, count: int) -> None:
        """Makes worktrees ahead, so that the next ``count`` leases are quick.

        What an earlier set-up left in them stays. Cancelling it costs nothing but the work done.
        """
        ...

    async def fingerprint(self, snapshot: Snapshot, run: RunId, rules: WorktreeRules) -> str:
        """Changes whenever the ignored files that ``rules.include`` brings in do; cheap."""
        ...


class Objects(Protocol):
    """Reads what is stored in the shadow."""

    async def read(
        self, snapshot: Snapshot, wanted: Sequence[tuple[RelPath, str]]
    ) -> Sequence[bytes]:
        """Blobs as a checkout would write them: (path for the filters, object name) → bytes."""
        ...

    async def entry(
        self, snapshot: Snapshot, tree: TreeId, path: RelPath
    ) -> tuple[str, FileType] | None:
        """The object name and type at a path of a tree; None when there is none."""
        ...

    async def changes(self, snapshot: Snapshot, tree: TreeId) -> ChangeSet:
        """The difference between the snapshot and another tree."""
        ...

    async def patch(self, snapshot: Snapshot, tree: TreeId) -> str:
        """The same difference as a unified diff for people, renames found."""
        ...


# ── agents and checks ───────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Brief:
    """What an agent is given."""

    task: Task
    seat: SeatId
    attempt: int
    prompt: str
    """The full text for the agent: the task, its scope and the rules of the worktree."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an agent works."""

    path: str
    """The worktree's top."""
    folder: str
    """Where it starts: the user's folder in the worktree."""
    home: str
    """Its private HOME."""
    run: RunId
    timeout: float
    """Seconds that it may take."""
    fence: Fence | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """An agent printed or said something: live noise."""

    text: str
    stream: Literal["stdout", "stderr"] = "stdout"


@dataclass(frozen=True, slots=True)
class Acted:
    """An agent used a tool."""

    action: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt is over: always the last news, and always exactly one."""

    outcome: AttemptOutcome
    reason: str = ""
    exit_code: int | None = None
    summary: str = ""
    """What the agent says it did, in a few sentences."""


AgentNews = Said | Acted | Ended


@dataclass(frozen=True, slots=True)
class Health:
    """Whether an agent could start now, found out without spending anything."""

    agent: AgentId
    ok: bool
    found: str
    """What was found: a path, a version."""
    hint: str = ""
    """What to do when it is not ok."""


class Driver(Protocol):
    """Code that talks to one kind of agent."""

    def attempt(
        self, spec: AgentSpec, brief: Brief, place: Place
    ) -> AsyncGenerator[AgentNews, None]:
        """Runs the agent once. Closing the iterator ends it and all its processes.

        Never raises for what the agent does wrong: that is `Ended`.
        """
        ...

    async def health(self, spec: AgentSpec) -> Health:
        """Looks whether it could start; under half a second, no network, no cost."""
        ...


class Checker(Protocol):
    """Runs a check in a worktree."""

    async def run(
        self,
        check: CheckSpec,
        tree: TreeId,
        place: Place,
        say: Callable[[Said], None],
    ) -> CheckResult:
        """Runs it once; what goes wrong is in the result's outcome."""
        ...


# ── the user's live files ───────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Landed:
    """Every operation of the plan was performed."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was written. ``stale``: the files moved on, so a new plan may land."""

    reason: str
    stale: bool = False


class LiveFiles(Protocol):
    """The user's files as they are now: open buffers first, then the disk."""

    async def read(self, root: str, paths: Sequence[RelPath]) -> Mapping[RelPath, LiveFile]:
        """The live files among ``paths``; what does not exist is absent."""
        ...

    async def apply(self, root: str, plan: EditPlan) -> Landed | Refused:
        """Performs the whole plan, or nothing of it."""
        ...


# ── the record ──────────────────────────────────────────────────────────────────────────────────


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


class Audience(Protocol):
    """Hears of everything that happens, after it was stored. Never blocks, never raises."""

    def hear(self, news: Envelope | Delta) -> None:
        """Takes one piece of news."""
        ...
