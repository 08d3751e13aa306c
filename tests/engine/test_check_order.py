"""Checks in the order of what they tell, and those that cannot change the verdict not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from massgen_ls.core.candidate import CheckResult, TreeId
from massgen_ls.core.events import CheckFinished, Envelope, RunSettled
from massgen_ls.core.tallies import CheckTally
from massgen_ls.core.task import CheckSpec, RunId, RunSpec
from massgen_ls.engine.supervisor import Supervisor
from massgen_ls.engine.world import World
from massgen_ls.ports import AgentNews, Brief, Checker, Place, Said, Store
from massgen_ls.testing.agents import writes
from tests.engine.conftest import Bench


def one_core(world: World) -> World:
    return replace(world, cores=1)


def bad(check: str, folder: Path) -> tuple[str, ...]:
    """The check `b` finds what is bad; `a` never finds anything."""
    file = folder / "m.txt"
    return ("m",) if check == "b" and file.exists() and "bad" in file.read_text() else ()


def order(bench: Bench, *agents: str) -> RunSpec:
    # Of two checks with one command a result would be known.
    return replace(bench.spec(*agents), checks=tuple(CheckSpec(name, (name,)) for name in "ab"))


async def ran(supervisor: Supervisor, run: RunId) -> Sequence[tuple[str, str]]:
    """The checks of candidates in the order in which they ended, with who made the tree."""
    state = await supervisor.state(run)
    trees = {c.tree: str(c.seat) for c in state.candidates}
    events = [envelope.event for envelope in await supervisor.history(run)]
    return [
        (e.result.check, trees[e.result.tree])
        for e in events
        if isinstance(e, CheckFinished) and e.result.tree in trees
    ]


async def test_who_is_ruled_out_is_put_through_no_other_check_and_later_runs_know_who_tells(
    bench: Bench,
) -> None:
    found: list[Sequence[tuple[str, str]]] = []
    scripts = {
        f"{name}{number}": writes(m__txt=f"{text} {number}\n")
        for number in range(2)
        for name, text in (("x", "bad"), ("y", "worse, bad"), ("z", "good"))
    }
    async with bench.engine(scripts, bad, change=one_core) as supervisor:
        for number in range(2):
            team = order(bench, f"x{number}", f"y{number}", f"z{number}")
            run, state = await bench.finish(supervisor, team)
            assert state.verdict is not None
            assert state.verdict.winner == f"z{number}.1"
            assert f"x{number}.1 is ruled out: b fails" in state.verdict.why
            found.append(await ran(supervisor, run))
        (settled,) = [
            envelope.event
            for envelope in await supervisor.history(run)
            if isinstance(envelope.event, RunSettled)
        ]
    first, second = ([check for check, _ in each] for each in found)
    assert first.index("a") < first.index("b"), "nobody knew better"
    assert second[0] == "b", "it told candidates apart the last time"
    assert [who for check, who in found[1] if check == "a"] == ["z1"], "the others were out"
    assert CheckTally("b", 3, 2) in settled.tallies


class Telling:
    """A checker that lets know when `b` was asked twice about what is bad."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self.asked: list[str] = []
        self.certain = asyncio.Event()

    async def run(
        self, check: CheckSpec, tree: TreeId, place: Place, say: Callable[[Said], None]
    ) -> CheckResult:
        result = await self._checker.run(check, tree, place, say)
        if bad("b", Path(place.folder)):
            self.asked.append(check.name)
            if self.asked.count("b") == 2:
                self.certain.set()
        return result


async def test_a_core_that_is_free_goes_to_what_matters_after_the_last_result(
    bench: Bench,
) -> None:
    telling: list[Telling] = []

    async def late(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        await telling[0].certain.wait()
        async for news in writes(m__txt="better\n")(brief, place):
            yield news

    def change(world: World) -> World:
        telling.append(Telling(world.checker))
        return replace(one_core(world), checker=telling[0])

    scripts = {
        "v": writes(m__txt="good\n"),
        "x": writes(m__txt="bad\n"),
        "y": writes(m__txt="so bad\n"),
        "z": late,
    }
    async with bench.engine(scripts, bad, change=change) as supervisor, asyncio.timeout(30):
        await bench.finish(supervisor, order(bench, "v", "x"))  # where `b` has told them apart
        telling[0].asked.clear()
        telling[0].certain.clear()
        _, state = await bench.finish(supervisor, order(bench, "y", "z"))
    assert state.verdict is not None
    assert state.verdict.winner == "z.1"
    assert telling[0].asked == ["b", "b"], "that it failed was known before the next one began"


class Counting:
    """A checker that says how many of its checks ran at the same time."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self.now = self.most = 0
        self.three = asyncio.Event()

    async def run(
        self, check: CheckSpec, tree: TreeId, place: Place, say: Callable[[Said], None]
    ) -> CheckResult:
        self.now += 1
        self.most = max(self.most, self.now)
        if self.now == 3:
            self.three.set()
        try:
            await self.three.wait()
            for _ in range(20):  # a fourth one would have the time to begin
                await asyncio.sleep(0)
            return await self._checker.run(check, tree, place, say)
        finally:
            self.now -= 1


async def test_no_more_checks_at_a_time_than_there_are_cores(bench: Bench) -> None:
    counting: list[Counting] = []

    def change(world: World) -> World:
        counting.append(Counting(world.checker))
        return replace(world, checker=counting[0], cores=3)

    scripts = {f"x{number}": writes(m__txt=f"good {number}\n") for number in range(6)}
    async with bench.engine(scripts, bad, change=change) as supervisor, asyncio.timeout(30):
        run, _ = await bench.finish(supervisor, order(bench, *scripts))
        asked = set(await ran(supervisor, run))
    assert asked == {(check, who) for check in "ab" for who in scripts}
    assert counting[0].most == 3


class Hanging:
    """A checker whose check `a` never ends on what is bad."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self.begun, self.cancelled = 0, 0

    async def run(
        self, check: CheckSpec, tree: TreeId, place: Place, say: Callable[[Said], None]
    ) -> CheckResult:
        if check.name == "a" and bad("b", Path(place.folder)):
            self.begun += 1
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        return await self._checker.run(check, tree, place, say)


async def test_what_runs_on_who_is_ruled_out_is_cancelled(bench: Bench) -> None:
    hanging: list[Hanging] = []

    def change(world: World) -> World:
        hanging.append(Hanging(world.checker))
        return replace(world, checker=hanging[0])

    scripts = {"x": writes(m__txt="bad\n"), "z": writes(m__txt="good\n")}
    async with bench.engine(scripts, bad, change=change) as supervisor:
        _, state = await bench.finish(supervisor, order(bench, *scripts))
    assert state.verdict is not None
    assert state.verdict.winner == "z.1"
    assert (hanging[0].begun, hanging[0].cancelled) == (1, 1), "it was at work, for nothing"


async def test_where_nobody_passes_all_is_measured(bench: Bench) -> None:
    scripts = {name: writes(m__txt=f"bad {name}\n") for name in ("x", "y")}
    async with bench.engine(scripts, bad, change=one_core) as supervisor:
        run, state = await bench.finish(supervisor, order(bench, *scripts))
        asked = set(await ran(supervisor, run))
    assert state.verdict is not None
    assert state.verdict.outcome == "abstained"
    assert asked == {(check, who) for check in "ab" for who in "xy"}


class Damaged:
    """A store in which nobody can read how earlier runs ended."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def newest(self, *_: object) -> Sequence[Sequence[Envelope]]:
        self.asked += 1
        raise ValueError("Expecting value: line 1 column 1 (char 0)")


async def test_a_record_that_cannot_be_read_costs_no_later_run(bench: Bench) -> None:
    stores: list[Damaged] = []

    def change(world: World) -> World:
        stores.append(Damaged(world.store))
        store: Any = stores[0]
        return replace(one_core(world), store=store)

    async with bench.engine({"z": writes(m__txt="good\n")}, bad, change=change) as supervisor:
        for _ in range(2):
            _, state = await bench.finish(supervisor, order(bench, "z"))
            assert state.verdict is not None
            assert state.verdict.winner == "z.1"
    assert stores[0].asked == 2


class Parted:
    """A checker whose `a` never ends; `b` waits on what is late until `a` was cancelled once."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self.cancelled, self.again = asyncio.Event(), asyncio.Event()

    async def run(
        self, check: CheckSpec, tree: TreeId, place: Place, say: Callable[[Said], None]
    ) -> CheckResult:
        found = bad("b", Path(place.folder))
        late = found and "late" in (Path(place.folder) / "m.txt").read_text()
        if found and check.name == "a":
            if self.cancelled.is_set() and not late:
                self.again.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        if late and check.name == "b":
            await self.cancelled.wait()
        return await self._checker.run(check, tree, place, say)


async def test_what_was_cancelled_once_and_began_again_is_cancelled_with_the_run(
    bench: Bench,
) -> None:
    parted: list[Parted] = []

    def change(world: World) -> World:
        parted.append(Parted(world.checker))
        return replace(world, checker=parted[0], cores=4)

    scripts = {"x": writes(m__txt="bad\n"), "z": writes(m__txt="late and bad\n")}
    async with bench.engine(scripts, bad, change=change) as supervisor, asyncio.timeout(30):
        run = await supervisor.start(order(bench, *scripts), bench.folder)
        await parted[0].again.wait()  # nobody passes, so all is measured
        assert await supervisor.cancel(run, "me")
        state = await supervisor.wait(run)
    assert state.verdict is not None
    assert state.verdict.outcome == "cancelled"
