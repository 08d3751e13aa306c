"""What the client can do, resolved once; and what this server offers in return.

Plain dictionaries in, plain dictionaries out: the front answers `initialize` with this before
anything heavy is imported. Real editors do not always do what they advertise, so the flags state
what was observed of them where that differs:

- Neovim advertises ``resourceOperations`` and never ``documentChanges``, yet applies both.
- Without our plug-in, Neovim checks the version of an edit's first document alone, says that it
  applied what it skipped, sends what was typed up to its debounce later, and ends the last line
  of a file by itself.
- Eglot and ALE know text edits alone.
- ALE denies that it applies edits, yet does, in open buffers, without a word about it. It shows no
  questions, and counts the bytes of a line whatever was agreed. It does not say who it is.
- vim-lsp counts the characters of a line, whatever was agreed.
- Sublime Text makes no folders for a file that it creates or renames, nor does Neovim before 0.8.
"""

from __future__ import annotations

from typing import NamedTuple, cast

from massgen_ls import __version__

ENCODINGS = ("utf-8", "utf-16", "utf-32")
SCHEME = "massgen"

COMMANDS = (
    "massgen.run",
    "massgen.wait",
    "massgen.cancel",
    "massgen.list",
    "massgen.read",
    "massgen.apply",
    "massgen.discard",
    "massgen.compare",
    "massgen.tell",
    "massgen.listen",
    "massgen.team",
    "massgen.init",
    "massgen.checkAgents",
    "massgen.hunks",
)
ASSISTS = ("completion", "hover", "definition", "documentLink")
"""What there is in configuration files alone."""
TRIGGERS = (":", " ", "-", '"', "{", "[", "$")
ACTION_KINDS = ("quickfix", "refactor.rewrite", "refactor.massgen")


class Client(NamedTuple):
    """What the client can do. A tuple, since `dataclasses` is too slow to import up front."""

    name: str = ""
    encoding: str = "utf-16"
    document_changes: bool = False
    """Versioned text edits."""
    create: bool = False
    rename: bool = False
    delete: bool = False
    annotations: bool = False
    apply_edit: bool = False
    progress: bool = False
    message_request: bool = False
    """Whether `window/showMessageRequest` is known to show actions; most clients that can do it
    do not say so, so it is tried everywhere and never waited for without a deadline."""
    asks: bool = True
    """It shows its user questions: `window/showMessageRequest`."""
    answers_edits: bool = True
    """It answers `workspace/applyEdit`."""
    show_document: bool = False
    action_literals: bool = False
    action_disabled: bool = False
    virtual_documents: bool = False
    workspace_folders: bool = False
    configuration: bool = False
    """It answers `workspace/configuration`."""
    asks_prompts: bool = False
    """A plug-in asks the user for the prompt of a ``massgen.run`` command that has none."""
    one_by_one: bool = False
    """An edit may touch one document only, and its answer to it is not to be believed unseen."""
    own_end: bool = False
    """It ends the last line of a document by itself: see `lastline`."""
    bare_files: bool = False
    """It makes no folders for a file that it creates or renames."""
    flushes: bool = False
    """`workspace/semanticTokens/refresh` makes it send at once what was typed in visible
    documents, since it asks for their tokens then."""
    events: str = "facts"
    """How much of `massgen/event` it wants: ``none``, ``facts`` or ``all`` (with live output)."""
    assists: tuple[str, ...] = ()
    """Of `ASSISTS`, what it shows in configuration files and has to know of from the beginning."""
    registers: tuple[str, ...] = ()
    """Of `ASSISTS`, what it can be told of when there is such a file."""
    snippets: bool = False
    markdown: bool = False
    """It shows Markdown when the pointer rests on something."""
    tags: bool = False
    """It shows diagnostics of what has no effect as such."""
    trusted: bool | None = None
    """What the editor's own trust in the folders is; None when it has none."""
    process: int | None = None
    """The process that owns us; when it is gone, so are we."""

    @property
    def resource_operations(self) -> bool:
        """Whether it creates, renames and deletes files as parts of an edit."""
        return self.create and self.rename and self.delete


def _at(node: object, path: str) -> object:
    for key in path.split("."):
        if not isinstance(node, dict):
            return None
        node = cast("dict[str, object]", node).get(key)
    return node


def _texts(node: object) -> list[str]:
    items = cast("list[object]", node) if isinstance(node, list) else []
    return [item for item in items if isinstance(item, str)]


def resolve(params: object) -> Client:
    """Reads the parameters of `initialize`. Total: nonsense counts as absent."""
    caps = _at(params, "capabilities")
    edit = _at(caps, "workspace.workspaceEdit")
    resources = set(_texts(_at(edit, "resourceOperations")))
    name = _at(params, "clientInfo.name")
    name = name if isinstance(name, str) else ""
    progress = _at(caps, "window.workDoneProgress") is True
    process = _at(params, "processId")
    wanted = _at(params, "initializationOptions.events")
    if wanted not in ("none", "facts", "all"):
        wanted = "facts"
    trusted = _at(params, "initializationOptions.trusted")
    prompts = _at(params, "initializationOptions.prompts") is True
    plain_neovim = name == "Neovim" and not prompts
    tokens = _at(caps, "workspace.semanticTokens.refreshSupport") is True
    known = [each for each in ASSISTS if isinstance(_at(caps, f"textDocument.{each}"), dict)]
    late = [e for e in known if _at(caps, f"textDocument.{e}.dynamicRegistration") is True]
    ale = not name and all(
        _at(caps, f"workspace.{each}") is False
        for each in ("applyEdit", "workspaceFolders", "configuration")
    )
    offered = _at(caps, "general.positionEncodings")
    known_units = "utf-8" if ale else "utf-32" if name == "vim-lsp" else ""
    return Client(
        name=name,
        encoding=known_units or _encoding(offered),
        document_changes=_at(edit, "documentChanges") is True or bool(resources),
        create="create" in resources,
        rename="rename" in resources,
        delete="delete" in resources,
        annotations=isinstance(_at(edit, "changeAnnotationSupport"), dict),
        apply_edit=_at(caps, "workspace.applyEdit") is True or ale,
        progress=progress,
        message_request=isinstance(_at(caps, "window.showMessage"), dict),
        asks=not ale,
        answers_edits=not ale,
        show_document=_at(caps, "window.showDocument.support") is True,
        action_literals=isinstance(
            _at(caps, "textDocument.codeAction.codeActionLiteralSupport"), dict
        ),
        action_disabled=_at(caps, "textDocument.codeAction.disabledSupport") is True,
        virtual_documents=isinstance(_at(caps, "workspace.textDocumentContent"), dict),
        workspace_folders=_at(caps, "workspace.workspaceFolders") is True,
        configuration=_at(caps, "workspace.configuration") is True,
        asks_prompts=prompts,
        one_by_one=plain_neovim,
        own_end=plain_neovim,
        bare_files=plain_neovim or name.startswith("Sublime Text"),
        flushes=plain_neovim and tokens,
        events=str(wanted),
        assists=tuple(each for each in known if each not in late),
        registers=tuple(late),
        snippets=_at(caps, "textDocument.completion.completionItem.snippetSupport") is True,
        markdown="markdown" in _texts(_at(caps, "textDocument.hover.contentFormat")),
        tags=isinstance(_at(caps, "textDocument.publishDiagnostics.tagSupport"), dict),
        trusted=trusted if isinstance(trusted, bool) else None,
        process=process if isinstance(process, int) and process > 0 else None,
    )


def _encoding(offered: object) -> str:
    """The client's first choice that we know: it is the one that costs the client nothing.

    To us they all cost the same. Without a word from the client the protocol says utf-16.
    """
    return next((each for each in _texts(offered) if each in ENCODINGS), "utf-16")


def roots(params: object) -> list[tuple[str, str]]:
    """(URI, name) of every workspace folder; from the deprecated fields where there is no list."""
    folders = _at(params, "workspaceFolders")
    found: list[tuple[str, str]] = []
    for each in cast("list[object]", folders) if isinstance(folders, list) else []:
        uri, name = _at(each, "uri"), _at(each, "name")
        if isinstance(uri, str) and uri:
            found.append((uri, name if isinstance(name, str) else ""))
    if not found and isinstance(uri := _at(params, "rootUri"), str) and uri:
        found.append((uri, ""))
    if not found and isinstance(path := _at(params, "rootPath"), str) and path:
        found.append((path, ""))
    return found


def assist_options(feature: str) -> dict[str, object]:
    """What goes with the name of one of `ASSISTS`."""
    return {"triggerCharacters": list(TRIGGERS)} if feature == "completion" else {}


def answer(client: Client) -> dict[str, object]:
    """The result of `initialize`."""
    workspace: dict[str, object] = {
        "workspaceFolders": {"supported": True, "changeNotifications": True}
    }
    if client.virtual_documents:
        workspace["textDocumentContent"] = {"schemes": [SCHEME]}
    # No token is ever found: a client asks for them when it is told to, and that is all we want.
    tokens: dict[str, object] = {"legend": {"tokenTypes": [], "tokenModifiers": []}, "full": True}
    return {
        "capabilities": {
            **({"semanticTokensProvider": tokens} if client.flushes else {}),
            **{f"{each}Provider": assist_options(each) for each in client.assists},
            "positionEncoding": client.encoding,
            "textDocumentSync": {
                "openClose": True,
                "change": 2,
                "save": {"includeText": False},
            },
            "codeActionProvider": {
                "codeActionKinds": list(ACTION_KINDS),
                "resolveProvider": True,
                "workDoneProgress": False,
            },
            "codeLensProvider": {"resolveProvider": False, "workDoneProgress": False},
            "executeCommandProvider": {"commands": list(COMMANDS), "workDoneProgress": True},
            "workspace": workspace,
            "experimental": {"massgen": {"events": client.events}},
        },
        "serverInfo": {"name": "massgen-ls", "version": __version__},
    }
