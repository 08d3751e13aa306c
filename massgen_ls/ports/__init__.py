"""Every socket of the engine, as Protocols. What plugs in lives in adapters, lsp or testing.

All methods may raise the errors of `massgen_ls.core.errors` and `asyncio.CancelledError`;
what else an outside program can do wrong is a value.
"""

from __future__ import annotations

from massgen_ls.core.diff import Differ, Refiner
from massgen_ls.ports.agents import (
    STOPPED,
    Access,
    Acted,
    AgentNews,
    Approve,
    Approver,
    Brief,
    Checker,
    Driver,
    Ended,
    Endpoint,
    Halt,
    Health,
    Inbox,
    Message,
    Note,
    Place,
    Returned,
    Said,
    Spoke,
    ToolAnswer,
    Toolbox,
    ToolSpec,
    Used,
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
    "STOPPED",
    "Access",
    "Acted",
    "AgentNews",
    "Approve",
    "Approver",
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
    "Endpoint",
    "Fence",
    "Finished",
    "Halt",
    "Health",
    "Ids",
    "Inbox",
    "Landed",
    "Lease",
    "LiveFiles",
    "Message",
    "Note",
    "Objects",
    "Output",
    "Place",
    "Processes",
    "Refiner",
    "Refused",
    "Returned",
    "RunRecord",
    "Running",
    "Said",
    "SnapshotRequest",
    "Snapshots",
    "Spoke",
    "Store",
    "ToolAnswer",
    "ToolSpec",
    "Toolbox",
    "Used",
    "Worktrees",
]
