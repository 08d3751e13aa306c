"""A user's world for end-to-end tests: a repository, agents that are small programs, our command.

Everything runs as real processes with an environment of its own; nothing of the machine's user
is read. Whatever a test does, `World.check_clean` says whether the promises hold afterwards.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 90.0
"""Seconds that anything may take on a slow machine before a test gives up."""


@dataclass(frozen=True)
class Ended:
    """How a command of ours ended."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """Its standard output as JSON lines."""
        return [json.loads(line) for line in self.out.split("\n") if line]

    @property
    def settled(self) -> dict[str, Any]:
        """The last line of ``--json``."""
        last = self.events[-1]
        assert last["kind"] == "run_settled", self
        return last

    @property
    def run(self) -> str:
        """The run's id."""
        return self.settled["run"]

    @property
    def outcome(self) -> str:
        """The verdict's."""
        return self.settled["verdict"]["outcome"]

    @property
    def why(self) -> str:
        """The verdict's paragraph."""
        return self.settled["verdict"]["why"]


@dataclass
class World:
    """One user's machine below one temporary folder."""

    top: Path
    extra_env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.repo = self.top / "repo"
        self.home = self.top / "home"
        self.cache = self.top / "cache"
        self.state = self.top / "state"
        self.agents = self.top / "agents"
        for folder in (self.repo, self.home, self.agents):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def env(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "MASSGEN_LS_CACHE": str(self.cache),
            "MASSGEN_LS_STATE": str(self.state),
            **self.extra_env,
        }

    # ── the repository ──────────────────────────────────────────────────────────────────────

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        """Runs the user's git."""
        identity = ("-c", "user.name=U", "-c", "user.email=u@example.invalid")
        done = subprocess.run(
            ["git", *identity, *arguments],
            cwd=cwd or self.repo,
            env={**self.env, "GIT_CONFIG_GLOBAL": os.devnull},
            capture_output=True,
            check=True,
            timeout=DEADLINE,
        )
        return done.stdout.decode(errors="surrogateescape")

    def write(self, name: str, text: str | bytes) -> Path:
        """Writes a file of the repository."""
        path = self.repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def init(self, **files: str) -> None:
        """A repository with one commit of ``a.py`` (five lines) and these files."""
        self.git("init", "-q", "-b", "main")
        self.write("a.py", "one\ntwo\nthree\nfour\nfive\n")
        for name, text in files.items():
            self.write(name, text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "first")

    # ── agents and configuration ────────────────────────────────────────────────────────────

    def agent(self, name: str, program: str, **backend: Any) -> dict[str, Any]:
        """An agent that is a small Python program, run in its worktree."""
        file = self.agents / f"{name}.py"
        file.write_text(textwrap.dedent(program))
        return {
            "id": name,
            "backend": {
                "type": "command",
                "argv": [sys.executable, str(file)],
                "stdin": "none",
                **backend,
            },
        }

    def configure(
        self,
        agents: Sequence[dict[str, Any]],
        checks: Sequence[dict[str, Any]] = (),
        **orchestrator: Any,
    ) -> Path:
        """Writes a configuration outside of the repository; returns its path."""
        body: dict[str, Any] = {"agents": list(agents)}
        if checks:
            body["checks"] = list(checks)
        worktree = orchestrator.pop("worktree", None)
        if worktree:
            body["worktree"] = worktree
        if orchestrator:
            body["orchestrator"] = orchestrator
        file = self.top / "team.yaml"
        file.write_text(json.dumps(body))  # JSON is YAML
        return file

    # ── our command ─────────────────────────────────────────────────────────────────────────

    def argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "massgen_ls", *arguments]

    async def massgen(self, *arguments: str, cwd: Path | None = None) -> Ended:
        """Runs ``massgen-ls`` to its end."""
        async with self.started(*arguments, cwd=cwd) as process:
            async with asyncio.timeout(DEADLINE):
                out, err = await process.communicate()
            assert process.returncode is not None
            text = out.decode(errors="surrogateescape")
            return Ended(process.returncode, text, err.decode(errors="replace"))

    async def run(self, *arguments: str, prompt: str = "do it", **kwargs: Any) -> Ended:
        """``massgen-ls run --json``."""
        return await self.massgen("run", prompt, "--json", *arguments, **kwargs)

    @asynccontextmanager
    async def started(
        self, *arguments: str, cwd: Path | None = None
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """A command of ours, going on; killed at the end if it still runs."""
        process = await asyncio.create_subprocess_exec(
            *self.argv(*arguments),
            cwd=cwd or self.repo,
            env=self.env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=64 * 1024 * 1024,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()

    # ── promises ────────────────────────────────────────────────────────────────────────────

    def fingerprint(self) -> dict[str, str]:
        """Every file of the user's repository, ``.git`` included: content, type, index mtime."""
        found: dict[str, str] = {}
        for folder, folders, files in os.walk(os.fsencode(self.repo)):
            for name in [*files, *folders]:
                path = os.path.join(folder, name)
                status = os.lstat(path)
                if os.path.islink(path):
                    content = b"-> " + os.readlink(path)
                elif os.path.isfile(path):
                    with open(path, "rb") as file:
                        content = hashlib.sha256(file.read()).digest()
                else:
                    content = b""
                mtime = status.st_mtime_ns if name == b"index" else 0
                found[os.fsdecode(path)] = f"{status.st_mode:o} {mtime} {content!r}"
        return found

    def processes(self) -> list[str]:
        """Command lines of every process that belongs to this world."""
        mark = str(self.top)
        found: list[str] = []
        for process in psutil.process_iter():
            try:
                if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                    continue
                words = process.cmdline()
                environment = process.environ()
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            if (
                any(mark in w for w in words)
                or environment.get("MASSGEN_LS_STATE") == mark
                or mark in environment.get("HOME", "")
                or mark in environment.get("TMPDIR", "")
            ):
                found.append(f"{process.pid}: {' '.join(words)[:200]}")
        return found

    async def gone(self, seconds: float = 15.0) -> None:
        """Waits until no process of this world is left; fails when one stays."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while left := self.processes():
            assert loop.time() < end, f"processes are left: {left}"
            await asyncio.sleep(0.05)  # the kernel tells nobody when a stranger's child ends

    async def check_clean(self, before: dict[str, str]) -> None:
        """No process left, no lease left after the next start, the repository untouched."""
        await self.gone()
        if self.held():
            assert (await self.massgen("runs", "--all")).code == 0
            assert self.held() == []
        assert self.fingerprint() == before

    def held(self) -> list[str]:
        """Locks of ours that a process holds, what is in homes, processes on the record."""
        import fcntl

        found: list[str] = []
        for lock in self.cache.glob("shadows/*/locks/*"):
            with lock.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    found.append(str(lock))
        for home in self.cache.glob("shadows/*/trees/*/home"):
            found += [str(path) for path in home.iterdir()]
        journal = self.state / "processes"
        if journal.is_dir():
            found += [str(f) for f in journal.iterdir() if f.name.startswith("process-")]
        return found


async def line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """The next JSON line of a started ``run --json``."""
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE):
        return json.loads(await process.stdout.readline())


async def until(process: asyncio.subprocess.Process, kind: str) -> dict[str, Any]:
    """The next event of a kind."""
    while True:
        event = await line(process)
        if event["kind"] == kind:
            return event


def interrupt(process: asyncio.subprocess.Process) -> None:
    """Ctrl-C."""
    process.send_signal(signal.SIGINT)
