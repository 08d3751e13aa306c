"""The user's files as the editor has them: `ports.LiveFiles` over the protocol."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from lsprotocol import types

from massgen_ls.core.changes import RelPath
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.landing import decode
from massgen_ls.core.plan import (
    Blocked,
    CreateFile,
    DeleteFile,
    EditPlan,
    EditText,
    LiveFile,
    Operation,
    RenameFile,
    ReplaceFile,
)
from massgen_ls.lsp import uris
from massgen_ls.lsp.capabilities import Client
from massgen_ls.lsp.files.asking import Asking, Deadlines, Editor
from massgen_ls.lsp.files.documents import Document, Documents, Form, form_of, whole
from massgen_ls.lsp.files.edits import (
    Split,
    Target,
    describe,
    for_disk,
    origins,
    shown_result,
    split,
    workspace_edit,
)
from massgen_ls.lsp.files.room import arrivals, make_room, take_back
from massgen_ls.lsp.files.stepwise import Stepwise
from massgen_ls.ports import Landed, LiveFiles, Refused


class LspLiveFiles:
    """Open buffers first, then the disk.

    Args:
        documents: The mirror.
        client: What the client can do.
        editor: How it is asked.
        disk: The files under the buffers.
        roots: The workspace folders as the editor spells them.
        deadlines: How long to wait.
        preview: Have the user confirm each change of an edit in the editor.
    """

    def __init__(
        self,
        documents: Documents,
        client: Client,
        editor: Editor,
        disk: LiveFiles,
        roots: Callable[[], Sequence[str]],
        deadlines: Deadlines | None = None,
        *,
        preview: bool = False,
    ) -> None:
        self._documents = documents
        self._client = client
        self._editor = editor
        self._asking = Asking(documents, editor, deadlines or Deadlines())
        self._disk = disk
        self._roots = roots
        self._preview = preview
        self._steps: Stepwise | None = None

    async def read(self, root: str, paths: Sequence[RelPath]) -> Mapping[RelPath, LiveFile]:
        """The live files among ``paths``; what does not exist is absent."""
        found = dict(await self._disk.read(root, paths))
        for path in paths:
            document = self._documents.at(os.path.join(root, path))
            under = found.get(path)
            if document is None:
                if self._steps is not None and path in self._steps.unseen:
                    found[path] = _as_written(path, self._steps.unseen[path], under)
                continue
            if under is not None and under.type == "symlink":
                continue  # the buffer shows what the link leads to, which is another file
            found[path] = _as_live(path, document, under)
        return found

    async def apply(self, root: str, plan: EditPlan) -> Landed | Refused:
        """Performs the whole plan, or nothing of it.

        The editor's part comes first: it is refused far more often than the disk's, and the user
        can undo it. Once it is asked, a cancel leaves it a moment to answer.
        """
        if not plan.operations:
            return Landed()
        parts = split(plan, self._client)
        if stale := await self._stale(root, plan.operations):
            return Refused(stale, stale=True)
        if parts.disk:
            if refusal := self._unsaved(root, parts.disk):
                return refusal
            if refusal := await self._agreed(plan.label, parts.disk):
                return refusal
            if stale := await self._stale(root, plan.operations):
                return Refused(stale, stale=True)
        async with asyncio.TaskGroup() as group:
            begun = group.create_task(self._begin(root, plan, parts))
            try:
                await asyncio.wait([begun])
            except asyncio.CancelledError:
                await asyncio.wait([begun], timeout=self._asking.deadlines.late)
                begun.cancel()
                await asyncio.wait([begun])
                if begun.cancelled() or not isinstance(begun.result(), Landed):
                    raise
        outcome = begun.result()
        if isinstance(outcome, MassgenError):
            raise outcome
        return outcome

    async def _begin(
        self, root: str, plan: EditPlan, parts: Split
    ) -> Landed | Refused | MassgenError:
        """Performs the parts; what goes wrong is a value, to be raised where it is waited for."""
        try:
            if parts.editor:
                outcome = await self._perform(root, plan, parts.editor)
                if isinstance(outcome, Refused) or not parts.disk:
                    return outcome
            outcome = await self._disk.apply(root, for_disk(plan, parts.disk))
        except MassgenError as error:
            return error
        if isinstance(outcome, Refused) and parts.editor:
            done = describe(parts.editor)
            reason = f"{outcome.reason}. The editor has already done this, which undo takes back"
            return Refused(f"{reason}: {done}")
        return outcome

    # ── before ──────────────────────────────────────────────────────────────────────────────

    async def _stale(self, root: str, operations: Sequence[Operation]) -> str:
        """Why the plan does not fit any more; empty when it does."""
        needed = [_needs(op) for op in operations if not isinstance(op, CreateFile)]
        renamed = {op.path for op in operations if isinstance(op, RenameFile)}
        leaving = {
            op.old_path if isinstance(op, RenameFile) else op.path
            for op in operations
            if isinstance(op, RenameFile | DeleteFile)
        }
        arriving = [
            op.path
            for op in operations
            if isinstance(op, CreateFile | RenameFile) and op.path not in leaving
        ]
        # Some editors empty a file that a creation meets, so none may be there by now.
        for path in await self.read(root, arriving):
            return f"{path} exists meanwhile"
        live = await self.read(root, [path for path in needed if path not in renamed])
        for operation in operations:
            path = _needs(operation)
            if path in renamed or isinstance(operation, CreateFile):
                continue
            now = live.get(path)
            if now is None:
                return f"{path} is gone"
            match operation:
                case EditText(version=version, before=before):
                    fits = now.version == version and now.text == before
                case RenameFile(version=version):
                    fits = now.version == version
                case DeleteFile(version=version, content=content):
                    fits = now.version == version and now.content == content
                case ReplaceFile(before=before):
                    fits = now.content == before
            if not fits:
                return f"{path} has changed meanwhile"
        return ""

    async def _stale_step(self, root: str, operation: Operation, *, moved: bool) -> str:
        """Why a single step does not fit any more, when those before it are done."""
        if not moved and not isinstance(operation, CreateFile):
            return await self._stale(root, (operation,))
        now = (await self.read(root, (operation.path,))).get(operation.path)
        if isinstance(operation, CreateFile):
            return f"{operation.path} exists already" if now is not None else ""
        if isinstance(operation, EditText) and (now is None or now.text != operation.before):
            return f"{operation.path} has changed meanwhile"
        return ""

    def _unsaved(self, root: str, operations: Sequence[Operation]) -> Refused | None:
        """We may not write under a buffer that the user has not saved."""
        blocked: dict[RelPath, Blocked] = {}
        for operation in operations:
            path = _needs(operation)
            document = self._documents.at(os.path.join(root, path))
            if document is not None and document.touched:
                why = f"{path} has unsaved changes, and {_why_disk(operation)}: "
                why += "save it, then apply again"
                blocked.setdefault(path, Blocked(path, why))
        found = tuple(blocked.values())
        return Refused("; ".join(each.why for each in found), blocked=found) if found else None

    async def _agreed(self, label: str, operations: tuple[Operation, ...]) -> Refused | None:
        if not self._client.asks:
            return None  # the action that was picked has said so
        question = f"{label}. Shall I {describe(operations)} on the disk?"
        try:
            async with asyncio.timeout(self._asking.deadlines.question):
                answer = await self._editor.choose(question, ("Apply", "Cancel"))
        except TimeoutError:
            answer = None
        if answer == "Apply":
            return None
        who = "nobody agreed" if answer is None else "the user did not agree"
        return Refused(f"{who} to {describe(operations)}")

    # ── the edit ────────────────────────────────────────────────────────────────────────────

    async def _perform(
        self, root: str, plan: EditPlan, operations: tuple[Operation, ...]
    ) -> Landed | Refused:
        if not self._client.one_by_one:
            return await self._send(root, plan, operations)
        if self._steps is None:
            self._steps = Stepwise(
                self._documents,
                self._client,
                self._asking,
                lambda path: self._target(root, path),
                lambda operation, moved: self._stale_step(root, operation, moved=moved),
            )
        return await self._steps.perform(operations)

    async def _send(
        self, root: str, plan: EditPlan, operations: tuple[Operation, ...]
    ) -> Landed | Refused:
        def target(path: RelPath) -> Target:
            return self._target(root, path)

        moving = origins(operations)
        expected = {
            target(op.path).uri: shown_result(
                op, target(moving.get(op.path, op.path)).form, own_end=self._client.own_end
            )
            for op in operations
            if isinstance(op, EditText)
        }
        edit = workspace_edit(operations, plan.label, self._client, target, confirm=self._preview)
        params = types.ApplyWorkspaceEditParams(edit=edit, label=plan.label)
        new = arrivals(operations, target) if self._client.bare_files else []
        made = await asyncio.to_thread(make_room, new)
        answer = await self._asking.edit(params, expected)
        if answer is not None and answer.applied:
            return Landed()
        await asyncio.to_thread(take_back, made)
        shown = self._asking.shown(expected)
        if answer is None:
            if (
                expected
                and all(shown.values())
                and all(isinstance(o, EditText) for o in operations)
            ):
                return Landed()
            seconds = f"{self._asking.deadlines.answer:g} s"
            return Refused(
                f"the editor did not say within {seconds} whether it applied the edit, and its "
                "documents do not show it"
            )
        reason = whole(answer.failure_reason or "the editor refused the edit")
        stale = bool(await self._stale(root, operations))
        if not stale and expected and not any(shown.values()):
            until = "until the editor sends what you typed; one more key may make it"
            await self._asking.hear(expected, reason, f"{plan.candidate} waits {until}")
            stale = bool(await self._stale(root, operations))
        if any(shown.values()):
            names = ", ".join(os.path.basename(uri) for uri, done in shown.items() if done)
            return Refused(f"{reason}; yet it changed {names}, which undo takes back")
        return Refused(reason, stale=stale)

    def _target(self, root: str, path: RelPath) -> Target:
        document = self._documents.at(os.path.join(root, path))
        if document is None:
            return Target(self.uri(root, path), Form(), None)
        # Version 0, which Neovim gives to what was not changed yet, it takes for none at all.
        version = max(document.version, 1) if self._client.one_by_one else document.version
        return Target(document.uri, document.form or Form(), version)

    def uri(self, root: str, path: RelPath) -> str:
        """A file's URI in the editor's own spelling of its folders."""
        absolute = os.path.join(root, path)
        document = self._documents.at(absolute)
        if document is not None:
            return document.uri
        for folder in sorted(self._roots(), key=len, reverse=True):
            rest = uris.below(folder, absolute)
            if rest is not None:
                return uris.from_path(os.path.join(folder, rest))
        return uris.from_path(absolute)


def _needs(operation: Operation) -> RelPath:
    """The path that has to be there, as it was, for the operation."""
    return operation.old_path if isinstance(operation, RenameFile) else operation.path


def _why_disk(operation: Operation) -> str:
    """Why an operation on a file is the disk's, for people."""
    if not isinstance(operation, ReplaceFile):
        return "this editor leaves file operations to us"
    if decode(operation.before) is None or decode(operation.content) is None:
        return "it is not UTF-8 text, so it is written to the disk as a whole"
    return "what changes in it no editor can change (its kind, its mode or its byte order mark)"


def _as_written(path: RelPath, text: str, under: LiveFile | None) -> LiveFile:
    content = form_of(text, under.content if under else None).encode(text)
    if under is None:
        return LiveFile(path, content, text)
    return replace(under, content=content, text=text)


def _as_live(path: RelPath, document: Document, under: LiveFile | None) -> LiveFile:
    form = document.formed(under.content if under else None)
    text = form.saved(whole(document.text))
    content = form.encode(document.text)
    if under is None:
        return LiveFile(path, content, text, "file", document.version)
    return replace(under, content=content, text=text, version=document.version)
