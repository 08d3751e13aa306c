"""Git's sockets: snapshots, worktrees, stored objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from massgen_ls.core.candidate import Snapshot, TreeId
from massgen_ls.core.changes import ChangeSet, FileType, RelPath
from massgen_ls.core.task import (
    CandidateId,
    RunId,
    SandboxRule,
    WorktreeRules,
)


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
    unseen: tuple[str, ...] = ()
    """Files that git ignores and that were written all the same, but for what programs leave
    behind: they are no part of the changes."""


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

    @property
    def reads(self) -> tuple[str, ...]:
        """Folders elsewhere that it reads: those of git's objects, and the user's own."""
        ...

    async def put(self, files: Mapping[RelPath, bytes | None]) -> None:
        """Writes files as a checkout would have them, or takes them away where there is None.

        For a worktree in which nothing else has worked yet: nothing is followed out of it.

        Raises:
            StorageError: One cannot be written.
        """
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

    async def outside(self, snapshot: Snapshot, paths: Sequence[RelPath]) -> set[RelPath]:
        """Those among paths of the snapshot that its user's sparse checkout leaves out."""
        ...

    async def changes(self, snapshot: Snapshot, tree: TreeId) -> ChangeSet:
        """The difference between the snapshot and another tree."""
        ...

    async def overlay(
        self, snapshot: Snapshot, onto: TreeId, source: TreeId, paths: Sequence[RelPath]
    ) -> TreeId:
        """A tree with these paths as another one has them, everything else as ``onto`` has it.

        What ``source`` does not have at a path stays as it is. Where a path is a folder in
        ``onto``, or below one of its files, ``source`` wins. Nothing refers to the new tree: it is
        stored as long as something is at work in this shadow.

        Raises:
            NotFoundError: A tree is not stored any more.
        """
        ...

    async def patch(self, snapshot: Snapshot, tree: TreeId) -> str:
        """The same difference as a unified diff for people, renames found."""
        ...
