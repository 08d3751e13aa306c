"""Every kind of agent that works has a driver, made when it is first asked for."""

from __future__ import annotations

from massgen_ls.adapters.agents.roster import open_drivers
from massgen_ls.adapters.host.process import HostProcesses


async def test_what_each_kind_of_agent_can() -> None:
    async with open_drivers(HostProcesses(), {"PATH": "/nowhere"}, "/py/bin/python") as drivers:
        told = {kind: (d.briefed, d.hears, d.heavy) for kind, d in drivers.items()}
        again = [drivers[kind] is drivers[kind] for kind in drivers]
    coding = (True, True, True)
    assert told == {
        "command": (False, False, False),
        "claude_code": coding,
        "codex": coding,
        "gemini_cli": coding,
        "acp": coding,
    }
    assert len(drivers) == len(again)
    assert all(again)
