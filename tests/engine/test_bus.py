"""Fan-out that never blocks the teller and never hides a loss."""

from __future__ import annotations

import asyncio

from massgen_ls.core.events import Delta, Envelope, Notice
from massgen_ls.core.task import RunId
from massgen_ls.engine.bus import Bus, Gap, Subscription

RUN = RunId("r")


def fact(seq: int, run: RunId = RUN) -> Envelope:
    return Envelope(run, seq, 0.0, Notice("info", str(seq)))


def noise(text: str) -> Delta:
    return Delta(RUN, "a", "stdout", text)


async def drain(reader: Subscription) -> list[Envelope | Delta | Gap]:
    reader.close()
    return [item async for item in reader]


async def test_news_arrive_in_order_and_by_run() -> None:
    bus = Bus()
    with bus.subscribe(RUN) as mine, bus.subscribe() as every:
        for news in (fact(1), noise("x"), fact(1, RunId("other")), fact(2)):
            bus.hear(news)
        assert await drain(mine) == [fact(1), noise("x"), fact(2)]
        assert len(await drain(every)) == 4


async def test_a_slow_reader_loses_noise_first() -> None:
    bus = Bus(capacity=8)
    with bus.subscribe() as reader:
        for i in range(100):
            bus.hear(noise(str(i)))
        for i in range(4):
            bus.hear(fact(i))
        got = await drain(reader)
    assert [n for n in got if isinstance(n, Envelope)] == [fact(i) for i in range(4)]
    assert len(got) == 8


async def test_a_reader_that_loses_facts_is_told_how_many() -> None:
    bus = Bus(capacity=8)
    with bus.subscribe() as reader:
        for i in range(20):
            bus.hear(fact(i))
        got = await drain(reader)
    assert got[0] == Gap(16)
    assert got[1:] == [fact(i) for i in range(16, 20)]


async def test_a_waiting_reader_wakes_up() -> None:
    bus = Bus()
    with bus.subscribe() as reader:
        async with asyncio.TaskGroup() as group, asyncio.timeout(5):
            waiting = group.create_task(anext(reader))
            await asyncio.sleep(0)
            bus.hear(fact(7))
        assert waiting.result() == fact(7)


async def test_nobody_hears_after_leaving() -> None:
    bus = Bus()
    with bus.subscribe() as reader:
        pass
    bus.hear(fact(1))
    assert await drain(reader) == []


async def test_closing_ends_every_reader_after_what_is_queued() -> None:
    bus = Bus()
    with bus.subscribe() as one, bus.subscribe(RUN) as other:
        bus.hear(fact(1))
        bus.close()
        async with asyncio.timeout(5):
            assert [item async for item in one] == [fact(1)]
            assert [item async for item in other] == [fact(1)]
