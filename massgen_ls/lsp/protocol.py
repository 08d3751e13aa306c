"""The names and payloads of `massgen/*`, the same for methods and commands.

Requests (and, with the same object as their one argument, the commands ``massgen.<verb>``):

- ``massgen/run`` {prompt, scope?: {textDocument?, range?, diagnostics?, folder?}, agents?, checks?,
  mode?, apply?: auto|ask|none, folder?, context?: {runId, seat?}, attachments?: [{uri} |
  {name, data} | {name, digest}]} → {runId}
- ``massgen/wait`` {runId} → the settled run
- ``massgen/cancel`` {runId} → {cancelled}
- ``massgen/list`` {folder?, limit?} → {runs: […]}
- ``massgen/read`` {runId, candidateId?, path?} → the run with files and diffs, or {text} of a file
- ``massgen/read`` {runId, format: "outline"} → the run without diffs, which take longest
- ``massgen/read`` {runId, format: "markdown"} → {text}, the verdict with all that led to it
- ``massgen/read`` {runId, seat} → {transcripts: […]}, what that agent said and did
- ``massgen/tell`` {runId, seat, text | stop: true} → {told}; to an agent at work
- ``massgen/listen`` {runId, seat, stop?} → {parts: [{after, text}], lost}, what it printed lately;
  what it prints from now on comes as events
- ``massgen/apply`` {runId, candidateId?, paths?, hunks?, partial?, preview?} → {applied,
  conflicts, …}
- ``massgen/read`` {runId, candidateId?, check} → {check, outcome, seconds, failures, text}
- ``massgen/read`` {runId, candidateId, texts: true} → {texts}, by path, of all that it changes
- ``massgen/team`` {folder?} → {agents, checks, modes, mode, source}, what a run may be told to use
- ``massgen/discard`` {runId, candidateId?} → {discarded}
- ``massgen/hunks`` {runId, candidateId?} → {run, candidate, root, files}, each hunk in its place
- ``massgen/compare`` {runId, candidateId?} → {diff, uri}; shows the diff where the editor can

Notification: ``massgen/event``. What is wrong with a payload is said in words, with the nearest
name for a misspelt one.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import Literal, cast

from massgen_ls.core.attachments import MOST
from massgen_ls.core.selection import EVERYTHING, Selection
from massgen_ls.core.task import ApplyMode, Mode
from massgen_ls.core.text import Position, Range
from massgen_ls.lsp.fields import Fields, ParamsError, clean, kind_of

EVENT = "massgen/event"
ReadFormat = Literal["json", "outline", "markdown"]
READ_FORMATS: tuple[ReadFormat, ...] = ("json", "outline", "markdown")
MODES: tuple[Mode, ...] = ("best_of_n", "consensus")
APPLY_MODES: tuple[ApplyMode, ...] = ("auto", "ask", "none")
_MAX_LIST = 500


@dataclass(frozen=True, slots=True)
class ClientDiagnostic:
    """A diagnostic as the editor shows it."""

    range: Range
    message: str
    source: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class ScopeParams:
    """What the wish is about, in the editor's terms."""

    uri: str | None = None
    range: Range | None = None
    diagnostics: tuple[ClientDiagnostic, ...] = ()
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class ContextParams:
    """An earlier run, or one agent of it, that the agents shall know of."""

    run: str
    seat: str | None = None


@dataclass(frozen=True, slots=True)
class AttachmentParams:
    """A picture for the agents: a file, its bytes, or one of an earlier run."""

    name: str
    uri: str | None = None
    data: bytes | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class TellParams:
    """Parameters of ``massgen/tell``; no text means: stop where you are."""

    run: str
    seat: str
    text: str | None


@dataclass(frozen=True, slots=True)
class ListenParams:
    """Parameters of ``massgen/listen``."""

    run: str
    seat: str
    stop: bool


@dataclass(frozen=True, slots=True)
class RunParams:
    """Parameters of ``massgen/run``."""

    prompt: str
    scope: ScopeParams
    agents: tuple[str, ...] | None
    checks: tuple[str, ...] | None
    mode: Mode | None
    apply: ApplyMode
    folder: str | None
    token: str | int | None = None
    context: ContextParams | None = None
    attachments: tuple[AttachmentParams, ...] = ()


@dataclass(frozen=True, slots=True)
class RunRef:
    """Names a run, and perhaps one of its candidates."""

    run: str
    candidate: str | None = None
    token: str | int | None = None


@dataclass(frozen=True, slots=True)
class ReadParams:
    """Parameters of ``massgen/read``."""

    run: str
    candidate: str | None
    path: str | None
    seat: str | None = None
    format: ReadFormat = "json"
    check: str | None = None
    texts: bool = False


@dataclass(frozen=True, slots=True)
class InitParams:
    """``massgen/init``."""

    folder: str | None
    agents: tuple[str, ...] | None
    template: str | None
    checks: tuple[str, ...] | None
    user: bool
    force: bool
    look: bool
    """Only say what was found and what would be proposed."""


@dataclass(frozen=True, slots=True)
class ListParams:
    """Parameters of ``massgen/list``."""

    folder: str | None
    limit: int


@dataclass(frozen=True, slots=True)
class ApplyParams:
    """Parameters of ``massgen/apply``."""

    run: str
    candidate: str | None
    selection: Selection = EVERYTHING
    """Of ``paths``, ``hunks`` and ``partial``."""
    preview: bool = False


def _position(where: str, node: object) -> Position:
    fields = Fields(where, node)
    line = fields.number("line", -1, -1, 2**31 - 1)
    character = fields.number("character", -1, -1, 2**31 - 1)
    if line < 0 or character < 0:
        raise ParamsError(f"{where} needs a `line` and a `character`, counted from 0")
    return Position(line, character)


def read_range(where: str, node: object) -> Range:
    """An LSP range; a reversed one is turned round, as editors with a moving cursor send them."""
    fields = Fields(where, node)
    start = fields.nested("start", _position)
    end = fields.nested("end", _position)
    if start is None or end is None:
        raise ParamsError(f"{where} needs a `start` and an `end`")
    fields.end()
    return Range(min(start, end), max(start, end))


def _document(where: str, node: object) -> str:
    if isinstance(node, dict):
        # A versioned identifier, or a whole item, is as good: only the URI counts here.
        uri = cast("dict[str, object]", node).get("uri")
        if isinstance(uri, str) and uri:
            return uri
    raise ParamsError(f"{where} needs a `uri`")


def _diagnostic(where: str, node: object) -> ClientDiagnostic:
    if not isinstance(node, dict):
        raise ParamsError(f"{where} must be a diagnostic, not {kind_of(node)}")
    # Diagnostics come from other servers and carry what those like: only four fields count.
    found = cast("dict[str, object]", node)
    code, source = found.get("code"), found.get("source")
    message = found.get("message")
    if isinstance(message, dict):  # MarkupContent, since 3.18
        message = cast("dict[str, object]", message).get("value")
    return ClientDiagnostic(
        read_range(f"{where}.range", found.get("range")),
        clean(message) if isinstance(message, str) else "",
        clean(source) if isinstance(source, str) else "",
        clean(str(code)) if isinstance(code, str | int) else "",
    )


def _scope(where: str, node: object) -> ScopeParams:
    fields = Fields(where, node)
    scope = ScopeParams(
        fields.nested("textDocument", _document),
        fields.nested("range", read_range),
        fields.each("diagnostics", _diagnostic),
        fields.text("folder"),
    )
    fields.end()
    if scope.uri is None and (scope.range or scope.diagnostics):
        raise ParamsError(f"{where} has a range without a `textDocument`")
    return scope


def read_run(node: object, where: str = "massgen/run") -> RunParams:
    """Parses ``massgen/run``."""
    fields = Fields(where, node)
    params = RunParams(
        prompt=fields.required("prompt"),
        scope=fields.nested("scope", _scope) or ScopeParams(),
        agents=fields.texts("agents"),
        checks=fields.texts("checks"),
        mode=fields.choice("mode", MODES),
        apply=cast("ApplyMode", fields.choice("apply", APPLY_MODES) or "none"),
        folder=fields.text("folder"),
        token=fields.token(),
        context=fields.nested("context", _context),
        attachments=fields.each("attachments", _attachment),
    )
    fields.end()
    if len(params.attachments) > MOST:
        raise ParamsError(f"{where}: at most {MOST} pictures belong to a task")
    named = params.scope.folder
    if named is not None and params.folder not in {None, named}:
        raise ParamsError(f"{where}: `folder` and `scope.folder` differ", "Give one of them.")
    return params if named is None else replace(params, folder=named)


def _context(where: str, node: object) -> ContextParams:
    fields = Fields(where, node)
    context = ContextParams(fields.required("runId"), fields.text("seat"))
    fields.end()
    return context


def _attachment(where: str, node: object) -> AttachmentParams:
    fields = Fields(where, node)
    uri, name = fields.text("uri"), fields.text("name")
    data, digest = fields.text("data"), fields.text("digest")
    fields.end()
    if sum(each is not None for each in (uri, data, digest)) != 1:
        raise ParamsError(f"{where} takes one of `uri`, `data` and `digest`")
    if name is None and uri is None:
        raise ParamsError(f"{where} needs a `name`")
    try:
        body = None if data is None else base64.b64decode(data, validate=True)
    except ValueError:
        raise ParamsError(f"{where}: `data` is not base64") from None
    return AttachmentParams(name or str(uri), uri, body, digest)


def read_tell(node: object, where: str = "massgen/tell") -> TellParams:
    """Parses ``massgen/tell``."""
    fields = Fields(where, node)
    run, seat = fields.required("runId"), fields.required("seat")
    text, stop = fields.text("text"), fields.choice("stop", (True, False))
    fields.token()
    fields.end()
    if bool(text and text.strip()) == bool(stop):
        raise ParamsError(f"{where} takes a `text`, or `stop: true`, one of the two")
    return TellParams(run, seat, None if stop else text)


def read_listen(node: object, where: str = "massgen/listen") -> ListenParams:
    """Parses ``massgen/listen``."""
    fields = Fields(where, node)
    params = ListenParams(fields.required("runId"), fields.required("seat"), fields.flag("stop"))
    fields.token()
    fields.end()
    return params


def read_ref(node: object, where: str) -> RunRef:
    """Parses what names a run and perhaps a candidate."""
    fields = Fields(where, node)
    ref = RunRef(fields.required("runId"), fields.text("candidateId"), fields.token())
    fields.end()
    return ref


def read_read(node: object, where: str = "massgen/read") -> ReadParams:
    """Parses ``massgen/read``."""
    fields = Fields(where, node)
    params = ReadParams(
        fields.required("runId"),
        fields.text("candidateId"),
        fields.text("path"),
        fields.text("seat"),
        cast("ReadFormat", fields.choice("format", READ_FORMATS) or "json"),
        fields.text("check"),
        fields.flag("texts"),
    )
    fields.end()
    if params.texts and params.candidate is None:
        raise ParamsError(f"{where}: `texts` are those of a candidate", "Give a `candidateId`.")
    return params


def read_team(node: object, where: str = "massgen/team") -> str | None:
    """Parses ``massgen/team``, which may have no parameters at all; returns the folder."""
    fields = Fields(where, {} if node is None else node)
    folder = fields.text("folder")
    fields.token()
    fields.end()
    return folder


def read_init(node: object, where: str = "massgen/init") -> InitParams:
    """Parses ``massgen/init``, which may have no parameters at all."""
    fields = Fields(where, {} if node is None else node)
    params = InitParams(
        fields.text("folder"),
        fields.texts("agents"),
        fields.text("template"),
        fields.texts("checks"),
        fields.flag("user"),
        fields.flag("force"),
        fields.flag("look"),
    )
    fields.token()
    fields.end()
    if params.agents is not None and params.template is not None:
        raise ParamsError(f"{where} takes `agents` or a `template`, one of the two")
    return params


def read_list(node: object, where: str = "massgen/list") -> ListParams:
    """Parses ``massgen/list``, which may have no parameters at all."""
    fields = Fields(where, {} if node is None else node)
    params = ListParams(fields.text("folder"), fields.number("limit", 50, 1, _MAX_LIST))
    fields.end()
    return params


def read_apply(node: object, where: str = "massgen/apply") -> ApplyParams:
    """Parses ``massgen/apply``."""
    fields = Fields(where, node)
    params = ApplyParams(
        fields.required("runId"),
        fields.text("candidateId"),
        Selection.of(
            fields.texts("paths"), fields.by_path("hunks"), partial=fields.flag("partial")
        ),
        fields.flag("preview"),
    )
    fields.token()
    fields.end()
    return params
