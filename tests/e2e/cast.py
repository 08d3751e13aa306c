"""Real agent programs in a user's world: who sits where, and what their scripted models say.

A seat's script is found by the key that its program sends, else by its model, else by a word of
the task. Codex takes a key of each seat's own; the others have one key each and differ by model.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from massgen_ls.testing.models import ModelServer, Script, serving
from tests.e2e.world import DEADLINE, Ended, World
from tests.fakes.programs import search_path

SONNET, OPUS, HAIKU = "claude-sonnet-4-5", "claude-opus-4-5", "claude-haiku-4-5"
PRO, FLASH = "gemini-2.5-pro", "gemini-2.5-flash"
CODEX = "dummy-openai"
"""Whose script a Codex seat has that was given no key of its own."""
KEYS = {
    "ANTHROPIC_API_KEY": "dummy-anthropic",
    "GEMINI_API_KEY": "dummy-gemini",
    "OPENAI_API_KEY": CODEX,
}
"""All made up. The key of a Codex seat is the name of its script."""
GATE = {
    "name": "gate",
    "argv": ["{python}", "-c", "import sys; sys.exit('bad' in open('a.py').read())"],
}
SILENT = {"rule": "evidence-only"}
"""No judges, where a test is not about them: their questions would be further requests."""
PLAIN = {"voting": SILENT, "early_exit": False}
"""And every agent is waited for: two that agree would end a run of three."""
FREE = {"permissions": "allow"}
"""For a seat that shall run commands where no sandbox confines it and nobody is there to ask."""


@dataclass
class Cast:
    """Agents and their models in one world."""

    world: World
    models: ModelServer
    programs: dict[str, str]
    """The real ones, by name."""

    def claude(self, seat: str = "claude", model: str = SONNET, **agent: Any) -> dict[str, Any]:
        """A seat with Claude Code; its script is the one of ``model``."""
        return self._seat(seat, "claude_code", "claude", self.models.url, agent, model=model)

    def gemini(self, seat: str = "gemini", model: str = PRO, **agent: Any) -> dict[str, Any]:
        """A seat with Gemini CLI; its script is the one of ``model``."""
        return self._seat(seat, "gemini_cli", "gemini", self.models.url, agent, model=model)

    def codex(self, seat: str = "codex", key: str = "", **agent: Any) -> dict[str, Any]:
        """A seat with Codex; its script is the one of `CODEX`, or of ``key``."""
        more: dict[str, Any] = {"model": "gpt-5.5"}
        if key:
            name = f"{key.upper().replace('-', '_')}_KEY"
            self.world.extra_env[name] = key
            more["env"] = [name]
        return self._seat(seat, "codex", "codex", f"{self.models.url}/v1", agent, **more)

    def _seat(
        self, seat: str, kind: str, program: str, url: str, agent: dict[str, Any], **backend: Any
    ) -> dict[str, Any]:
        backend = {"type": kind, "program": self.programs[program], "base_url": url} | backend
        return {"id": seat, "backend": backend | agent.pop("backend", {}), **agent}

    async def run(self, agents: list[dict[str, Any]], *arguments: str, **rules: Any) -> Ended:
        """``massgen-ls run --json`` with this team."""
        checks = rules.pop("checks", ())
        prompt = rules.pop("prompt", "Please do it.")
        rules = {**PLAIN, **rules}
        team = self.world.configure(agents, checks, **rules)
        return await self.world.run("--config", str(team), *arguments, prompt=prompt)

    @asynccontextmanager
    async def running(
        self, agents: list[dict[str, Any]], *arguments: str, **rules: Any
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """The same while it goes on; killed at the end if it still runs."""
        checks = rules.pop("checks", ())
        rules = {**PLAIN, **rules}
        team = self.world.configure(agents, checks, **rules)
        command = ("run", "Please do it.", "--json", "--config", str(team), *arguments)
        async with self.world.started(*command) as process:
            yield process

    def heard(self, seat: str) -> str:
        """Everything that a script's model was told, as text."""
        return "\n".join(json.dumps(request.body) for request in self.models.turns(seat))


def written(world: World, words: Iterable[str]) -> list[str]:
    """Files of ours (the record, shadows, worktrees, homes) in which one of these words stands."""
    files = [f for top in (world.state, world.cache) for f in top.rglob("*") if f.is_file()]
    return [f"{w} in {f}" for f in files for w in words if w.encode() in f.read_bytes()]


def fallback(agent: dict[str, Any]) -> dict[str, Any]:
    """An agent without a name: the seat has one."""
    return {key: value for key, value in agent.items() if key != "id"}


def of(ended: Ended, kind: str, seat: str = "") -> list[dict[str, Any]]:
    """The events of a kind (and of a seat)."""
    found = [event for event in ended.events if event["kind"] == kind]
    return [event for event in found if not seat or event.get("seat") == seat]


async def rest(process: asyncio.subprocess.Process) -> Ended:
    """What is still to come of a run, to its end."""
    async with asyncio.timeout(DEADLINE):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(errors="surrogateescape"), err.decode())


async def there(path: Path, process: asyncio.subprocess.Process | None = None) -> None:
    """Waits for a file that an agent makes."""
    async with asyncio.timeout(DEADLINE):
        while not path.exists():
            assert process is None or process.returncode is None, "the run has ended"
            await asyncio.sleep(0.02)  # no event tells of a file


@asynccontextmanager
async def casting(
    world: World, programs: dict[str, str], scripts: dict[str, Script] | None = None
) -> AsyncIterator[Cast]:
    """Agents for a world; their models end with the context."""
    world.extra_env |= KEYS | {"PATH": search_path()}
    async with serving(scripts or {}) as models:
        yield Cast(world, models, programs)
