"""``massgen-ls trust``, the question on a terminal, and what the editor's own trust does."""

from __future__ import annotations

import asyncio
import json
import os
import pty
from pathlib import Path

import pytest

from tests.e2e.world import DEADLINE, World

pytestmark = pytest.mark.e2e


def configured(world: World) -> Path:
    """A repository whose check touches a file; returns that file."""
    world.init()
    mark = world.top / "mark"
    body = {
        "agents": [world.agent("one", "open('a.py', 'a').write('six\\n')")],
        "checks": [{"name": "c", "argv": ["touch", str(mark)]}],
        "orchestrator": {"sandbox": "off", "timeout": 60},
    }
    world.write("massgen.yaml", json.dumps(body, indent=1))
    return mark


async def test_a_folder_is_trusted_shown_listed_and_forgotten(world: World) -> None:
    mark = configured(world)
    assert (await world.massgen("trust", "--list")).out == "No folder is trusted.\n"
    shown = await world.massgen("trust", "--show")
    assert shown.code == 0
    assert shown.out.startswith(f"{world.repo}: not trusted\n")
    assert "checks[0].argv: touch " in shown.out
    assert "timeout" not in shown.out, "being stricter needs no trust"
    assert (await world.run()).code == 2
    said = json.loads((await world.massgen("trust", str(world.repo), "--json", cwd=world.top)).out)
    assert (said["folder"], said["trusted"], said["changed"]) == (str(world.repo), True, [])
    assert {p["key"] for p in said["powers"]} >= {"checks[0].argv", "orchestrator.sandbox"}
    assert not mark.exists()
    ended = await world.run()
    assert (ended.code, ended.outcome) == (0, "won")
    assert mark.exists()
    assert str(world.repo) in (await world.massgen("trust", "--list")).out
    assert f"{world.repo} is trusted as it is" in (await world.massgen("doctor", "--json")).out
    # A change asks again, and says what it was.
    world.write(".claude/settings.json", "{}")
    changed = await world.run()
    assert changed.code == 2
    assert ".claude/settings.json is new" in changed.err
    assert ".claude/settings.json is new" in (await world.massgen("doctor", "--json")).out
    (world.repo / ".claude/settings.json").unlink()
    assert (await world.run()).code == 0
    assert (await world.massgen("trust", "--revoke")).code == 0
    assert (await world.massgen("trust", "--revoke")).code == 2
    assert (await world.run()).code == 2


async def test_another_branch_and_back_asks_nothing(world: World) -> None:
    world.init()
    world.git("checkout", "-q", "-b", "team")
    check = {"name": "c", "argv": ["true"]}
    one = world.agent("one", "open('a.py', 'a').write('six\\n')")
    world.write("massgen.yaml", json.dumps({"agents": [one], "checks": [check]}))
    world.git("add", "-A")
    world.git("commit", "-q", "-m", "a team")
    assert (await world.massgen("trust")).code == 0
    world.git("checkout", "-q", "main")
    there = await world.run()
    assert [a["id"] for a in there.events[0]["spec"]["agents"]] == ["tidy", "bold", "prune"]
    world.write("massgen.yaml", json.dumps({"agents": [one], "checks": []}))
    assert (await world.run()).code == 2, "which nobody has trusted"
    assert (await world.massgen("trust")).code == 0
    (world.repo / "massgen.yaml").unlink()
    world.git("checkout", "-q", "team")
    assert (await world.run()).code == 0


async def test_what_an_editor_trusts_for_itself_is_no_word_for_the_terminal(world: World) -> None:
    from massgen_ls.adapters.host.trusting import TrustStore, claim

    configured(world)
    store = TrustStore(world.state, lambda: "now")
    store.approve(claim(str(world.repo), (), ()), "editor")
    assert "by your editor" in (await world.massgen("trust", "--list")).out
    assert (await world.run()).code == 2


@pytest.mark.parametrize(
    ("answer", "code"), [("y\n", 0), ("yes\n", 0), ("\n", 2), ("n\n", 2), ("\x04", 2)]
)
async def test_a_user_at_a_terminal_is_asked(world: World, answer: str, code: int) -> None:
    mark = configured(world)
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *world.argv("run", "do it"),
        cwd=world.repo,
        env=world.env,
        stdin=theirs,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    said = ""
    try:
        async with asyncio.timeout(DEADLINE):
            while "[y/N]" not in said:
                said += (await asyncio.to_thread(os.read, ours, 4096)).decode()
            os.write(ours, answer.encode())
            drain = asyncio.create_task(asyncio.to_thread(_drain, ours))  # noqa: TID251
            assert await process.wait() == code
            await drain
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(ours)
    assert "massgen.yaml:" in said
    assert "checks[0].argv: touch" in said
    assert mark.exists() == (code == 0)
    # The word was for good.
    assert (await world.run()).code == code


def _drain(handle: int) -> None:
    try:
        while os.read(handle, 4096):
            pass
    except OSError:
        return  # the other end is closed


async def test_a_project_may_be_stricter_without_a_word(world: World) -> None:
    world.init()
    rules = {"timeout": 60, "sandbox": "required", "limits": {"max_minutes": 5}}
    world.write("massgen.yaml", json.dumps({"orchestrator": rules}))
    ended = await world.run()
    assert ended.code in {0, 3, 4}, ended
    spec = ended.events[0]["spec"]["rules"]
    assert (spec["run_timeout"], spec["sandbox"], spec["trusted"]) == (60, "required", False)


async def test_agents_own_settings_count_only_with_the_user_s_word(world: World) -> None:
    world.init(**{".mcp.json": "{}"})
    ended = await world.run()
    assert ended.events[0]["spec"]["rules"]["trusted"] is False
    assert (await world.run("--trust")).events[0]["spec"]["rules"]["trusted"] is True
    assert ".mcp.json (Claude Code obeys it" in (await world.massgen("trust")).out
    assert (await world.run()).events[0]["spec"]["rules"]["trusted"] is True
