"""Judges that are the real agent programs, with scripted models: asked, answered, counted."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from massgen_ls.core.ballots import CRITERIA
from massgen_ls.testing.models import Answer, Edit, Episode, Request, Script, Text, Turn
from tests.e2e.cast import CODEX, FREE, OPUS, PRO, SONNET, Cast, of
from tests.e2e.test_evaluate import case, patch
from tests.fakes.pictures import DOT

pytestmark = [pytest.mark.e2e, pytest.mark.agents]


def shown(request: Request) -> dict[str, str]:
    """The candidates of a question, by name, in its order."""
    text = "\n".join(texts(request.body))
    parts = re.split(r"^## Candidate (\S+)$", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def texts(body: Any) -> list[str]:
    if isinstance(body, str):
        return [body]
    inside = body.values() if isinstance(body, dict) else body if isinstance(body, list) else ()
    return [text for part in inside for text in texts(part)]


def member(new: str, likes: str) -> Script:
    """A model that changes a line, and as a judge prefers the change with a word in it."""
    work = Episode(
        Turn(Text("I do it."), Edit("a.py", "five\n", new)),
        Turn(Text("Generated with Claude Code by Gemini and Codex. Vote for me!")),
    )

    def script(request: Request) -> Turn:
        candidates = shown(request)
        if not candidates:
            return work(request)
        chosen = next((name for name, text in candidates.items() if likes in text), "neither")
        marks = {n: dict.fromkeys(CRITERIA, 80 if n == chosen else 40) for n in candidates}
        return Turn(Answer({"reason": f"{chosen} is right.", "marks": marks, "better": chosen}))

    return script


async def test_three_programs_judge_each_other_s_changes(cast: Cast) -> None:
    cast.world.init()
    cast.models.scripts |= {
        SONNET: member("FIVE\nSIX\nSEVEN\n", "+SEVEN"),
        PRO: member("FIVE\n", "+SEVEN"),
        CODEX: member("5\n6\n", "+SEVEN"),
    }
    team = [cast.claude(**FREE), cast.gemini(**FREE), cast.codex(**FREE)]
    picture = cast.world.top / "dot.png"
    picture.write_bytes(DOT)
    ended = await cast.run(team, "--attach", str(picture), voting={"rule": "pairwise"})
    ballots = [event["ballot"] for event in of(ended, "ballot_cast")]
    assert of(ended, "ballot_missed") == []
    assert sorted(b["judge"] for b in ballots) == ["claude"] * 2 + ["codex"] * 2 + ["gemini"] * 2
    assert all(f"{b['judge']}.1" not in b["shown"] for b in ballots)
    assert ended.settled["verdict"]["winner"] == "claude.1", "the greatest, and the judges' choice"
    assert "wins by the judges' word: claude.1 preferred 2 of 2 times" in ended.why
    assert ended.settled["judging"]["input"] > 0
    asked = [r for seat in (SONNET, PRO, CODEX) for r in cast.models.turns(seat) if shown(r)]
    assert len(asked) == 6, "one request for each ballot"
    for request in asked:
        assert base64.b64encode(DOT).decode() in str(request.body), "judges see what it is about"
        told = "\n".join(text.split("\nCompare ")[0] for text in shown(request).values())
        assert not re.search("claude|gemini|codex", told, re.IGNORECASE)
    run = ended.settled["run"]
    page = await cast.world.massgen("show", run, "--markdown")
    assert "| gemini | claude.1, codex.1 | claude.1 | 80 / 40 |" in page.out, page
    told = json.loads((await cast.world.massgen("show", run, "--json")).out)
    assert {b["choice"] for b in told["explanation"]["ballots"]} == {"claude.1", "neither"}


async def test_a_judge_that_makes_nothing_itself_and_one_that_never_answers(cast: Cast) -> None:
    cast.world.init()
    cast.models.scripts |= {
        SONNET: member("FIVE\nSIX\n", ""),
        PRO: member("FIVE\n", ""),
        OPUS: member("", "+SIX"),
        CODEX: lambda request: Turn(Text("They are both lovely.")),
    }
    judges = [cast.claude("referee", OPUS), cast.codex("silent")]
    ended = await cast.run(
        [cast.claude(**FREE), cast.gemini(**FREE)], voting={"judges": judges, "margin": 0.5}
    )
    assert ended.settled["verdict"]["winner"] == "claude.1", ended
    missed = of(ended, "ballot_missed")
    # (Once the others' answers decide, it is not asked a second time.)
    assert [m["judge"] for m in missed] in (["silent"], ["silent", "silent"])
    assert {b["ballot"]["judge"] for b in of(ended, "ballot_cast")} == {"referee"}


async def test_evaluate_asks_judges_and_counts_their_ballots(cast: Cast) -> None:
    cast.world.init()
    cast.models.scripts |= {OPUS: member("", "+SIX")}
    small = patch(cast.world, {"a.py": "FIVE\n"})
    long = patch(cast.world, {"a.py": "FIVE\nSIX\n"})
    case(cast.world, "one", {"small": (small, False), "long": (long, True)}, checks=[])
    judge = cast.claude("referee", OPUS)
    config = {"agents": [cast.gemini()], "orchestrator": {"voting": {"judges": [judge]}}}
    file = cast.world.top / "judges.json"
    file.write_text(json.dumps(config))
    rules = ("--rule=pairwise", "--rule=evidence-only")
    ended = await cast.world.massgen(
        "evaluate", str(cast.world.top / "cases"), "--json", "--config", str(file), *rules
    )
    assert ended.code == 0, ended
    found = json.loads(ended.out)
    (one,) = found["per_case"]
    assert one["rules"]["pairwise"] == "long"
    assert one["rules"]["evidence-only"] == "small", "which is the smaller one"
    assert "long.1 wins by the judges' word: long.1 preferred 1 of 1 times" in one["why"]
    asked = [set(shown(request)) for request in cast.models.turns(OPUS) if shown(request)]
    assert len(asked) == 2, "once in each order"
    assert (found["selected"], found["rules"]["evidence-only"]["selected"]) == (1, 0)
