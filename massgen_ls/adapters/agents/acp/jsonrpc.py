"""JSON-RPC 2.0, both sides of it: requests and notifications go out and come in over one channel.

The channel is somebody else's: `Peer.incoming` is given one decoded message after another, and
what goes out is handed to a function. What cannot be understood is answered as the specification
says, or dropped, and never raises.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias, cast

from massgen_ls.adapters.agents.program.members import Object, as_object, inner
from massgen_ls.core.task import Json

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
CANCELLED = -32800

CANCEL = "$/cancel_request"
"""The notification with which either side takes back a request: ``{requestId}``."""


class RpcError(Exception):
    """The other side answered with an error, or shall be answered with one.

    Attributes:
        code: The number of the specification or of the protocol on top.
        message: One sentence.
        data: Whatever came with it.
    """

    def __init__(self, code: int, message: str, data: Json = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    @classmethod
    def of(cls, error: object) -> RpcError:
        """Reads the ``error`` member of a response, whatever is in it."""
        if not isinstance(error, dict):
            return cls(INTERNAL_ERROR, str(error), None)
        given = as_object(cast("object", error))
        code, message = given.get("code"), given.get("message")
        return cls(
            code if isinstance(code, int) and not isinstance(code, bool) else INTERNAL_ERROR,
            message if isinstance(message, str) else "",
            given.get("data"),
        )

    @property
    def member(self) -> dict[str, Json]:
        """As the ``error`` member of a response."""
        told: dict[str, Json] = {"code": self.code, "message": self.message}
        return told if self.data is None else told | {"data": self.data}

    def __str__(self) -> str:
        return f"{self.message or 'error'} ({self.code})"


class PeerGoneError(Exception):
    """The other side has ended; no answer will come."""


Params = Object
Send = Callable[[Mapping[str, Json]], Awaitable[None]]
Answer: TypeAlias = "Json | RpcError"
"""What is answered to a request."""
Outcome: TypeAlias = "Json | RpcError | PeerGoneError"
"""What became of a request of ours."""


class Served(Protocol):
    """What the other side may ask of us."""

    async def notified(self, method: str, params: Params) -> None:
        """Hears a notification; unknown ones are nothing to us."""
        ...

    async def asked(self, method: str, params: Params) -> Json:
        """Answers a request. Runs beside everything else, and may take its time.

        Raises:
            RpcError: The answer is an error; `METHOD_NOT_FOUND` for what is not known.
        """
        ...


class Peer:
    """Our side of a conversation.

    Args:
        send: Writes one message.
        served: Answers what comes in.
        group: Owns the tasks in which requests of the other side are answered; when it ends, they
            end.
    """

    def __init__(self, send: Send, served: Served, group: asyncio.TaskGroup) -> None:
        self._send = send
        self._served = served
        self._group = group
        self._ids = itertools.count(1)
        self._pending: dict[int, Callable[[Outcome], Awaitable[None]]] = {}
        self._answering: dict[str, asyncio.Task[None]] = {}
        self._at_work: set[asyncio.Task[None]] = set()
        """All that answer; an id that is used twice names only the last of them."""
        self._gone: str | None = None

    # ── out ─────────────────────────────────────────────────────────────────────────────────

    async def request(self, method: str, params: Mapping[str, Json]) -> Json:
        """Asks, and waits for the answer. Cancelling the wait takes the question back.

        Raises:
            RpcError: The answer was an error.
            PeerGoneError: The other side ended first.
        """
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        async def done(value: Outcome) -> None:
            if not answer.done():
                answer.set_result(value)

        number = await self.ask(method, params, done)
        try:
            value = await answer
        except asyncio.CancelledError:
            if self._pending.pop(number, None) is not None and self._gone is None:
                await self.notify(CANCEL, {"requestId": number})
            raise
        if isinstance(value, RpcError | PeerGoneError):
            raise value
        return value

    async def ask(
        self,
        method: str,
        params: Mapping[str, Json],
        done: Callable[[Outcome], Awaitable[None]],
    ) -> int:
        """Asks; ``done`` is called with the answer, in its order among all that comes in.

        Raises:
            PeerGoneError: The other side has ended already.
        """
        if self._gone is not None:
            raise PeerGoneError(self._gone)
        number = next(self._ids)
        self._pending[number] = done
        await self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": {**params}})
        return number

    async def notify(self, method: str, params: Mapping[str, Json]) -> None:
        """Tells something that needs no answer."""
        if self._gone is None:
            await self._send({"jsonrpc": "2.0", "method": method, "params": {**params}})

    # ── in ──────────────────────────────────────────────────────────────────────────────────

    async def incoming(self, message: Mapping[str, Any]) -> None:
        """Takes in one message of the other side."""
        method = message.get("method")
        if isinstance(method, str):
            params = inner(message, "params")
            if "id" in message:
                self._answer(message["id"], method, params)
            elif method == CANCEL:
                task = self._answering.get(_key(params.get("requestId")))
                if task is not None:
                    task.cancel()
            else:
                await self._served.notified(method, params)
            return
        number = message.get("id")
        if "result" in message or "error" in message:
            if isinstance(number, int) and not isinstance(number, bool):
                pending = self._pending.pop(number, None)
                if pending is not None:
                    failed = message.get("error") is not None
                    await pending(
                        RpcError.of(message["error"]) if failed else message.get("result")
                    )
            return
        if "id" in message:
            error = RpcError(INVALID_REQUEST, "This is neither a request nor a response.")
            await self._respond(number, error)

    async def gone(self, why: str) -> None:
        """The other side has ended: what waits for it is told so."""
        self._gone = why
        pending, self._pending = self._pending, {}
        for one in pending.values():
            await one(PeerGoneError(why))
        for task in self._at_work:
            task.cancel()

    # ── answering ───────────────────────────────────────────────────────────────────────────

    def _answer(self, number: Json, method: str, params: Params) -> None:
        key = _key(number)
        task = self._group.create_task(self._answered(number, method, params))
        self._answering[key] = task
        self._at_work.add(task)
        task.add_done_callback(lambda ended: self._answered_all(key, ended))

    def _answered_all(self, key: str, task: asyncio.Task[None]) -> None:
        self._at_work.discard(task)
        if self._answering.get(key) is task:
            del self._answering[key]

    async def _answered(self, number: Json, method: str, params: Params) -> None:
        try:
            answer = await self._served.asked(method, params)
        except RpcError as error:
            await self._respond(number, error)
        except asyncio.CancelledError:
            if self._gone is None:
                await self._respond(number, RpcError(CANCELLED, "The request was cancelled."))
            raise
        else:
            await self._respond(number, answer)

    async def _respond(self, number: Json, answer: Answer) -> None:
        told: dict[str, Json] = {"jsonrpc": "2.0", "id": number}
        if isinstance(answer, RpcError):
            told["error"] = answer.member
        else:
            told["result"] = answer
        if self._gone is None:
            await self._send(told)


def unknown(method: str) -> RpcError:
    """The answer to a request that we do not know."""
    return RpcError(METHOD_NOT_FOUND, f"There is no method {method!r} here.")


def _key(number: object) -> str:
    """An id of any type as a key: ``1`` and ``"1"`` are different ids."""
    return f"{type(number).__name__} {number}"
