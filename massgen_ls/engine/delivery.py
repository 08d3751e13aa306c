"""Verdict + live files → what lands: merged with the live version, or refused and tried anew."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from massgen_ls.core.candidate import Candidate, Snapshot
from massgen_ls.core.changes import FileChange, RelPath
from massgen_ls.core.landing import Landing, Side
from massgen_ls.core.landing import plan as plan_landing
from massgen_ls.core.plan import Conflict, EditPlan
from massgen_ls.core.task import CandidateId
from massgen_ls.engine.world import World
from massgen_ls.ports import Landed, LiveFiles

TRIES = 3
"""How often a plan is computed before a user who keeps typing is left in peace."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a candidate that should land."""

    candidate: CandidateId
    applied: bool
    paths: tuple[RelPath, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    reason: str = ""
    """Why nothing was applied, for people."""


async def plan_delivery(
    world: World,
    snapshot: Snapshot,
    candidate: Candidate,
    live: LiveFiles,
    paths: AbstractSet[RelPath] | None = None,
    hunks: Mapping[RelPath, AbstractSet[int]] | None = None,
) -> EditPlan:
    """What would have to be done to the live files as they are now."""
    base, new = await _sides(world, snapshot, candidate)
    return await _plan(world, snapshot, candidate, live, base, new, paths, hunks)


async def deliver(
    world: World,
    snapshot: Snapshot,
    candidate: Candidate,
    live: LiveFiles,
    paths: AbstractSet[RelPath] | None = None,
    hunks: Mapping[RelPath, AbstractSet[int]] | None = None,
) -> Delivery:
    """Lands a candidate, or a part of it. What conflicts is reported and not written."""
    base, new = await _sides(world, snapshot, candidate)
    reason = ""
    for _ in range(TRIES):
        plan = await _plan(world, snapshot, candidate, live, base, new, paths, hunks)
        if not plan.operations:
            if plan.conflicts:
                reason = "every change of it conflicts with what you have now"
                return Delivery(candidate.id, False, (), plan.conflicts, reason)  # noqa: FBT003
            return Delivery(candidate.id, True)  # noqa: FBT003 - it is all there already
        answer = await live.apply(snapshot.root, plan)
        if isinstance(answer, Landed):
            return Delivery(candidate.id, True, plan.paths(), plan.conflicts)  # noqa: FBT003
        reason = answer.reason
        if not answer.stale:
            break
    return Delivery(candidate.id, False, reason=reason)  # noqa: FBT003


Sides = Mapping[RelPath, Side]


async def _sides(world: World, snapshot: Snapshot, candidate: Candidate) -> tuple[Sides, Sides]:
    """Both versions of every changed file, as a checkout would write them."""
    old: list[tuple[RelPath, str]] = []
    new: list[tuple[RelPath, str]] = []
    for change in candidate.changes.files:
        if "submodule" in {change.old_type, change.new_type}:
            continue
        if change.old_oid is not None and change.kind != "add":
            old.append((_base_path(change), change.old_oid))
        if change.new_oid is not None and change.kind != "delete":
            new.append((change.path, change.new_oid))
    contents = await world.objects.read(snapshot, [*old, *new])
    sides = [Side(content) for content in contents]
    return (
        {path: side for (path, _), side in zip(old, sides, strict=False)},
        {path: side for (path, _), side in zip(new, sides[len(old) :], strict=True)},
    )


def _base_path(change: FileChange) -> RelPath:
    return change.old_path or change.path


async def _plan(
    world: World,
    snapshot: Snapshot,
    candidate: Candidate,
    live: LiveFiles,
    base: Sides,
    new: Sides,
    paths: AbstractSet[RelPath] | None,
    hunks: Mapping[RelPath, AbstractSet[int]] | None,
) -> EditPlan:
    files = await live.read(snapshot.root, candidate.changes.paths())
    title = (candidate.summary or f"massgen: {candidate.id}").split("\n")[0]
    landing = Landing(candidate.id, title, candidate.changes, base, new, files, paths, hunks)
    # In a thread: a diff of a large file is C code that takes its time.
    return await asyncio.to_thread(plan_landing, landing, world.differ, world.refiner)
