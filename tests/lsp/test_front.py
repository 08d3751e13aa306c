"""The real process over real pipes: the first answer, clean streams, and every way to leave."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from massgen_ls.lsp.stdio.frames import Frames, frame
from tests.lsp.editor import NEOVIM, VSCODE

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("pygls", "lsprotocol", "pydantic", "asyncio", "attrs", "cattrs", "logging", "dataclasses")


class Pipes:
    """A process that speaks frames."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._frames = Frames()
        self._ready: list[Any] = []

    def say(self, **message: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(frame({"jsonrpc": "2.0", **message}))

    async def hear(self) -> Any:
        assert self.process.stdout is not None
        while not self._ready:
            chunk = await self.process.stdout.read(65536)
            assert chunk, "the server is gone"
            self._ready += [json.loads(body) for body in self._frames.feed(chunk)]
        return self._ready.pop(0)

    async def reply(self, number: int) -> Any:
        while True:
            message = await self.hear()
            if message.get("id") == number and "method" not in message:
                return message

    def greet(self, capabilities: dict[str, Any], process: int | None = None) -> None:
        params = {"processId": process, "rootUri": None, "capabilities": capabilities}
        self.say(id=1, method="initialize", params=params)

    def leave(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    async def end(self) -> int:
        assert self.process.stdin is not None
        return await self.process.wait()


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Pipes]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.lsp.served", str(folder),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=ROOT,
    )  # fmt: skip
    async with asyncio.timeout(60):
        try:
            yield Pipes(process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            if process.stdin is not None:
                process.stdin.close()
            # Read to the end, so that the transports are closed while there is a loop.
            await process.communicate()


async def test_nothing_heavy_is_imported_before_the_first_answer() -> None:
    program = (
        "import sys, massgen_ls.lsp.stdio.front\n"
        f"sys.exit(', '.join(m for m in {HEAVY!r} if m in sys.modules) or None)"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stderr=asyncio.subprocess.PIPE, cwd=ROOT
    )
    _, said = await process.communicate()
    assert (said, process.returncode) == (b"", 0)


async def test_the_first_answer_offers_what_the_client_can_use(tmp_path: Path) -> None:
    for capabilities, encoding, virtual in ((VSCODE, "utf-16", True), (NEOVIM, "utf-8", False)):
        async with served(tmp_path) as pipes:
            pipes.greet(capabilities)
            offered = (await pipes.hear())["result"]["capabilities"]
            assert offered["positionEncoding"] == encoding
            assert ("textDocumentContent" in offered["workspace"]) is virtual
            assert "massgen.run" in offered["executeCommandProvider"]["commands"]


async def test_the_stream_stays_clean_and_the_goodbye_is_in_order(tmp_path: Path) -> None:
    async with served(tmp_path) as pipes:
        pipes.greet({})
        pipes.say(method="initialized", params={})
        pipes.say(id=2, method="massgen/list")
        pipes.say(id=3, method="initialize", params={})
        pipes.say(id=4, method="massgen/run", params={"prompt": "x", "folder": str(tmp_path)})
        assert "result" in await pipes.reply(1)
        assert "initialized already" in (await pipes.reply(3))["error"]["message"]
        assert (await pipes.reply(4))["result"] == {"runId": "run-1"}
        pipes.say(id=5, method="shutdown")
        assert (await pipes.reply(5))["result"] is None
        pipes.say(method="exit")
        assert await pipes.end() == 0
    assert (tmp_path / "left").exists()


async def test_what_comes_before_initialize_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path) as pipes:
        pipes.say(id=7, method="massgen/list")
        assert (await pipes.hear())["error"]["code"] == -32002
        pipes.say(method="textDocument/didOpen", params={})
        assert pipes.process.stdin is not None
        pipes.process.stdin.write(b"Content-Length: 2\r\n\r\n[]")
        assert (await pipes.hear())["error"]["code"] == -32700
        pipes.greet({})
        assert "result" in await pipes.hear()


@pytest.mark.parametrize("first", [b"", b"hello\r\n\r\n", frame({"method": "exit"})])
async def test_a_client_that_never_begins_is_not_waited_for(tmp_path: Path, first: bytes) -> None:
    async with served(tmp_path) as pipes:
        assert pipes.process.stdin is not None
        pipes.process.stdin.write(first)
        pipes.leave()
        assert await pipes.end() == 1


@pytest.mark.parametrize("how", ["end of input", "TERM", "INT", "exit", "closed output", "garbage"])
async def test_however_the_client_goes_the_engine_is_left_in_order(
    tmp_path: Path, how: str
) -> None:
    async with served(tmp_path) as pipes:
        pipes.greet({})
        pipes.say(id=2, method="massgen/run", params={"prompt": "x", "folder": str(tmp_path)})
        await pipes.reply(2)
        assert pipes.process.stdin is not None
        match how:
            case "end of input":
                pipes.leave()
            case "TERM" | "INT":
                pipes.process.send_signal(signal.Signals[f"SIG{how}"])
            case "exit":
                pipes.say(method="exit")
            case "garbage":
                pipes.process.stdin.write(b"\r\n\r\n")
            case _:
                transport = pipes.process._transport.get_pipe_transport(1)
                transport.close()
                for number in range(50):
                    pipes.say(id=10 + number, method="massgen/list")
        assert await pipes.end() == 1
    assert (tmp_path / "left").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such watch there")
async def test_the_death_of_the_editors_process_ends_the_server(tmp_path: Path) -> None:
    editor = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE
    )
    async with served(tmp_path) as pipes:
        pipes.greet({}, process=editor.pid)
        pipes.say(id=2, method="massgen/list")
        await pipes.reply(2)
        editor.kill()
        await editor.communicate()
        assert await pipes.end() == 1
    assert (tmp_path / "left").exists()


async def test_an_editor_of_another_machine_is_not_watched(tmp_path: Path) -> None:
    gone = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await gone.wait()
    async with served(tmp_path) as pipes:
        pipes.greet({}, process=gone.pid)
        pipes.say(id=2, method="massgen/list")
        assert (await pipes.reply(2))["result"] == {"runs": []}


async def test_a_client_that_stops_reading_freezes_nothing(tmp_path: Path) -> None:
    unread, stdout = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.lsp.served", str(tmp_path),
        stdin=asyncio.subprocess.PIPE,
        stdout=stdout,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=ROOT,
    )  # fmt: skip
    os.close(stdout)
    pipes = Pipes(process)
    try:
        pipes.greet({})
        for number in range(2000):
            pipes.say(id=10 + number, method="no/such/method/" + "x" * 200)
        pipes.say(id=2, method="massgen/run", params={"prompt": "x", "folder": str(tmp_path)})
        assert process.stdin is not None
        await process.stdin.drain()
        pipes.leave()
        assert await pipes.end() == 1
    finally:
        os.close(unread)
    assert (tmp_path / "left").exists()
