"""Turns to start, messages that wait, and answers to agents that ask."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from massgen_ls.core.errors import StorageError
from massgen_ls.core.events import PermissionDecided
from massgen_ls.core.permissions import Action, Decision, Permissions
from massgen_ls.core.task import RunId, SeatId
from massgen_ls.engine.inbox import ROOM, SeatInbox
from massgen_ls.engine.permits import Permits
from massgen_ls.engine.starts import Starts
from massgen_ls.engine.world import World
from massgen_ls.ports import Halt, Inbox, Note

SEAT = SeatId("a")

# ── starts ──────────────────────────────────────────────────────────────────────────────────────


class Line:
    """Programs that queue for their start, and the order in which they were let in."""

    def __init__(self, starts: Starts) -> None:
        self._starts = starts
        self.let_in: list[int] = []
        self.up: dict[int, asyncio.Event] = {}
        self.leave: dict[int, asyncio.Event] = {}
        self._changed = asyncio.Event()

    async def program(self, number: int, *, heavy: bool = True) -> None:
        self.up[number], self.leave[number] = asyncio.Event(), asyncio.Event()
        async with self._starts.turn(heavy=heavy) as up:
            self.let_in.append(number)
            self._changed.set()
            await self.up[number].wait()
            up()
            up()  # every piece of news says so again
            await self.leave[number].wait()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.let_in) < count:
                self._changed.clear()
                await self._changed.wait()


async def settle() -> None:
    """Lets everything that can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_as_many_start_at_once_as_there_are_cores_and_then_the_next() -> None:
    line = Line(Starts(2, longest=3600.0))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(line.program(i)) for i in range(5)]
        await settle()
        assert line.let_in == [0, 1]
        line.up[1].set()  # it runs on: only its start is over
        await line.until(3)
        await settle()
        assert line.let_in == [0, 1, 2]
        line.up[0].set()
        line.up[2].set()
        await line.until(5)
        for task in tasks:
            task.cancel()


async def test_light_programs_wait_for_nobody() -> None:
    line = Line(Starts(1, longest=3600.0))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(line.program(i, heavy=i == 0)) for i in range(9)]
        await line.until(9)
        for task in tasks:
            task.cancel()


async def test_a_start_that_gives_no_sign_is_not_waited_for() -> None:
    line = Line(Starts(1, longest=0.01))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(line.program(i)) for i in range(3)]
        await line.until(3)
        for i in range(3):  # each gives the sign only now: no turn is given back twice
            line.up[i].set()
        await settle()
        for task in tasks:
            task.cancel()
    assert line.let_in == [0, 1, 2]


async def test_turns_come_back_whatever_becomes_of_a_start() -> None:
    starts = Starts(1, longest=3600.0)

    async def fails() -> None:
        async with starts.turn(heavy=True):
            raise StorageError("it cannot start")

    for _ in range(3):
        with pytest.raises(StorageError):
            await fails()
    line = Line(starts)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(line.program(i)) for i in range(3)]
        await settle()
        tasks[1].cancel()  # while it waits
        await settle()
        tasks[0].cancel()  # while it starts
        await line.until(2)
        await settle()
        assert line.let_in == [0, 2]
        line.up[2].set()
        line.leave[2].set()
    await start_once(starts)


async def start_once(starts: Starts) -> None:
    async with asyncio.timeout(20), starts.turn(heavy=True) as up:
        up()


async def test_no_core_at_all_is_one() -> None:
    await start_once(Starts(0))


# ── the inbox ───────────────────────────────────────────────────────────────────────────────────


async def test_messages_wait_in_order_and_not_too_many() -> None:
    inbox = SeatInbox()
    port: Inbox = inbox
    assert port.take() is None
    assert [inbox.put(Note(str(i))) for i in range(ROOM + 2)] == [True] * ROOM + [False] * 2
    assert inbox.take() == Note("0")
    assert await inbox.receive() == Note("1")
    assert inbox.put(Halt())
    left = [inbox.take() for _ in range(ROOM)]
    assert left == [*[Note(str(i)) for i in range(2, ROOM)], Halt(), None]


async def test_a_wait_that_is_given_up_loses_nothing() -> None:
    inbox = SeatInbox()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(inbox.receive())
        await settle()
        assert inbox.put(Note("x"))
        waiting.cancel()  # in the very moment
        await asyncio.wait([waiting])
    kept = inbox.take()
    assert kept == Note("x") if waiting.cancelled() else waiting.result() == Note("x")


# ── permits ─────────────────────────────────────────────────────────────────────────────────────


class Person:
    """`ports.Approver` with one answer."""

    def __init__(self, *, yes: bool) -> None:
        self._yes = yes
        self.asked: list[tuple[RunId, SeatId, Action, str]] = []

    async def ask(self, run: RunId, seat: SeatId, action: Action, reason: str) -> bool:
        self.asked.append((run, seat, action, reason))
        return self._yes


def permits(
    rule: Permissions, person: Person | None = None
) -> tuple[Permits, list[PermissionDecided]]:
    decided: list[PermissionDecided] = []

    async def emit(event: PermissionDecided) -> None:
        decided.append(event)

    world = cast(World, SimpleNamespace(approver=person))
    return Permits(world, RunId("r"), SEAT, rule, emit), decided


EDIT, READ = Action("edit", "a.py", "Edit"), Action("read", "a.py")
OUTSIDE = Action("edit", "/etc/x", "Edit", inside=False)
RUN = Action("run", "make", "Bash")


@pytest.mark.parametrize(
    ("action", "rule", "recorded"),
    [
        (EDIT, Permissions(), False),
        (READ, Permissions(), False),
        (RUN, Permissions("allow"), True),
        (RUN, Permissions("deny", ("run:make",)), True),
        (EDIT, Permissions("deny"), True),
        (READ, Permissions(deny=("read:*.py",)), True),
        (OUTSIDE, Permissions("allow", ("*",)), True),
    ],
)
async def test_what_matters_stands_in_the_record(
    action: Action, rule: Permissions, recorded: bool
) -> None:
    at, decided = permits(rule, Person(yes=True))
    answer = await at.unconfined(action)
    assert answer.word in {"allow", "deny"}
    expected = PermissionDecided(SEAT, action, answer.word, answer.reason, "rule")
    assert decided == ([expected] if recorded else [])


@pytest.mark.parametrize("action", [EDIT, READ, RUN])
@pytest.mark.parametrize(
    ("yes", "answer"),
    [
        (True, Decision("allow", "the user allowed it")),
        (False, Decision("deny", "the user did not allow it")),
    ],
)
async def test_a_person_is_asked_with_the_reason_and_their_word_is_recorded(
    action: Action, yes: bool, answer: Decision
) -> None:
    person = Person(yes=yes)
    at, decided = permits(Permissions("ask"), person)
    assert await at.confined(action) == answer
    assert person.asked == [(RunId("r"), SEAT, action, "`permissions: ask` in the configuration")]
    assert decided == [PermissionDecided(SEAT, action, answer.word, answer.reason, "user")]


async def test_nobody_is_asked_what_no_rule_may_allow() -> None:
    person = Person(yes=True)
    at, _ = permits(Permissions("ask"), person)
    answer = await at.confined(OUTSIDE)
    assert (answer.word, person.asked) == ("deny", [])


async def test_a_sandbox_is_what_makes_the_difference() -> None:
    at, _ = permits(Permissions())
    assert (await at.confined(RUN)).word == "allow"
    assert await at.unconfined(RUN) == Decision(
        "deny",
        "no sandbox confines it, and nobody can be asked here; allow it in the configuration, "
        'e.g. `allow: ["run:*"]`',
    )
