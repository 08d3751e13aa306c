"""What follows when a run is settled: apply, ask, or just say so. And how a candidate lands."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from massgen_ls.core.errors import MassgenError
from massgen_ls.core.plan import Conflict
from massgen_ls.core.selection import EVERYTHING, Selection
from massgen_ls.core.task import ApplyMode, CandidateId, RunId
from massgen_ls.engine.delivery import Delivery
from massgen_ls.lsp import uris
from massgen_ls.lsp.desk import Services
from massgen_ls.lsp.server import MassgenServer

APPLY, SHOW, DISCARD = "Apply", "Show diff", "Discard"
REST, LEAVE = "Apply the rest", "Leave as it is"
_PATIENCE = 3600.0
"""Seconds after which a question that nobody answered is taken back; nothing waits for it."""
_EXCERPT = 4000


async def finish(server: MassgenServer, services: Services, run: RunId, apply: ApplyMode) -> None:
    """Ends a run as its user wished."""
    state = await services.engine.state(run)
    verdict = state.verdict
    if verdict is None:
        return
    if verdict.outcome != "won" or verdict.winner is None:
        if verdict.outcome != "cancelled":
            server.say(verdict.why, types.MessageType.Warning)
    elif apply == "auto":
        await conclude(server, services, run, await land(server, services, run, verdict.winner))
    elif apply == "ask":
        await _ask(server, services, run, verdict.winner, verdict.why)
    elif not server.client.progress:
        server.say(f"{verdict.winner} won. {verdict.why}")


async def _ask(
    server: MassgenServer, services: Services, run: RunId, winner: CandidateId, why: str
) -> None:
    while True:
        try:
            async with asyncio.timeout(_PATIENCE):
                answer = await server.question(
                    f"massgen: {winner} won. {why}", (APPLY, SHOW, DISCARD)
                )
        except TimeoutError:
            return
        except JsonRpcException:
            what = f"“massgen: apply {winner}” is among the code actions"
            server.say(f"{winner} won. {why} {what}.")
            return
        match answer:
            case "Apply":
                await conclude(server, services, run, await land(server, services, run, winner))
                return
            case "Show diff":
                await show_patch(server, services, run, winner)
            case "Discard":
                await services.engine.discard(run, None)
                return
            case _:
                return


async def land(
    server: MassgenServer,
    services: Services,
    run: RunId,
    candidate: CandidateId | None,
    selection: Selection = EVERYTHING,
    *,
    preview: bool = False,
) -> Delivery:
    """Lands a candidate in the editor, one after the other.

    With ``preview`` the editor shows what would change first, where it can, and its user decides.

    Raises:
        NotFoundError: No such run, candidate or file.
    """
    live = server.live_files(services, preview=preview)
    async with server.applying:
        delivery = await services.engine.apply(run, candidate, live, selection)
    if delivery.applied:
        # Before anything is told: what the user does next is theirs.
        server.aftermath.landed(services.engine, lambda: server.live_files(services), run, delivery)
    return delivery


async def conclude(
    server: MassgenServer, services: Services, run: RunId, delivery: Delivery
) -> None:
    """Says what became of a candidate, and asks whether what fits beside conflicts shall land.

    A half of a file's change is never applied unasked: its hunks mostly make sense together.
    """
    tell_delivery(server, delivery)
    if not delivery.held:
        return
    changes = sum(len(held.hunks) for held in delivery.held)
    fit = "1 change" if changes == 1 else f"{changes} changes"
    names = _listed([held.path for held in delivery.held])
    question = f"massgen: {fit} in {names} would fit beside your own, the conflicts would not."
    try:
        async with asyncio.timeout(_PATIENCE):
            answer = await server.choose(question, (REST, LEAVE))
    except TimeoutError:
        return
    if answer == REST:
        rest = Selection.of([held.path for held in delivery.held], partial=True)
        tell_delivery(server, await land(server, services, run, delivery.candidate, rest))


def tell_delivery(server: MassgenServer, delivery: Delivery) -> None:
    """Says what became of it."""
    conflicts = _conflicts(delivery.conflicts)
    if delivery.applied:
        files = "one file" if len(delivery.paths) == 1 else f"{len(delivery.paths)} files"
        blocked = "".join(f"; {each.why}" for each in delivery.blocked)
        message = f"{delivery.candidate} is applied to {files}{conflicts}{blocked}"
        kind = types.MessageType.Info if delivery.whole else types.MessageType.Warning
    else:
        others = "; its other files can land without it" if delivery.others else ""
        message = f"{delivery.candidate} was not applied: {delivery.reason}{others}{conflicts}"
        kind = types.MessageType.Warning
    server.say(message, kind)


def _conflicts(conflicts: Sequence[Conflict]) -> str:
    if not conflicts:
        return ""
    names = sorted({conflict.path for conflict in conflicts})
    return f"; your changes and its own meet in {_listed(names)}, left as you have it"


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(paths[:3]) + more


async def show_patch(
    server: MassgenServer, services: Services, run: RunId, candidate: CandidateId
) -> tuple[str, str]:
    """Shows a candidate's diff as well as the editor can; returns (diff, URI of it)."""
    patch = await services.engine.patch(run, candidate)
    uri = uris.virtual_patch(run, candidate)
    if server.client.show_document and server.client.virtual_documents:
        params = types.ShowDocumentParams(uri=uri, take_focus=True)
        try:
            limit = server.deadlines.document
            answer = await server.protocol.ask(types.WINDOW_SHOW_DOCUMENT, params, limit)
            if isinstance(answer, types.ShowDocumentResult) and answer.success:
                return patch, uri
        except (TimeoutError, JsonRpcException, MassgenError):
            pass
    log = types.LogMessageParams(type=types.MessageType.Log, message=patch)
    server.protocol.tell(types.WINDOW_LOG_MESSAGE, log)
    cut = "" if len(patch) <= _EXCERPT else "\n… (the rest is in the log)"
    server.say(f"{candidate}\n{patch[:_EXCERPT]}{cut}")
    return patch, uri
