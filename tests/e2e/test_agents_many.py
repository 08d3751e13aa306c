"""Eight seats at once, with agents of every kind: each hears its own model and no other."""

from __future__ import annotations

import pytest

from massgen_ls.testing.models import Episode, Request, Script, Text, Turn, Write
from tests.e2e.cast import CODEX, FLASH, HAIKU, OPUS, PRO, SONNET, Cast, of

pytestmark = [pytest.mark.e2e, pytest.mark.agents]


def telling(mark: str) -> Script:
    """A model that writes a file with its mark, and says it twice."""
    return Episode(
        Turn(Text(f"I am <{mark}>."), Write(f"{mark}.txt", f"<{mark}>\n")),
        Turn(Text(f"<{mark}> is done.")),
    )


async def test_eight_seats_keep_apart(cast: Cast) -> None:
    world = cast.world
    world.init()
    before = world.fingerprint()
    marks = {
        "c1": SONNET,
        "c2": OPUS,
        "c3": HAIKU,
        "g1": PRO,
        "g2": FLASH,
        "x1": "key-one",
        "x2": "key-two",
        "x3": "key-three",
    }
    cast.models.scripts |= {script: telling(seat) for seat, script in marks.items()}
    make = {"c": cast.claude, "g": cast.gemini, "x": cast.codex}
    agents = [make[seat[0]](seat, script) for seat, script in marks.items()]
    ended = await cast.run(agents)
    assert ended.code == 0, ended
    files = {c["seat"]: [f["path"] for f in c["files"]] for c in ended.settled["candidates"]}
    assert files == {seat: [f"{seat}.txt"] for seat in marks}
    summaries = {c["seat"]: c["summary"] for c in ended.settled["candidates"]}
    assert summaries == {seat: f"<{seat}> is done." for seat in marks}
    for seat, script in marks.items():
        heard = "".join(e["text"] for e in of(ended, "delta") if e["source"] == seat)
        requests = cast.models.turns(script)
        assert {r.conversation for r in requests} == {requests[0].conversation}
        for other in marks:
            assert (f"<{other}>" in heard) == (other == seat)
            assert (f"<{other}>" in cast.heard(script)) == (other == seat)
    usage = ended.settled["usage"]
    assert (usage["input"], usage["output"]) == (16 * 1200, 16 * 40)
    await world.check_clean(before)


async def test_two_seats_of_each_kind_and_the_same_model(cast: Cast) -> None:
    """Without a sandbox, where seats may share a process; no model can tell who asks it."""
    world = cast.world
    world.init()
    marks: list[str] = []

    def script(request: Request) -> Turn:
        if request.turn == 0:
            marks.append(f"{request.api} {len(marks)}\n")
            return Turn(Write("made.txt", marks[-1]))
        return Turn(Text("Done."))

    cast.models.scripts |= {SONNET: script, PRO: script, CODEX: script}
    agents = [
        make(f"{make.__name__}{i}") for make in (cast.claude, cast.gemini, cast.codex) for i in "12"
    ]
    ended = await cast.run(agents, sandbox="off")
    assert ended.code == 0, ended
    assert len({*marks}) == 6
    (shadow,) = world.cache.glob("shadows/*/shadow.git")
    made = {
        c["seat"]: world.git("show", f"{c['commit']}:made.txt", cwd=shadow)
        for c in ended.settled["candidates"]
    }
    wrote = [made[agent["id"]] for agent in agents]
    assert sorted(wrote) == sorted(marks)
    assert [m.split()[0] for m in wrote] == [
        *("anthropic", "anthropic", "gemini", "gemini", "responses", "responses")
    ]
    await world.gone()
