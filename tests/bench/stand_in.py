"""Stands in for an agent program, to see how long its words take: what it says is the moment.

``python stand_in.py claude|gemini|codex|acp COUNT``, each word some milliseconds after the last.
Alone in its file and without imports of ours: it shall start at once.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

APART = 0.03
SESSION = "00000000-0000-4000-8000-000000000001"


def moment() -> str:
    """Now, in ns of a clock that all processes of this machine share."""
    return f"now={time.monotonic_ns()};"


def put(**line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def words(count: int, say: Callable[[int], None]) -> None:
    for number in range(count):
        time.sleep(APART)
        say(number)


def claude(count: int) -> None:
    sys.stdin.readline()
    put(type="system", subtype="init", session_id=SESSION, tools=[], model="m")

    def say(number: int) -> None:
        use = {"type": "tool_use", "id": f"t{number}", "name": "Bash"}
        message = {"id": f"m{number}", "role": "assistant", "type": "message"}
        given = {"input": {"command": moment()}}
        put(type="assistant", session_id=SESSION, message=message | {"content": [use | given]})

    words(count, say)
    usage = {"input_tokens": 1, "output_tokens": 1}
    put(type="result", subtype="success", is_error=False, result="Done.", session_id=SESSION,
        num_turns=1, usage=usage, total_cost_usd=0.0)  # fmt: skip
    sys.stdin.read()


def gemini(count: int) -> None:
    put(type="init", session_id=SESSION, model="m")

    def say(number: int) -> None:
        put(type="tool_use", tool_name="run_shell_command", tool_id=f"t{number}",
            parameters={"command": moment()})  # fmt: skip

    words(count, say)
    put(type="message", role="assistant", content="Done.", delta=True)
    put(type="result", status="success", stats={"input_tokens": 1, "output_tokens": 1})


def codex(count: int) -> None:
    put(type="thread.started", thread_id=SESSION)
    put(type="turn.started")

    def say(number: int) -> None:
        item = {"id": f"item_{number}", "type": "command_execution", "status": "in_progress"}
        put(type="item.started", item=item | {"command": moment(), "aggregated_output": ""})

    words(count, say)
    put(type="item.completed", item={"id": "last", "type": "agent_message", "text": "Done."})
    put(type="turn.completed", usage={"input_tokens": 1, "output_tokens": 1})


def acp(count: int) -> None:
    def say(number: int) -> None:
        update = {"sessionUpdate": "tool_call", "toolCallId": f"t{number}", "kind": "execute"}
        body = update | {"title": moment(), "status": "in_progress"}
        put(jsonrpc="2.0", method="session/update", params={"sessionId": SESSION, "update": body})

    for line in sys.stdin:
        asked = json.loads(line)
        result: dict[str, Any] = {}
        match asked.get("method"):
            case "initialize":
                result = {"protocolVersion": 1, "agentCapabilities": {}, "authMethods": []}
            case "session/new":
                result = {"sessionId": SESSION}
            case "session/prompt":
                words(count, say)
                chunk = {"sessionUpdate": "agent_message_chunk"}
                update = chunk | {"content": {"type": "text", "text": "Done."}}
                told = {"sessionId": SESSION, "update": update}
                put(jsonrpc="2.0", method="session/update", params=told)
                result = {"stopReason": "end_turn"}
            case _:
                pass
        if "id" in asked and "method" in asked:
            put(jsonrpc="2.0", id=asked["id"], result=result)


if __name__ == "__main__":
    {"claude": claude, "gemini": gemini, "codex": codex, "acp": acp}[sys.argv[1]](int(sys.argv[2]))
