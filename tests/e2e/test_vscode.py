"""The extension in the real VS Code workbench."""

from __future__ import annotations

import json
import os
import shutil
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any

import pytest

from massgen_ls.adapters.host.process import HostProcesses
from massgen_ls.testing.models import Edit, Episode, Script, Text, Turn
from massgen_ls.testing.sample import make_sample
from tests.e2e.cast import PRO, SILENT, SONNET, casting
from tests.e2e.workbench import EXTENSION, Workbench, chromium, code_server, packaged
from tests.e2e.world import ROOT, World
from tests.fakes.programs import program

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

EVERYTHING = """
import os
print('hello from one', flush=True)
text = open('a.py').read()
open('a.py', 'w').write(text.replace('unsaved', 'UNSAVED').replace('five', 'FIVE'))
os.makedirs('pkg', exist_ok=True)
open('pkg/made.py', 'w').write('made\\n')
if os.path.exists('extra'):
    os.remove('extra')
    os.rename('old.py', 'new.py')
    old = open('new.py').read()
    open('new.py', 'w').write(old.replace('line 7', 'LINE 7'))
open('other.py', 'a').write('more\\n')
"""
BREAKS = """
text = open('a.py').read()
open('a.py', 'w').write(text.replace('two', 'broken'))
"""
SPOILS = """
open('a.py', 'a').write('broken\\n')
open('other.py', 'a').write('broken\\n')
"""
SLOW = """
import time
open('a.py', 'a').write('slow\\n')
print('waiting', flush=True)
time.sleep(600)
"""
CHECK = "import sys; sys.exit('broken is in a.py' if 'broken' in open('a.py').read() else 0)"
MODELS: dict[str, Script] = {
    SONNET: Episode(
        Turn(Text("I make it bad."), Edit("a.py", "five\n", "broken\n")), Turn(Text("Done."))
    ),
    PRO: Episode(
        Turn(Edit("a.py", "unsaved\n", "UNSAVED\n")),
        Turn(Edit("a.py", "five\n", "FIVE\n")),
        Turn(Text("Done.")),
    ),
}


@pytest.fixture(scope="module")
def parts() -> tuple[str, Path, str]:
    """code-server, our VSIX and a browser."""
    browser = chromium()
    return code_server(), packaged(), browser


@pytest.fixture
def workbench(parts: tuple[str, Path, str], world: World) -> Workbench:
    entry, vsix, browser = parts
    return Workbench(world, entry, vsix, browser, _out(world))


def _out(world: World) -> Path:
    """Where what was seen is kept."""
    kept = os.environ.get("MASSGEN_TEST_OUTPUT")
    out = Path(kept) / "vscode" if kept else world.top / "out"
    out.mkdir(parents=True, exist_ok=True)
    return out


def _base() -> str:
    """The Python under the tests' own environment."""
    return str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")


def team(world: World, *more: dict[str, Any]) -> str:
    """A repository, and a team with all kinds of agents."""
    long = "".join(f"line {i}\n" for i in range(20))
    world.init(extra="gone\n", **{"other.py": "other\n", "old.py": long})
    talking = str(ROOT / "tests" / "agents" / "sdk_agent.py")
    talks = {"id": "talks", "backend": {"type": "acp", "argv": [sys.executable, "-P", talking]}}
    agents = [
        world.agent("one", EVERYTHING),
        world.agent("two", BREAKS),
        world.agent("three", SPOILS),
        world.agent("slow", SLOW),
        talks,
        *more,
    ]
    check = {"name": "tests", "argv": [sys.executable, "-c", CHECK]}
    rules: dict[str, Any] = {"sandbox": "off", "voting": SILENT, "early_exit": False}
    return str(world.configure(agents, [check], **(rules if more else {})))


def steps(report: dict[str, Any]) -> list[str]:
    assert report["error"] is None, f"{report['error']}\n{json.dumps(report['steps'], indent=1)}"
    return [step["name"] for step in report["steps"]]


def test_the_package_is_small(parts: tuple[str, Path, str]) -> None:
    with zipfile.ZipFile(parts[1]) as archive:
        wheels = [each for each in archive.infolist() if each.filename.endswith(".whl")]
    assert len(wheels) == 1, "the server is in it"
    assert parts[1].stat().st_size - wheels[0].compress_size < 300 * 1024


@pytest.mark.agents
async def test_the_whole_way_without_a_click(workbench: Workbench, world: World) -> None:
    """In one window, for its start takes half of the time: trust, all commands, coding agents."""
    settings = {
        "security.workspace.trust.enabled": True,
        "security.workspace.trust.startupPrompt": "never",
        "security.workspace.trust.banner": "never",
    }
    programs: dict[str, str] = {}
    without: BaseException | None = None
    try:
        programs |= {name: program(name) for name in ("claude", "gemini")}
    except pytest.skip.Exception as reason:
        without = reason
    async with casting(world, programs, MODELS) as cast:
        coding = [] if without else [cast.claude(), cast.gemini()]
        world.extra_env["MASSGEN_TEST_AGENTS"] = "" if without else "yes"
        settings["massgen.server.configuration"] = team(world, *coding)
        report, _ = await workbench.play("whole", "trust", **settings)
    seen = steps(report)
    assert [name for name in ("no run", "its tree") if name not in seen] == []
    if without:
        raise without
    assert seen[-1] == "the agents' tree"


async def test_the_way_that_a_person_clicks(workbench: Workbench, world: World) -> None:
    world.repo.rmdir()
    processes = HostProcesses()
    sample = await make_sample(world.repo, processes, world.env)
    before = sample.buffer.read_text()
    dark = {"workbench.colorTheme": "Default Dark Modern"}
    _, said = await workbench.play("", "clicked", **dark)
    assert "page:" not in said, said
    assert sample.buffer.read_text() == before, "it is applied to the buffer, and not saved"
    if os.environ.get("MASSGEN_TEST_PICTURES"):  # those of the README, made anew
        shown = EXTENSION / "media" / "readme"
        shown.mkdir(exist_ok=True)
        for name in ("1-task", "3-watch", "5-verdict", "6-compare", "8-preview"):
            picture = workbench.out / f"{name}.png"
            shutil.copyfile(picture, shown / f"{name.split('-')[1]}.png")


async def test_from_the_package_to_a_server_and_a_team(workbench: Workbench, world: World) -> None:
    """What is said where something is missing, installations, the Python extension, the trace."""
    world.init()
    places = {name: world.top / name for name in ("nothing", "old", "python", "needs")}
    for place in places.values():
        place.mkdir()
    for name, command in (("old", "echo 3 9"), ("python", f'exec {_base()} "$@"')):
        # The highest version that is looked for, so that no other Python is found before it.
        program = places[name] / ("python3" if name == "old" else "python3.13")
        program.write_text(f"#!/bin/sh\n{command}\n")
        program.chmod(0o755)
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if "massgen" not in package.name:
            (places["needs"] / package.name).symlink_to(package)
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    path = os.pathsep.join(f for f in folders if not Path(f, "massgen-ls").exists())
    logs = str(workbench.logs("install"))
    given = {**{name: str(place) for name, place in places.items()}, "path": path, "logs": logs}
    given |= {"bare": _base(), "full": sys.executable}
    world.extra_env["MASSGEN_TEST_INSTALL"] = json.dumps(given)
    settings = {
        "massgen.server.interpreter": "",
        "massgen.server.startWithWindow": False,
        "massgen.trace.server": "verbose",
    }
    report, _ = await workbench.play("install", "install", **settings)
    assert steps(report)[-1] == "a team"
