"""Vim with vim-lsp, as its guide says, with the real server."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.nvim.served import Gate
from tests.e2e.plain.conftest import OpenVim, server_of, vim_lsp
from tests.e2e.plain.terminal import Vim
from tests.e2e.plain.test_vim import lines, told
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

Served = Callable[..., list[str]]

EDIT = """
text = open('one.py').read()
assert '𝒳 zähle' in text, text
text = text.replace('𝒳 zähle', '𝒳 ZÄHLE').replace('one_9 = 9', 'NINE = 9')
open('one.py', 'w').write(text)
open('made.py', 'w').write('made = 1\\n')
"""
COMMENT = "# massgen: 𝒳 zähle von null"
RUNNING = "lsp#get_server_status('massgen') == 'running'"
LANDED = "match(getbufline('one.py', 1, '$'), 'NINE = 9') >= 0"


def act(vim: Vim) -> None:
    """Picks the first code action: what the comment above the file asks for."""
    vim.keys(":LspCodeAction\r")
    vim.until("the menu", "bufexists('lsp-quickpick') && mode(1) == 'i'")
    vim.keys("\r")


def answer(vim: Vim, question: str, number: int) -> None:
    told(vim, question)
    vim.until("the prompt", "mode(1) == 'c'")
    vim.keys(str(number))
    told(vim, f"cancels): {number}")  # together, Vim would drop the second key
    vim.keys("\r")


def test_a_session(vim: OpenVim, served: Served, gate: Gate, project: Path, world: World) -> None:
    editor = vim(served(gate.program + EDIT), vim_lsp)
    editor.until("the server", RUNNING)
    editor.keys(f"gg0O{COMMENT}\x1b")
    editor.until("typed", f"getline(1) == '{COMMENT}' && mode(1) == 'n'")

    # From a code action to the buffer, around what is typed meanwhile, and back.
    act(editor)
    held = gate.reached(editor)
    editor.keys("Gotyped_meanwhile = 'é'\x1b")
    editor.until("typed", "getline('$') =~ 'typed_meanwhile' && mode(1) == 'n'")
    before = lines(editor)
    os.close(held)
    answer(editor, "first.1 won", 1)
    answer(editor, "Shall I create made.py", 1)
    editor.until("the winner", LANDED)
    after = [line.replace("zähle", "ZÄHLE").replace("one_9 = 9", "NINE = 9") for line in before]
    assert lines(editor) == after
    editor.until("said so", "execute('messages') =~ 'is applied to 2 files'")
    assert (project / "made.py").read_text() == "made = 1\n"
    assert "NINE" not in (project / "one.py").read_text(), "nothing is saved for the user"
    editor.keys("u")
    editor.until("undone", f"!({LANDED})")
    # Vim takes back in one step what was typed without a command since.
    assert lines(editor) == before[:-1]

    # The server is killed in the middle of a run; it is back with the next change.
    (project / "made.py").unlink()
    editor.keys("gg")
    act(editor)
    os.close(gate.reached(editor))
    os.kill(server_of(world), signal.SIGKILL)
    editor.until("gone", f"!({RUNNING})")
    editor.keys("Gotyped_since = 1\x1bgg")
    editor.until("back", RUNNING)
    act(editor)
    os.close(gate.reached(editor))
    answer(editor, "first.1 won", 1)
    answer(editor, "Shall I create made.py", 1)
    editor.until("the winner", LANDED)
    assert lines(editor) == [*after[:-1], "typed_since = 1"]
