"""What we and an agent say of ourselves before anything else (``initialize``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from massgen_ls.adapters.agents.program.members import Object, as_object, inner, objects, text
from massgen_ls.core.task import Json

VERSION = 1
"""Of the protocol."""
OURS: Mapping[str, Json] = {
    "protocolVersion": VERSION,
    # An agent reads and writes its worktree by itself: the files there are what the user sees,
    # unsaved buffers included.
    "clientCapabilities": {
        "fs": {"readTextFile": False, "writeTextFile": False},
        "terminal": False,
    },
    "clientInfo": {"name": "massgen-ls", "title": "MassGen", "version": "1"},
}


@dataclass(frozen=True, slots=True)
class Greeting:
    """What an agent says of itself."""

    name: str
    version: str
    protocol: int
    capabilities: Object
    methods: tuple[Object, ...]
    """Ways to log in: ``{id, name, description, …}``."""

    @classmethod
    def of(cls, told: Json) -> Greeting:
        """Reads the answer to ``initialize``."""
        body = as_object(told)
        info = inner(body, "agentInfo")
        protocol = body.get("protocolVersion")
        return cls(
            name=text(info, "title") or text(info, "name"),
            version=text(info, "version"),
            protocol=protocol if isinstance(protocol, int) else 0,
            capabilities=inner(body, "agentCapabilities"),
            methods=tuple(objects(body.get("authMethods"))),
        )

    @property
    def takes_http(self) -> bool:
        """Whether it connects to MCP servers by HTTP."""
        return inner(self.capabilities, "mcpCapabilities").get("http") is True

    @property
    def loads(self) -> bool:
        """Whether it takes up an old conversation, and tells all of it again."""
        return self.capabilities.get("loadSession") is True

    @property
    def sees(self) -> bool:
        """Whether it can be shown pictures."""
        return inner(self.capabilities, "promptCapabilities").get("image") is True

    def can(self, what: str) -> bool:
        """Whether it can ``resume``, ``close``, ``fork`` sessions."""
        return isinstance(inner(self.capabilities, "sessionCapabilities").get(what), dict)
