"""A client in this process, over queues: it speaks raw messages, well or badly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from massgen_ls.adapters.host.files import DiskFiles
from massgen_ls.config import Beside, load
from massgen_ls.config.problems import Problem
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.task import AgentId, AgentSpec, CheckSpec, RunSpec, Scope, Task
from massgen_ls.core.trust import Claim, Giver
from massgen_ls.lsp.desk import Desk, EditorView, Services, Team
from massgen_ls.lsp.files.livefiles import Deadlines
from massgen_ls.lsp.stdio.connection import converse
from massgen_ls.lsp.stdio.frames import Frames
from massgen_ls.lsp.stdio.outbox import Outbox
from massgen_ls.ports import Approver
from massgen_ls.testing.editor import ServerError
from tests.fakes.supervisor import FakeSupervisor

Object = dict[str, Any]


def _literal() -> Object:
    kinds = {"valueSet": ["quickfix", "refactor.rewrite", "refactor"]}
    return {"codeActionLiteralSupport": {"codeActionKind": kinds}, "disabledSupport": True}


VSCODE: Object = {
    "general": {"positionEncodings": ["utf-16"]},
    "window": {
        "workDoneProgress": True,
        "showMessage": {"messageActionItem": {}},
        "showDocument": {"support": True},
    },
    "workspace": {
        "applyEdit": True,
        "workspaceFolders": True,
        "workspaceEdit": {
            "documentChanges": True,
            "resourceOperations": ["create", "rename", "delete"],
            "failureHandling": "textOnlyTransactional",
            "changeAnnotationSupport": {"groupsOnLabel": True},
            "metadataSupport": True,
            "snippetEditSupport": True,
        },
        "textDocumentContent": {"dynamicRegistration": True},
    },
    "textDocument": {"codeAction": _literal()},
}
NEOVIM: Object = {
    "general": {"positionEncodings": ["utf-8", "utf-16", "utf-32"]},
    "window": {"workDoneProgress": True, "showDocument": {"support": True}},
    "workspace": {
        "applyEdit": True,
        "workspaceFolders": True,
        "workspaceEdit": {"resourceOperations": ["rename", "create", "delete"]},
    },
    "textDocument": {"codeAction": _literal()},
}
EGLOT: Object = {
    "general": {"positionEncodings": ["utf-32", "utf-8", "utf-16"]},
    "workspace": {"applyEdit": True, "workspaceEdit": {"documentChanges": False}},
    "textDocument": {"codeAction": {}},
}
PROFILES = {"VS Code": VSCODE, "Neovim": NEOVIM, "Eglot": EGLOT}


def beside(editor: EditorView) -> Beside:
    return Beside(environ={}, read=lambda path: editor.texts.get(str(path)))


class FakeDesk:
    """Takes every wish; knows one agent."""

    view = EditorView()
    """What came with the last wish."""

    def make_spec(
        self, folder, prompt, scope: Scope, agents, checks, mode, apply, editor, word=None
    ) -> RunSpec:
        self.view = editor
        names = agents or ("one",)
        return RunSpec(
            Task(prompt, scope),
            tuple(AgentSpec(AgentId(n), "fake") for n in names),
            tuple(CheckSpec(name, ("check",)) for name in checks or ()),
            apply=apply,
        )

    def agents(self, file: str, editor: EditorView) -> tuple[AgentSpec, ...]:
        return load(Path(file).parent, file, beside(editor)).agents

    def named_agents(self) -> dict[str, str]:
        return {"goose": "Goose", "otter": "The Otter"}

    def team(self, folder: str, editor: EditorView) -> Team:
        return Team((("one", "fake"),), ("tests",), "best_of_n", f"the desk of {folder}")

    def problems(self, folder: str, editor: EditorView) -> list[Problem]:
        return []

    def approve(self, claim: Claim, by: Giver) -> None:
        """Nothing of it needs trust."""


@dataclass
class Client:
    """The other end."""

    root: Path
    engine: FakeSupervisor
    inbox: asyncio.Queue[bytes | None]
    heard: list[Object] = field(default_factory=list[Object])
    exit_code: int | None = None
    desk: FakeDesk = field(default_factory=FakeDesk)
    answers: dict[str, Callable[[Any], Any]] = field(default_factory=dict[str, Any])
    """By method: what a request of the server is answered with. Without one it never is."""
    _frames: Frames = field(default_factory=Frames)
    _next: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    # ── speaking ────────────────────────────────────────────────────────────────────────────

    def raw(self, body: bytes) -> None:
        self.inbox.put_nowait(body)

    def send(self, **message: Any) -> None:
        self.raw(json.dumps({"jsonrpc": "2.0", **message}).encode())

    def notify(self, method: str, params: Any = None) -> None:
        self.send(method=method, params=params)

    def ask(self, method: str, params: Any = None) -> int:
        self._next += 1
        self.send(id=self._next, method=method, params=params)
        return self._next

    async def request(self, method: str, params: Any = None) -> Any:
        return await self.reply(self.ask(method, params))

    async def command(self, name: str, argument: Any) -> Any:
        return await self.request(
            "workspace/executeCommand", {"command": name, "arguments": [argument]}
        )

    async def reply(self, number: int) -> Any:
        message = await self.until(lambda m: m.get("id") == number and "method" not in m)
        if "error" in message:
            raise ServerError(message["error"])
        return message["result"]

    # ── hearing ─────────────────────────────────────────────────────────────────────────────

    def feed(self, data: bytes) -> None:
        for body in self._frames.feed(data):
            message = json.loads(body)
            self.heard.append(message)
            if "method" in message and "id" in message:
                answer = self.answers.get(message["method"])
                if answer is not None:
                    self.send(id=message["id"], result=answer(message["params"]))
        self._news.set()
        self._news = asyncio.Event()

    async def until(self, wanted: Callable[[Object], bool]) -> Object:
        async with asyncio.timeout(20):
            while True:
                for message in self.heard:
                    if wanted(message):
                        return message
                await self._news.wait()

    async def told(self, method: str, wanted: Callable[[Any], bool] = lambda _: True) -> Any:
        found = await self.until(lambda m: m.get("method") == method and wanted(m.get("params")))
        return found["params"]

    def all(self, method: str) -> list[Any]:
        return [m["params"] for m in self.heard if m.get("method") == method]

    # ── documents ───────────────────────────────────────────────────────────────────────────

    def uri(self, path: str) -> str:
        return (self.root / path).as_uri()

    def open(self, path: str, text: str, version: int = 1, language: str = "python") -> str:
        item = {"uri": self.uri(path), "languageId": language, "version": version, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})
        return self.uri(path)

    def change(self, path: str, version: int, text: str) -> None:
        self.notify(
            "textDocument/didChange",
            {
                "textDocument": {"uri": self.uri(path), "version": version},
                "contentChanges": [{"text": text}],
            },
        )


@asynccontextmanager
async def talking(
    root: Path,
    capabilities: Mapping[str, Any],
    *,
    options: Object | None = None,
    deadlines: Deadlines | None = None,
    broken: MassgenError | None = None,
    greeting: Object | None = None,
    desk: Desk | None = None,
) -> AsyncIterator[Client]:
    """A conversation with a server in this process; leaving it says goodbye."""
    loop = asyncio.get_running_loop()
    engine = FakeSupervisor(str(root))
    client = Client(root, engine, asyncio.Queue())

    @asynccontextmanager
    async def compose(_: Callable[[str], None], __: Approver) -> AsyncIterator[Services]:
        if broken is not None:
            raise broken
        async with engine:
            yield Services(engine, desk or client.desk, DiskFiles())

    async def bodies() -> AsyncIterator[bytes]:
        while (body := await client.inbox.get()) is not None:
            yield body

    params = greeting or {
        "processId": None,
        "rootUri": None,
        "workspaceFolders": [{"uri": root.as_uri(), "name": "root"}],
        "capabilities": dict(capabilities),
        "initializationOptions": options or {},
    }

    async def serve() -> None:
        outbox = Outbox(
            lambda data: loop.call_soon_threadsafe(client.feed, data) and None, lambda: None
        )
        try:
            client.exit_code = await converse(
                params, bodies(), outbox, compose, deadlines=deadlines
            )
        finally:
            await asyncio.to_thread(outbox.flush, 5)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        task = group.create_task(serve())
        try:
            yield client
        finally:
            if not task.done():
                client.raw(b'{"jsonrpc":"2.0","id":"bye","method":"shutdown"}')
                client.raw(b'{"jsonrpc":"2.0","method":"exit"}')
