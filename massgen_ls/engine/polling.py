"""A question to a judge: told without names, asked of an agent, answered by a ballot or not at all.

A judge works in a worktree of the base, with none of our tools and with leave to read, and what it
leaves there is thrown away. Whatever goes wrong with it is a ballot less, never more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import TypeAlias

from massgen_ls.core.budget import Usage
from massgen_ls.core.candidate import Snapshot
from massgen_ls.core.consensus import AskVoter
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.events import BallotMissed, Delta, Event, JudgingUsed
from massgen_ls.core.failures import next_try
from massgen_ls.core.permissions import Action, Decision
from massgen_ls.core.polls import AskJudge, judging_agent
from massgen_ls.core.run_state import RunState
from massgen_ls.core.task import AgentSpec, RunId, RunSpec, WorktreeRules
from massgen_ls.engine import prompts
from massgen_ls.engine.pictures import pictures
from massgen_ls.engine.questions import Question, compared, question
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

Emit = Callable[..., Awaitable[None]]
Asking: TypeAlias = AskJudge | AskVoter


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

    async def ask(self, step: Asking) -> None:
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

    async def _asked(self, step: Asking) -> Event:
        state = self._view()
        spec, snapshot = state.spec, state.snapshot
        agent = judging_agent(state, step.judge)
        assert spec is not None
        assert snapshot is not None, "nothing is compared before there is a base"
        assert agent is not None, "a step names a judge that there is"
        patches = {
            c.id: await self._world.objects.patch(snapshot, c.tree) for c in compared(state, step)
        }
        asked = question(self._run, state, step, patches)
        limit = spec.rules.voting.timeout
        try:
            async with asyncio.timeout(limit + min(_GRACE, limit / 2)):
                return await self._answered(agent, spec, snapshot, step, asked, state.epoch)
        except TimeoutError:
            reason = f"no answer within {limit:g} s"
            return BallotMissed(step.judge, state.epoch, step.shown, reason)

    async def _answered(
        self,
        agent: AgentSpec,
        spec: RunSpec,
        snapshot: Snapshot,
        step: Asking,
        asked: Question,
        epoch: int,
    ) -> Event:
        """Asks until there is a ballot, or until asking again would not help."""
        world = self._world
        until = world.clock.monotonic() + spec.rules.voting.timeout
        text, tries = asked.text, 0
        before = self._spent_before(step, epoch)
        while True:
            tries += 1
            left = max(0.1, until - world.clock.monotonic())
            order = Brief(spec.task, step.judge, tries, text, schema=asked.schema)
            ended, spent = await self._once(agent, spec, snapshot, step, order, left, before)
            before += spent
            pause: float | None = None
            if ended.outcome == "done":
                fact, problem = asked.read(ended.answer)
                if fact is not None:
                    return fact
                pause = 0.0 if tries < _ASKED else None
                text = asked.text + prompts.UNUSABLE.format(problem=problem)
            else:
                problem = ended.reason or str(ended.outcome).replace("_", " ")
                if ended.outcome == "failed" and tries < _ASKED:
                    pause = next_try(
                        ended.failure, tries, ended.retry_after, world.chance(), world.backoff
                    )
            if pause is None or pause >= until - world.clock.monotonic():
                often = f" (asked {tries} times)" if tries > 1 else ""
                return BallotMissed(step.judge, epoch, step.shown, problem + often)
            await asyncio.sleep(pause)

    def _spent_before(self, step: Asking, epoch: int) -> Usage:
        """What the same question has cost already: a voter may be asked again in an epoch."""
        key = (step.judge, epoch, step.shown)
        known = (a.usage for a in self._view().asked if (a.judge, a.epoch, a.shown) == key)
        return next(known, Usage())

    async def _once(
        self,
        agent: AgentSpec,
        spec: RunSpec,
        snapshot: Snapshot,
        step: Asking,
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
            # One that is lost was told to those who worked on the task.
            laid = await pictures(world.attachments, spec.task, lease.home)
            order = replace(order, pictures=laid.found)
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
