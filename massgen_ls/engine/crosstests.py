"""Tries tests on a tree that they are not from.

The rules are in `core.crosstests`, and in `core.basetests` for those of the base.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from massgen_ls.core.basetests import BaseTest, base_check
from massgen_ls.core.candidate import CheckResult, TreeId
from massgen_ls.core.changes import RelPath
from massgen_ls.core.coordination import CrossTest
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.events import BaseTested, CrossTested, Delta
from massgen_ls.core.run_state import RunState
from massgen_ls.core.scoring import cross_check
from massgen_ls.core.task import CheckSpec, RunId
from massgen_ls.engine.judging import judge
from massgen_ls.engine.world import World


async def cross_test(
    world: World, run: RunId, state: RunState, step: CrossTest, say: Callable[[Delta], None]
) -> CrossTested:
    """Lays the tests over the tree and judges what came of it. Never raises."""
    found = cross_check(state, step.author)
    assert found is not None, "a step names an author that has tests"
    check, files = found
    result = await _tried(
        world, run, state, check, step.author, files.laid, step.onto, step.repeat, say
    )
    return CrossTested(step.author, step.onto, result, step.repeat)


async def base_test(
    world: World, run: RunId, state: RunState, step: BaseTest, say: Callable[[Delta], None]
) -> BaseTested:
    """Lays the base's tests over the tree and judges what came of it. Never raises."""
    found = base_check(state, step.onto)
    assert found is not None, "a step names a tree that changes tests of the base"
    assert state.snapshot is not None, "and there is a base"
    check, files = found
    base = state.snapshot.tree
    result = await _tried(world, run, state, check, base, files.laid, step.onto, step.repeat, say)
    return BaseTested(step.onto, result, step.repeat)


async def _tried(
    world: World,
    run: RunId,
    state: RunState,
    check: CheckSpec,
    source: TreeId,
    paths: Sequence[RelPath],
    onto: TreeId,
    repeat: int,
    say: Callable[[Delta], None],
) -> CheckResult:
    assert state.spec is not None, "a run that has begun has a spec"
    assert state.snapshot is not None, "and candidates have a base"
    try:
        tree = await world.objects.overlay(state.snapshot, onto, source, paths)
    except MassgenError as error:
        return CheckResult(check.name, onto, "unjudged", output=str(error))
    return await judge(world, run, state.spec, state.snapshot, check, tree, say, repeat)
