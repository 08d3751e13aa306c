"""An agent made with the official Python SDK of ACP, which knows nothing of our side.

It does what the prompt says, a line each: ``say TEXT``, ``think TEXT``, ``write NAME TEXT`` (asks
for permission first), ``edit NAME TEXT`` (does not ask), ``run COMMAND`` (asks), ``ask KIND NAME``,
``background SECONDS`` (a daemon), ``touch NAME``, ``wait`` (until cancelled), ``deaf`` (until
killed), ``crash``, ``stop REASON``, ``error CODE TEXT``, ``strange`` (asks us what we do not know),
``spend TOKENS DOLLARS``, ``mcp`` (asks our server for its tools), ``huge KILOBYTES``, ``count``
(says how many prompts there were). Lines that are none of these say nothing.

What it is like is told by the JSON in ``SDK_AGENT``; what it heard goes to the file it names.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import acp
from acp import schema

LIKE: dict[str, Any] = json.loads(os.environ.get("SDK_AGENT", "{}"))


def note(kind: str, **told: Any) -> None:
    if "log" in LIKE:
        with open(LIKE["log"], "a") as file:
            file.write(json.dumps({"kind": kind, **told}) + "\n")


class SdkAgent(acp.Agent):
    client: Any

    def __init__(self) -> None:
        self.cwd: dict[str, str] = {}
        self.mcp: dict[str, Any] = {}
        self.prompts: dict[str, int] = {}
        self.cancelled: dict[str, asyncio.Event] = {}
        self.logged_in = not LIKE.get("locked")

    def on_connect(self, conn: Any) -> None:
        self.client = conn

    async def initialize(self, protocol_version: int, **given: Any) -> schema.InitializeResponse:
        capabilities = given["client_capabilities"].model_dump(by_alias=True, exclude_none=True)
        note("initialize", version=protocol_version, capabilities=capabilities, pid=os.getpid(),
             env=sorted(os.environ), seat=os.environ.get("MASSGEN_SEAT"))  # fmt: skip
        if LIKE.get("mute"):
            await asyncio.Event().wait()
        methods = [
            schema.AuthMethodAgent(id=m, name=m.title(), description="x")
            for m in LIKE.get("methods", [])
        ]
        return schema.InitializeResponse(
            protocol_version=LIKE.get("version", 1),
            agent_capabilities=schema.AgentCapabilities(
                load_session=LIKE.get("load", False),
                prompt_capabilities=schema.PromptCapabilities(image=LIKE.get("sees", False)),
                mcp_capabilities=schema.McpCapabilities(http=LIKE.get("http", True)),
                session_capabilities=schema.SessionCapabilities(
                    close=schema.SessionCloseCapabilities()
                ),
            ),
            agent_info=schema.Implementation(name="sdk-agent", version="1.2.3"),
            auth_methods=methods,
        )

    async def authenticate(self, method_id: str, **given: Any) -> None:
        note("authenticate", method=method_id)
        if method_id == LIKE.get("opens"):
            self.logged_in = True
            return
        raise acp.RequestError.auth_required({"message": "that key opens nothing"})

    def _begin(self, session: str, cwd: str, mcp: Any) -> None:
        self.cwd[session] = cwd
        self.mcp[session] = mcp or []
        self.cancelled[session] = asyncio.Event()

    async def new_session(
        self, cwd: str, mcp_servers: Any = None, **given: Any
    ) -> schema.NewSessionResponse:
        if not self.logged_in:
            raise acp.RequestError.auth_required()
        session = f"s{len(self.cwd) + 1}"
        self._begin(session, cwd, mcp_servers)
        servers = [server.model_dump(by_alias=True) for server in mcp_servers or []]
        note("new", cwd=cwd, servers=servers, meta=given.get("field_meta") or given)
        modes = schema.SessionModeState(
            current_mode_id="ask",
            available_modes=[schema.SessionMode(id=m, name=m) for m in ("ask", "code")],
        )
        choice = schema.SessionConfigOptionSelect(
            id="brain", name="Brain", category="model", type="select", current_value="small",
            options=[schema.SessionConfigSelectOption(name=v, value=v) for v in ("small", "big")],
        )  # fmt: skip
        flag = schema.SessionConfigOptionBoolean(
            id="loud", name="Loud", type="boolean", current_value=False
        )
        return schema.NewSessionResponse(
            session_id=session, modes=modes, config_options=[choice, flag]
        )

    async def load_session(
        self, cwd: str, session_id: str, mcp_servers: Any = None, **_: Any
    ) -> Any:
        note("load", session=session_id)
        if session_id == "lost":
            raise acp.RequestError.invalid_params({"message": "no such session"})
        self._begin(session_id, cwd, mcp_servers)
        for number in range(200):
            await self._say(session_id, f"old words {number}")
        return schema.LoadSessionResponse()

    async def set_session_mode(self, session_id: str, mode_id: str, **_: Any) -> None:
        note("mode", mode=mode_id)

    async def set_config_option(self, config_id: str, session_id: str, value: Any, **_: Any) -> Any:
        note("option", id=config_id, value=value)
        if value == "huge":
            raise acp.RequestError.invalid_params({"message": "there is no huge brain"})
        return schema.SetSessionConfigOptionResponse(config_options=[])

    async def close_session(self, session_id: str, **_: Any) -> None:
        note("close", session=session_id)

    async def cancel(self, session_id: str, **_: Any) -> None:
        note("cancel", session=session_id)
        self.cancelled[session_id].set()

    async def _say(self, session: str, text: str) -> None:
        await self.client.session_update(session, acp.update_agent_message_text(text))

    async def _ask(self, session: str, call: str, **told: Any) -> bool:
        kinds = ("allow_always", "allow_once", "reject_once", "reject_always")
        answer = await self.client.request_permission(
            session_id=session,
            options=[schema.PermissionOption(option_id=f"o-{k}", name=k, kind=k) for k in kinds],
            tool_call=schema.ToolCallUpdate(tool_call_id=call, **told),
        )
        note("permission", outcome=answer.outcome.model_dump(by_alias=True))
        return getattr(answer.outcome, "option_id", "") == "o-allow_once"

    async def prompt(self, session_id: str, prompt: Any, **_: Any) -> schema.PromptResponse:
        text = "\n".join(block.text for block in prompt if block.type == "text")
        shown = [block.data for block in prompt if block.type == "image"]
        note("prompt", session=session_id, text=text, shown=shown)
        self.prompts[session_id] = self.prompts.get(session_id, 0) + 1
        self.cancelled[session_id].clear()
        usage = None
        for number, line in enumerate(text.split("\n")):
            word, _, rest = line.partition(" ")
            if word == "stop":
                return schema.PromptResponse(stop_reason=rest)
            if word == "spend":
                tokens, dollars = rest.split()
                usage = schema.Usage(
                    total_tokens=int(tokens), input_tokens=int(tokens), output_tokens=7,
                    cached_read_tokens=5,
                )  # fmt: skip
                cost = schema.Cost(amount=float(dollars), currency="USD")
                await self.client.session_update(
                    session_id,
                    schema.UsageUpdate(session_update="usage_update", used=1, size=9, cost=cost),
                )
                continue
            done = await self._do(session_id, f"c{self.prompts[session_id]}.{number}", word, rest)
            if done:
                return schema.PromptResponse(stop_reason=done)
        return schema.PromptResponse(stop_reason="end_turn", usage=usage)

    async def _do(self, session: str, call: str, word: str, rest: str) -> str:
        top = Path(self.cwd[session])
        name, _, body = rest.partition(" ")
        match word:
            case "say":
                await self._say(session, rest.replace("\\n", "\n"))
            case "think":
                await self.client.session_update(session, acp.update_agent_thought_text(rest))
            case "write" | "edit":
                path = top / name
                old = path.read_text() if path.exists() else None
                content = [acp.tool_diff_content(str(path), body + "\n", old)]
                told: dict[str, Any] = {"title": f"Edit {name}", "kind": "edit", "content": content}
                if word == "write" and not await self._ask(session, call, **told):
                    await self._over(session, call, "failed", "not allowed")
                    return ""
                if word == "edit":
                    start = acp.start_tool_call(call, f"Edit {name}", kind="edit",
                                                status="in_progress", content=content)  # fmt: skip
                    await self.client.session_update(session, start)
                path.write_text(body + "\n")
                await self._over(session, call, "completed", "written")
            case "touch":
                (top / name).touch()
            case "run":
                asked = {"title": f"`{rest}`", "kind": "execute", "raw_input": {"command": rest}}
                if not await self._ask(session, call, **asked):
                    await self._over(session, call, "failed", "not allowed")
                    return ""
                await self._over(
                    session, call, "completed", await asyncio.to_thread(ran, rest, top)
                )
            case "ask":
                place = schema.ToolCallLocation(path=body)
                await self._ask(session, call, title=f"{name} {body}", kind=name, locations=[place])
            case "background":
                daemon(f"import time; time.sleep({rest})")
            case "wait":
                await self.cancelled[session].wait()
                return "cancelled"
            case "deaf":
                await asyncio.Event().wait()
            case "crash":
                sys.stderr.write("Segmentation fault, honestly\n")
                sys.stderr.flush()
                os.kill(os.getpid(), signal.SIGKILL)
            case "error":
                raise acp.RequestError(int(name), body)
            case "strange":
                try:
                    await self.client.read_text_file(session_id=session, path="/etc/hostname")
                except acp.RequestError as error:
                    await self._say(session, f"code {error.code}")
            case "mcp":
                await self._say(session, await asyncio.to_thread(listed, self.mcp[session][0]))
            case "huge":
                await self._say(session, "x" * (1024 * int(rest)))
            case "count":
                await self._say(session, f"prompt {self.prompts[session]}")
            case _:
                pass
        return ""

    async def _over(self, session: str, call: str, status: Any, text: str) -> None:
        content = [acp.tool_content(acp.text_block(text))]
        update = acp.update_tool_call(call, status=status, content=content)
        await self.client.session_update(session, update)


def ran(command: str, folder: Path) -> str:
    return subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True).stdout


def daemon(script: str) -> None:
    null = subprocess.DEVNULL
    subprocess.Popen(
        [sys.executable, "-c", script], start_new_session=True,
        stdin=null, stdout=null, stderr=null,
    )  # fmt: skip


def listed(server: Any) -> str:
    """What the MCP server answers to somebody with this header."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
    headers = {header.name: header.value for header in server.headers}
    request = urllib.request.Request(server.url, body, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


if __name__ == "__main__":
    asyncio.run(acp.run_agent(SdkAgent(), use_unstable_protocol=True))
