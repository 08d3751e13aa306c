"""The language server: one editor's documents, folders and questions, and the way to the engine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any, cast

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcMethodNotFound
from pygls.lsp.server import LanguageServer

from massgen_ls import __version__
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.task import RunId
from massgen_ls.core.text import Encoding
from massgen_ls.lsp import uris
from massgen_ls.lsp.aftermath import Aftermath
from massgen_ls.lsp.capabilities import Client, resolve, roots
from massgen_ls.lsp.desk import Services
from massgen_ls.lsp.dispatch import MassgenProtocol
from massgen_ls.lsp.files.asking import SILENT_DEADLINE, Deadlines
from massgen_ls.lsp.files.documents import Documents
from massgen_ls.lsp.files.livefiles import LspLiveFiles
from massgen_ls.lsp.settings import Settings
from massgen_ls.lsp.stdio.outbox import Outbox

_log = logging.getLogger(__name__)


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
        self.aftermath = Aftermath()
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
