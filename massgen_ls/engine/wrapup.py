"""What an attempt left: captured, and made a candidate or not, all as events."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from massgen_ls.core.candidate import Candidate
from massgen_ls.core.conversation import Recorder, shorten
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.events import (
    AttemptEnded,
    CandidateCaptured,
    Conversed,
    Event,
    NothingCaptured,
    Notice,
)
from massgen_ls.core.novelty import refusal
from massgen_ls.core.task import CandidateId, Origin, SeatId
from massgen_ls.core.wording import one_line
from massgen_ls.engine.substance import substance
from massgen_ls.ports import Captured, Ended, Lease

if TYPE_CHECKING:
    from massgen_ls.engine.seat import Seat

_log = logging.getLogger(__name__)


async def wrap_up(
    seat: Seat,
    lease: Lease,
    ended: Ended,
    seconds: float,
    summary: str,
    record: Recorder,
    unheard: Sequence[str],
) -> None:
    """Captures what is in the worktree of an attempt that is over, and says all of it.

    Args:
        seat: Whose attempt it was.
        lease: The worktree.
        ended: How its agent ended.
        seconds: How long it was at work.
        summary: What the agent says about its work.
        record: What it said and did.
        unheard: Notes that did not reach it.
    """
    await seat.emit(
        AttemptEnded(
            seat.id,
            seat.attempt,
            ended.outcome,
            ended.reason,
            ended.exit_code,
            seconds,
            ended.failure,
        ),
        *(Notice("warning", _lost(note, seat.id), seat.id) for note in unheard),
    )
    started = seat.world.clock.monotonic()
    name = CandidateId(f"{seat.id}.{seat.attempt}")
    try:
        captured = await lease.capture(name, f"{name}: {seat.spec.task.prompt}")
    except MassgenError as error:
        await seat.emit(NothingCaptured(seat.id, seat.attempt, f"cannot be captured: {error}"))
        return
    found: list[Event] = [*told(captured.notes, seat.id)]
    if captured.changes and captured.unseen:
        found.append(Notice("warning", f"git ignores {_named(captured.unseen)}: {_APART}", seat.id))
    transcript = record.transcript(
        str(seat.agent.id),
        seat.agent.type,
        files=(change.path for change in captured.changes.files),
        summary=summary,
        session=ended.session,
    )
    if transcript.parts:
        # Before the last fact about this attempt, which may settle the run.
        found.append(Conversed(seat.id, seat.attempt, transcript))
    problem = await _not_new(seat, ended, captured)
    if problem:
        found.append(NothingCaptured(seat.id, seat.attempt, problem))
    elif captured.changes:
        alone = len(seat.spec.agents) == 1
        does = await substance(
            seat.world.objects,
            seat.snapshot,
            seat.files,
            captured.changes,
            captured.tree,
            compared=not alone,
        )
        candidate = Candidate(
            name,
            seat.id,
            seat.snapshot.tree,
            captured.tree,
            captured.commit,
            captured.changes,
            summary,
            does.digest,
            seat.onto.id if seat.onto else None,
            code=does.code,
            faults=does.faults,
        )
        found.append(CandidateCaptured(candidate, seat.world.clock.monotonic() - started))
    else:
        why = "changed nothing"
        if captured.unseen:
            why = f"changed only files that git ignores: {_named(captured.unseen)}"
        found.append(NothingCaptured(seat.id, seat.attempt, why))
    await seat.emit(*found)
    await _keep_conversation(seat, lease, ended)


async def _keep_conversation(seat: Seat, lease: Lease, ended: Ended) -> None:
    """Last of all: whatever becomes of it, what the attempt made is on record."""
    if not (ended.conversation and ended.session):
        return
    whose = Origin(seat.agent.type, ended.session, seat.run)
    try:
        keep = seat.world.conversations.keep
        await keep(whose, ended.conversation, lease.home, seat.veil.text)
    except Exception as error:  # noqa: BLE001 - the text of it is in the record
        _log.warning("the conversation of %s of run %s is not kept: %s", seat.id, seat.run, error)


async def _not_new(seat: Seat, ended: Ended, captured: Captured) -> str:
    """Why an improvement is no candidate; empty for one that is, and for a first answer."""
    if seat.onto is None:
        return ""
    if ended.outcome != "done":
        return "its improvement was not finished"
    state = seat.view()
    if any(c.tree == captured.tree for c in state.candidates):
        return "what it left is there already"
    rule = seat.spec.rules.consensus.novelty
    if rule == "lenient":
        return ""
    patch = seat.world.objects.patch
    others = {c.id: await patch(seat.snapshot, c.tree) for c in state.candidates}
    return refusal(rule, await patch(seat.snapshot, captured.tree), others)


def _lost(note: str, seat: SeatId) -> str:
    return f"{seat} ended before it could be told: {shorten(note, 200)}"


_APART = "what was written there is no part of the candidate"
_MOST_NAMES = 3


def _named(paths: Sequence[str]) -> str:
    """``.env``, ``.env and x.local``, ``a, b, c and 4 more``."""
    names = [one_line(path) for path in paths[:_MOST_NAMES]]
    if len(paths) > _MOST_NAMES:
        names.append(f"{len(paths) - _MOST_NAMES} more")
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


_MOST_NOTES = 20


def told(notes: Sequence[str], seat: SeatId | None = None) -> list[Notice]:
    """Notes as events; of very many only the first ones, and how many more there are."""
    shown = list(notes[:_MOST_NOTES])
    if len(notes) > _MOST_NOTES:
        shown.append(f"… and {len(notes) - _MOST_NOTES} more notes like these")
    return [Notice("warning", note, seat) for note in shown]
