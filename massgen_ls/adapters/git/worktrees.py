"""Leases worktrees of the shadow: reused first, made when there is none free.

This is the implementation on plain files, for every system. Where overlay mounts are to be had,
another implementation of `massgen_ls.ports.Worktrees` can take its place in `GitRooms`: a warm
base checkout, frozen, with one mount for each lease; a capture then looks at the upper layer
alone. Snapshots, objects and what a lease promises stay as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from massgen_ls.adapters.git.blobs import read_blobs
from massgen_ls.adapters.git.capture import capture
from massgen_ls.adapters.git.differences import differences
from massgen_ls.adapters.git.locks import HeldLock, shared, try_lock
from massgen_ls.adapters.git.plumbing import Git, first_of, storage_error
from massgen_ls.adapters.git.reaping import retire_runs
from massgen_ls.adapters.git.setups import Setups, Wanted
from massgen_ls.adapters.git.shadow import Recipe, Shadow, Shadows
from massgen_ls.adapters.git.staging import HUGE
from massgen_ls.adapters.git.trash import Trash
from massgen_ls.adapters.git.trees import (
    Place,
    State,
    check_out,
    drop_lock,
    own_repository,
    reads,
    settle,
    step_to,
    sweep,
    word,
    write_exclude,
)
from massgen_ls.adapters.git.writing import overwrite, put
from massgen_ls.core.candidate import Snapshot, TreeId
from massgen_ls.core.changes import RelPath
from massgen_ls.core.errors import GitError, StorageError
from massgen_ls.core.task import CandidateId, RunId, SandboxRule, WorktreeRules
from massgen_ls.ports import Captured

_IDLE = 16
"""Places that are kept for reuse in one shadow; a start throws the rest away."""


@dataclass(frozen=True, slots=True)
class GitLease:
    """`massgen_ls.ports.Lease` on plain files."""

    git: Git
    place: Place
    recipe: Recipe
    snapshot: Snapshot
    run: RunId
    huge: int
    reads: tuple[str, ...]
    """Folders elsewhere that it reads."""
    _capturing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def path(self) -> str:
        """Its top, absolute."""
        return self.place.tree

    @property
    def folder(self) -> str:
        """Where the user's folder is in it, absolute."""
        prefix = self.snapshot.prefix
        return os.path.join(self.place.tree, prefix) if prefix else self.place.tree

    @property
    def home(self) -> str:
        """A private, writable folder beside it."""
        return self.place.home

    async def put(self, files: Mapping[RelPath, bytes | None]) -> None:
        """Writes or takes away files; see `massgen_ls.ports.Lease.put`."""
        try:
            await asyncio.to_thread(put, self.place.tree, files)
        except OSError as error:
            raise storage_error(error, self.place.tree) from error

    async def capture(self, candidate: CandidateId, message: str) -> Captured:
        """Records what differs from the base; see `massgen_ls.ports.Lease.capture`."""
        async with self._capturing:
            return await capture(
                self.git,
                self.place,
                self.recipe,
                self.snapshot,
                self.run,
                candidate,
                message,
                huge=self.huge,
            )


@dataclass(frozen=True, slots=True)
class GitWorktrees:
    """`massgen_ls.ports.Worktrees` on plain files."""

    git: Git
    shadows: Shadows
    setups: Setups
    trash: Trash
    huge: int = HUGE
    """Bytes: larger new or changed files are left out of captures."""
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    """A run was over and worktrees for the next one are ready: a good time to tidy up."""

    @asynccontextmanager
    async def lease(
        self,
        snapshot: Snapshot,
        run: RunId,
        rules: WorktreeRules,
        *,
        tree: TreeId | None = None,
        sandbox: SandboxRule = "auto",
    ) -> AsyncGenerator[GitLease]:
        """A worktree, ours alone as long as the context lasts; see `massgen_ls.ports.Worktrees`."""
        shadow = self.shadows.of(snapshot)
        recipe = shadow.recipe(snapshot)
        place, lock = self._claim(shadow, tree or snapshot.tree, word(recipe))
        try:
            wanted = await self.setups.wanted(place, snapshot, recipe, run, rules, sandbox)
            await self._get_ready(place, snapshot, recipe, rules, tree or snapshot.tree, wanted)
            try:
                # From here on somebody else may write there, whatever happens to us.
                place.write(replace(place.state(), clean=False))
                await asyncio.to_thread(own_repository, place, snapshot, recipe, place.state().kept)
                beside = await asyncio.to_thread(reads, place, recipe)
            except OSError as error:
                raise storage_error(error, place.top) from error
            yield GitLease(self.git, place, recipe, snapshot, run, self.huge, beside)
        finally:
            try:
                # What a run left in its HOME is not kept around: it may hold what it should not.
                place.new_home()
            except OSError:
                pass  # The place was never made, or is broken: its next lease deals with that.
            finally:
                lock.release()

    async def warm(self, snapshot: Snapshot, count: int) -> None:
        """Makes worktrees ahead; see `massgen_ls.ports.Worktrees.warm`."""
        shadow = self.shadows.of(snapshot)
        recipe = shadow.recipe(snapshot)
        claimed: list[tuple[Place, HeldLock]] = []
        try:
            wanted = word(recipe)
            claimed.extend(self._claim(shadow, snapshot.tree, wanted) for _ in range(count))
            try:
                async with asyncio.TaskGroup() as group:
                    for place, _ in claimed:
                        group.create_task(
                            self._get_ready(place, snapshot, recipe, None, snapshot.tree, Wanted())
                        )
            except ExceptionGroup as errors:
                raise first_of(errors) from None
        finally:
            for _, lock in claimed:
                lock.release()
        self.idle.set()

    async def fingerprint(self, snapshot: Snapshot, run: RunId, rules: WorktreeRules) -> str:
        """What the included files are like; see `massgen_ls.ports.Worktrees.fingerprint`."""
        shadow = self.shadows.of(snapshot)
        place = Place(shadow, "0", self.trash)  # any will do: only its shadow is asked
        recipe = shadow.recipe(snapshot)
        wanted = await self.setups.wanted(place, snapshot, recipe, run, rules)
        return wanted.fingerprint

    def _claim(self, shadow: Shadow, tree: TreeId, checkout: str) -> tuple[Place, HeldLock]:
        """Takes the place that needs the least work among those that nobody has."""
        try:
            try:
                there = [n for n in os.listdir(shadow.folder("trees")) if n.isdigit()]
            except FileNotFoundError:
                os.makedirs(shadow.folder("trees"), exist_ok=True)
                there = []

            def work(name: str) -> tuple[bool, bool, int]:
                state = Place(shadow, name, self.trash).state()
                ready = state.clean and state.tree == tree and state.checkout == checkout
                return (not ready, state.tree != tree, int(name))

            fresh = (str(number) for number in itertools.count() if str(number) not in there)
            for name in itertools.chain(sorted(there, key=work), fresh):
                place = Place(shadow, name, self.trash)
                with shared(shadow.gate):
                    lock = try_lock(place.lock_path)
                if lock is not None:
                    return place, lock
        except OSError as error:
            raise storage_error(error, shadow.top) from error
        raise AssertionError("there is always another number")

    async def _get_ready(
        self,
        place: Place,
        snapshot: Snapshot,
        recipe: Recipe,
        rules: WorktreeRules | None,
        tree: TreeId,
        wanted: Wanted,
    ) -> None:
        async with self.git.crowd:
            try:
                if place.usable():
                    try:
                        await self._prepare(place, snapshot, recipe, rules, tree, wanted=wanted)
                        return
                    except (GitError, OSError):
                        pass  # Whatever was done to it: a new one is sound.
                place.build(recipe)
                await self._prepare(place, snapshot, recipe, rules, tree, wanted=wanted, new=True)
            except OSError as error:
                raise storage_error(error, place.top) from error
            except GitError as error:
                raise StorageError(
                    f"A worktree cannot be made: {error.what}",
                    "If your repository was repacked or rewritten meanwhile, start a new run.",
                ) from error

    async def _prepare(
        self,
        place: Place,
        snapshot: Snapshot,
        recipe: Recipe,
        rules: WorktreeRules | None,
        tree: TreeId,
        *,
        wanted: Wanted,
        new: bool = False,
    ) -> None:
        """Brings a place to a tree, from whatever it is now; every step may be interrupted.

        Without rules an earlier set-up stays as it is, for the next lease to judge.
        """
        found = State(mode=os.lstat(place.tree).st_mode & 0o7777) if new else place.state()
        untouched = not new and found.clean and found.checkout == word(recipe)
        ready = untouched and found.tree == tree
        if not new and not ready:
            drop_lock(place)
        if untouched and not ready:
            place.write(replace(found, clean=False))
            ready = await step_to(self.git, place, recipe, tree, snapshot)
        if not ready:
            if not new:
                self.trash.throw(os.path.join(place.tree, ".git"))
                place.new_home()
                if found.checkout != word(recipe):
                    # Other line ends or patterns: right files are not right any more.
                    place.build(recipe)
                    found = State(mode=os.lstat(place.tree).st_mode & 0o7777)
                    new = True
                else:
                    place.write(replace(found, clean=False))
                    await sweep(self.git, place, recipe, found.kept, found.mode)
            await check_out(self.git, place, recipe, tree, snapshot)
            await self._lay_exact(place, snapshot, recipe, tree)
        if rules is None:
            place.write(replace(found, tree=tree, checkout=word(recipe), clean=True))
            return
        key = await asyncio.to_thread(self.setups.key, place, rules, wanted)
        kept, printed = found.kept, found.kept_print
        good = found.key == key and (
            not kept or await asyncio.to_thread(self.setups.still_good, place, found, key)
        )
        if not good:
            # If this is interrupted, nobody may take the place for ready.
            place.write(replace(found, clean=False))
            if kept:
                await sweep(self.git, place, recipe, (), found.mode)
            kept, printed = (), ""
            write_exclude(place, ())
            if key:
                kept, printed = await self.setups.make(place, snapshot, recipe, rules, wanted, tree)
                place.new_home()
                await settle(place)
        place.write(
            State(tree, word(recipe), True, key, kept, printed, found.mode)  # noqa: FBT003
        )

    async def _lay_exact(
        self, place: Place, snapshot: Snapshot, recipe: Recipe, tree: TreeId
    ) -> None:
        """Overwrites the files that their blob does not check out as, where they are unchanged."""
        exact = dict(recipe.exact)
        if exact and tree != snapshot.tree:
            view = place.view(recipe)
            changed = await differences(self.git, view, snapshot.tree, tree, renames=False)
            for path in changed.changes.paths():
                exact.pop(path, None)
        if not exact:
            return
        view = place.view(recipe)
        contents = await read_blobs(self.git, view, list(exact.items()), filtered=False)
        for path, content in zip(exact, contents, strict=True):
            overwrite(os.path.join(place.tree, path), content)

    def leave_homes(self) -> None:
        """Takes the HOMEs of dead leases out of the way: a rename for each. Blocks shortly.

        Whoever starts does this first. Live leases, of any process, are not touched.
        """
        for shadow in self.shadows.all():
            for name in _numbered(shadow):
                place = Place(shadow, name, self.trash)
                with contextlib.suppress(OSError):  # one that resists must not keep us from work
                    if place.lived_in() and (lock := try_lock(place.lock_path)) is not None:
                        try:
                            if place.lived_in():
                                place.new_home()
                        finally:
                            lock.release()

    async def reap(self) -> None:
        """Clears away what dead processes left. Live leases, of any process, are not touched.

        Places whose holder is dead lose their HOME and wait for reuse; broken and surplus ones,
        half-made shadows, old desks and everything in the trash are deleted.
        """
        await self.clear_away()
        await self.trash.empty()

    async def clear_away(self) -> None:
        """What `reap` does, but for the deletion: everything is in the trash afterwards."""
        self.leave_homes()
        for shadow in self.shadows.all():
            try:
                self._reap(shadow)
            except OSError as error:
                raise storage_error(error, shadow.top) from error
            await asyncio.sleep(0)  # whoever wants to work now comes first
        self.shadows.drop_half_made(self.trash.throw)

    def _reap(self, shadow: Shadow) -> None:
        for rank, name in enumerate(_numbered(shadow)):
            place = Place(shadow, name, self.trash)
            if rank < _IDLE and place.usable():
                continue
            lock = try_lock(place.lock_path)
            if lock is None:
                continue
            try:
                if rank >= _IDLE or not place.usable():
                    place.clear()
            finally:
                lock.release()
        desks = set(_listed(shadow.folder("desks")))
        locks = _listed(shadow.folder("locks"))
        desks.update(n.removeprefix("desk-") for n in locks if n.startswith("desk-"))
        for name in desks:
            lock = try_lock(shadow.folder("locks", f"desk-{name}"))
            if lock is not None:
                try:
                    self.trash.throw(shadow.folder("desks", name))
                finally:
                    lock.remove()

    async def retire(self, now: float) -> None:
        """Forgets the candidates of runs long ago; ``now`` in seconds since the epoch."""
        for shadow in self.shadows.all():
            await retire_runs(self.git, shadow, now)


def _numbered(shadow: Shadow) -> list[str]:
    return sorted((n for n in _listed(shadow.folder("trees")) if n.isdigit()), key=int)


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []
