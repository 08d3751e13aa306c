"""Which texts are secret, and texts without them.

Secrets are known in two ways: values of variables that are named like keys or that the
configuration hands to agents, and words of a shape that only keys have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

_NAMES: tuple[tuple[str, str], ...] = (
    ("API_?KEY|KEY", "(?<![A-Z])(?:API)?KEY(?![A-Z])|KEYS?$"),
    ("TOKEN", "TOKEN"),
    ("SECRET", "SECRET"),
    ("PASSWORD|PASSWD|PASSPHRASE", "PASSW|PASSPHRASE"),
    ("CREDENTIALS?", "CREDENTIAL"),
    ("", "AUTH(?!ORS?(?:_|$))"),
)
"""What secrets are called: as a word between underscores, and anywhere in a name."""
_WORDS = "|".join(word for word, _ in _NAMES if word)
_CALLED = re.compile(f"(?:^|_)(?:{_WORDS})(?:_|$)", re.IGNORECASE)
_LIKE = re.compile("|".join(part for _, part in _NAMES), re.IGNORECASE)
_SHORTEST = 6
"""Characters: shorter values are words that stand everywhere."""
_KEYS = r"""
      \bsk-[A-Za-z0-9_-]{16,}                     # Anthropic, OpenAI, OpenRouter
    | \bAIza[A-Za-z0-9_-]{30,}                    # Google
    | \bgh[pousr]_[A-Za-z0-9]{30,}                # GitHub
    | \bgithub_pat_[A-Za-z0-9_]{30,}
    | \bglpat-[A-Za-z0-9_-]{16,}                  # GitLab
    | \bxai-[A-Za-z0-9]{20,}                      # xAI
    | \bgsk_[A-Za-z0-9]{20,}                      # Groq
    | \bhf_[A-Za-z0-9]{24,}                       # Hugging Face
    | \bnvapi-[A-Za-z0-9_-]{24,}                  # NVIDIA
    | \bpplx-[A-Za-z0-9]{24,}                     # Perplexity
    | \bcsk-[A-Za-z0-9]{24,}                      # Cerebras
    | \bfw_[A-Za-z0-9]{20,}                       # Fireworks
    | \bAKIA[A-Z0-9]{16}\b                        # AWS
    | \bxox[abprs]-[A-Za-z0-9-]{10,}              # Slack
    | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.  # a JSON web token
      [A-Za-z0-9_-]*
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----.*?(?:-----END\ [A-Z ]*PRIVATE\ KEY-----|\Z)
"""
_AROUND = r"""
      (?<=://)[^\s/@:]+:[^\s/@]+(?=@)             # user:password of an address
    | (?i:(?<=bearer\s)|(?<=basic\s))[A-Za-z0-9._~+/=-]{12,}
"""
_KEY = re.compile(_KEYS, re.VERBOSE | re.DOTALL)
_SHAPES = re.compile(f"{_KEYS}|{_AROUND}", re.VERBOSE | re.DOTALL)
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
        if (name in named or like_secret(name)) and len(value) >= _SHORTEST
    }


def names_secret(name: str) -> bool:
    """Whether something is called as secrets are: enough to refuse its value."""
    return _CALLED.search(name) is not None


def like_secret(name: str) -> bool:
    """Whether something may be called as secrets are: enough to hide its value."""
    return _LIKE.search(name) is not None


def holds_key(text: str) -> bool:
    """Whether a text has something in it that looks like a key of a known service."""
    return _KEY.search(text) is not None


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
        # Most texts have none, and to look for words one by one takes a hundredth of the time.
        if self._pattern is not None and any(word in text for word in self._names):
            text = self._pattern.sub(lambda found: self._names[found[0]], text)
        return _SHAPES.sub(SHOWN, text) if self._shapes else text

    def uncertain(self, text: str) -> int:
        """How many of the last characters may begin a secret that goes on in the next text."""
        longest = min(self._longest, len(text))
        return next((n for n in range(longest, 0, -1) if text[-n:] in self._beginnings), 0)
