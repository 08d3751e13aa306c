"""Evidence: a check on a tree, by us, in a worktree of its own, once for each tree."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import replace

from massgen_ls.core import firstlook
from massgen_ls.core.candidate import CheckResult, Snapshot, TreeId
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.events import Delta
from massgen_ls.core.run_state import RunState
from massgen_ls.core.task import CheckSpec, RunId, RunSpec
from massgen_ls.core.wire import to_json
from massgen_ls.engine.seat import fence
from massgen_ls.engine.world import World
from massgen_ls.ports import Place, Said

_log = logging.getLogger(__name__)

_FRESH = 900.0
"""Seconds that a stored check result is believed."""


async def first_look(
    world: World,
    run: RunId,
    state: RunState,
    check: CheckSpec,
    tree: TreeId,
    say: Callable[[Delta], None],
    repeat: int = 0,
) -> CheckResult:
    """Runs a check on a tree; only a part of its tests, where that pays and shuts the tree out.

    Never raises, as `judge` does not.
    """
    spec, snapshot = state.spec, state.snapshot
    assert spec is not None, "a run that has begun has a spec"
    assert snapshot is not None, "and what is judged has a base"
    less = firstlook.part(state, check, tree)
    known = less and repeat == 0 and await _is_known(world, run, spec, snapshot, check, tree)
    if less is not None and not known:
        mine = await judge(world, run, spec, snapshot, less, tree, say, repeat)
        base = state.results(check.name, snapshot.tree)
        # What passes there in the whole run alone may need the tests that ran before it.
        if firstlook.new_failures(base, base[0], mine):
            alone = await judge(world, run, spec, snapshot, less, snapshot.tree, say)
            if failing := firstlook.new_failures(base, alone, mine):
                return firstlook.told(failing, mine)
    return await judge(world, run, spec, snapshot, check, tree, say, repeat)


async def _is_known(
    world: World, run: RunId, spec: RunSpec, snapshot: Snapshot, check: CheckSpec, tree: TreeId
) -> bool:
    try:
        key = await _cache_key(world, run, spec, snapshot, check, tree)
        return await _remembered(world, key) is not None
    except MassgenError:
        return False  # `judge` says what is wrong


async def _remembered(world: World, key: str) -> CheckResult | None:
    """The result that is on record, if it is not from an environment of long ago."""
    return await world.store.cached_check(key, world.clock.now() - _FRESH)


async def judge(
    world: World,
    run: RunId,
    spec: RunSpec,
    snapshot: Snapshot,
    check: CheckSpec,
    tree: TreeId,
    say: Callable[[Delta], None],
    repeat: int = 0,
) -> CheckResult:
    """Runs one check on one tree, or takes its result from the record.

    Never raises: a result whose outcome is ``broken`` or ``unjudged`` says why.
    """
    try:
        # A second look is there to see whether the first one can be trusted: never from the record.
        key = await _cache_key(world, run, spec, snapshot, check, tree)
        known = await _remembered(world, key) if repeat == 0 else None
        if known is not None:
            return replace(known, check=check.name, tree=tree)
        async with world.worktrees.lease(
            snapshot, run, spec.rules.worktree, tree=tree, sandbox=spec.rules.sandbox
        ) as lease:
            place = Place(
                lease.path,
                lease.folder,
                lease.home,
                run,
                check.timeout,
                fence(spec, lease),
            )

            def hear(said: Said) -> None:
                say(Delta(run, f"check:{check.name}", said.stream, said.text))

            result = await world.checker.run(check, tree, place, hear)
        if repeat == 0 and result.outcome in {"passed", "failed"}:
            await world.store.cache_check(key, result)
        return result
    except MassgenError as error:
        return CheckResult(check.name, tree, "unjudged", output=str(error))
    except Exception as error:  # noqa: BLE001 - a bug in one check is not the run's end
        _log.exception("check %s of run %s", check.name, run)
        return CheckResult(check.name, tree, "unjudged", output=f"{type(error).__name__}: {error}")


async def _cache_key(
    world: World, run: RunId, spec: RunSpec, snapshot: Snapshot, check: CheckSpec, tree: TreeId
) -> str:
    """Everything that the result depends on, as far as it can be known."""
    worktree = spec.rules.worktree
    outside = await world.worktrees.fingerprint(snapshot, run, worktree)
    parts = [
        tree,
        snapshot.prefix,
        list(check.argv),
        check.parser,
        check.timeout,
        to_json(worktree),
        spec.rules.sandbox,
        outside,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
