"""`:checkhealth massgen`, with the real program and without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.nvim.conftest import Open
from tests.e2e.nvim.nvim_embed import Neovim
from tests.e2e.nvim.served import Serve, opened

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def health(nvim: Neovim) -> str:
    nvim.command("checkhealth massgen")
    nvim.until("the report", "vim.bo.filetype == 'checkhealth'")
    return "\n".join(nvim.call("nvim_buf_get_lines", 0, 0, -1, True))


def test_it_says_what_is_there(neovim: Open, serve: Serve, project: Path) -> None:
    nvim = neovim()
    opened(nvim, serve("pass"), project / "one.py")
    said = health(nvim)
    assert "OK Neovim 0.1" in said
    assert f"OK the project is `{project}`" in said
    assert "OK the server starts with the first file of a project" in said
    assert f"works in `{project}`, with 1 file open" in said
    assert "OK massgen-ls " in said
    assert "what `massgen-ls doctor` says" in said
    assert "git" in said.split("doctor` says")[1]
    assert "ERROR" not in said
    doctors = said.split("doctor` says")[1].split("\n")
    assert [line for line in doctors if line.endswith(" ")] == []


def test_it_says_what_is_missing(neovim: Open, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    nvim = neovim(cwd=outside)
    nvim.lua("vim.lsp.config('massgen', { cmd = { 'no-such-massgen-ls', 'serve' } })")
    said = health(nvim)
    assert "ERROR `no-such-massgen-ls` is not to be found" in said
    assert "vim.lsp.config('massgen'" in said
    assert "WARNING this folder is in no git repository" in said
    assert "no server runs at the moment" in said
