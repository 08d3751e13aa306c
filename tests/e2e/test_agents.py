"""The main job with the real agent programs, as a user has it on the command line."""

from __future__ import annotations

import pytest

from massgen_ls.testing.models import Edit, Episode, Shell, Text, Turn, Write
from tests.e2e.cast import FREE, GATE, PRO, SONNET, Cast, of

pytestmark = [pytest.mark.e2e, pytest.mark.agents]


@pytest.mark.parametrize("sandbox", ["auto", "off"])
async def test_three_agents_a_check_and_the_winner_applied(cast: Cast, sandbox: str) -> None:
    world, models = cast.world, cast.models
    world.init(**{"notes.txt": "keep\n"})
    world.write("a.py", "ONE\ntwo\nthree\nfour\nfive\n")  # not committed: the agents start from it
    models.scripts |= {
        SONNET: Episode(
            Turn(Text("I make it bad."), Edit("a.py", "five\n", "bad\n")),
            Turn(Text("Claude has broken it.")),
        ),
        PRO: Episode(
            Turn(Text("I rewrite the notes."), Write("notes.txt", "kept\nby\ngemini\n")),
            Turn(Shell("mkdir -p pkg && echo made > pkg/made.txt")),
            Turn(Text("Gemini wrote the notes anew.")),
        ),
        "codex": Episode(
            Turn(Text("One line is enough."), Edit("a.py", "five\n", "FIVE\n")),
            Turn(Text("Codex changed one line.")),
        ),
    }
    before = world.fingerprint()
    ended = await cast.run(
        [cast.claude(**FREE), cast.gemini(**FREE), cast.codex(**FREE)],
        checks=[GATE],
        sandbox=sandbox,
    )
    assert (ended.code, ended.settled["verdict"]["winner"]) == (0, "codex.1"), ended
    assert "claude.1 is ruled out" in ended.why
    candidates = {c["seat"]: c for c in ended.settled["candidates"]}
    assert {s: sorted(f["path"] for f in c["files"]) for s, c in candidates.items()} == {
        "claude": ["a.py"],
        "gemini": ["notes.txt", "pkg/made.txt"],
        "codex": ["a.py"],
    }
    assert candidates["gemini"]["summary"] == "Gemini wrote the notes anew."
    # Two requests of Claude's and Codex's, three of Gemini's, of 1200 and 40 tokens each.
    usage = ended.settled["usage"]
    assert (usage["input"], usage["output"]) == (7 * 1200, 7 * 40), usage
    assert {e["outcome"] for e in of(ended, "attempt_ended")} == {"done"}
    for seat, words in (
        ("claude", ["Please do it.", "I make it bad.", "edit a.py", "Claude has broken it."]),
        ("gemini", ["I rewrite the notes.", "edit notes.txt", "run mkdir", "changed: notes.txt"]),
        ("codex", ["One line is enough.", "edit a.py", "Codex changed one line."]),
    ):
        told = await world.massgen("show", ended.run, "--transcript", seat)
        assert [w for w in words if w not in told.out] == [], told.out
    await world.check_clean(before)
    applied = await world.massgen("apply", ended.run)
    assert applied.code == 0, applied
    assert (world.repo / "a.py").read_text() == "ONE\ntwo\nthree\nfour\nFIVE\n"
    assert world.git("status", "--short") == " M a.py\n"
