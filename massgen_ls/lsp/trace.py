"""`$/setTrace` and `$/logTrace`: what goes to and fro, for the editor's own log.

Costs nothing while it is off. Keys are no part of what is shown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

_LONGEST = 8 * 1024
"""Characters of a message's body that are shown."""

VALUES = ("off", "messages", "verbose")


class Trace:
    """Tells the client of each message.

    Args:
        tell: Sends the parameters of a `$/logTrace`.
        hides: Makes what takes secrets out of a text; called when a text is shown first.
    """

    def __init__(
        self, tell: Callable[[Mapping[str, str]], None], hides: Callable[[], Callable[[str], str]]
    ) -> None:
        self._tell = tell
        self._hides = hides
        self._hide: Callable[[str], str] | None = None
        self._value = "off"

    def turn(self, value: object) -> None:
        """Takes what `initialize` or `$/setTrace` say; anything else changes nothing."""
        # (What lsprotocol makes of a value is equal to its text, and prints as something else.)
        self._value = next((known for known in VALUES if known == value), self._value)

    @property
    def on(self) -> bool:
        """Whether anything is told at all."""
        return self._value != "off"

    def heard(self, message: Mapping[str, object]) -> None:
        """A message of the client."""
        if self.on:
            self._show("received", message)

    def said(self, message: Mapping[str, object]) -> None:
        """A message to the client."""
        if self.on and message.get("method") != "$/logTrace":
            self._show("sent", message)

    def _show(self, way: str, message: Mapping[str, object]) -> None:
        method, number = message.get("method"), message.get("id")
        if method is None:
            failed = " (an error)" if "error" in message else ""
            line = f"{way} the answer to {number!r}{failed}"
        elif number is None:
            line = f"{way} the notification {method}"
        else:
            line = f"{way} the request {method}, {number!r}"
        told = {"message": line}
        if self._value == "verbose":
            body = next((message[k] for k in ("params", "result", "error") if k in message), None)
            self._hide = self._hide or self._hides()
            text = self._hide(json.dumps(body, ensure_ascii=False, default=str))
            more = f"… ({len(text)} characters)" if len(text) > _LONGEST else ""
            told["verbose"] = text[:_LONGEST] + more
        self._tell(told)
