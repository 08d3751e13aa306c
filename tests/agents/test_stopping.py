"""Whoever shall stop has stopped within five seconds, even if it talks on and is deaf."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from massgen_ls.adapters.agents.acp.driver import AcpDriver
from massgen_ls.adapters.agents.acp.pool import AcpPool
from massgen_ls.adapters.agents.claude.driver import ClaudeCodeDriver
from massgen_ls.adapters.agents.codex.driver import CodexDriver
from massgen_ls.adapters.agents.gemini.driver import GeminiDriver
from massgen_ls.adapters.host.process import HostProcesses
from massgen_ls.core.task import AgentSpec
from massgen_ls.ports import STOPPED, Driver, Halt, Note, Said
from tests.agents.stage import Stage, Told, agent, begun, brief, left_over

KEPT = 5.0
DEAF = f"""#!{sys.executable}
import json, os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def tell(**event):
    os.write(1, json.dumps(event).encode() + b"\\n")
"""
ACP = """
for line in sys.stdin:
    heard = json.loads(line)
    if heard["method"] == "session/prompt":
        break
    told = {"protocolVersion": 1} if heard["method"] == "initialize" else {"sessionId": "s1"}
    tell(jsonrpc="2.0", id=heard["id"], result=told)
text = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "on "}}
while True:
    tell(jsonrpc="2.0", method="session/update", params={"sessionId": "s1", "update": text})
"""
CLAUDE = """
tell(type="system", subtype="init", session_id="s1")
while True:
    delta = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "on "}}
    tell(type="stream_event", event=delta)
"""
CODEX = """
tell(type="thread.started", thread_id="t1")
tell(type="turn.started")
while True:
    tell(type="item.completed", item={"id": "i", "type": "agent_message", "text": "on"})
"""
GEMINI = """
tell(type="init", session_id="s1")
while True:
    tell(type="message", role="assistant", content="on ", delta=True)
"""
Cast = Callable[[Stage, str], tuple[Driver, AgentSpec]]


def acp(stage: Stage, program: str) -> tuple[Driver, AgentSpec]:
    return AcpDriver(stage.processes, stage.around), agent("acp", argv=[program])


def claude(stage: Stage, program: str) -> tuple[Driver, AgentSpec]:
    driver = ClaudeCodeDriver(stage.processes, stage.around)
    return driver, agent("claude_code", program=program)


def codex(stage: Stage, program: str) -> tuple[Driver, AgentSpec]:
    driver = CodexDriver(stage.processes, stage.around)
    return driver, agent("codex", program=program, base_url="http://127.0.0.1:9/")


def gemini(stage: Stage, program: str) -> tuple[Driver, AgentSpec]:
    driver = GeminiDriver(stage.processes, stage.around)
    return driver, agent("gemini_cli", program=program, protocol="stream-json")


PLAYERS = [(acp, ACP), (claude, CLAUDE), (codex, CODEX), (gemini, GEMINI)]
EACH = pytest.mark.parametrize(
    ("cast", "script"), PLAYERS, ids=["acp", "claude", "codex", "gemini"]
)


def stage_at(top: Path, script: str) -> tuple[Stage, str]:
    """A stage with the patience that users have, and a program."""
    stage = Stage(top)
    stage.processes = HostProcesses()
    program = top / "program"
    program.write_text(DEAF + script)
    program.chmod(0o755)
    return stage, str(program)


async def speaking(news: Sequence[object]) -> None:
    while not any(isinstance(i, Said) and i.stream == "stdout" for i in news):  # noqa: ASYNC110
        await asyncio.sleep(0.01)


@EACH
@pytest.mark.parametrize("how", ["halt", "cancel"])
async def test_a_stop_is_kept(tmp_path: Path, cast: Cast, script: str, how: str) -> None:
    stage, program = stage_at(tmp_path, script)
    driver, spec = cast(stage, program)
    async with begun(driver, spec, brief(), stage.place()) as (news, task):
        await speaking(news)
        asked = time.monotonic()
        if how == "halt":
            stage.inbox.put(Halt())
        else:
            task.cancel()
        await asyncio.wait([task])
        took = time.monotonic() - asked
    assert took < KEPT
    assert left_over(stage) == []
    if how == "halt":
        ended = Told(news).ended
        assert (ended.outcome, ended.reason) == ("done", STOPPED)


@EACH
async def test_its_time_is_kept(tmp_path: Path, cast: Cast, script: str) -> None:
    stage, program = stage_at(tmp_path, script)
    driver, spec = cast(stage, program)
    began = time.monotonic()
    async with begun(driver, spec, brief(), stage.place(timeout=1.5)) as (news, _):
        pass
    assert Told(news).how == ("timed_out", "timeout")
    assert "did not end within 1.5 s" in Told(news).ended.reason
    assert time.monotonic() - began < 1.5 + KEPT
    assert left_over(stage) == []


async def test_in_a_shared_process_it_is_kept_too(tmp_path: Path) -> None:
    stage, program = stage_at(tmp_path, ACP)
    async with AcpPool(stage.processes) as pool:
        driver = AcpDriver(stage.processes, stage.around, pool)
        spec = agent("acp", argv=[program])
        async with begun(driver, spec, brief(), stage.place()) as (news, task):
            await speaking(news)
            asked = time.monotonic()
            stage.inbox.put(Halt())
            await asyncio.wait([task])
            assert time.monotonic() - asked < KEPT
    assert Told(news).ended.reason == STOPPED


async def test_who_reads_nothing_is_stopped_all_the_same(tmp_path: Path) -> None:
    """The prompt does not fit into a pipe, and waits for the program for ever."""
    script = "import time\nwhile True: time.sleep(60)"
    stage, program = stage_at(tmp_path, script)
    driver, spec = claude(stage, program)
    async with begun(driver, spec, brief("x" * 1_000_000), stage.place()) as (news, task):
        asked = time.monotonic()
        stage.inbox.put(Halt())
        await asyncio.wait([task])
        assert time.monotonic() - asked < KEPT
    assert Told(news).ended.reason == STOPPED
    assert stage.changed == {}


async def test_a_stop_is_kept_before_the_agent_has_said_hello(tmp_path: Path) -> None:
    stage, program = stage_at(tmp_path, "sys.stdin.read()\nwhile True: signal.pause()")
    driver, spec = acp(stage, program)
    async with begun(driver, spec, brief(), stage.place()) as (news, task):
        asked = time.monotonic()
        stage.inbox.put(Note("never mind"))
        stage.inbox.put(Halt())
        await asyncio.wait([task])
        assert time.monotonic() - asked < KEPT
    ended = Told(news).ended
    assert (ended.reason, ended.unheard) == (STOPPED, ("never mind",))
    assert left_over(stage) == []
