"""Between two runs the worktrees are made ready; it never stands in anybody's way."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

import pytest

from massgen_ls.core.candidate import Snapshot
from massgen_ls.core.run_state import RunState
from massgen_ls.testing.agents import writes
from tests.engine.conftest import Bench

AGENTS = {"one": writes(a__py="ONE\n"), "two": writes(b__py="TWO\n")}


def ready(snapshot: Snapshot) -> int:
    """Worktrees that are as the snapshot is, and that nobody was in since."""
    states = Path(snapshot.shadow).parent.glob("trees/*/ours/state.json")
    loaded = [json.loads(path.read_text()) for path in states]
    return sum(state["clean"] and state["tree"] == snapshot.tree for state in loaded)


async def test_after_a_run_as_many_worktrees_as_agents_are_at_its_base(bench: Bench) -> None:
    async with bench.engine(AGENTS) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec("one", "two"))
        await until_ready(bench, state, 2)


async def until_ready(bench: Bench, state: RunState, count: int) -> None:
    assert state.snapshot is not None
    async with asyncio.timeout(30):
        # They are let go a moment after the last one is ready.
        while ready(state.snapshot) < count or bench.user.held():  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.005)


async def test_a_run_in_warm_worktrees_starts_few_git_programs(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Each takes milliseconds: one more for every run is worth a second thought."""
    caplog.set_level(logging.DEBUG, "massgen_ls.adapters.host.process")

    def started() -> int:
        return sum(record.getMessage().endswith("/git") for record in caplog.records)

    async with bench.engine(AGENTS) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec("one"))
        await until_ready(bench, state, 1)
        caplog.clear()
        _, state = await bench.finish(supervisor, bench.spec("one"))
        first = started()
        await until_ready(bench, state, 1)
        # What it says of the workspace: 4. What its agent left: 5, and one that reads it.
        assert (first, started() - first) == (10, 3)


async def test_a_run_right_after_another_uses_the_same_worktrees(bench: Bench) -> None:
    async with bench.engine(AGENTS) as supervisor:
        for number in range(5):
            bench.user.write("c.py", f"{number}\n")
            _, state = await bench.finish(supervisor, bench.spec("one", "two"))
            assert len(state.candidates) == 2
        assert state.snapshot is not None
        trees = Path(state.snapshot.shadow).parent / "trees"
        assert sorted(place.name for place in trees.iterdir()) == ["0", "1"]


async def test_leaving_while_worktrees_are_made_ready_leaves_nothing_held(bench: Bench) -> None:
    for number in range(3):
        bench.user.write("c.py", f"{number}\n")
        async with bench.engine(AGENTS) as supervisor:
            await bench.finish(supervisor, bench.spec("one", "two"))
        assert bench.user.held() == []
