"""What choosing costs: normal forms of many large candidates, the rules, whole selections.

Run it with ``scripts/bench tests/bench/bench_choosing.py``.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from massgen_ls.adapters.host.clock import SystemClock
from massgen_ls.adapters.host.process import HostProcesses
from massgen_ls.adapters.languages.trees import TreeSitter
from massgen_ls.adapters.store.sqlite import SqliteStore
from massgen_ls.core.candidate import CheckResult
from massgen_ls.core.changes import ChangeSet, FileChange, RelPath, rel_path
from massgen_ls.core.coordination import CrossTest, RunCheck, Settle, next_steps
from massgen_ls.core.events import (
    AttemptEnded,
    AttemptStarted,
    CandidateCaptured,
    CheckFinished,
    CrossTested,
    Envelope,
    Event,
    RunSettled,
    RunStarted,
    SnapshotTaken,
)
from massgen_ls.core.faults import Faults
from massgen_ls.core.normal import Normaliser
from massgen_ls.core.run_state import evolve, fold
from massgen_ls.core.task import (
    AgentId,
    AgentSpec,
    CandidateId,
    CheckSpec,
    RunId,
    RunSpec,
    SeatId,
    Task,
)
from massgen_ls.core.voting import Verdict
from massgen_ls.engine.archive import Archive
from massgen_ls.ports import Command
from massgen_ls.wiring import open_supervisor
from tests.bench.bench_runs import world_environ
from tests.bench.measure import QUICK, against, show
from tests.fakes.repositories import UserRepo
from tests.laws.histories import SNAPSHOT, candidate

if TYPE_CHECKING:
    from massgen_ls.engine.world import World

pytestmark = pytest.mark.bench

CANDIDATES = 16
CHANGED = 2_000
"""Lines of each: half of them removed, half of them added."""
LARGE = 5_000
"""Lines of a file that is changed in one place."""


def source(seed: int, lines: int) -> bytes:
    rng = random.Random(seed)
    block = "def f{n}(self, a: int, *rest: str) -> list[int]:\n    # of the line\n    x = a + {k}\n"
    block += '    if x > self.limit[{k}] and rest:\n        raise ValueError(f"{{x}} is too {k}")\n'
    text = "".join(block.format(n=n, k=rng.randint(0, 10**6)) for n in range(lines // 5))
    return text.encode()


def script(seed: int, lines: int) -> bytes:
    rng = random.Random(seed)
    block = "export function f{n}(a: number, ...rest: string[]): number[] {{\n  // of the line\n"
    block += "  const x = a + {k};\n  if (x > limit[{k}] && rest.length) {{\n"
    block += "    throw new Error(`${{x}} is too {k}`);\n  }}\n  return [x];\n}}\n"
    text = "".join(block.format(n=n, k=rng.randint(0, 10**6)) for n in range(lines // 8))
    return text.encode()


def test_sixteen_candidates_of_two_thousand_changed_lines() -> None:
    anew = {str(n): source(n, CHANGED // 2) for n in range(CANDIDATES + 1)}
    scripts = {str(n): script(n, CHANGED // 2) for n in range(CANDIDATES + 1)}
    large, edit = source(0, LARGE), source(1, 20)
    near = {str(n): large + edit * n for n in range(CANDIDATES + 1)}
    trees = TreeSitter()
    assert len(trees("typescript", scripts["0"]) or ()) > CHANGED, "the grammar is here"
    for name, suffix, contents in (
        ("16 × 2,000 changed lines", "py", anew),
        ("16 × 2,000 changed lines", "c", anew),
        ("16 × 2,000 changed lines", "ts", scripts),
        ("16 small changes of 5,000 lines", "py", near),
    ):
        path = rel_path(f"a.{suffix}")
        took: list[float] = []
        for _ in range(5):
            # Nothing but computing: this process's time, whoever else is at work on the machine.
            began = time.process_time()
            known = Normaliser(trees), Faults()
            digests = {digest(*known, path, contents, n) for n in range(1, CANDIDATES + 1)}
            took.append((time.process_time() - began) * 1000)
            assert len(digests) == CANDIDATES
        against(f"normal forms, {name}, .{suffix}", min(took), 300.0)


def digest(
    normaliser: Normaliser, faults: Faults, path: RelPath, contents: dict[str, bytes], number: int
) -> str:
    change = FileChange("modify", path, None, "0", str(number), "file", "file", 1, 1)
    changes = ChangeSet.of([change])
    for wanted, oid in normaliser.missing(changes):
        faults.add(wanted, oid, contents[oid], good=normaliser.add(wanted, oid, contents[oid]))
    assert faults.of(changes) == ()
    return normaliser.digest(changes)


# ── the rules ───────────────────────────────────────────────────────────────────────────────────

TESTS = 2_000
"""Of the suite, each by its name."""
OLD = tuple(f"tests.test_mod{n // 40}.TestMod::test_number_{n}" for n in range(TESTS))
NEW = tuple(f"test_f::test_{n}" for n in range(3))


def judged(step: RunCheck | CrossTest) -> Event:
    """What comes of a step: everything passes, and one of an author's tests fails elsewhere."""
    match step:
        case RunCheck(check=check, tree=tree):
            return CheckFinished(CheckResult(check, tree, "passed", passed=(*OLD, *NEW)))
        case CrossTest(author=author, onto=onto, repeat=repeat):
            fails = NEW if onto == SNAPSHOT.tree else NEW[: len(onto) % 3]
            passed = tuple(name for name in NEW if name not in fails)
            found = CheckResult("tests", onto, "failed" if fails else "passed", fails)
            return CrossTested(author, onto, replace(found, passed=passed), repeat)


def test_the_rules_look_at_sixteen_seats_after_every_event() -> None:
    agents = tuple(AgentSpec(AgentId(f"a{n}"), "command") for n in range(CANDIDATES))
    checks = (CheckSpec("tests", ("pytest",)), CheckSpec("lint", ("ruff",)))
    state = fold(
        [
            RunStarted(RunSpec(Task("measure"), agents, checks), "/", "1:1"),
            SnapshotTaken(SNAPSHOT, 0.0),
        ]
    )
    for n, agent in enumerate(agents):
        seat = SeatId(str(agent.id))
        state = fold([AttemptStarted(seat, 1, "/w"), AttemptEnded(seat, 1, "done")], state)
        made = candidate(seat, f"t{n}", n + 1, tests=True)
        state = evolve(state, CandidateCaptured(made))
    looks: list[float] = []
    while True:
        began = time.perf_counter()
        steps = next_steps(state)
        looks.append((time.perf_counter() - began) * 1000)
        work = sorted((s for s in steps if isinstance(s, RunCheck | CrossTest)), key=repr)
        if not work:
            break
        state = evolve(state, judged(work[0]))
    assert any(isinstance(step, Settle) for step in steps)
    first = [run for run in state.crossed if not run.repeat]
    assert len(first) == 5 * CANDIDATES, "five authors, on the base and all others"
    name = f"rules, 16 seats, {TESTS:,} tests"
    show(f"{f'{name}: all {len(looks)} looks':<46}{sum(looks):9.1f} ms")
    against(f"{name}: the longest", max(looks), 50.0)


RUNS = 200
"""On record, of five agents each, and of a suite whose names are not read for this."""


async def test_the_order_of_a_team_by_its_records(tmp_path: Path) -> None:
    agents = tuple(AgentSpec(AgentId(f"a{n}"), "command") for n in range(5))
    spec = RunSpec(Task("measure"), agents, (CheckSpec("tests", ("pytest",)),))
    events: list[Event] = [RunStarted(spec, "/repo", "1:1"), SnapshotTaken(SNAPSHOT, 0.0)]
    for n, agent in enumerate(agents):
        seat = SeatId(str(agent.id))
        events += [AttemptStarted(seat, 1, "/w"), AttemptEnded(seat, 1, "done")]
        events.append(CandidateCaptured(candidate(seat, f"t{n}", n + 1)))
        events.append(CheckFinished(CheckResult("tests", f"t{n}", "passed", passed=OLD)))
    events.append(RunSettled(Verdict("won", CandidateId("a0.1"), "why")))
    async with SqliteStore(tmp_path / "runs", SystemClock()) as store:
        for n in range(RUNS):
            await store.append(RunId(f"r{n:03}"), events)
        archive = Archive(cast("World", SimpleNamespace(store=store)), lambda _: None)
        took: list[float] = []
        for _ in range(3):
            began = time.process_time()
            assert [record.wins for record in await archive.records("/repo")][:2] == [RUNS, 0]
            took.append((time.process_time() - began) * 1000)
    against(f"agents: auto, {RUNS} runs on record", min(took), 300.0)


# ── whole selections ────────────────────────────────────────────────────────────────────────────

SUITE = 1.0 if QUICK else 4.0
"""Seconds of the suite's own, beside what starting it costs."""
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")


def editing(number: int) -> AgentSpec:
    """An agent that makes a change of its own, at once."""
    script = f"echo 'CHANGED = {number}' >> m.py"
    return AgentSpec(AgentId(f"a{number}"), "command", {"argv": ["sh", "-c", script]})


def at(history: Sequence[Envelope], kind: type) -> list[float]:
    return [envelope.time for envelope in history if isinstance(envelope.event, kind)]


async def by_hand(repo: UserRepo) -> float:
    """Seconds of the suite, started by itself."""
    began = time.perf_counter()
    await HostProcesses().run(Command(PYTEST, str(repo.top), repo.environ))
    return time.perf_counter() - began


async def test_selection_over_five_candidates(tmp_path: Path) -> None:
    base = tmp_path.resolve()
    repo = UserRepo(base / "repo", base / "home")
    (base / "home").mkdir()
    (base / "repo").mkdir()
    repo.git("init", "-q")
    repo.write("m.py", "LIMIT = 3\n")
    for n in range(4):
        wait = f"import time\n\ndef test_{n}():\n    time.sleep({SUITE / 4})\n"
        repo.write(f"test_m{n}.py", wait)
    repo.git("add", "-A")
    repo.git("commit", "-qm", "all")
    suite = statistics.median([await by_hand(repo) for _ in range(3)])
    workers, agents = os.cpu_count() or 1, tuple(map(editing, range(5)))
    order = RunSpec(Task("measure"), agents, (CheckSpec("tests", PYTEST),))
    async with open_supervisor(world_environ(base, repo, "choosing")) as supervisor:
        for known in (False, True):
            run = await supervisor.start(order, str(repo.top))
            state = await supervisor.wait(run)
            assert state.verdict is not None
            assert state.verdict.outcome == "won", state.verdict
            assert len({c.tree for c in state.candidates}) == len(agents)
            history = list(await supervisor.history(run))
            ended = at(history, RunSettled)[0]
            if known:
                took = (ended - max(at(history, AttemptEnded))) * 1000
                against("the same again, after the last agent", took, 200.0)
            else:
                goal = 1.3 * suite * (len(agents) + 1) / workers + 1
                took = ended - at(history, SnapshotTaken)[0]
                note = f"the suite by hand: {suite:.1f} s; {workers} at once"
                against("selection of 5, agents included", took, goal, "s", note)
            await asyncio.sleep(1.5)  # worktrees are made ready for the next run
