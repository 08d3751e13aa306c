"""A conflict in one place of a file: left alone, told, and the rest only at the user's word."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from massgen_ls.testing.editor import StandInEditor
from massgen_ls.testing.profiles import ALE, EGLOT, NEOVIM, VSCODE, Profile
from tests.e2e.editing import editing
from tests.e2e.world import World

pytestmark = pytest.mark.e2e

PROGRAM = """
text = open('a.py').read()
for word in ('one', 'three', 'five'):
    text = text.replace(word, word.upper())
open('a.py', 'w').write(text)
open('b.py', 'w').write('new\\n')
"""
MINE = "one\ntwo\ndrei\nfour\nfive\n"
PARTLY = "ONE\ntwo\ndrei\nfour\nFIVE\n"


@asynccontextmanager
async def settled(world: World, profile: Profile) -> AsyncIterator[tuple[StandInEditor, Any]]:
    """An editor and a run that is over, whose winner conflicts with what was typed since."""
    world.init()
    team = world.configure([world.agent("one", PROGRAM)])
    async with editing(world, profile, "--config", str(team)) as editor:
        await editor.open("a.py")
        run = await editor.request("massgen/run", {"prompt": "do it"})
        await editor.request("massgen/wait", run)
        await editor.type("a.py", MINE)
        yield editor, run


@pytest.mark.parametrize("profile", [VSCODE, NEOVIM, EGLOT], ids=lambda p: p.name)
async def test_the_rest_of_a_file_lands_when_the_user_says_so(
    world: World, profile: Profile
) -> None:
    async with settled(world, profile) as (editor, run):
        editor.answer = "Apply the rest"
        answer = await editor.command("massgen.apply", {**run, "paths": ["a.py"]})
        assert (answer["applied"], answer["held"]) == (False, {"a.py": [0, 2]})
        done = await editor.seen(lambda m, p: m == "massgen/event" and p["kind"] == "delivered")
        assert done["paths"] == ["a.py"]
        assert [conflict["live_text"] for conflict in done["conflicts"]] == ["drei\n"]
        assert editor.text("a.py") == PARTLY
        (asked,) = editor.questions
        assert "2 changes in a.py would fit beside your own" in asked


@pytest.mark.parametrize("profile", [VSCODE, NEOVIM, EGLOT, ALE], ids=lambda p: p.name)
async def test_without_a_word_nothing_of_the_file_is_written(
    world: World, profile: Profile
) -> None:
    async with settled(world, profile) as (editor, run):
        chosen = {**run, "paths": ["a.py"]}
        answer = await editor.request("massgen/apply", chosen)
        assert answer["applied"] is False
        assert editor.text("a.py") == MINE
        (conflict,) = answer["conflicts"]
        assert (conflict["path"], conflict["hunks"]) == ("a.py", [1])
        assert (conflict["live"], conflict["live_text"]) == ([2, 3], "drei\n")
        assert (conflict["candidate"], conflict["candidate_text"]) == ([2, 3], "THREE\n")
        assert answer["held"] == {"a.py": [0, 2]}
        refused = await editor.seen(
            lambda m, p: m == "massgen/event" and p["kind"] == "delivery_refused"
        )
        assert refused["conflicts"] == answer["conflicts"]


@pytest.mark.parametrize("by", ["partial", "hunks"])
async def test_an_explicit_choice_lands_what_fits(world: World, by: str) -> None:
    async with settled(world, VSCODE) as (editor, run):
        held = {"a.py": [0, 2]}
        choice = {"paths": ["a.py"], "partial": True} if by == "partial" else {"hunks": held}
        answer = await editor.request("massgen/apply", {**run, **choice})
        assert (answer["applied"], answer["paths"], answer["held"]) == (True, ["a.py"], {})
        assert [c["hunks"] for c in answer["conflicts"]] == ([[1]] if by == "partial" else [])
        assert editor.text("a.py") == PARTLY
        assert editor.documents[editor.uri("a.py")].history[-1] == MINE, "one step of undo"


async def test_the_command_line_names_what_waits_and_applies_it_when_told(world: World) -> None:
    world.init()
    team = world.configure([world.agent("one", PROGRAM)])
    run = (await world.run("--config", str(team))).run
    world.write("a.py", MINE)
    first = await world.massgen("apply", run)
    assert first.code == 6
    assert "a.py:3-3: overlap" in first.out
    assert "2 other changes in a.py fit" in first.out
    assert f"massgen-ls apply {run} --candidate one.1 --partial" in first.out.replace("\n", " ")
    assert (world.repo / "a.py").read_text() == MINE
    assert (world.repo / "b.py").read_text() == "new\n", "other files land"
    second = await world.massgen("apply", run, "--partial", "--json")
    assert second.code == 6, "the conflict is still there"
    answer = json.loads(second.out)
    assert (answer["applied"], answer["paths"], answer["held"]) == (True, ["a.py"], {})
    assert (world.repo / "a.py").read_text() == PARTLY


WAY = """
text = open('a.py').read()
open('a.py', 'w').write(text.replace({0!r}, {1!r}))
"""
TORN = "open('table.json', 'w').write('{\"rows\": [1, 2}')"
"""It would be the smallest change of all."""


@pytest.mark.skipif(sys.platform == "win32", reason="a named pipe says when its user has typed")
async def test_who_is_in_the_way_of_what_was_typed_meanwhile_does_not_win(world: World) -> None:
    world.init(**{"table.json": '{"rows": [1]}'})
    typed = world.top / "typed"
    os.mkfifo(typed)
    late = f"open({str(typed)!r}).read()\n" + WAY.format("five", "FIVE\nSIX")
    team = world.configure(
        [
            world.agent("torn", TORN),
            world.agent("way", WAY.format("three", "THREE")),
            world.agent("lands", late),
        ],
        sandbox="off",
    )
    async with editing(world, VSCODE, "--config", str(team)) as editor:
        await editor.open("a.py")
        order = {"prompt": "do it", "apply": "auto"}
        run = await editor.request("massgen/run", order)
        await editor.seen(lambda m, p: m == "massgen/event" and p["kind"] == "snapshot_taken")
        await editor.type("a.py", MINE)
        await asyncio.to_thread(typed.write_text, "yes")
        settled = await editor.request("massgen/wait", run)
        await editor.seen(lambda m, p: m == "massgen/event" and p["kind"] == "delivered")
        assert editor.text("a.py") == "one\ntwo\ndrei\nfour\nFIVE\nSIX\n"
        tried = await editor.seen(
            lambda m, p: m == "massgen/event" and p["kind"] == "landing_tried"
        )
        read = {**run, "candidateId": "torn.1", "check": "files parse"}
        said = await editor.request("massgen/read", read)
        assert said["text"].startswith("table.json no longer parses (line 1: ")
    assert tried["clashes"] == [{"candidate": "way.1", "paths": ["a.py"]}]
    assert settled["verdict"]["winner"] == "lands.1", "although it is the larger change"
    words = "way.1 is ruled out: it conflicts with what you have changed in a.py."
    assert words in settled["verdict"]["why"]
    torn = "torn.1 is ruled out: table.json no longer parses (line 1: Expecting ',' delimiter)."
    assert torn in settled["verdict"]["why"]
    shown = " ".join((await world.massgen("show", run["runId"])).out.split())
    assert "candidate change files parse fits your changes" in shown


LATIN = """
text = open('latin.py', encoding='latin-1', newline='').read()
open('latin.py', 'w', encoding='latin-1', newline='').write(text.replace('x = 1', 'x = 100'))
open('b.py', 'w').write('new\\n')
"""


async def test_a_file_in_another_encoding_lands_once_it_is_saved_and_others_before(
    world: World,
) -> None:
    world.init(**{"latin.py": "x = 1\n"})
    team = world.configure([world.agent("one", LATIN)])
    async with editing(world, VSCODE, "--config", str(team)) as editor:
        await editor.open("latin.py")
        world.write("latin.py", "# caf\xe9\nx = 1\n".encode("latin-1"))
        await editor.type("latin.py", "# caf\xe9\nx = 1\n# unsaved\n")
        run = await editor.request("massgen/run", {"prompt": "do it"})
        await editor.request("massgen/wait", run)
        editor.answer = "Apply"
        why = (
            "latin.py has unsaved changes, and it is not UTF-8 text, so it is written to the disk "
            "as a whole: save it, then apply again"
        )
        answer = await editor.request("massgen/apply", run)
        assert (answer["applied"], answer["reason"]) == (False, why)
        answer = await editor.request("massgen/apply", {**run, "partial": True})
        assert (answer["applied"], answer["paths"]) == (True, ["b.py"])
        assert answer["blocked"] == {"latin.py": why}
        world.write("latin.py", "# caf\xe9\nx = 1\n# unsaved\n".encode("latin-1"))
        saved = {"textDocument": {"uri": editor.uri("latin.py")}}
        await editor.notify("textDocument/didSave", saved)
        answer = await editor.request("massgen/apply", run)
        assert (answer["applied"], answer["blocked"]) == (True, {})
        after = (world.repo / "latin.py").read_bytes()
        assert after == "# caf\xe9\nx = 100\n# unsaved\n".encode("latin-1")


async def test_a_read_only_file_is_told_with_what_to_do_and_left_out_with_partial(
    world: World,
) -> None:
    world.init()
    team = world.configure([world.agent("one", PROGRAM)])
    (world.repo / "a.py").chmod(0o444)
    ran = await world.run("--apply", "--config", str(team))
    assert ran.code == 6
    first = await world.massgen("apply", ran.run)
    said = " ".join(first.out.split())
    assert first.code == 6
    assert "not applied: a.py is read-only: make it writable (`chmod u+w a.py`)" in said
    assert f"massgen-ls apply {ran.run} --candidate one.1 applies it after that" in said
    assert f"massgen-ls apply {ran.run} --candidate one.1 --partial applies the rest" in said
    second = await world.massgen("apply", ran.run, "--partial")
    assert second.code == 6
    assert "applied 1 file: b.py" in second.out
    assert "left out: a.py is read-only" in " ".join(second.out.split())
    (world.repo / "a.py").chmod(0o644)
    assert (await world.massgen("apply", ran.run)).code == 0
