"""Neovim 0.7.2, Debian 12's, as a plain client: as the README says, with the real server."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.e2e.nvim.conftest import PLUGIN, Open
from tests.e2e.nvim.nvim_embed import DEADLINE, Neovim
from tests.e2e.nvim.served import (
    EVERYTHING,
    TELLING,
    Gate,
    Serve,
    lines_of,
    replaced,
    type_unsaved,
)
from tests.e2e.plain.conftest import server_of
from tests.e2e.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def snippet(command: list[str], which: str) -> str:
    """A piece of Lua of the README, with our command line in place of the program's name."""
    found = re.findall(r"```lua\n(.*?)```", (PLUGIN / "README.md").read_text(), re.DOTALL)
    (text,) = [each for each in found if which in each]
    words = ", ".join(f"[[{word}]]" for word in command)
    return text.replace('{ "massgen-ls", "serve", "--stdio" }', f"{{ {words} }}")


def attach(nvim: Neovim, command: list[str], *files: Path) -> None:
    """What the README says for 0.7, with the first file; the others are opened later."""
    nvim.command(f"edit {files[0]}")
    nvim.lua(snippet(command, "start_client"))
    nvim.until("the server", "#vim.lsp.get_active_clients() == 1")
    for file in files[1:]:
        nvim.command(f"edit {file}")
    nvim.until("attached", "next(vim.lsp.buf_get_clients(0)) ~= nil")


def answer(nvim: Neovim, keys: str) -> None:
    """Waits for Neovim's own numbered question, and types."""
    end = time.monotonic() + DEADLINE
    while not nvim.call("nvim_get_mode")["blocking"]:
        if time.monotonic() > end:
            nvim.fail("there is no question")
        nvim.listen(0.05)
    nvim.call("nvim_input", keys)


def run(nvim: Neovim, prompt: str, apply: str) -> None:
    code = snippet([], "executeCommand")
    nvim.lua(code.replace("tidy up this package", prompt).replace('"ask"', f'"{apply}"'))


def test_from_a_code_action_to_the_buffers(
    neovim: Open, nvim_07: Path, serve: Serve, project: Path
) -> None:
    nvim = neovim(plugin=False, binary=nvim_07)
    one = project / "one.py"
    program = TELLING + "t = open('one.py').read().replace('one_9 = 9', 'NINE = 9')\n"
    program += "open('one.py', 'w').write(t)\n"
    attach(nvim, serve(program, stdin="prompt"), one)
    nvim.keys("4Go# massgen: count from zero<Esc>")
    nvim.until("typed", "vim.fn.getline('.') == '# massgen: count from zero'")
    before = lines_of(nvim, one)
    nvim.lua(
        """
        _G.pick = function(items)
          for _, item in ipairs(items) do
            if item:find('count from zero', 1, true) then return item end
          end
        end
        vim.lsp.buf.code_action()
        """
    )
    answer(nvim, "1<CR>")  # the first action of the server's question: Apply
    nvim.until("the winner", "vim.fn.bufloaded(...) == 1", str(project / "prompt.txt"))
    assert "count from zero" in "\n".join(lines_of(nvim, project / "prompt.txt"))
    nvim.until("landed", "vim.fn.search('NINE = 9', 'nw') > 0")
    assert lines_of(nvim, one) == replaced(before, one_9="NINE = 9")
    assert "NINE" not in one.read_text(), "nothing is saved for the user"
    nvim.command(f"buffer {one}")
    nvim.keys("u")
    nvim.until("undone", "vim.fn.search('NINE = 9', 'nw') == 0")
    assert lines_of(nvim, one) == before


def test_files_are_edited_made_renamed_and_deleted_while_the_user_types(
    neovim: Open, nvim_07: Path, serve: Serve, gate: Gate, project: Path
) -> None:
    nvim = neovim(plugin=False, binary=nvim_07)
    one, two = project / "one.py", project / "two.py"
    attach(nvim, serve(gate.program + EVERYTHING), one, two, project / "old_name.py")
    type_unsaved(nvim, project)
    run(nvim, "tidy up", "auto")
    held = gate.reached(nvim)
    nvim.command(f"buffer {one}")
    nvim.keys("5Gotyped meanwhile<Esc>")
    nvim.until("typed", "vim.fn.getline(6) == 'typed meanwhile'")
    before = {file: lines_of(nvim, file) for file in (one, two)}
    os.close(held)
    nvim.wait_for("event", lambda event: event["kind"] in ("delivered", "delivery_refused"))
    made, new = project / "pkg" / "made.py", project / "new_name.py"
    nvim.until("the new file", "vim.fn.bufloaded(...) == 1", str(made))
    nvim.until("deleted", "vim.loop.fs_stat(...) == nil", str(project / "gone.py"))
    expected = replaced(before[one], unsaved_one="unsaved_one = 2", one_10="TEN = 10")
    assert lines_of(nvim, one) == [*expected, "last = 1"]
    assert lines_of(nvim, two) == replaced(before[two], **{"two_5 ": "FIVE = 5"})
    assert lines_of(nvim, made) == ["made = 1", 'by = "agents"']
    assert lines_of(nvim, new)[1] == "OLD_2 = 2"
    assert not (project / "old_name.py").exists()
    for file in (one, two):
        nvim.command(f"buffer {file}")
        nvim.keys("u")
        nvim.until("undone", f"vim.fn.line('$') == {len(before[file])}")
        assert lines_of(nvim, file) == before[file]


def test_a_run_is_cancelled_and_after_a_crash_the_next_one_lands(
    neovim: Open, nvim_07: Path, serve: Serve, gate: Gate, project: Path, world: World
) -> None:
    nvim = neovim(plugin=False, binary=nvim_07)
    one = project / "one.py"
    program = gate.program + "t = open('one.py').read().replace('one_9 = 9', 'NINE = 9')\n"
    command = serve(program + "open('one.py', 'w').write(t)\n")
    attach(nvim, command, one)
    before = lines_of(nvim, one)
    run(nvim, "wait", "auto")
    held = gate.reached(nvim)
    started = nvim.wait_for("event", lambda event: event["kind"] == "run_started")
    nvim.lua(
        """
        vim.lsp.buf_request(0, 'workspace/executeCommand', {
          command = 'massgen.cancel', arguments = { { runId = ... } },
        }, function() end)
        """,
        started["run"],
    )
    nvim.wait_for("event", lambda event: event["kind"] == "run_settled")
    os.close(held)
    assert lines_of(nvim, one) == before

    run(nvim, "be killed", "auto")
    held = gate.reached(nvim)
    os.kill(server_of(world), signal.SIGKILL)
    nvim.until("gone", "#vim.lsp.get_active_clients() == 0")
    os.close(held)
    attach(nvim, command, one)
    run(nvim, "again", "auto")
    os.close(gate.reached(nvim))
    nvim.until("landed", "vim.fn.search('NINE = 9', 'nw') > 0")
    assert lines_of(nvim, one) == replaced(before, one_9="NINE = 9")


def test_the_plug_in_says_which_neovim_it_needs(neovim: Open, nvim_07: Path) -> None:
    nvim = neovim(binary=nvim_07)
    nvim.command("Massgen tidy up")
    told = nvim.wait_for("notify")["text"]
    assert "needs Neovim 0.11" in told
    assert "plain LSP client" in told
