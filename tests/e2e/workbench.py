"""The real VS Code workbench (code-server) with our packaged extension, for tests."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.recorder import wrapped
from tests.e2e.world import ROOT, World

HERE = ROOT / "tests" / "e2e" / "vscode"
EXTENSION = ROOT / "editors" / "vscode"
PATIENCE = 400.0
"""Seconds for a whole scenario on a slow machine."""


def missing(why: str) -> None:
    """No workbench here: skipped with the reason, but a failure where everything has to run."""
    if os.environ.get("CI"):
        pytest.fail(f"the VS Code tests cannot run: {why}")
    pytest.skip(f"no VS Code workbench: {why}")


def chromium() -> str:
    """A Chromium of the system."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        missing("there is no chromium (apt install chromium)")
    assert found is not None
    return found


def code_server() -> str:
    """The built code-server's entry; built now if need be."""
    done = subprocess.run(
        [str(ROOT / "scripts" / "vscode")], capture_output=True, text=True, timeout=900, check=False
    )
    if done.returncode != 0:
        missing(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "scripts/vscode")
    return done.stdout.strip().splitlines()[-1]


def packaged() -> Path:
    """The extension as it is shipped: a VSIX with the server in it, made of the sources."""
    if shutil.which("npm") is None:
        missing("there is no npm")
    npm = ["npm", "--loglevel=error"]
    lock = EXTENSION / "node_modules" / ".package-lock.json"
    wanted = EXTENSION / "package-lock.json"
    if not lock.exists() or lock.stat().st_mtime < wanted.stat().st_mtime:
        install = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        _run(install)
        lock.touch()
    _run([*npm, "run", "package"])
    return EXTENSION / "dist" / "massgen-ls.vsix"


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, cwd=EXTENSION, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"


@dataclass
class Workbench:
    """A code-server for one folder, and what a browser and the driver do there."""

    world: World
    entry: str
    vsix: Path
    chromium: str
    out: Path

    async def play(
        self, scenario: str, scene: str = "watch", **settings: Any
    ) -> tuple[dict[str, Any], str]:
        """One scenario from an empty window to its end: (the driver's report, complaints)."""
        report = self.out / f"{scenario or scene}.json"
        report.unlink(missing_ok=True)
        async with self._serving(scenario, report, settings) as url:
            script = str(HERE / "workbench.mjs")
            process = await asyncio.create_subprocess_exec(
                *("node", script, url, str(report), str(self.out), scene),
                env={
                    **os.environ,
                    "CHROMIUM": self.chromium,
                    "MASSGEN_TEST_SETTINGS": str(self._top(scenario) / "data"),
                },
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            try:
                async with asyncio.timeout(PATIENCE):
                    said, _ = await process.communicate()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        told = json.loads(report.read_text()) if report.exists() else {}
        words = said.decode(errors="replace")
        assert process.returncode == 0, f"{words}\n{json.dumps(told, indent=1)[-4000:]}"
        return told, words

    def logs(self, scenario: str) -> Path:
        """Where VS Code keeps its logs, and those of output channels."""
        return self._top(scenario) / "data" / "logs"

    def _top(self, scenario: str) -> Path:
        """Where code-server keeps what is its own."""
        return self.world.top / f"code-{scenario}"

    @asynccontextmanager
    async def _serving(
        self, scenario: str, report: Path, settings: dict[str, Any]
    ) -> AsyncIterator[str]:
        top = self._top(scenario)
        extensions = top / "extensions"
        top.mkdir()
        self._unpack(extensions, scenario)
        text = json.dumps(
            {
                "massgen.server.interpreter": wrapped(sys.executable, "vscode", top),
                "security.workspace.trust.enabled": False,
                "remote.autoForwardPorts": False,
                "remote.autoForwardPortsSource": "output",  # else it looks for ports all the time
                "workbench.startupEditor": "none",
                "telemetry.telemetryLevel": "off",
                "extensions.ignoreRecommendations": True,
                "workbench.tips.enabled": False,
                "git.enabled": False,
                "files.autoSave": "off",
                "chat.commandCenter.enabled": False,
                **settings,
            }
        )
        for place in ("User", "Machine"):  # what names programs counts from the machine's alone
            folder = top / "data" / place
            folder.mkdir(parents=True)
            (folder / "settings.json").write_text(text)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        arguments = {
            "--auth": "none",
            "--bind-addr": f"127.0.0.1:{port}",
            "--user-data-dir": str(top / "data"),
            "--extensions-dir": str(extensions),
            "--config": str(top / "config.yaml"),
            "--session-socket": str(top / "session.sock"),
        }
        switches = [
            "--disable-telemetry",
            "--disable-update-check",
            "--disable-getting-started-override",
        ]
        environment = {
            **self.world.env,
            "MASSGEN_TEST_SCENARIO": scenario,
            "MASSGEN_TEST_REPORT": str(report),
        }
        pairs = [part for pair in arguments.items() for part in pair]
        with (self.out / "code-server.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *("node", self.entry, *pairs, *switches, str(self.world.repo)),
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            try:
                await _answering(port)
                yield f"http://127.0.0.1:{port}/?folder={self.world.repo}"
            finally:
                process.terminate()
                await process.wait()

    def _unpack(self, extensions: Path, scenario: str) -> None:
        with zipfile.ZipFile(self.vsix) as archive:
            inside = [n for n in archive.namelist() if n.startswith("extension/")]
            archive.extractall(extensions / "unpacked", inside)
        ours = extensions / "massgen-ls.massgen-ls-0.1.0"
        (extensions / "unpacked" / "extension").rename(ours)
        (extensions / "unpacked").rmdir()
        shutil.copytree(HERE / "driver", extensions / "massgen-ls-tests.driver-0.0.1")
        if scenario == "install":
            shutil.copytree(HERE / "python", extensions / "ms-python.python-0.0.1")


async def _answering(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
