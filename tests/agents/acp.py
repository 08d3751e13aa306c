"""A small ACP client that writes down both directions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.agents.bare import LONGEST_LINE, prepared
from tests.fakes.programs import search_path

ACP_FLAGS = {"gemini": ("--acp", "--skip-trust", "-m", "gemini-2.5-pro")}


@dataclass
class Talk:
    """One program that speaks ACP over its stdin and stdout."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)
    """``{"from": "client" | "agent", "message": …}``, one a line."""
    _asked: int = 0

    def _note(self, who: str, message: Any) -> None:
        line = {"from": who, "message": message}
        self.lines.append(json.dumps(line, ensure_ascii=False, separators=(",", ":")))

    def send(self, message: dict[str, Any]) -> None:
        message = {"jsonrpc": "2.0", **message}
        self._note("client", message)
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")

    async def ask(self, method: str, **params: Any) -> Any:
        """Asks, allows what the agent wants to do meanwhile, and gives the whole response."""
        self._asked += 1
        self.send({"id": self._asked, "method": method, "params": params})
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            if not line.startswith(b"{"):
                continue
            message = json.loads(line)
            self._note("agent", message)
            if message.get("method") == "session/request_permission":
                options = message["params"]["options"]
                once = next(o["optionId"] for o in options if o["kind"] == "allow_once")
                allowed = {"outcome": {"outcome": "selected", "optionId": once}}
                self.send({"id": message["id"], "result": allowed})
            elif message.get("id") == self._asked and "method" not in message:
                return message
        raise EOFError("the agent ended before it answered")


@asynccontextmanager
async def talk(
    program: str, url: str, place: Path, settings: Mapping[str, Any] | None = None
) -> AsyncGenerator[Talk]:
    """Starts ``program --acp``; ended with the block."""
    led = prepared(Path(program).name, url, place, settings=settings)
    process = await asyncio.create_subprocess_exec(
        program,
        *ACP_FLAGS[Path(program).name],
        env={**led.env, "PATH": search_path()},
        cwd=place / "work",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=LONGEST_LINE,
    )
    try:
        yield Talk(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await process.wait()
        if process.returncode is None:
            process.kill()
        await process.wait()
        while process.stdout is not None and await process.stdout.read(1 << 20):
            pass


async def converse(talk: Talk, place: Path, prompt: str) -> None:
    """One session with one prompt."""
    fs = {"readTextFile": False, "writeTextFile": False}
    await talk.ask("initialize", protocolVersion=1, clientCapabilities={"fs": fs})
    opened = await talk.ask("session/new", cwd=str(place / "work"), mcpServers=[])
    if "result" in opened:
        words = [{"type": "text", "text": prompt}]
        await talk.ask("session/prompt", sessionId=opened["result"]["sessionId"], prompt=words)
