"""The offline team at work on the sample: real tools, real checks, one of them too daring."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from massgen_ls.adapters.agents.command.driver import CommandDriver
from massgen_ls.adapters.checks.command import CommandChecker
from massgen_ls.adapters.checks.detect import detect
from massgen_ls.adapters.host.process import HostProcesses
from massgen_ls.config import load
from massgen_ls.core.candidate import CheckResult, Evidence
from massgen_ls.core.evidence import weigh
from massgen_ls.core.task import AgentSpec, CheckSpec, RunId, Scope, SeatId, Task
from massgen_ls.ports import Brief, Ended, Place, Said
from massgen_ls.testing.sample import CHECKS, Sample, make_sample


def hear(said: Said) -> None:
    """Takes live output, which no test here looks at."""


@dataclass(frozen=True, slots=True)
class Bench:
    """The sample, and who works on copies of it."""

    sample: Sample
    places: Path
    environ: dict[str, str]

    def copy(self, name: str) -> Path:
        """A worktree of the sample as the editor shows it."""
        folder = self.places / name
        shutil.copytree(self.sample.folder, folder, ignore=shutil.ignore_patterns(".git"))
        buffer = self.sample.buffer.relative_to(self.sample.folder)
        (folder / buffer).write_text(self.sample.buffer_text)
        return folder

    def place(self, folder: Path) -> Place:
        home = folder.with_name(f"{folder.name}-home")
        home.mkdir(exist_ok=True)
        return Place(str(folder), str(folder), str(home), RunId("r"), timeout=60)

    async def attempt(self, agent: AgentSpec, folder: Path, scope: Scope | None = None) -> Ended:
        driver = CommandDriver(HostProcesses(), self.environ, sys.executable)
        task = Task(self.sample.prompt, scope or Scope())
        brief = Brief(task, SeatId(agent.id), 1, task.prompt)
        ended = [
            news
            async for news in driver.attempt(agent, brief, self.place(folder))
            if isinstance(news, Ended)
        ]
        return ended[-1]

    async def check(self, check: CheckSpec, folder: Path) -> CheckResult:
        checker = CommandChecker(HostProcesses(), self.environ, sys.executable)
        return await checker.run(check, folder.name, self.place(folder), hear)


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    (tmp_path / "home").mkdir()
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    sample = await make_sample(tmp_path / "billing", HostProcesses(), environ)
    return Bench(sample, tmp_path / "places", environ)


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git/" not in path.as_posix()
    }


async def test_the_daring_one_breaks_tests_and_the_others_do_not(bench: Bench) -> None:
    base = bench.copy("base")
    before = contents(base)
    agents = load(bench.sample.folder).agents
    assert [agent.id for agent in agents] == ["tidy", "bold", "prune"]
    told: dict[str, dict[str, Evidence]] = {}
    made: dict[str, dict[str, str]] = {}
    of_base = {check.name: await bench.check(check, base) for check in CHECKS}
    for agent in agents:
        folder = bench.copy(agent.id)
        ended = await bench.attempt(agent, folder)
        assert (ended.outcome, ended.reason) == ("done", ""), agent.id
        made[agent.id] = contents(folder)
        assert made[agent.id].keys() == before.keys(), "no tool leaves a file behind"
        told[agent.id] = {
            check.name: weigh(check.name, [of_base[check.name]], [await bench.check(check, folder)])
            for check in CHECKS
        }
    assert of_base["tests"].outcome == "passed"
    assert of_base["lint"].outcome == "failed"

    assert told["bold"]["tests"].new_failures == tuple(
        f"{test} (tests.test_store.StoreTest.{test})"
        for test in (
            "test_finds_what_is_late",
            "test_finds_what_is_paid",
            "test_finds_what_nobody_has_paid",
        )
    )
    for careful in ("tidy", "prune"):
        assert told[careful]["tests"].clears, careful
        assert told[careful]["lint"].clears, careful
    mended = {name: len(evidence["lint"].fixed) for name, evidence in told.items()}
    assert mended["bold"] > mended["tidy"] > mended["prune"] > 10

    assert len({tuple(files.items()) for files in [before, *made.values()]}) == 4
    # Each sees what was never saved: the buffer's unused import is gone from every result.
    store = "billing/store.py"
    assert "import logging" in before[store]
    assert not [name for name, files in made.items() if "import logging" in files[store]]
    assert all("def owed" in files[store] for files in made.values())


async def test_a_scope_of_one_file_changes_that_file_alone(bench: Bench) -> None:
    for agent in load(bench.sample.folder).agents:
        folder = bench.copy(f"one-{agent.id}")
        before = contents(folder)
        ended = await bench.attempt(agent, folder, Scope("billing/money.py"))
        assert ended.outcome == "done"
        after = contents(folder)
        assert [name for name in after if after[name] != before[name]] == ["billing/money.py"]


def git(sample: Sample, *arguments: str) -> str:
    environ = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C"}
    return subprocess.run(
        ["git", *arguments], cwd=sample.folder, env=environ, capture_output=True, text=True,
        check=True,
    ).stdout  # fmt: skip


async def test_the_sample_has_history_and_unfinished_work(bench: Bench) -> None:
    assert len(git(bench.sample, "log", "--format=%s").split("\n")) == 3
    assert git(bench.sample, "status", "--porcelain").split("\n")[:-1] == [
        " M billing/report.py",
        "?? billing/reminders.py",
    ]
    assert bench.sample.buffer.read_text() != bench.sample.buffer_text


async def test_the_sample_configures_its_own_checks(bench: Bench) -> None:
    assert load(bench.sample.folder).checks == CHECKS
    assert {item.check.name for item in detect(bench.sample.folder)} == {"unittest", "ruff"}


async def test_a_folder_that_is_not_empty_is_refused(bench: Bench) -> None:
    with pytest.raises(FileExistsError):
        await make_sample(bench.sample.folder, HostProcesses(), bench.environ)
