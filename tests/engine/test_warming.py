"""Between two runs the worktrees are made ready; it never stands in anybody's way."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from massgen_ls.core.candidate import Snapshot
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
        assert state.snapshot is not None
        async with asyncio.timeout(30):
            while ready(state.snapshot) < 2:  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0.005)
        assert bench.user.held() == []


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
