"""Every socket of the engine, as Protocols. What plugs in lives in adapters, lsp or testing.

All methods may raise the errors of `massgen_ls.core.errors` and `asyncio.CancelledError`;
what else an outside program can do wrong is a value.
"""

from __future__ import annotations

from massgen_ls.core.diff import Differ, Refiner
from massgen_ls.ports.agents import (
    Acted,
    AgentNews,
    Brief,
    Checker,
    Driver,
    Ended,
    Health,
    Place,
    Said,
)
from massgen_ls.ports.git import (
    Buffer,
    Captured,
    Lease,
    Objects,
    SnapshotRequest,
    Snapshots,
    Worktrees,
)
from massgen_ls.ports.host import Clock, Command, Fence, Finished, Ids, Output, Processes, Running
from massgen_ls.ports.live import Landed, LiveFiles, Refused
from massgen_ls.ports.record import Audience, RunRecord, Store

__all__ = [
    "Acted",
    "AgentNews",
    "Audience",
    "Brief",
    "Buffer",
    "Captured",
    "Checker",
    "Clock",
    "Command",
    "Differ",
    "Driver",
    "Ended",
    "Fence",
    "Finished",
    "Health",
    "Ids",
    "Landed",
    "Lease",
    "LiveFiles",
    "Objects",
    "Output",
    "Place",
    "Processes",
    "Refiner",
    "Refused",
    "RunRecord",
    "Running",
    "Said",
    "SnapshotRequest",
    "Snapshots",
    "Store",
    "Worktrees",
]
