"""Code actions: commands with their arguments, and no work at all until one is chosen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

from lsprotocol import types

from massgen_ls.core.task import RunId
from massgen_ls.lsp import uris
from massgen_ls.lsp.capabilities import Client
from massgen_ls.lsp.comments import TaskComment, find_task, find_tasks
from massgen_ls.lsp.files.documents import Document, Documents
from massgen_ls.lsp.stream import SettledRun

QUICKFIX, REWRITE, RUN = "quickfix", "refactor.rewrite", "refactor.massgen"

ON_SELECTION = (
    ("improve the selection", "Improve this code: correctness first, then clarity."),
    ("simplify the selection", "Simplify this code without changing what it does."),
    ("add tests for the selection", "Add tests for this code, in this project's own style."),
)
_TITLE = 60
_DIAGNOSTICS = 5


def offer(
    params: types.CodeActionParams,
    documents: Documents,
    settled: Iterable[SettledRun],
    client: Client,
) -> list[types.CodeAction | types.Command]:
    """What can be done here."""
    document = documents.get(params.text_document.uri)
    only = params.context.only
    found: list[types.CodeAction | types.Command] = []
    if document is None or document.path is None:
        return found
    for action in _actions(params, document, settled, client):
        if only and not any(_within(str(action.kind), str(kind)) for kind in only):
            continue
        literal = client.action_literals or action.command is None
        found.append(action if literal else cast("types.Command", action.command))
    return found


def _within(kind: str, wanted: str) -> bool:
    return wanted == "" or kind == wanted or kind.startswith(wanted + ".")


def _actions(
    params: types.CodeActionParams,
    document: Document,
    settled: Iterable[SettledRun],
    client: Client,
) -> Iterator[types.CodeAction]:
    uri = params.text_document.uri
    for diagnostic in params.context.diagnostics[:_DIAGNOSTICS]:
        words = _message(diagnostic)
        yield _run(
            f"massgen: fix '{_short(words)}'",
            QUICKFIX,
            f"Fix this: {words}",
            {
                **_document(uri),
                "range": _range(diagnostic.range),
                "diagnostics": [_plain(diagnostic)],
            },
            [diagnostic],
        )
    task = find_task(document.text, params.range.start.line, document.language, document.path or "")
    if task is not None:
        prompt, scope = _asked_in(task, uri)
        yield _run(f"massgen: {_short(task.wish)}", QUICKFIX, prompt, scope)
    if params.range.start != params.range.end:
        scope: dict[str, object] = {**_document(uri), "range": _range(params.range)}
        for title, prompt in ON_SELECTION:
            yield _run(f"massgen: {title}", REWRITE, prompt, scope)
        if client.asks_prompts:
            yield _run("massgen: do something else with the selection…", REWRITE, "", scope)
    path = document.path or ""
    for run in settled:
        if uris.below(run.folder, path) is not None:
            yield from _on_run(run, client)


def lenses(uri: str, document: Document | None) -> list[types.CodeLens]:
    """One above each task comment, which starts what it asks for."""
    if document is None or document.path is None:
        return []
    found: list[types.CodeLens] = []
    for task in find_tasks(document.text, document.language, document.path):
        prompt, scope = _asked_in(task, uri)
        action = _run("▶ massgen: do this", QUICKFIX, prompt, scope)
        start = types.Position(task.first, 0)
        found.append(types.CodeLens(range=types.Range(start, start), command=action.command))
    return found


def _asked_in(task: TaskComment, uri: str) -> tuple[str, dict[str, object]]:
    """The prompt and the scope of a task comment."""
    first, last = types.Position(task.first, 0), types.Position(task.last + 1, 0)
    prompt = (
        f"{task.wish}\n\nThis was asked for in a comment that starts with `massgen:`; remove "
        "that comment when it is done."
    )
    return prompt, {**_document(uri), "range": _range(types.Range(first, last))}


def _run(
    title: str,
    kind: str,
    prompt: str,
    scope: dict[str, object],
    diagnostics: list[types.Diagnostic] | None = None,
) -> types.CodeAction:
    argument: dict[str, object] = {"scope": scope, "apply": "ask"}
    if prompt:
        argument = {"prompt": prompt, **argument}
    command = types.Command(title=title, command="massgen.run", arguments=[argument])
    return types.CodeAction(title=title, kind=kind, diagnostics=diagnostics, command=command)


def _on_run(run: SettledRun, client: Client) -> Iterator[types.CodeAction]:
    wish = _short(run.prompt)
    # Where nobody can be asked later, this is where they agree.
    far = "binary files" if client.resource_operations else "files that are not open"
    disk = "" if client.asks else f", {far} on the disk"
    for title, verb in (
        (f"massgen: apply {run.winner}{disk} ({wish})", "apply"),
        (f"massgen: show what {run.winner} changes ({wish})", "compare"),
        (f"massgen: discard {run.winner} ({wish})", "discard"),
    ):
        argument = {"runId": run.run, "candidateId": run.winner}
        command = types.Command(title=title, command=f"massgen.{verb}", arguments=[argument])
        yield types.CodeAction(title=title, kind=RUN, command=command, data={"runId": run.run})


def resolve_action(
    action: types.CodeAction, settled: Iterable[RunId], client: Client
) -> types.CodeAction:
    """Says so when an action about a run has lost its run since it was offered."""
    data = cast("object", action.data)
    run = cast("dict[str, object]", data).get("runId") if isinstance(data, dict) else None
    if client.action_disabled and isinstance(run, str) and run not in list(settled):
        action.disabled = types.CodeActionDisabled(reason="the run was discarded")
    return action


def _document(uri: str) -> dict[str, object]:
    return {"textDocument": {"uri": uri}}


def _message(diagnostic: types.Diagnostic) -> str:
    message = cast("object", diagnostic.message)
    text = message if isinstance(message, str) else str(getattr(message, "value", ""))
    source = f" ({diagnostic.source})" if diagnostic.source else ""
    return f"{text.strip()}{source}"


def _plain(diagnostic: types.Diagnostic) -> dict[str, object]:
    message = cast("object", diagnostic.message)
    text = message if isinstance(message, str) else str(getattr(message, "value", ""))
    plain: dict[str, object] = {"range": _range(diagnostic.range), "message": text}
    if diagnostic.source:
        plain["source"] = diagnostic.source
    if diagnostic.code is not None:
        plain["code"] = diagnostic.code
    return plain


def _range(where: types.Range) -> dict[str, object]:
    return {
        "start": {"line": where.start.line, "character": where.start.character},
        "end": {"line": where.end.line, "character": where.end.character},
    }


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _TITLE else flat[: _TITLE - 1] + "…"
