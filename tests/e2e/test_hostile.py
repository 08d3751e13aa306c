"""Hostile repositories, with real git: to open one and to look at it executes nothing of theirs."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from massgen_ls.testing.editor import ServerError
from tests.e2e.editing import editing
from tests.e2e.hostile import GIT, OURS, PROGRAMS, PROJECT, WANTS, Hostile, Row
from tests.e2e.world import World

pytestmark = pytest.mark.e2e

TABLES: dict[str, Sequence[Row]] = {
    "git": GIT,
    "programs": PROGRAMS,
    "project": PROJECT,
    "configuration": OURS[:1],
}


def planted(world: World, table: Sequence[Row]) -> Hostile:
    hostile = Hostile(world)
    for row in table:
        row.plant(hostile)
    if table is not GIT:
        hostile.commit()
    if table is PROGRAMS:
        world.extra_env["PATH"] = f".::{os.environ['PATH']}:bin:"
    for name in hostile.found():  # git has run some of it while it was planted
        (hostile.sprung / name).unlink()
    return hostile


async def look(hostile: Hostile, folder: Path) -> None:
    """Opens a folder in an editor and looks at it in every way there is."""
    async with editing(hostile.world, folder=folder) as editor:
        for name in ("a.py", "massgen.yaml"):
            await editor.open(name, "import os\n")
            end = {"line": 1, "character": 0}
            found = await editor.request(
                "textDocument/codeAction",
                {
                    "textDocument": {"uri": editor.uri(name)},
                    "range": {"start": {"line": 0, "character": 0}, "end": end},
                    "context": {"diagnostics": []},
                },
            )
            assert found is not None
        assert (await editor.request("massgen/list", {}))["runs"] == []
    for arguments in (
        ["doctor"],
        ["doctor", "--json"],
        ["runs"],
        ["show", "x"],
        ["trust", "--show"],
    ):
        ended = await hostile.world.massgen(*arguments, cwd=folder)
        assert ended.code in {0, 2}, ended
        assert "Traceback" not in ended.err


@pytest.mark.parametrize("name", TABLES)
async def test_looking_at_it_executes_nothing(world: World, name: str) -> None:
    hostile = planted(world, TABLES[name])
    before = world.fingerprint()
    await look(hostile, world.repo)
    assert hostile.found() == []
    assert world.fingerprint() == before


@pytest.mark.parametrize("name", ["git", "programs", "project"])
async def test_a_run_of_the_offline_team_executes_nothing_either(world: World, name: str) -> None:
    """Without a sandbox around it, so that nothing but care keeps the traps from springing."""
    hostile = planted(world, TABLES[name])
    before = world.fingerprint()
    ended = await world.run("--config", str(unconfined(world)))
    assert hostile.found() == []
    assert ended.code == 0, ended
    assert ended.outcome == "won"
    shown = await world.massgen("show", ended.run)
    assert "import os" in shown.out, shown
    assert hostile.found() == []
    await world.check_clean(before)


def unconfined(world: World) -> Path:
    """The offline team with `sandbox: off`."""
    packaged = Path(__file__).parents[2] / "configs" / "offline.yaml"
    file = world.top / "unconfined.yaml"
    file.write_text(packaged.read_text() + '\norchestrator:\n  sandbox: "off"\n')
    return file


async def test_a_bare_repository_inside_is_no_way_in(world: World) -> None:
    hostile = planted(world, GIT)
    inner = world.repo / "inner"
    ended = await world.run("--config", str(unconfined(world)), cwd=inner)
    assert ended.code in {2, 3}, ended
    assert (await world.massgen("doctor", cwd=inner)).code in {0, 2}
    assert hostile.found() == []


async def test_a_clone_without_all_objects_fetches_none(world: World) -> None:
    hostile = Hostile(world)
    trap = hostile.trap("promisor")
    blob = world.git("rev-parse", "HEAD:b.txt").strip()
    (world.repo / ".git/objects" / blob[:2] / blob[2:]).unlink()
    for key, value in (
        ("core.repositoryformatversion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", f"ext::{trap}"),
        ("protocol.ext.allow", "always"),
    ):
        hostile.config(key, value)
    await look(hostile, world.repo)
    await world.run("--config", str(unconfined(world)))
    assert hostile.found() == []
    hostile.git("cat-file", "-p", blob)
    assert hostile.found() == ["promisor"]


@pytest.mark.parametrize(
    "row", [r for r in (*GIT, *PROGRAMS, *PROJECT) if r.careless], ids=lambda r: r.name
)
def test_the_traps_do_spring_where_somebody_takes_no_care(world: World, row: Row) -> None:
    """So that the tests above could fail."""
    hostile = Hostile(world)
    row.plant(hostile)
    assert row.careless is not None
    row.careless(hostile)
    assert row.name in hostile.found(), hostile.found()


# ── our own configuration ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("row", OURS, ids=lambda r: r.name)
async def test_a_configuration_is_inert_until_it_is_trusted(world: World, row: Row) -> None:
    hostile = planted(world, [row])
    refused = await world.run()
    assert refused.code == 2
    assert refused.out == ""
    lines = (world.repo / "massgen.yaml").read_text().split("\n")
    last = WANTS[row.name].split(".")[-1].split("[")[0]
    number = next(i for i, line in enumerate(lines, 1) if f'"{last}"' in line)
    assert f"massgen.yaml:{number}: {WANTS[row.name]}" in refused.err, refused.err
    for way in ("massgen-ls trust", "run --trust", "--config FILE"):
        assert way in refused.err
    assert hostile.found() == []
    assert (await world.massgen("runs", "--all")).out.startswith("No runs here")
    # So that this could fail: with the user's word it is obeyed.
    await world.run("--trust")
    assert hostile.found() == [row.name]
    (hostile.sprung / row.name).unlink()
    assert (await world.run()).code == 2, "once is once"
    assert hostile.found() == []


@pytest.mark.parametrize("row", OURS, ids=lambda r: r.name)
async def test_doctor_tells_of_every_agent_and_starts_none(world: World, row: Row) -> None:
    hostile = planted(world, [row])
    for arguments in (["doctor"], ["config", "show"], ["config", "check", "massgen.yaml"]):
        ended = await world.massgen(*arguments)
        assert ended.code in {0, 2}, ended
        assert "Traceback" not in ended.err
    assert hostile.found() == []


@pytest.mark.parametrize("row", OURS[1:3], ids=lambda r: r.name)
async def test_so_are_settings_that_the_editor_took_out_of_it(world: World, row: Row) -> None:
    """``.dir-locals.el``, ``.vscode/settings.json`` and their like reach us as the editor's."""
    hostile = planted(world, [row])
    file = world.repo / "massgen.yaml"
    settings = json.loads(file.read_text())
    file.unlink()
    async with editing(world, folder=world.repo) as editor:
        editor.answer = "Not now"
        await editor.notify("workspace/didChangeConfiguration", {"settings": {"massgen": settings}})
        with pytest.raises(ServerError, match=f"settings for this folder: {WANTS[row.name][:6]}"):
            await editor.request("massgen/run", {"prompt": "x"})
        assert hostile.found() == []
        editor.answer = "Trust and run"
        run = await editor.request("massgen/run", {"prompt": "x"})
        await editor.request("massgen/wait", run)
        assert hostile.found() == [row.name], "so that this could fail"


async def test_a_folder_s_command_line_cannot_be_reached_around_the_gate(world: World) -> None:
    hostile = planted(world, OURS[:1])
    (world.repo / "sub").mkdir()
    for arguments, folder in (
        (["--agents", "tidy"], world.repo),
        (["--detected-checks"], world.repo),
        (["--scope", "a.py"], world.repo),
        ([], world.repo / "sub"),
        (["--repo", str(world.repo / "sub")], world.top),
    ):
        ended = await world.run(*arguments, cwd=folder)
        assert ended.code == 2, ended
        assert "not trusted" in ended.err
    assert hostile.found() == []
    # A file that the user names is their own word, wherever it lies.
    await world.run("--config", "massgen.yaml")
    assert hostile.found() == ["check"]


async def test_a_link_that_leads_out_of_the_repository_is_never_trusted(world: World) -> None:
    hostile = planted(world, OURS[:1])
    outside = world.top / "outside.yaml"
    (world.repo / "massgen.yaml").rename(outside)
    (world.repo / "massgen.yaml").symlink_to(outside)
    for arguments in (["run", "x"], ["run", "x", "--trust"], ["trust"]):
        ended = await world.massgen(*arguments)
        assert ended.code == 2, ended
        assert "a link that leads out of the repository" in ended.err
    await look(hostile, world.repo)
    assert hostile.found() == []


async def test_the_editor_s_user_is_asked_and_nothing_runs_before_they_answer(world: World) -> None:
    hostile = planted(world, OURS[:1])
    async with editing(world, folder=world.repo) as editor:
        editor.answer = "Not now"
        for ask in (
            editor.request("massgen/run", {"prompt": "x"}),
            editor.command("massgen.run", {"prompt": "x"}),
        ):
            with pytest.raises(ServerError, match=r"not trusted yet(.|\n)*massgen\.yaml:\d+"):
                await ask
        assert hostile.found() == []
        assert len(editor.questions) == 2
        assert "checks[0].argv" in editor.questions[0]
        editor.answer = "Trust and run"
        run = await editor.request("massgen/run", {"prompt": "x"})
        await editor.request("massgen/wait", run)
        assert hostile.found() == ["check"]
        await editor.request("massgen/wait", await editor.request("massgen/run", {"prompt": "x"}))
        assert len(editor.questions) == 3, "who has said it is not asked again"
        (world.repo / ".mcp.json").write_text(json.dumps({}))
        editor.answer = "Not now"
        with pytest.raises(ServerError, match=r"\.mcp\.json is new"):
            await editor.request("massgen/run", {"prompt": "x"})
        assert ".mcp.json is new since you trusted it" in editor.questions[3]
