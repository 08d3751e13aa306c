"""Completion, hover, links and quick fixes in configuration files."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types

from massgen_ls.config.lines import Lines
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.text import LineIndex, Position
from massgen_ls.lsp import uris
from massgen_ls.lsp.configs import Configs, extent
from massgen_ls.lsp.files.documents import Document
from massgen_ls.lsp.server import MassgenServer

if TYPE_CHECKING:
    from massgen_ls.config.assist.complete import Offer
    from massgen_ls.config.assist.findings import Findings
    from massgen_ls.config.assist.fixes import Fix
    from massgen_ls.config.massgen.report import Kind

_LONGEST = 256 * 1024
"""Characters of a text past which nothing is proposed while it is typed."""
_MOST = 20
"""Findings that quick fixes are looked for at once."""


class Assisting:
    """Answers about the configuration files that `Configs` knows; nothing about any other."""

    def __init__(self, server: MassgenServer, configs: Configs) -> None:
        self._server = server
        self._configs = configs

    def _known(self, uri: str) -> tuple[Document, Path] | None:
        """An open configuration. Everything else is answered here, in no time."""
        if not self._configs.has(uri) or self._configs.foreign(uri):
            return None
        document = self._server.documents.get(uri)
        if document is None or document.path is None or len(document.text) > _LONGEST:
            return None
        return document, Path(document.path)

    def _offset(self, document: Document, at: types.Position) -> int:
        place = Position(at.line, at.character)
        return LineIndex(document.text).offset_at(place, self._server.documents.encoding)

    async def completion(self, params: types.CompletionParams) -> types.CompletionList | None:
        """``textDocument/completion``."""
        if self._known(params.text_document.uri) is None:
            return None
        from massgen_ls.config.assist.complete import Around, complete

        named: Mapping[str, str] = {}
        with suppress(MassgenError):  # where runs cannot be had, files can be written all the same
            named = (await self._server.services()).desk.named_agents()
        opened = self._known(params.text_document.uri)
        if opened is None:  # closed meanwhile
            return None
        document, path = opened
        around = Around(tuple(os.environ), named)
        found = self._configs.found(params.text_document.uri)
        cursor = self._offset(document, params.position)
        index = LineIndex(document.text)
        offers = complete(document.text, cursor, path, around, _kind(found))
        items = [self._item(index, i, each) for i, each in enumerate(offers)]
        return types.CompletionList(is_incomplete=False, items=items)

    def _item(self, index: LineIndex, number: int, offer: Offer) -> types.CompletionItem:
        kinds = types.CompletionItemKind
        kind = {"key": kinds.Property, "value": kinds.Value, "variable": kinds.Variable}
        snippet = bool(offer.hole) and self._server.client.snippets
        new = offer.new
        if snippet:
            new = new.replace("\\", "\\\\").replace("$", "\\$").replace("}", "\\}") + offer.hole
        return types.CompletionItem(
            offer.label,
            kind=kind[offer.kind],
            detail=offer.detail or None,
            documentation=self._text(offer.documentation) if offer.documentation else None,
            sort_text=f"{0 if offer.required else 1}{number:03}",
            filter_text=offer.filter or None,
            insert_text_format=types.InsertTextFormat.Snippet if snippet else None,
            text_edit=types.TextEdit(self._configs.range(index, offer.start, offer.end), new),
        )

    def _text(self, markdown: str) -> types.MarkupContent:
        shows = self._server.client.markdown
        kind = types.MarkupKind.Markdown if shows else types.MarkupKind.PlainText
        return types.MarkupContent(kind, markdown if shows else _plain(markdown))

    async def hover(self, params: types.HoverParams) -> types.Hover | None:
        """``textDocument/hover``."""
        opened = self._known(params.text_document.uri)
        if opened is None:
            return None
        from massgen_ls.config.assist.explained import explain

        document, path = opened
        cursor = self._offset(document, params.position)
        kind = _kind(self._configs.found(params.text_document.uri))
        told = explain(document.text, cursor, path, kind)
        if told is None:
            return None
        where = self._configs.range(LineIndex(document.text), told.start, told.end)
        counts = await self._configs.counts(path, told.where) if kind != "massgen" else ""
        text = f"{told.text}\n\n{counts}" if counts else told.text
        return types.Hover(self._text(text), where)

    def links(self, params: types.DocumentLinkParams) -> list[types.DocumentLink] | None:
        """``textDocument/documentLink``: to included files."""
        opened = self._known(params.text_document.uri)
        if opened is None:
            return None
        from massgen_ls.config.assist.explained import includes

        document, path = opened
        index = LineIndex(document.text)
        return [
            types.DocumentLink(
                self._configs.range(index, each.start, each.end), uris.from_path(str(each.target))
            )
            for each in includes(document.text, path, self._configs.reads)
        ]

    def definition(self, params: types.DefinitionParams) -> types.Location | None:
        """``textDocument/definition``: the file that is included."""
        opened = self._known(params.text_document.uri)
        if opened is None:
            return None
        from massgen_ls.config.assist.explained import includes

        document, path = opened
        cursor = self._offset(document, params.position)
        start = types.Position(0, 0)
        for each in includes(document.text, path, self._configs.reads):
            if each.start <= cursor <= each.end:
                return types.Location(uris.from_path(str(each.target)), types.Range(start, start))
        return None

    async def actions(self, params: types.CodeActionParams) -> list[types.CodeAction]:
        """Quick fixes of our own findings, and the way from a MassGen file to ours."""
        uri = params.text_document.uri
        found, opened = self._configs.found(uri), self._known(uri)
        only = params.context.only
        kinds = types.CodeActionKind
        wanted = not only or any(str(k) in {"", str(kinds.QuickFix.value)} for k in only)
        if opened is None or found is None or not wanted or not self._configs.fresh(uri):
            return []
        if not self._server.client.action_literals:
            return []
        # Each is tried out on the whole text: not while everybody waits.
        return await asyncio.to_thread(lambda: list(self._fixes(params, *opened, found)))

    def _fixes(
        self, params: types.CodeActionParams, document: Document, path: Path, found: Findings
    ) -> Iterator[types.CodeAction]:
        from massgen_ls.config.assist.fixes import converted, fixes
        from massgen_ls.config.assist.migrate import migrated

        uri, index = params.text_document.uri, LineIndex(document.text)
        first = self._offset(document, params.range.start)
        last = self._offset(document, params.range.end)
        given = params.context.diagnostics
        met = ((f, *extent(index, f)) for f in found.listed)
        here = [each for each in met if each[1] <= last and each[2] >= first]
        for finding, start, end in islice(here, _MOST):
            about = [d for d in given if d.code == finding.code and d.range.start
                     == self._configs.range(index, start, end).start]  # fmt: skip
            for fix in fixes(document.text, path, found.document, finding):
                yield self._action(uri, index, fix, about)
        places = [f.problem.where for f, *_ in islice(here, _MOST) if f.code == "unknown-key"]
        if found.kind == "massgen":
            at = Lines(document.text).at(first)
            places.append(found.document.at(*at))
        for where in dict.fromkeys(places):
            if where and (one := migrated(document.text, path, found.document, where)):
                yield self._action(uri, index, one, [])
        if found.kind == "massgen" and (whole := converted(document.text, path, found.document)):
            yield self._action(uri, index, whole, [])

    def _action(
        self, uri: str, index: LineIndex, fix: Fix, about: list[types.Diagnostic]
    ) -> types.CodeAction:
        edit = types.TextEdit(self._configs.range(index, fix.start, fix.end), fix.new)
        return types.CodeAction(
            f"massgen: {fix.title}",
            kind=types.CodeActionKind.QuickFix,
            diagnostics=about or None,
            is_preferred=fix.preferred or None,
            edit=types.WorkspaceEdit(changes={uri: [edit]}),
        )


def _kind(found: Findings | None) -> Kind:
    return "massgen-ls" if found is None or found.kind is None else found.kind


def _plain(markdown: str) -> str:
    return markdown.replace("**", "").replace("`", "")
