"""What users make of changes that have landed, as their files say when they are saved."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from massgen_ls.core.candidate import Fate
from massgen_ls.core.changes import RelPath
from massgen_ls.core.survey import fate_of, standing
from massgen_ls.core.task import CandidateId, RunId
from massgen_ls.engine.delivery import Delivery
from massgen_ls.lsp import uris
from massgen_ls.lsp.desk import Engine
from massgen_ls.ports import LiveFiles

_MOST = 20
"""Changes that are watched, the newest; older ones have long become the user's own."""


@dataclass(slots=True)
class _Landed:
    engine: Engine
    live: Callable[[], LiveFiles]
    files: frozenset[str]
    """Absolute paths of what the candidate changes."""
    there: frozenset[tuple[RelPath, int]]
    """What of it had landed."""
    fate: Fate = "kept"
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Aftermath:
    """Watches landed candidates for as long as this server lives; one for each server."""

    def __init__(self) -> None:
        self._watched: dict[tuple[RunId, CandidateId], _Landed] = {}

    def landed(
        self, engine: Engine, live: Callable[[], LiveFiles], run: RunId, delivery: Delivery
    ) -> None:
        """A candidate, or a part of it, has landed."""
        key = run, delivery.candidate
        names = {name for file in delivery.landed for name in (file.path, file.live_path)}
        paths = frozenset(os.path.join(delivery.root, *name.split("/")) for name in names)
        there = standing(delivery.landed)
        if before := self._watched.pop(key, None):  # another part of it
            paths, there = paths | before.files, there | before.there
        if there:
            self._watched[key] = _Landed(engine, live, paths, there)
        while len(self._watched) > _MOST:
            del self._watched[next(iter(self._watched))]

    async def saved(self, uri: str) -> None:
        """A document was saved: looks at what it holds of changes that landed in it."""
        path = uris.to_path(uri)
        for (run, candidate), landed in list(self._watched.items()):
            if path in landed.files:
                await self._look(run, candidate, landed)

    async def _look(self, run: RunId, candidate: CandidateId, landed: _Landed) -> None:
        async with landed.looking:
            _, _, files = await landed.engine.hunks(run, candidate, landed.live())
            fate = fate_of(landed.there, files)
            if fate != landed.fate:
                landed.fate = fate
                await landed.engine.revised(run, candidate, fate)
