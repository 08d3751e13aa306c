"""A stand-in editor: open buffers, versions, and a language client that can misbehave on demand.

It does what real editors do with what the server sends, and refuses what they refuse. What a
profile says about a client was observed on the real one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from massgen_ls.core.text import (
    Edit,
    Encoding,
    LineIndex,
    apply_edits,
)
from massgen_ls.ports import Command, Processes, Running
from massgen_ls.testing.line_list import edited_lines, position, range_json
from massgen_ls.testing.profiles import NEOVIM, Object, Profile


@dataclass
class Document:
    """An open buffer."""

    uri: str
    text: str
    version: int = 1
    history: list[str] = field(default_factory=list[str])
    """The texts before each change: undo."""
    known: bool = True
    """Whether the server hears of it."""


class ServerError(Exception):
    """The server answered a request with an error."""

    def __init__(self, error: Object) -> None:
        super().__init__(str(error.get("message", "")))
        self.code = int(error.get("code", 0))


class StandInEditor:
    """An editor with a language server of ours behind it."""

    def __init__(self, running: Running, folder: Path, profile: Profile) -> None:
        self.folder = folder
        self.profile = profile
        self.documents: dict[str, Document] = {}
        self.notifications: list[tuple[str, Any]] = []
        self.questions: list[str] = []
        self.edits: list[Object] = []
        """Every `workspace/applyEdit` that came, in order."""
        self.answer: str | None = "Apply"
        """The title that is picked when the server asks; None closes the question."""
        self.before_edit: Callable[[], Awaitable[None]] | None = None
        """Awaited when an edit has arrived and before it is looked at: the user types on."""
        self.encoding = Encoding.UTF16
        self.capabilities: Object = {}
        self._running = running
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._next = 0
        self._gone = False
        self._news = asyncio.Condition()

    # ── speaking ────────────────────────────────────────────────────────────────────────────

    async def request(self, method: str, params: object = None) -> Any:
        """Asks the server.

        Raises:
            ServerError: It answers with an error.
            ConnectionError: It is gone.
        """
        if self._gone:
            raise ConnectionError("the server is gone")
        self._next += 1
        number = self._next
        reply = asyncio.get_running_loop().create_future()
        self._waiting[number] = reply
        await self._send({"id": number, "method": method, "params": params})
        try:
            return await reply
        except asyncio.CancelledError:
            await self.notify("$/cancelRequest", {"id": number})
            raise
        finally:
            self._waiting.pop(number, None)

    async def notify(self, method: str, params: object = None) -> None:
        """Tells the server."""
        await self._send({"method": method, "params": params})

    async def _send(self, body: Object) -> None:
        text = json.dumps({"jsonrpc": "2.0", **body}).encode()
        await self._running.write(b"Content-Length: %d\r\n\r\n%s" % (len(text), text))

    async def close_input(self) -> None:
        """Goes away without a word."""
        await self._running.close_stdin()

    async def closed(self) -> None:
        """Waits until the server has ended."""
        await self._running.wait()

    async def command(self, name: str, *arguments: object) -> Any:
        """``workspace/executeCommand``."""
        return await self.request(
            "workspace/executeCommand", {"command": name, "arguments": list(arguments)}
        )

    async def seen(self, wanted: Callable[[str, Any], bool]) -> Any:
        """Waits for a notification, also an earlier one; returns its parameters."""
        async with self._news:
            while True:
                for method, params in self.notifications:
                    if wanted(method, params):
                        return params
                await self._news.wait()

    # ── buffers ─────────────────────────────────────────────────────────────────────────────

    def uri(self, path: str) -> str:
        """The URI of a file below the folder."""
        return (self.folder / path).as_uri()

    async def open(self, path: str, text: str | None = None) -> Document:
        """Opens a file, or a new buffer with a text of its own that is not saved."""
        uri = self.uri(path)
        file = self.folder / path
        on_disk = self._read(file) if file.exists() else ""
        document = Document(uri, on_disk, self.profile.first_version)
        self.documents[uri] = document
        await self.notify(
            "textDocument/didOpen",
            {
                "textDocument": {
                    "uri": uri,
                    "languageId": "python",
                    "version": document.version,
                    "text": document.text,
                }
            },
        )
        if text is not None and text != on_disk:
            await self.type(path, text)
        return document

    def _read(self, file: Path) -> str:
        text = file.read_bytes().decode()
        return text or "\n" * self.profile.line_list

    async def type(self, path: str, text: str) -> None:
        """Replaces a buffer's whole text, as typing would, and tells the server."""
        await self._change(self.documents[self.uri(path)], text)

    async def _change(self, document: Document, text: str) -> None:
        document.history.append(document.text)
        whole = LineIndex(document.text).range_at(0, len(document.text), self.encoding)
        document.text = text
        # In the eyes of Neovim a buffer has been changed twice when it is there.
        document.version = max(document.version, 2 * self.profile.checks_first_only) + 1
        if not document.known:
            return
        await self.notify(
            "textDocument/didChange",
            {
                "textDocument": {"uri": document.uri, "version": document.version},
                "contentChanges": [{"range": range_json(whole), "text": text}],
            },
        )

    def text(self, path: str) -> str | None:
        """What the user sees: the open buffer, else the file; None when there is neither."""
        document = self.documents.get(self.uri(path))
        if document is not None:
            return document.text
        file = self.folder / path
        return file.read_bytes().decode() if file.is_file() else None

    # ── hearing ─────────────────────────────────────────────────────────────────────────────

    async def listen(self) -> None:
        """Reads what the server sends until it is gone."""
        pending = bytearray()
        async for piece in self._running.output():
            if piece.stream != "stdout":
                continue
            pending += piece.bytes
            while (message := _take(pending)) is not None:
                await self._hear(message)
        self._gone = True
        for reply in self._waiting.values():
            if not reply.done():
                reply.set_exception(ConnectionError("the server is gone"))

    async def _hear(self, message: Object) -> None:
        if "method" not in message:
            reply = self._waiting.get(message["id"])
            if reply is not None and not reply.done():
                if "error" in message:
                    reply.set_exception(ServerError(message["error"]))
                else:
                    reply.set_result(message.get("result"))
            return
        method, params = message["method"], message.get("params")
        async with self._news:
            self.notifications.append((method, params))
            self._news.notify_all()
        if "id" in message:
            await self._serve(message["id"], method, params)

    async def _serve(self, number: int, method: str, params: Any) -> None:
        match method:
            case "workspace/applyEdit":
                self.edits.append(params["edit"])
                if self.before_edit is not None:
                    await self.before_edit()
                problem = await self._apply(params["edit"])
                if not self.profile.answers_edits:
                    return
                applied: Object = {"applied": problem is None}
                if problem is not None:
                    applied["failureReason"] = problem
                await self._send({"id": number, "result": applied})
            case "window/showMessageRequest":
                self.questions.append(params["message"])
                if not self.profile.answers_questions:
                    return
                offered: list[Object] = params.get("actions") or []
                titles = [action["title"] for action in offered]
                picked = {"title": self.answer} if self.answer in titles else None
                await self._send({"id": number, "result": picked})
            case "window/workDoneProgress/create" | "client/registerCapability":
                await self._send({"id": number, "result": None})
            case "window/showDocument":
                await self._send({"id": number, "result": {"success": True}})
            case "workspace/semanticTokens/refresh":
                # What was typed has been sent already.
                await self._send({"id": number, "result": None})
            case _:
                error = {"code": -32601, "message": f"no {method} here"}
                await self._send({"id": number, "error": error})

    async def _apply(self, edit: Object) -> str | None:
        """Applies a workspace edit as a whole, or says why not."""
        steps: list[Object]
        if "documentChanges" in edit:
            steps = edit["documentChanges"]
        else:
            by_uri: dict[str, list[Object]] = edit.get("changes") or {}
            steps = [
                {"textDocument": {"uri": uri, "version": None}, "edits": edits}
                for uri, edits in by_uri.items()
            ]
        for step in steps:
            if step.get("kind"):
                allowed = self.profile.capabilities["workspace"]["workspaceEdit"]
                if step["kind"] not in allowed.get("resourceOperations", []):
                    return f"{step['kind']} is not supported"
                continue
            if self.profile.checks_first_only:
                continue
            document = self.documents.get(step["textDocument"]["uri"])
            version = step["textDocument"].get("version")
            if document is not None and version not in {None, document.version}:
                return f"version {version} is not {document.version}"
        for number, step in enumerate(steps):
            if number == 0 and self._skips(step):
                continue
            await self._perform(step)
        return None

    def _skips(self, step: Object) -> bool:
        if not self.profile.checks_first_only or step.get("kind"):
            return False
        document = self.documents.get(step["textDocument"]["uri"])
        version: int = step["textDocument"].get("version") or 0
        return document is not None and document.version > version > 0

    async def _perform(self, step: Object) -> None:
        match step.get("kind"):
            case "create":
                path = path_of(step["uri"])
                options: Object = step.get("options") or {}
                keeps = options.get("ignoreIfExists") or not self.profile.checks_first_only
                if path.exists() and keeps and not options.get("overwrite"):
                    return
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"")
            case "rename":
                old, new = path_of(step["oldUri"]), path_of(step["newUri"])
                new.parent.mkdir(parents=True, exist_ok=True)
                old.rename(new)
                document = self.documents.pop(step["oldUri"], None)
                if document is not None:
                    await self.notify(
                        "textDocument/didClose", {"textDocument": {"uri": document.uri}}
                    )
                    self.documents[step["newUri"]] = document
                    document.uri = step["newUri"]
                    document.version = self.profile.first_version
                    await self._announce(document)
            case "delete":
                path_of(step["uri"]).unlink()
                document = self.documents.pop(step["uri"], None)
                if document is not None:
                    await self.notify(
                        "textDocument/didClose", {"textDocument": {"uri": document.uri}}
                    )
            case _:
                await self._edit(step["textDocument"]["uri"], step["edits"])

    async def _edit(self, uri: str, edits: list[Object]) -> None:
        document = self.documents.get(uri)
        if document is None:  # editors open what they edit
            document = Document(uri, self._read(path_of(uri)), self.profile.first_version)
            document.known = self.profile.opens_what_it_edits
            self.documents[uri] = document
            if document.known:
                await self._announce(document)
        if self.profile.line_list:
            await self._change(document, edited_lines(document.text, edits, self.encoding))
            return
        index = LineIndex(document.text)
        changes = [
            Edit(
                index.offset_at(position(edit["range"]["start"]), self.encoding),
                index.offset_at(position(edit["range"]["end"]), self.encoding),
                edit["newText"],
            )
            for edit in edits
        ]
        await self._change(document, apply_edits(document.text, sorted(changes)))

    async def _announce(self, document: Document) -> None:
        await self.notify(
            "textDocument/didOpen",
            {
                "textDocument": {
                    "uri": document.uri,
                    "languageId": "python",
                    "version": document.version,
                    "text": document.text,
                }
            },
        )


@asynccontextmanager
async def open_editor(
    processes: Processes,
    command: Command,
    folder: Path,
    profile: Profile = NEOVIM,
    options: Object | None = None,
) -> AsyncGenerator[StandInEditor]:
    """Starts a server and an editor on it; says goodbye properly at the end.

    Args:
        processes: Starts the server.
        command: The server's, e.g. ``massgen-ls serve``; its stdin is kept open.
        folder: The workspace's one folder.
        profile: Who the editor says it is.
        options: Its ``initializationOptions``.
    """
    async with processes.start(replace(command, keep_stdin=True, raw=True)) as running:
        editor = StandInEditor(running, folder, profile)
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(editor.listen())
            answer = await editor.request(
                "initialize",
                {
                    "processId": None,
                    "rootUri": folder.as_uri(),
                    "workspaceFolders": [{"uri": folder.as_uri(), "name": folder.name}],
                    **({"clientInfo": {"name": profile.name}} if profile.says_name else {}),
                    "capabilities": profile.capabilities,
                    "initializationOptions": options or {},
                },
            )
            editor.capabilities = answer["capabilities"]
            editor.encoding = Encoding(editor.capabilities.get("positionEncoding", "utf-16"))
            await editor.notify("initialized", {})
            try:
                yield editor
                await editor.request("shutdown")
                await editor.notify("exit")
                await listening
            except ConnectionError:
                pass  # a test may have killed it
            finally:
                listening.cancel()


def path_of(uri: str) -> Path:
    """The file of a ``file:`` URI."""
    return Path(unquote(urlsplit(uri).path))


def _take(pending: bytearray) -> Object | None:
    end = pending.find(b"\r\n\r\n")
    if end < 0:
        return None
    length = next(
        int(line.split(b":")[1])
        for line in bytes(pending[:end]).split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    start = end + 4
    if len(pending) < start + length:
        return None
    body = bytes(pending[start : start + length])
    del pending[: start + length]
    return json.loads(body)
