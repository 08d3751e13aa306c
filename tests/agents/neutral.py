"""Makes a recorded stream say nothing of the machine, and the same at every recording."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
MILLISECONDS = re.compile(r"(?<!\d)1[78]\d{11}(?!\d)")
PORT = re.compile(r"127\.0\.0\.1:\d+")
SOCKET = re.compile(r"/tmp/cc-socks/\d+")
LISTS = ("slash_commands", "skills", "agents", "plugins", "availableCommands", "availableModels")
"""Lists that a program fills with what it knows: three of them tell the shape."""
TIMES = re.compile(r'("(?:duration|duration_api|ttft|time_to_request|retry_delay)_ms":)[\d.]+')


def neutral(lines: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """The lines with ``names`` replaced, longest first; ids and times become counted ones."""
    ids: dict[str, str] = {}
    stamps: dict[str, str] = {}

    def counted(found: re.Match[str]) -> str:
        return ids.setdefault(found[0], f"00000000-0000-4000-8000-{len(ids) + 1:012d}")

    def stamped(found: re.Match[str]) -> str:
        return stamps.setdefault(found[0], str(1_700_000_000_000 + len(stamps)))

    told: list[str] = []
    for line in lines:
        line = shortened(line)
        for name in sorted(names, key=len, reverse=True):
            line = line.replace(name, names[name])
        line = UUID.sub(counted, line)
        line = MOMENT.sub("2026-01-01T00:00:00.000Z", line)
        line = MILLISECONDS.sub(stamped, line)
        line = SOCKET.sub("/tmp/cc-socks/1", line)
        line = TIMES.sub(r"\g<1>1000", line)
        told.append(PORT.sub("127.0.0.1:8080", line))
    return told


def shortened(line: str) -> str:
    """The line with its long lists cut; as it came, when there is nothing to cut."""
    try:
        event = json.loads(line)
    except ValueError:
        return line
    if not any(f'"{name}"' in line for name in LISTS):
        return line
    return json.dumps(cut(event), ensure_ascii=False, separators=(",", ":"))


def cut(value: Any) -> Any:
    match value:
        case dict():
            return {
                k: cut(v[:3] if k in LISTS and isinstance(v, list) else v) for k, v in value.items()
            }
        case list():
            return [cut(v) for v in value]
        case _:
            return value
