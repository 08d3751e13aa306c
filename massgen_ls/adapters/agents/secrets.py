"""Which of our variables are keys: their values are no part of what is kept of an agent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH", re.IGNORECASE)
_SHORTEST = 6
"""Characters: shorter values are words that stand everywhere."""


def secrets(environ: Mapping[str, str], chosen: Iterable[str] = ()) -> dict[str, str]:
    """What has to be hidden, with what is shown instead.

    Args:
        environ: Our own environment, which has the keys.
        chosen: Names of variables that agents are given by the configuration: secret as well.
    """
    named = frozenset(chosen)
    return {
        value: f"[{name}]"
        for name, value in environ.items()
        if (name in named or _SECRET.search(name)) and len(value) >= _SHORTEST
    }
