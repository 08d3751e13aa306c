"""The main job in a real Neovim with real agent programs, while its user types."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from massgen_ls.testing.models import Edit, Episode, Gate, Text, Turn, Wait
from tests.e2e.cast import CODEX, FREE, PLAIN, PRO, SILENT, SONNET, Cast
from tests.e2e.nvim.conftest import Open
from tests.e2e.nvim.nvim_embed import DEADLINE, Neovim
from tests.e2e.test_consensus import member

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


async def test_in_consensus_the_panel_shows_the_rounds_and_the_winner_lands(
    cast: Cast, neovim: Open, project: Path
) -> None:
    cast.models.scripts |= {
        SONNET: member("FIVE\n", ("+5",), better="FIVE\nSEVEN\n"),
        PRO: member("5\n6\n", ("+SEVEN", "+seis")),
        CODEX: member("cinco\nseis\nsiete\n", ("+SEVEN", "+5")),
    }
    agents = [cast.claude(**FREE), cast.gemini(**FREE), cast.codex(**FREE)]
    config = cast.world.configure(agents, sandbox="off", **PLAIN)
    nvim = neovim()
    command = [
        sys.executable, "-m", "massgen_ls", "serve", "--stdio", "--config", str(config),
    ]  # fmt: skip
    nvim.lua("require('massgen').setup({ lsp = { cmd = ... } })", command)
    nvim.command(f"edit {project / 'a.py'}")
    ready = "(vim.lsp.get_clients({ bufnr = 0 })[1] or {}).initialized == true"
    await asyncio.to_thread(nvim.until, "the server", ready)
    nvim.command("Massgen run mode=consensus apply=auto -- say five")
    await asyncio.to_thread(nvim.wait_for, "MassgenApplied")
    assert shown(nvim)[-2:] == ["FIVE", "SEVEN"]
    nvim.command("Massgen panel")
    nvim.until("the panel", "vim.bo.filetype == 'massgen'")
    text = " ".join(" ".join(shown(nvim)).split())
    rounds = text.split(" Rounds 1 ")[1]
    first, second = rounds.split(" 2 ", 1)
    assert "claude improves on claude.1" in first
    assert "votes for claude.2" in second
