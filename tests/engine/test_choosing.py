"""How a run chooses: what is one choice, what speaks for it, and when it is made."""

from __future__ import annotations

from pathlib import Path

from massgen_ls.testing.agents import writes
from tests.engine.conftest import Bench


async def test_layout_and_comments_make_no_second_choice(bench: Bench) -> None:
    scripts = {
        "terse": writes(b__py="def f(a):\n    return [a, 1]\n"),
        "wordy": writes(
            b__py="# Why\ndef f( a ):\n\n    return [\n        a,\n        1,\n    ]\n"
        ),
        "other": writes(b__py="def f(a):\n    return [a, 2]\n"),
    }
    async with bench.engine(scripts) as supervisor:
        spec = bench.spec("other", "wordy", "terse", checks=("k",))
        _, state = await bench.finish(supervisor, spec)
        assert state.verdict is not None
        assert state.verdict.winner == "terse.1", "the smaller one of the two that agree"
        assert "2 agents arrived at exactly this change" in state.verdict.why
        assert len(bench.checker.runs) == 3, "the base and one of each choice"


async def test_a_member_that_fails_a_gate_by_its_layout_speaks_for_nobody(bench: Bench) -> None:
    def judge(check: str, folder: Path) -> tuple[str, ...]:
        file = folder / "b.py"
        return ("spaces",) if file.exists() and "= 1" not in file.read_text() else ()

    scripts = {
        "tight": writes(b__py="x=1\n"),
        "neat": writes(b__py="x = 1\n\n"),
    }
    async with bench.engine(scripts, judge) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec("tight", "neat", checks=("k",)))
        assert state.verdict is not None
        assert state.verdict.winner == "neat.1"
        assert "tight.1 is ruled out" in state.verdict.why
