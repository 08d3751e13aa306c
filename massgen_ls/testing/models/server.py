"""The server: which episode a request belongs to, and the playing of its turn."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, cast

from massgen_ls.adapters.mcp.messages import GoneError
from massgen_ls.testing.models import episode as e
from massgen_ls.testing.models.anthropic import Anthropic
from massgen_ls.testing.models.episode import Json, Refuse, Request, Script, TooLong, Turn
from massgen_ls.testing.models.faces import Asked, Face, as_text
from massgen_ls.testing.models.gemini import Gemini
from massgen_ls.testing.models.http import Call, Connection, Reply, Unreadable, decoded
from massgen_ls.testing.models.responses import Responses

ANYONE = "*"
"""The seat of requests that no other name fits."""
SECRET = {"authorization", "x-api-key", "x-goog-api-key", "cookie", "proxy-authorization"}
FACES: tuple[Face, ...] = (Anthropic(), Gemini(), Responses())


@dataclass(frozen=True)
class Seen:
    """A request that came, with what became of it."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    """Lower-case names; the values of keys are hidden."""
    body: Json
    """Parsed JSON; None when there was none."""
    at: float
    """When, by `time.monotonic`."""
    request: Request | None = None
    """What a script was asked; None for all that is no part of an episode."""
    side: bool = False
    """Asked beside the conversation (a title, a probe): answered, and no turn was taken."""


@dataclass(frozen=True)
class _Heard:
    seen: Seen
    answer: Reply | tuple[Face, Asked, Turn]


@dataclass
class ModelServer:
    """Models on a port of this machine; made by `serving`."""

    url: str
    """``http://127.0.0.1:PORT``, without a path."""
    scripts: dict[str, Script]
    """By seat. More may be added at any time."""
    requests: list[Seen] = field(default_factory=list[Seen])
    """Everything that was asked, in order."""
    _taken: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    def turns(self, seat: str = ANYONE) -> list[Request]:
        """What the script of a seat was asked, in order."""
        asked = [seen.request for seen in self.requests]
        return [r for r in asked if r is not None and r.seat == seat]

    async def saw(self, what: Callable[[Seen], bool], timeout: float = 30) -> Seen:
        """The first request of which ``what`` is true, waiting for it if it has not come yet.

        Raises:
            TimeoutError: it did not come within ``timeout`` seconds; says what came instead.
        """

        def found() -> list[Seen]:
            return [seen for seen in self.requests if what(seen)]

        try:
            async with asyncio.timeout(timeout), self._news:
                await self._news.wait_for(lambda: bool(found()))
                return found()[0]
        except TimeoutError:
            came = ", ".join(f"{s.method} {s.path}" for s in self.requests) or "nothing"
            raise TimeoutError(f"Not within {timeout:g} s; what came: {came}.") from None

    def _seat(self, asked: Asked) -> str | None:
        for name in (asked.key, asked.model):
            if name in self.scripts:
                return name
        marks = [n for n in self.scripts if n and n != ANYONE and n in asked.opening]
        return max(marks, key=len) if marks else ANYONE if ANYONE in self.scripts else None

    def _hear(self, call: Call) -> _Heard:
        shown = {n: "(hidden)" if n in SECRET else v for n, v in call.headers.items()}
        query = "&".join(p for p in call.query.split("&") if not p.startswith("key="))
        came: dict[str, Any] = {"method": call.method, "path": call.path, "query": query}
        came |= {"headers": shown, "at": time.monotonic()}
        try:
            body = json.loads(decoded(call.body, call.headers.get("content-encoding", "")) or b"{}")
        except Unreadable as error:
            return _Heard(Seen(**came, body=None), Reply.json({"error": str(error)}, 415))
        except ValueError as error:
            return _Heard(Seen(**came, body=None), Reply.json({"error": f"No JSON: {error}"}, 400))
        came["body"] = body if call.body else None
        given = cast("dict[str, Json]", body) if isinstance(body, dict) else {}
        for face in FACES:
            asked = face.asked(call, given)
            if isinstance(asked, Reply):
                return _Heard(Seen(**came), asked)
            if asked is not None:
                return self._ask(face, asked, came)
        unknown = f"The scripted models have no {call.method} {call.path}."
        return _Heard(Seen(**came), Reply.json({"error": {"message": unknown}}, 404))

    def _ask(self, face: Face, asked: Asked, came: dict[str, Any]) -> _Heard:
        if asked.side is not None:
            turn = Turn(e.Text(as_text(asked.side)))
            return _Heard(Seen(**came, side=True), answer=(face, asked, turn))
        seat = self._seat(asked)
        if seat is None:
            missing = Refuse(400, "No episode fits the key, the model or the words of this request")
            return _Heard(Seen(**came), face.refusal(missing))
        place = (seat, asked.conversation)
        request = Request(
            api=face.api,
            model=asked.model,
            seat=seat,
            conversation=asked.conversation,
            turn=self._taken[place],
            opening=asked.opening,
            last=asked.last,
            tools=asked.tools,
            body=asked.body,
        )
        self._taken[place] += 1
        turn = self.scripts[seat](request)
        return _Heard(Seen(**came, request=request), answer=(face, asked, turn))

    async def attend(self, connection: Connection) -> None:
        """Answers one client until it leaves."""
        with suppress(GoneError):
            while call := await connection.call():
                heard = self._hear(call)
                async with self._news:
                    self.requests.append(heard.seen)
                    self._news.notify_all()
                if isinstance(heard.answer, Reply):
                    await connection.reply(heard.answer)
                else:
                    async with connection.while_present():
                        await play(*heard.answer, connection)
                if not connection.again():
                    return


async def play(face: Face, asked: Asked, turn: Turn, connection: Connection) -> None:
    """Says a turn, step by step.

    Raises:
        GoneError: the turn ends with the connection, or the client left before its end.
    """
    stream = face.stream(asked, turn.usage) if asked.streamed else None
    said: list[e.Said] = []
    began = False

    async def tell(parts: list[bytes]) -> None:
        nonlocal began
        if stream is not None and not began:
            began = True
            await connection.begin("text/event-stream")
            parts = [*stream.open(), *parts]
        for part in parts:
            await connection.send(part)

    for step in turn.steps:
        match step:
            case e.Wait(gate):
                await gate.passed()
            case e.Silence():
                await asyncio.Event().wait()
            case e.Reset():
                connection.reset()
                raise GoneError("reset, as the episode says")
            case Refuse() | TooLong():
                if stream is None or not began:
                    return await connection.reply(face.refusal(step))
                await tell(list(stream.fail(step)))
                return await connection.end()
            case e.Garbage(garbage):
                if stream is None:
                    return await connection.reply(Reply(200, garbage))
                await tell([garbage])
            case e.Cut(inner):
                if stream is None:
                    rest = [inner] if inner else []
                    whole = face.whole(asked, [*said, *rest], turn.usage)
                    return await connection.reply(whole, broken=True)
                await tell(half(stream.say(inner)) if inner else [])
                raise GoneError("cut, as the episode says")
            case _ if stream is None:
                said.append(step)
            case _:
                await tell(list(stream.say(step)))
    if stream is None:
        return await connection.reply(face.whole(asked, said, turn.usage))
    await tell(list(stream.close()))
    return await connection.end()


def half(parts: Sequence[bytes]) -> list[bytes]:
    """The parts until the middle, and half of the one there."""
    middle = len(parts) // 2
    return [*parts[:middle], parts[middle][: len(parts[middle]) // 2]]


@asynccontextmanager
async def serving(
    scripts: Script | Mapping[str, Script], *, port: int = 0
) -> AsyncGenerator[ModelServer]:
    """Models that play these scripts, on 127.0.0.1, until the block is left.

    A script alone answers everyone. In a mapping each name is a seat: an API key, a model's name,
    or words in the user's first message, looked for in this order; ``"*"`` is everyone else.

    Raises:
        ExceptionGroup: a script raised; the block is cancelled at once.
    """
    known: dict[str, Script] = {ANYONE: scripts} if callable(scripts) else dict(scripts)
    clients = asyncio.TaskGroup()
    present: set[asyncio.Task[None]] = set()

    async def attend(connection: Connection, writer: asyncio.StreamWriter) -> None:
        try:
            await models.attend(connection)
        finally:
            writer.transport.close()

    def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = clients.create_task(attend(Connection(reader, writer), writer))
        present.add(task)
        task.add_done_callback(present.discard)

    async def leave(
        kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        listener.close()
        for task in present:
            task.cancel()
        # The group would wrap what the block raises; it only needs to know of cancellation.
        if isinstance(error, asyncio.CancelledError):
            await clients.__aexit__(kind, error, at)
        else:
            await clients.__aexit__(None, None, None)

    await clients.__aenter__()
    listener = await asyncio.start_server(enter, "127.0.0.1", port)
    models = ModelServer(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", known)
    async with AsyncExitStack() as stack:
        stack.push_async_exit(leave)
        yield models
