"""The main job in a real Neovim with real agent programs, while its user types."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from massgen_ls.testing.models import Edit, Episode, Gate, Text, Turn, Wait
from tests.e2e.cast import CODEX, PRO, SILENT, SONNET, Cast
from tests.e2e.nvim.conftest import Open
from tests.e2e.nvim.nvim_embed import DEADLINE, Neovim

pytestmark = [pytest.mark.e2e, pytest.mark.agents, pytest.mark.timeout(240)]

CHECK = {
    "name": "gate",
    "argv": ["{python}", "-c", "import sys; sys.exit('bad' in open('one.py').read())"],
}


def shown(nvim: Neovim) -> list[str]:
    return nvim.call("nvim_buf_get_lines", 0, 0, -1, True)


async def at(gate: Gate, nvim: Neovim) -> None:
    """Until an agent's model stands at the gate; Neovim goes on to be heard."""
    async with asyncio.TaskGroup() as group:
        reached = group.create_task(gate.reached(DEADLINE))
        while not reached.done():
            await asyncio.to_thread(nvim.listen, 0.05)
            if any(name == "MassgenRunSettled" for name, _ in nvim.news):
                nvim.fail("the run has ended before the gate")


async def test_the_winner_lands_while_the_user_types_and_undo_takes_it_back(
    cast: Cast, neovim: Open, project: Path
) -> None:  # the cast comes first: Neovim passes its keys on
    world, one, gate = cast.world, project / "one.py", Gate()
    cast.models.scripts |= {
        SONNET: Episode(Turn(Edit("one.py", "one_9 = 9\n", "bad = 9\n")), Turn(Text("Done."))),
        PRO: Episode(Turn(Edit("one.py", "one_9 = 9\n", "bad = 0\n")), Turn(Text("Done."))),
        CODEX: Episode(
            Turn(
                Wait(gate),
                Edit("one.py", "unsaved = 1\n", "unsaved = 2\n"),
            ),
            Turn(Edit("one.py", "one_15 = 15\n", "FIFTEEN = 15\n")),
            Turn(Text("Done.")),
        ),
    }
    agents = [cast.claude(), cast.gemini(), cast.codex()]
    config = world.configure(agents, [CHECK], sandbox="off", voting=SILENT, early_exit=False)
    nvim = neovim()

    async def patiently(wait: Callable[..., object], *arguments: object) -> object:
        """A long wait for Neovim, while the models go on to answer."""
        return await asyncio.to_thread(wait, *arguments)

    command = [
        sys.executable, "-m", "massgen_ls", "serve", "--stdio", "--config", str(config),
    ]  # fmt: skip
    nvim.lua("require('massgen').setup({ lsp = { cmd = ... } })", command)
    nvim.command(f"edit {one}")
    await patiently(
        nvim.until,
        "the server",
        "(vim.lsp.get_clients({ bufnr = 0 })[1] or {}).initialized == true",
    )
    nvim.keys("ggOunsaved = 1<Esc>")
    nvim.until("typed", "vim.api.nvim_get_mode().mode == 'n'")
    before = shown(nvim)
    nvim.command("Massgen! tidy up")
    await at(gate, nvim)
    nvim.keys("6Gotyped meanwhile<Esc>")
    nvim.until("typed", "vim.api.nvim_get_mode().mode == 'n'")
    nvim.keys("Gostill typing")
    gate.open()
    await patiently(nvim.wait_for, "MassgenApplied")
    assert nvim.lua("return vim.api.nvim_get_mode().mode") == "i"
    nvim.keys(" on<Esc>")
    nvim.until("typed", "vim.api.nvim_get_mode().mode == 'n'")
    merged = ["unsaved = 2", *before[1:6], "typed meanwhile", *before[6:], "still typing on"]
    landed = ["FIFTEEN = 15" if text == "one_15 = 15" else text for text in merged]
    assert shown(nvim) == landed
    assert not one.read_text().startswith("unsaved"), "nothing is saved for the user"
    settled = nvim.wait_for("MassgenRunSettled")
    assert (settled["outcome"], settled["winner"]) == ("won", "codex.1")
    assert "claude.1" in settled["why"], settled
    assert "gemini.1" in settled["why"], settled
    # What was typed after it, then the agents' change alone.
    nvim.keys("u")
    nvim.until("undone", "vim.fn.getline('$') == 'still typing'")
    nvim.keys("u")
    nvim.until("undone", "vim.fn.getline(1) == 'unsaved = 1'")
    assert shown(nvim) == [*before[:6], "typed meanwhile", *before[6:], "still typing"]
