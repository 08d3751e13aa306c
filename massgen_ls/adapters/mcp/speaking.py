"""The part of MCP that a server of tools has to speak: JSON-RPC messages in, messages out.

Stateless, as streamable HTTP allows: who asks for a tool is known by the address and the token.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, cast

from massgen_ls.core.task import Json
from massgen_ls.ports import ToolAnswer, Toolbox

VERSIONS = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""Versions of the protocol that we speak, the newest first."""

MOST = 16
"""Messages of a batch: what they are answered with is kept until all of it is there."""

_log = logging.getLogger(__name__)
_PARSE, _INVALID, _NO_METHOD, _BAD_PARAMS = -32700, -32600, -32601, -32602


async def answer(message: object, toolbox: Toolbox, version: str) -> Json:
    """The answer to one message or to a batch; None when there is nothing to answer.

    Args:
        message: What came, parsed.
        toolbox: Whose tools they are.
        version: Of our program, for people who look at it.
    """
    if isinstance(message, list):
        batch = cast("list[object]", message)
        if not batch:
            return _error(None, _INVALID, "an empty batch")
        if len(batch) > MOST:
            return _error(None, _INVALID, f"a batch of more than {MOST} messages")
        answers = [await _one(each, toolbox, version) for each in batch]
        return [each for each in answers if each is not None] or None
    return await _one(message, toolbox, version)


def unreadable() -> Json:
    """The answer to what is no JSON."""
    return _error(None, _PARSE, "not JSON")


async def _one(message: object, toolbox: Toolbox, version: str) -> Json:
    if not isinstance(message, dict):
        return _error(None, _INVALID, "a message is an object")
    body = cast("dict[str, Any]", message)
    method, number = body.get("method"), body.get("id")
    if not isinstance(method, str):
        # An answer to a request that we never made, or no message at all.
        return None if "result" in body or "error" in body else _error(None, _INVALID, "no method")
    if "id" not in body:
        return None  # a notification
    if isinstance(number, bool) or not isinstance(number, str | int | float):
        return _error(None, _INVALID, "an id is a text or a number")
    given = body.get("params")
    if given is not None and not isinstance(given, dict):
        return _error(number, _BAD_PARAMS, "params is an object")
    params = cast("dict[str, Any]", given or {})
    match method:
        case "initialize":
            return _result(number, _greeting(params, version))
        case "ping":
            return _result(number, {})
        case "tools/list":
            return _result(number, {"tools": _tools(toolbox)})
        case "tools/call":
            return await _call(number, params, toolbox)
        case _:
            return _error(number, _NO_METHOD, f"no method {method[:100]!r}")


def _greeting(params: Mapping[str, Any], version: str) -> dict[str, Json]:
    asked = params.get("protocolVersion")
    return {
        "protocolVersion": asked if asked in VERSIONS else VERSIONS[0],
        "capabilities": {"tools": {"listChanged": False}},
        "serverInfo": {"name": "massgen-ls", "version": version},
    }


def _tools(toolbox: Toolbox) -> Json:
    return [
        {
            "name": spec.name,
            "description": spec.description,
            "inputSchema": dict(spec.schema),
        }
        for spec in toolbox.specs
    ]


async def _call(number: str | float, params: Mapping[str, Any], toolbox: Toolbox) -> Json:
    name, given = params.get("name"), params.get("arguments")
    if not isinstance(name, str):
        return _error(number, _BAD_PARAMS, "a tool's name is missing")
    if given is not None and not isinstance(given, dict):
        return _error(number, _BAD_PARAMS, "arguments is an object")
    if name not in {spec.name for spec in toolbox.specs}:
        return _error(number, _BAD_PARAMS, f"no tool {name[:100]!r}")
    try:
        told = await toolbox.call(name, cast("dict[str, Json]", given or {}))
    except Exception:  # noqa: BLE001 - our bug; the agent and everything else go on without it
        _log.exception("the tool %r broke", name)
        told = ToolAnswer(f"The tool {name} is out of order; go on without it.", ok=False)
    # Names of files need not be UTF-8, and clients refuse the half characters that stand for it.
    text = told.text.encode("utf-8", "replace").decode()
    return _result(number, {"content": [{"type": "text", "text": text}], "isError": not told.ok})


def _result(number: str | float, result: Json) -> Json:
    return {"jsonrpc": "2.0", "id": number, "result": result}


def _error(number: str | float | None, code: int, text: str) -> Json:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": text}}
