"""Where a driver is tried with its real program: a worktree, a home, scripted models, no user."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from massgen_ls.adapters.agents.program.surroundings import Surroundings
from massgen_ls.adapters.host.process import HostProcesses, Patience
from massgen_ls.adapters.host.sandbox import Sandbox
from massgen_ls.core.budget import Usage
from massgen_ls.core.permissions import Action, Decision, Permissions, judge
from massgen_ls.core.task import AgentId, AgentSpec, Json, RunId, SeatId, Task
from massgen_ls.engine.inbox import SeatInbox
from massgen_ls.ports import (
    Acted,
    AgentNews,
    Brief,
    Driver,
    Ended,
    Fence,
    Place,
    Returned,
    Said,
    Spoke,
    Used,
)
from tests.fakes.programs import search_path

PATIENT = 60.0
FILES = {
    "app.py": "def double(x):\n    return x + x\n\n\nprint(double(2))\n",
    "notes.txt": "some notes\nmore\n",
    "sub/deep.py": "DEEP = 1\n",
}


@dataclass(frozen=True)
class Told:
    """All news of one attempt."""

    news: list[AgentNews]

    @property
    def ended(self) -> Ended:
        """The end, which is the last news and the only one of its kind."""
        ends = [item for item in self.news if isinstance(item, Ended)]
        assert len(ends) == 1, self.news
        assert self.news[-1] is ends[0], self.news
        return ends[0]

    @property
    def how(self) -> tuple[str, str | None]:
        """Its outcome and the kind of its failure."""
        return self.ended.outcome, self.ended.failure

    @property
    def acted(self) -> list[tuple[str, str]]:
        return [(item.action, item.target) for item in self.news if isinstance(item, Acted)]

    @property
    def returned(self) -> list[bool]:
        return [item.ok for item in self.news if isinstance(item, Returned)]

    @property
    def spoke(self) -> list[str]:
        return [i.text for i in self.news if isinstance(i, Spoke) and not i.thinking]

    @property
    def said(self) -> str:
        return "".join(i.text for i in self.news if isinstance(i, Said) and i.stream == "stdout")

    @property
    def asides(self) -> str:
        return "".join(i.text for i in self.news if isinstance(i, Said) and i.stream == "stderr")

    @property
    def usage(self) -> Usage:
        return [item.usage for item in self.news if isinstance(item, Used)][-1]


@dataclass
class Stage:
    """One seat's world below a folder."""

    top: Path
    environ: Mapping[str, str] = field(default_factory=dict[str, str])
    sandbox: Sandbox | None = None
    asked: list[Action] = field(default_factory=list[Action])

    def __post_init__(self) -> None:
        self.tree, self.home, self.user = (self.top / n for n in ("tree", "seat-home", "user"))
        for folder in (self.tree, self.home, self.user):
            folder.mkdir(parents=True, exist_ok=True)
        for name, text in FILES.items():
            file = self.tree / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        self.processes = HostProcesses(sandbox=self.sandbox, patience=Patience(0.5, 1.0, 0.05, 0.3))
        self.around = Surroundings(
            {"PATH": search_path(), "LANG": "C.UTF-8", "HOME": str(self.user), **self.environ},
            str(self.top / "bin" / "python"),
        )
        self.inbox = SeatInbox()

    def place(self, **more: Any) -> Place:
        """The place of the seat; ``confined`` where there is a sandbox."""
        confined = self.sandbox is not None
        given: dict[str, Any] = {
            "path": str(self.tree),
            "folder": str(self.tree),
            "home": str(self.home),
            "run": RunId("20261121-000000-test"),
            "timeout": PATIENT,
            "fence": Fence((str(self.tree), str(self.home))) if confined else None,
            "confined": confined,
            "inbox": self.inbox,
            "approve": self.approving(Permissions(mode="allow")),
        }
        return Place(**(given | more))

    def approving(self, rule: Permissions) -> Callable[[Action], Awaitable[Decision]]:
        """Decides by a rule, as a run without a person does, and remembers what was asked."""

        async def approve(action: Action) -> Decision:
            self.asked.append(action)
            decision = judge(action, rule, confined=self.sandbox is not None)
            return decision if decision.word != "ask" else Decision("deny", "nobody is here")

        return approve

    @property
    def files(self) -> dict[str, str]:
        """The worktree's files."""
        return {
            str(path.relative_to(self.tree)): path.read_text()
            for path in sorted(self.tree.rglob("*"))
            if path.is_file()
        }

    @property
    def changed(self) -> dict[str, str | None]:
        """What is different from the beginning; None: gone."""
        now = self.files
        gone: dict[str, str | None] = {name: None for name in FILES if name not in now}
        return gone | {name: text for name, text in now.items() if FILES.get(name) != text}


def agent(kind: str, permissions: Permissions | None = None, **settings: Json) -> AgentSpec:
    """A configured agent."""
    return AgentSpec(AgentId("a"), kind, settings, permissions=permissions or Permissions())


def brief(prompt: str = "Please do it.", **more: Any) -> Brief:
    """An order."""
    return Brief(Task(prompt), SeatId("a"), 1, prompt, **more)


async def attempt(driver: Driver, spec: AgentSpec, order: Brief, place: Place) -> Told:
    """Hears an attempt to its end."""
    news: list[AgentNews] = []
    async with (
        asyncio.timeout(PATIENT),
        contextlib.aclosing(driver.attempt(spec, order, place)) as telling,
    ):
        async for item in telling:
            news.append(item)
    return Told(news)


@contextlib.asynccontextmanager
async def begun(
    driver: Driver, spec: AgentSpec, order: Brief, place: Place
) -> AsyncGenerator[tuple[list[AgentNews], asyncio.Task[None]]]:
    """An attempt that goes on beside the test: its news so far, and the task that hears them."""
    news: list[AgentNews] = []

    async def hear() -> None:
        async with contextlib.aclosing(driver.attempt(spec, order, place)) as telling:
            async for item in telling:
                news.append(item)

    async with asyncio.timeout(PATIENT), asyncio.TaskGroup() as group:
        task = group.create_task(hear())
        yield news, task


def left_over(stage: Stage) -> Sequence[str]:
    """Processes that belong to the stage, by their home; all must have ended with the attempt."""
    mark = str(stage.top)
    found: list[str] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if process.environ().get("HOME", "").startswith(mark):
                found.append(" ".join(process.cmdline()))
    return found


async def there(path: Path) -> None:
    """Waits for a file."""
    until = time.monotonic() + PATIENT
    while not path.exists():
        assert time.monotonic() < until, f"{path} never came"
        await asyncio.sleep(0.01)
