"""Turns the user's workspace into a commit of the shadow, touching nothing of theirs."""

from __future__ import annotations

import math
import os
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from massgen_ls.adapters.git.blobs import read_blobs
from massgen_ls.adapters.git.buffers import Laid, lay, put
from massgen_ls.adapters.git.commits import write_commit
from massgen_ls.adapters.git.differences import differences
from massgen_ls.adapters.git.listings import Listing, list_all, list_differing
from massgen_ls.adapters.git.plumbing import Git, View, listing, storage_error
from massgen_ls.adapters.git.repository import STAT_SETTINGS, Repository, discover
from massgen_ls.adapters.git.shadow import Recipe, Shadow, Shadows, replace_file
from massgen_ls.adapters.git.staging import (
    HUGE,
    Staged,
    StagingRules,
    stage_found,
    without_filter,
)
from massgen_ls.core.candidate import Snapshot
from massgen_ls.core.errors import WorkspaceError
from massgen_ls.core.task import RunId
from massgen_ls.ports import SnapshotRequest

_FRESH = 1.0
"""Seconds for which what was found out about a repository is taken for what it is now."""
_COMPARED = 64 * 1024 * 1024
"""Bytes of dirty files that are compared with what their blobs check out as."""


def ref_part(name: str) -> str:
    """A name as one component of a ref; what git forbids there is percent-encoded."""
    return re.sub(
        r"[^A-Za-z0-9_.-]|^\.|\.(?=\.)|\.$|\.(?=lock$)",
        lambda m: "".join(f"%{byte:02X}" for byte in os.fsencode(m[0])),
        name,
    )


def run_ref(run: RunId, what: str) -> str:
    """The ref under which something of a run is kept."""
    return f"refs/runs/{ref_part(run)}/{ref_part(what)}"


def write_ref(shadow: str, ref: str, oid: str) -> None:
    """Sets a ref of the shadow. One file, whole or not at all; `update-ref` costs a process.

    Raises:
        StorageError: It cannot be written.
    """
    path = os.path.join(shadow, ref)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        replace_file(path, oid.encode("ascii") + b"\n")
    except OSError as error:
        raise storage_error(error, path) from error


@dataclass(frozen=True, slots=True)
class GitSnapshots:
    """`massgen_ls.ports.Snapshots` on a shadow repository."""

    git: Git
    shadows: Shadows
    environ: Mapping[str, str]
    huge: int = HUGE
    """Bytes: larger untracked files are left out."""
    _located: dict[str, tuple[float, Repository]] = field(
        default_factory=dict[str, tuple[float, Repository]], init=False
    )
    """What was found last, and when."""

    async def locate(self, folder: str) -> str:
        """The top of the working tree; see `massgen_ls.ports.Snapshots.locate`."""
        found = await discover(self.git, folder)
        self._located[folder] = time.monotonic(), found
        return found.root

    async def take(self, request: SnapshotRequest) -> Snapshot:
        """Takes a snapshot; see `massgen_ls.ports.Snapshots.take`."""
        # Whoever locates a folder mostly takes it next: git need not be asked the same again.
        when, repository = self._located.pop(request.folder, (-math.inf, None))
        if repository is None or time.monotonic() - when > _FRESH:
            repository = await discover(self.git, request.folder)
        shadow = await self.shadows.open(repository)
        settings = self.shadows.settings(shadow, repository)
        async with shadow.desk(repository.real_root, settings) as view:
            sparse = _bring_index(repository, view)
            rules = StagingRules(huge=self.huge)
            tracked = await list_all(self.git, view)
            found = tracked.differing()
            if await self._see_everything(repository, view, tracked, sparse=sparse is not None):
                found = await list_differing(self.git, view)
            staged = await stage_found(self.git, view, rules, found)
            for name in staged.off:
                view = without_filter(view, name)
            laid = await lay(self.git, view, repository, request.buffers, tracked, staged)
            await put(self.git, view, laid, staged)
            return await self._keep(
                request.run, repository, shadow, view, staged, tracked, laid, sparse
            )

    async def _see_everything(
        self, repository: Repository, view: View, tracked: Listing, *, sparse: bool
    ) -> bool:
        """Clears the flags, in the private index, that make git look away from edited files.

        Returns whether there were any.
        """
        looked_away = tracked.looked_away()
        skipped: list[str] = []
        if not sparse:
            # Without sparse patterns the flag means "do not show my edits"; they are on the
            # screen all the same. An absent file stays as it was committed.
            skipped = _present(repository.real_root, tracked.skipped())
        for flag, paths in (
            ("--no-assume-unchanged", looked_away),
            ("--no-skip-worktree", skipped),
        ):
            if paths:
                await self.git.run(
                    view, "update-index", flag, "-z", "--stdin", stdin=listing(paths)
                )
        return bool(looked_away or skipped)

    async def _keep(
        self,
        run: RunId,
        repository: Repository,
        shadow: Shadow,
        view: View,
        staged: Staged,
        tracked: Listing,
        laid: list[Laid],
        sparse: str | None,
    ) -> Snapshot:
        # In a partial clone the objects of unchanged files may be absent, and stay so.
        tree = (await self.git.run(view, "write-tree", "--missing-ok")).decode().strip()
        parents = [repository.head] if repository.head else []
        commit = write_commit(shadow.git_dir, tree, parents, "massgen-ls: the workspace as it was")
        more = (p for p in staged.changed if p.rpartition("/")[2] == ".gitattributes")
        attributes = tuple(sorted({*tracked.attributes(), *more}))
        exact: dict[str, str] = {}
        if (staged.changed or laid) and (attributes or self._may_convert(repository)):
            exact = await self._exact(repository, view, tree, laid)
        recipe = Recipe(
            root=repository.real_root,
            settings={k: v for k, v in view.settings.items() if k not in STAT_SETTINGS},
            sparse=sparse,
            exact=exact,
            gitlinks=tuple(tracked.gitlinks()),
            attributes=attributes,
            head=repository.head,
        )
        if exact:
            entries = (f"100644 blob {oid}\t{n}\0" for n, oid in enumerate(exact.values()))
            kept = await self.git.run(view, "mktree", "-z", stdin="".join(entries).encode())
            write_ref(shadow.git_dir, run_ref(run, "exact"), kept.decode().strip())
        write_ref(shadow.git_dir, run_ref(run, "base"), commit)
        try:
            index = os.path.join(view.git_dir, "index")
            if not _present(view.git_dir, ["index"]):
                await self.git.run(view, "read-tree", "--empty")
            shadow.keep_recipe(commit, recipe, index)
        except OSError as error:
            raise storage_error(error, shadow.top) from error
        return Snapshot(
            root=repository.root,
            prefix=repository.prefix,
            shadow=shadow.git_dir,
            commit=commit,
            tree=tree,
            head=repository.head,
            notes=_notes(repository, staged),
        )

    def _may_convert(self, repository: Repository) -> bool:
        """Whether a file and its blob can differ although no tracked attributes say so."""
        settings = repository.settings
        if settings.get("core.autocrlf", "false").lower() not in {"false", "no", "off", "0", ""}:
            return True
        if "core.eol" in settings or "core.attributesfile" in settings:
            return True
        home = self.environ.get("HOME", "")
        config = self.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
        places = (
            os.path.join(repository.common_dir, "info", "attributes"),
            os.path.join(config, "git", "attributes"),
        )
        return any(os.path.exists(place) for place in places)

    async def _exact(
        self, repository: Repository, view: View, tree: str, laid: list[Laid]
    ) -> dict[str, str]:
        """Finds dirty files whose blob would not check out as them (mixed line ends, say)."""
        base = repository.head or await self._empty_tree(view)
        changes = await differences(self.git, view, base, tree, renames=False)
        unsaved = {buffer.path: buffer.content for buffer in laid}
        wanted: list[tuple[str, str]] = []
        wholes: list[bytes] = []
        room = _COMPARED
        for change in changes.changes.files:
            if change.new_oid is None or change.new_type not in {"file", "executable"}:
                continue
            content = unsaved.get(change.path)
            if content is None:
                content = _file(os.path.join(repository.real_root, change.path), room)
            if content is not None and len(content) <= room:
                room -= len(content)
                wanted.append((change.path, change.new_oid))
                wholes.append(content)
        checked_out = await read_blobs(self.git, view, wanted)
        exact: dict[str, str] = {}
        for (path, _), whole, other in zip(wanted, wholes, checked_out, strict=True):
            if whole != other:
                oid = await self.git.run(view, "hash-object", "-w", "--stdin", stdin=whole)
                exact[path] = oid.decode().strip()
        return exact

    async def _empty_tree(self, view: View) -> str:
        return (await self.git.run(view, "mktree", stdin=b"")).decode().strip()


def _present(folder: str, paths: list[str]) -> list[str]:
    return [path for path in paths if os.path.lexists(os.path.join(folder, path))]


def _file(path: str, limit: int) -> bytes | None:
    try:
        if os.lstat(path).st_size > limit:
            return None
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def _bring_index(repository: Repository, view: View) -> str | None:
    """Copies the user's index, with its time stamp, and the sparse patterns, which it returns.

    The time stamp counts: a file that changed in the same instant as the index was written is
    looked at again only when git can see that.
    """
    source = os.path.join(repository.git_dir, "index")
    try:
        for attempt in range(3):
            if not os.path.exists(source):
                break
            shutil.copy2(source, os.path.join(view.git_dir, "index"))
            if _bring_shared(repository, view) or attempt == 2:
                break
    except PermissionError as error:
        raise WorkspaceError(
            f"The index of {repository.root!r} cannot be read: {error.strerror}",
            "Check who owns the files in its .git folder.",
        ) from error
    except OSError as error:
        raise storage_error(error, view.git_dir) from error
    if repository.settings.get("core.sparsecheckout", "false").lower() not in {"true", "1", "yes"}:
        return None
    try:
        path = os.path.join(repository.git_dir, "info", "sparse-checkout")
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            patterns = file.read()
    except OSError:
        return None
    put_sparse(view, patterns)
    return patterns


def put_sparse(view: View, patterns: str) -> None:
    """Gives a private GIT_DIR the sparse patterns."""
    os.makedirs(os.path.join(view.git_dir, "info"), exist_ok=True)
    path = os.path.join(view.git_dir, "info", "sparse-checkout")
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(patterns)


def _bring_shared(repository: Repository, view: View) -> bool:
    """Copies the shared part of a split index; False when it changed under our hands."""
    with open(os.path.join(view.git_dir, "index"), "rb") as file:
        content = file.read()
    for name in os.listdir(repository.git_dir):
        oid = name.removeprefix("sharedindex.")
        if oid == name or not re.fullmatch("[0-9a-f]{40,64}", oid):
            continue
        if bytes.fromhex(oid) in content:
            try:
                shutil.copy2(
                    os.path.join(repository.git_dir, name), os.path.join(view.git_dir, name)
                )
            except FileNotFoundError:
                return False
    return True


def _notes(repository: Repository, staged: Staged) -> tuple[str, ...]:
    notes = [
        f"{path}: an embedded repository, which is not part of the snapshot"
        for path in staged.nested
    ]
    notes.extend(
        f"the repository's own filter {name!r} is not run: its files are taken as git stores them"
        for name in repository.foreign_filters
    )
    return tuple(notes + staged.notes)
