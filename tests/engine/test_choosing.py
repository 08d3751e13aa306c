"""How a run chooses: what is one choice, what speaks for it, and when it is made."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from massgen_ls.adapters.checks.command import CommandChecker
from massgen_ls.adapters.host.process import HostProcesses
from massgen_ls.core.scoring import scorecards
from massgen_ls.core.task import CheckSpec, RunSpec
from massgen_ls.engine.world import World
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


def real_pytest(bench: Bench, *agents: str, **rules: object) -> RunSpec:
    """A run whose one check is the project's own pytest suite."""
    check = CheckSpec("tests", ("{python}", "-m", "pytest", "-q", "-p", "no:cacheprovider"), 60)
    return replace(bench.spec(*agents, **rules), checks=(check,))


def with_real_checks(bench: Bench) -> Callable[[World], World]:
    def change(world: World) -> World:
        checker = CommandChecker(HostProcesses(), bench.user.env, sys.executable)
        return replace(world, checker=checker)

    return change


async def test_deleting_a_failing_test_inside_its_file_mends_nothing(bench: Bench) -> None:
    tests = (
        "from m import f\n\ndef test_a():\n    assert f(1) == 2\n\ndef test_b():\n    assert 1\n"
    )
    bench.user.write("m.py", "def f(x):\n    return x\n")
    bench.user.write("test_m.py", tests)
    scripts = {
        "deletes": writes(test_m__py="def test_b():\n    assert 1\n"),
        "skips": writes(test_m__py=f"import pytest\n\n@pytest.mark.skip\n{tests[17:]}"),
        "mends": writes(m__py="def f(x):\n    y = x\n    y += 1\n    return y\n" * 9),
    }
    async with bench.engine(scripts, change=with_real_checks(bench)) as supervisor:
        _, state = await bench.finish(supervisor, real_pytest(bench, "deletes", "skips", "mends"))
    cards = {card.cluster.members[0]: card for card in scorecards(state)}
    assert {name: card.fixed for name, card in cards.items()} == {
        "deletes.1": 0,
        "skips.1": 0,
        "mends.1": 1,
    }
    assert state.verdict is not None
    assert state.verdict.winner == "mends.1"
    assert "went away with the tests themselves" in state.verdict.why
