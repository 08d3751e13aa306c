"""Turns at the cores: who is first in line, and what becomes of the turn of one who leaves."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from massgen_ls.engine.turns import Turns


async def test_the_line_is_ordered_when_a_turn_is_free() -> None:
    ranks = {"first": 0, "a": 1, "b": 2, "c": 3}
    turns = Turns[str](1, lambda work: ranks[work])
    done: list[str] = []
    go = asyncio.Event()

    async def work(name: str) -> None:
        async with turns.of(name):
            if name == "first":
                await go.wait()
            done.append(name)

    async with asyncio.TaskGroup() as group:
        for name in ranks:
            group.create_task(work(name))
        await asyncio.sleep(0)
        ranks["c"] = -1  # what is known by then
        go.set()
    assert done == ["first", "c", "a", "b"]


async def test_never_more_at_a_time_and_nobody_waits_for_who_has_left() -> None:
    turns = Turns[int](2, lambda work: work)
    at_work = Counter[str]()
    most = 0
    held = asyncio.Event()

    async def work(number: int) -> None:
        nonlocal most
        async with turns.of(number):
            at_work["now"] += 1
            most = max(most, at_work["now"])
            try:
                await held.wait()
            finally:
                at_work["now"] -= 1
                at_work["ended"] += 1

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work(number)) for number in range(6)]
        await asyncio.sleep(0)
        tasks[3].cancel()  # while it waits
        tasks[0].cancel()  # at work: its turn goes to the next,
        await asyncio.sleep(0)
        tasks[2].cancel()  # who leaves in the moment of being called
        await asyncio.sleep(0)
        held.set()
    assert most == 2
    assert [task.cancelled() for task in tasks] == [True, False, True, True, False, False]
    async with turns.of(0), turns.of(1):
        pass  # both turns are free again


@pytest.mark.parametrize("first", ["holder", "waiter"])
async def test_a_turn_that_ends_with_who_waits_for_it_goes_to_the_next(first: str) -> None:
    turns = Turns[str](1, len)
    go, began = asyncio.Event(), list[str]()

    async def work(name: str) -> None:
        async with turns.of(name):
            began.append(name)
            await go.wait()

    async with asyncio.TaskGroup() as group:
        holder, waiter = group.create_task(work("a")), group.create_task(work("bb"))
        last = group.create_task(work("ccc"))
        await asyncio.sleep(0)
        for task in (holder, waiter) if first == "holder" else (waiter, holder):
            task.cancel()
        go.set()
    assert began == ["a", "ccc"], "and nobody hears of it who has left"
    assert not last.cancelled()
    async with turns.of("d"):
        pass
