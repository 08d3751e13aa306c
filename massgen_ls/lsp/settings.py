"""The editor's settings under ``massgen``, and the texts that it has open: what counts for a run.

Settings are asked for when a run is ordered, so they are always the newest. A client that cannot be
asked has sent them: in `initialize` (``initializationOptions.settings``) or as they changed.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from massgen_ls.lsp import uris
from massgen_ls.lsp.capabilities import Client
from massgen_ls.lsp.desk import EditorView
from massgen_ls.lsp.fields import ParamsError
from massgen_ls.lsp.files.documents import Documents

_log = logging.getLogger(__name__)

SECTION = "massgen"
PATIENCE = 2.0
"""Seconds for an answer; then what was known before counts."""
_OURS = frozenset({"agents", "checks", "orchestrator", "worktree", "profile"})

Ask = Callable[[str, object, float], Awaitable[object]]


class Settings:
    """What the editor says about runs.

    Args:
        client: Whether it can be asked.
        documents: What it has open.
        ask: Sends a request; raises TimeoutError or JsonRpcException.
        greeting: The parameters of `initialize`.
    """

    def __init__(self, client: Client, documents: Documents, ask: Ask, greeting: object) -> None:
        self._asks = client.configuration
        self._documents = documents
        self._ask = ask
        options = _mapping(_mapping(greeting).get("initializationOptions"))
        self._pushed = _mapping(options.get("settings"))
        self._answers: dict[str, Mapping[str, object]] = {}
        """By folder: what was answered last."""

    def changed(self, params: types.DidChangeConfigurationParams) -> None:
        """Takes what the editor sent; one that is asked sends nothing of use."""
        sent = _mapping(params.settings)
        if SECTION in sent:
            self._pushed = _mapping(sent[SECTION])
        elif _OURS & sent.keys():  # Helix sends the section alone
            self._pushed = sent

    def known(self, folder: str) -> Mapping[str, object]:
        """What was heard last about a folder; nobody is asked."""
        return self._answers.get(folder) or self._pushed

    async def view(self, folder: str) -> EditorView:
        """What counts for a run in this folder, now."""
        settings = self._pushed
        if self._asks:
            item = types.ConfigurationItem(scope_uri=uris.from_path(folder), section=SECTION)
            params = types.ConfigurationParams(items=[item])
            try:
                found = await self._ask(types.WORKSPACE_CONFIGURATION, params, PATIENCE)
                first = next(iter(cast("list[object]", found or [None])), None)
                # Null: it has nothing under this name, not that what it sent is void.
                settings = self._answers[folder] = _mapping(first) or settings
            except TimeoutError:
                self._asks = False  # it said that it can; nobody waits for it a second time
            except (JsonRpcException, ParamsError) as error:
                _log.warning("the editor's settings cannot be had: %s", error)
        texts = {d.path: d.text for d in self._documents if d.path is not None}
        return EditorView(settings, texts)


def _mapping(given: object) -> Mapping[str, object]:
    return cast("Mapping[str, object]", given) if isinstance(given, Mapping) else {}
