"""``massgen-ls clean``: what it says is what it frees, and what is kept can be applied."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from massgen_ls.adapters.host.clock import SystemClock
from massgen_ls.adapters.store.conversations import ConversationFolder
from massgen_ls.core.task import Origin
from tests.e2e.world import World

pytestmark = pytest.mark.e2e

PROGRAM = "open('a.py', 'a').write('{0}\\n')"


async def test_old_runs_are_freed_and_young_ones_can_be_applied(world: World) -> None:
    world.init()
    before = world.fingerprint()
    noise = "import random; open('a.py', 'a').write(random.randbytes(50_000).hex() + '\\n')"
    old = (await world.run("--config", str(world.configure([world.agent("one", noise)])))).run
    team = world.configure([world.agent("one", PROGRAM.format("six"))])
    young = (await world.run("--config", str(team))).run
    (shadow,) = world.cache.glob("shadows/*/shadow.git")
    ages = f"20200101-000000-{old.rpartition('-')[2]}"
    (shadow / "refs/runs" / old).rename(shadow / "refs/runs" / ages)
    home = world.cache / "trash/home-of-a-short-command"
    home.mkdir(parents=True)
    (home / "token").write_text("x" * 5_000)
    said = world.state / "conversations"
    (home / "said").write_text("what an agent said\n" * 10)
    for run in (old, young):
        origin = Origin("claude_code", "s1", run)
        kept = ConversationFolder(said, SystemClock())
        await kept.keep(origin, str(home / "said"), str(home), str)
    each = {file.stat().st_size for file in said.iterdir()}
    dry = json.loads((await world.massgen("clean", "--dry-run", "--json")).out)
    (one,) = dry["repositories"]
    assert (one["repository"], one["runs"], one["left"]) == (str(world.repo / ".git"), 1, "")
    assert one["bytes"] > 40_000
    assert dry["trash"] >= 5_000
    assert {dry["conversations"]} == each
    assert len(list(said.iterdir())) == 2
    assert (shadow / "refs/runs" / ages).exists()
    size = sum(p.stat().st_size for p in shadow.rglob("*") if p.is_file())
    ended = await world.massgen("clean")
    assert ended.code == 0, ended
    assert "1 old run forgotten" in ended.out
    assert "KB)" in ended.out
    after = sum(p.stat().st_size for p in shadow.rglob("*") if p.is_file())
    assert size - after > 40_000
    assert not list(Path(world.cache, "trash").iterdir())
    assert f"agents' conversations: {each.pop()} bytes deleted" in ended.out
    assert len(list(said.iterdir())) == 1
    await world.check_clean(before)
    gone = await world.massgen("apply", old)
    assert gone.code != 0
    assert "not stored any more" in gone.err, gone.err
    assert (await world.massgen("apply", young)).code == 0
    assert (world.repo / "a.py").read_text().endswith("five\nsix\n")
    again = json.loads((await world.massgen("clean", "--json")).out)
    assert again["repositories"][0]["objects"] == 0
