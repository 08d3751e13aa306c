"""One run and many: from the snapshot to the verdict, whatever agents and processes do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from massgen_ls.core.errors import NotFoundError, WorkspaceError
from massgen_ls.core.events import Delta, Envelope, RunInterrupted, RunSettled
from massgen_ls.core.selection import Selection
from massgen_ls.core.task import RunId, SeatId
from massgen_ls.engine.report import run_json, settled
from massgen_ls.ports import Acted, AgentNews, Brief, Buffer, Ended, Place, Said
from massgen_ls.testing.agents import ends, waits, writes
from tests.engine.conftest import Bench


async def test_the_best_of_three_wins_and_says_why(bench: Bench) -> None:
    def judge(check: str, folder: Path) -> tuple[str, ...]:
        text = (folder / "a.py").read_text()
        return tuple(word for word in ("one", "bug") if word in text)

    scripts = {
        "mends": writes(a__py="ONE\ntwo\n"),
        "breaks": writes(a__py="ONE\nbug\n"),
        "idles": ends(Ended("done")),
    }
    async with bench.engine(scripts, judge) as supervisor:
        spec = bench.spec("breaks", "mends", "idles", checks=("k",))
        run, state = await bench.finish(supervisor, spec)
        assert state.verdict is not None
        assert state.verdict.winner == "mends.1"
        assert "breaks.1 is ruled out" in state.verdict.why
        assert "idles" in state.verdict.why
        payload = settled(run, state)
        assert payload["kind"] == "run_settled"
        by_id = {c["id"]: c for c in payload["candidates"]}  # type: ignore[index,union-attr,call-overload]
        assert (by_id["mends.1"]["clears"], by_id["mends.1"]["fixed"]) == (True, 1)
        assert (by_id["breaks.1"]["clears"], by_id["breaks.1"]["broke"]) == (False, 1)
        assert [s["seat"] for s in run_json(run, state)["seats"]] == ["breaks", "mends", "idles"]  # type: ignore[union-attr,index,call-overload]


async def test_the_base_holds_unsaved_buffers(bench: Bench) -> None:
    seen: list[str] = []

    async def looks(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        seen.append((Path(place.folder) / "a.py").read_text())
        seen.append(brief.prompt)
        yield Ended("done")

    async with bench.engine({"looks": looks}) as supervisor:
        buffer = Buffer(str(bench.user.repo / "a.py"), "on the screen\n")
        run = await supervisor.start(bench.spec("looks"), bench.folder, [buffer])
        await supervisor.wait(run)
    assert seen == ["on the screen\n", "do it"]


async def test_news_come_stored_in_order_and_noise_beside_them(bench: Bench) -> None:
    async def talks(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        yield Said("hello\n")
        yield Acted("edit", "a.py")
        yield Ended("done")

    async with bench.engine({"talks": talks}) as supervisor:
        with supervisor.subscribe() as news:
            run = await supervisor.start(bench.spec("talks"), bench.folder)
            heard: list[Envelope] = []
            noise: list[Delta] = []
            async with asyncio.timeout(30):
                async for item in news:
                    if isinstance(item, Delta):
                        noise.append(item)
                    elif isinstance(item, Envelope):
                        heard.append(item)
                        if isinstance(item.event, RunSettled):
                            break
        assert heard == list(await supervisor.history(run))
        assert [e.seq for e in heard] == list(range(1, len(heard) + 1))
        assert noise == [Delta(run, "talks", "stdout", "hello\n")]
        assert "agent_acted" in [e.event.kind for e in heard]


async def test_a_cancelled_run_ends_its_agents_and_keeps_their_work(bench: Bench) -> None:
    begun = asyncio.Event()
    scripts = {"quick": writes(a__py="x\n"), "slow": waits(begun)}
    async with bench.engine(scripts) as supervisor:
        with supervisor.subscribe() as news:
            run = await supervisor.start(bench.spec("quick", "slow"), bench.folder)
            while not (await supervisor.state(run)).candidates:
                await anext(news)
        await begun.wait()
        assert await supervisor.cancel(run, "a test")
        state = await supervisor.wait(run)
        assert bench.driver.closed == ["slow"]
        assert state.verdict is not None
        assert state.verdict.outcome == "cancelled"
        assert "a test" in state.verdict.why
        kept = {c.id: [f.path for f in c.changes.files] for c in state.candidates}
        assert kept.get("slow.1") == ["half.txt"]
        assert not await supervisor.cancel(run, "again")


async def test_leaving_the_supervisor_cancels_what_runs(bench: Bench) -> None:
    begun = asyncio.Event()
    async with bench.engine({"slow": waits(begun)}) as supervisor:
        run = await supervisor.start(bench.spec("slow"), bench.folder)
        await begun.wait()
    assert bench.driver.closed == ["slow"]
    async with bench.engine() as supervisor:
        state = await supervisor.state(run)
        assert state.verdict is not None
        assert state.verdict.outcome == "cancelled"


async def test_a_driver_that_raises_costs_its_own_seat_only(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    async def bug(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        yield Said("so far so good\n")
        raise ZeroDivisionError("a bug in a driver")

    async def silent(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        yield Said("and then nothing\n")

    scripts = {"bug": bug, "silent": silent, "good": writes(a__py="x\n")}
    async with bench.engine(scripts) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec("bug", "silent", "good", "unknown"))
        assert state.verdict is not None
        assert state.verdict.winner == "good.1"
        seats = {s.seat: s for s in state.seats}
        assert seats[SeatId("bug")].outcome == "failed"
        assert "ZeroDivisionError" in seats[SeatId("bug")].reason
        assert seats[SeatId("silent")].outcome == "failed"
        assert seats[SeatId("unknown")].outcome == "missing"
    assert "a bug in a driver" in caplog.text


async def test_a_checker_that_raises_is_a_broken_check(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    def judge(check: str, folder: Path) -> tuple[str, ...]:
        raise ZeroDivisionError("a bug in a checker")

    async with bench.engine({"good": writes(a__py="x\n")}, judge) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec("good", checks=("k",)))
        assert {c.result.outcome for c in state.checked} == {"unjudged"}
        assert state.verdict is not None
        assert state.verdict.outcome == "abstained", "what could not be judged is not offered"


async def test_a_tree_is_judged_once(bench: Bench) -> None:
    scripts = {"one": writes(a__py="same\n"), "two": writes(a__py="same\n")}
    async with bench.engine(scripts) as supervisor:
        spec = bench.spec("one", "two", checks=("k",))
        _, state = await bench.finish(supervisor, spec)
        trees = {c.tree for c in state.candidates}
        assert len(trees) == 1
        assert len(bench.checker.runs) == 2, "the base and the one distinct candidate"
        _, again = await bench.finish(supervisor, spec)
        assert len(bench.checker.runs) == 2, "and never again"
        assert all(c.result.cached for c in again.checked)
        assert state.verdict is not None
        assert "2 candidates, all the same" in state.verdict.why


async def test_a_flaky_check_is_held_against_nobody(bench: Bench) -> None:
    looks: dict[str, int] = {}

    def judge(check: str, folder: Path) -> tuple[str, ...]:
        text = (folder / "a.py").read_text()
        looks[text] = looks.get(text, 0) + 1
        return ("now and then",) if text == "x\n" and looks[text] == 1 else ()

    async with bench.engine({"one": writes(a__py="x\n")}, judge) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec("one", checks=("k",)))
        assert state.verdict is not None
        assert state.verdict.outcome == "won"
        (candidate,) = state.candidates
        assert bench.checker.runs.count(("k", candidate.tree)) == 2, "looked at twice"


async def test_the_time_of_an_attempt_and_of_a_run_are_kept(bench: Bench) -> None:
    begun = asyncio.Event()
    async with bench.engine({"slow": waits(begun)}) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec("slow", run_timeout=0.5))
        assert state.verdict is not None
        assert (state.verdict.outcome, state.late) == ("cancelled", True)


async def test_quorum_ends_the_wait_for_the_slow(bench: Bench) -> None:
    begun = asyncio.Event()
    scripts = {"one": writes(a__py="x\n"), "two": writes(b="y\n"), "slow": waits(begun)}
    async with bench.engine(scripts) as supervisor:
        _, state = await bench.finish(supervisor, bench.spec("one", "two", "slow", quorum=0.6))
        assert state.verdict is not None
        assert state.verdict.outcome == "won"
        assert "slow" in state.verdict.why


async def test_what_a_dead_process_left_is_settled_at_the_next_start(bench: Bench) -> None:
    begun = asyncio.Event()
    scripts = {"quick": writes(a__py="x\n"), "slow": waits(begun)}
    async with bench.engine(scripts, owner="first") as first:
        run = await first.start(bench.spec("quick", "slow"), bench.folder)
        with first.subscribe(run) as news:
            while not (await first.state(run)).candidates:
                await anext(news)
        async with bench.engine(owner="second") as second:
            assert (await second.state(run)).verdict is None, "it lives: hands off"
        bench.dead.add("first")
        async with bench.engine(owner="third") as third:
            state = await third.state(run)
            assert state.verdict is not None
            assert state.verdict.outcome == "cancelled"
            assert [c.id for c in state.candidates] == ["quick.1"]
            kinds = [e.event.kind for e in await third.history(run)]
            settled_at = kinds.index(RunSettled.kind)
            assert kinds[settled_at - 1] == RunInterrupted.kind
            assert kinds.count(RunSettled.kind) == 1
            delivery = await third.apply(run, state.candidates[0].id, bench.disk)
            assert delivery.applied
    assert (bench.user.repo / "a.py").read_text() == "x\n"


async def test_a_run_of_another_process_is_waited_for_and_cancelled(bench: Bench) -> None:
    begun = asyncio.Event()
    async with bench.engine({"slow": waits(begun)}, owner="first") as first:
        run = await first.start(bench.spec("slow"), bench.folder)
        await begun.wait()
        async with (
            bench.engine(owner="second") as second,
            asyncio.TaskGroup() as group,
            asyncio.timeout(30),
        ):
            waiting = group.create_task(second.wait(run))
            assert await second.cancel(run, "another window")
            state = await waiting
        assert state.verdict is not None
        assert "another window" in state.verdict.why
        assert state == await first.wait(run)


async def test_a_folder_that_cannot_be_worked_on_starts_nothing(
    bench: Bench, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "plain"
    elsewhere.mkdir()
    async with bench.engine({"one": writes(a="x")}) as supervisor:
        with pytest.raises(WorkspaceError):
            await supervisor.start(bench.spec("one"), str(elsewhere))
        assert list(await supervisor.runs()) == []


async def test_unknown_names_are_told_with_what_there_is(bench: Bench) -> None:
    async with bench.engine({"one": writes(a__py="x\n")}) as supervisor:
        run, _ = await bench.finish(supervisor, bench.spec("one"))
        for call in (
            supervisor.state(RunId("nope")),
            supervisor.file(run, None, "absent"),
            supervisor.file(run, None, "../etc/passwd"),
            supervisor.apply(run, "two.1", bench.disk),  # type: ignore[arg-type]
            supervisor.apply(run, None, bench.disk, Selection.of(["absent"])),
            supervisor.discard(run, "two.1"),  # type: ignore[arg-type]
        ):
            with pytest.raises(NotFoundError) as caught:
                await call
            assert str(caught.value)
        assert await supervisor.resolve(run[:-1]) == run
        assert await supervisor.file(run, None, "a.py") == b"one\ntwo\nthree\nfour\nfive\n"
        assert "+x" in await supervisor.patch(run, None)
        await supervisor.discard(run, None)
        assert (await supervisor.state(run)).discarded == {"one.1"}
