"""A team in the order of its records, in real runs."""

from __future__ import annotations

from pathlib import Path

from massgen_ls.core.learning import ordered
from massgen_ls.core.run_state import RunState
from massgen_ls.ports import Ended
from massgen_ls.testing.agents import ends, writes
from tests.engine.conftest import Bench

AGENTS = {
    "lost": writes(b__py="x = 1  # wrong\n"),
    "broken": ends(Ended("failed", "no such model")),
    "won": writes(b__py="x = 2\n"),
    "new": writes(b__py="x = 3\n"),
}


def finds(check: str, folder: Path) -> tuple[str, ...]:
    there = folder / "b.py"
    return ("wrong",) if there.exists() and "wrong" in there.read_text() else ()


def team(state: RunState) -> list[str]:
    assert state.spec is not None
    return [str(agent.id) for agent in state.spec.agents]


async def test_who_won_sits_first_beside_who_is_new_and_the_run_says_so(bench: Bench) -> None:
    async with bench.engine(AGENTS, finds) as supervisor:
        _, first = await bench.finish(
            supervisor, bench.spec("lost", "broken", "won", checks=("k",), agents="auto")
        )
        assert team(first) == ["lost", "broken", "won"], "nobody has a record yet"
        assert first.verdict is not None
        assert first.verdict.winner == "won.1"
        order = bench.spec(*AGENTS, checks=("k",), agents="auto", max_agents=2)
        run, state = await bench.finish(supervisor, order)
        assert team(state) == ["won", "new"]
        said = [notice.text for notice in state.notices]
        assert said == [
            "The order of the agents follows from their records here: won (won 1 of 1), new (not "
            "tried yet), lost (won 0 of 1), broken (won 0 of 0, failed in 1 other). Left out, as "
            "max_agents is 2: lost, broken."
        ]
        assert state.notices == (await supervisor.state(run)).notices, "and it is on record"
        known = await supervisor.records(bench.folder)
        assert [str(a.id) for a in ordered(order.agents, known)] == ["won", "lost", "broken", "new"]
