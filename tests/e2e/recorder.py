"""Keeps what a real editor says of itself: stands before the server and writes `initialize` down.

Run: ``python -m tests.e2e.recorder FILE COMMAND...``. `scripts/record_clients` puts it before the
server in tests with real editors (`MASSGEN_TEST_RECORD`), which fills `tests/e2e/clients`.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

KEPT = ("clientInfo", "capabilities")


def recorded(command: list[str], client: str) -> list[str]:
    """The command of a server, with the recorder before it when clients are to be recorded."""
    folder = os.environ.get("MASSGEN_TEST_RECORD")
    if not folder:
        return command
    program = [sys.executable, str(Path(__file__)), str(Path(folder).resolve() / f"{client}.json")]
    return [*program, *command]


def wrapped(interpreter: str, client: str, folder: Path) -> str:
    """The same for a program that an editor starts with arguments of its own."""
    command = recorded([interpreter], client)
    if command == [interpreter]:
        return interpreter
    script = folder / "recorder"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    script.chmod(0o755)
    return str(script)


def record(stream: IO[bytes], file: Path) -> bytes:
    """Writes the first message down; returns what was read for it."""
    taken = b""
    while not taken.endswith(b"\r\n\r\n"):
        taken += stream.readline()
    (length,) = [
        int(h[15:]) for h in taken.split(b"\r\n") if h.lower().startswith(b"content-length:")
    ]
    body = stream.read(length)
    greeting: dict[str, Any] = json.loads(body)["params"]
    found = {name: greeting[name] for name in KEPT if name in greeting}
    file.write_text(json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    return taken + body


def main() -> int:
    file, *command = sys.argv[1:]
    if "serve" not in command:
        os.execvp(command[0], command)
    with subprocess.Popen(command, stdin=subprocess.PIPE) as server:
        assert server.stdin is not None
        server.stdin.write(record(sys.stdin.buffer, Path(file)))
        server.stdin.flush()
        while piece := os.read(0, 65536):
            server.stdin.write(piece)
            server.stdin.flush()
        server.stdin.close()
    return server.returncode


if __name__ == "__main__":
    sys.exit(main())
