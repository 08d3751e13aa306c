"""The language server: pygls, with its dispatch replaced where real clients need more.

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
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from cattrs import transform_error
from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcMethodNotFound
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol

from massgen_ls import __version__
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.secrets import Hidden, secrets_of
from massgen_ls.core.task import RunId
from massgen_ls.core.text import Encoding
from massgen_ls.lsp import uris
from massgen_ls.lsp.asking import SILENT_DEADLINE, Deadlines
from massgen_ls.lsp.capabilities import Client, resolve, roots
from massgen_ls.lsp.desk import Services
from massgen_ls.lsp.documents import Documents
from massgen_ls.lsp.frames import error_response, frame
from massgen_ls.lsp.front import parse
from massgen_ls.lsp.livefiles import LspLiveFiles
from massgen_ls.lsp.outbox import DELTA, FACT, VITAL, Outbox
from massgen_ls.lsp.protocol import ParamsError
from massgen_ls.lsp.settings import Settings
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
        self.handlers: dict[str, Callable[[Any], Any]] = {}
        """By method. Not pygls' own table, which guesses from a handler's signature how to call
        it and has handlers of its own that would keep a second mirror of every document."""
        self.trace = Trace(
            lambda told: self._log_trace(told), lambda: Hidden(secrets_of(os.environ), shapes=True)
        )
        self._tasks: dict[MessageId, asyncio.Task[None]] = {}

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
        return self.handlers.get(method)

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


class MassgenServer(LanguageServer):
    """One editor's server: its documents, its folders, and the way to the engine.

    Args:
        greeting: The parameters of `initialize`, which the front has answered already.
        outbox: The way out.
        deadlines: How long the editor and its user may take.
    """

    # pygls makes it of the class that it is given.
    protocol: MassgenProtocol  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(
        self, greeting: object, outbox: Outbox, deadlines: Deadlines | None = None
    ) -> None:
        # pygls' signature ends in untyped *args and **kwargs.
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            "massgen-ls", __version__, protocol_cls=MassgenProtocol
        )
        self.client: Client = resolve(greeting)
        self.documents = Documents(Encoding(self.client.encoding), self.client.own_end)
        self.settings = Settings(self.client, self.documents, self.protocol.ask, greeting)
        self.folders: list[str] = []
        for uri, _ in roots(greeting):
            self.add_folder(uri)
        self.deadlines = deadlines or Deadlines()
        self.stopping = asyncio.Event()
        """The conversation is over."""
        self.leaving = asyncio.Event()
        """Runs are to be cancelled and the services to be closed."""
        self.tokens: dict[str | int, RunId] = {}
        """Progress tokens in use."""
        self.applying = asyncio.Lock()
        """Edits go out one after the other."""
        self._services: asyncio.Future[Services] = asyncio.get_running_loop().create_future()
        self._group: asyncio.TaskGroup | None = None
        self._spawned: set[asyncio.Task[None]] = set()
        self.protocol.outbox = outbox
        self.protocol.set_writer(outbox)
        self.protocol.spawn = self.spawn
        if isinstance(greeting, dict):
            self.protocol.trace.turn(cast("dict[str, object]", greeting).get("trace"))

    # ── folders ─────────────────────────────────────────────────────────────────────────────

    def add_folder(self, uri: str) -> None:
        """Takes a workspace folder in; what is not on the disk is ignored."""
        path = uri if uri.startswith("/") else uris.to_path(uri)
        if path is not None and path not in self.folders:
            self.folders.append(path)

    def remove_folder(self, uri: str) -> None:
        """Forgets a workspace folder."""
        path = uris.to_path(uri)
        if path in self.folders:
            self.folders.remove(path)

    # ── the floors below ────────────────────────────────────────────────────────────────────

    def provide(self, services: Services | MassgenError) -> None:
        """The engine is ready, or will never be."""
        if self._services.done():
            return
        if isinstance(services, MassgenError):
            self._services.set_exception(services)
            self._services.exception()  # it may be that nobody ever asks
        else:
            self._services.set_result(services)

    async def services(self) -> Services:
        """The engine, as soon as it is ready.

        Raises:
            MassgenError: It cannot be had; says why and what to do.
        """
        return await asyncio.shield(self._services)

    def live_files(self, services: Services, *, preview: bool = False) -> LspLiveFiles:
        """The user's files as this editor has them."""
        preview = preview and self.client.annotations
        deadlines = self.deadlines
        if preview:  # the answer comes when its user has decided
            deadlines = replace(deadlines, answer=deadlines.question)
        elif not self.client.answers_edits:
            deadlines = replace(deadlines, answer=min(deadlines.answer, SILENT_DEADLINE))
        return LspLiveFiles(
            self.documents,
            self.client,
            self,
            services.disk,
            lambda: self.folders,
            deadlines,
            preview=preview,
        )

    # ── tasks ───────────────────────────────────────────────────────────────────────────────

    def adopt(self, group: asyncio.TaskGroup) -> None:
        """Says who owns the tasks."""
        self._group = group

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Starts something that ends with the conversation; its bugs end nothing but itself."""
        assert self._group is not None
        task = self._group.create_task(_guarded(work))
        self._spawned.add(task)
        if self.leaving.is_set():
            task.cancel()  # what was spawned before has been cancelled already
        task.add_done_callback(self._spawned.discard)
        # Cancelled before its first step, it leaves a coroutine that nobody has awaited.
        task.add_done_callback(lambda _: work.close())
        return task

    def abandon(self) -> None:
        """Cancels everything that was spawned."""
        for task in list(self._spawned):
            task.cancel()

    # ── asking and telling the editor ───────────────────────────────────────────────────────

    async def apply_edit(
        self, params: types.ApplyWorkspaceEditParams
    ) -> types.ApplyWorkspaceEditResult:
        """`workspace/applyEdit`; an error of the client is an edit that was not applied."""
        try:
            answer = await self.protocol.ask(types.WORKSPACE_APPLY_EDIT, params)
        except (JsonRpcException, MassgenError) as error:
            return types.ApplyWorkspaceEditResult(applied=False, failure_reason=str(error))
        if isinstance(answer, types.ApplyWorkspaceEditResult):
            return answer
        return types.ApplyWorkspaceEditResult(applied=False, failure_reason="an empty answer")

    async def choose(self, message: str, actions: Sequence[str]) -> str | None:
        """`window/showMessageRequest`; None when the user looked away or cannot be asked."""
        try:
            return await self.question(message, actions)
        except (JsonRpcException, MassgenError):
            return None

    async def question(self, message: str, actions: Sequence[str]) -> str | None:
        """The same, but for one thing. A client that does not know the request is not asked again.

        Raises:
            JsonRpcException: The client cannot ask.
        """
        if not self.client.asks:
            raise JsonRpcMethodNotFound("this editor shows no questions")
        params = types.ShowMessageRequestParams(
            type=types.MessageType.Info,
            message=message,
            actions=[types.MessageActionItem(title=title) for title in actions],
        )
        try:
            answer = await self.protocol.ask(types.WINDOW_SHOW_MESSAGE_REQUEST, params)
        except JsonRpcMethodNotFound:
            self.client = self.client._replace(asks=False)
            raise
        return answer.title if isinstance(answer, types.MessageActionItem) else None

    async def flush(self, timeout: float) -> bool:
        """Has the client send what was typed in visible documents; it has come when this ends.

        Returns:
            Whether the client did so; many have no way to be told, and users can turn it off.
        """
        if not self.client.flushes:
            return False
        try:
            await self.protocol.ask(types.WORKSPACE_SEMANTIC_TOKENS_REFRESH, None, timeout)
        except (JsonRpcException, MassgenError, TimeoutError):
            return False
        return True

    def say(self, message: str, kind: types.MessageType = types.MessageType.Info) -> None:
        """`window/showMessage`."""
        params = types.ShowMessageParams(type=kind, message=f"massgen: {message}")
        self.protocol.tell(types.WINDOW_SHOW_MESSAGE, params)


async def _guarded(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except MassgenError as error:
        _log.warning("%s", error)
    except Exception:  # noqa: BLE001 - the LSP dispatch: one bug may not end the conversation
        _log.exception("a bug in the background")
