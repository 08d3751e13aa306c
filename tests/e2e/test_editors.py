"""The main job through the real server, as four kinds of clients see it, well and badly behaved."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from massgen_ls.testing.editor import ServerError
from massgen_ls.testing.profiles import ALE, EGLOT, NEOVIM, VSCODE, Profile
from tests.e2e.editing import editing
from tests.e2e.world import DEADLINE, World

pytestmark = pytest.mark.e2e

EVERYTHING = """
import os
text = open('a.py').read()
assert text.startswith('unsaved'), text
open('a.py', 'w').write(text.replace('five', 'FIVE'))
os.makedirs('pkg', exist_ok=True)
open('pkg/made.py', 'w').write('made\\n')
os.remove('extra')
os.rename('old.py', 'new.py')
open('other.py', 'a').write('more\\n')
"""


def prepare(world: World, program: str = EVERYTHING, **backend: Any) -> str:
    """A repository with some files, and a team of one agent; returns the configuration."""
    long = "".join(f"line {i}\n" for i in range(20))
    world.init(extra="gone\n", other="", **{"old.py": long, "other.py": "other\n"})
    return str(world.configure([world.agent("one", program, **backend)]))


UNSAVED = "unsaved\ntwo\nthree\nfour\nfive\n"


@pytest.mark.parametrize("profile", [VSCODE, NEOVIM, EGLOT], ids=lambda p: p.name)
async def test_the_winner_lands_in_the_open_buffers(world: World, profile: Profile) -> None:
    team = prepare(world)
    async with editing(world, profile, "--config", team) as editor:
        await editor.open("a.py", UNSAVED)
        answer = await editor.request("massgen/run", {"prompt": "do it", "apply": "auto"})
        settled = await editor.request("massgen/wait", answer)
        assert settled["verdict"]["winner"] == "one.1"
        await editor.seen(lambda m, p: m == "massgen/event" and p["kind"] == "delivered")
        assert editor.text("a.py") == "unsaved\ntwo\nthree\nfour\nFIVE\n"
        assert editor.text("pkg/made.py") == "made\n"
        assert editor.text("extra") is None
        assert editor.text("old.py") is None
        assert (editor.text("new.py") or "").startswith("line 0\n")
        assert editor.text("other.py") == "other\nmore\n"
        # The buffer was never saved, and one step of undo has the text of before.
        assert (world.repo / "a.py").read_text().startswith("one\n")
        assert editor.documents[editor.uri("a.py")].history[-1] == UNSAVED
    await world.gone()


@pytest.mark.parametrize("profile", [VSCODE, NEOVIM, EGLOT], ids=lambda p: p.name)
async def test_the_user_types_on_and_both_stay(world: World, profile: Profile) -> None:
    team = prepare(world)
    async with editing(world, profile, "--config", team) as editor:
        await editor.open("a.py", UNSAVED)
        typed = UNSAVED.replace("two", "TWO typed")
        once = [True]

        async def type_on() -> None:
            if once:
                once.clear()
                await editor.type("a.py", typed)

        # The change comes after the edit was computed: the version is refused, then recomputed.
        editor.before_edit = type_on
        answer = await editor.request("massgen/run", {"prompt": "do it", "apply": "auto"})
        await editor.request("massgen/wait", answer)
        await editor.seen(lambda m, p: m == "massgen/event" and p["kind"] == "delivered")
        assert editor.text("a.py") == "unsaved\nTWO typed\nthree\nfour\nFIVE\n"


MOVES = """
import os
text = open('old.py').read()
os.remove('old.py')
open('new.py', 'w').write(text.replace('line 9', 'LINE 9'))
os.remove('extra')
"""


@pytest.mark.parametrize("profile", [VSCODE, NEOVIM], ids=lambda p: p.name)
async def test_typing_in_what_is_being_renamed_goes_along(world: World, profile: Profile) -> None:
    team = prepare(world, MOVES)
    async with editing(world, profile, "--config", team) as editor:
        old = await editor.open("old.py")
        typed = ["above\n" + old.text]

        async def type_on() -> None:
            if typed:
                await editor.type("old.py", typed.pop())

        editor.before_edit = type_on
        run = await editor.request("massgen/run", {"prompt": "x", "apply": "none"})
        await editor.request("massgen/wait", run)
        applied = await editor.request("massgen/apply", run)
        assert applied["applied"] is True, applied
        assert editor.text("old.py") is None
        lines = [f"line {number}" for number in range(20)]
        lines[9] = "LINE 9"
        assert (editor.text("new.py") or "").split("\n") == ["above", *lines, ""]


async def test_typing_in_what_is_being_deleted_keeps_it(world: World) -> None:
    team = prepare(world, MOVES)
    async with editing(world, VSCODE, "--config", team) as editor:
        await editor.open("extra")

        async def type_on() -> None:
            if (editor.text("extra") or "").startswith("gone"):
                await editor.type("extra", "still wanted\n")

        editor.before_edit = type_on
        run = await editor.request("massgen/run", {"prompt": "x", "apply": "none"})
        await editor.request("massgen/wait", run)
        applied = await editor.request("massgen/apply", run)
        assert [each["path"] for each in applied["conflicts"]] == ["extra"], applied
        assert editor.text("extra") == "still wanted\n"


async def test_typing_in_another_document_of_the_edit_does_not_misplace_it(world: World) -> None:
    program = """
for name in ('a.py', 'old.py'):
    text = open(name).read()
    open(name, 'w').write(text.replace('five', 'FIVE').replace('line 9', 'LINE 9'))
"""
    team = prepare(world, program)
    async with editing(world, NEOVIM, "--config", team) as editor:
        await editor.open("a.py", UNSAVED)
        old = await editor.open("old.py")
        typed = {"a.py": "above\n" + UNSAVED, "old.py": "above\n" + old.text}

        async def type_on() -> None:
            for name, text in list(typed.items()):
                await editor.type(name, text)
            typed.clear()

        editor.before_edit = type_on
        run = await editor.request("massgen/run", {"prompt": "x", "apply": "none"})
        await editor.request("massgen/wait", run)
        applied = await editor.request("massgen/apply", run)
        assert applied["applied"] is True, applied
        assert editor.text("a.py") == "above\nunsaved\ntwo\nthree\nfour\nFIVE\n"
        assert editor.text("old.py") == old.history[-1].replace("line 9", "LINE 9")
        assert old.history[-1].startswith("above\n")
        assert all(len(each["documentChanges"]) == 1 for each in editor.edits)


async def test_a_file_that_appears_before_it_is_created_is_not_emptied(world: World) -> None:
    team = prepare(world)
    async with editing(world, NEOVIM, "--config", team) as editor:
        await editor.open("a.py", UNSAVED)
        made = world.repo / "pkg" / "made.py"

        async def appear() -> None:
            if not made.exists():
                made.parent.mkdir()
                made.write_text("mine\n")

        editor.before_edit = appear
        run = await editor.request("massgen/run", {"prompt": "x", "apply": "none"})
        await editor.request("massgen/wait", run)
        applied = await editor.request("massgen/apply", run)
        assert made.read_text() == "mine\n"
        assert editor.text("a.py") == "unsaved\ntwo\nthree\nfour\nFIVE\n"
        assert (editor.text("new.py") or "").startswith("line 0\n")
        assert "pkg/made.py" in json.dumps(applied)


async def test_what_was_edited_out_of_sight_is_not_edited_again(world: World) -> None:
    team = prepare(world)
    async with editing(world, replace(NEOVIM, opens_what_it_edits=False), "--config", team) as e:
        await e.open("a.py", UNSAVED)
        await e.open("extra")

        async def type_at_the_last_moment() -> None:
            if (world.repo / "pkg" / "made.py").exists() or e.text("other.py") != "other\n":
                await e.type("extra", "mine\n")

        e.before_edit = type_at_the_last_moment
        run = await e.request("massgen/run", {"prompt": "x", "apply": "none"})
        await e.request("massgen/wait", run)
        applied = await e.request("massgen/apply", run)
        assert "extra" in json.dumps(applied), "the deletion is a conflict now"
        assert "made.py" not in json.dumps(applied["conflicts"])
        assert e.text("extra") == "mine\n"
        assert e.text("other.py") == "other\nmore\n"
        assert e.text("pkg/made.py") == "made\n"
        assert (e.text("new.py") or "").startswith("line 0\n")


async def test_an_empty_file_and_the_end_of_a_file_get_no_line_too_many(world: World) -> None:
    program = """
open('other.py', 'a').write('more\\n')
open('none.py', 'a').write('first\\n')
open('made.py', 'w').write('made\\n')
"""
    team = prepare(world, program)
    (world.repo / "none.py").write_bytes(b"")
    async with editing(world, NEOVIM, "--config", team) as editor:
        await editor.open("other.py")
        await editor.open("none.py")
        run = await editor.request("massgen/run", {"prompt": "x", "apply": "none"})
        await editor.request("massgen/wait", run)
        applied = await editor.request("massgen/apply", run)
        assert applied["applied"] is True, applied
        shown = [editor.text(name) for name in ("other.py", "none.py", "made.py")]
        assert shown == ["other\nmore\n", "first\n", "made\n"]


async def test_a_conflict_is_shown_and_not_written(world: World) -> None:
    team = prepare(world)
    async with editing(world, NEOVIM, "--config", team) as editor:
        await editor.open("a.py", UNSAVED)
        answer = await editor.request("massgen/run", {"prompt": "do it", "apply": "none"})
        await editor.request("massgen/wait", answer)
        mine = UNSAVED.replace("five", "mine")
        await editor.type("a.py", mine)
        applied = await editor.request("massgen/apply", answer)
        assert [c["path"] for c in applied["conflicts"]] == ["a.py"]
        assert editor.text("a.py") == mine
        assert editor.text("pkg/made.py") == "made\n", "what does not conflict lands"


async def test_some_files_and_some_hunks_can_be_taken(world: World) -> None:
    program = """
text = open('a.py').read()
open('a.py', 'w').write(text.replace('unsaved', 'FIRST').replace('five', 'LAST'))
open('other.py', 'a').write('more\\n')
"""
    team = prepare(world, program)
    async with editing(world, VSCODE, "--config", team) as editor:
        await editor.open("a.py", UNSAVED)
        run = await editor.request("massgen/run", {"prompt": "x", "apply": "none"})
        await editor.request("massgen/wait", run)
        applied = await editor.request("massgen/apply", {**run, "hunks": {"a.py": [1]}})
        assert applied["applied"] is True
        assert editor.text("a.py") == "unsaved\ntwo\nthree\nfour\nLAST\n"
        assert editor.text("other.py") == "other\n"
        await editor.request("massgen/apply", {**run, "paths": ["other.py"]})
        assert editor.text("other.py") == "other\nmore\n"
        with pytest.raises(ServerError, match=r"nothing\.py"):
            await editor.request("massgen/apply", {**run, "paths": ["nothing.py"]})


async def test_a_candidate_can_be_read_before_it_is_taken(world: World) -> None:
    team = prepare(world)
    async with editing(world, VSCODE, "--config", team) as editor:
        await editor.open("a.py", UNSAVED)
        run = await editor.request("massgen/run", {"prompt": "x"})
        await editor.request("massgen/wait", run)
        read = await editor.request("massgen/read", {**run, "candidateId": "one.1"})
        (candidate,) = read["candidates"]
        assert "+FIVE" in candidate["diff"]
        file = await editor.request("massgen/read", {**run, "candidateId": "one.1", "path": "a.py"})
        assert file["text"] == "unsaved\ntwo\nthree\nfour\nFIVE\n"
        listed = await editor.request("massgen/list", {})
        assert [r["run"] for r in listed["runs"]] == [run["runId"]]
        await editor.request("massgen/discard", run)
        assert editor.text("a.py") == UNSAVED


async def test_commands_mirror_the_methods(world: World) -> None:
    team = prepare(world)
    async with editing(world, NEOVIM, "--config", team) as editor:
        await editor.open("a.py", UNSAVED)
        run = await editor.command("massgen.run", {"prompt": "x", "apply": "none"})
        settled = await editor.command("massgen.wait", run)
        assert settled["kind"] == "run_settled"
        assert (await editor.command("massgen.apply", run))["applied"] is True
        assert editor.text("pkg/made.py") == "made\n"


async def test_asking_before_applying(world: World) -> None:
    team = prepare(world)
    async with editing(world, VSCODE, "--config", team) as editor:
        await editor.open("a.py", UNSAVED)
        run = await editor.request("massgen/run", {"prompt": "x", "apply": "ask"})
        await editor.request("massgen/wait", run)
        await editor.seen(lambda m, p: m == "massgen/event" and p["kind"] == "delivered")
        assert len(editor.questions) == 1
        assert editor.text("pkg/made.py") == "made\n"


@pytest.mark.parametrize("how", ["massgen/cancel", "progress", "$/cancelRequest"])
async def test_a_run_is_cancelled_in_three_ways(world: World, how: str) -> None:
    team = prepare(world, "import time; open('started', 'w'); time.sleep(600)")
    before = world.fingerprint()
    async with (
        editing(world, NEOVIM, "--config", team) as editor,
        asyncio.TaskGroup() as group,
    ):
        run = await editor.request("massgen/run", {"prompt": "x"})
        waiting = group.create_task(editor.command("massgen.wait", run))
        await editor.seen(lambda m, p: m == "massgen/event" and p["kind"] == "attempt_started")
        if how == "massgen/cancel":
            await editor.request("massgen/cancel", run)
        elif how == "progress":
            created = await editor.seen(lambda m, p: m == "window/workDoneProgress/create")
            await editor.notify("window/workDoneProgress/cancel", {"token": created["token"]})
        else:
            waiting.cancel()
        settled = await editor.seen(
            lambda m, p: m == "massgen/event" and p["kind"] == "run_settled"
        )
        assert settled["verdict"]["outcome"] == "cancelled"
    await world.check_clean(before)


async def test_progress_begins_reports_and_ends(world: World) -> None:
    team = prepare(world)
    async with editing(world, NEOVIM, "--config", team) as editor:
        await editor.open("a.py", UNSAVED)
        run = await editor.request("massgen/run", {"prompt": "x"})
        await editor.request("massgen/wait", run)
        await editor.seen(lambda m, p: m == "$/progress" and p["value"]["kind"] == "end")
        kinds = [p["value"]["kind"] for m, p in editor.notifications if m == "$/progress"]
        assert (kinds[0], kinds[-1]) == ("begin", "end")


# ── clients that misbehave ──────────────────────────────────────────────────────────────────────


async def test_a_client_that_never_answers_an_edit(world: World) -> None:
    team = prepare(world)
    async with editing(world, ALE, "--config", team) as editor:
        await editor.open("a.py", UNSAVED)
        await editor.open("other.py")
        run = await editor.request("massgen/run", {"prompt": "x", "apply": "auto"})
        settled = await editor.request("massgen/wait", run)
        assert settled["verdict"]["outcome"] == "won"
        listed = await editor.request("massgen/list", {})  # it still answers
        assert listed["runs"][0]["outcome"] == "won"


async def test_a_client_that_refuses_every_edit(world: World) -> None:
    team = prepare(world)
    async with editing(world, NEOVIM, "--config", team) as editor:
        await editor.open("a.py", UNSAVED)
        numbers = iter(range(100))

        async def type_on() -> None:
            await editor.type("a.py", UNSAVED.replace("two", f"typing {next(numbers)}"))

        editor.before_edit = type_on
        run = await editor.request("massgen/run", {"prompt": "x", "apply": "none"})
        await editor.request("massgen/wait", run)
        applied = await editor.request("massgen/apply", run)
        assert applied["applied"] is False, (applied, editor.edits)
        assert len(editor.edits) == 4, "recomputed, at most three times"
        assert "FIVE" not in (editor.text("a.py") or "")
        assert not (world.repo / "pkg").exists()


async def test_positions_past_the_end_and_unknown_documents(world: World) -> None:
    team = prepare(world)
    async with editing(world, VSCODE, "--config", team) as editor:
        await editor.open("a.py", UNSAVED)
        far = {"line": 10**6, "character": 10**6}
        for uri in (editor.uri("a.py"), editor.uri("absent.py"), "untitled:Untitled-1", "nonsense"):
            actions = await editor.request(
                "textDocument/codeAction",
                {
                    "textDocument": {"uri": uri},
                    "range": {"start": far, "end": far},
                    "context": {"diagnostics": []},
                },
            )
            assert isinstance(actions, list | type(None))
        scope = {"textDocument": {"uri": editor.uri("a.py")}, "range": {"start": far, "end": far}}
        run = await editor.request("massgen/run", {"prompt": "x", "scope": scope})
        assert (await editor.request("massgen/wait", run))["verdict"]["outcome"] == "won"
        with pytest.raises(ServerError, match="prompt"):
            await editor.request("massgen/run", {"promt": "x"})
        with pytest.raises(ServerError, match="no run"):
            await editor.request("massgen/wait", {"runId": "nope"})


async def test_a_client_that_stops_reading_blocks_nobody(world: World) -> None:
    noisy = "import sys\nfor i in range(200_000): print('x' * 100)\nopen('done.txt', 'w')"
    team = prepare(world, noisy)
    process = await asyncio.create_subprocess_exec(
        *world.argv("serve", "--stdio", "--config", team),
        cwd=world.repo,
        env=world.env,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=1024,
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def send(body: dict[str, Any]) -> None:
        text = json.dumps({"jsonrpc": "2.0", **body}).encode()
        assert process.stdin is not None
        process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(text), text))

    root = world.repo.as_uri()
    send({"id": 1, "method": "initialize",
          "params": {"processId": None, "rootUri": root, "capabilities": {}}})  # fmt: skip
    send({"method": "initialized", "params": {}})
    send({"id": 2, "method": "massgen/run", "params": {"prompt": "x"}})
    await process.stdin.drain()
    # Nobody reads standard output. The run goes on to its verdict all the same.
    async with asyncio.timeout(DEADLINE):
        while True:
            listed = await world.massgen("runs", "--json")
            if '"won"' in listed.out:
                break
    process.stdin.close()  # and it leaves without a word
    async with asyncio.timeout(DEADLINE):
        await process.stdout.read()
        await process.wait()
    await world.gone()


async def test_a_client_that_closes_without_shutdown(world: World) -> None:
    team = prepare(world, "import time; time.sleep(600)")
    before = world.fingerprint()
    async with editing(world, NEOVIM, "--config", team) as editor:
        await editor.request("massgen/run", {"prompt": "x"})
        await editor.seen(lambda m, p: m == "massgen/event" and p["kind"] == "attempt_started")
        await editor.close_input()
        await editor.closed()
    await world.check_clean(before)


async def test_a_client_that_leaves_at_once(world: World) -> None:
    team = prepare(world)
    async with editing(world, NEOVIM, "--config", team) as editor:
        await editor.open("a.py", UNSAVED)
    await world.gone()


async def test_a_profile_without_any_capability(world: World) -> None:
    team = prepare(world)
    bare = replace(EGLOT, name="bare", capabilities={})
    async with editing(world, bare, "--config", team) as editor:
        await editor.open("a.py", UNSAVED)
        run = await editor.request("massgen/run", {"prompt": "x", "apply": "auto"})
        assert (await editor.request("massgen/wait", run))["verdict"]["outcome"] == "won"
        applied = await editor.request("massgen/apply", run)
        assert applied["applied"] is False, (applied, editor.edits)
        assert applied["reason"]
