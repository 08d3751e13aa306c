"""Tries the tests of one candidate on another tree. The rules are in `core.crosstests`."""

from __future__ import annotations

from collections.abc import Callable

from massgen_ls.core.candidate import CheckResult
from massgen_ls.core.coordination import CrossTest
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.events import CrossTested, Delta
from massgen_ls.core.run_state import RunState
from massgen_ls.core.scoring import cross_check
from massgen_ls.core.task import RunId
from massgen_ls.engine.judging import judge
from massgen_ls.engine.world import World


async def cross_test(
    world: World, run: RunId, state: RunState, step: CrossTest, say: Callable[[Delta], None]
) -> CrossTested:
    """Lays the tests over the tree and judges what came of it. Never raises."""
    found = cross_check(state, step.author)
    assert found is not None, "a step names an author that has tests"
    assert state.spec is not None, "a run that has begun has a spec"
    assert state.snapshot is not None, "and candidates have a base"
    check, files = found
    try:
        tree = await world.objects.overlay(state.snapshot, step.onto, step.author, files.laid)
    except MassgenError as error:
        result = CheckResult(check.name, step.onto, "unjudged", output=str(error))
        return CrossTested(step.author, step.onto, result, step.repeat)
    result = await judge(world, run, state.spec, state.snapshot, check, tree, say, step.repeat)
    return CrossTested(step.author, step.onto, result, step.repeat)
