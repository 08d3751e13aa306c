"""Reading what runs made and left: live ones from memory, all others from the record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from massgen_ls.core.candidate import Candidate, Snapshot
from massgen_ls.core.changes import rel_path
from massgen_ls.core.context import shared
from massgen_ls.core.conversation import Transcript
from massgen_ls.core.errors import NotFoundError, UnsafePathError
from massgen_ls.core.events import Conversed, Envelope
from massgen_ls.core.learning import (
    DEEDS,
    NEWEST,
    TELLING,
    CheckRecord,
    Record,
    check_records,
    records,
)
from massgen_ls.core.plan import EditPlan
from massgen_ls.core.run_state import RunState, fold
from massgen_ls.core.selection import EVERYTHING, Selection
from massgen_ls.core.survey import FileSurvey
from massgen_ls.core.task import Attachment, CandidateId, Origin, RunId, Task
from massgen_ls.engine.delivery import deliverable
from massgen_ls.engine.world import World
from massgen_ls.ports import LiveFiles, RunRecord


class Archive:
    """Every run that there is a record of, also those of other processes. Changes nothing.

    Args:
        world: Where the record and the stored objects are.
        live: The state of a run that this process drives; None for any other.
    """

    def __init__(self, world: World, live: Callable[[RunId], RunState | None]) -> None:
        self._world = world
        self._of_live = live

    async def resolve(self, run: str) -> RunId:
        """The whole id of a run that is named by its beginning.

        Raises:
            NotFoundError: None starts so, or several do.
        """
        if self._of_live(RunId(run)) is not None:
            return RunId(run)
        found = await self._world.store.find(run) if run else ()
        if not found:
            raise NotFoundError(f"There is no run {run!r}", "`massgen-ls runs` lists them")
        if len(found) > 1:
            raise NotFoundError(
                f"{len(found)} runs start with {run!r}", f"Name one: {', '.join(found[:5])}"
            )
        return found[0]

    async def state(self, run: RunId) -> RunState:
        """All that is known of a run, live or stored. ``run`` may be a unique prefix.

        Raises:
            NotFoundError: No such run.
        """
        run = await self.resolve(run)
        if (state := self._of_live(run)) is not None:
            return state
        return _folded(await self._world.store.read(run))

    async def attach(self, name: str, content: bytes) -> Attachment:
        """Keeps a picture for a task that is about to begin.

        Raises:
            AttachmentError: Agents cannot be shown it.
            StorageError: It cannot be written.
        """
        return await self._world.attachments.keep(name, content)

    async def attached(self, name: str, digest: str) -> Attachment:
        """A picture of an earlier task.

        Raises:
            NotFoundError: It is not there any more.
        """
        return await self._world.attachments.find(name, digest)

    async def history(self, run: RunId, after: int = 0) -> Sequence[Envelope]:
        """A run's stored events past a sequence number."""
        return await self._world.store.read(await self.resolve(run), after)

    async def runs(self, folder: str | None = None, limit: int = 50) -> Sequence[RunRecord]:
        """The newest runs first."""
        return await self._world.store.runs(folder, limit)

    async def records(self, folder: str | None, limit: int = NEWEST) -> Sequence[Record]:
        """What became of the agents' work in the newest runs of a folder; None: of all."""
        return records(map(_folded, await self._world.store.newest(folder, limit, TELLING)))

    async def all_records(
        self, folder: str | None, limit: int = NEWEST
    ) -> tuple[Sequence[Record], Sequence[CheckRecord]]:
        """What `records` says, and how often each check and the user were of one mind there."""
        # What checks say is most of a history, and read only where users did something.
        newest = await self._world.store.newest(folder, limit, TELLING, whole=DEEDS)
        states = [*map(_folded, newest)]
        return records(states), check_records(states)

    async def transcripts(self, run: RunId) -> Sequence[Transcript]:
        """What each agent of a run said and did, in the order of their ends.

        Raises:
            NotFoundError: No such run.
        """
        events = await self._world.store.read(await self.resolve(run))
        found = (envelope.event for envelope in events)
        return [event.transcript for event in found if isinstance(event, Conversed)]

    async def continued(self, task: Task, run: str, seat: str | None = None) -> Task:
        """A task that goes on from what the agents of an earlier run did, or one of them.

        Raises:
            NotFoundError: No such run, or no such agent in it, or nothing is known of it.
        """
        run = await self.resolve(run)
        known = await self.transcripts(run)
        chosen = [t for t in known if seat is None or t.agent == seat]
        if not chosen:
            there = ", ".join(dict.fromkeys(t.agent for t in known)) or "nobody"
            raise NotFoundError(
                f"Nothing is known of what {seat or 'the agents'} did in run {run}",
                f"There are transcripts of: {there}",
            )
        last = chosen[-1]
        one = last.session and {t.agent for t in chosen} == {last.agent}
        origin = Origin(last.type, last.session, run) if one else None
        return replace(task, context=shared(chosen), origin=origin)

    # ── what a run made ─────────────────────────────────────────────────────────────────────

    async def file(self, run: RunId, candidate: CandidateId | None, path: str) -> bytes:
        """A file as a candidate (None: the base) has it, as a checkout would write it.

        Raises:
            NotFoundError: No such run, candidate or file.
        """
        try:
            checked = rel_path(path)
        except UnsafePathError as error:
            raise NotFoundError(str(error)) from error
        if candidate is None:
            snapshot, changes = await self._snapshot(run), ()
            tree = snapshot.tree
        else:
            snapshot, chosen = await self._chosen(run, candidate)
            tree, changes = chosen.tree, chosen.changes.files
        # What it changes is known; git is asked for the rest alone.
        oid = next((c.new_oid for c in changes if c.path == checked and c.new_oid), None)
        if oid is None:
            entry = await self._world.objects.entry(snapshot, tree, checked)
            if entry is None:
                raise NotFoundError(f"There is no {path} in {candidate or 'the base'} of run {run}")
            oid = entry[0]
        return (await self._world.objects.read(snapshot, [(checked, oid)]))[0]

    async def files(self, run: RunId, candidate: CandidateId) -> Mapping[str, bytes]:
        """Every file that a candidate changes and has, read at once; links and such left out.

        Raises:
            NotFoundError: No such run or candidate, or it is not stored any more.
        """
        snapshot, chosen = await self._chosen(run, candidate)
        wanted = [
            (change.path, change.new_oid)
            for change in chosen.changes.files
            if change.new_oid is not None and change.new_type in ("file", "executable")
        ]
        found = await self._world.objects.read(snapshot, wanted)
        return {str(path): content for (path, _), content in zip(wanted, found, strict=True)}

    async def patch(self, run: RunId, candidate: CandidateId | None) -> str:
        """A candidate's (None: the winner's) unified diff, for people.

        Raises:
            NotFoundError: No such run or candidate.
        """
        snapshot, chosen = await self._chosen(run, candidate)
        return await self._world.objects.patch(snapshot, chosen.tree)

    async def plan(
        self,
        run: RunId,
        candidate: CandidateId | None,
        live: LiveFiles,
        selection: Selection = EVERYTHING,
    ) -> EditPlan:
        """What landing a candidate (None: the winner), or a part of it, would do now."""
        snapshot, chosen = await self._chosen(run, candidate)
        return await (await deliverable(self._world, snapshot, chosen, live, selection)).plan()

    async def hunks(
        self, run: RunId, candidate: CandidateId | None, live: LiveFiles
    ) -> tuple[CandidateId, str, tuple[FileSurvey, ...]]:
        """A candidate (None: the winner), the top that its paths count from, and its hunks.

        Raises:
            NotFoundError: No such run or candidate, or no winner.
        """
        snapshot, chosen = await self._chosen(await self.resolve(run), candidate)
        found = await deliverable(self._world, snapshot, chosen, live)
        return chosen.id, snapshot.root, await found.survey()

    async def _snapshot(self, run: RunId) -> Snapshot:
        snapshot = (await self.state(run)).snapshot
        if snapshot is None:
            raise NotFoundError(f"Run {run} has no snapshot, so there is nothing to read")
        return snapshot

    async def _chosen(
        self, run: RunId, candidate: CandidateId | None
    ) -> tuple[Snapshot, Candidate]:
        state = await self.state(run)
        kept = ", ".join(c.id for c in state.candidates) or "none"
        if candidate is None:
            if state.verdict is None:
                raise NotFoundError(
                    f"Run {run} has no verdict yet", f"Wait, or name a candidate: {kept}"
                )
            if state.verdict.winner is None:
                raise NotFoundError(
                    f"Run {run} has no winner ({state.verdict.outcome})",
                    f"Name a candidate: {kept}",
                )
            candidate = state.verdict.winner
        chosen = state.candidate(candidate)
        if chosen is None or state.snapshot is None:
            raise NotFoundError(f"Run {run} has no candidate {candidate!r}", f"It has: {kept}")
        return state.snapshot, chosen


def _folded(events: Iterable[Envelope]) -> RunState:
    return fold(envelope.event for envelope in events)
