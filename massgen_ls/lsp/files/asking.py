"""Asking the editor to apply an edit, and looking at its documents for what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from lsprotocol import types

from massgen_ls.lsp.files.documents import Documents

ANSWER_DEADLINE = 30.0
"""Seconds until an editor that has not answered `workspace/applyEdit` is taken at its documents."""
SILENT_DEADLINE = 8.0
"""The same where it is known that no answer ever comes."""
QUESTION_DEADLINE = 300.0
"""Seconds that the user has to agree to file operations."""
TRUST_DEADLINE = 120.0
"""Seconds that the user has to say whether they trust a folder; a run waits meanwhile."""
_GRACE = 1.0
"""Seconds that an answer may still take once the documents show the whole edit."""


class Editor(Protocol):
    """The questions that are asked of the client."""

    async def apply_edit(
        self, params: types.ApplyWorkspaceEditParams
    ) -> types.ApplyWorkspaceEditResult:
        """Sends `workspace/applyEdit` and waits for the answer, for ever if need be."""
        ...

    async def choose(self, message: str, actions: Sequence[str]) -> str | None:
        """Asks the user; None when they looked away. Waits for ever if need be."""
        ...

    async def flush(self, timeout: float) -> bool:
        """Has the client send unsent changes, if it can be told to."""
        ...

    def say(self, message: str) -> None:
        """Shows the user a message."""
        ...


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long to wait for whom, in seconds."""

    answer: float = ANSWER_DEADLINE
    question: float = QUESTION_DEADLINE
    trust: float = TRUST_DEADLINE
    document: float = 5.0
    """How long an editor may take to say that it shows a document; then its user is told the text
    in another way, and looks at nothing until then."""
    quiet: float = 0.2
    """What counts as a pause in typing: more than the time that clients wait until they send what
    was typed (Neovim 0.15)."""
    settle: float = 2.0
    """How long a pause in typing is waited for."""
    steady: float = 0.5
    """How long a document has to stay as it is to be judged by it, when another text came."""
    untold: float = 1.5
    """How long an editor that refused an edit may take to send what was typed, if it was that."""
    waiting: float = 20.0
    """The same for one that has said so, by naming the version: Emacs sends nothing until a key is
    pressed once its minibuffer was used, so a person has to have the time."""
    watch: float = 2.0
    """How often it is looked whether a configuration has changed on the disk."""
    late: float = 2.0
    """How long an editor that was asked for an edit may still answer when nobody waits for it."""
    shown: float = 1.5
    """How long after its answer an editor may take to show an edit."""


class Asking:
    """The editor, and the mirror of its documents, which says what its answers do not.

    Args:
        documents: The mirror.
        editor: Who is asked.
        deadlines: How long to wait.
    """

    def __init__(self, documents: Documents, editor: Editor, deadlines: Deadlines) -> None:
        self._documents = documents
        self.editor = editor
        self.deadlines = deadlines

    async def edit(
        self, params: types.ApplyWorkspaceEditParams, expected: Mapping[str, str]
    ) -> types.ApplyWorkspaceEditResult | None:
        """The client's answer. None: it never came, so its documents have to speak.

        The change notifications of the edit come before the answer with some editors, after it
        with others.

        Args:
            params: The edit.
            expected: What the documents show once it has landed, by URI.
        """

        async def ask() -> types.ApplyWorkspaceEditResult:
            return await self.editor.apply_edit(params)

        async with asyncio.TaskGroup() as group:
            asking = group.create_task(ask())
            looking = group.create_task(self._until_shown(expected))
            try:
                async with asyncio.timeout(self.deadlines.answer):
                    await asyncio.wait((asking, looking), return_when=asyncio.FIRST_COMPLETED)
                    if not asking.done():
                        with suppress(TimeoutError):
                            async with asyncio.timeout(_GRACE):
                                await asyncio.wait((asking,))
            except TimeoutError:
                pass
            finally:
                looking.cancel()
                asking.cancel()
        return None if asking.cancelled() else asking.result()

    async def _until_shown(self, expected: Mapping[str, str]) -> None:
        while not expected or not all(self.shown(expected).values()):
            await self._documents.changed()

    def shown(self, expected: Mapping[str, str]) -> dict[str, bool]:
        """Which documents show exactly what is expected of them."""
        found = {uri: self._documents.get(uri) for uri in expected}
        return {
            uri: document is not None and document.text == expected[uri]
            for uri, document in found.items()
        }

    async def settle(self, uris: Collection[str]) -> None:
        """Waits until nothing has been typed in these documents for a moment, if that happens.

        Whoever types without a pause has just sent something when this ends, so that little can
        be under way.
        """
        if not uris:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self.deadlines.settle):
                while await self._moves(uris, self.deadlines.quiet):
                    pass
                return
        await self._moves(uris, self.deadlines.quiet)

    async def hear(self, uris: Collection[str], reason: str, waiting: str) -> None:
        """Waits for news of documents whose editor has refused an edit for no visible reason.

        It has changes that it has not told yet: Eglot counts a version up with each key and sends
        what was typed half a second later.

        Args:
            uris: The documents.
            reason: What the editor said.
            waiting: What to tell the user when that takes longer.
        """
        if await self._moves(uris, self.deadlines.untold) or "version" not in reason.lower():
            return
        self.editor.say(waiting)
        await self._moves(uris, self.deadlines.waiting)

    async def sees(self, uri: str, text: str, version: int | None) -> bool:
        """Whether a document comes to show a text.

        An editor may send an edit in pieces, so another text is a verdict only once it stays.

        Args:
            uri: The document.
            text: What it should show.
            version: Its version before the edit; None when it was not open.
        """
        expected = {uri: text}
        if not self.shown(expected)[uri]:
            await self.editor.flush(self.deadlines.shown)
        with suppress(TimeoutError):
            async with asyncio.timeout(self.deadlines.shown):
                while not self.shown(expected)[uri]:
                    if version is None or self._versions((uri,)) == [version]:
                        await self._documents.changed()
                    elif not await self._moves((uri,), self.deadlines.steady):
                        break
        return self.shown(expected)[uri]

    async def _moves(self, uris: Collection[str], pause: float) -> bool:
        """Whether anything is typed before a pause is over."""
        try:
            async with asyncio.timeout(pause):
                await self._move(uris)
        except TimeoutError:
            return False
        return True

    async def _move(self, uris: Collection[str]) -> None:
        before = self._versions(uris)
        while self._versions(uris) == before:
            await self._documents.changed()

    def _versions(self, uris: Collection[str]) -> list[int | None]:
        found = [self._documents.get(uri) for uri in uris]
        return [None if document is None else document.version for document in found]
