"""The main job with the real agent programs, as a user has it on the command line."""

from __future__ import annotations

import pytest

from massgen_ls.testing.models import (
    Edit,
    Episode,
    Gate,
    Native,
    Read,
    Refuse,
    Request,
    Script,
    Shell,
    Text,
    Turn,
    Usage,
    Wait,
    Write,
)
from tests.e2e.cast import (
    CODEX,
    FREE,
    GATE,
    KEYS,
    OPUS,
    PRO,
    SONNET,
    Cast,
    fallback,
    of,
    rest,
    written,
)
from tests.e2e.world import until

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
        CODEX: Episode(
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
    assert written(world, KEYS.values()) == [], "keys are used, and never kept"
    assert written(world, ["Please do it."]), "it would be seen here"
    applied = await world.massgen("apply", ended.run)
    assert applied.code == 0, applied
    assert (world.repo / "a.py").read_text() == "ONE\ntwo\nthree\nfour\nFIVE\n"
    assert world.git("status", "--short") == " M a.py\n"


# ── one agent's work told to another ────────────────────────────────────────────────────────────

SENTENCE = "The pelican counts from zero."


@pytest.mark.parametrize(
    ("first", "second"), [("claude", "gemini"), ("gemini", "claude"), ("claude", "claude")]
)
async def test_an_agent_is_told_what_another_did(cast: Cast, first: str, second: str) -> None:
    world, models = cast.world, cast.models
    world.init()
    scripts = {"claude": SONNET, "gemini": PRO}
    agents = {"claude": cast.claude(), "gemini": cast.gemini()}
    models.scripts[scripts[first]] = Episode(
        Turn(Text("I begin."), Write("pelican.txt", "0\n")), Turn(Text(SENTENCE))
    )
    earlier = await cast.run([agents[first]])
    assert earlier.code == 0, earlier
    asked = len(models.requests)
    models.scripts[scripts[second]] = Episode(
        Turn(Write("later.txt", "1\n")), Turn(Text("I went on from there."))
    )
    later = await cast.run([agents[second]], "--context", f"{earlier.run}/{first}")
    assert later.code == 0, later
    request = next(
        seen.request
        for seen in models.requests[asked:]
        if seen.request is not None and seen.request.turn == 0
    )
    # Its own kind goes on with a copy of the conversation, and is not told of it as well.
    forked = first == second
    sent = str(request.body["messages"]) if forked else request.opening
    for word in ("Please do it.", SENTENCE, "pelican.txt", "I begin."):
        assert word in sent
    assert (f"### What {first} did" in request.opening) != forked
    assert [f["path"] for f in later.settled["candidates"][0]["files"]] == ["later.txt"]
    await world.gone()


# ── failures that end or pause a seat ───────────────────────────────────────────────────────────


async def test_a_fallback_takes_the_seat_and_wins(cast: Cast) -> None:
    world, models = cast.world, cast.models
    world.init()
    before = world.fingerprint()
    models.scripts |= {
        SONNET: Episode(Turn(Refuse(401))),
        CODEX: Episode(Turn(Edit("a.py", "two\n", "TWO\n")), Turn(Text("Codex it was."))),
    }
    ended = await cast.run([cast.claude("first", fallback=fallback(cast.codex()))])
    assert (ended.code, ended.settled["verdict"]["winner"]) == (0, "first.2"), ended
    attempts = of(ended, "attempt_started", "first")
    assert [a["type"] for a in attempts] == ["claude_code", "codex"]
    failed, done = of(ended, "attempt_ended", "first")
    assert (failed["outcome"], failed["failure"], done["outcome"]) == ("failed", "auth", "done")
    assert "At first a fallback (codex) worked instead" in ended.why, ended.why
    assert "ANTHROPIC_API_KEY" in failed["reason"], "what to do is said"
    shown = " ".join((await world.massgen("show", ended.run)).out.split())
    assert "At first a fallback (codex) worked instead" in shown
    await world.check_clean(before)


def refusing(status: int, times: int, *turns: Turn) -> Script:
    """A model that refuses so often, whatever conversation it is asked in, and then works."""
    answers = [Turn(Refuse(status, headers={"retry-after": "0"}))] * times + [*turns]

    def script(_: Request) -> Turn:
        return answers.pop(0) if answers else Turn(Text("Done."))

    return script


async def test_a_busy_service_is_waited_for(cast: Cast) -> None:
    world, models = cast.world, cast.models
    world.init()
    before = world.fingerprint()
    models.scripts |= {
        # Each asks again by itself, twice or once; only then it is the seat's turn to wait.
        SONNET: refusing(529, 3, Turn(Edit("a.py", "one\n", "1\n"))),
        PRO: refusing(429, 2, Turn(Edit("a.py", "two\n", "2\n"))),
        CODEX: refusing(429, 3, Turn(Edit("a.py", "three\n", "3\n"))),
    }
    ended = await cast.run([cast.claude(), cast.gemini(), cast.codex()])
    assert ended.code == 0, ended
    paused = {e["seat"]: (e["failure"], e["tries"]) for e in of(ended, "attempt_paused")}
    # A program may have asked once more by itself, and then its seat had nothing to wait for.
    assert paused
    assert (
        paused.items()
        <= {
            "claude": ("overloaded", 1),
            "gemini": ("rate_limit", 1),
            "codex": ("rate_limit", 1),
        }.items()
    )
    assert all(0 < e["seconds"] <= 3 for e in of(ended, "attempt_paused"))
    assert [e["outcome"] for e in of(ended, "attempt_ended")] == ["done"] * 3
    assert sorted(c["id"] for c in ended.settled["candidates"]) == [
        "claude.1",
        "codex.1",
        "gemini.1",
    ]
    await world.check_clean(before)


# ── limits ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_limit_of_tokens_ends_a_run_and_keeps_what_was_done(cast: Cast) -> None:
    world, models = cast.world, cast.models
    world.init()
    before = world.fingerprint()
    models.scripts[SONNET] = Episode(
        Turn(Edit("a.py", "two\n", "half\n"), usage=Usage(6000, 100)),
        Turn(Read("a.py"), usage=Usage(6000, 100)),
        Turn(Wait(Gate())),
    )
    ended = await cast.run([cast.claude()], limits={"max_tokens": 10_000})
    assert (ended.code, ended.outcome) == (5, "cancelled"), ended
    assert "10000 tokens" in ended.why.replace(",", ""), ended.why
    (candidate,) = ended.settled["candidates"]
    assert (candidate["id"], candidate["eligible"]) == ("claude.1", False)
    await world.check_clean(before)
    assert (await world.massgen("apply", ended.run, "--candidate", "claude.1")).code == 0
    assert (world.repo / "a.py").read_text() == "one\nhalf\nthree\nfour\nfive\n"


async def test_what_was_finished_before_a_limit_wins(cast: Cast) -> None:
    world, models = cast.world, cast.models
    world.init()
    gate = Gate()
    models.scripts |= {
        CODEX: Episode(Turn(Edit("a.py", "two\n", "TWO\n")), Turn(Text("Done."))),
        SONNET: Episode(
            Turn(Wait(gate), Edit("a.py", "two\n", "half\n"), usage=Usage(20_000, 100)),
            Turn(Wait(Gate())),
        ),
    }
    agents = [cast.claude(), cast.codex()]
    async with cast.running(agents, limits={"max_tokens": 20_000}) as process:
        await until(process, "candidate_captured")
        gate.open()
        ended = await rest(process)
    assert (ended.code, ended.settled["verdict"]["winner"]) == (0, "codex.1"), ended
    assert "limit" in ended.why.lower(), ended.why
    assert ended.settled["usage"]["tokens"] > 20_000
    await world.gone()


async def test_a_limit_of_minutes_ends_a_run(cast: Cast) -> None:
    world, models = cast.world, cast.models
    world.init()
    before = world.fingerprint()
    models.scripts |= {name: Episode(Turn(Wait(Gate()))) for name in (SONNET, PRO, CODEX)}
    agents = [cast.claude(), cast.gemini(), cast.codex()]
    ended = await cast.run(agents, limits={"max_minutes": 0.05})
    assert (ended.code, ended.outcome) == (5, "cancelled"), ended
    assert "minute" in ended.why or "time" in ended.why.lower(), ended.why
    await world.check_clean(before)


# ── our tools ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("sandbox", ["auto", "off"])
async def test_a_summary_through_our_tool_and_a_vote(cast: Cast, sandbox: str) -> None:
    world, models = cast.world, cast.models
    world.init()
    before = world.fingerprint()
    finished = Gate()
    models.scripts |= {
        SONNET: Episode(
            Turn(Edit("a.py", "two\n", "TWO\n")),
            Turn(Native("mcp__massgen__submit_summary", {"summary": "Two is loud now."})),
            Turn(Text("Bye.")),
        ),
        OPUS: Episode(
            Turn(Wait(finished), Native("mcp__massgen__list_candidates")),
            Turn(Native("mcp__massgen__read_candidate", {"candidate": "A"})),
            Turn(Native("mcp__massgen__vote", {"candidate": "A", "reason": "It is loud."})),
            Turn(Text("I voted.")),
        ),
    }
    agents = [cast.claude("author"), cast.claude("judge", OPUS)]
    async with cast.running(agents, share_candidates=True, sandbox=sandbox) as process:
        captured = await until(process, "candidate_captured")
        finished.open()
        ended = await rest(process)
    assert captured["candidate"]["summary"] == "Two is loud now."
    assert (ended.code, ended.settled["verdict"]["winner"]) == (0, "author.1"), ended
    listed, read, voted = (request.last for request in models.turns(OPUS)[1:])
    assert "A: 2 lines in a.py. Two is loud now." in listed
    assert "author" not in listed, "names are neutral"
    assert "+TWO" in read
    assert "Your vote counts" in voted
    (ballot,) = of(ended, "ballot_cast")
    assert ballot["ballot"]["judge"] == "judge"
    assert (ballot["ballot"]["choice"], ballot["ballot"]["reason"]) == ("author.1", "It is loud.")
    acted = [e["action"] for e in of(ended, "agent_acted", "judge")]
    assert acted == ["massgen list_candidates", "massgen read_candidate", "massgen vote"]
    await world.check_clean(before)
