"""A conversation with a running program: what it says, what it is told, its silences, in one order.

Every driver of a coding agent is a loop over this. What comes from outside (lines of the program,
messages of the user, the passing of time, the end) arrives as values; nothing is polled.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from massgen_ls.adapters.agents.program.mail import Mail
from massgen_ls.adapters.agents.program.speech import plain
from massgen_ls.core.task import Json
from massgen_ls.ports import Command, Finished, Halt, Inbox, Note, Processes, Running

LONGEST = 16 * 1024 * 1024
"""Bytes of the longest line that is read; agents print whole files in one."""
_ASIDE = 256 * 1024
"""Bytes past which a line is parsed in a thread: the loop has other things to do."""
_UNREAD = 0.5
"""Seconds that a message is waited with until the program reads it; it may be busy, or deaf."""


@dataclass(frozen=True, slots=True)
class Line:
    """A JSON object on a line of its own."""

    value: Mapping[str, Any]
    size: int = field(default=0, compare=False, repr=False)
    """Bytes of the line."""


@dataclass(frozen=True, slots=True)
class Noise:
    """A line that is no JSON object: a warning, a stack trace, garbage."""

    text: str
    stream: str


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing was heard for `Talk.patience` seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Due:
    """The time that `Talk.due` names has come, whatever the program is saying."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The program has ended. Always the last thing that is heard."""

    finished: Finished


Heard = Line | Noise | Note | Halt | Quiet | Due | Gone


class Talk:
    """One running program. Made by `open_talk`.

    Attributes:
        patience: Seconds of silence after which `Quiet` is heard; may be changed at any time.
        due: When `Due` is heard, by the loop's clock, before all that waits: who talks without
            pause is not listened to for longer. Heard once for each time that it is set.
    """

    def __init__(
        self,
        running: Running,
        patience: float,
        group: asyncio.TaskGroup,
        up: Callable[[], None] | None = None,
    ) -> None:
        self.patience = patience
        self.due = math.inf
        self._up = up
        self._running = running
        self._group = group
        self._tasks: set[asyncio.Task[None]] = set()
        self._heard: Mail[Heard] = Mail()
        self._over = False

    async def hear(self) -> Heard:
        """Waits for the next thing. After `Gone` there is nothing more to wait for."""
        assert not self._over, "the program has ended, and that was said"
        now = asyncio.get_running_loop().time()
        if now >= self.due:
            return self._is_due()
        try:
            heard = await self._heard.get(min(now + self.patience, self.due))
        except TimeoutError:
            return self._is_due() if now + self.patience >= self.due else Quiet(self.patience)
        self._over = isinstance(heard, Gone)
        return heard

    def _is_due(self) -> Due:
        self.due = math.inf
        return Due()

    def unheard(self) -> list[Note | Halt]:
        """Messages that came and were not heard, for who talks to the next program.

        To be asked after the conversation: until then more may come.
        """
        left: list[Note | Halt] = []
        while (item := self._heard.take()) is not None:
            if isinstance(item, Note | Halt):
                left.append(item)
        return left

    async def send(self, message: Mapping[str, Json]) -> None:
        """Writes one JSON line; silently nothing when the program no longer reads.

        One that does not read at the moment is not waited for: it finds the line when it does, and
        is listened to meanwhile.
        """
        text = json.dumps(message, separators=(",", ":"))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_UNREAD):
                await self._running.write(text.encode() + b"\n")

    async def hang_up(self) -> None:
        """Ends its input: it may finish what it does."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_UNREAD):
                await self._running.close_stdin()

    async def stop(self) -> Finished:
        """The kill ladder, see `ports.Running.stop`."""
        return await self._running.stop()

    def beside(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Lets something go on beside the conversation; it is cancelled at its end."""
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def silence(self) -> None:
        """Cancels all that goes on beside."""
        for task in self._tasks:
            task.cancel()

    # ── what fills the queue ────────────────────────────────────────────────────────────────

    async def listen(self) -> None:
        """Reads the program to its end."""
        buffers = {"stdout": _Lines(), "stderr": _Lines()}
        async with contextlib.aclosing(self._running.output()) as output:
            async for piece in output:
                for line in buffers[piece.stream].whole(piece.bytes):
                    await self._put(line, piece.stream)
        for stream, rest in buffers.items():
            if line := rest.rest():
                await self._put(line, stream)
        await self._heard.put(Gone(await self._running.wait()))

    async def attend(self, inbox: Inbox) -> None:
        """Passes on what is said to the agent."""
        while True:
            self._heard.push(await inbox.receive())

    async def _put(self, line: bytes, stream: str) -> None:
        if stream == "stdout" and line.lstrip()[:1] == b"{":
            value = await asyncio.to_thread(_object, line) if len(line) > _ASIDE else _object(line)
            if value is not None:
                if self._up is not None:
                    self._up()
                    self._up = None
                await self._heard.put(Line(value, len(line)), len(line))
                return
        text = plain(line[: 64 * 1024].decode("utf-8", "replace")).strip("\n")
        if text.strip():
            await self._heard.put(Noise(text, stream), len(text))


class _Lines:
    """Pieces of a stream as lines. Of one that is over `LONGEST` only the beginning is kept."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._skipping = False
        """Whether the rest of a line that is too long goes by."""

    def whole(self, piece: bytes) -> list[bytes]:
        *ended, rest = piece.split(b"\n")
        lines: list[bytes] = []
        for line in ended:
            if not self._skipping:
                self._parts.append(line)
                lines.append(self.rest())
            self._skipping = False
        if rest and not self._skipping:
            self._parts.append(rest)
            self._size += len(rest)
            if self._size > LONGEST:
                lines.append(self.rest())
                # What follows may look like a line of its own, and is none.
                self._skipping = True
        return [line for line in lines if line.strip()]

    def rest(self) -> bytes:
        """What there is of a line that has not ended."""
        line = b"".join(self._parts)
        self._parts, self._size = [], 0
        return line


def _object(line: bytes) -> Mapping[str, Any] | None:
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else None


@contextlib.asynccontextmanager
async def open_talk(
    processes: Processes,
    command: Command,
    *,
    patience: float,
    inbox: Inbox | None = None,
    up: Callable[[], None] | None = None,
) -> AsyncGenerator[Talk]:
    """Starts a program and listens to it; leaving the context ends it and all its descendants.

    Args:
        processes: Starts it.
        command: With ``raw=False``, so that lines come as they are printed.
        patience: Seconds of silence after which `Quiet` is heard.
        inbox: What is said to the agent while it works; it is heard between the lines.
        up: Called when the first `Line` arrives, before it is heard.

    Raises:
        FileNotFoundError: There is no such program.
        OSError: It cannot be run.
        MassgenError: A sandbox is required and there is none.
    """
    async with processes.start(command) as running, group_around() as group:
        talk = Talk(running, patience, group, up)
        talk.beside(talk.listen())
        if inbox is not None:
            talk.beside(talk.attend(inbox))
        try:
            yield talk
        finally:
            talk.silence()


@contextlib.asynccontextmanager
async def group_around() -> AsyncGenerator[asyncio.TaskGroup]:
    """A group of tasks in which a generator may be suspended, or closed.

    What the block raises comes out as it is: a group by itself would wrap it, and a closed
    generator must see its own `GeneratorExit`. The block has to end its tasks.
    """
    left: BaseException | None = None
    async with asyncio.TaskGroup() as group:
        try:
            yield group
        except BaseException as error:  # noqa: BLE001 - raised again below
            left = error
    if left is not None:
        raise left


@contextlib.asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Lets something go on beside the block; it is cancelled at its end."""
    async with group_around() as group:
        task = group.create_task(work)
        try:
            yield
        finally:
            task.cancel()
