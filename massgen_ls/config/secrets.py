"""What looks like a key. A configuration names keys and never holds one."""

from __future__ import annotations

import re

from massgen_ls.core import secrets

_NOT_SECRET = frozenset({"max_tokens", "setup_key", "api_key_env"})
_REFERENCE = re.compile(r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$")


def names_secret(name: str) -> bool:
    """Whether a key of a mapping, or a variable, is called as secrets are."""
    return name not in _NOT_SECRET and secrets.names_secret(name)


def is_reference(text: str) -> bool:
    """Whether it is the name of a variable and nothing else: ``${NAME}``."""
    return _REFERENCE.match(text) is not None


def masked(given: object) -> str:
    """A value for a message; never one that looks like a key."""
    shown = repr(given)
    return "this value" if secrets.holds_key(shown) else shown
