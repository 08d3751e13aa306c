"""The stand-in server inside a real Neovim, and what tests say to both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.e2e.nvim.conftest import HERE
from tests.e2e.nvim.nvim_embed import Neovim

RUN = "20261121-065512-k3f9"


def decoded(node: Any) -> Any:
    """As Neovim's client decodes JSON: what is null is absent."""
    if isinstance(node, dict):
        return {key: decoded(each) for key, each in node.items() if each is not None}
    return [decoded(each) for each in node] if isinstance(node, list) else node


def served(nvim: Neovim, *files: Path, **answers: Any) -> Neovim:
    """Opens the files with the stand-in as their server."""
    nvim.lua(
        """
        local here, answers = ...
        local cmd = dofile(here .. '/stand_in.lua')
        stand.answers = answers
        stand.answers['massgen/run'] = answers['massgen/run'] or { runId = '1' }
        require('massgen').setup({ lsp = { cmd = cmd } })
        """,
        str(HERE),
        {f"massgen/{verb}": decoded(answer) for verb, answer in answers.items()},
    )
    for file in files:
        nvim.command(f"edit {file}")
    if files:
        nvim.until("attached", "#vim.lsp.get_clients({ bufnr = 0 }) == 1")
        nvim.until("initialized", "vim.lsp.get_clients({ bufnr = 0 })[1].initialized == true")
    return nvim


def sent(nvim: Neovim, method: str, count: int = 1) -> list[Any]:
    nvim.until(method, f"#stand.sent('{method}') >= {count}")
    return nvim.lua("return stand.sent(...)", method)


def shown(nvim: Neovim, file: Path | None = None) -> list[str]:
    buffer = nvim.lua("return vim.fn.bufnr(...)", str(file)) if file else 0
    return nvim.call("nvim_buf_get_lines", buffer, 0, -1, True)


def version(nvim: Neovim, file: Path) -> int:
    return nvim.lua("return vim.lsp.util.buf_versions[vim.fn.bufnr(...)]", str(file))


def change(file: Path, version: int | None, *edits: tuple[int, int, str]) -> dict[str, Any]:
    """A document edit that replaces whole lines [first, last)."""
    return {
        "textDocument": {"uri": file.as_uri(), "version": version},
        "edits": [
            {
                "range": {
                    "start": {"line": first, "character": 0},
                    "end": {"line": last, "character": 0},
                },
                "newText": text,
            }
            for first, last, text in edits
        ],
    }


def apply(nvim: Neovim, *changes: dict[str, Any]) -> dict[str, Any]:
    """Sends workspace/applyEdit and returns the answer."""
    nvim.lua("stand.replies = {}")
    nvim.lua(
        "stand.ask('workspace/applyEdit', { edit = { documentChanges = ... } })", list(changes)
    )
    nvim.until("the answer", "#stand.replies == 1")
    return nvim.lua("return stand.replies[1].result")


def tell(nvim: Neovim, kind: str, **fields: Any) -> None:
    event = {"kind": kind, "run": RUN, **fields}
    nvim.lua("stand.tell('massgen/event', ...)", decoded(event))
