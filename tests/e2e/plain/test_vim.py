"""Vim with ALE, as its guide says, with the real server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.nvim.served import Gate
from tests.e2e.plain.conftest import OpenVim, server_of
from tests.e2e.plain.terminal import Vim
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

Served = Callable[..., list[str]]

EDIT = """
text = open('one.py').read()
assert 'zähle' in text, text
text = text.replace('zähle', 'ZÄHLE').replace('one_9 = 9', 'NINE = 9')
open('one.py', 'w').write(text)
open('made.py', 'w').write('made = 1\\n')
"""
COMMENT = "# massgen: zähle von null"
SCREEN = (
    "map(range(1, &lines), {_, l -> join(map(range(1, 80), {_, c -> screenstring(l, c)}), '')})"
)


def lines(vim: Vim) -> list[str]:
    return vim.ask("getbufline('one.py', 1, '$')")


def start(vim: Vim) -> None:
    """Waits for the server, and types a task above the first line."""
    connected(vim)
    vim.keys(f"gg0O{COMMENT}\x1b")
    vim.until("typed", f"getline(1) == '{COMMENT}' && mode(1) == 'n'")


def connected(vim: Vim) -> None:
    ready = "filter(values(ale#lsp#GetConnections()), 'v:val.initialized') != []"
    vim.until("the server", ready)


def act(vim: Vim, words: str) -> None:
    """Picks the code action with these words by its number."""
    vim.keys(":ALECodeAction\r")
    vim.until("the menu", "mode(1) == 'c'")
    menu = vim.ask(SCREEN)
    numbers = [line.split(")")[0] for line in menu if words in line and ")" in line]
    if not numbers:
        vim.fail(f"no action with {words} in {menu}")
    vim.keys(f"{numbers[0]}\r")


def told(vim: Vim, words: str) -> None:
    """Waits for a message, which ALE shows in the last line, or a long one in a window."""
    vim.until(words, f"join({SCREEN}, '') =~ '{words}'")


def outcomes(world: World) -> dict[str, str]:
    """What ``massgen-ls runs`` says in a terminal beside the editor, by run."""
    said = asyncio.run(world.massgen("runs", "--json"))
    found = [json.loads(line) for line in said.out.splitlines()]
    return {each["run"]: each["outcome"] for each in found}


def test_from_a_code_action_to_the_buffer_and_back(
    vim: OpenVim, served: Served, project: Path
) -> None:
    editor = vim(served(EDIT))
    start(editor)
    before = lines(editor)
    act(editor, "von null")
    told(editor, "first.1 won")
    act(editor, "apply first.1, files that are not open")
    editor.until("the winner", "match(getbufline('one.py', 1, '$'), 'NINE = 9') >= 0")
    told(editor, "is applied to 2 files")
    after = [line.replace("zähle", "ZÄHLE").replace("one_9 = 9", "NINE = 9") for line in before]
    assert lines(editor) == after
    assert (project / "made.py").read_text() == "made = 1\n"
    assert "NINE" not in (project / "one.py").read_text(), "nothing is saved for the user"
    editor.keys("u")
    editor.until("undone", "match(getbufline('one.py', 1, '$'), 'NINE = 9') < 0")
    assert lines(editor) == before


def test_what_is_typed_while_the_team_works_stays(vim: OpenVim, served: Served, gate: Gate) -> None:
    editor = vim(served(gate.program + EDIT))
    start(editor)
    act(editor, "von null")
    held = gate.reached(editor)
    editor.keys("Gotyped_meanwhile = 'é'\x1b")
    editor.until("typed", "getline('$') =~ 'typed_meanwhile' && mode(1) == 'n'")
    before = lines(editor)
    os.close(held)
    told(editor, "first.1 won")
    act(editor, "apply first.1, files that are not open")
    editor.until("the winner", "match(getbufline('one.py', 1, '$'), 'NINE = 9') >= 0")
    after = [line.replace("zähle", "ZÄHLE").replace("one_9 = 9", "NINE = 9") for line in before]
    assert lines(editor) == after


def test_a_killed_server_comes_back_one_run_is_cancelled_and_the_next_lands(
    vim: OpenVim, served: Served, gate: Gate, world: World
) -> None:
    editor = vim(served(gate.program + EDIT))
    start(editor)
    before = lines(editor)
    act(editor, "von null")
    os.close(gate.reached(editor))
    told(editor, "at work on")
    os.kill(server_of(world), signal.SIGKILL)
    editor.until("gone", "ale#lsp#GetConnections() == {}")
    editor.keys(":ALELint\r")
    connected(editor)

    # ALE cancels nothing, so a terminal does.
    act(editor, "von null")
    held = gate.reached(editor)
    (run,) = [run for run, outcome in outcomes(world).items() if outcome == "running"]
    asyncio.run(world.massgen("cancel", run))
    assert (outcomes(world)[run], lines(editor)) == ("cancelled", before)
    os.close(held)

    act(editor, "von null")
    os.close(gate.reached(editor))
    told(editor, "first.1 won")
    act(editor, "apply first.1, files that are not open")
    editor.until("the winner", "match(getbufline('one.py', 1, '$'), 'NINE = 9') >= 0")
