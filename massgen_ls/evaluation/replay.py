"""Replays a recorded case: each candidate is an agent that applies its patch, the rest is real."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from massgen_ls.core.ballots import author
from massgen_ls.core.coordination import verdict
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.evaluation import CaseResult, Trial
from massgen_ls.core.run_state import RunState
from massgen_ls.core.scoring import scorecards
from massgen_ls.core.task import AgentId, AgentSpec, Rules, RunSpec, Task, VotingRule
from massgen_ls.core.voting import Verdict
from massgen_ls.engine.supervisor import Supervisor
from massgen_ls.evaluation.cases import BadCaseError, Case, Recorded
from massgen_ls.evaluation.repositories import Repositories

WITHOUT_CROSS_TESTS = "evidence-only without cross-tests"

OpenSupervisor = Callable[[Mapping[str, str]], AbstractAsyncContextManager[Supervisor]]


@dataclass(frozen=True, slots=True)
class Support:
    """What speaks for a choice, beside its having passed the gates."""

    mends: int
    """Failures of the base that it mends."""
    shares: bool
    """Whether it passes tests that others brought, too, and that some fail."""
    agents: int
    """How many arrived at it."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of one case."""

    results: Mapping[str, CaseResult]
    """By way of choosing; they differ in ``chosen`` alone."""
    verdicts: Mapping[str, Verdict]
    notes: tuple[str, ...]
    """What to know about its candidates and checks, for people."""
    seconds: float
    """From the task to the first verdict."""
    checks: int
    """Runs of checks, cross-tests and the base's tests until then."""
    support: Support | None
    """Of the first way's choice; None without one."""


class Replay:
    """Replays cases, each in a world of its own that is gone afterwards.

    Args:
        repositories: Makes checkouts.
        supervisor: Opens the engine in an environment.
        environ: The user's environment; where records and worktrees are kept is replaced.
        rules: How a run is decided.
        ways: Names of voting rules, the first of which is run; others with it where judges are
            asked, else they are decided on what the first run measured.
    """

    def __init__(
        self,
        repositories: Repositories,
        supervisor: OpenSupervisor,
        environ: Mapping[str, str],
        rules: Rules,
        ways: Sequence[VotingRule],
    ) -> None:
        self._repositories = repositories
        self._supervisor = supervisor
        self._environ = environ
        self._rules = rules
        self._ways = ways

    async def case(self, case: Case, top: Path) -> Replayed:
        """Replays one case.

        Args:
            case: It.
            top: A folder that does not exist yet; it is removed at the end.

        Raises:
            BadCaseError: It cannot be measured; the message says why.
        """
        try:
            top.mkdir(parents=True)
            return await self._replayed(case, top)
        except MassgenError as error:
            raise BadCaseError(str(error)) from error
        finally:
            await asyncio.to_thread(shutil.rmtree, top, ignore_errors=True)

    async def _replayed(self, case: Case, top: Path) -> Replayed:
        commit = await self._repositories.commit(case.repo, case.base)
        work = top / "work"
        await self._repositories.checkout(case.repo, commit, work)
        seats = _seats([candidate.name for candidate in case.candidates])
        agents = [
            await self._agent(recorded, seat, work, top)
            for recorded, seat in zip(case.candidates, seats, strict=True)
        ]
        environ = {
            **self._environ,
            "MASSGEN_LS_CACHE": str(top / "cache"),
            "MASSGEN_LS_STATE": str(top / "state"),
        }
        spec = RunSpec(Task(case.prompt), tuple(agents), case.checks, self._rules)
        verdicts: dict[str, Verdict] = {}
        async with self._supervisor(environ) as supervisor:
            started = time.monotonic()
            state = await _run(supervisor, _by(spec, self._ways[0]), work)
            seconds = time.monotonic() - started
            verdicts[self._ways[0]] = _settled(state)
            for way in self._ways[1:]:
                again = self._rules.voting.judges and way != "evidence-only"
                verdicts[way] = (
                    _settled(await _run(supervisor, _by(spec, way), work))
                    if again
                    else _decided(state, way)
                )
        verdicts[WITHOUT_CROSS_TESTS] = _decided(
            replace(state, crossed=(), base_tested=()), "evidence-only"
        )
        names = dict(zip(seats, (c.name for c in case.candidates), strict=True))
        choices = {names[c.seat]: c.essence for c in state.candidates if c.id in state.finished}
        trials = tuple(Trial(c.name, c.resolved, choices.get(c.name, "")) for c in case.candidates)
        results = {
            way: CaseResult(case.id, trials, _chosen(found, names))
            for way, found in verdicts.items()
        }
        notes = tuple(_notes(state, names))
        support = _support(state, verdicts[self._ways[0]])
        return Replayed(results, verdicts, notes, seconds, _runs(state), support)

    async def _agent(self, recorded: Recorded, seat: str, work: Path, top: Path) -> AgentSpec:
        """An agent that applies a patch, from a place that its sandbox lets it see."""
        patch = top / f"{seat}.patch"
        try:
            await asyncio.to_thread(shutil.copyfile, recorded.patch, patch)
            words = ("git", "apply", *await self._repositories.fitting(work, patch), str(patch))
            if not (await asyncio.to_thread(patch.read_bytes)).strip():
                words = ("true",)  # an agent that has done nothing, which is no failure of git's
        except OSError:
            words = ("cat", str(recorded.patch))  # it fails, and says why
        argv = [word.replace("{", "{{").replace("}", "}}") for word in words]
        return AgentSpec(AgentId(seat), "command", {"argv": [*argv], "stdin": "none"})


async def _run(supervisor: Supervisor, spec: RunSpec, folder: Path) -> RunState:
    return await supervisor.wait(await supervisor.start(spec, str(folder)))


def _by(spec: RunSpec, way: VotingRule) -> RunSpec:
    rules = replace(spec.rules, voting=replace(spec.rules.voting, rule=way))
    return replace(spec, rules=rules)


def _settled(state: RunState) -> Verdict:
    if state.verdict is None or state.failure:
        raise BadCaseError(state.failure or "the run was cut off")
    return state.verdict


def _decided(state: RunState, way: VotingRule) -> Verdict:
    """The verdict of another way on what was measured."""
    assert state.spec is not None, "a run that has begun has a spec"
    return verdict(replace(state, spec=_by(state.spec, way)))


def _seats(names: Sequence[str]) -> list[str]:
    """A seat for each candidate: its name where that can stand in a git ref, else a number."""
    found: list[str] = []
    for number, name in enumerate(names, 1):
        plain = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}", name) is not None
        taken = name.lower() in (seat.lower() for seat in found)
        found.append(name if plain and not taken else f"candidate.{number}")
    return found


def _chosen(found: Verdict, names: Mapping[str, str]) -> str | None:
    if found.winner is None:
        return None
    seat = author(found.winner)
    if seat not in names:
        raise BadCaseError(f"{found.winner} was chosen, of which nobody knows whether it is right")
    return names[seat]


def _support(state: RunState, found: Verdict) -> Support | None:
    for card in scorecards(state):
        if found.winner in card.cluster.members:
            return Support(card.fixed, card.cross.shared > 0, len(card.cluster.members))
    return None


def _notes(state: RunState, names: Mapping[str, str]) -> Iterator[str]:
    for seat in state.seats:
        if not any(c.seat == seat.seat and c.id in state.finished for c in state.candidates):
            made = f"made no candidate: {seat.reason}"
            what = "changes nothing" if seat.outcome == "done" else made
            yield " ".join(f"{names[seat.seat]} {what}".split())
    seen = {notice.text for notice in state.notices if notice.level != "info"}
    yield from sorted(seen)
    for candidate in state.candidates:
        for fault in candidate.faults if candidate.seat in names else ():
            yield f"{names[candidate.seat]}: {fault}"
    said = {e.note for card in scorecards(state) for e in card.evidence if e.note}
    yield from sorted(said)


def _runs(state: RunState) -> int:
    results = [event.result for event in (*state.checked, *state.crossed, *state.base_tested)]
    return sum(not result.cached for result in results)
