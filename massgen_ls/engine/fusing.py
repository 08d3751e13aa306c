"""Makes the candidate of what several choices share. The rules are in `core.fusion`."""

from __future__ import annotations

import asyncio

from massgen_ls.core.candidate import Candidate, Snapshot
from massgen_ls.core.changes import RelPath
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.events import FusionTried
from massgen_ls.core.fusion import FUSED, composed, to_compose, whole_files
from massgen_ls.core.run_state import RunState
from massgen_ls.core.scoring import to_fuse
from massgen_ls.core.task import CandidateId, RunId, SeatId, WorktreeRules
from massgen_ls.engine.substance import Files, substance
from massgen_ls.engine.world import World


async def fuse(world: World, run: RunId, state: RunState, known: Files) -> FusionTried:
    """Composes, and captures what came of it; or says why there is nothing. Never raises."""
    snapshot = state.snapshot
    assert snapshot is not None, "candidates have a base"
    parts = to_fuse(state)
    try:
        files = await _shared(world, snapshot, parts)
        if files is None:
            return FusionTried(None, "what they share does not fit together")
        if not files:
            return FusionTried(None, "they share nothing")
        return await _captured(world, run, state, snapshot, parts, files, known)
    except MassgenError as error:
        return FusionTried(None, str(error))


async def _shared(
    world: World, snapshot: Snapshot, parts: tuple[Candidate, ...]
) -> dict[RelPath, bytes | None] | None:
    """The contents of all that is shared, None for a file that goes; None: it does not fit."""
    changes = [part.changes.files for part in parts]
    lines, whole = to_compose(changes), whole_files(changes)
    wanted = {(c.old_path or c.path, c.old_oid) for every in lines.values() for c in every}
    wanted |= {(c.path, c.new_oid) for every in lines.values() for c in every}
    wanted |= {(c.path, c.new_oid) for c in whole.values()}
    named = sorted((path, oid) for path, oid in wanted if oid is not None)
    contents = dict(zip(named, await world.objects.read(snapshot, named), strict=True))
    found: dict[RelPath, bytes | None] = {
        path: None if change.new_oid is None else contents[path, change.new_oid]
        for path, change in whole.items()
    }
    for path, every in lines.items():
        old = contents[path, every[0].old_oid or ""]
        try:
            base = old.decode("utf-8")
            versions = [contents[path, c.new_oid or ""].decode("utf-8") for c in every]
        except UnicodeDecodeError:
            continue
        text = await asyncio.to_thread(composed, base, versions, world.differ)
        if text is None:
            return None
        if text != base:
            found[path] = text.encode()
    return found


async def _captured(
    world: World,
    run: RunId,
    state: RunState,
    snapshot: Snapshot,
    parts: tuple[Candidate, ...],
    files: dict[RelPath, bytes | None],
    known: Files,
) -> FusionTried:
    name = CandidateId(f"{FUSED}.1")
    # Nothing is run there: neither set-up nor anything of the user's is needed.
    async with world.worktrees.lease(snapshot, run, WorktreeRules(), sandbox="auto") as lease:
        await lease.put(files)
        captured = await lease.capture(name, f"{name}: what {', '.join(p.id for p in parts)} share")
    does = await substance(world.objects, snapshot, known, captured.changes, captured.tree)
    made = Candidate(
        name,
        SeatId(FUSED),
        snapshot.tree,
        captured.tree,
        captured.commit,
        captured.changes,
        f"What at least two of {', '.join(p.id for p in parts)} share, laid together.",
        does.digest,
        parts=tuple(part.id for part in parts),
        code=does.code,
        faults=does.faults,
    )
    there = {c.substance for c in state.candidates} | {c.tree for c in state.candidates}
    if not captured.changes or {made.substance, made.tree} & there:
        return FusionTried(None, "what they share is one of them")
    return FusionTried(made)
