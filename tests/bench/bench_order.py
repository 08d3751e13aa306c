"""What the order of checks is worth: the wait for a verdict, by cost alone and by what checks tell.

Run it with ``scripts/bench tests/bench/bench_order.py``.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from massgen_ls.core.candidate import CheckResult
from massgen_ls.core.coordination import RunCheck, Settle, next_steps
from massgen_ls.core.events import (
    AttemptEnded,
    AttemptStarted,
    CandidateCaptured,
    CheckFinished,
    RunSettled,
)
from massgen_ls.core.order import precedence
from massgen_ls.core.run_state import RunState, evolve, fold
from massgen_ls.core.tallies import CheckTally
from massgen_ls.core.task import AgentId, AgentSpec, CheckSpec, RunSpec, SeatId, Task
from massgen_ls.core.voting import Verdict
from massgen_ls.wiring import open_supervisor
from tests.bench.bench_choosing import at
from tests.bench.bench_runs import world_environ
from tests.bench.measure import QUICK, against, show
from tests.fakes.repositories import UserRepo
from tests.laws.histories import BASE, SNAPSHOT, candidate, spec, started

pytestmark = pytest.mark.bench

SEATS, CORES = 5, 2
RUNS = 20 if QUICK else 100
LOOKS = 100
"""On record of each check, where what it tells is known."""

# Seconds, and the share of candidates that it shuts out.
TEAMS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "the slow one tells": {"types": (20, 0.02), "tests": (30, 0.5)},
    "the quick one never does": {"lint": (2, 0.02), "tests": (6, 0.5)},
    "the quick one tells": {"lint": (1, 0.3), "tests": (60, 0.5)},
    "of three": {"lint": (1, 0.3), "types": (20, 0.05), "tests": (60, 0.5)},
    "a build before tests": {"build": (40, 0.5), "tests": (20, 0.02)},
}

Order = Callable[[RunState, RunCheck], object]


def judged(checks: Mapping[str, tuple[float, float]]) -> RunState:
    """A run whose base was judged while the agents, who have all ended, were at work."""
    run = replace(spec(SEATS, 0), checks=tuple(CheckSpec(name, ("x",)) for name in checks))
    state = replace(started(run), snapshot=SNAPSHOT)
    for name, (seconds, _) in checks.items():
        base = CheckResult(name, BASE, "passed", seconds=seconds)
        state = evolve(state, CheckFinished(base))
    for n in range(SEATS):
        seat = SeatId(f"a{n}")
        state = fold([AttemptStarted(seat, 1, "/w"), AttemptEnded(seat, 1, "done")], state)
        state = evolve(state, CandidateCaptured(candidate(seat, f"t{n}", n + 1)))
    return state


def wait(
    state: RunState, checks: Mapping[str, tuple[float, float]], fails: set[str], order: Order | None
) -> tuple[float, Verdict]:
    """Seconds until there is a verdict, by a clock of its own; None: first come, first served."""
    now, line, running = 0.0, list[RunCheck](), dict[RunCheck, float]()
    while True:
        steps = next_steps(state)
        for step in steps:
            if isinstance(step, Settle):
                return now, step.verdict
        wanted = sorted((s for s in steps if isinstance(s, RunCheck)), key=lambda s: at_first(s))
        running = {step: end for step, end in running.items() if step in wanted}
        line = [s for s in line if s in wanted]
        line += [s for s in wanted if s not in line and s not in running]
        if order is not None:
            line.sort(key=lambda s: order(state, s))  # type: ignore[arg-type, return-value]
        while line and len(running) < CORES:
            step = line.pop(0)
            running[step] = now + checks[step.check][0]
        step = min(running, key=lambda s: (running[s], repr(s)))
        now = running.pop(step)
        bad = f"{step.check} {step.tree}" in fails
        found = CheckResult(step.check, step.tree, "failed" if bad else "passed", ("f",) * bad)
        found = replace(found, seconds=checks[step.check][0])
        state = evolve(state, CheckFinished(found, step.repeat))


def at_first(step: RunCheck) -> tuple[bool, str]:
    return step.tree != BASE, repr(step)


def test_the_wait_for_a_verdict_where_cores_are_short() -> None:
    for name, checks in TEAMS.items():
        rng = random.Random(name)
        known = {c: CheckTally(c, LOOKS, round(LOOKS * p)) for c, (_, p) in checks.items()}
        orders: dict[str, Order | None] = {
            "as they come": None,
            "by cost": lambda state, step: precedence(state, step, {}),
            "by evidence": lambda state, step, known=known: precedence(state, step, known),
        }
        took: dict[str, list[float]] = {kind: [] for kind in orders}
        for _ in range(RUNS):
            fails = {
                f"{check} t{n}"
                for check, (_, share) in checks.items()
                for n in range(SEATS)
                if rng.random() < share
            }
            verdicts: set[str] = set()
            for kind, order in orders.items():
                seconds, verdict = wait(judged(checks), checks, fails, order)
                took[kind].append(seconds)
                verdicts.add(f"{verdict.outcome} {verdict.winner}")
            assert len(verdicts) == 1
        mean = {kind: statistics.mean(each) for kind, each in took.items()}
        first, cost, evidence = (mean[kind] for kind in orders)
        show(
            f"{name}: as they come {first:.1f} s; by cost {cost / first:.2f}, "
            f"by evidence {evidence / first:.2f} of it ({evidence / cost:.2f} of by cost)"
        )


async def test_a_run_that_knows_the_checks_and_one_that_does_not(tmp_path: Path) -> None:
    """Real runs: a check that never tells and a slower one that shuts out three of five."""
    base = tmp_path.resolve()
    for folder in ("home", "repo"):
        (base / folder).mkdir()
    repo = UserRepo(base / "repo", base / "home")
    repo.git("init", "-q")
    repo.write("m.txt", "0\n")
    repo.git("add", "-A")
    repo.git("commit", "-qm", "all")
    checks = (
        CheckSpec("types", ("sh", "-c", "sleep 1.5")),
        CheckSpec("tests", ("sh", "-c", "sleep 2; ! grep -q bad m.txt")),
    )
    waits: list[float] = []
    async with open_supervisor(world_environ(base, repo, "order")) as supervisor:
        for number in range(3):
            agents = tuple(
                AgentSpec(
                    AgentId(f"a{n}"),
                    "command",
                    {"argv": ["sh", "-c", f"sleep 4; echo {'bad' * (n > 1)} {number} {n} > m.txt"]},
                )
                for n in range(SEATS)
            )
            run = await supervisor.start(RunSpec(Task("measure"), agents, checks), str(repo.top))
            state = await supervisor.wait(run)
            assert state.verdict is not None
            assert state.verdict.winner == "a0.1"
            history = list(await supervisor.history(run))
            waits.append(at(history, RunSettled)[0] - max(at(history, AttemptEnded)))
    note = f"{waits[0]:.1f} s, then {', '.join(f'{each:.1f}' for each in waits[1:])} s"
    against("wait where checks are known to not", min(waits[1:]), waits[0], "s", note)
