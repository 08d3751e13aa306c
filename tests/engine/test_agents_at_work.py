"""Runs of agents that fail, spend, listen and are listened to, on real git and a real record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from massgen_ls.core.budget import Limits, Usage
from massgen_ls.core.conversation import Called, Spoken
from massgen_ls.core.errors import NotFoundError
from massgen_ls.core.events import (
    AttemptEnded,
    AttemptStarted,
    CancelRequested,
    Conversed,
    NoteSent,
)
from massgen_ls.core.task import AgentSpec, Origin, RunId, RunSpec, Task
from massgen_ls.engine.inbox import ROOM
from massgen_ls.engine.starts import Starts
from massgen_ls.engine.supervisor import Supervisor
from massgen_ls.engine.world import World
from massgen_ls.ports import (
    Acted,
    AgentNews,
    Brief,
    Ended,
    Halt,
    Message,
    Note,
    Place,
    Returned,
    Spoke,
    Used,
)
from massgen_ls.testing.agents import Script, ScriptedDriver, ends, waits, writes
from tests.engine.conftest import Bench


def types(**scripts: Mapping[str, Script]) -> Callable[[World], World]:
    """Drivers by type, each with the scripts of its agents."""
    drivers = {name: ScriptedDriver(table, briefed=True) for name, table in scripts.items()}
    return lambda world: replace(world, drivers={**world.drivers, **drivers})


def with_fallback(spec: RunSpec, *kinds: str) -> RunSpec:
    """The first agent's seat with a chain of these kinds of agents."""
    first, *others = spec.agents
    chain = None
    for kind in reversed(kinds):
        chain = AgentSpec(first.id, kind, fallback=chain)
    return replace(spec, agents=(replace(first, fallback=chain), *others))


def half(reason: str) -> Script:
    """An agent that leaves half a work and fails."""

    async def script(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        await asyncio.to_thread((Path(place.folder) / "half.txt").write_text, "half\n")
        yield Spoke("I cannot go on.")
        yield Ended("failed", reason, failure="auth")

    return script


async def test_the_fallback_takes_the_seat_in_a_fresh_worktree_and_wins(bench: Bench) -> None:
    async def second(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        assert not (Path(place.folder) / "half.txt").exists()
        assert brief.attempt == 2
        yield Spoke("I take over.")
        await asyncio.to_thread((Path(place.folder) / "whole.txt").write_text, "whole\n")
        yield Ended("done", summary="Whole.")

    drivers = types(other={"a": second})
    async with bench.engine({"a": half("no key.")}, change=drivers) as supervisor:
        spec = with_fallback(bench.spec("a"), "other")
        run, state = await bench.finish(supervisor, spec)
        assert state.verdict is not None
        assert (state.verdict.winner, state.verdict.ranking) == ("a.2", ("a.2", "a.1"))
        assert await supervisor.file(run, state.verdict.winner, "whole.txt") == b"whole\n"
        told = await supervisor.transcripts(run)
        assert [(t.agent, t.type, t.files) for t in told] == [
            ("a", "scripted", ("half.txt",)),
            ("a", "other", ("whole.txt",)),
        ]
        begun = [e.event for e in await supervisor.history(run)]
        assert [e.type for e in begun if isinstance(e, AttemptStarted)] == ["scripted", "other"]


async def test_a_chain_of_agents_that_cannot_work_ends_with_every_reason(bench: Bench) -> None:
    async with bench.engine(
        {"a": half("no key.")}, change=types(other={"a": ends(Ended("failed", "no money."))})
    ) as supervisor:
        spec = with_fallback(bench.spec("a"), "other", "nowhere")
        _, state = await bench.finish(supervisor, spec)
        assert state.verdict is not None
        assert state.verdict.outcome == "none"
        assert (
            "a: no key; then its fallback: no money; then its fallback: no driver for type "
            "'nowhere'"
        ) in state.verdict.why
        assert [c.id for c in state.candidates] == ["a.1"]


async def test_a_fallback_at_work_is_cancelled_and_keeps_what_it_left(bench: Bench) -> None:
    begun = asyncio.Event()
    drivers = types(other={"a": waits(begun, "second.txt")})
    async with bench.engine({"a": half("no key.")}, change=drivers) as supervisor:
        run = await supervisor.start(with_fallback(bench.spec("a"), "other"), bench.folder)
        await begun.wait()
        assert await supervisor.cancel(run, "a test")
        state = await supervisor.wait(run)
        assert state.verdict is not None
        assert state.verdict.why == "Cancelled by a test. 2 candidates kept: a.1, a.2."


async def test_when_the_money_is_gone_who_works_is_stopped_and_who_is_done_wins(
    bench: Bench,
) -> None:
    done = asyncio.Event()

    async def spends(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        await done.wait()
        yield Used(Usage(5, cost=2_000_000))
        await asyncio.Event().wait()

    async with bench.engine({"quick": writes(a__py="x\n"), "dear": spends}) as supervisor:
        spec = bench.spec("quick", "dear", checks=("k",), limits=Limits(cost=1_000_000))
        with supervisor.subscribe() as news:
            run = await supervisor.start(spec, bench.folder)
            while not (await supervisor.state(run)).candidates:
                await anext(news)
        done.set()
        async with asyncio.timeout(60):
            state = await supervisor.wait(run)
        assert bench.driver.closed == ["dear"]
        assert state.verdict is not None
        assert state.verdict.winner == "quick.1"
        assert state.verdict.why.endswith(
            "The limit of $1.00 is used up ($2.00 spent). Without a candidate: dear (cancelled)."
        )


# ── what is said to agents ──────────────────────────────────────────────────────────────────────


def listens(heard: list[Message], begun: asyncio.Event) -> Script:
    """An agent that hears what it is told until it shall stop."""

    async def script(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        assert place.inbox is not None
        begun.set()
        yield Spoke("I listen.")
        while not heard or isinstance(heard[-1], Note):
            heard.append(await place.inbox.receive())
        yield Ended("done", "stopped on request")

    return script


async def test_a_note_reaches_the_agent_at_work_and_stands_in_the_record(bench: Bench) -> None:
    heard: list[Message] = []
    begun = asyncio.Event()
    async with bench.engine({"a": listens(heard, begun)}) as supervisor:
        run = await supervisor.start(bench.spec("a"), bench.folder)
        await begun.wait()
        await supervisor.tell(run, "a", Note("look at b.py"), "you")
        await supervisor.tell(run, "a", Halt(), "you")
        async with asyncio.timeout(60):
            await supervisor.wait(run)
        assert heard == [Note("look at b.py"), Halt()]
        said = [e.event for e in await supervisor.history(run) if isinstance(e.event, NoteSent)]
        assert [(e.seat, e.text, e.by) for e in said] == [
            ("a", "look at b.py", "you"),
            ("a", "stop where you are", "you"),
        ]
        with pytest.raises(NotFoundError, match="Nothing was said: a is not at work"):
            await supervisor.tell(run, "a", Note("late"), "you")
        assert len(heard) == 2


async def test_a_note_after_the_first_agent_failed_is_for_its_fallback(bench: Bench) -> None:
    heard: list[Message] = []
    begun = asyncio.Event()
    drivers = types(other={"a": listens(heard, begun)})
    async with bench.engine({"a": half("no key.")}, change=drivers) as supervisor:
        run = await supervisor.start(with_fallback(bench.spec("a"), "other"), bench.folder)
        await begun.wait()
        await supervisor.tell(run, "a", Halt(), "you")
        async with asyncio.timeout(60):
            await supervisor.wait(run)
    assert heard == [Halt()]


async def test_who_cannot_be_told_anything_is_said_to_whoever_tries(bench: Bench) -> None:
    begun = asyncio.Event()
    async with bench.engine({"a": waits(begun)}) as supervisor:
        run = await supervisor.start(bench.spec("a"), bench.folder)
        await begun.wait()
        with pytest.raises(NotFoundError, match="there is no seat 'zz'; there are: a"):
            await supervisor.tell(run, "zz", Note("x"), "you")
        for _ in range(ROOM):
            await supervisor.tell(run, "a", Note("x"), "you")
        with pytest.raises(NotFoundError, match="a has not read the last messages yet"):
            await supervisor.tell(run, "a", Note("one too many"), "you")
        with pytest.raises(NotFoundError, match="There is no run 'nope'"):
            await supervisor.tell(RunId("nope"), "a", Note("x"), "you")
        async with bench.engine(owner="another process") as other:
            with pytest.raises(NotFoundError, match="is not going on here") as caught:
                await other.tell(run, "a", Note("x"), "you")
            assert "the process that drives it" in str(caught.value)
        notes = [e for e in await supervisor.history(run) if isinstance(e.event, NoteSent)]
        assert len(notes) == ROOM, "what was refused stands nowhere"


# ── turns to start ──────────────────────────────────────────────────────────────────────────────


async def test_the_next_starts_when_one_is_up_although_it_has_no_news_yet(bench: Bench) -> None:
    met = asyncio.Barrier(2)

    async def meets(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        assert place.up is not None
        place.up()
        await met.wait()
        yield Ended("done")

    def one_at_a_time(world: World) -> World:
        return replace(world, starts=Starts(1, longest=3600.0))

    scripts: dict[str, Script] = {"a": meets, "b": meets}
    async with asyncio.timeout(60), bench.engine(scripts, change=one_at_a_time) as supervisor:
        bench.driver.heavy = True
        run = await supervisor.start(bench.spec("a", "b"), bench.folder)
        await supervisor.wait(run)
        ended = [e.event for e in await supervisor.history(run)]
        assert [e.outcome for e in ended if isinstance(e, AttemptEnded)] == ["done", "done"]


# ── what is known afterwards ────────────────────────────────────────────────────────────────────


def works(name: str) -> Script:
    async def script(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        yield Spoke("secret thought", thinking=True)
        yield Acted("edit", f"{name}.txt", "hello", "c1")
        await asyncio.to_thread((Path(place.folder) / f"{name}.txt").write_text, "hello\n")
        yield Returned("c1", "written", ok=True)
        yield Ended("done", summary=f"{name} is done.", session="s1")

    return script


async def two_have_worked(bench: Bench, supervisor: Supervisor) -> RunId:
    run, _ = await bench.finish(supervisor, bench.spec("ada", "bob"))
    return run


async def test_transcripts_are_whole_in_the_record_of_another_process(bench: Bench) -> None:
    scripts = {"ada": works("ada"), "bob": works("bob")}
    async with bench.engine(scripts) as supervisor:
        run = await two_have_worked(bench, supervisor)
    async with bench.engine() as later:
        told = {t.agent: t for t in await later.transcripts(run)}
        assert told.keys() == {"ada", "bob"}
        assert told["ada"].parts == (
            Spoken("secret thought", thinking=True),
            Called("edit", "ada.txt", "hello", "written", ok=True, call="c1"),
        )
        assert (told["ada"].summary, told["ada"].session) == ("ada is done.", "s1")
        assert told["ada"].files == ("ada.txt",)
        stored = [e.event for e in await later.history(run) if isinstance(e.event, Conversed)]
        assert sorted((e.seat, e.attempt) for e in stored) == [("ada", 1), ("bob", 1)]


async def test_context_tells_what_one_or_all_did(bench: Bench) -> None:
    async with bench.engine({"ada": works("ada"), "bob": works("bob")}) as supervisor:
        run = await two_have_worked(bench, supervisor)
        task = Task("Go on.")
        one = await supervisor.continued(task, run, "ada")
        assert (one.prompt, one.origin) == ("Go on.", Origin("scripted", "s1", run))
        ada = one.context
        assert ada == (
            "### What ada did\nIn its own words: ada is done.\nIt changed: ada.txt\n"
            "Its steps:\n- edit ada.txt\n  with:\n    hello\n  result:\n    written"
        )
        both = await supervisor.continued(task, run)
        assert both.origin is None, "nobody goes on with two conversations"
        assert ada in both.context
        assert "### What bob did" in both.context
        assert "secret thought" not in both.context


async def test_context_of_nobody_says_who_there_is(bench: Bench) -> None:
    async with bench.engine({"ada": works("ada"), "bob": ends(Ended("done"))}) as supervisor:
        run = await two_have_worked(bench, supervisor)
        with pytest.raises(NotFoundError, match="Nothing is known of what zoe did") as caught:
            await supervisor.continued(Task(""), run, "zoe")
        assert "There are transcripts of: ada" in str(caught.value)
        with pytest.raises(NotFoundError, match="There is no run"):
            await supervisor.continued(Task(""), "nope")
        idle, _ = await bench.finish(supervisor, bench.spec("bob"))
        with pytest.raises(NotFoundError, match="what the agents did") as caught:
            await supervisor.continued(Task(""), idle)
        assert "There are transcripts of: nobody" in str(caught.value)


async def test_reading_a_live_run_needs_no_record(bench: Bench) -> None:
    begun = asyncio.Event()
    async with bench.engine({"a": waits(begun)}) as supervisor:
        run = await supervisor.start(bench.spec("a"), bench.folder)
        await begun.wait()
        assert await supervisor.resolve(run) == run
        assert (await supervisor.state(run)).verdict is None
        assert await supervisor.transcripts(run) == []
        with pytest.raises(NotFoundError, match="has no verdict yet"):
            await supervisor.patch(run, None)
        await supervisor.cancel(run, "a test")
        await supervisor.wait(run)
        cancels = [e.event for e in await supervisor.history(run)]
        assert CancelRequested("a test") in cancels
