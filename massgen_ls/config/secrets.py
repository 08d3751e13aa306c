"""What looks like a key. A configuration names keys and never holds one."""

from __future__ import annotations

import re

_KEYS = re.compile(
    r"""
      \bsk-[A-Za-z0-9_-]{16,}                     # OpenAI, Anthropic, OpenRouter
    | \bAIza[0-9A-Za-z_-]{30,}                    # Google
    | \b(?:ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9]{30,}  # GitHub
    | \bgithub_pat_[A-Za-z0-9_]{30,}
    | \bglpat-[A-Za-z0-9_-]{16,}                  # GitLab
    | \bxai-[A-Za-z0-9]{24,}                      # xAI
    | \bgsk_[A-Za-z0-9]{24,}                      # Groq
    | \bhf_[A-Za-z0-9]{24,}                       # Hugging Face
    | \bnvapi-[A-Za-z0-9_-]{24,}                  # NVIDIA
    | \bpplx-[A-Za-z0-9]{24,}                     # Perplexity
    | \bcsk-[A-Za-z0-9]{24,}                      # Cerebras
    | \bfw_[A-Za-z0-9]{20,}                       # Fireworks
    | \bAKIA[0-9A-Z]{16}\b                        # AWS
    | \bxox[abprs]-[A-Za-z0-9-]{10,}              # Slack
    | \beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.  # a JSON web token
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----
    """,
    re.VERBOSE,
)
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)(?:_|$)",
    re.IGNORECASE,
)
_NOT_SECRET = frozenset({"max_tokens", "setup_key", "api_key_env"})
_REFERENCE = re.compile(r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$")


def holds_key(text: str) -> bool:
    """Whether a text has something in it that looks like a key of a known service."""
    return _KEYS.search(text) is not None


def names_secret(name: str) -> bool:
    """Whether a key of a mapping, or a variable, is called as secrets are."""
    return name not in _NOT_SECRET and _SECRET_NAME.search(name) is not None


def is_reference(text: str) -> bool:
    """Whether it is the name of a variable and nothing else: ``${NAME}``."""
    return _REFERENCE.match(text) is not None


def masked(given: object) -> str:
    """A value for a message; never one that looks like a key."""
    shown = repr(given)
    return "this value" if holds_key(shown) else shown
