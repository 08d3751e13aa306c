"""A language server that does nothing but stream the events of 16 agents. Argument: seconds."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

SEATS = [f"agent{number}" for number in range(16)]
PERIOD = 0.25
"""Seconds between two acts of an agent; every fourth comes with what was spent."""


def send(message: dict[str, Any]) -> None:
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    sys.stdout.buffer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    sys.stdout.buffer.flush()


def event(kind: str, **fields: Any) -> None:
    params = {"kind": kind, "run": "20261121-bench", "time": time.time(), **fields}
    send({"method": "massgen/event", "params": params})


def receive() -> dict[str, Any]:
    size = 0
    while line := sys.stdin.buffer.readline().strip():
        name, _, value = line.partition(b":")
        size = int(value) if name.lower() == b"content-length" else size
    return json.loads(sys.stdin.buffer.read(size))


def main() -> None:
    """Answers `initialize`, then streams until the time is over, and says ``settled``."""
    while (first := receive()).get("method") != "initialize":
        pass
    offered = {"executeCommandProvider": {"commands": ["massgen.run"]}}
    send({"id": first["id"], "result": {"capabilities": offered}})
    agents = [{"id": seat} for seat in SEATS]
    spec = {"task": {"prompt": "a bench"}, "agents": agents, "checks": [{"name": "tests"}]}
    event("run_started", spec=spec, folder="/")
    for seat in SEATS:
        event("attempt_started", seat=seat, attempt=1)
    end, count = time.monotonic() + float(sys.argv[1]), 0
    while time.monotonic() < end:
        for at, seat in enumerate(SEATS):
            event("agent_acted", seat=seat, action="edit", target=f"src/module_{count % 40}.py")
            if (at + count) % 4 == 0:
                usage = {"input": 10 * count, "cached": 0, "stored": 0, "output": count}
                event("usage_reported", seat=seat, attempt=1, usage={**usage, "cost": 7 * count})
            time.sleep(PERIOD / len(SEATS))
        count += 1
    event("run_settled", verdict={"outcome": "none", "why": "The bench is over."})
    sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
