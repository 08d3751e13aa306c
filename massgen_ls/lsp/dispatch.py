"""The dispatch of messages: that of pygls, replaced where real clients need more.

What differs from pygls, and why:

- every request runs in a task of ours, so that `$/cancelRequest` reaches it, and is answered
  exactly once, also when its parameters make no sense or the server is shutting down;
- only the outermost object of a message is taken for a message: a payload that has a ``jsonrpc``
  key of its own is a payload;
- a client that answers late, twice or never leaks nothing;
- errors that a person can do something about go to the client in words; bugs go to the log.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, cast

from cattrs import transform_error
from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol

from massgen_ls.core.errors import MassgenError
from massgen_ls.core.secrets import Hidden, secrets_of
from massgen_ls.lsp.fields import ParamsError
from massgen_ls.lsp.stdio.frames import error_response, frame
from massgen_ls.lsp.stdio.front import parse
from massgen_ls.lsp.stdio.outbox import DELTA, FACT, VITAL, Outbox
from massgen_ls.lsp.trace import Trace

_log = logging.getLogger(__name__)

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
INTERNAL_ERROR, REQUEST_FAILED, CANCELLED = -32603, -32803, -32800

MessageId = str | int


class MassgenProtocol(LanguageServerProtocol):
    """Turns message bodies into calls and results into messages."""

    def __init__(self, server: LanguageServer, converter: Any) -> None:
        super().__init__(server, converter)
        self.shut = False
        """`shutdown` was answered: nothing but `exit` is taken any more."""
        self.outbox: Outbox | None = None
        self.spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]] | None = None
        self._handlers: dict[str, Callable[[Any], Any]] = {}
        """By method. Not pygls' own table, which guesses from a handler's signature how to call
        it and has handlers of its own that would keep a second mirror of every document."""
        self.trace = Trace(
            lambda told: self._log_trace(told), lambda: Hidden(secrets_of(os.environ), shapes=True)
        )
        self._tasks: dict[MessageId, asyncio.Task[None]] = {}

    def register(self, method: str, handler: Callable[[Any], Any]) -> None:
        """Says what answers a method.

        Raises:
            ValueError: Something does already: one of the two would never be called.
        """
        if method in self._handlers:
            raise ValueError(f"{method} has a handler already")
        self._handlers[method] = handler

    # ── in ──────────────────────────────────────────────────────────────────────────────────

    def receive(self, body: bytes) -> None:
        """Takes one message. Never raises for what a client can send."""
        message = parse(body)
        if message is None:
            self._put(error_response(None, PARSE_ERROR, "the message is not a JSON object"))
            return
        self.trace.heard(message)
        method, msg_id = message.get("method"), message.get("id")
        if "method" in message and not isinstance(method, str):
            self._put(error_response(msg_id, INVALID_REQUEST, "`method` must be text"))
        elif isinstance(method, str) and "id" in message:
            if isinstance(msg_id, str | int) and not isinstance(msg_id, bool):
                self._request(msg_id, method, message.get("params"))
            else:
                self._put(error_response(None, INVALID_REQUEST, "`id` must be text or a number"))
        elif isinstance(method, str):
            self._notice(method, message.get("params"))
        elif isinstance(msg_id, str | int):
            self._response(msg_id, message)
        else:
            _log.warning("ignored a message that is neither a request nor an answer")

    def _request(self, msg_id: MessageId, method: str, params: object) -> None:
        if self.shut:
            self._fail(msg_id, INVALID_REQUEST, "the server is shutting down")
            return
        handler = self._handler(method)
        if handler is None:
            self._fail(msg_id, METHOD_NOT_FOUND, f"there is no {method} here")
            return
        if msg_id in self._tasks:
            self._fail(msg_id, INVALID_REQUEST, f"request {msg_id!r} is still going on")
            return
        try:
            structured = self._structured(method, params)
        except Exception as error:  # noqa: BLE001 - the LSP dispatch: cattrs raises all kinds
            self._fail(msg_id, INVALID_PARAMS, f"{method}: {_complaint(error)}")
            return
        if inspect.iscoroutinefunction(handler) and self.spawn is not None:
            task = self.spawn(self._answer(msg_id, method, handler, structured))
            self._tasks[msg_id] = task
            task.add_done_callback(lambda _: self._close(msg_id, method))
            return
        try:
            self._succeed(msg_id, handler(structured))
        except Exception as error:  # noqa: BLE001 - the LSP dispatch
            self._explain(msg_id, method, error)

    async def _answer(
        self,
        msg_id: MessageId,
        method: str,
        handler: Callable[[object], Awaitable[object]],
        params: object,
    ) -> None:
        try:
            result = await handler(params)
        except Exception as error:  # noqa: BLE001 - the LSP dispatch
            self._tasks.pop(msg_id, None)
            self._explain(msg_id, method, error)
        else:
            self._tasks.pop(msg_id, None)
            self._succeed(msg_id, result)

    def _close(self, msg_id: MessageId, method: str) -> None:
        """A task that ends unanswered was cancelled, perhaps before it ran a single step."""
        if self._tasks.pop(msg_id, None) is not None:
            self._fail(msg_id, CANCELLED, f"{method} was cancelled")

    def _notice(self, method: str, params: object) -> None:
        if method == types.CANCEL_REQUEST:
            wanted = cast("dict[str, object]", params) if isinstance(params, dict) else {}
            task = self._tasks.get(cast("MessageId", wanted.get("id")))
            if task is not None:
                # Not before its first step, in which it learns what there is to be cancelled.
                asyncio.get_running_loop().call_soon(task.cancel)
            return
        handler = self._handler(method)
        if handler is None or (self.shut and method != types.EXIT):
            return
        try:
            handler(self._structured(method, params))
        except Exception as error:  # noqa: BLE001 - the LSP dispatch
            _log.warning("ignored a %s: %s", method, _complaint(error))
            _log.debug("it was", exc_info=True)

    def _response(self, msg_id: MessageId, message: dict[str, object]) -> None:
        future = self._request_futures.get(msg_id)
        if future is None or future.done():
            self._request_futures.pop(msg_id, None)
            self._result_types.pop(msg_id, None)
            return  # nobody waits for it any more
        try:
            self.handle_message(cast("Any", self.structure_message(dict(message))))
        except Exception as error:  # noqa: BLE001 - the LSP dispatch
            self._request_futures.pop(msg_id, None)
            if not future.done():
                future.set_exception(ParamsError(f"the editor's answer: {_complaint(error)}"))

    def _handler(self, method: str) -> Callable[[object], Any] | None:
        return self._handlers.get(method)

    def _structured(self, method: str, params: object) -> object:
        """Parameters as lsprotocol's types; those of our own methods stay as they are."""
        raw = {types.WORKSPACE_EXECUTE_COMMAND, types.INITIALIZE}
        if method.startswith("massgen/") or method in raw:
            return params
        known = cast("tuple[Any, ...] | None", types.METHOD_TO_TYPES.get(method))
        if known is None or known[2] is None:
            return params
        return self._converter.structure(params, known[2])

    # ── out ─────────────────────────────────────────────────────────────────────────────────

    def _put(self, message: Mapping[str, object], rank: int = VITAL) -> bool:
        self.trace.said(message)
        return self.outbox is not None and self.outbox.offer(frame(message), rank)

    def _log_trace(self, told: Mapping[str, str]) -> None:
        # It may give way like live output: a trace that holds up what it shows helps nobody.
        self._put({"jsonrpc": "2.0", "method": types.LOG_TRACE, "params": told}, DELTA)

    def _succeed(self, msg_id: MessageId, result: object) -> None:
        plain = self._converter.unstructure(result)
        self._put({"jsonrpc": "2.0", "id": msg_id, "result": plain})

    def _fail(self, msg_id: MessageId, code: int, message: str) -> None:
        self._put(error_response(msg_id, code, message))

    def _explain(self, msg_id: MessageId, method: str, error: Exception) -> None:
        if isinstance(error, MassgenError):
            code = INVALID_PARAMS if isinstance(error, ParamsError) else REQUEST_FAILED
            reply = error_response(msg_id, code, str(error))
            cast("dict[str, object]", reply["error"])["data"] = {
                "kind": type(error).__name__,
                "hint": error.hint,
            }
            self._put(reply)
            return
        _log.error("a bug: %s", method, exc_info=error)
        words = f"massgen-ls has a bug ({type(error).__name__}); its log has the details"
        self._fail(msg_id, INTERNAL_ERROR, words)

    def tell(self, method: str, params: object, rank: int = FACT) -> bool:
        """Sends a notification that may give way; False when it did."""
        plain = self._converter.unstructure(params)
        return self._put({"jsonrpc": "2.0", "method": method, "params": plain}, rank)

    async def ask(self, method: str, params: object, timeout: float | None = None) -> Any:
        """Asks the client and waits, at most so many seconds.

        Raises:
            TimeoutError: It did not answer in time.
            JsonRpcException: It answered with an error.
        """
        msg_id = str(uuid.uuid4())
        if self.trace.on:
            plain = self._converter.unstructure(params)
            self.trace.said({"method": method, "id": msg_id, "params": plain})
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.wrap_future(self.send_request(method, params, msg_id=msg_id))
        finally:
            self._request_futures.pop(msg_id, None)
            self._result_types.pop(msg_id, None)


def _complaint(error: BaseException) -> str:
    if isinstance(error, MassgenError):
        return str(error)
    try:
        return "; ".join(transform_error(error, path="params"))[:400]
    except Exception:  # noqa: BLE001 - a complaint about a complaint helps nobody
        return f"{type(error).__name__}: {error}"[:400]
