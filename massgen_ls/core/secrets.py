"""Which texts are secret, and texts without them.

Secrets are known in two ways: values of variables that are named like keys or that the
configuration hands to agents, and words of a shape that only keys have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

_NAMED = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH", re.IGNORECASE)
_SHORTEST = 6
"""Characters: shorter values are words that stand everywhere."""
_SHAPES = re.compile(
    r"""
      \bsk-[A-Za-z0-9_-]{20,}                     # Anthropic, OpenAI, OpenRouter
    | \bAIza[A-Za-z0-9_-]{35}                     # Google
    | \b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}|glpat-[A-Za-z0-9_-]{20,})
    | \bxox[abprs]-[A-Za-z0-9-]{10,}
    | \b(?:xai-[A-Za-z0-9]{20,}|gsk_[A-Za-z0-9]{20,}|hf_[A-Za-z0-9]{30,})
    | \bAKIA[A-Z0-9]{16}\b
    | \beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,}   # a JSON web token
    | (?<=://)[^\s/@:]+:[^\s/@]+(?=@)             # user:password of an address
    | (?i:(?<=bearer\s)|(?<=basic\s))[A-Za-z0-9._~+/=-]{12,}
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----.*?(?:-----END\ [A-Z ]*PRIVATE\ KEY-----|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
SHOWN = "[secret]"
"""What is shown instead of a word that has the shape of a key."""


def secrets_of(environ: Mapping[str, str], chosen: Iterable[str] = ()) -> dict[str, str]:
    """What has to be hidden, with what is shown instead.

    Args:
        environ: Our own environment, which has the keys.
        chosen: Names of variables that agents are given by the configuration: secret as well.
    """
    named = frozenset(chosen)
    return {
        value: f"[{name}]"
        for name, value in environ.items()
        if (name in named or _NAMED.search(name)) and len(value) >= _SHORTEST
    }


class Hidden:
    """Replaces secrets in texts; cheap where there are none.

    Args:
        secrets: What is shown instead, by the secret.
        shapes: Whether words that look like keys are hidden too.
    """

    def __init__(self, secrets: Mapping[str, str], *, shapes: bool = False) -> None:
        self._shapes = shapes
        # As they are, inside of JSON and inside of an address.
        self._names = {
            form: name
            for value, name in secrets.items()
            for form in (value, json.dumps(value)[1:-1], quote(value, safe=""))
        }
        # The longest first, as one may be the beginning of another.
        words = sorted(self._names, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, words))) if words else None
        self._beginnings = frozenset(word[:n] for word in words for n in range(1, len(word)))
        self._longest = len(words[0]) - 1 if words else 0

    def __call__(self, text: str) -> str:
        """A text without secrets."""
        if self._pattern is not None:
            text = self._pattern.sub(lambda found: self._names[found[0]], text)
        return _SHAPES.sub(SHOWN, text) if self._shapes else text

    def uncertain(self, text: str) -> int:
        """How many of the last characters may begin a secret that goes on in the next text."""
        longest = min(self._longest, len(text))
        return next((n for n in range(longest, 0, -1) if text[-n:] in self._beginnings), 0)
