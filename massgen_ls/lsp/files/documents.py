"""The mirror of what the editor shows: our own, since pygls' splits lines where LSP does not.

A document's text is what the editor sent. What a save would write may differ: some editors (Emacs)
show LF for a file that has CRLF, and all of them hide a byte order mark and the encoding.
`Form` holds that difference, read off the file on the disk.
"""

from __future__ import annotations

import asyncio
import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from massgen_ls.core.text import Encoding, Range, apply_change
from massgen_ls.lsp import uris
from massgen_ls.ports import Buffer

_LONE_SURROGATES = re.compile("[\ud800-\udfff]")
_BARE_LF = re.compile(r"(?<!\r)\n")


@dataclass(frozen=True, slots=True)
class Form:
    """How a document's text becomes the bytes of its file."""

    encoding: str = "utf-8"
    """A Python codec; ``utf-8-sig`` and ``utf-16`` write their byte order mark."""
    hidden_crlf: bool = False
    """The file's line ends are ``\\r\\n`` and the editor shows ``\\n``."""
    shows_end: bool = False
    """The editor shows an empty file as one line end."""

    def saved(self, text: str) -> str:
        """The text as the file has it."""
        if self.shows_end and text in {"\n", "\r\n"}:
            return ""
        return text.replace("\n", "\r\n") if self.hidden_crlf else text

    def shown(self, text: str) -> str:
        """A text of the file as the editor shows it."""
        return text.replace("\r\n", "\n") if self.hidden_crlf else text

    def encode(self, text: str) -> bytes:
        """What a save would write. What the encoding does not have becomes a question mark."""
        return self.saved(whole(text)).encode(self.encoding, "replace")


def form_of(text: str, disk: bytes | None, *, own_end: bool = False) -> Form:
    """Finds out the form by the file as it is on the disk, which may hold an older text.

    Args:
        text: What the editor shows.
        disk: The file; None when there is none.
        own_end: `Client.own_end`.
    """
    if not disk:
        return Form(shows_end=own_end)
    encoding = encoding_of(disk)
    before = disk.decode(encoding, "replace")
    crlf = "\r\n" in before and not _BARE_LF.search(before)
    hidden = crlf and "\n" in text and "\r" not in text
    return Form(encoding, hidden, shows_end=own_end and before not in {"\n", "\r\n"})


def encoding_of(disk: bytes) -> str:
    """The codec of a file: its byte order mark, else UTF-8 if it is that, else Latin-1."""
    if disk.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if disk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        disk.decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def whole(text: str) -> str:
    """The text without half surrogate pairs, which JavaScript allows and no encoding has."""
    return text if text.isascii() else _LONE_SURROGATES.sub("\ufffd", text)


@dataclass(slots=True)
class Document:
    """One open document of the editor."""

    uri: str
    path: str | None
    """Absolute; None for what is not a file (``untitled:``, ``git:`` …)."""
    language: str
    version: int
    text: str
    touched: bool = False
    """Changed since it was opened or saved."""
    own_end: bool = False
    """`Client.own_end`."""
    form: Form | None = None
    """None until somebody looked at the disk."""

    def formed(self, disk: bytes | None) -> Form:
        """The form, found out now if it is not known."""
        if self.form is None:
            self.form = form_of(self.text, disk, own_end=self.own_end)
        return self.form


@dataclass(slots=True)
class Documents:
    """All open documents, by URI. Lives on the event loop."""

    encoding: Encoding
    own_end: bool = False
    """`Client.own_end`."""
    _open: dict[str, Document] = field(default_factory=dict[str, Document])
    _by_key: dict[str, Document] = field(default_factory=dict[str, Document])
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self, uri: str, language: str, version: int, text: str) -> None:
        """Takes a document in; opening twice replaces it."""
        path = uris.to_path(uri)
        document = Document(uri, path, language, version, text, own_end=self.own_end)
        self._open[uri] = document
        if path is not None:
            self._by_key[uris.key(path)] = document
        self._tell()

    def change(self, uri: str, version: int, changes: Sequence[tuple[Range | None, str]]) -> bool:
        """Performs changes in their order. False: the document is not open."""
        document = self._open.get(uri)
        if document is None:
            return False
        for where, new in changes:
            document.text = apply_change(document.text, where, new, self.encoding)
        document.version = version
        document.touched = True
        self._tell()
        return True

    def save(self, uri: str, text: str | None) -> None:
        """The document is on the disk now."""
        document = self._open.get(uri)
        if document is None:
            return
        if text is not None:
            document.text = text
        document.touched = False
        document.form = None
        self._tell()

    def close(self, uri: str) -> None:
        """Forgets a document."""
        document = self._open.pop(uri, None)
        if document is not None and document.path is not None:
            key = uris.key(document.path)
            if self._by_key.get(key) is document:
                del self._by_key[key]
        self._tell()

    def get(self, uri: str) -> Document | None:
        """The open document of a URI, however the editor spells it."""
        found = self._open.get(uri)
        if found is None and (path := uris.to_path(uri)) is not None:
            found = self.at(path)
        return found

    def at(self, path: str) -> Document | None:
        """The open document of a path, also through linked folders."""
        return self._by_key.get(uris.key(path))

    def __iter__(self) -> Iterator[Document]:
        return iter(list(self._open.values()))

    def __len__(self) -> int:
        return len(self._open)

    async def changed(self) -> None:
        """Waits until anything has happened to any document after this call."""
        await self._changed.wait()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def buffer_of(document: Document, disk: bytes | None) -> Buffer | None:
    """The document for a snapshot; None when the disk has exactly the same.

    The comparison is with the disk and not with what the editor said of saving: editors restore
    unsaved text when they start, and attach to buffers that were changed before.
    """
    if document.path is None:
        return None
    form = document.formed(disk)
    if disk is not None and form.encode(document.text) == disk:
        return None
    return Buffer(document.path, form.saved(whole(document.text)), form.encoding)
