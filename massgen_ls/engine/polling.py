"""A question to a judge: told without names, asked of an agent, answered by a ballot or not at all.

A judge works in a worktree of the base, with none of our tools and with leave to read, and what it
leaves there is thrown away. Whatever goes wrong with it is a ballot less, never more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace

from massgen_ls.core import blinding
from massgen_ls.core.ballots import CRITERIA, FULL
from massgen_ls.core.blinding import Blind
from massgen_ls.core.budget import Usage
from massgen_ls.core.candidate import Candidate, Evidence, Scorecard, Snapshot
from massgen_ls.core.conversation import shorten
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.events import BallotCast, BallotMissed, Delta, Event, JudgingUsed
from massgen_ls.core.failures import next_try
from massgen_ls.core.permissions import Action, Decision
from massgen_ls.core.polls import AskJudge, judging_agent
from massgen_ls.core.run_state import RunState
from massgen_ls.core.scoring import scorecards
from massgen_ls.core.task import AgentSpec, CandidateId, RunId, RunSpec, WorktreeRules
from massgen_ls.core.wording import counted
from massgen_ls.engine import prompts
from massgen_ls.engine.seat import fence
from massgen_ls.engine.world import World
from massgen_ls.ports import Brief, Ended, Place, Said, Used

_log = logging.getLogger(__name__)

AT_ONCE = 4
"""Judges that are asked at the same time."""
_ASKED = 3
"""How often a judge is asked the same thing when its answers cannot be used."""
_GRACE = 10.0
"""Seconds beyond its time limit, or half of that, after which a driver is cut off that does not
keep to it."""
_DIFF = 40_000
"""Characters of each diff that a judge is shown."""
_SUMMARY = 4_000
_TASK = 8_000

Emit = Callable[..., Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Question:
    """What one judge is asked, in words."""

    text: str
    schema: Mapping[str, blinding.Json]
    names: dict[CandidateId, str]
    """In the order in which they are shown."""


def worded(
    run: RunId, state: RunState, step: AskJudge, patches: Mapping[CandidateId, str]
) -> Question:
    """The question of a step.

    Args:
        run: The run.
        state: Its state, in which the step was named.
        step: Who is asked about what.
        patches: The unified diffs of what is shown.
    """
    spec = state.spec
    assert spec is not None, "a run that has not begun asks nobody"
    shown = [c for c in map(state.candidate, step.shown) if c is not None]
    salt = "\0".join((run, step.judge, *(f"{c.id} {c.commit}" for c in shown)))
    names = blinding.aliases(step.shown, salt)
    base = [blinding.of_base(patch) for patch in patches.values()]
    blind = Blind.of(
        [*(str(agent.id) for agent in (*spec.agents, *spec.rules.voting.judges))],
        [spec.task.prompt, *base],
    )
    task = shorten(blinding.clean(spec.task.prompt), _TASK)
    summaries = {c.id: blind.text(shorten(c.summary, _SUMMARY)) or "(nothing)" for c in shown}
    diffs = {c.id: shorten(blind.diff(patches[c.id]), _DIFF) for c in shown}
    mark = f"====={blinding.fence(salt, (task, *summaries.values(), *diffs.values()))}"
    cards = {m: card for card in scorecards(state) for m in card.cluster.members}
    told = [
        prompts.CANDIDATE.format(
            name=names[c.id],
            measured=_measured(c, cards.get(c.id)),
            fence=mark,
            summary=summaries[c.id],
            diff=diffs[c.id],
        )
        for c in shown
    ]
    text = prompts.QUESTION.format(
        fence=mark,
        task=task,
        candidates="\n\n".join(told),
        names=" and ".join(names.values()),
        full=FULL,
        criteria="\n".join(f"- `{name}`: it {meaning}" for name, meaning in CRITERIA.items()),
        neither=blinding.NEITHER,
    )
    return Question(text, blinding.schema(list(names.values())), names)


def _measured(candidate: Candidate, card: Scorecard | None) -> str:
    """What we have measured: numbers and names of checks, nothing that an agent can word."""
    files = counted(len(candidate.changes.files), "file")
    lines = [f"- changes {counted(candidate.changes.size, 'line')} in {files}"]
    lines += [f"- check {e.check}: {_result(e)}" for e in (card.evidence if card else ())]
    return "\n".join(lines)


def _result(evidence: Evidence) -> str:
    if not evidence.measured:
        return "says nothing here"
    mended = counted(len(evidence.fixed), "failure")
    return f"nothing new fails; it mends {mended} of the project as it was"


class Polling:
    """Asks the judges of one run.

    Args:
        world: The ports.
        run: The run.
        view: Its state as it is now.
        emit: Stores events.
        say: Hears live noise.
    """

    def __init__(
        self,
        world: World,
        run: RunId,
        view: Callable[[], RunState],
        emit: Emit,
        say: Callable[[Delta], None],
    ) -> None:
        self._world = world
        self._run = run
        self._view = view
        self._emit = emit
        self._say = say
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def ask(self, step: AskJudge) -> None:
        """Asks, and records the ballot or why there is none. Cancelling records nothing."""
        async with self._turns:
            epoch = self._view().epoch
            try:
                found = await self._asked(step)
            except MassgenError as error:
                found = BallotMissed(step.judge, epoch, step.shown, str(error))
            except Exception as error:  # noqa: BLE001 - a bug in one judge is not the run's end
                _log.exception("judge %s of run %s", step.judge, self._run)
                reason = f"internal error: {type(error).__name__}: {error}"
                found = BallotMissed(step.judge, epoch, step.shown, reason)
            await self._emit(found)

    async def _asked(self, step: AskJudge) -> Event:
        state = self._view()
        spec, snapshot = state.spec, state.snapshot
        agent = judging_agent(state, step.judge)
        assert spec is not None
        assert snapshot is not None, "nothing is compared before there is a base"
        assert agent is not None, "a step names a judge that there is"
        patches = {
            c.id: await self._world.objects.patch(snapshot, c.tree)
            for c in map(state.candidate, step.shown)
            if c is not None
        }
        question = worded(self._run, state, step, patches)
        limit = spec.rules.voting.timeout
        try:
            async with asyncio.timeout(limit + min(_GRACE, limit / 2)):
                return await self._answered(agent, spec, snapshot, step, question, state.epoch)
        except TimeoutError:
            reason = f"no answer within {limit:g} s"
            return BallotMissed(step.judge, state.epoch, step.shown, reason)

    async def _answered(
        self,
        agent: AgentSpec,
        spec: RunSpec,
        snapshot: Snapshot,
        step: AskJudge,
        question: Question,
        epoch: int,
    ) -> Event:
        """Asks until there is a ballot, or until asking again would not help."""
        world = self._world
        until = world.clock.monotonic() + spec.rules.voting.timeout
        text, before, tries = question.text, Usage(), 0
        while True:
            tries += 1
            left = max(0.1, until - world.clock.monotonic())
            order = Brief(spec.task, step.judge, tries, text, schema=question.schema)
            ended, spent = await self._once(agent, spec, snapshot, step, order, left, before)
            before += spent
            pause: float | None = None
            if ended.outcome == "done":
                ballot, problem = blinding.ballot(ended.answer, step.judge, epoch, question.names)
                if ballot is not None:
                    return BallotCast(ballot)
                pause = 0.0 if tries < _ASKED else None
                text = question.text + prompts.UNUSABLE.format(problem=problem)
            else:
                problem = ended.reason or str(ended.outcome).replace("_", " ")
                if ended.outcome == "failed" and tries < _ASKED:
                    pause = next_try(
                        ended.failure, tries, ended.retry_after, world.chance(), world.backoff
                    )
            if pause is None or pause >= until - world.clock.monotonic():
                asked = f" (asked {tries} times)" if tries > 1 else ""
                return BallotMissed(step.judge, epoch, step.shown, problem + asked)
            await asyncio.sleep(pause)

    async def _once(
        self,
        agent: AgentSpec,
        spec: RunSpec,
        snapshot: Snapshot,
        step: AskJudge,
        order: Brief,
        seconds: float,
        before: Usage,
    ) -> tuple[Ended, Usage]:
        """One question to the agent in a worktree of the base; how it ended, what it cost."""
        world = self._world
        driver = world.drivers.get(agent.type)
        if driver is None or not driver.briefed:
            return Ended("missing", f"an agent of type {agent.type!r} cannot judge"), Usage()
        spent = Usage()
        # Nothing of the user's is brought in, and nothing of the project's is run, to read.
        async with world.worktrees.lease(
            snapshot, self._run, WorktreeRules(), sandbox=spec.rules.sandbox
        ) as lease:
            walls = fence(spec, lease)
            place = Place(
                lease.path,
                lease.folder,
                lease.home,
                self._run,
                seconds,
                walls,
                confined=walls is not None and world.confines,
                instructions=False,
                approve=_reading_only,
            )
            judge = replace(agent, system_message="")
            async with (
                world.starts.turn(heavy=driver.heavy) as up,
                aclosing(driver.attempt(judge, order, place)) as news,
            ):
                async for item in news:
                    up()
                    match item:
                        case Ended():
                            return item, spent
                        case Used(usage=usage):
                            spent = usage
                            epoch = self._view().epoch
                            await self._emit(
                                JudgingUsed(step.judge, epoch, step.shown, before + usage)
                            )
                        case Said(text=text, stream=stream):
                            self._say(Delta(self._run, f"judge:{step.judge}", stream, text))
                        case _:
                            pass  # what a judge thinks and reads on the way is nobody's business
        return Ended("failed", "its driver ended without saying how", failure="protocol"), spent


async def _reading_only(action: Action) -> Decision:
    if action.kind == "read" and action.inside:
        return Decision("allow", "judges may read")
    return Decision("deny", "judges only read")
