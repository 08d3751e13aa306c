"""A supervisor whose runs follow a script: the real events, the real reducer, no processes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING

from massgen_ls.core.attachments import attachment
from massgen_ls.core.candidate import Candidate, Fate, Snapshot
from massgen_ls.core.changes import ChangeSet, FileChange, RelPath
from massgen_ls.core.conversation import Spoken, Transcript
from massgen_ls.core.coordination import verdict as decide
from massgen_ls.core.errors import NotFoundError
from massgen_ls.core.events import (
    AgentActed,
    AttemptEnded,
    AttemptStarted,
    CancelRequested,
    CandidateCaptured,
    Delivered,
    Delta,
    Discarded,
    Envelope,
    Event,
    Revised,
    RunSettled,
    RunStarted,
    SnapshotTaken,
)
from massgen_ls.core.plan import EditPlan, EditText
from massgen_ls.core.run_state import RunState, evolve
from massgen_ls.core.selection import EVERYTHING, Selection
from massgen_ls.core.survey import FileSurvey, HunkState, PlacedHunk
from massgen_ls.core.task import AgentSpec, Attachment, CandidateId, RunId, RunSpec, SeatId, Task
from massgen_ls.core.text import Edit
from massgen_ls.engine.bus import Bus, Subscription
from massgen_ls.engine.delivery import Delivery
from massgen_ls.ports import Buffer, Health, Landed, LiveFiles, Message, RunRecord


class FakeSupervisor:
    """Every run has one agent that turns ``old`` into ``new`` in ``path``.

    It goes on until `go` is set, so that a test decides when it is over.
    """

    def __init__(self, root: str, path: str = "a.py", old: str = "old", new: str = "new") -> None:
        self.root, self.path, self.old, self.new = root, RelPath(path), old, new
        self.go = asyncio.Event()
        self.pictures: dict[str, bytes] = {}
        self.contents: dict[tuple[str, str], bytes] = {}
        self.started: list[tuple[RunSpec, str, tuple[Buffer, ...]]] = []
        self.cancelled: list[tuple[str, str]] = []
        self.told: list[tuple[str, str, Message, str]] = []
        self.entered = self.left = False
        self.plans: list[EditPlan] = []
        """What `apply` performs instead of its own plan, one for each call."""
        self._bus = Bus()
        self._states: dict[RunId, RunState] = {}
        self._seq: dict[RunId, int] = {}
        self._settled: dict[RunId, asyncio.Event] = {}
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> FakeSupervisor:
        self.entered = True
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        for run, settled in self._settled.items():
            if not settled.is_set():
                await self.cancel(run, "shutdown")
        self._bus.close()
        await self._group.__aexit__(None, None, None)
        self.left = True

    def happen(self, run: RunId, *events: Event) -> None:
        """Appends events to a run."""
        for event in events:
            self._seq[run] = self._seq.get(run, 0) + 1
            self._states[run] = evolve(self._states.get(run, RunState()), event)
            self._bus.hear(Envelope(run, self._seq[run], 0.0, event))

    def chatter(self, run: RunId, text: str) -> None:
        """Live noise of the run's agent."""
        self._bus.hear(Delta(run, "one", "stdout", text))

    async def start(
        self,
        spec: RunSpec,
        folder: str,
        buffers: Sequence[Buffer] = (),
        live: LiveFiles | None = None,
    ) -> RunId:
        run = RunId(f"run-{len(self.started) + 1}")
        self.started.append((spec, folder, tuple(buffers)))
        self._settled[run] = asyncio.Event()
        self.happen(run, RunStarted(spec, folder, "1:1"))
        self._group.create_task(self._drive(run))
        return run

    async def _drive(self, run: RunId) -> None:
        seat = SeatId("one")
        self.happen(
            run,
            SnapshotTaken(Snapshot(self.root, "", "/shadow", "c0", "t0", None), 0.0),
            AttemptStarted(seat, 1, "/worktree"),
            AgentActed(seat, "edit", self.path),
        )
        await self.go.wait()
        if self._settled[run].is_set():
            return
        change = FileChange("modify", self.path, added=1, removed=1)
        candidate = Candidate(CandidateId("one.1"), seat, "t0", "t1", "c1", ChangeSet((change,)))
        self.happen(run, AttemptEnded(seat, 1, "done"), CandidateCaptured(candidate))
        self._settle(run)

    def _settle(self, run: RunId) -> None:
        self.happen(run, RunSettled(decide(self._states[run])))
        self._settled[run].set()

    async def resolve(self, run: str) -> RunId:
        if run not in self._states:
            raise NotFoundError(f"There is no run {run!r}", "`massgen-ls runs` lists them")
        return RunId(run)

    async def wait(self, run: RunId) -> RunState:
        await self._settled[run].wait()
        return self._states[run]

    async def cancel(self, run: RunId, by: str) -> bool:
        if self._settled[run].is_set():
            return False
        self.cancelled.append((run, by))
        self.happen(run, CancelRequested(by), AttemptEnded(SeatId("one"), 1, "cancelled"))
        self._settle(run)
        self.go.set()
        return True

    async def tell(self, run: RunId, seat: str, message: Message, by: str) -> None:
        if seat != "one":
            raise NotFoundError(f"there is no seat {seat!r}")
        self.told.append((run, seat, message, by))

    async def health(self, agents: Sequence[AgentSpec]) -> Sequence[Health]:
        return [Health(agent.id, ok=True, found="/bin/it") for agent in agents]

    async def transcripts(self, run: RunId) -> Sequence[Transcript]:
        return [Transcript("one", "scripted", (Spoken("Done."),)), Transcript("two", "scripted")]

    async def continued(self, task: Task, run: str, seat: str | None = None) -> Task:
        return replace(task, context=f"what {seat or 'everybody'} did in {run}")

    async def attach(self, name: str, content: bytes) -> Attachment:
        kept = attachment(name, content)
        self.pictures[kept.digest] = content
        return kept

    async def attached(self, name: str, digest: str) -> Attachment:
        if digest not in self.pictures:
            raise NotFoundError(f"The picture {name} is not there any more")
        return attachment(name, self.pictures[digest])

    async def state(self, run: RunId) -> RunState:
        return self._states[run]

    async def runs(self, folder: str | None = None, limit: int = 50) -> Sequence[RunRecord]:
        return [
            RunRecord(run, state.folder, self.root, "", 0.0, "1:1", state.verdict is not None)
            for run, state in self._states.items()
        ][:limit]

    async def apply(
        self,
        run: RunId,
        candidate: CandidateId | None,
        live: LiveFiles,
        selection: Selection = EVERYTHING,
    ) -> Delivery:
        chosen = candidate or CandidateId("one.1")
        reason = ""
        for _ in range(3):
            plan = self.plans.pop(0) if self.plans else await self._plan(chosen, live)
            answer = await live.apply(self.root, plan)
            if isinstance(answer, Landed):
                self.happen(run, Delivered(chosen, plan.paths()))
                ours = self.path in plan.paths()
                landed = (await self.hunks(run, chosen, live))[2] if ours else ()
                return Delivery(chosen, True, plan.paths(), root=self.root, landed=landed)
            reason = answer.reason
            if not answer.stale:
                break
        return Delivery(chosen, False, reason=reason)

    async def hunks(
        self, run: RunId, candidate: CandidateId | None, live: LiveFiles
    ) -> tuple[CandidateId, str, tuple[FileSurvey, ...]]:
        now = (await live.read(self.root, [self.path]))[self.path].text or ""
        state: HunkState = (
            "fits" if self.old in now else "landed" if self.new in now else "conflicts"
        )
        at = now[: max(now.find(self.old), now.find(self.new), 0)].count("\n")
        span = (at, at + 1)
        hunk = PlacedHunk(0, (0, 1), (0, 1), span, state, f"{self.old}\n", f"{self.new}\n")
        found = FileSurvey(self.path, None, "modify", self.path, False, (hunk,))
        return candidate or CandidateId("one.1"), self.root, (found,)

    async def _plan(self, candidate: CandidateId, live: LiveFiles) -> EditPlan:
        found = (await live.read(self.root, [self.path])).get(self.path)
        assert found is not None
        assert found.text is not None
        at = found.text.index(self.old)
        edit = Edit(at, at + len(self.old), self.new)
        operation = EditText(self.path, found.version, found.text, (edit,))
        return EditPlan(candidate, "old to new", (operation,))

    async def revised(self, run: RunId, candidate: CandidateId, fate: Fate) -> None:
        self.happen(run, Revised(candidate, fate))

    async def discard(self, run: RunId, candidate: CandidateId | None) -> None:
        self.happen(run, Discarded(candidate))

    async def file(self, run: RunId, candidate: CandidateId | None, path: str) -> bytes:
        try:
            return self.contents[(candidate or "base", path)]
        except KeyError:
            raise NotFoundError(f"There is no {path}") from None

    async def files(self, run: RunId, candidate: CandidateId) -> Mapping[str, bytes]:
        return {path: content for (of, path), content in self.contents.items() if of == candidate}

    async def patch(self, run: RunId, candidate: CandidateId | None) -> str:
        return f"--- a/{self.path}\n+++ b/{self.path}\n-{self.old}\n+{self.new}\n"

    def subscribe(self, run: RunId | None = None) -> AbstractContextManager[Subscription]:
        return self._bus.subscribe(run)


if TYPE_CHECKING:
    from massgen_ls.lsp.desk import Engine

    def _(fake: FakeSupervisor) -> Engine:
        return fake
