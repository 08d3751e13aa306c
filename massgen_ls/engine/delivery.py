"""Lands a candidate in the user's live files: plan, apply, and plan anew when they moved on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from massgen_ls.core.candidate import Candidate, Snapshot
from massgen_ls.core.changes import FileChange, RelPath, folders_above, rel_path
from massgen_ls.core.landing import (
    EVERYTHING,
    Contents,
    Selection,
    chosen_changes,
    plan_landing,
)
from massgen_ls.core.plan import Conflict, EditPlan
from massgen_ls.core.task import CandidateId
from massgen_ls.ports import Differ, Landed, LiveFiles, Objects, Refiner

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


@dataclass(frozen=True, slots=True)
class Diffing:
    """The functions that compare texts, which the core cannot know."""

    differ: Differ
    refiner: Refiner


def choose(paths: Sequence[str] | None, hunks: Mapping[str, Sequence[int]] | None) -> Selection:
    """A selection out of what a client sent.

    Raises:
        UnsafePathError: A path is not one of a repository.
    """
    return Selection(
        None if paths is None else frozenset(rel_path(path) for path in paths),
        {rel_path(path): frozenset(numbers) for path, numbers in (hunks or {}).items()},
    )


async def plan_delivery(
    objects: Objects,
    live: LiveFiles,
    snapshot: Snapshot,
    candidate: Candidate,
    diffing: Diffing,
    selection: Selection = EVERYTHING,
) -> EditPlan:
    """What landing a candidate would do to the live files now.

    Raises:
        NotFoundError: The selection names a file or a hunk that the candidate does not have.
    """
    stored = await _stored(objects, snapshot, chosen_changes(candidate.changes, selection))
    return await _planned(stored, live, snapshot, candidate, diffing, selection)


async def deliver(
    objects: Objects,
    live: LiveFiles,
    snapshot: Snapshot,
    candidate: Candidate,
    diffing: Diffing,
    selection: Selection = EVERYTHING,
) -> Delivery:
    """Lands a candidate. With a conflict nothing of that file is written; the rest lands.

    Raises:
        NotFoundError: The selection names a file or a hunk that the candidate does not have.
    """
    stored = await _stored(objects, snapshot, chosen_changes(candidate.changes, selection))
    reason = ""
    plan = EditPlan(candidate.id, "", ())
    for _ in range(1 + RECOMPUTED):
        plan = await _planned(stored, live, snapshot, candidate, diffing, selection)
        if not plan.operations:
            return _nothing_written(plan)
        answer = await live.apply(snapshot.root, plan)
        if isinstance(answer, Landed):
            return Delivery(
                candidate.id, applied=True, paths=plan.paths(), conflicts=plan.conflicts
            )
        reason = answer.reason
        if not answer.stale:
            break
    else:
        reason = f"the files kept changing while the edit was made ({reason})"
    return Delivery(candidate.id, applied=False, conflicts=plan.conflicts, reason=reason)


def _nothing_written(plan: EditPlan) -> Delivery:
    if not plan.conflicts:
        return Delivery(plan.candidate, applied=True)
    files = len({conflict.path for conflict in plan.conflicts})
    reason = f"{files} file{'s' if files > 1 else ''} conflict with your own changes"
    return Delivery(plan.candidate, applied=False, conflicts=plan.conflicts, reason=reason)


@dataclass(frozen=True, slots=True)
class _Stored:
    """The sides of the merge that never change, read once."""

    base: Mapping[RelPath, bytes]
    candidate: Mapping[RelPath, bytes]
    paths: tuple[RelPath, ...]


async def _stored(objects: Objects, snapshot: Snapshot, changes: Iterable[FileChange]) -> _Stored:
    base: list[tuple[RelPath, str]] = []
    theirs: list[tuple[RelPath, str]] = []
    paths: set[RelPath] = set()
    for change in changes:
        old_path = change.old_path or change.path
        paths |= {change.path, old_path, *folders_above(change.path)}
        if "submodule" in (change.old_type, change.new_type):
            continue  # its object is a commit of another repository
        if change.old_oid is not None and change.kind != "add":
            base.append((old_path, change.old_oid))
        if change.new_oid is not None and change.kind != "delete":
            theirs.append((change.path, change.new_oid))
    wanted = [*base, *theirs]
    blobs = await objects.read(snapshot, wanted) if wanted else ()
    texts = [(path, blob) for (path, _), blob in zip(wanted, blobs, strict=True)]
    return _Stored(dict(texts[: len(base)]), dict(texts[len(base) :]), tuple(sorted(paths)))


async def _planned(
    stored: _Stored,
    live: LiveFiles,
    snapshot: Snapshot,
    candidate: Candidate,
    diffing: Diffing,
    selection: Selection,
) -> EditPlan:
    now = await live.read(snapshot.root, stored.paths)
    contents = Contents(stored.base, stored.candidate, now)
    # Off the loop: a file of 50,000 lines is a tenth of a second of comparing.
    return await asyncio.to_thread(
        plan_landing,
        candidate.id,
        _label(candidate),
        candidate.changes,
        contents,
        diffing.differ,
        diffing.refiner,
        selection,
    )


def _label(candidate: Candidate) -> str:
    """One short line for the editor's undo list and its review panel."""
    first = next((line for line in candidate.summary.split("\n") if line.strip()), "").strip()
    text = f"massgen: {candidate.id}" + (f", {first}" if first else "")
    return text if len(text) <= 80 else text[:79] + "…"
