"""Seats share a process of an ACP agent where nothing but their folders tells them apart."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from massgen_ls.adapters.agents.acp.driver import AcpDriver
from massgen_ls.adapters.agents.acp.pool import KEEP, STOPPING, AcpPool
from massgen_ls.core.task import AgentSpec, Json, RunId, SeatId
from massgen_ls.ports import AgentNews, Fence, Halt, Returned
from tests.agents.stage import Stage, Told, agent, attempt, begun, brief, there

AGENT = Path(__file__).with_name("sdk_agent.py")
DEADLINE = 30.0


class House:
    """Several stages with one driver and one pool."""

    def __init__(self, top: Path, pool: AcpPool, seats: int, log: Path) -> None:
        self.log = log
        self.pool = pool
        self.stages = [Stage(top / f"seat{n}", environ(log)) for n in range(seats)]
        first = self.stages[0]
        self.driver = AcpDriver(first.processes, first.around, pool)

    def spec(self, **settings: Json) -> AgentSpec:
        argv: Json = [sys.executable, "-P", str(AGENT)]
        return agent("acp", argv=argv, env=["SDK_AGENT"], **settings)

    async def play(self, seat: int, prompt: str, **settings: Any) -> Told:
        more = settings.pop("place", {})
        order = replace(brief(prompt), **settings.pop("order", {}))
        order = replace(order, seat=SeatId(f"seat{seat}"))
        return await attempt(
            self.driver, self.spec(**settings), order, self.stages[seat].place(**more)
        )

    def begun(
        self, seat: int, prompt: str
    ) -> contextlib.AbstractAsyncContextManager[tuple[list[AgentNews], asyncio.Task[None]]]:
        return begun(self.driver, self.spec(), brief(prompt), self.stages[seat].place())

    def heard(self, kind: str) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [told for line in lines if (told := json.loads(line))["kind"] == kind]

    @property
    def pids(self) -> list[int]:
        """The processes that were started, in their order."""
        return [told["pid"] for told in self.heard("initialize")]

    async def gone(self, pid: int) -> None:
        """Waits until a process has ended."""
        async with asyncio.timeout(DEADLINE):
            with contextlib.suppress(psutil.NoSuchProcess):
                await asyncio.to_thread(psutil.Process(pid).wait, DEADLINE)


def environ(log: Path) -> dict[str, str]:
    return {"SDK_AGENT": json.dumps({"log": str(log), "load": True})}


@contextlib.asynccontextmanager
async def house(
    top: Path,
    seats: int = 2,
    linger: float = 30.0,
    stopping: float = STOPPING,
    keep: float = KEEP,
) -> AsyncGenerator[House]:
    """A house; no process may be left when it is closed."""
    log = top / "heard.jsonl"
    starter = Stage(top / "starter")
    async with AcpPool(starter.processes, linger, stopping, keep) as pool:
        built = House(top, pool, seats, log)
        yield built
    for pid in built.pids:
        assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("seats", [2, 8])
async def test_seats_share_one_process_with_a_session_and_a_folder_each(
    tmp_path: Path, seats: int
) -> None:
    async with house(tmp_path, seats) as home:
        async with asyncio.TaskGroup() as group:
            plays = [
                group.create_task(home.play(n, f"edit out.txt from {n}\nsay I am {n}"))
                for n in range(seats)
            ]
        assert len(home.pids) == 1
        assert home.pool.processes == 1
        for number, play in enumerate(plays):
            told = play.result()
            assert told.how == ("done", None)
            assert told.spoke == [f"I am {number}"]
            assert home.stages[number].changed == {"out.txt": f"from {number}\n"}
        folders = {told["cwd"] for told in home.heard("new")}
        assert folders == {str(stage.tree) for stage in home.stages}
        assert len(home.heard("close")) == seats
        assert home.heard("initialize")[0]["seat"] == "shared"


async def test_what_differs_in_more_than_the_folder_has_its_own(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        fence = Fence((str(home.stages[0].tree), str(home.stages[0].home)))
        await home.play(0, "say a")
        await home.play(0, "say b", args=["--other"])
        await home.play(0, "say c", place={"run": RunId("another-run")})
        await home.play(0, "say d", share=False)
        await home.play(0, "say e", place={"confined": True, "fence": fence})
        assert len(set(home.pids)) == 5
        seats = [told["seat"] for told in home.heard("initialize")]
        assert seats == ["shared"] * 3 + ["seat0"] * 2
        await home.play(1, "say f")
        assert len(home.pids) == 5


async def test_a_process_without_seats_ends_after_a_while(tmp_path: Path) -> None:
    async with house(tmp_path, linger=0.05) as home:
        await home.play(0, "background 100\nsay x")
        (pid,) = home.pids
        await home.gone(pid)
        assert home.pool.processes == 0
        await home.play(1, "say y")
        assert len(home.pids) == 2


async def test_a_conversation_outlives_its_process(tmp_path: Path) -> None:
    async with house(tmp_path, linger=0.05) as home:
        first = await home.play(0, "say x")
        await home.gone(home.pids[0])
        told = await home.play(0, "say y", order={"session": first.ended.session})
        assert told.spoke == ["y"]
        assert [h["session"] for h in home.heard("load")] == [first.ended.session]


async def test_a_home_is_freed_when_nobody_comes_back_to_it(tmp_path: Path) -> None:
    async with house(tmp_path, linger=0.05, keep=0.05) as home:
        told = await home.play(0, "run echo $HOME\nsay x")
        folder = Path(next(i.text for i in told.news if isinstance(i, Returned)).strip())
        assert folder.name.isdigit()
        await home.gone(home.pids[0])
        async with asyncio.timeout(DEADLINE):
            while await asyncio.to_thread(folder.exists):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert folder.parent.exists()
        again = await home.play(0, "say y")
        assert again.spoke == ["y"]
    assert not folder.parent.exists()


async def test_a_crash_fails_every_seat_in_it_and_the_next_try_works(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        async with home.begun(0, "touch here\nwait") as (news, _):
            await there(home.stages[0].tree / "here")
            crashed = await home.play(1, "crash")
        assert crashed.how == ("failed", "crashed")
        assert Told(news).how == ("failed", "crashed")
        again = await home.play(0, "say better")
        assert again.how == ("done", None)
        assert len(home.pids) == 2


async def test_one_seat_is_cancelled_and_the_other_goes_on(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        async with home.begun(0, "touch here\nwait") as (news, _):
            await there(home.stages[0].tree / "here")
            async with home.begun(1, "touch here\nwait") as (_, task):
                await there(home.stages[1].tree / "here")
                task.cancel()
            assert len(home.heard("cancel")) == 1
            home.stages[0].inbox.put(Halt())
        assert Told(news).ended.reason == "stopped on request"
        assert len(home.pids) == 1


async def test_a_session_that_does_not_stop_takes_its_process_along(tmp_path: Path) -> None:
    async with house(tmp_path, stopping=0.3) as home:
        async with home.begun(0, "touch here\nwait") as (news, _):
            await there(home.stages[0].tree / "here")
            async with home.begun(1, "touch here\ndeaf") as (_, task):
                await there(home.stages[1].tree / "here")
                task.cancel()
        assert Told(news).how == ("failed", "crashed")
        await home.gone(home.pids[0])


async def test_closing_the_pool_ends_what_runs_in_it(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as group:
        async with house(tmp_path) as home:
            stage = home.stages[0]
            playing = group.create_task(home.play(0, "touch here\nwait"))
            await there(stage.tree / "here")
        told = await playing
    assert told.how == ("failed", "crashed")


async def test_a_program_that_is_not_there_is_missing_for_every_seat(tmp_path: Path) -> None:
    async with house(tmp_path) as home:
        for stage in home.stages:
            spec = agent("acp", agent="goose")
            told = await attempt(home.driver, spec, brief(), stage.place())
            assert told.how == ("missing", "missing")
        assert home.pool.processes == 0


async def test_a_seat_that_leaves_while_the_process_starts_leaves_nothing(tmp_path: Path) -> None:
    async with house(tmp_path, linger=0.0) as home:
        async with home.begun(0, "say x") as (_, task):
            await asyncio.sleep(0)
            task.cancel()
        told = await home.play(1, "say y")
        assert told.how == ("done", None)
