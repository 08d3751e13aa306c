"""How a run chooses: what is one choice, what speaks for it, and when it is made."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from pathlib import Path

from massgen_ls.adapters.checks.command import CommandChecker
from massgen_ls.adapters.host.process import HostProcesses
from massgen_ls.core.scoring import cross_rows, scorecards
from massgen_ls.core.task import CheckSpec, CrossTestRules, RunSpec
from massgen_ls.engine.world import World
from massgen_ls.ports import AgentNews, Brief, Place
from massgen_ls.testing.agents import Script, waits, writes
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
        assert "2 agents arrived at this change" in state.verdict.why
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


async def test_a_change_of_nothing_but_tests_is_no_small_change(bench: Bench) -> None:
    test = "def test_nothing():\n    pass\n"
    bench.user.write("tests/test_old.py", "")
    scripts = {
        "tests": writes(**{"tests/test_m__py": test, "tests/conftest__py": "x = 1\n"}),
        "longer": writes(m__py="x = 1\ny = 2\n"),
        "tested": writes(m__py="x = 1\n", test_m__py=test),
    }
    async with bench.engine(scripts) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec(*scripts, checks=("k",)))
    assert state.verdict is not None
    assert state.verdict.ranking == ("tested.1", "longer.1", "tests.1")
    assert "the smaller change (1 line against 2 beside tests)" in state.verdict.why


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


def brings(module: str, tests: str = "") -> Script:
    """An agent that writes a module and its own tests for it."""
    files = {"m__py": module, **({"test_own__py": tests} if tests else {})}
    return writes(**files)


EMPTY_TOO = "from m import top\n\ndef test_empty():\n    assert top([]) is None\n"
SORTED = "from m import top\n\ndef test_top():\n    assert top([1, 3, 2]) == 3\n"
RIGHT = "def top(x):\n    return max(x, default=None)\n"
RIGHT_TOO = "def top(x):\n    x = sorted(x)\n    if not x:\n        return None\n    return x[-1]\n"
WRONG = "def top(x):\n    return max(x)\n"


async def test_the_tests_of_one_candidate_find_the_fault_of_another(bench: Bench) -> None:
    bench.user.write("m.py", "def top(x):\n    return x[0]\n")
    bench.user.write("test_m.py", "from m import top\n\ndef test_a():\n    assert top([1]) == 1\n")
    scripts = {
        "small": brings(WRONG),
        "careful": brings(RIGHT, EMPTY_TOO),
        "long": brings(RIGHT_TOO, SORTED),
    }
    async with bench.engine(scripts, change=with_real_checks(bench)) as supervisor:
        _, state = await bench.finish(supervisor, real_pytest(bench, "small", "long", "careful"))
    cards = {card.cluster.members[0]: card for card in scorecards(state)}
    passed = {name: (c.cross.passed, c.cross.tests) for name, c in cards.items()}
    assert passed == {"small.1": (1, 2), "careful.1": (2, 2), "long.1": (2, 2)}
    assert state.verdict is not None
    assert state.verdict.winner == "careful.1", "the smaller one of the two that pass"
    assert state.verdict.ranking[-1] == "small.1"
    trees = {c.id: c.tree for c in state.candidates}
    assert {row.test: row.passed for row in cross_rows(state)} == {
        "test_own::test_empty": {trees["careful.1"], trees["long.1"]},
        "test_own::test_top": set(trees.values()),
    }


COMES_AND_GOES = """import m
import pathlib

def test_empty():
    assert m.top([]) is None

def test_top():
    seen = pathlib.Path({seen!r} + str(len(pathlib.Path(m.__file__).read_text())))
    again = seen.exists()
    seen.touch()
    assert m.top([1, 3, 2]) == 3
    assert "default" in m.__doc__ or again
"""


async def test_a_cross_test_that_comes_and_goes_on_one_tree_counts_for_nobody(
    bench: Bench,
) -> None:
    bench.user.write("m.py", '"""Base"""\ndef top(x):\n    return x[0]\n')
    bench.user.write("test_m.py", "from m import top\n\ndef test_a():\n    assert top([1]) == 1\n")
    seen = str(bench.user.repo.parent / "seen")
    small = "def top(x):\n    return max(x, default=None)\n"
    tests = COMES_AND_GOES.format(seen=seen)
    scripts = {
        "small": brings(f'"""No"""\n{small}'),
        "author": brings(f'"""By default"""\n{small}\n\nA = 1\n', tests),
        "third": brings(f'"""By default"""\n{small}\n\nA = 1\nB = 2\n'),
    }
    async with bench.engine(scripts, change=with_real_checks(bench)) as supervisor:
        _, state = await bench.finish(supervisor, real_pytest(bench, "small", "author", "third"))
    trees = {c.id: c.tree for c in state.candidates}
    looks = [run for run in state.crossed if run.onto == trees["small.1"]]
    assert {run.repeat: run.result.failures for run in looks} == {0: ("test_own::test_top",), 1: ()}
    assert {row.test for row in cross_rows(state)} == {"test_own::test_empty"}
    assert state.verdict is not None
    assert state.verdict.winner == "small.1", "as nothing but its size tells it from the others"


async def test_cross_tests_can_be_switched_off_and_need_two(bench: Bench) -> None:
    scripts = {"one": brings(RIGHT, EMPTY_TOO), "two": brings(WRONG)}
    rules = {"cross_tests": CrossTestRules(enabled=False)}
    async with bench.engine(scripts, change=with_real_checks(bench)) as supervisor:
        _, state = await bench.finish(supervisor, real_pytest(bench, "one", "two", **rules))
        assert state.crossed == ()
        _, state = await bench.finish(supervisor, real_pytest(bench, "one"))
        assert state.crossed == ()
        _, state = await bench.finish(supervisor, real_pytest(bench, "one", "two"))
        assert len(state.crossed) == 2
        assert state.verdict is not None
        assert state.verdict.winner == "one.1"
        assert "wins by its tests" in state.verdict.why


async def test_a_run_ends_when_more_than_half_agree_and_pass(bench: Bench) -> None:
    begun = asyncio.Event()
    scripts = {
        "slow": waits(begun),
        "one": writes(b__py="x = 1\n"),
        "two": writes(b__py="x = 1  # one\n"),
    }
    async with bench.engine(scripts) as supervisor:
        spec = bench.spec("slow", "one", "two", checks=("k",))
        _, state = await bench.finish(supervisor, spec)
        assert bench.driver.closed == ["slow"], "what still works is cancelled"
        assert state.verdict is not None
        assert state.verdict.winner == "one.1"
        assert "More than half of the agents agree" in state.verdict.why
        assert set(state.verdict.ranking) == {"one.1", "two.1", "slow.1"}, "and its work is kept"


async def test_agreement_on_something_that_fails_a_gate_ends_nothing(bench: Bench) -> None:
    looks = threading.Semaphore(0)

    def judge(check: str, folder: Path) -> tuple[str, ...]:
        file = folder / "b.py"
        if not file.exists() or "x" not in file.read_text():
            return ()
        looks.release()
        return ("x",)

    async def last(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        for _ in range(2):  # the failure, and the second look at it
            assert await asyncio.to_thread(looks.acquire, timeout=60)
        async for item in writes(b__py="y = 1\n")(brief, place):
            yield item

    same = writes(b__py="x = 1\n")
    scripts = {"last": last, "one": same, "two": same}
    async with bench.engine(scripts, judge) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec(*scripts, checks=("k",)))
        assert state.verdict is not None
        assert state.verdict.winner == "last.1"
