"""Reads what is stored in the shadow."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from massgen_ls.adapters.git.blobs import read_blobs
from massgen_ls.adapters.git.differences import differences, file_type
from massgen_ls.adapters.git.plumbing import Git, View, listing, storage_error
from massgen_ls.adapters.git.shadow import Recipe, Shadow, Shadows, fresh_name
from massgen_ls.core.candidate import Snapshot, TreeId
from massgen_ls.core.changes import ChangeSet, FileType, RelPath
from massgen_ls.core.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class GitObjects:
    """`massgen_ls.ports.Objects` on a shadow repository."""

    git: Git
    shadows: Shadows
    _laying_out: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read(
        self, snapshot: Snapshot, wanted: Sequence[tuple[RelPath, str]]
    ) -> Sequence[bytes]:
        """Blobs as a checkout would write them; see `massgen_ls.ports.Objects.read`.

        A file of the snapshot whose blob would not check out as it (mixed line ends under
        autocrlf) is read as the user has it.

        Raises:
            NotFoundError: An object is not stored any more.
        """
        if not wanted:
            return []
        shadow = self.shadows.of(snapshot)
        recipe = shadow.recipe(snapshot)
        view = View(
            shadow.git_dir,
            work_tree=await self._attributes(shadow, snapshot, recipe),
            settings=recipe.settings,
        )
        found = await read_blobs(self.git, view, wanted)
        odd = [n for n, (path, _) in enumerate(wanted) if path in recipe.exact]
        if odd:
            await self._as_on_disk(snapshot, view, recipe, wanted, odd, found)
        return found

    async def _as_on_disk(
        self,
        snapshot: Snapshot,
        view: View,
        recipe: Recipe,
        wanted: Sequence[tuple[RelPath, str]],
        odd: list[int],
        found: list[bytes],
    ) -> None:
        for number in odd:
            path, oid = wanted[number]
            base = await self.entry(snapshot, snapshot.tree, path)
            if base and base[0] == oid:
                [found[number]] = await read_blobs(
                    self.git, view, [(path, recipe.exact[path])], filtered=False
                )

    async def _attributes(self, shadow: Shadow, snapshot: Snapshot, recipe: Recipe) -> str:
        """A folder that holds the snapshot's ``.gitattributes`` alone: `cat-file` reads files."""
        folder = os.path.join(shadow.snapshot_folder(snapshot.commit), "attributes")
        async with self._laying_out:
            if _is_folder(folder):
                return folder
            beside = f"{folder}.{fresh_name()}"
            index = os.path.join(shadow.snapshot_folder(snapshot.commit), "index")
            try:
                os.makedirs(beside)
                if recipe.attributes:
                    view = View(
                        shadow.git_dir, work_tree=beside, index=index, settings=recipe.settings
                    )
                    await self.git.attempt(
                        view,
                        "checkout-index",
                        "-q",
                        "-f",
                        "-z",
                        "--stdin",
                        stdin=listing(recipe.attributes),
                    )
                os.rename(beside, folder)
            except OSError as error:
                shutil.rmtree(beside, ignore_errors=True)
                if not _is_folder(folder):
                    raise storage_error(error, folder) from error
        return folder

    async def outside(self, snapshot: Snapshot, paths: Sequence[RelPath]) -> set[RelPath]:
        """Those outside of the user's sparse checkout; see `massgen_ls.ports.Objects.outside`."""
        shadow = self.shadows.of(snapshot)
        if not paths or shadow.recipe(snapshot).sparse is None:
            return set()
        index = os.path.join(shadow.snapshot_folder(snapshot.commit), "index")
        view = View(shadow.git_dir, index=index)
        named = [f":(top,literal){path}" for path in paths]
        listed = await self.git.run(view, "ls-files", "-t", "-z", "--", *named)
        found = {os.fsdecode(line[2:]) for line in listed.split(b"\0") if line.startswith(b"S ")}
        return {path for path in paths if path in found}

    async def entry(
        self, snapshot: Snapshot, tree: TreeId, path: RelPath
    ) -> tuple[str, FileType] | None:
        """What is at a path of a tree; see `massgen_ls.ports.Objects.entry`."""
        shadow = self.shadows.of(snapshot)
        done = await self.git.attempt(
            shadow.view, "ls-tree", "-z", "--full-tree", tree, "--", f":(literal){path}"
        )
        if done.exit_code:
            raise NotFoundError(
                "Files of this run are not stored any more", "Start a new run instead."
            )
        for line in done.stdout.split(b"\0"):
            head, _, name = line.partition(b"\t")
            if name == os.fsencode(path):
                mode, _, oid = head.decode("ascii").split(" ")
                kind = file_type(mode)
                return (oid, kind) if kind else None
        return None

    async def changes(self, snapshot: Snapshot, tree: TreeId) -> ChangeSet:
        """The difference between the snapshot and another tree."""
        shadow = self.shadows.of(snapshot)
        return (await differences(self.git, shadow.view, snapshot.tree, tree)).changes

    async def overlay(
        self, snapshot: Snapshot, onto: TreeId, source: TreeId, paths: Sequence[RelPath]
    ) -> TreeId:
        """One tree's paths laid over another; see `massgen_ls.ports.Objects.overlay`."""
        shadow = self.shadows.of(snapshot)
        index = os.path.join(shadow.snapshot_folder(snapshot.commit), f"overlay.{fresh_name()}")
        view = replace(shadow.view, index=index)
        wanted = frozenset(os.fsencode(path) for path in paths)
        try:
            listed = await self._stored(shadow.view, "ls-tree", "-r", "-z", "--full-tree", source)
            laid = [entry for entry in listed.split(b"\0") if entry.partition(b"\t")[2] in wanted]
            await self._stored(view, "read-tree", onto)
            stdin = b"".join(entry + b"\0" for entry in laid)
            await self.git.run(view, "update-index", "-z", "--replace", "--index-info", stdin=stdin)
            return (await self.git.run(view, "write-tree")).decode("ascii").strip()
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(index)

    async def _stored(self, view: View, *args: str) -> bytes:
        done = await self.git.attempt(view, *args)
        if done.exit_code:
            raise NotFoundError(
                "Files of this run are not stored any more", "Start a new run instead."
            )
        return done.stdout

    async def patch(self, snapshot: Snapshot, tree: TreeId) -> str:
        """The same difference as a unified diff for people, renames found."""
        shadow = self.shadows.of(snapshot)
        said = await self.git.run(
            shadow.view,
            "diff-tree",
            "-r",
            "-p",
            "-M",
            "-l2000",
            "--full-index",
            "--no-ext-diff",
            "--no-textconv",
            "--no-color",
            "--src-prefix=a/",
            "--dst-prefix=b/",
            snapshot.tree,
            tree,
        )
        return said.decode("utf-8", "replace")


def _is_folder(path: str) -> bool:
    return os.path.isdir(path)
