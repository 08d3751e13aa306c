"""The wire format: a header block, then a JSON body. Pure, and without anything heavy to import."""

from __future__ import annotations

import json
from collections.abc import Mapping

MAX_HEADER = 8 * 1024
MAX_BODY = 256 * 1024 * 1024
"""Bytes of one message. A longer one cannot be told from a broken stream."""


class BrokenStreamError(Exception):
    """What arrives is not the base protocol: the stream cannot be trusted any further."""


class Frames:
    """Cuts a byte stream into message bodies, however the bytes arrive."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._length: int | None = None

    def feed(self, chunk: bytes) -> list[bytes]:
        """Takes the next bytes; returns every body that is now complete.

        Raises:
            BrokenStreamError: A header block without a usable Content-Length, or an absurd size.
        """
        self._pending += chunk
        bodies: list[bytes] = []
        while True:
            if self._length is None and not self._take_header():
                return bodies
            length = self._length
            if length is None or len(self._pending) < length:
                return bodies
            bodies.append(bytes(self._pending[:length]))
            del self._pending[:length]
            self._length = None

    def _take_header(self) -> bool:
        end = self._pending.find(b"\r\n\r\n", 0, MAX_HEADER)
        if end < 0:
            if len(self._pending) >= MAX_HEADER:
                raise BrokenStreamError("a header block that does not end")
            return False
        self._length = _content_length(bytes(self._pending[:end]))
        del self._pending[: end + 4]
        return True


def _content_length(header: bytes) -> int:
    for line in header.split(b"\r\n"):
        name, _, field = line.partition(b":")
        if name.strip().lower() == b"content-length":
            digits = field.strip()
            if not digits.isdigit() or len(digits) > 12 or int(digits) > MAX_BODY:
                raise BrokenStreamError(f"a Content-Length of {digits[:40]!r}")
            return int(digits)
    raise BrokenStreamError("a header block without a Content-Length")


def frame(message: Mapping[str, object]) -> bytes:
    """A message as it goes over the wire. ASCII only, so that lengths cannot be miscounted."""
    body = json.dumps(message, separators=(",", ":")).encode("ascii")
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def error_response(msg_id: object, code: int, message: str) -> dict[str, object]:
    """A JSON-RPC error response."""
    return {"jsonrpc": "2.0", "id": msg_id, "error": {"code": code, "message": message}}
