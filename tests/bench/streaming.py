"""Our server, with an engine that only streams: 16 agents that act, spend and print.

Run: ``python -m tests.bench.streaming SECONDS serve …``. A run ends after so many seconds.
"""

from __future__ import annotations

import asyncio
import sys
import time

from massgen_ls.core.budget import Usage
from massgen_ls.core.candidate import Snapshot
from massgen_ls.core.events import (
    AgentActed,
    AttemptEnded,
    AttemptStarted,
    Delta,
    Envelope,
    Event,
    SnapshotTaken,
    UsageReported,
)
from massgen_ls.core.run_state import RunState, evolve
from massgen_ls.core.task import RunId, SeatId
from massgen_ls.lsp.stdio.front import serve
from tests.fakes.supervisor import FakeSupervisor

SEATS = [SeatId(f"agent{number}") for number in range(16)]
PERIOD = 0.25
"""Seconds between two acts of an agent; every fourth comes with what was spent."""
STEP = 0.025
"""Seconds between two looks at who is due to act."""
SPEAKS = 4
"""Steps after which everybody prints something: ten times a second."""
WORDS = "some words of an agent at work\n" * 4


class Streaming(FakeSupervisor):
    """Every run has 16 agents at work, for a while."""

    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0

    def happen(self, run: RunId, *events: Event) -> None:
        for event in events:
            self._seq[run] = self._seq.get(run, 0) + 1
            self._states[run] = evolve(self._states.get(run, RunState()), event)
            self._bus.hear(Envelope(run, self._seq[run], time.time(), event))

    async def _drive(self, run: RunId) -> None:
        self.happen(run, SnapshotTaken(Snapshot(self.root, "", "/s", "c0", "t0", None), 0.0))
        self.happen(run, *(AttemptStarted(seat, 1, "/worktree") for seat in SEATS))
        began, acts, step = time.monotonic(), 0, 0
        while not self._settled[run].is_set():
            now = time.monotonic() - began
            while acts * PERIOD < now * len(SEATS):
                count, at = divmod(acts, len(SEATS))
                seat, acts = SEATS[at], acts + 1
                self.happen(run, AgentActed(seat, "edit", f"src/module_{count % 40}.py"))
                if (at + count) % 4 == 0:
                    usage = Usage(input=10 * count, output=count, cost=7 * count)
                    self.happen(run, UsageReported(seat, 1, usage))
            if step % SPEAKS == 0:
                for seat in SEATS:
                    self._bus.hear(Delta(run, seat, "stdout", WORDS))
            step += 1
            if now > self.seconds:
                self.happen(run, *(AttemptEnded(seat, 1, "done") for seat in SEATS))
                self._settle(run)
            await asyncio.sleep(STEP)


def load():
    from contextlib import asynccontextmanager

    from massgen_ls.adapters.host.files import DiskFiles
    from massgen_ls.lsp.desk import Services
    from tests.lsp.editor import FakeDesk

    class Desk(FakeDesk):
        def make_spec(self, folder, prompt, scope, agents, checks, mode, apply, *more):
            return super().make_spec(folder, prompt, scope, SEATS, ["tests"], mode, apply, *more)

    @asynccontextmanager
    async def compose(*_):
        async with Streaming("/") as engine:
            yield Services(engine, Desk(), DiskFiles())

    return compose


if __name__ == "__main__":
    sys.exit(serve(load))
