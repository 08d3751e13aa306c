"""The machine's clock and fresh names."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime

from massgen_ls.core.task import RunId

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without those that look alike."""


class SystemClock:
    """`ports.Clock` of this machine."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()


class TimeIds:
    """`ports.Ids`: the time, so that runs sort, and four letters, so that two at once differ."""

    def run_id(self) -> RunId:
        """A name such as ``20261121-065512-k3f9`` (UTC)."""
        tail = "".join(secrets.choice(_LETTERS) for _ in range(4))
        return RunId(f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{tail}")
