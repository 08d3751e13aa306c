"""Real agent programs behind the language server: what is on the screen goes in and comes out."""

from __future__ import annotations

import pytest

from massgen_ls.testing.models import Edit, Episode, Gate, Text, Turn, Wait
from massgen_ls.testing.profiles import NEOVIM, VSCODE, Profile
from tests.e2e.cast import CODEX, GATE, PRO, SILENT, SONNET, Cast
from tests.e2e.editing import editing

pytestmark = [pytest.mark.e2e, pytest.mark.agents]

UNSAVED = "unsaved\ntwo\nthree\nfour\nfive\n"


@pytest.mark.parametrize(
    ("profile", "sandbox"), [(VSCODE, "auto"), (NEOVIM, "off")], ids=["code-auto", "nvim-off"]
)
async def test_the_winner_lands_in_the_unsaved_buffer(
    cast: Cast, profile: Profile, sandbox: str
) -> None:
    world = cast.world
    world.init()
    gate = Gate()
    cast.models.scripts |= {
        SONNET: Episode(Turn(Edit("a.py", "unsaved\n", "bad\n")), Turn(Text("Done."))),
        PRO: Episode(Turn(Wait(gate), Edit("a.py", "five\n", "fife\nfive\n")), Turn(Text("Done."))),
        CODEX: Episode(Turn(Edit("a.py", "five\n", "FIVE\n")), Turn(Text("Done."))),
    }
    agents = [cast.claude(), cast.gemini(), cast.codex()]
    team = world.configure(agents, [GATE], sandbox=sandbox, voting=SILENT, early_exit=False)
    before = world.fingerprint()
    async with editing(world, profile, "--config", str(team)) as editor:
        await editor.open("a.py", UNSAVED)
        run = await editor.request("massgen/run", {"prompt": "do it", "apply": "auto"})
        await gate.reached()
        await editor.type("a.py", UNSAVED.replace("two", "TWO typed"))
        gate.open()
        settled = await editor.request("massgen/wait", run)
        assert settled["verdict"]["winner"] in {"codex.1", "gemini.1"}, settled
        assert settled["usage"]["tokens"] == 6 * 1240
        await editor.seen(lambda m, p: m == "massgen/event" and p["kind"] == "delivered")
        fives = {"codex.1": "FIVE\n", "gemini.1": "fife\nfive\n"}[settled["verdict"]["winner"]]
        assert editor.text("a.py") == f"unsaved\nTWO typed\nthree\nfour\n{fives}"
    await world.check_clean(before)


async def test_a_cancel_and_the_end_of_the_editor_end_the_agents(cast: Cast) -> None:
    world = cast.world
    world.init()
    before = world.fingerprint()
    gates = {name: Gate() for name in (SONNET, PRO, CODEX)}
    cast.models.scripts |= {name: Episode(Turn(Wait(gate))) for name, gate in gates.items()}
    team = world.configure(
        [cast.claude(), cast.gemini(), cast.codex()], sandbox="off", voting=SILENT, early_exit=False
    )
    async with editing(world, VSCODE, "--config", str(team)) as editor:
        run = await editor.request("massgen/run", {"prompt": "do it", "apply": "none"})
        for gate in gates.values():
            await gate.reached(60)
        await editor.request("massgen/cancel", run)
        settled = await editor.request("massgen/wait", run)
        assert settled["verdict"]["outcome"] == "cancelled"
        # The server goes on (and clears away); nothing of the run is left beside it.
        left = [p for p in world.processes() if "massgen_ls" not in p and "/trash/" not in p]
        assert left == []
        again = {name: Gate() for name in gates}
        cast.models.scripts |= {name: Episode(Turn(Wait(gate))) for name, gate in again.items()}
        await editor.request("massgen/run", {"prompt": "do it again", "apply": "none"})
        for gate in again.values():
            await gate.reached(60)
        # And now the editor is closed in the middle of it.
    await world.check_clean(before)
