"""The verbs of `massgen/*`: each parses, calls the engine, answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import cast

from massgen_ls.core.errors import NotFoundError
from massgen_ls.core.explain import own_words
from massgen_ls.core.markdown import markdown
from massgen_ls.core.run_state import RunState
from massgen_ls.core.task import (
    CandidateId,
    Json,
    RunId,
)
from massgen_ls.core.wire import to_json
from massgen_ls.engine.report import delivery_json, record_json, run_json, settled
from massgen_ls.lsp import protocol, uris
from massgen_ls.lsp.attaching import attach
from massgen_ls.lsp.fields import ParamsError, nearest
from massgen_ls.lsp.files.documents import encoding_of
from massgen_ls.lsp.finish import conclude, land, show_patch
from massgen_ls.lsp.scopes import named_folder, open_buffers, place
from massgen_ls.lsp.server import MassgenServer
from massgen_ls.lsp.stream import Stream
from massgen_ls.lsp.trust import Trusting
from massgen_ls.ports import Halt, Note

BASE = "base"
"""Names the snapshot where a virtual document names a candidate."""
_LONGEST_DIFF = 1024 * 1024
"""Characters of a diff in ``massgen/read``; the files can be read one by one."""

Verb = Callable[[object], Awaitable[Json]]


@dataclass(frozen=True, slots=True)
class Verbs:
    """What editors can ask for. Every method takes the raw payload."""

    server: MassgenServer
    stream: Stream
    trust: Trusting

    def methods(self) -> dict[str, Verb]:
        """By the last part of their names."""
        return {
            "run": self.run,
            "wait": self.wait,
            "cancel": self.cancel,
            "list": self.list,
            "read": self.read,
            "apply": self.apply,
            "discard": self.discard,
            "compare": self.compare,
            "tell": self.tell,
            "listen": self.listen,
            "hunks": self.hunks,
            "team": self.team,
        }

    async def run(self, payload: object) -> Json:
        """Starts a run; returns its id at once."""
        return await self._run(payload, aloud=False)

    async def run_aloud(self, payload: object) -> Json:
        """The same for the command: its sender may not know what to say about the folder."""
        return await self._run(payload, aloud=True)

    async def _run(self, payload: object, *, aloud: bool) -> Json:
        params = protocol.read_run(payload)
        folder, scope = await place(self.server, params.scope, params.folder, asks=aloud)
        services = await self.server.services()
        view = await self.server.settings.view(folder)
        spec = await self.trust.order(
            services.desk,
            folder,
            lambda word: services.desk.make_spec(
                folder,
                params.prompt,
                scope,
                params.agents,
                params.checks,
                params.mode,
                params.apply,
                view,
                word,
            ),
        )
        if params.context is not None:
            earlier, seat = params.context.run, params.context.seat
            task = await services.engine.continued(spec.task, earlier, seat)
            spec = replace(spec, task=task)
        if params.attachments:
            kept = [await attach(services.engine, each) for each in params.attachments]
            spec = replace(spec, task=replace(spec.task, attachments=tuple(kept)))
        buffers = await open_buffers(self.server.documents, services.disk)
        live = self.server.live_files(services)
        run = await services.engine.start(spec, folder, buffers, live)
        self.stream.follow(services, run, params.apply, params.token)
        return {"runId": run}

    async def wait(self, payload: object) -> Json:
        """Waits for the verdict. `$/cancelRequest` of it cancels the run."""
        ref = protocol.read_ref(payload, "massgen/wait")
        shown: asyncio.Task[None] | None = None
        try:
            engine = (await self.server.services()).engine
            run = await engine.resolve(ref.run)
            board = self.stream.board(run)
            if ref.token is not None and board is not None:
                shown = self.server.spawn(board.show_at(ref.token, await engine.state(run)))
            state = await engine.wait(run)
        except asyncio.CancelledError:
            if not self.server.leaving.is_set():
                self.server.spawn(self._cancel(ref.run, "$/cancelRequest"))
            raise
        finally:
            if shown is not None:
                shown.cancel()
        return cast("Json", settled(run, state))

    async def cancel(self, payload: object) -> Json:
        """Cancels a run."""
        ref = protocol.read_ref(payload, "massgen/cancel")
        engine = (await self.server.services()).engine
        return {"cancelled": await engine.cancel(await engine.resolve(ref.run), "massgen/cancel")}

    async def _cancel(self, run: str, by: str) -> None:
        engine = (await self.server.services()).engine
        await engine.cancel(await engine.resolve(run), by)

    async def list(self, payload: object) -> Json:
        """The newest runs, of the open folders or of the one that is named."""
        params = protocol.read_list(payload)
        engine = (await self.server.services()).engine
        folders = [named_folder(params.folder)] if params.folder else [*self.server.folders]
        found = {r.run: r for folder in folders for r in await engine.runs(folder, params.limit)}
        newest = sorted(found.values(), key=lambda r: (r.started, r.run), reverse=True)
        return {"runs": [cast("Json", record_json(r)) for r in newest[: params.limit]]}

    async def read(self, payload: object) -> Json:
        """The whole run with its diffs, or the text of one file of it."""
        params = protocol.read_read(payload)
        engine = (await self.server.services()).engine
        run = await engine.resolve(params.run)
        candidate = CandidateId(params.candidate) if params.candidate else None
        if params.seat is not None:
            known = await engine.transcripts(run)
            return {"transcripts": [to_json(t) for t in known if t.agent == params.seat]}
        state = await engine.state(run)
        if params.check is not None:
            return _last_look(state, run, params.check, candidate)
        if params.texts and candidate is not None:
            files = await engine.files(run, candidate)
            return {"texts": {path: text_of(content) for path, content in files.items()}}
        if params.path is not None:
            if candidate == BASE:
                candidate = None
            elif candidate is None and state.verdict is not None:
                candidate = state.verdict.winner
            content = await engine.file(run, candidate, params.path)
            return {"text": text_of(content), "size": len(content)}
        if params.format == "markdown":
            return {"text": markdown(state, run)}
        report = {**run_json(run, state), **settled(run, state)}
        kept: list[Json] = []
        for each in cast("list[dict[str, Json]]", report["candidates"]):
            if candidate is not None and each["id"] != candidate:
                continue
            if params.format == "outline":
                kept.append(each)
                continue
            diff = await engine.patch(run, CandidateId(str(each["id"])))
            kept.append(
                {**each, "diff": diff[:_LONGEST_DIFF], "truncated": len(diff) > _LONGEST_DIFF}
            )
        if candidate is not None and not kept:
            await engine.patch(run, candidate)  # says which candidates there are
        report["candidates"] = kept
        return cast("Json", report)

    async def apply(self, payload: object) -> Json:
        """Lands a candidate, or a part of it, in the editor."""
        return await self._apply(payload, aloud=False)

    async def apply_aloud(self, payload: object) -> Json:
        """The same for the command, whose answer no editor shows to its user."""
        return await self._apply(payload, aloud=True)

    async def _apply(self, payload: object, *, aloud: bool) -> Json:
        params = protocol.read_apply(payload)
        services = await self.server.services()
        run = await services.engine.resolve(params.run)
        candidate = CandidateId(params.candidate) if params.candidate else None
        delivery = await land(
            self.server,
            services,
            run,
            candidate,
            params.selection,
            preview=params.preview,
        )
        if aloud:  # not awaited: the answer is no place to wait for a user
            self.server.spawn(conclude(self.server, services, run, delivery))
        return delivery_json(delivery)

    async def tell(self, payload: object) -> Json:
        """Says something to an agent at work, or stops it where it is."""
        params = protocol.read_tell(payload)
        engine = (await self.server.services()).engine
        run = await engine.resolve(params.run)
        message = Halt() if params.text is None else Note(params.text)
        await engine.tell(run, params.seat, message, "the editor")
        return {"told": True}

    async def listen(self, payload: object) -> Json:
        """What an agent has printed lately; what it prints from now on is sent, or no more."""
        params = protocol.read_listen(payload)
        engine = (await self.server.services()).engine
        run = await engine.resolve(params.run)
        state = await engine.state(run)
        seats = [seat.seat for seat in state.seats]
        if params.seat not in seats:
            hint = nearest(params.seat, seats)
            raise NotFoundError(f"run {run} has no agent {params.seat!r}", hint)
        over = state.verdict is not None  # it prints nothing more: nobody is to be kept for it
        return self.stream.hear(run, params.seat, stop=params.stop or over)

    async def team(self, payload: object) -> Json:
        """The agents and checks that are configured for a folder, for pickers."""
        named = protocol.read_team(payload)
        folder = named_folder(named) if named is not None else next(iter(self.server.folders), None)
        if folder is None:
            raise ParamsError("no folder is open", "Open one, or give it as `folder`.")
        desk = (await self.server.services()).desk
        team = await asyncio.to_thread(desk.team, folder, await self.server.settings.view(folder))
        return {
            "agents": [{"id": agent, "type": kind} for agent, kind in team.agents],
            "checks": [*team.checks],
            "modes": [*protocol.MODES],
            "mode": team.mode,
            "source": team.source,
        }

    async def discard(self, payload: object) -> Json:
        """Records that the user does not want it."""
        ref = protocol.read_ref(payload, "massgen/discard")
        engine = (await self.server.services()).engine
        run = await engine.resolve(ref.run)
        await engine.discard(run, CandidateId(ref.candidate) if ref.candidate else None)
        self.stream.settled.pop(run, None)
        return {"discarded": True}

    async def compare(self, payload: object) -> Json:
        """Shows a candidate's (or the winner's) diff."""
        ref = protocol.read_ref(payload, "massgen/compare")
        services = await self.server.services()
        run = await services.engine.resolve(ref.run)
        candidate = ref.candidate
        if candidate is None:
            verdict = (await services.engine.state(run)).verdict
            candidate = verdict.winner if verdict else None
        if candidate is None:
            raise ParamsError(f"run {run} has no winner", "Name a candidate with `candidateId`.")
        diff, uri = await show_patch(self.server, services, run, CandidateId(candidate))
        return {"diff": diff, "uri": uri}

    async def hunks(self, payload: object) -> Json:
        """The hunks of a candidate (or the winner), each with its place in the live text."""
        ref = protocol.read_ref(payload, "massgen/hunks")
        services = await self.server.services()
        run = await services.engine.resolve(ref.run)
        wanted = CandidateId(ref.candidate) if ref.candidate else None
        live = self.server.live_files(services)
        candidate, root, files = await services.engine.hunks(run, wanted, live)
        return {"run": run, "candidate": candidate, "root": root, "files": to_json(files)}

    async def content(self, uri: str) -> Json:
        """The text behind a ``massgen:`` URI."""
        found = uris.parse_virtual(uri)
        if found is None:
            raise ParamsError(f"{uri} is no massgen document", "massgen:/<run>/<candidate>/<path>")
        engine = (await self.server.services()).engine
        run = await engine.resolve(found[0])
        if not found[2]:
            return {"text": await engine.patch(run, CandidateId(found[1]))}
        candidate = None if found[1] == BASE else CandidateId(found[1])
        return {"text": text_of(await engine.file(run, candidate, found[2])) or ""}


def _last_look(
    state: RunState, run: RunId, check: str, candidate: CandidateId | None
) -> dict[str, Json]:
    """What a check said about a candidate's tree, or about the snapshot's, the last time."""
    if candidate is None or candidate == BASE:
        tree = state.snapshot.tree if state.snapshot else None
    else:
        chosen = state.candidate(candidate)
        tree = chosen.tree if chosen else None
    looks = state.results(check, tree) if tree is not None else ()
    if candidate is not None and (why := own_words(state, candidate, check)):
        # A gate of our own prints nothing: what it says is all there is to read.
        return {
            "check": check,
            "outcome": "failed",
            "seconds": 0.0,
            "failures": [*why],
            "text": "".join(f"{word}\n" for word in why),
        }
    if not looks:
        known = sorted({c.result.check for c in state.checked})
        raise NotFoundError(
            f"No check {check!r} has looked at {candidate or 'the snapshot'} of run {run}",
            f"There are: {', '.join(known) or 'none'}",
        )
    return {
        "check": check,
        "outcome": looks[-1].outcome,
        "seconds": looks[-1].seconds,
        "failures": [*looks[-1].failures],
        "text": looks[-1].output,
    }


def text_of(content: bytes) -> str | None:
    """A file's text; None when it has none."""
    if b"\0" in content[:8192] and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return None
    return content.decode(encoding_of(content), "replace")
