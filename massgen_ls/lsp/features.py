"""Which message is answered by what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from lsprotocol import types

from massgen_ls.core.task import Json
from massgen_ls.core.text import Position, Range
from massgen_ls.lsp.actions import lenses, offer, resolve_action
from massgen_ls.lsp.assisting import Assisting
from massgen_ls.lsp.commands import Verb, Verbs
from massgen_ls.lsp.configs import CHECK, Configs
from massgen_ls.lsp.fields import ParamsError, nearest
from massgen_ls.lsp.initiating import Initiating
from massgen_ls.lsp.server import MassgenServer
from massgen_ls.lsp.soundness import Soundness
from massgen_ls.lsp.stream import Stream
from massgen_ls.lsp.trust import Trusting


def register(server: MassgenServer, stream: Stream) -> None:
    """Registers everything."""
    trust = Trusting(server)
    verbs = Verbs(server, stream, trust)
    configs = Configs(server)
    soundness = Soundness(server)
    assisting = Assisting(server, configs)
    _documents(server, configs)
    _life(server, soundness)
    methods = {**verbs.methods(), "init": Initiating(server, trust).init}
    for verb, method in methods.items():
        server.protocol.register(f"massgen/{verb}", method)
    commands: dict[str, Verb] = {f"massgen.{v}": m for v, m in methods.items()}
    commands["massgen.apply"] = verbs.apply_aloud
    commands["massgen.run"] = verbs.run_aloud
    commands[CHECK] = configs.check_agents_aloud

    async def execute(params: object) -> Json:
        name, argument = _command(params)
        known = commands.get(name)
        if known is None:
            raise ParamsError(f"there is no command {name!r}", nearest(name, commands))
        return await known(argument)

    async def content(params: types.TextDocumentContentParams) -> Json:
        return await verbs.content(params.uri)

    async def actions(params: types.CodeActionParams) -> list[types.CodeAction | types.Command]:
        mends = await assisting.actions(params)
        runs = reversed(list(stream.settled.values())[-3:])
        return [*mends, *offer(params, server.documents, runs, server.client)]

    def resolve(action: types.CodeAction) -> types.CodeAction:
        return resolve_action(action, stream.settled, server.client)

    async def code_lenses(params: types.CodeLensParams) -> list[types.CodeLens]:
        uri = params.text_document.uri
        return [*await configs.lenses(uri), *lenses(uri, server.documents.get(uri))]

    async def cancel(token: str | int) -> None:
        run = server.tokens.get(token)
        if run is not None:
            await (await server.services()).engine.cancel(run, "the progress button")

    def tokens(_: types.SemanticTokensParams) -> types.SemanticTokens:
        return types.SemanticTokens(data=[])

    def cancel_progress(params: types.WorkDoneProgressCancelParams) -> None:
        server.spawn(cancel(params.token))

    def configured(params: types.DidChangeConfigurationParams) -> None:
        trust.configured(params.settings)
        server.settings.changed(params)
        soundness.configured()

    server.protocol.register("massgen/trust", trust.told)
    server.protocol.register("massgen/checkAgents", configs.check_agents)
    server.protocol.register(types.TEXT_DOCUMENT_COMPLETION, assisting.completion)
    server.protocol.register(types.TEXT_DOCUMENT_HOVER, assisting.hover)
    server.protocol.register(types.TEXT_DOCUMENT_DEFINITION, assisting.definition)
    server.protocol.register(types.TEXT_DOCUMENT_DOCUMENT_LINK, assisting.links)
    server.protocol.register(types.WORKSPACE_DID_CHANGE_CONFIGURATION, configured)
    server.protocol.register(types.WORKSPACE_EXECUTE_COMMAND, execute)
    server.protocol.register(types.WORKSPACE_TEXT_DOCUMENT_CONTENT, content)
    server.protocol.register(types.TEXT_DOCUMENT_CODE_ACTION, actions)
    server.protocol.register(types.CODE_ACTION_RESOLVE, resolve)
    server.protocol.register(types.TEXT_DOCUMENT_CODE_LENS, code_lenses)
    server.protocol.register(types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, tokens)
    server.protocol.register(types.WINDOW_WORK_DONE_PROGRESS_CANCEL, cancel_progress)


def _command(params: object) -> tuple[str, object]:
    if not isinstance(params, Mapping):
        raise ParamsError("workspace/executeCommand takes a `command` and its `arguments`")
    found = cast("Mapping[str, object]", params)
    name, arguments = found.get("command"), found.get("arguments")
    if not isinstance(name, str):
        raise ParamsError("workspace/executeCommand: `command` must be text")
    items = cast("list[object]", arguments) if isinstance(arguments, list) else []
    if len(items) > 1:
        raise ParamsError(f"{name} takes one object, not {len(items)} arguments")
    argument = items[0] if items else None
    token = found.get("workDoneToken")
    if token is not None and isinstance(argument, dict):
        argument = {"workDoneToken": token, **cast("dict[str, object]", argument)}
    return name, argument


def _documents(server: MassgenServer, configs: Configs) -> None:
    documents = server.documents

    def opened(params: types.DidOpenTextDocumentParams) -> None:
        item = params.text_document
        documents.open(item.uri, str(item.language_id), item.version, item.text)
        configs.touched(item.uri)

    def changed(params: types.DidChangeTextDocumentParams) -> None:
        changes = [(_where(change), change.text) for change in params.content_changes]
        documents.change(params.text_document.uri, params.text_document.version, changes)
        configs.touched(params.text_document.uri)

    def saved(params: types.DidSaveTextDocumentParams) -> None:
        documents.save(params.text_document.uri, params.text)
        server.spawn(server.aftermath.saved(params.text_document.uri))
        configs.saved(params.text_document.uri)

    def closed(params: types.DidCloseTextDocumentParams) -> None:
        documents.close(params.text_document.uri)
        configs.closed(params.text_document.uri)

    def moved(params: types.DidChangeWorkspaceFoldersParams) -> None:
        for folder in params.event.removed:
            server.remove_folder(folder.uri)
        for folder in params.event.added:
            server.add_folder(folder.uri)

    server.protocol.register(types.TEXT_DOCUMENT_DID_OPEN, opened)
    server.protocol.register(types.TEXT_DOCUMENT_DID_CHANGE, changed)
    server.protocol.register(types.TEXT_DOCUMENT_DID_SAVE, saved)
    server.protocol.register(types.TEXT_DOCUMENT_DID_CLOSE, closed)
    server.protocol.register(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS, moved)


def _where(change: types.TextDocumentContentChangeEvent) -> Range | None:
    if not isinstance(change, types.TextDocumentContentChangePartial):
        return None
    start, end = change.range.start, change.range.end
    return Range(Position(start.line, start.character), Position(end.line, end.character))


def _life(server: MassgenServer, soundness: Soundness) -> None:
    def shutdown(_: object) -> None:
        # The answer goes out at once; meanwhile every run is cancelled and wrapped up.
        server.protocol.shut = True
        server.abandon()
        server.leaving.set()

    def leave(_: object) -> None:
        server.stopping.set()

    def again(_: object) -> None:
        raise ParamsError("the server is initialized already")

    def trace(params: object) -> None:
        server.protocol.trace.turn(getattr(params, "value", None))

    def begin(_: object) -> None:
        soundness.begin()

    quiet: dict[str, Callable[[object], Awaitable[Json] | None]] = {
        types.SHUTDOWN: shutdown,
        types.EXIT: leave,
        types.INITIALIZE: again,
        types.INITIALIZED: begin,
        types.SET_TRACE: trace,
    }
    for name, handler in quiet.items():
        server.protocol.register(name, handler)
