"""What goes wrong around a run becomes a verdict or a message, and never a run without an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from massgen_ls.core.candidate import CheckResult, Snapshot, TreeId
from massgen_ls.core.errors import NotFoundError, StorageError, WorkspaceError
from massgen_ls.core.events import (
    CandidateCaptured,
    CheckFinished,
    DeliveryRefused,
    Envelope,
    Event,
    RunSettled,
)
from massgen_ls.core.plan import EditPlan, EditText
from massgen_ls.core.selection import Selection
from massgen_ls.core.task import (
    AgentId,
    AgentSpec,
    CandidateId,
    CheckSpec,
    RunId,
    SeatId,
    WorktreeRules,
)
from massgen_ls.engine.report import record_json, settled
from massgen_ls.engine.world import World
from massgen_ls.ports import (
    AgentNews,
    Brief,
    Ended,
    Health,
    Lease,
    Place,
    Refused,
    Said,
    SnapshotRequest,
    Store,
    Worktrees,
)
from massgen_ls.testing.agents import ends, waits, writes
from tests.engine.conftest import Bench


class Around:
    """A port with some of its methods in other words; the rest is as it was."""

    def __init__(self, inner: object) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def outcome(state: Any) -> tuple[str, str]:
    assert state.verdict is not None
    return state.verdict.outcome, state.verdict.why


# ── the snapshot ────────────────────────────────────────────────────────────────────────────────


def no_snapshot(error: Exception) -> Callable[[World], World]:
    class Fails(Around):
        async def take(self, request: SnapshotRequest) -> Snapshot:
            raise error

    return lambda world: replace(world, snapshots=Fails(world.snapshots))


async def test_without_a_snapshot_there_is_no_run_and_the_reason_is_the_verdict(
    bench: Bench,
) -> None:
    change = no_snapshot(WorkspaceError("The folder is gone", "Open another"))
    async with bench.engine({"a": writes(a__py="x\n")}, change=change) as supervisor:
        run, state = await bench.finish(supervisor, bench.spec("a", checks=("k",)))
        assert outcome(state) == ("none", "The folder is gone. Open another")
        assert [seat.phase for seat in state.seats] == ["waiting"]
        assert bench.checker.runs == []
        with pytest.raises(NotFoundError, match="has no snapshot"):
            await supervisor.file(run, None, "a.py")
        with pytest.raises(NotFoundError, match="has no winner"):
            await supervisor.patch(run, None)


async def test_a_bug_settles_its_run_and_no_other(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    begun = asyncio.Event()

    class FailsOnce(Around):
        async def take(self, request: SnapshotRequest) -> Snapshot:
            if not begun.is_set():
                begun.set()
                raise ZeroDivisionError("a bug in a snapshot\nwith a second line")
            return await self._inner.take(request)

    def change(world: World) -> World:
        return replace(world, snapshots=FailsOnce(world.snapshots))

    async with bench.engine({"a": writes(a__py="x\n")}, change=change) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec("a"))
        assert outcome(state) == ("none", "Internal error: ZeroDivisionError: a bug in a snapshot")
        _, state = await bench.finish(supervisor, bench.spec("a"))
        assert outcome(state)[0] == "won"
    assert "a bug in a snapshot" in caplog.text


async def test_what_the_snapshot_does_not_hold_is_told(bench: Bench) -> None:
    class Notes(Around):
        async def take(self, request: SnapshotRequest) -> Snapshot:
            taken = await self._inner.take(request)
            return replace(taken, notes=("sub is a repository of its own",))

    def change(world: World) -> World:
        return replace(world, snapshots=Notes(world.snapshots))

    async with bench.engine({"a": writes(a__py="x\n")}, change=change) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec("a"))
    assert [(n.level, n.text) for n in state.notices] == [
        ("warning", "sub is a repository of its own")
    ]


# ── checks ──────────────────────────────────────────────────────────────────────────────────────


class Answers:
    """`ports.Checker` that always gives one answer, whatever it is asked."""

    def __init__(self, answer: CheckResult) -> None:
        self.answer = answer
        self.asked: list[TreeId] = []

    async def run(
        self, check: CheckSpec, tree: TreeId, place: Place, say: Callable[[Said], None]
    ) -> CheckResult:
        self.asked.append(tree)
        if self.answer.tree:
            return self.answer
        return replace(self.answer, tree=tree)


@pytest.mark.parametrize(
    ("printed", "told"),
    [("\nno such program: k\nmore\n", "no such program: k"), ("", "it could not be started")],
)
async def test_a_check_that_cannot_start_is_told_and_gates_nobody(
    bench: Bench, printed: str, told: str
) -> None:
    checker = Answers(CheckResult("k", "", "broken", output=printed))

    def change(world: World) -> World:
        return replace(world, checker=checker)

    async with bench.engine({"a": writes(a__py="x\n")}, change=change) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec("a", checks=("k",)))
    assert outcome(state)[0] == "won"
    assert {n.text for n in state.notices} == {f"Check k: {told}"}


async def test_a_checker_that_answers_another_question_is_asked_once(bench: Bench) -> None:
    checker = Answers(CheckResult("another", "elsewhere", "passed"))

    def change(world: World) -> World:
        return replace(world, checker=checker)

    async with bench.engine({"a": writes(a__py="x\n")}, change=change) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec("a", checks=("k",)))
    assert len(checker.asked) == len(set(checker.asked)) == 2
    assert {(c.result.check, c.result.outcome) for c in state.checked} == {("k", "broken")}
    assert outcome(state)[0] == "won"


async def test_a_check_without_a_worktree_is_unjudged_and_says_why(bench: Bench) -> None:
    class NoneForChecks(Around):
        def lease(
            self,
            snapshot: Snapshot,
            run: RunId,
            rules: WorktreeRules,
            *,
            tree: TreeId | None = None,
            **more: Any,
        ) -> AbstractAsyncContextManager[Lease]:
            if tree is not None:
                raise StorageError("The disk is full")
            return self._inner.lease(snapshot, run, rules, **more)

    def change(world: World) -> World:
        return replace(world, worktrees=NoneForChecks(world.worktrees))

    async with bench.engine({"a": writes(a__py="x\n")}, change=change) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec("a", checks=("k",)))
    assert {(c.result.outcome, c.result.output) for c in state.checked} == {
        ("unjudged", "The disk is full")
    }


# ── seats that are cut off ──────────────────────────────────────────────────────────────────────


async def test_a_seat_cut_off_at_the_door_of_the_record_has_not_started(bench: Bench) -> None:
    judged, leased, storing = asyncio.Event(), asyncio.Event(), asyncio.Event()

    class Late(Around):
        """``slow`` comes to the record while it takes ``quick``'s candidate; then it is cut off."""

        async def append(self, run: RunId, events: Sequence[Event]) -> Sequence[Envelope]:
            stored = await self._inner.append(run, events)
            if any(isinstance(e, CheckFinished) for e in events):
                judged.set()
            if any(isinstance(e, CandidateCaptured) for e in events):
                await leased.wait()
                storing.set()
                for _ in range(100):
                    await asyncio.sleep(0)
            return stored

    class Waits(Around):
        @asynccontextmanager
        async def lease(
            self, *args: Any, tree: TreeId | None = None, **more: Any
        ) -> AsyncIterator[Lease]:
            # Seats ask in the order of the configuration; what has a tree is a check.
            self.seats += tree is None
            late = tree is None and self.seats == 2
            async with self._inner.lease(*args, tree=tree, **more) as lease:
                if late:
                    leased.set()
                    await storing.wait()
                yield lease

        seats = 0

    def change(world: World) -> World:
        store: Store = Late(world.store)  # type: ignore[assignment]
        worktrees: Worktrees = Waits(world.worktrees)  # type: ignore[assignment]
        return replace(world, store=store, worktrees=worktrees)

    async def quick(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        await judged.wait()  # the base: nobody else is to come to the record meanwhile
        await asyncio.to_thread((Path(place.folder) / "a.py").write_text, "x\n")
        yield Ended("done")

    scripts = {"quick": quick, "slow": ends(Ended("done"))}
    async with bench.engine(scripts, change=change) as supervisor:
        spec = bench.spec("quick", "slow", quorum=0.5)
        spec = replace(spec, checks=(CheckSpec("k", ("true",)),))
        _, state = await bench.finish(supervisor, spec)
    assert outcome(state)[0] == "won"
    slow = state.seat(SeatId("slow"))
    assert slow is not None
    assert (slow.phase, slow.outcome, slow.captured) == ("waiting", None, False)


# ── other processes, other wishes ───────────────────────────────────────────────────────────────


async def test_what_another_process_writes_into_a_run_is_read_in_its_place(bench: Bench) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def script(brief: object, place: Place) -> Any:
        begun.set()
        await go_on.wait()
        yield Ended("done")

    async with (
        bench.engine({"a": script}, owner="first") as first,
        bench.engine(owner="second") as second,
    ):
        with first.subscribe() as news:
            run = await first.start(bench.spec("a"), bench.folder)
            await begun.wait()
            await second.discard(run, None)
            go_on.set()
            heard: list[Envelope] = []
            async with asyncio.timeout(30):
                async for item in news:
                    assert isinstance(item, Envelope)
                    heard.append(item)
                    if isinstance(item.event, RunSettled):
                        break
        assert [e.seq for e in heard] == list(range(1, len(heard) + 1))
        assert "discarded" in [e.event.kind for e in heard]
        assert heard == list(await second.history(run))


async def test_a_cancel_that_leaves_no_mark_is_found_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("massgen_ls.engine.supervisor._LOOK", 0.02)
    begun, looked = asyncio.Event(), asyncio.Event()

    class Unmarked(Around):
        """What others write is to be read only after its mark was taken."""

        looks = 0

        def mark(self) -> object:
            self.looks += 1
            if begun.is_set() and self.looks > 1:
                looked.set()  # the record has been read for the first mark
            return "always the same"

    def change(world: World) -> World:
        store: Store = Unmarked(world.store)  # type: ignore[assignment]
        return replace(world, store=store)

    async with (
        bench.engine({"a": waits(begun)}, owner="first", change=change) as first,
        bench.engine(owner="second") as second,
        asyncio.timeout(30),
    ):
        run = await first.start(bench.spec("a"), bench.folder)
        await begun.wait()
        await looked.wait()
        assert await second.cancel(run, "another window")
        assert "another window" in outcome(await first.wait(run))[1]


async def test_every_agent_is_asked_whether_it_could_start(bench: Bench) -> None:
    agents = [
        AgentSpec(AgentId("a"), "scripted"),
        AgentSpec(AgentId("b"), "scripted"),
        AgentSpec(AgentId("c"), "magic"),
    ]
    async with bench.engine({"a": ends(Ended("done"))}) as supervisor:
        assert await supervisor.health(agents) == [
            Health(AgentId("a"), ok=True, found="a script"),
            Health(AgentId("b"), ok=False, found="", hint="Write one"),
            Health(AgentId("c"), ok=False, found="", hint="Its type 'magic' has no driver"),
        ]


async def test_a_run_is_named_by_its_beginning_when_that_is_one(bench: Bench) -> None:
    async with bench.engine({"a": writes(a__py="x\n")}) as supervisor:
        one, _ = await bench.finish(supervisor, bench.spec("a"))
        other, _ = await bench.finish(supervisor, bench.spec("a"))
        with pytest.raises(NotFoundError, match="2 runs start with 'run-'") as caught:
            await supervisor.resolve("run-")
        assert one in caught.value.hint
        assert other in caught.value.hint
        for nobody in ("", "elsewhere"):
            with pytest.raises(NotFoundError, match="There is no run"):
                await supervisor.resolve(nobody)
        records = [record_json(record) for record in await supervisor.runs()]
        assert [(r["run"], r["outcome"], r["winner"]) for r in records] == [
            (other, "won", "a.1"),
            (one, "won", "a.1"),
        ]
        assert records[0]["candidates"] == ["a.1"]


async def test_a_run_that_goes_on_has_no_winner_yet(bench: Bench) -> None:
    begun = asyncio.Event()
    async with bench.engine({"a": waits(begun)}) as supervisor:
        run = await supervisor.start(bench.spec("a"), bench.folder)
        await begun.wait()
        with pytest.raises(NotFoundError, match="no verdict yet"):
            await supervisor.patch(run, None)
        assert settled(run, await supervisor.state(run))["verdict"] == {
            "outcome": "running",
            "winner": None,
            "why": "",
            "ranking": [],
        }
        (record,) = await supervisor.runs()
        assert (record_json(record)["outcome"], record_json(record)["winner"]) == ("running", None)


async def test_a_refused_edit_is_on_the_record_and_a_part_can_be_planned(bench: Bench) -> None:
    class Refuses(Around):
        async def apply(self, root: str, plan: EditPlan) -> Refused:
            return Refused("the editor said no")

    scripts = {"a": writes(a__py="ONE\ntwo\nthree\nfour\nFIVE\n", b__py="b\n")}
    async with bench.engine(scripts) as supervisor:
        run, _ = await bench.finish(supervisor, bench.spec("a"))
        live: Any = Refuses(bench.disk)
        delivery = await supervisor.apply(run, None, live)
        assert (delivery.applied, delivery.reason) == (False, "the editor said no")
        events = [e.event for e in await supervisor.history(run)]
        assert events[-1] == DeliveryRefused(CandidateId("a.1"), "the editor said no")
        plan = await supervisor.plan(run, None, bench.disk)
        assert plan.paths() == ("a.py", "b.py")
        part = await supervisor.plan(run, None, bench.disk, Selection.of(hunks={"a.py": [1]}))
        assert part.paths() == ("a.py",)
        (edit,) = part.operations
        assert isinstance(edit, EditText)
        assert [e.new for e in edit.edits] == ["FIVE"]
        both = Selection.of(["b.py"], {"a.py": [0]})
        part = await supervisor.plan(run, None, bench.disk, both)
        assert part.paths() == ("a.py", "b.py")
        only = await supervisor.plan(run, None, bench.disk, Selection.of(["b.py"]))
        assert only.paths() == ("b.py",)
        candidate, root, files = await supervisor.hunks(run, None, bench.disk)
        assert (candidate, root) == ("a.1", str(bench.user.repo))
        assert [(f.path, f.whole, [h.new for h in f.hunks]) for f in files] == [
            ("a.py", False, ["ONE\n", "FIVE\n"]),
            ("b.py", True, ["b\n"]),
        ]
    assert (bench.user.repo / "a.py").read_text() == "one\ntwo\nthree\nfour\nfive\n"


async def test_worktrees_that_cannot_be_made_ahead_are_in_nobody_s_way(bench: Bench) -> None:
    warmed = asyncio.Event()

    class Cold(Around):
        async def warm(self, snapshot: Snapshot, count: int) -> None:
            warmed.set()
            raise StorageError("The disk is full")

    def change(world: World) -> World:
        return replace(world, worktrees=Cold(world.worktrees))

    async with bench.engine({"a": writes(a__py="x\n")}, change=change) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec("a"))
        assert outcome(state)[0] == "won"
        async with asyncio.timeout(10):
            await warmed.wait()
        _, state = await bench.finish(supervisor, bench.spec("a"))
        assert outcome(state)[0] == "won"
