"""The real server behind a real Neovim, and what tests say to both."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from tests.e2e.nvim.nvim_embed import DEADLINE, Neovim

Serve = Callable[..., list[str]]

EVERYTHING = """
import os

def edit(name, *pairs):
    text = open(name).read()
    for old, new in pairs:
        assert old in text, (name, old, text)
        text = text.replace(old, new)
    open(name, 'w').write(text)

edit('one.py', ('unsaved_one = 1\\n', 'unsaved_one = 2\\n'), ('one_10 = 10\\n', 'TEN = 10\\n'),
     ('one_20 = 20\\n', 'one_20 = 20\\nlast = 1\\n'))
edit('two.py', ('two_5 = 5\\n', 'FIVE = 5\\n'))
os.makedirs('pkg', exist_ok=True)
open('pkg/made.py', 'w').write('made = 1\\nby = "agents"\\n')
os.rename('old_name.py', 'new_name.py')
edit('new_name.py', ('old_2 = 2\\n', 'OLD_2 = 2\\n'))
os.remove('gone.py')
"""


LAST = "last = 1"


class Waits(Protocol):
    """An editor that goes on while a test waits for something else."""

    def listen(self, seconds: float) -> None: ...

    def fail(self, what: str) -> Any: ...


class Gate:
    """A named pipe at which an agent waits until the test opens it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        os.mkfifo(path)

    @property
    def program(self) -> str:
        """What an agent says to wait."""
        return f"open({str(self._path)!r}).read()\n"

    def reached(self, editor: Waits) -> int:
        """Waits for an agent to stand there; returns what has to be closed to let it go on."""
        end = time.monotonic() + DEADLINE
        while True:
            try:
                return os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # nobody reads yet
                if time.monotonic() > end:
                    editor.fail("the agent has not come to the gate")
                editor.listen(0.05)


def opened(nvim: Neovim, command: list[str], *files: Path) -> None:
    """Opens files with the plug-in and the real server."""
    nvim.lua("require('massgen').setup({ lsp = { cmd = ... } })", command)
    for file in files:
        nvim.command(f"edit {file}")
    attached(nvim)


def attached(nvim: Neovim) -> None:
    nvim.until("the server", "(vim.lsp.get_clients({ bufnr = 0 })[1] or {}).initialized == true")


def say_yes(nvim: Neovim) -> None:
    """Picks what applies whenever the server asks."""
    nvim.lua(
        """
        _G.pick = function(items)
          for _, item in ipairs(items) do
            if item:match('^Apply') or item == 'Yes' then return item end
          end
          return ''
        end
        """
    )


def lines_of(nvim: Neovim, file: Path) -> list[str]:
    number = nvim.lua("return vim.fn.bufnr(...)", str(file))
    return nvim.call("nvim_buf_get_lines", number, 0, -1, True)


def type_unsaved(nvim: Neovim, project: Path) -> dict[Path, list[str]]:
    """Opens two files and changes both without saving; returns what they show."""
    one, two = project / "one.py", project / "two.py"
    nvim.command(f"edit {one}")
    nvim.keys("ggOunsaved_one = 1<Esc>")
    nvim.command(f"edit {two}")
    nvim.keys("Gounsaved_two = 2<Esc>")
    nvim.until("typed", "vim.api.nvim_buf_line_count(0) == 21")
    return {file: lines_of(nvim, file) for file in (one, two)}


def replaced(lines: list[str], **by: str) -> list[str]:
    return [next((new for old, new in by.items() if line.startswith(old)), line) for line in lines]


TELLING = """
import sys
open('prompt.txt', 'w').write(sys.stdin.read())
"""


def prompt_of(nvim: Neovim, project: Path) -> str:
    """What the agent was told, from the candidate that landed."""
    nvim.wait_for("MassgenApplied")
    return "\n".join(lines_of(nvim, project / "prompt.txt"))


def act(nvim: Neovim, code: str, wanted: str) -> None:
    """Asks for code actions with `code`, and picks the one whose title has a word."""
    nvim.lua(
        """
        local word = ...
        _G.pick = function(items, opts)
          for _, item in ipairs(items) do
            if opts.kind ~= 'codeaction' and (item:match('^Apply') or item == 'Yes') then
              return item
            end
            if opts.kind == 'codeaction' and item:lower():find(word, 1, true) then return item end
          end
          return ''
        end
        _G.reply = 'make these plain'
        """,
        wanted,
    )
    nvim.lua(code)
