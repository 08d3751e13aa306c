"""A candidate that lands in parts is looked after as one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from massgen_ls.core.candidate import Fate
from massgen_ls.core.changes import rel_path
from massgen_ls.core.survey import FileSurvey, HunkState, PlacedHunk
from massgen_ls.core.task import CandidateId, RunId
from massgen_ls.engine.delivery import Delivery
from massgen_ls.lsp.aftermath import Aftermath
from massgen_ls.lsp.desk import Engine

RUN, WON = RunId("r"), CandidateId("one.1")


def surveyed(name: str, state: HunkState) -> FileSurvey:
    hunk = PlacedHunk(0, (0, 1), (0, 1), (0, 1), state, "old\n", "new\n")
    return FileSurvey(rel_path(name), None, "modify", rel_path(name), False, (hunk,))


@dataclass
class Files:
    """An engine that knows how two files are now."""

    now: tuple[FileSurvey, ...] = ()
    fates: list[Fate] = field(default_factory=list[Fate])

    async def hunks(self, *_: Any) -> tuple[CandidateId, str, tuple[FileSurvey, ...]]:
        return WON, "/top", self.now

    async def revised(self, _run: RunId, _candidate: CandidateId, fate: Fate) -> None:
        self.fates.append(fate)


async def test_what_landed_in_two_parts_is_kept_edited_and_undone_as_one() -> None:
    files, aftermath = Files(), Aftermath()
    for name in ("a.py", "b.py"):
        part = Delivery(WON, applied=True, root="/top", landed=(surveyed(name, "landed"),))
        aftermath.landed(cast(Engine, files), lambda: cast(Any, None), RUN, part)
    states: tuple[tuple[HunkState, HunkState], ...] = (
        ("landed", "landed"),
        ("landed", "fits"),
        ("fits", "fits"),
    )
    for first, second in states:
        files.now = surveyed("a.py", first), surveyed("b.py", second)
        await aftermath.saved(Path("/top/b.py").as_uri())
    assert files.fates == ["edited", "undone"]
    await aftermath.saved(Path("/top/c.py").as_uri())
    assert files.fates == ["edited", "undone"]
