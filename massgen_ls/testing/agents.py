"""Scripted agents and checks: doubles of the ports, for our tests and for authors of plug-ins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path

from massgen_ls.core.candidate import CheckResult, TreeId
from massgen_ls.core.task import AgentSpec, CheckSpec
from massgen_ls.ports import Acted, AgentNews, Brief, Ended, Health, Place, Said

Script = Callable[[Brief, Place], AsyncGenerator[AgentNews, None]]
"""What an agent does: it may write below ``place.folder``, and says what it does."""


class ScriptedDriver:
    """`ports.Driver` that plays a script for each agent id.

    Args:
        scripts: By the agent's id.
        briefed: See `ports.Driver.briefed`.
    """

    def __init__(self, scripts: Mapping[str, Script], *, briefed: bool = False) -> None:
        self._scripts = scripts
        self.briefed = briefed
        self.hears = True
        self.heavy = False
        self.closed: list[str] = []
        """Agents whose attempt was ended from outside, in that order."""

    async def attempt(
        self, spec: AgentSpec, brief: Brief, place: Place
    ) -> AsyncGenerator[AgentNews, None]:
        """Plays the agent's script."""
        script = self._scripts.get(str(spec.id))
        if script is None:
            yield Ended("missing", f"no script for {spec.id}")
            return
        news = script(brief, place)
        ended = False
        try:
            async for item in news:
                ended = isinstance(item, Ended)
                yield item
        except (GeneratorExit, asyncio.CancelledError):
            if not ended:
                self.closed.append(str(spec.id))
            raise
        finally:
            await news.aclose()

    async def health(self, spec: AgentSpec) -> Health:
        """Ok, when there is a script."""
        known = str(spec.id) in self._scripts
        return Health(spec.id, known, "a script" if known else "", "" if known else "Write one")


def writes(**files: str) -> Script:
    """An agent that writes these files (``__`` in a name stands for ``.``) and is done."""

    async def script(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        for name, text in files.items():
            path = Path(place.folder) / name.replace("__", ".")
            await asyncio.to_thread(path.write_bytes, text.encode())
            yield Acted("edit", path.name)
        yield Said("done\n")
        yield Ended("done", exit_code=0, summary=f"wrote {len(files)}")

    return script


def ends(ended: Ended) -> Script:
    """An agent that does nothing and ends so."""

    async def script(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        yield ended

    return script


def plays(*news: AgentNews) -> Script:
    """An agent of which exactly this is heard."""

    async def script(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        for item in news:
            yield item

    return script


def waits(begun: asyncio.Event, leave: str = "half.txt") -> Script:
    """An agent that leaves half a work and then waits for ever; ``begun`` is set when it does."""

    async def script(brief: Brief, place: Place) -> AsyncGenerator[AgentNews, None]:
        await asyncio.to_thread((Path(place.folder) / leave).write_text, "half\n")
        begun.set()
        yield Said("waiting\n")
        await asyncio.Event().wait()

    return script


class ScriptedChecker:
    """`ports.Checker` that asks a function for the failures of a worktree."""

    def __init__(self, judge: Callable[[str, Path], tuple[str, ...]]) -> None:
        self._judge = judge
        self.runs: list[tuple[str, TreeId]] = []
        """Every check that really ran, with its tree."""

    async def run(
        self, check: CheckSpec, tree: TreeId, place: Place, say: Callable[[Said], None]
    ) -> CheckResult:
        """Asks the function."""
        self.runs.append((check.name, tree))
        failures = await asyncio.to_thread(self._judge, check.name, Path(place.folder))
        say(Said(f"{len(failures)} failures\n"))
        outcome = "failed" if failures else "passed"
        return CheckResult(check.name, tree, outcome, tuple(sorted(failures)), len(failures))
