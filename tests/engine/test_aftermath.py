"""What becomes of a change that has landed, in real runs and files."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from massgen_ls.core.candidate import Snapshot
from massgen_ls.core.changes import RelPath
from massgen_ls.core.errors import NotFoundError
from massgen_ls.core.events import Delivered, Envelope, Event
from massgen_ls.core.learning import CheckRecord
from massgen_ls.core.plan import EditPlan, LiveFile
from massgen_ls.core.selection import Selection
from massgen_ls.core.survey import fate_of, standing
from massgen_ls.core.task import CandidateId, RunId
from massgen_ls.engine.world import World
from massgen_ls.ports import Landed, LiveFiles, Objects, Refused, Store
from massgen_ls.testing.agents import writes
from tests.engine.conftest import Bench

WON = CandidateId("one.1")


async def test_what_the_user_made_of_it_is_on_record(bench: Bench) -> None:
    scripts = {"one": writes(a__py="mended\n", new__py="n\n")}
    read: list[Objects] = []

    def counted(world: World) -> World:
        @dataclass
        class Counted:
            inner: Objects

            async def read(
                self, snapshot: Snapshot, wanted: Sequence[tuple[RelPath, str]]
            ) -> Sequence[bytes]:
                read.append(self.inner)
                return await self.inner.read(snapshot, wanted)

            def __getattr__(self, name: str) -> object:
                return getattr(self.inner, name)

        return replace(world, objects=cast(Objects, Counted(world.objects)))

    async with bench.engine(scripts, lambda _check, _folder: (), change=counted) as supervisor:
        run, _ = await bench.finish(supervisor, bench.spec("one", checks=("k",)))
        file = Path(bench.folder) / "a.py"
        before = file.read_text()
        read.clear()
        done = await supervisor.apply(run, None, bench.disk, Selection.of(["a.py"]))
        assert len(read) == 1, "to land and to look at what has landed"
        assert (done.root, standing(done.landed)) == (bench.folder, {("a.py", 0)})
        done = await supervisor.apply(run, None, bench.disk)
        assert done.landed == (await supervisor.hunks(run, WON, bench.disk))[2]
        landed = standing(done.landed)
        assert {path for path, _ in landed} == {"a.py", "new.py"}

        async def fate() -> str:
            return fate_of(landed, (await supervisor.hunks(run, WON, bench.disk))[2])

        assert await fate() == "kept"
        file.write_text(before)
        assert await fate() == "edited", "the new file is there yet"
        (Path(bench.folder) / "new.py").unlink()
        assert await fate() == "undone"
        await supervisor.revised(run, WON, "undone")
        assert (await supervisor.state(run)).fates == ((WON, "undone"),)
        (record,) = await supervisor.records(bench.folder)
        assert (record.accepted, record.undone) == (0, 1)
        every, checks = await supervisor.all_records(bench.folder)
        assert (every, checks) == ((record,), (CheckRecord("k", passed_rejected=1),))
        with pytest.raises(NotFoundError):
            await supervisor.revised(run, CandidateId("two.1"), "edited")


@dataclass
class Afterwards:
    """Live files that something happens to whoever reads them once an edit is in them."""

    inner: LiveFiles
    happens: Callable[[], Awaitable[None]]
    written: bool = False

    async def read(self, root: str, paths: Sequence[RelPath]) -> Mapping[RelPath, LiveFile]:
        if self.written:
            await self.happens()
        return await self.inner.read(root, paths)

    async def apply(self, root: str, plan: EditPlan) -> Landed | Refused:
        answer = await self.inner.apply(root, plan)
        self.written = True
        return answer


async def test_what_is_in_the_files_is_on_record_whatever_happens_next(bench: Bench) -> None:
    looking = asyncio.Event()

    async def breaks() -> None:
        raise ZeroDivisionError("a bug in a reader")

    async def hangs() -> None:
        looking.set()
        await asyncio.Event().wait()

    async with bench.engine({"one": writes(a__py="mended\n", b__py="b\n")}) as supervisor:
        run, _ = await bench.finish(supervisor, bench.spec("one"))

        async def on_record() -> list[tuple[RelPath, ...]]:
            events = [envelope.event for envelope in await supervisor.history(run)]
            return [event.paths for event in events if isinstance(event, Delivered)]

        done = await supervisor.apply(
            run, None, Afterwards(bench.disk, breaks), Selection.of(["a.py"])
        )
        assert (done.applied, done.paths, done.landed) == (True, ("a.py",), ())
        assert await on_record() == [("a.py",)]
        async with asyncio.TaskGroup() as group, asyncio.timeout(30):
            applying = group.create_task(supervisor.apply(run, None, Afterwards(bench.disk, hangs)))
            await looking.wait()
            applying.cancel()
        assert (Path(bench.folder) / "b.py").read_text() == "b\n"
        assert await on_record() == [("a.py",), ("b.py",)]


@dataclass
class Hurried:
    """Live files whose caller loses patience in the middle of an edit that is made all the same."""

    inner: LiveFiles
    asked: asyncio.Event
    cancelled: bool = False

    async def read(self, root: str, paths: Sequence[RelPath]) -> Mapping[RelPath, LiveFile]:
        return await self.inner.read(root, paths)

    async def apply(self, root: str, plan: EditPlan) -> Landed | Refused:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
        return await self.inner.apply(root, plan)


@dataclass
class Slow:
    """A record that takes its time to store that something has landed."""

    inner: Store
    asked: asyncio.Event
    go: asyncio.Event

    async def append(self, run: RunId, events: Sequence[Event]) -> Sequence[Envelope]:
        if any(isinstance(event, Delivered) for event in events):
            self.asked.set()
            await self.go.wait()
        return await self.inner.append(run, events)

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)


async def test_a_cancel_between_an_editors_yes_and_the_record_loses_nothing(bench: Bench) -> None:
    asked, storing, go = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def slow(world: World) -> World:
        return replace(world, store=cast(Store, Slow(world.store, storing, go)))

    scripts = {"one": writes(a__py="mended\n", b__py="b\n")}
    async with bench.engine(scripts, change=slow) as supervisor:
        run, _ = await bench.finish(supervisor, bench.spec("one"))
        files = Hurried(bench.disk, asked)
        async with asyncio.TaskGroup() as group, asyncio.timeout(30):
            applying = group.create_task(supervisor.apply(run, None, files, Selection.of(["a.py"])))
            await asked.wait()
            applying.cancel()
            await storing.wait()
            go.set()
        assert (files.cancelled, applying.cancelled()) == (True, True)
        storing.clear()
        go.clear()
        async with asyncio.TaskGroup() as group, asyncio.timeout(30):
            applying = group.create_task(supervisor.apply(run, None, bench.disk))
            await storing.wait()
            while not applying.done():
                applying.cancel()
                await asyncio.sleep(0)
        go.set()  # while nobody waits for it any more
    async with bench.engine() as supervisor:
        events = [envelope.event for envelope in await supervisor.history(run)]
    landed = [event.paths for event in events if isinstance(event, Delivered)]
    assert landed == [("a.py",), ("b.py",)]
