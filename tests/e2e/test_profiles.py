"""The main job as recorded clients see it, pytest-lsp's and ours: what real editors said.

`scripts/record_clients` makes ours.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from lsprotocol.converters import get_converter
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

from massgen_ls.core.text import Edit, Encoding, LineIndex, Position, apply_edits
from tests.e2e.world import DEADLINE, World

pytestmark = pytest.mark.e2e

CLIENTS = Path(__file__).parent / "clients"
PROFILES = (
    *("visual-studio-code@1.65.2", "neovim@0.11.0", "neovim@0.7.0", "emacs@29.1"),
    *sorted(each.stem for each in CLIENTS.iterdir()),
)
UNSAVED = "unsaved\ntwo\nthree\nfour\nfive\n"
AGENT = """
text = open('a.py').read()
assert text.startswith('unsaved'), text
open('a.py', 'w').write(text.replace('five', 'FIVE'))
"""


def greeting(profile: str) -> dict[str, Any]:
    """The parameters of `initialize` that are the client's own."""
    if "@" in profile:
        return {"capabilities": client_capabilities(profile)}
    found = json.loads((CLIENTS / f"{profile}.json").read_text())
    structure = get_converter().structure
    own = {"capabilities": structure(found["capabilities"], types.ClientCapabilities)}
    if "clientInfo" in found:
        own["client_info"] = structure(found["clientInfo"], types.ClientInfo)
    return own


@asynccontextmanager
async def session(world: World, profile: str) -> AsyncIterator[LanguageClient]:
    world.init()
    team = world.configure([world.agent("one", AGENT)])
    server = ClientServerConfig(
        server_command=world.argv("serve", "--stdio", "--config", str(team)),
        server_env=world.env,
    )
    client: Any = await server.start()
    try:
        root = world.repo.as_uri()
        folder = types.WorkspaceFolder(uri=root, name="repo")
        await client.initialize_session(
            types.InitializeParams(**greeting(profile), root_uri=root, workspace_folders=[folder])
        )
        client.text_document_did_open(
            types.DidOpenTextDocumentParams(
                types.TextDocumentItem(
                    uri=world.repo.joinpath("a.py").as_uri(),
                    language_id="python",
                    version=3,
                    text=UNSAVED,
                )
            )
        )
        yield client
        await client.shutdown_session()
    finally:
        await client.stop()


def landed(edit: types.WorkspaceEdit, uri: str, encoding: Encoding) -> tuple[str, int | None]:
    """The buffer after the edit, and the version that the edit was made for."""
    version: int | None = None
    changes: list[Any] = []
    for step in edit.document_changes or []:
        assert isinstance(step, types.TextDocumentEdit)
        assert step.text_document.uri == uri
        version, changes = step.text_document.version, [*step.edits]
    if edit.changes:
        changes = [*edit.changes[uri]]
    index = LineIndex(UNSAVED)

    def offset(at: types.Position) -> int:
        return index.offset_at(Position(at.line, at.character), encoding)

    edits = [Edit(offset(e.range.start), offset(e.range.end), e.new_text) for e in changes]
    return apply_edits(UNSAVED, sorted(edits)), version


async def offered(client: LanguageClient, uri: str) -> list[str]:
    """The titles of the code actions on a task comment in a new buffer."""
    client.text_document_did_open(
        types.DidOpenTextDocumentParams(
            types.TextDocumentItem(
                uri=uri, language_id="python", version=1, text="# massgen: tidy up\nx = 1\n"
            )
        )
    )
    start = types.Position(0, 4)
    actions = await client.text_document_code_action_async(
        types.CodeActionParams(
            types.TextDocumentIdentifier(uri),
            types.Range(start, start),
            types.CodeActionContext(diagnostics=[]),
        )
    )
    return [action.title for action in actions or []]


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_comment_offers_a_run_and_an_unsaved_buffer_gets_the_winner(
    world: World, profile: str
) -> None:
    async with asyncio.timeout(DEADLINE), session(world, profile) as client:
        uri = world.repo.joinpath("a.py").as_uri()
        edits: list[types.WorkspaceEdit] = []

        @client.feature(types.WORKSPACE_APPLY_EDIT)
        def _(params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
            edits.append(params.edit)
            return types.ApplyWorkspaceEditResult(applied=True)

        titles = await offered(client, world.repo.joinpath("b.py").as_uri())
        assert [title for title in titles if "tidy up" in title], titles

        async def command(name: str, argument: dict[str, Any]) -> Any:
            return await client.workspace_execute_command_async(
                types.ExecuteCommandParams(command=name, arguments=[argument])
            )

        run = await command("massgen.run", {"prompt": "do it"})
        settled = await command("massgen.wait", dict(run))
        assert settled["verdict"]["winner"] == "one.1"
        applied = await command("massgen.apply", dict(run))
        assert applied["applied"] is True
        chosen = (
            client.server_capabilities.position_encoding
            if hasattr(client, "server_capabilities")
            else None
        )
        (edit,) = edits
        text, version = landed(edit, uri, Encoding(chosen or "utf-16"))
        assert text == UNSAVED.replace("five", "FIVE")
        assert version in {3, None}
        assert (world.repo / "a.py").read_text().startswith("one\n")
    await world.gone()
