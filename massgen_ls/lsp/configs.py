"""Configuration files in the editor: what is wrong in them, as they are typed.

Nothing of this costs other files anything. A client is told of the rest (completion, hover …) when
the first such file is opened, with the names of such files; one that cannot be told later has it
from the beginning and hears nothing for other files. What reads configurations is imported then.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from massgen_ls.config.document import Remembered
from massgen_ls.core.errors import MassgenError
from massgen_ls.core.task import Json
from massgen_ls.core.text import LineIndex
from massgen_ls.core.wording import counted
from massgen_ls.lsp.capabilities import assist_options
from massgen_ls.lsp.fields import ParamsError
from massgen_ls.lsp.files.documents import Document
from massgen_ls.lsp.server import MassgenServer
from massgen_ls.lsp.stdio.outbox import VITAL

if TYPE_CHECKING:
    from massgen_ls.config import Beside
    from massgen_ls.config.assist.findings import Finding, Findings
    from massgen_ls.config.document import Document as ConfigDocument
    from massgen_ls.config.problems import Where
    from massgen_ls.ports import Health

_log = logging.getLogger(__name__)

SOURCE = "massgen"
CHECK = "massgen.checkAgents"
PATTERNS = (
    "**/massgen.{yaml,yml,json,toml}",
    "**/.massgen/config.{yaml,yml,json,toml}",
    "**/massgen/config.{yaml,yml,json,toml}",
    "**/pyproject.toml",
)
_MOST = 500
"""Findings that are shown of one file."""
_PATIENCE = 10.0
"""Seconds for an answer to a registration."""
_GLOB = re.compile(r"[^A-Za-z0-9._ -]")


class Configs:
    """The open configuration files of one editor."""

    def __init__(self, server: MassgenServer) -> None:
        self._server = server
        self._looked: dict[str, tuple[int, Findings]] = {}
        """By URI: the version that was looked at last, and what was found."""
        self._health: dict[str, tuple[int, Sequence[Health]]] = {}
        self._busy: set[str] = set()
        self._news = asyncio.Event()
        """Something was looked at."""
        self._settled_in = False
        self.reads = Remembered()
        """What was read, for all who ask about the same text."""
        self._told: set[str] = set()
        """Patterns that the client was told of."""

    # ── what happens to documents ───────────────────────────────────────────────────────────

    def touched(self, uri: str) -> None:
        """A document was opened or changed."""
        document = self._server.documents.get(uri)
        if document is None or document.path is None:
            return
        known = uri in self._looked
        if not known and not _recognised(document):
            return
        if not known:
            self._register(Path(document.path))
        if uri not in self._busy:
            self._busy.add(uri)
            self._server.spawn(self._look(uri))

    def saved(self, uri: str) -> None:
        """What one file says may matter to others."""
        if uri in self._looked:
            for other in list(self._looked):
                self._looked[other] = (-1, self._looked[other][1])
                self.touched(other)

    def closed(self, uri: str) -> None:
        """A document is gone from the editor, and what was said about it goes, too."""
        self._health.pop(uri, None)
        if self._looked.pop(uri, None) is not None:
            self._publish(uri, None, [])

    def found(self, uri: str) -> Findings | None:
        """What was found last, perhaps in an older text; None: it is no configuration."""
        looked = self._looked.get(uri)
        return looked[1] if looked is not None and looked[1].kind is not None else None

    def has(self, uri: str) -> bool:
        """Whether it is open and may be a configuration, read already or not."""
        return uri in self._looked or uri in self._busy

    def foreign(self, uri: str) -> bool:
        """Whether it was read and is nobody's configuration."""
        looked = self._looked.get(uri)
        return looked is not None and looked[1].kind is None

    def fresh(self, uri: str) -> bool:
        """Whether what was found last is of the text as it is now."""
        looked, document = self._looked.get(uri), self._server.documents.get(uri)
        return looked is not None and document is not None and looked[0] == document.version

    async def counts(self, path: Path, where: Where) -> str:
        """Whether a value in a file has the last word, or who has it; one sentence."""
        from massgen_ls.config.assist.standing import standing

        folder = self._folder(path)
        view = await self._server.settings.view(str(folder))
        beside = self._beside(view.settings)
        return await asyncio.to_thread(standing, folder, path, where, beside)

    def _folder(self, path: Path) -> Path:
        """The opened folder that a file counts for: the nearest one around it, else the first."""
        around = [f for f in map(Path, self._server.folders) if path.is_relative_to(f)]
        inside = path.parent.parent if path.parent.name == ".massgen" else path.parent
        return max(around, key=lambda f: len(f.parts), default=inside)

    def _beside(self, settings: Mapping[str, object]) -> Beside:
        from massgen_ls.config import Beside

        texts = {d.path: d.text for d in self._server.documents if d.path is not None}
        return Beside(settings=settings, read=lambda p: texts.get(str(p)), scan=self.reads)

    # ── diagnostics ─────────────────────────────────────────────────────────────────────────

    async def _look(self, uri: str) -> None:
        """Looks until the newest text was looked at: while one is looked at, more is typed."""
        try:
            while (document := self._server.documents.get(uri)) is not None:
                looked = self._looked.get(uri)
                if looked is not None and looked[0] == document.version:
                    return
                version, text = document.version, document.text
                path = document.path or ""
                settings = self._server.settings.known(str(self._folder(Path(path))))
                beside = self._beside(settings)
                found = await asyncio.to_thread(self._find, path, text, beside)
                if self._server.documents.get(uri) is not document:
                    continue  # closed meanwhile, and perhaps opened again with another text
                self._looked[uri] = version, found
                self._stir()
                if document.version == version:
                    self._show(uri, version, text, found)
        finally:
            self._busy.discard(uri)
            self._stir()

    def _stir(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def settled(self, uri: str) -> Findings | None:
        """What is found in the text as it is now; None: it is no configuration."""
        while uri in self._busy and not self.fresh(uri):
            await self._news.wait()
        return self.found(uri)

    def _find(self, path: str, text: str, beside: Beside) -> Findings:
        from massgen_ls.config.assist.findings import find

        self._settle_in()
        return find(Path(path), text, beside)

    def _settle_in(self) -> None:
        """Takes everything that is there for good off the garbage collector's list, once.

        A text of two thousand lines makes as many objects as start a whole collection now and then.
        That would go through all that was ever imported, which takes longer than all the rest.
        """
        if not self._settled_in:
            self._settled_in = True
            gc.freeze()

    def _show(self, uri: str, version: int, text: str, found: Findings) -> None:
        index = LineIndex(text)
        shown = [self._diagnostic(index, each) for each in found.listed[:_MOST]]
        healthy = self._health.get(uri)
        if healthy is not None and healthy[0] == version:
            places = self._places(index, found.document)
            shown += _about_health(places, healthy[1], SOURCE)
        else:
            self._health.pop(uri, None)
        self._publish(uri, version, shown)

    def _diagnostic(self, index: LineIndex, finding: Finding) -> types.Diagnostic:
        problem = finding.problem
        then = problem.suggestion
        link = ". " if then[:1].isupper() else "; "
        tags: list[types.DiagnosticTag] = []
        if self._server.client.tags and finding.tag == "unnecessary":
            tags = [types.DiagnosticTag.Unnecessary]
        if self._server.client.tags and finding.tag == "deprecated":
            tags = [types.DiagnosticTag.Deprecated]
        severities = types.DiagnosticSeverity
        return types.Diagnostic(
            self.range(index, *extent(index, finding)),
            f"{problem.message}{link}{then}" if then else problem.message,
            severity=severities.Error if problem.severity == "error" else severities.Warning,
            code=finding.code,
            source=SOURCE,
            tags=tags or None,
        )

    def range(self, index: LineIndex, start: int, end: int) -> types.Range:
        """Offsets as the client counts."""
        where = index.range_at(start, end, self._server.documents.encoding)
        return types.Range(
            types.Position(where.start.line, where.start.character),
            types.Position(where.end.line, where.end.character),
        )

    def _publish(self, uri: str, version: int | None, shown: list[types.Diagnostic]) -> None:
        params = types.PublishDiagnosticsParams(uri, shown, version)
        self._server.protocol.tell(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS, params, VITAL)

    # ── telling the client ──────────────────────────────────────────────────────────────────

    def _register(self, path: Path) -> None:
        from massgen_ls.config.assist.recognise import named

        patterns = PATTERNS if named(path) else (f"**/{_GLOB.sub('?', path.name)}",)
        new = [each for each in patterns if each not in self._told]
        features = self._server.client.registers
        if not new or not features:
            return
        self._told.update(new)
        selector = [{"scheme": "file", "pattern": each} for each in new]
        params = types.RegistrationParams(
            [
                types.Registration(
                    f"massgen-{feature}-{len(self._told)}",
                    f"textDocument/{feature}",
                    {"documentSelector": selector, **assist_options(feature)},
                )
                for feature in features
            ]
        )
        self._server.spawn(self._tell(params))

    async def _tell(self, params: types.RegistrationParams) -> None:
        try:
            await self._server.protocol.ask(types.CLIENT_REGISTER_CAPABILITY, params, _PATIENCE)
        except (JsonRpcException, TimeoutError) as error:
            _log.warning("the editor does not take a registration: %s", error)

    # ── the agents of a file ────────────────────────────────────────────────────────────────

    async def lenses(self, uri: str) -> list[types.CodeLens]:
        """One above the agents of a configuration."""
        # The editor asks when it opens the file, before anything was found in it.
        found = await self.settled(uri) if self.has(uri) else None
        document = self._server.documents.get(uri)
        if found is None or document is None:
            return []
        from massgen_ls.config.layers import agents_of

        agents = len(agents_of(found.document.body))
        if not agents:
            return []
        whole = ("agents",) if ("agents",) in found.document.values else ("agent",)
        line = found.document.place(whole)[0]
        index = LineIndex(document.text)
        at = offset(index, line, 1)
        where = self.range(index, at, at)
        title = f"massgen: check {counted(agents, 'agent')} now"
        return [types.CodeLens(where, types.Command(title, CHECK, arguments=[{"uri": uri}]))]

    async def check_agents(self, payload: object) -> Json:
        """``massgen/checkAgents`` {uri}: whether each agent could start. Starts none."""
        uri = None
        if isinstance(payload, Mapping):
            uri = cast("Mapping[str, object]", payload).get("uri")
        document = self._server.documents.get(uri) if isinstance(uri, str) else None
        if document is None or document.path is None:
            raise ParamsError("massgen/checkAgents takes the {uri} of an open configuration file")
        version, path = document.version, document.path
        services = await self._server.services()
        view = await self._server.settings.view(str(Path(path).parent))
        agents = await asyncio.to_thread(services.desk.agents, path, view)
        health = await services.engine.health(agents)
        kinds = {agent.id: agent.type for agent in agents}
        if document.version == version and (looked := self._looked.get(document.uri)):
            self._health[document.uri] = version, health
            self._show(document.uri, version, document.text, looked[1])
        return {
            "agents": [
                {
                    "id": str(each.agent),
                    "type": kinds.get(each.agent, ""),
                    "ok": each.ok,
                    "found": each.found,
                    "version": each.version,
                    "hint": each.hint,
                }
                for each in health
            ]
        }

    async def check_agents_aloud(self, payload: object) -> Json:
        """The same for the command, whose answer no editor shows to its user."""
        try:
            told = await self.check_agents(payload)
        except MassgenError as error:
            self._server.say(str(error), types.MessageType.Warning)
            raise
        lines = [_line(each) for each in cast("dict[str, list[dict[str, str]]]", told)["agents"]]
        well = all(each["ok"] for each in cast("dict[str, list[dict[str, str]]]", told)["agents"])
        kind = types.MessageType.Info if well else types.MessageType.Warning
        self._server.say("\n".join(lines) or "there are no agents", kind)
        return told

    def _places(self, index: LineIndex, read: ConfigDocument) -> Mapping[str, types.Range]:
        """Where the name of each agent stands."""
        places: dict[str, types.Range] = {}
        for where, value in read.leaves():
            if where and where[-1] == "id" and where[0] in {"agents", "agent"} and len(where) <= 3:
                span = read.values[where]
                start, end = offset(index, *span[:2]), offset(index, *span[2:])
                places[str(value)] = self.range(index, start, end)
        return places


def _recognised(document: Document) -> bool:
    from massgen_ls.config.assist.recognise import recognised

    return recognised(Path(document.path or ""), document.text)


def offset(index: LineIndex, line: int, column: int) -> int:
    """The offset of a 1-based line and column."""
    starts = index.starts
    if line - 1 >= len(starts):
        return len(index.text)
    return min(starts[max(0, line - 1)] + column - 1, len(index.text))


def extent(index: LineIndex, finding: Finding) -> tuple[int, int]:
    """From where to where a finding goes; to the end of its line where nobody knows."""
    problem = finding.problem
    start = offset(index, max(1, problem.line), max(1, problem.column))
    if problem.end is not None:
        end = offset(index, *problem.end)
        if end > start:
            return start, end
    stop = next((i for i in range(start, len(index.text)) if index.text[i] in "\r\n"), None)
    return start, len(index.text) if stop is None else stop


def _about_health(
    places: Mapping[str, types.Range], health: Sequence[Health], source: str
) -> list[types.Diagnostic]:
    shown: list[types.Diagnostic] = []
    levels = types.DiagnosticSeverity
    for each in health:
        where = places.get(str(each.agent))
        if where is not None:
            code = "agent-ready" if each.ok else "agent-not-ready"
            level = levels.Information if each.ok else levels.Warning
            text = _line({"id": "", "ok": each.ok, "found": each.found, "hint": each.hint})
            shown.append(types.Diagnostic(where, text, severity=level, code=code, source=source))
    return shown


def _line(told: Mapping[str, object]) -> str:
    """``tidy: ready (claude at …)``."""
    state = "ready" if told["ok"] else "not ready"
    name = f"{told['id']}: " if told["id"] else ""
    hint = f". {told['hint']}" if told["hint"] else ""
    return f"{name}{state} ({told['found']}){hint}"
