"""From a started ACP agent to a session that waits for its prompt: greeting, login, settings."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from massgen_ls.adapters.agents.acp.box import Allow, Box
from massgen_ls.adapters.agents.acp.connection import Connection
from massgen_ls.adapters.agents.acp.greeting import VERSION, Greeting
from massgen_ls.adapters.agents.acp.jsonrpc import METHOD_NOT_FOUND, PeerGoneError, RpcError
from massgen_ls.adapters.agents.acp.order import Launch
from massgen_ls.adapters.agents.attempt.failing import kind_of, retry_after
from massgen_ls.adapters.agents.program.members import Object, inner, objects, text
from massgen_ls.core.failures import FailureKind
from massgen_ls.core.task import Json
from massgen_ls.ports import Ended, Place

AUTH_REQUIRED = -32000
_CLOSING = 1.0


class SetupError(Exception):
    """The agent cannot be used as it is configured.

    Attributes:
        kind: Which kind of failure that is.
    """

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind: FailureKind = kind


@dataclass(frozen=True, slots=True)
class Opened:
    """A session."""

    box: Box
    loadable: bool
    """Whether one can go on with it later."""
    fresh: bool
    """Whether it is a new conversation."""
    remarks: list[str]
    """What people should know."""


class Decide(Protocol):
    """Answers requests for permission.

    Attributes:
        session: The name of the session, once there is one.
    """

    session: str

    async def decide(self, params: Object) -> Json:
        """Which of the options was chosen."""
        ...


async def opened(
    connection: Connection, launch: Launch, place: Place, session: str, decide: Decide
) -> Opened:
    """Opens a session, logs in if the agent asks for it, and sets what is configured.

    Args:
        connection: The agent.
        launch: How it is spoken to.
        place: Where it works.
        session: The name of an old conversation to go on with; empty: a new one.
        decide: Answers requests for permission.

    Raises:
        SetupError: It does not do what is configured.
        RpcError: It refuses.
        PeerGoneError: It has ended.
    """
    try:
        greeting = await connection.greet()
    except RpcError as error:
        if error.code == METHOD_NOT_FOUND:
            raise SetupError("protocol", "it does not speak the Agent Client Protocol") from error
        raise
    if greeting.protocol != VERSION:
        raise SetupError(
            "protocol",
            f"it speaks version {greeting.protocol} of ACP and we speak version {VERSION}",
        )
    remarks: list[str] = []
    params: dict[str, Json] = {"cwd": place.folder, "mcpServers": []}
    if place.access is not None:
        if launch.no_tools:
            remarks.append(launch.no_tools)
        elif not greeting.takes_http:
            remarks.append(
                f"{launch.name} takes no MCP servers over HTTP: it works without massgen's tools"
            )
        else:
            token: Json = {"name": "Authorization", "value": f"Bearer {place.access.token}"}
            params["mcpServers"] = [
                {"type": "http", "name": place.access.name, "url": place.access.url,
                 "headers": [token]}
            ]  # fmt: skip
    if launch.meta:
        params["_meta"] = {**launch.meta}
    loading = "session/resume" if greeting.can("resume") else "session/load"
    loadable = greeting.loads or greeting.can("resume")
    fresh = True
    if session and loadable:
        if launch.before_load is not None:
            await asyncio.to_thread(launch.before_load, connection.env, session)
        try:
            box, told = await connection.take_up(
                session, params, decide.decide, method=loading, settle=launch.settle
            )
            fresh = False
        except RpcError as error:
            remarks.append(f"its conversation is lost ({said(error)}): a new one is begun")
            box, told = await _new(connection, launch, greeting, params, decide)
    else:
        box, told = await _new(connection, launch, greeting, params, decide)
    if not box.session:
        raise SetupError("protocol", "it opened a session without a name")
    decide.session = box.session
    try:
        await _configured(connection, launch, box, told)
    except BaseException:
        connection.forget(box)
        raise
    return Opened(box, loadable, fresh, remarks)


async def _new(
    connection: Connection,
    launch: Launch,
    greeting: Greeting,
    params: Mapping[str, Json],
    decide: Decide,
) -> tuple[Box, Object]:
    allow: Allow = decide.decide
    try:
        return await connection.open(params, allow)
    except RpcError as error:
        method = _method(launch.auth, greeting.methods)
        if error.code != AUTH_REQUIRED or not method:
            raise
        try:
            await connection.peer.request("authenticate", {"methodId": method})
        except RpcError as refusal:
            raise RpcError(AUTH_REQUIRED, refusal.message, refusal.data) from error
        return await connection.open(params, allow)


def _method(wanted: Sequence[str], offered: Sequence[Object]) -> str:
    names = {text(method, "id") for method in offered}
    return next((name for name in wanted if name in names), "")


async def _configured(connection: Connection, launch: Launch, box: Box, told: Object) -> None:
    """Sets mode, model and options, as far as they are configured and differ."""
    if launch.mode:
        await _mode(connection, launch.mode, box, inner(told, "modes"))
    options = objects(told.get("configOptions"))
    if launch.model:
        await _model(connection, launch.model, box, options, inner(told, "models"))
    for name, value in launch.options.items():
        known = [text(option, "id") for option in options]
        if name not in known:
            raise SetupError(
                "config",
                f"it has no option {name!r}; it has: {', '.join(known) or 'none'}. "
                "Correct `options` in the configuration",
            )
        await _option(connection, box, name, value)


async def _mode(connection: Connection, mode: str, box: Box, modes: Object) -> None:
    known = [text(one, "id") for one in objects(modes.get("availableModes"))]
    if mode not in known:
        raise SetupError(
            "config",
            f"it has no mode {mode!r}; it has: {', '.join(known) or 'none'}. "
            "Correct `mode` in the configuration",
        )
    if modes.get("currentModeId") != mode:
        params: dict[str, Json] = {"sessionId": box.session, "modeId": mode}
        await connection.peer.request("session/set_mode", params)


async def _model(
    connection: Connection, model: str, box: Box, options: Sequence[Object], models: Object
) -> None:
    for option in options:
        if option.get("category") == "model" or text(option, "id") == "model":
            if option.get("currentValue") != model:
                await _option(connection, box, text(option, "id"), model)
            return
    if models.get("currentModelId") == model:
        return
    known = [text(one, "modelId") for one in objects(models.get("availableModels"))]
    try:
        await connection.peer.request(
            "session/set_model", {"sessionId": box.session, "modelId": model}
        )
    except RpcError as error:
        why = (
            "it does not let its model be chosen over ACP: choose it in its own settings"
            if error.code == METHOD_NOT_FOUND
            else f"it refuses the model {model!r} ({error.message}); "
            f"it has: {', '.join(known) or 'it does not say which'}"
        )
        raise SetupError("config", why) from error


async def _option(connection: Connection, box: Box, name: str, value: Json) -> None:
    params: dict[str, Json] = {"sessionId": box.session, "configId": name, "value": value}
    if isinstance(value, bool):
        params["type"] = "boolean"
    try:
        await connection.peer.request("session/set_config_option", params)
    except RpcError as error:
        raise SetupError(
            "config", f"it refuses {value!r} for its option {name!r} ({error.message})"
        ) from error


async def closed(connection: Connection, box: Box) -> None:
    """Tells an agent with more sessions that this one is over, where it wants to know."""
    greeting = connection.greeting
    if greeting is None or connection.over.is_set() or not greeting.can("close"):
        return
    with contextlib.suppress(TimeoutError, RpcError, PeerGoneError):
        async with asyncio.timeout(_CLOSING):
            await connection.peer.request("session/close", {"sessionId": box.session})


class _Failed(Protocol):
    def __call__(
        self, kind: FailureKind | None, said: str, after: float | None = None
    ) -> Ended: ...


def refused(error: RpcError, connection: Connection, launch: Launch, failed: _Failed) -> Ended:
    """An error of the agent as an end, with what to do about it."""
    words = said(error)
    if error.code == AUTH_REQUIRED:
        greeting = connection.greeting
        ways = _ways(greeting.methods) if greeting is not None else ""
        return failed("auth", f"{words}; it offers: {ways}" if ways else words)
    # 500 is what some agents say for everything: their words know better.
    status = error.code if 400 <= error.code < 600 and error.code != 500 else None
    return failed(kind_of(status, words), words, retry_after(words))


def said(error: RpcError) -> str:
    """Everything that an error says, as one text."""
    parts = [error.message]
    if isinstance(error.data, str):
        parts.append(error.data)
    elif isinstance(error.data, dict):
        for name in ("message", "details", "detail", "error", "reason"):
            if words := text(error.data, name):
                parts.append(words)
    unique = dict.fromkeys(part.strip() for part in parts if part.strip())
    whole = ": ".join(unique)
    return whole if 400 <= error.code < 600 else f"{whole or 'error'} ({error.code})"


def _ways(methods: Sequence[Object]) -> str:
    found: list[str] = []
    for method in methods:
        name = text(method, "name") or text(method, "id")
        variables = ", ".join(text(var, "name") for var in objects(method.get("vars")))
        found.append(f"{name} ({variables})" if variables else name)
    return ", ".join(name for name in found if name)
