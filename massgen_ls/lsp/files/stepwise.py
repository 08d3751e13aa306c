"""A plan for an editor whose word is not enough: one document at a time, each looked at after.

Neovim's own client checks the version of the first document of an edit alone, skips a document
that has moved on without a word, and says that it has applied the edit. An edit of one document
is therefore either performed on exactly the text that it was computed for, or not at all; which
of the two, the mirror of the documents tells.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from lsprotocol import types

from massgen_ls.core.changes import RelPath
from massgen_ls.core.plan import CreateFile, DeleteFile, EditText, Operation, RenameFile
from massgen_ls.lsp.capabilities import Client
from massgen_ls.lsp.files.asking import Asking
from massgen_ls.lsp.files.documents import Document, Documents, whole
from massgen_ls.lsp.files.edits import Target, describe, shown_result, workspace_edit
from massgen_ls.lsp.files.room import arrivals, make_room, take_back
from massgen_ls.ports import Landed, Refused


class Stepwise:
    """Performs operations one by one, and remembers over all attempts what it has done.

    Args:
        documents: The mirror.
        client: What the client can do.
        asking: The editor.
        target: A path's place in the editor now.
        stale: Why an operation does not fit the live files any more, or nothing; with True for
            an edit of what was just renamed, whose document has a new version.
    """

    def __init__(
        self,
        documents: Documents,
        client: Client,
        asking: Asking,
        target: Callable[[RelPath], Target],
        stale: Callable[[Operation, bool], Awaitable[str]],
    ) -> None:
        self._documents = documents
        self._client = client
        self._asking = asking
        self._target = target
        self._stale = stale
        self._done: list[Operation] = []
        self.unseen: dict[RelPath, str] = {}
        """What files hold by now that the editor has changed without opening a document: the disk
        has not got it yet, and nobody shows it."""

    async def perform(self, operations: tuple[Operation, ...]) -> Landed | Refused:
        """Performs all, or stops at the first that fails and says what was done before it."""
        renamed = {op.path for op in operations if isinstance(op, RenameFile)}
        await self._asking.settle([d.uri for op in operations if (d := self._document(op))])
        for operation in self._in_order(operations, renamed):
            moved = isinstance(operation, EditText) and operation.path in renamed
            refused = await self._step(operation, moved=moved)
            if refused is not None:
                if not self._done:
                    return refused
                done = describe(tuple(self._done))
                return Refused(f"{refused.reason}; done already: {done}", stale=refused.stale)
            self._done.append(operation)
        self._done.clear()
        self.unseen.clear()
        return Landed()

    def _in_order(
        self, operations: tuple[Operation, ...], renamed: set[RelPath]
    ) -> list[Operation]:
        """Edits of open documents first: they fail most often, and nothing else is done then.

        What makes room comes before what needs it, and deletions come last.
        """

        def rank(operation: Operation) -> int:
            match operation:
                case EditText(path=path) if path not in renamed and self._document(operation):
                    return 0
                case EditText():
                    return 2
                case CreateFile():
                    return 3
                case DeleteFile():
                    return 1 if operations.index(operation) < first_arrival else 4
                case _:
                    return 1

        arriving = (CreateFile, RenameFile, EditText)
        first_arrival = next(
            (at for at, op in enumerate(operations) if isinstance(op, arriving)), 0
        )
        return sorted(operations, key=rank)

    def _document(self, operation: Operation) -> Document | None:
        path = operation.old_path if isinstance(operation, RenameFile) else operation.path
        return self._documents.get(self._target(path).uri)

    async def _step(self, operation: Operation, *, moved: bool) -> Refused | None:
        if self._document(operation) is not None:
            await self._asking.editor.flush(self._asking.deadlines.shown)
        if stale := await self._stale(operation, moved):
            return Refused(stale, stale=True)
        place = self._target(operation.path)
        expected = self._expected(operation, place)
        before = self._documents.get(place.uri)
        if before is not None and before.text == expected:
            return None
        version = None if before is None else before.version
        # No label: Neovim prints it, and a second line of text makes it wait for a key.
        edit = workspace_edit((operation,), "massgen", self._client, self._target)
        made = await asyncio.to_thread(make_room, arrivals((operation,), self._target))
        answer = await self._asking.edit(
            types.ApplyWorkspaceEditParams(edit=edit),
            {} if expected is None else {place.uri: expected},
        )
        if answer is not None and not answer.applied:
            await asyncio.to_thread(take_back, made)
        name = describe((operation,))
        if answer is not None and not answer.applied:
            why = whole(answer.failure_reason or "the editor refused the edit")
            stale = bool(await self._stale(operation, moved))
            return Refused(f"{name}: {why}", stale=stale)
        if expected is None or self._documents.get(place.uri) is None:
            # There is no document to look at.
            if answer is None:
                seconds = f"{self._asking.deadlines.answer:g} s"
                return Refused(f"the editor did not say within {seconds} whether it did {name}")
            if expected is not None:
                created = operation.text if isinstance(operation, CreateFile) else None
                self.unseen[operation.path] = expected if created is None else created
            elif not await self._stale(operation, moved):
                return Refused(f"{name}: the editor left the file as it was")
            return None
        if await self._asking.sees(place.uri, expected, version):
            return None
        return Refused(f"{name}: the editor does not show that it did", stale=True)

    def _expected(self, operation: Operation, place: Target) -> str | None:
        """What the document shows in the end; None when there will be none."""
        own_end = self._client.own_end
        match operation:
            case EditText(before=before):
                result = shown_result(operation, place.form, own_end=own_end)
                # An empty file has a last line, too, in such an editor's eyes.
                return result + "\n" if own_end and not before and result else result
            case CreateFile(text=text) if text is not None:
                return text if text.endswith("\n") or not own_end else text + "\n"
            case _:
                return None
