"""What becomes of a change that has landed, in real runs and files."""

from __future__ import annotations

from pathlib import Path

import pytest

from massgen_ls.core.errors import NotFoundError
from massgen_ls.core.learning import CheckRecord
from massgen_ls.core.selection import Selection
from massgen_ls.core.survey import fate_of, standing
from massgen_ls.core.task import CandidateId
from massgen_ls.testing.agents import writes
from tests.engine.conftest import Bench

WON = CandidateId("one.1")


async def test_what_the_user_made_of_it_is_on_record(bench: Bench) -> None:
    scripts = {"one": writes(a__py="mended\n", new__py="n\n")}
    async with bench.engine(scripts, lambda _check, _folder: ()) as supervisor:
        run, _ = await bench.finish(supervisor, bench.spec("one", checks=("k",)))
        file = Path(bench.folder) / "a.py"
        before = file.read_text()
        done = await supervisor.apply(run, None, bench.disk, Selection.of(["a.py"]))
        assert (done.root, standing(done.landed)) == (bench.folder, {("a.py", 0)})
        done = await supervisor.apply(run, None, bench.disk)
        assert done.landed == (await supervisor.hunks(run, WON, bench.disk))[2]
        landed = standing(done.landed)
        assert {path for path, _ in landed} == {"a.py", "new.py"}

        async def fate() -> str:
            return fate_of(landed, (await supervisor.hunks(run, WON, bench.disk))[2])

        assert await fate() == "kept"
        file.write_text(before)
        assert await fate() == "edited", "the new file is there yet"
        (Path(bench.folder) / "new.py").unlink()
        assert await fate() == "undone"
        await supervisor.revised(run, WON, "undone")
        assert (await supervisor.state(run)).fates == ((WON, "undone"),)
        (record,) = await supervisor.records(bench.folder)
        assert (record.accepted, record.undone) == (0, 1)
        every, checks = await supervisor.all_records(bench.folder)
        assert (every, checks) == ((record,), (CheckRecord("k", passed_rejected=1),))
        with pytest.raises(NotFoundError):
            await supervisor.revised(run, CandidateId("two.1"), "edited")
