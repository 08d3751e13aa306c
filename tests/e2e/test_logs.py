"""Keys that were planted in the environment, looked for in everything that a process writes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.e2e.world import World

pytestmark = pytest.mark.e2e

KEY = "planted+key/value-123"
LEAK = "import os; print(os.environ['SOME_API_KEY']); open('a.py', 'a').write('six\\n')"


async def test_a_key_that_an_agent_prints_is_nowhere_but_in_its_environment(world: World) -> None:
    world.init()
    world.extra_env["SOME_API_KEY"] = KEY
    log = world.top / "massgen.log"
    agent = world.agent("one", LEAK)
    agent["backend"]["env"] = ["SOME_API_KEY"]
    team = world.configure([agent])
    flags = ("--log-level", "debug", "--log-file", str(log), "--log-format", "json")
    ended = await world.run("--config", str(team), *flags)
    assert "[SOME_API_KEY]" in ended.out, "what the agent says is shown"
    run = ended.settled["run"]
    told = [ended.out, ended.err]
    for command in (["show", run, "--json"], ["show", run, "--markdown"], ["bugreport", run]):
        said = await world.massgen(*command)
        assert said.code == 0, said.err
        told += [said.out, said.err]
    entries = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    kinds = [entry["message"].split()[-1] for entry in entries if "engine.bus" in entry["logger"]]
    assert kinds[0] == "RunStarted"
    assert kinds[-1] == "RunSettled"
    assert any("process" in entry["message"] for entry in entries)
    kept = [path.read_bytes() for path in _files(world.top) if path.name != "team.yaml"]
    assert not [text for text in told if KEY in text]
    assert not [data for data in kept if KEY.encode() in data]


async def test_a_bugreport_has_nothing_private(world: World) -> None:
    world.init()
    world.write("hidden-name.py", "x = 1\n")
    agent = world.agent("acme-agent", "open('hidden-name.py', 'a').write('secret_text = 6\\n')")
    team = world.configure([agent], [{"name": "acme-check", "argv": ["true"]}])
    ended = await world.massgen("run", "the private task", "--config", str(team), "--json")
    assert ended.code == 0, ended.err
    run = json.loads(ended.out.splitlines()[-1])["run"]
    report = world.top / "report.md"
    said = await world.massgen("bugreport", run, "--config", str(team), "--output", str(report))
    assert said.code == 0, said.err
    text = report.read_text("utf-8")
    assert "outcome: won" in text
    assert "seat 1: command, ended, done, attempt 1" in text
    assert "RunSettled" in text
    private = ("acme", "hidden-name", "secret_text", "private task", str(world.top), run)
    assert [word for word in private if word in text] == []
    again = await world.massgen("bugreport", "--output", str(report))
    assert again.code == 2
    assert "is there already" in again.err
    assert report.read_text("utf-8") == text


def _files(top: Path) -> list[Path]:
    return [Path(folder, name) for folder, _, names in os.walk(top) for name in names]
