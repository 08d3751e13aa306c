"""A language server that does nothing but stream the events of 16 agents.

Arguments: seconds, and ``aloud`` when their output comes as well, gathered as our server does.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

SEATS = [f"agent{number}" for number in range(16)]
PERIOD = 0.25
"""Seconds between two acts of an agent; every fourth comes with what was spent."""

BEAT = 0.1
"""Seconds for which what happens is gathered before it is sent, as in our server."""
WORDS = "some words of an agent at work\n" * 4


def send(message: dict[str, Any]) -> None:
    """Writes into a buffer: what is sent together arrives together, as from our server."""
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    sys.stdout.buffer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)


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
    aloud = "aloud" in sys.argv
    began, acts = time.monotonic(), 0
    while (now := time.monotonic() - began) < float(sys.argv[1]):
        while acts * PERIOD < now * len(SEATS):
            count, at = divmod(acts, len(SEATS))
            seat, acts = SEATS[at], acts + 1
            event("agent_acted", seat=seat, action="edit", target=f"src/module_{count % 40}.py")
            if (at + count) % 4 == 0:
                usage = {"input": 10 * count, "cached": 0, "stored": 0, "output": count}
                event("usage_reported", seat=seat, attempt=1, usage={**usage, "cost": 7 * count})
        for seat in SEATS if aloud else ():
            event("delta", source=seat, stream="stdout", text=WORDS)
        sys.stdout.buffer.flush()
        time.sleep(BEAT)
    event("run_settled", verdict={"outcome": "none", "why": "The bench is over."})
    sys.stdout.buffer.flush()
    while "method" in (asked := receive()):
        if "id" in asked:
            send({"id": asked["id"], "result": {"runs": []}})
            sys.stdout.buffer.flush()
        if asked["method"] == "exit":
            return


if __name__ == "__main__":
    main()
