"""Programs that make themselves hard to end, and how to tell that nothing of them is left."""

from __future__ import annotations

import asyncio
import os
import uuid
from pathlib import Path

from massgen_ls.adapters.host.survivors import row_of

ENV = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}

# A leader, its child, a child with its own session, a daemon (double fork, own session) that
# ignores SIGTERM, and one more in its own group: all of them sleep. The word "ready" comes when all
# of them exist.
FIVE = r"""
import os, signal, sys, time

def sleep():
    for fd in (0, 1, 2):
        if "hold" not in sys.argv:
            os.close(fd)
    while True:
        time.sleep(100)

ready, tell = os.pipe()

def born():
    os.write(tell, b".")

if os.fork() == 0:
    born(); sleep()
if os.fork() == 0:
    os.setsid(); born(); sleep()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        born(); sleep()
    os._exit(0)
if os.fork() == 0:
    os.setpgid(0, 0); born(); sleep()
count = 0
while count < 4:
    count += len(os.read(ready, 4 - count))
print("ready", flush=True)
if "leave" in sys.argv:
    os._exit(0)
while True:
    time.sleep(100)
"""


def tag() -> str:
    """A word that no other process has in its environment."""
    return f"tag-{uuid.uuid4().hex}"


def tagged(word: str) -> list[int]:
    """The living processes whose environment has it."""
    found: list[int] = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if word.encode() in Path(f"/proc/{name}/environ").read_bytes():
                    found.append(int(name))
            except OSError:
                continue
    return found


async def nobody(word: str, deadline: float = 5.0) -> bool:
    """Whether all of them are gone within some seconds."""
    loop = asyncio.get_running_loop()
    until = loop.time() + deadline
    while tagged(word):
        if loop.time() > until:
            return False
        await asyncio.sleep(0.005)
    return True


async def gone(pid: int, deadline: float = 5.0) -> bool:
    """Whether a process ends within some seconds; one that only waits to be reaped has ended."""
    loop = asyncio.get_running_loop()
    until = loop.time() + deadline
    while (row := row_of(pid)) is not None and not row.zombie:
        if loop.time() > until:
            return False
        await asyncio.sleep(0.005)
    return True


async def somebody(word: str, count: int, deadline: float = 20.0) -> list[int]:
    """Waits until there are as many of them."""
    async with asyncio.timeout(deadline):
        while len(found := tagged(word)) < count:  # noqa: ASYNC110 - other programs set no events
            await asyncio.sleep(0.005)
    return found
