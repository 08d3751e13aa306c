"""What waits for one reader: in order, bounded, and a person before a program."""

from __future__ import annotations

import asyncio
import math

import pytest

from massgen_ls.adapters.agents.program.mail import Mail


async def filled(mail: Mail[str], *items: tuple[str, int]) -> list[str]:
    """Which of these found room, put in one after the other by somebody who is then cancelled."""
    done: list[str] = []

    async def fill() -> None:
        for item, weight in items:
            await mail.put(item, weight)
            done.append(item)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(fill())
        for _ in range(10):
            await asyncio.sleep(0)
        task.cancel()
    return done


@pytest.mark.parametrize(
    ("items", "found_room"),
    [
        ([("a", 0), ("b", 0), ("c", 0)], "ab"),
        ([("a", 6), ("b", 4)], "ab"),
        ([("a", 6), ("b", 5)], "a"),
        ([("a", 99), ("b", 0)], "a"),
        ([("a", 1), ("b", 99)], "a"),
    ],
)
async def test_only_so_much_waits_and_what_is_too_heavy_waits_alone(
    items: list[tuple[str, int]], found_room: str
) -> None:
    mail: Mail[str] = Mail(room=2, size=10)
    assert await filled(mail, *items) == list(found_room)
    assert [mail.take() for _ in range(3)] == [*found_room, *[None] * (3 - len(found_room))]


async def test_who_waits_for_room_goes_on_when_there_is_some() -> None:
    mail: Mail[int] = Mail(room=2, size=10)

    async def fill() -> None:
        for number in range(100):
            await mail.put(number, 5)

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(fill())
        assert [await mail.get(math.inf) for _ in range(100)] == list(range(100))


async def test_what_comes_first_is_not_held_back_and_not_behind_anything() -> None:
    mail: Mail[str] = Mail(room=1, size=10)
    await mail.put("line")
    mail.push("one")
    mail.push("two")
    assert [await mail.get(math.inf) for _ in range(3)] == ["one", "two", "line"]


async def test_who_is_cancelled_gives_the_room_to_the_next() -> None:
    mail: Mail[str] = Mail(room=1, size=10)
    await mail.put("a")
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        first = group.create_task(mail.put("b"))
        group.create_task(mail.put("c"))
        await asyncio.sleep(0)
        assert mail.take() == "a"
        first.cancel()  # it was offered the room, and will not take it
        assert await mail.get(math.inf) == "c"


async def test_nothing_comes_in_time() -> None:
    mail: Mail[str] = Mail()
    with pytest.raises(TimeoutError):
        await mail.get(asyncio.get_running_loop().time() + 0.01)
    mail.push("late")
    assert await mail.get(math.inf) == "late"


async def test_a_closed_box_takes_nothing_and_holds_nobody() -> None:
    mail: Mail[str] = Mail(room=1)
    await mail.put("a")
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(mail.put("b"))
        await asyncio.sleep(0)
        mail.close()
    await mail.put("c")
    mail.push("d")
    assert [mail.take(), mail.take()] == ["a", None]
