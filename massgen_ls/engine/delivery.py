"""Lands a candidate in the user's live files: plan, apply, and plan anew when they moved on."""

from __future__ import annotations

import asyncio
import hashlib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from massgen_ls.core.candidate import Candidate, Snapshot
from massgen_ls.core.changes import ChangeSet, FileChange, RelPath, folders_above
from massgen_ls.core.landing import Contents, plan_landing
from massgen_ls.core.plan import Blocked, Clash, Conflict, EditPlan, Held, LiveFile, RenameFile
from massgen_ls.core.selection import EVERYTHING, Selection, chosen_changes
from massgen_ls.core.survey import FileSurvey, survey
from massgen_ls.core.task import CandidateId
from massgen_ls.engine.world import World
from massgen_ls.ports import Landed, LiveFiles

RECOMPUTED = 3
"""How often a plan is computed anew when the files moved on under it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a candidate that should land."""

    candidate: CandidateId
    applied: bool
    """Whether the files now have all of it that does not conflict, and that is not nothing."""
    paths: tuple[RelPath, ...] = ()
    """What was written; empty with ``applied`` when the files had it all before."""
    conflicts: tuple[Conflict, ...] = ()
    reason: str = ""
    """Why nothing was applied, for people."""
    held: tuple[Held, ...] = ()
    """What would land too if files may land in part."""
    blocked: tuple[Blocked, ...] = ()
    """Files that may not be written, with what to do about it."""
    others: bool = False
    """Whether with ``partial`` other files would land without those that hold it back."""
    root: str = ""
    """The top that paths count from, absolute."""
    landed: tuple[FileSurvey, ...] = ()
    """The chosen files with their hunks as they are after it."""

    @property
    def whole(self) -> bool:
        """Whether the files have all of it."""
        return self.applied and not self.conflicts and not self.blocked


@dataclass(frozen=True, slots=True)
class Deliverable:
    """A candidate, or a part of it, with the sides of its merge that never change: read once."""

    world: World
    snapshot: Snapshot
    candidate: Candidate
    live: LiveFiles
    selection: Selection
    base: Mapping[RelPath, bytes]
    theirs: Mapping[RelPath, bytes]
    paths: tuple[RelPath, ...]
    """The live files that landing looks at, with what may be in the way above them."""

    async def plan(self) -> EditPlan:
        """What landing it would do to the live files now.

        Raises:
            NotFoundError: A file or a hunk is chosen that the candidate does not have.
        """
        # Off the loop: a file of 50,000 lines is a tenth of a second of comparing.
        return await asyncio.to_thread(
            plan_landing,
            self.candidate.id,
            _label(self.candidate),
            self.candidate.changes,
            await self._contents(),
            self.world.differ,
            self.world.refiner,
            self.selection,
        )

    async def deliver(self) -> Delivery:
        """Lands it, and does nothing more once it has landed.

        With a conflict nothing of that file is written, or with ``selection.partial`` nothing but
        what does not conflict; the other files land. A file that may not be written holds back
        all of them, but with ``selection.partial``. What is in the files is answered, also where
        a cancel came too late to stop it (see `LiveFiles.apply`).

        Raises:
            NotFoundError: A file or a hunk is chosen that the candidate does not have.
        """
        name, reason = self.candidate.id, ""
        blocked: tuple[Blocked, ...] = ()
        for _ in range(1 + RECOMPUTED):
            plan, left_out = await self._beyond_sparse(_without(await self.plan(), blocked))
            if not plan.operations:
                return _nothing_written(plan, blocked + left_out)
            answer = await self.live.apply(self.snapshot.root, plan)
            if isinstance(answer, Landed):
                return Delivery(
                    name,
                    applied=True,
                    paths=plan.paths(),
                    conflicts=plan.conflicts,
                    held=plan.held,
                    blocked=blocked + left_out,
                )
            reason = answer.reason
            if answer.blocked:
                blocked += answer.blocked
                if self.selection.partial:
                    continue
                others = bool(_without(plan, blocked).operations)
                return Delivery(name, applied=False, reason=reason, blocked=blocked, others=others)
            if not answer.stale:
                break
        else:
            reason = f"the files kept changing while the edit was made ({reason})"
        return Delivery(name, applied=False, reason=reason)

    async def _beyond_sparse(self, plan: EditPlan) -> tuple[EditPlan, tuple[Blocked, ...]]:
        """Files that are missing because their user's sparse checkout leaves them out."""
        gone = [c.path for c in plan.conflicts if c.reason == "deleted_here"]
        if not gone:
            return plan, ()
        outside = await self.world.objects.outside(self.snapshot, gone)
        kept = tuple(c for c in plan.conflicts if c.path not in outside)
        return replace(plan, conflicts=kept), tuple(map(_outside, sorted(outside)))

    async def survey(self) -> tuple[FileSurvey, ...]:
        """Each hunk of its files with its place in the live files now."""
        chosen = ChangeSet(chosen_changes(self.candidate.changes, self.selection))
        contents = await self._contents()
        return await asyncio.to_thread(
            survey, chosen, contents, self.world.differ, self.world.refiner
        )

    async def _contents(self) -> Contents:
        now = await self.live.read(self.snapshot.root, self.paths)
        return Contents(self.base, self.theirs, now)


async def deliverable(
    world: World,
    snapshot: Snapshot,
    candidate: Candidate,
    live: LiveFiles,
    selection: Selection = EVERYTHING,
) -> Deliverable:
    """Reads what landing a candidate takes from git.

    Args:
        world: The ports.
        snapshot: What the candidate started from.
        candidate: What should land.
        live: The user's files.
        selection: The part of it that should.

    Raises:
        NotFoundError: A file is chosen that the candidate does not have.
    """
    base: list[tuple[RelPath, str]] = []
    theirs: list[tuple[RelPath, str]] = []
    changes = chosen_changes(candidate.changes, selection)
    for change in changes:
        old_path = change.old_path or change.path
        if "submodule" in (change.old_type, change.new_type):
            continue  # its object is a commit of another repository
        if change.old_oid is not None and change.kind != "add":
            base.append((old_path, change.old_oid))
        if change.new_oid is not None and change.kind != "delete":
            theirs.append((change.path, change.new_oid))
    wanted = [*base, *theirs]
    blobs = await world.objects.read(snapshot, wanted) if wanted else ()
    texts = [(path, blob) for (path, _), blob in zip(wanted, blobs, strict=True)]
    return Deliverable(
        world,
        snapshot,
        candidate,
        live,
        selection,
        dict(texts[: len(base)]),
        dict(texts[len(base) :]),
        _touched(changes),
    )


async def clashes(
    world: World, snapshot: Snapshot, candidates: Sequence[Candidate], live: LiveFiles
) -> tuple[Clash, ...]:
    """Which candidates would not land whole beside what the user has changed. Writes nothing.

    Live files that are still those of the base cost reading them, and nothing more.
    """
    every = {c.id: _touched(c.changes.files) for c in candidates}
    paths = tuple(sorted({path for touched in every.values() for path in touched}))
    now = await live.read(snapshot.root, paths)
    found: list[Clash] = []
    for candidate in candidates:
        if all(_as_it_was(now, change) for change in candidate.changes.files):
            continue
        plan = await (await deliverable(world, snapshot, candidate, live)).plan()
        own = {
            c.path for c in plan.conflicts if c.reason != "unsupported"
        }  # that is nobody's doing
        if own:
            found.append(Clash(candidate.id, tuple(sorted(own))))
    return tuple(found)


def _as_it_was(now: Mapping[RelPath, LiveFile], change: FileChange) -> bool:
    """Whether the live files that a change meets are, byte for byte, those of the base."""
    old_path = change.old_path or change.path
    fresh = {change.path, *folders_above(change.path)} - {old_path}
    there = now.get(old_path)
    if change.old_oid is None:
        return there is None and fresh.isdisjoint(now)
    if there is None or not fresh.isdisjoint(now):
        return False
    header = b"blob %d\0" % len(there.content)
    digest = hashlib.sha256 if len(change.old_oid) > _SHA1 else hashlib.sha1
    return digest(header + there.content).hexdigest() == change.old_oid


_SHA1 = 40
"""Characters of a name by SHA-1."""


def _without(plan: EditPlan, blocked: tuple[Blocked, ...]) -> EditPlan:
    """The plan without files that may not be written."""
    out = {each.path for each in blocked}
    grown = True
    while grown:  # a rename and the edit of what was renamed are one
        moved = [op for op in plan.operations if isinstance(op, RenameFile)]
        ends = [{op.path, op.old_path} for op in moved]
        both = {path for pair in ends if pair & out for path in pair}
        grown = not both <= out
        out |= both
    kept = tuple(op for op in plan.operations if op.path not in out)
    return replace(plan, operations=kept)


def _outside(path: RelPath) -> Blocked:
    bring = f"git sparse-checkout add {shlex.quote(path.rpartition('/')[0] or f'/{path}')}"
    why = f"{path} is outside of your sparse checkout: bring it in (`{bring}`), then apply again"
    return Blocked(path, why)


def _nothing_written(plan: EditPlan, blocked: tuple[Blocked, ...]) -> Delivery:
    if not plan.conflicts and not blocked:
        return Delivery(plan.candidate, applied=True)
    reasons = [each.why for each in blocked]
    files = len({conflict.path for conflict in plan.conflicts})
    if files:
        who = "1 file conflicts" if files == 1 else f"{files} files conflict"
        reasons.append(f"{who} with your own changes")
    reason = "; ".join(reasons)
    return Delivery(
        plan.candidate,
        applied=False,
        conflicts=plan.conflicts,
        reason=reason,
        held=plan.held,
        blocked=blocked,
    )


def _touched(changes: Iterable[FileChange]) -> tuple[RelPath, ...]:
    """The live files that landing looks at, with what may be in the way above them."""
    found: set[RelPath] = set()
    for change in changes:
        found |= {change.path, change.old_path or change.path, *folders_above(change.path)}
    return tuple(sorted(found))


def _label(candidate: Candidate) -> str:
    """One short line for the editor's undo list and its review panel."""
    said = [line.strip() for line in candidate.summary.split("\n") if line.strip()]
    text = said[0] if said else f"massgen: {candidate.id}"
    return text if len(text) <= 80 else text[:79] + "…"
