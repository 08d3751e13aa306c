"""What is said over MCP: JSON-RPC messages in, the answers to them out. No network here.

There are no sessions: whoever has the address and the token of a toolbox may ask in any order, so
a client that reconnects loses nothing. `2026-07-28`, which has no handshake, is answered in the way
that makes its clients come back with one of the versions below.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, cast

from massgen_ls import __version__
from massgen_ls.adapters.mcp.http import Reply
from massgen_ls.core.task import Json
from massgen_ls.ports import ToolAnswer, Toolbox

VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""What we speak, the oldest first."""
_BATCHES = frozenset({"", "2025-03-26"})
"""Versions with arrays of messages. One that is not named is taken for 2025-03-26."""
_MOST = 32
"""Messages of a batch."""

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND = -32700, -32600, -32601
INVALID_PARAMS, INTERNAL_ERROR, UNSUPPORTED_VERSION = -32602, -32603, -32022

_log = logging.getLogger(__name__)

Object = Mapping[str, Any]


async def answered(body: bytes, version: str, toolbox: Toolbox) -> Reply:
    """The reply to the body of a POST.

    Args:
        body: What was sent.
        version: The header ``mcp-protocol-version``, empty when there was none.
        toolbox: Whose tools are asked for.
    """
    if version and version not in VERSIONS:
        told = {"supported": list(VERSIONS), "requested": version[:64]}
        text = f"This server speaks MCP {', '.join(VERSIONS)}"
        return _json(_error(None, UNSUPPORTED_VERSION, text, told), 400)
    try:
        message: object = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return _json(_error(None, PARSE_ERROR, "The body is no JSON"), 400)
    if not isinstance(message, list):
        answer = await _answer(message, toolbox)
        return _json(answer, 400 if _senseless(answer) else 200) if answer else Reply(202)
    batch = cast("list[object]", message)
    if version not in _BATCHES or not 0 < len(batch) <= _MOST:
        text = f"Only MCP 2025-03-26 has batches, of 1 to {_MOST} messages"
        return _json(_error(None, INVALID_REQUEST, text), 400)
    answers = [answer for one in batch if (answer := await _answer(one, toolbox))]
    return _json(answers) if answers else Reply(202)


async def _answer(message: object, toolbox: Toolbox) -> Object | None:
    """The answer to one message; None when it wants none."""
    if not isinstance(message, dict):
        return _error(None, INVALID_REQUEST, "A message is an object")
    said = cast("Object", message)
    method, given = said.get("method"), said.get("params", {})
    if said.get("jsonrpc") != "2.0":
        return _error(None, INVALID_REQUEST, "A message has `jsonrpc: 2.0`")
    if method is None and ("result" in said or "error" in said):
        return None  # an answer, and we have asked nothing
    if not isinstance(method, str):
        return _error(None, INVALID_REQUEST, "A message has a `method`")
    if "id" not in said:
        return None
    name = said["id"]
    if isinstance(name, bool) or not isinstance(name, str | int):
        return _error(None, INVALID_REQUEST, "An `id` is a string or a whole number")
    if not isinstance(given, dict):
        return _error(name, INVALID_PARAMS, "`params` is an object")
    params = cast("Object", given)
    match method:
        case "initialize":
            return _welcome(name, params)
        case "ping":
            return _result(name, {})
        case "tools/list":
            return _result(name, {"tools": _tools(toolbox)})
        case "tools/call":
            return await _call(name, params, toolbox)
        case _:
            return _error(name, METHOD_NOT_FOUND, f"There is no method {method[:100]!r}")


def _welcome(name: str | int, params: Object) -> Object:
    asked = params.get("protocolVersion")
    if not isinstance(asked, str):
        return _error(name, INVALID_PARAMS, "`protocolVersion` is missing")
    return _result(
        name,
        {
            "protocolVersion": asked if asked in VERSIONS else VERSIONS[-1],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "massgen-ls", "version": __version__},
        },
    )


def _tools(toolbox: Toolbox) -> list[Object]:
    return [
        {"name": spec.name, "description": spec.description, "inputSchema": spec.schema}
        for spec in toolbox.specs
    ]


async def _call(name: str | int, params: Object, toolbox: Toolbox) -> Object:
    tool, given = params.get("name"), params.get("arguments", {})
    if given is None:
        given = {}
    if not isinstance(tool, str) or not isinstance(given, dict):
        return _error(name, INVALID_PARAMS, "`name` is a text, and `arguments` an object")
    try:
        answer = await toolbox.call(tool, cast("Mapping[str, Json]", given))
    except Exception:  # noqa: BLE001 - see docs/architecture.md
        # A tool that breaks is our bug; the agent and everything else go on without it.
        _log.exception("the tool %r broke", tool)
        answer = ToolAnswer(f"The tool {tool[:100]!r} is out of order; go on without it.", ok=False)
    # Names of files need not be UTF-8, and clients refuse the half characters that stand for it.
    text = answer.text.encode("utf-8", "replace").decode()
    return _result(name, {"content": [{"type": "text", "text": text}], "isError": not answer.ok})


def _result(name: str | int, result: Object) -> Object:
    return {"jsonrpc": "2.0", "id": name, "result": result}


def _error(name: str | int | None, code: int, text: str, more: Object | None = None) -> Object:
    error = {"code": code, "message": text} | ({"data": more} if more else {})
    return {"jsonrpc": "2.0", "id": name, "error": error}


def _senseless(answer: Object) -> bool:
    """Whether it says that the message was none."""
    return "error" in answer and answer["error"]["code"] == INVALID_REQUEST


def _json(value: object, status: int = 200) -> Reply:
    body = json.dumps(value, separators=(",", ":")).encode()
    return Reply(status, body, {"content-type": "application/json"})


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
