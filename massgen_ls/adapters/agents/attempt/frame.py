"""The frame of an attempt, the same for every coding agent: its time, its turns, how it ended.

What differs goes on within it: what a program is told, and what its words mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from typing import ParamSpec, TypeVar

from massgen_ls.adapters.agents.attempt.answers import again, answer
from massgen_ls.adapters.agents.attempt.failing import Advice, explained, kind_of, retry_after
from massgen_ls.adapters.agents.attempt.notes import Notes
from massgen_ls.adapters.agents.attempt.settings import CodingSettings
from massgen_ls.adapters.agents.program.speech import signal_name
from massgen_ls.core.conversation import shorten
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.failures import FailureKind
from massgen_ls.ports import STOPPED, AgentNews, Brief, Ended, Finished, Message, Note, Place, Said

_ASKED = 3
"""How often an agent is asked for a judgement that can be used."""
_SUMMARY = 4000
"""Characters of the last words that are its summary."""

P = ParamSpec("P")
T = TypeVar("T")
Turn = Callable[[str], AsyncGenerator[AgentNews]]
"""Says the words to the agent; all that comes of it, an `Ended` last."""


class UnpreparedError(Exception):
    """What an agent's program needs before its start could not be made. Says what to do."""


async def prepared(place: Place, make: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
    """Makes what a program needs before its start, in a thread.

    Raises:
        UnpreparedError: The home cannot be written.
    """
    try:
        return await asyncio.to_thread(make, *args, **more)
    except OSError as error:
        why = f"its home {place.home} cannot be prepared: {error.strerror or error}"
        raise UnpreparedError(why) from error


@dataclass(slots=True)
class Frame:
    """Holds one attempt.

    Attributes:
        halted: It was told to stop.
        last: The last message of the agent: where a judgement is looked for, and its summary.
        session: The agent's own name for the conversation, when one can go on with it.
        broken: What failed on our own side.
        limit: Seconds for the attempt.
        until: When it is out of time, by the loop's clock.
    """

    program: str
    install: str
    """What to do when the program is not there, a whole sentence."""
    advice: Advice
    settings: CodingSettings
    brief: Brief
    place: Place
    notes: Notes = field(default_factory=Notes)
    halted: bool = False
    last: str = ""
    session: str = ""
    broken: Exception | None = None
    limit: float = field(init=False)
    until: float = field(init=False)

    def __post_init__(self) -> None:
        self.limit = min(self.place.timeout, self.settings.timeout or self.place.timeout)
        self.until = asyncio.get_running_loop().time() + self.limit

    async def kept(self, news: AsyncGenerator[AgentNews]) -> AsyncGenerator[AgentNews]:
        """All news of the attempt; what keeps it from beginning becomes its end.

        Raises:
            Exception: `broken`, when all has been ended.
        """
        ended: Ended | None = None
        try:
            async with contextlib.aclosing(news):
                async for item in news:
                    if isinstance(item, Ended):
                        ended = item
                    else:
                        yield item
        except UnpreparedError as error:
            ended = Ended("failed", str(error))
        except MassgenError as error:
            ended = Ended("failed", str(error), failure="config")
        except OSError as error:
            ended = self._unstartable(error)
        if self.broken is not None:
            raise self.broken
        assert ended is not None, "an attempt has an end"
        yield replace(
            ended,
            summary=ended.summary or shorten(self.last, _SUMMARY),
            session=ended.session or self.session,
            unheard=ended.unheard or self.notes.unheard,
        )

    async def turns(self, words: str, turn: Turn) -> AsyncGenerator[AgentNews]:
        """Turn after turn, until nothing is left to say and a judgement can be used."""
        schema = self.brief.schema
        asked = 1
        while True:
            ended: Ended | None = None
            async with contextlib.aclosing(turn(words)) as news:
                async for item in news:
                    if isinstance(item, Ended):
                        ended = item
                    else:
                        yield item
            assert ended is not None, "a turn has an end"
            self._hear_rest()
            if self.halted and ended.outcome != "timed_out":
                ended = replace(self.stopped(), exit_code=ended.exit_code)
            if ended.outcome == "done" and not self.halted:
                if words := self.notes.next_turn():
                    continue
                if schema is not None:
                    value, wrong = answer(self.last, schema)
                    if wrong and asked < _ASKED:
                        asked += 1
                        words = again(wrong, schema)
                        continue
                    ended = replace(ended, answer=value) if not wrong else unusable(wrong)
            yield ended
            return

    def hear(self, message: Message) -> None:
        """What a person says, where the agent cannot be told at once."""
        if isinstance(message, Note):
            self.notes.add(message.text)
        else:
            self.halted = True

    def _hear_rest(self) -> None:
        inbox = self.place.inbox
        while inbox is not None and (message := inbox.take()) is not None:
            self.hear(message)

    # ── how it ended ────────────────────────────────────────────────────────────────────────

    def stopped(self) -> Ended:
        """It obeyed."""
        return Ended("done", STOPPED)

    def late(self) -> Ended:
        """Its time is up."""
        why = f"did not end within {self.limit:g} s and was ended; `timeout` sets the limit"
        return Ended("timed_out", why, failure="timeout")

    def silent(self, said: str = "") -> Ended:
        """Nothing was heard for too long."""
        said = said or f"nothing was heard for {self.settings.idle_timeout:g} s"
        return Ended("timed_out", explained("timeout", said, self.advice), failure="timeout")

    def failed(self, kind: FailureKind | None, said: str, after: float | None = None) -> Ended:
        """It did not do it.

        Args:
            kind: Which kind of failure that is.
            said: What was said of it.
            after: Seconds that its service asked to wait; looked for in ``said`` otherwise.
        """
        after = retry_after(said) if after is None else after
        why = explained(kind, said, self.advice)
        return Ended("failed", why, failure=kind, retry_after=after)

    def vanished(self, finished: Finished, said: str, fallback: FailureKind | None = None) -> Ended:
        """Its program has ended without saying how it went.

        Args:
            finished: How it ended.
            said: What was printed last, or said of a trouble.
            fallback: The kind of failure, where the words name none.
        """
        code = finished.exit_code
        number = -code if code < 0 else code - 128 if 128 < code < 160 else 0
        if number:
            how, kind = f"it was ended by {signal_name(number)}", "crashed"
            return Ended("failed", f"{how}: {said}" if said else f"{how}.", code, failure=kind)
        kind = kind_of(None, said) or fallback or ("crashed" if code else "protocol")
        how = f"it ended with exit code {code} and no result"
        return replace(self.failed(kind, f"{how}; {said}" if said else how), exit_code=code)

    def _unstartable(self, error: OSError) -> Ended:
        if error.errno == errno.E2BIG:
            why = f"the program {self.program!r} cannot be started: `args` is too long."
            return Ended("failed", why, failure="config")
        return Ended("missing", unstartable(self.program, error, self.install), failure="missing")


def unusable(wrong: str) -> Ended:
    """A judgement that is none."""
    why = f"it gave no answer that can be used ({wrong}): use another model for judging."
    return Ended("failed", why, failure="protocol")


def unstartable(program: str, error: OSError, install: str) -> str:
    """Why a program cannot be started, and what to do about it."""
    there = str(error.filename or program)
    if isinstance(error, FileNotFoundError) and there == program:
        return f"the program {program!r} was not found. {install}".rstrip()
    why = f"the program {program!r} cannot be started: {error.strerror or error}"
    match error.errno:
        case errno.EACCES:
            return f"{why}. Make it executable (chmod +x)."
        case errno.ENOEXEC:
            return f"{why}. A script needs a first line such as `#!/bin/sh`."
        case _:
            return f"{why}: {there}." if there != program else f"{why}."


def outlived(finished: Finished) -> list[Said]:
    """Tells of processes that were left by a program."""
    left = f"[{finished.survivors} processes outlived it and were ended]\n"
    return [Said(left, "stderr")] if finished.survivors else []
