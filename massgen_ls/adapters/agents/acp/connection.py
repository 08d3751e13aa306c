"""One running ACP agent and the sessions in it.

Everything that concerns a session (updates, requests for permission, the answer to its prompt,
messages of the user, the end of the program) waits in that session's `Box`, in its order.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from massgen_ls.adapters.agents.acp.box import Allow, Answered, Box, Broken, Left, Update, Wanted
from massgen_ls.adapters.agents.acp.greeting import OURS, Greeting
from massgen_ls.adapters.agents.acp.jsonrpc import (
    INVALID_PARAMS,
    Outcome,
    Params,
    Peer,
    PeerGoneError,
    RpcError,
    unknown,
)
from massgen_ls.adapters.agents.attempt.seeing import in_base64
from massgen_ls.adapters.agents.program.members import Object, as_object, inner, text
from massgen_ls.adapters.agents.program.talk import Gone, Line, Noise, Talk, group_around, open_talk
from massgen_ls.core.task import Json
from massgen_ls.ports import Command, Finished, Inbox, Picture, Processes

STOPPING = 1.0
"""Seconds that a session has to stop its turn when it is asked to; then its process is ended."""
_TAIL = 40
"""Lines of what it prints beside the protocol that are kept for the reason of a crash."""
_CANCELLED: dict[str, Json] = {"outcome": {"outcome": "cancelled"}}


@dataclass(slots=True)
class Connection:
    """The agent's program, spoken to. Made by `connect`."""

    talk: Talk
    group: asyncio.TaskGroup
    env: Mapping[str, str]
    """The program's environment."""
    alone: bool = True
    """Whether it has one session only, which then hears what it prints beside the protocol."""
    stopping: float = STOPPING
    """Seconds that a session has to stop."""
    greeting: Greeting | None = None
    finished: Finished | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the program has ended."""
    _boxes: dict[str, Box] = field(default_factory=dict[str, Box])
    _tail: deque[str] = field(default_factory=lambda: deque[str](maxlen=_TAIL))
    _size: int = 0
    """Bytes of the line that is being taken in."""
    _greeted: asyncio.Lock = field(default_factory=asyncio.Lock)
    peer: Peer = field(init=False)

    def __post_init__(self) -> None:
        self.peer = Peer(self.talk.send, self, self.group)

    @property
    def tail(self) -> str:
        """The last lines that it printed beside the protocol."""
        return "\n".join(self._tail)

    # ── asking ──────────────────────────────────────────────────────────────────────────────

    async def greet(self) -> Greeting:
        """Says what we can do and hears what it can; once for all sessions.

        Raises:
            RpcError: It does not like us.
            PeerGoneError: It has ended.
        """
        async with self._greeted:
            if self.greeting is None:
                told = await self.peer.request("initialize", OURS)
                self.greeting = Greeting.of(told)
            return self.greeting

    async def open(self, params: Mapping[str, Json], allow: Allow) -> tuple[Box, Object]:
        """A new session: its box, and what the agent told of it.

        Raises:
            RpcError: It refuses: it is not logged in, mostly.
            PeerGoneError: It has ended.
        """
        opened: asyncio.Future[tuple[Box, Object] | RpcError | PeerGoneError]
        opened = asyncio.get_running_loop().create_future()

        async def done(outcome: Outcome) -> None:
            # At once: the next message may be an update of this session already.
            if opened.done():
                return
            if isinstance(outcome, RpcError | PeerGoneError):
                opened.set_result(outcome)
                return
            told = as_object(outcome)
            box = Box(text(told, "sessionId"), allow)
            self._boxes[box.session] = box
            opened.set_result((box, told))

        await self.peer.ask("session/new", params, done)
        result = await opened
        if isinstance(result, RpcError | PeerGoneError):
            raise result
        return result

    async def take_up(
        self,
        session: str,
        params: Mapping[str, Json],
        allow: Allow,
        *,
        method: str,
        settle: float = 0.0,
    ) -> tuple[Box, Object]:
        """An old session. Raises as `open` does; for ``settle`` see `order.Launch`."""
        box = self._boxes[session] = Box(session, allow)
        # It may tell the whole conversation again: that is known.
        box.deaf = True
        try:
            told = await self.peer.request(method, {**params, "sessionId": session})
            await box.settled(settle)
        except BaseException:
            self.forget(box)
            raise
        box.deaf = False
        return box, as_object(told)

    async def prompt(self, box: Box, words: str, pictures: Sequence[Picture] = ()) -> None:
        """Begins a turn; its end comes as `Answered`."""
        shown: list[Json] = []
        if self.greeting is not None and self.greeting.sees:
            shown = await asyncio.to_thread(_blocks, pictures)

        async def done(outcome: Outcome) -> None:
            if not isinstance(outcome, PeerGoneError):  # `Left` tells that
                await box.put(Answered(outcome))

        block: Json = {"type": "text", "text": words}
        params: dict[str, Json] = {"sessionId": box.session, "prompt": [*shown, block]}
        await self.peer.ask("session/prompt", params, done)

    async def cancel(self, box: Box) -> None:
        """Asks it to stop the turn of this session."""
        box.stop_deciding()
        await self.peer.notify("session/cancel", {"sessionId": box.session})

    def attend(self, box: Box, inbox: Inbox) -> asyncio.Task[None]:
        """Passes messages of the user on to the box, until the task is cancelled."""

        async def passing() -> None:
            while True:
                box.push(await inbox.receive())

        return self.group.create_task(passing())

    def forget(self, box: Box) -> None:
        """The session is of no interest any more."""
        box.close()
        if self._boxes.get(box.session) is box:
            del self._boxes[box.session]

    # ── being asked: `jsonrpc.Served` ───────────────────────────────────────────────────────

    async def notified(self, method: str, params: Params) -> None:
        """Updates go to their session; nothing else is of interest."""
        if method == "session/update":
            box = self._boxes.get(text(params, "sessionId"))
            if box is not None:
                await box.put(Update(inner(params, "update")), self._size)

    async def asked(self, method: str, params: Params) -> Json:
        """Requests for permission are decided; we offer nothing else."""
        if method != "session/request_permission":
            raise unknown(method)
        box = self._boxes.get(text(params, "sessionId"))
        if box is None:
            raise RpcError(INVALID_PARAMS, "There is no such session.")
        await box.put(Wanted(inner(params, "toolCall")))
        task = self.group.create_task(_decided(box, params))
        box.deciding.add(task)
        task.add_done_callback(box.deciding.discard)
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()
        return _CANCELLED if task.cancelled() else task.result()

    # ── the program ─────────────────────────────────────────────────────────────────────────

    async def serve(self) -> None:
        """Reads what it says, to its end."""
        while True:
            match await self.talk.hear():
                case Line(value=message, size=size):
                    self._size = size
                    await self.peer.incoming(message)
                case Noise() as noise:
                    self._tail.append(noise.text)
                    if self.alone:
                        for box in list(self._boxes.values()):
                            await box.put(noise)
                case Gone(finished=finished):
                    self.finished = finished
                    self.over.set()
                    why = PeerGoneError("The program has ended.")
                    await self.peer.gone(str(why))
                    for box in list(self._boxes.values()):
                        box.stop_deciding()
                        await box.put(Left(why))
                    return
                case _:
                    pass

    async def hang_up(self) -> None:
        """We end the conversation: whoever still waits for something is told."""
        why = PeerGoneError("The conversation was ended.")
        self.over.set()
        await self.peer.gone(str(why))
        for box in list(self._boxes.values()):
            box.left(why)


async def _decided(box: Box, params: Params) -> Json:
    try:
        return await box.allow(params)
    except Exception as error:  # noqa: BLE001 - trouble of one seat must not end the others in here
        await box.put(Broken(error))
        return _CANCELLED


@contextlib.asynccontextmanager
async def connect(
    processes: Processes,
    command: Command,
    *,
    alone: bool = True,
    stopping: float = STOPPING,
    up: Callable[[], None] | None = None,
) -> AsyncGenerator[Connection]:
    """Starts an agent's program; leaving the context ends it and all its descendants.

    Raises:
        FileNotFoundError: There is no such program.
        OSError: It cannot be run.
        MassgenError: A sandbox is required and there is none.
    """
    async with (
        open_talk(processes, command, patience=math.inf, up=up) as talk,
        group_around() as group,
    ):
        connection = Connection(talk, group, command.env, alone, stopping)
        serving = group.create_task(connection.serve())
        try:
            yield connection
        finally:
            serving.cancel()
            await connection.hang_up()


def _blocks(pictures: Sequence[Picture]) -> list[Json]:
    return [
        {"type": "image", "mimeType": picture.media_type, "data": body}
        for picture, body in in_base64(pictures)
    ]
