"""A program that takes one prompt, works and ends: each turn of the conversation is a run of it.

Nothing can be said to it while it works; messages wait for the end of the turn and are the next.
"""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable

from massgen_ls.adapters.agents.attempt.frame import Frame, outlived
from massgen_ls.adapters.agents.attempt.settings import FAREWELL
from massgen_ls.adapters.agents.program.members import Object
from massgen_ls.adapters.agents.program.talk import Due, Gone, Line, Noise, Quiet, open_talk
from massgen_ls.ports import AgentNews, Command, Ended, Finished, Halt, Note, Processes, Said

_TAIL = 2000


class Run(ABC):
    """One run.

    Attributes:
        verdict: How the attempt ends, where that is not the agent's doing.
        finished: How the program ended, where it did by itself.
        printed: The end of what it printed that was no event.
    """

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.verdict: Ended | None = None
        self.finished: Finished | None = None
        self.printed = ""

    # ── what differs ────────────────────────────────────────────────────────────────────────

    @abstractmethod
    def heard(self, event: Object) -> Iterable[AgentNews]:
        """News of one event."""

    @property
    @abstractmethod
    def over(self) -> bool:
        """Whether it has said how its turn went: then it has `FAREWELL` seconds to end."""

    @property
    def patience(self) -> float:
        """Seconds of silence after which it is given up."""
        return self.frame.settings.idle_timeout

    def remarked(self, line: str, noise: Said) -> Iterable[AgentNews]:
        """News of a line that is no event."""
        del line
        return (noise,)

    def given_up(self) -> Ended:
        """Nothing was heard for `patience`."""
        return self.frame.silent()

    def overdone(self) -> Ended | None:
        """Whether it has gone on for too long."""
        return None

    # ── the same for all ────────────────────────────────────────────────────────────────────

    async def news(self, processes: Processes, command: Command) -> AsyncGenerator[AgentNews]:
        """Listens to it until it has ended, or is to be ended."""
        frame, place = self.frame, self.frame.place
        leave_by: float | None = None
        talking = open_talk(
            processes, command, patience=self.patience, inbox=place.inbox, up=place.up
        )
        async with talking as talk:
            while self.verdict is None and self.finished is None:
                talk.patience = self.patience if leave_by is None else math.inf
                talk.due = frame.until if leave_by is None else leave_by
                match await talk.hear():
                    case Line(value=event):
                        for item in self.heard(event):
                            yield item
                        self.verdict = self.overdone()
                        if leave_by is None and self.over:
                            leave_by = asyncio.get_running_loop().time() + FAREWELL
                    case Noise(text=line, stream=stream):
                        self.printed = f"{self.printed}{line}\n"[-_TAIL:]
                        noise = Said(f"{line}\n", "stderr" if stream == "stderr" else "stdout")
                        for item in self.remarked(line, noise):
                            yield item
                    case Note() as note:
                        frame.hear(note)
                    case Halt() as halt:
                        frame.hear(halt)
                        self.verdict = frame.stopped()
                    case Quiet():
                        self.verdict = self.given_up()
                    case Due():
                        if leave_by is not None:
                            break  # it is done and does not go: leaving ends it
                        self.verdict = frame.late()
                    case Gone(finished=finished):
                        self.finished = finished
        for message in talk.unheard():
            frame.hear(message)
        for item in outlived(self.finished) if self.finished is not None else ():
            yield item

    @property
    def code(self) -> int | None:
        """Its exit code, where it ended by itself."""
        return self.finished.exit_code if self.finished is not None else None
