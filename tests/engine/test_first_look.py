"""A suite that takes long: the tests of what a candidate changes come first."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace

from massgen_ls.adapters.checks.command import CommandChecker
from massgen_ls.adapters.host.process import HostProcesses
from massgen_ls.core.candidate import CheckResult, TreeId
from massgen_ls.core.events import CheckFinished, Envelope
from massgen_ls.core.firstlook import SLOW
from massgen_ls.core.task import CheckSpec
from massgen_ls.engine.world import World
from massgen_ls.ports import AgentNews, Brief, Checker, Place, Said
from massgen_ls.testing.agents import Script, writes
from tests.engine.conftest import Bench

PYTEST = ("{python}", "-m", "pytest", "-q", "-p", "no:cacheprovider")
OTHERS = "\n".join(f"def test_{n}():\n    assert {n} < 9\n" for n in range(8))


@dataclass
class Watched:
    """A checker that tells of long suites, and remembers what it ran: trees and test files."""

    inner: Checker
    ran: list[tuple[TreeId, tuple[str, ...]]] = field(default_factory=list)

    async def run(
        self, check: CheckSpec, tree: TreeId, place: Place, say: Callable[[Said], None]
    ) -> CheckResult:
        self.ran.append((tree, check.argv[len(PYTEST) :]))
        result = await self.inner.run(check, tree, place, say)
        return replace(result, seconds=20 * (result.seconds + SLOW))


async def test_who_fails_the_tests_of_what_it_changes_is_not_put_through_the_whole_suite(
    bench: Bench,
) -> None:
    bench.user.write("m.py", "def f(x):\n    return x\n")
    bench.user.write("tests/test_m.py", "import m\n\ndef test_f():\n    assert m.f(1) == 1\n")
    bench.user.write("tests/test_others.py", OTHERS)
    bench.user.write("conftest.py", "")
    watched: list[Watched] = []

    def change(world: World) -> World:
        watched.append(Watched(CommandChecker(HostProcesses(), bench.user.env, sys.executable)))
        return replace(world, checker=watched[0])

    judged = asyncio.Event()

    def later(text: str) -> Script:
        """Who writes this when the base is judged, as those do who take their time."""

        async def script(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
            await judged.wait()
            async for item in writes(m__py=text)(brief, place):
                yield item

        return script

    scripts = {
        "breaks": later("def f(x):\n    return x + 1\n"),
        "mends": later("def f(x):\n    y = x\n    return y\n"),
    }
    async with bench.engine(scripts, change=change) as supervisor:
        order = replace(bench.spec(*scripts), checks=(CheckSpec("tests", PYTEST),))
        with supervisor.subscribe() as news:
            run = await supervisor.start(order, bench.folder)
            async with asyncio.timeout(110):
                async for item in news:
                    if isinstance(item, Envelope) and isinstance(item.event, CheckFinished):
                        judged.set()
                        break
                state = await supervisor.wait(run)
    assert state.snapshot is not None
    assert state.verdict is not None
    assert state.verdict.winner == "mends.1"
    assert "breaks.1 is ruled out: tests fails where the base does not" in state.verdict.why
    assert "was not put through the others" in state.verdict.why
    trees = {c.id: c.tree for c in state.candidates} | {"base": state.snapshot.tree}
    ran = {name: [files for tree, files in watched[0].ran if tree == trees[name]] for name in trees}
    alone = ("tests/test_m.py",)
    assert ran == {"base": [(), alone], "mends.1": [alone, ()], "breaks.1": [alone, alone]}
    assert {r.part for r in state.results("tests", trees["breaks.1"])} == {True}
