"""What goes over a connection: whole requests and whole answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


class GoneError(Exception):
    """The client has left, is too slow, or does not speak HTTP."""


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request. Names of headers are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    too_large: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
