"""Which kind of failure an agent's error is, and what the user can do about it.

The programs word their errors in many ways and change them; what stays is the HTTP status of their
service, a few type names, and the system's own words. Whatever is not known is no known kind, and
is shown as it came.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from massgen_ls.core.failures import FailureKind

_STATUS: dict[int, FailureKind] = {
    401: "auth", 402: "auth", 403: "auth", 404: "config", 408: "network", 413: "context",
    429: "rate_limit", 529: "overloaded",
}  # fmt: skip

# The first that matches counts: the particular before the general.
_WORDS: tuple[tuple[FailureKind, re.Pattern[str]], ...] = (
    (
        "context",
        re.compile(
            r"prompt is too long|context.{0,20}(length|window|limit)"
            r"|input (token count.{0,20})?exceeds"
            r"|too many tokens(?!.{0,20}wait)|maximum context|request_too_large",
            re.IGNORECASE,
        ),
    ),
    (
        "auth",
        re.compile(
            r"credit balance|insufficient_quota|invalid.{0,8}api.?key|api.?key.{0,20}(invalid|not)"
            r"|authenticat|unauthori[sz]ed|permission_?(error|denied)|not logged in|please.{0,20}"
            r"log ?in|/login|oauth|forbidden|CODEX_HOME points to",
            re.IGNORECASE,
        ),
    ),
    (
        "rate_limit",
        re.compile(
            r"rate.?limit|too many (requests|tokens)|resource_exhausted|quota|usage limit"
            r"|hit your limit|throttl",
            re.IGNORECASE,
        ),
    ),
    (
        "overloaded",
        re.compile(
            r"overloaded|unavailable|internal server error|bad gateway|high demand|try again later",
            re.IGNORECASE,
        ),
    ),
    (
        "network",
        re.compile(
            r"ECONN\w+|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE|connection (error|refused|reset|closed)"
            r"|network|socket hang ?up|fetch failed|stream (closed|disconnected|ended)|dns"
            r"|error sending request|premature|unable to connect|request tim(ed |e)?out|certificate"
            r"|\bterminated\b",
            re.IGNORECASE,
        ),
    ),
    (
        "config",
        re.compile(
            r"model.{0,40}(not found|not exist|not supported)|unknown (option|argument)"
            r"|unexpected argument|error loading config",
            re.IGNORECASE,
        ),
    ),
    (
        "protocol",
        re.compile(
            r"incomplete json|unexpected token|not valid json|malformed|empty response",
            re.IGNORECASE,
        ),
    ),
    (
        "refused",
        re.compile(r"refus|declin|(content|usage).?policy|safety|blocked by", re.IGNORECASE),
    ),
    ("turns", re.compile(r"max(imum)?.{0,12}turns|turn limit|max_budget", re.IGNORECASE)),
)

_HTTP = re.compile(
    r"(?:error|status|code|http(?:/[\d.]+)?|rejected)\W{1,6}(4\d\d|5[0-3]\d)(?![\d.])",
    re.IGNORECASE,
)
"""A bare number may be anything: a line, a port, a count."""
_AFTER = re.compile(
    r"(?:retry[- _]?(?:after|in|delay)|try again in|reset after)(-ms)?\W{0,8}(?=[0-9])",
    re.IGNORECASE,
)
_SPAN = re.compile(
    r"([0-9]+(?:\.[0-9]+)?)"
    r"(?:\s*(ms|milliseconds?|s|sec(?:onds?)?|m|min(?:utes?)?|h|hours?|d|days?)(?![a-z]))?"
    r"(?:,|\s|and\b)*",
    re.IGNORECASE,
)
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class Advice:
    """How one kind of agent is set right. Each a half sentence that follows "…: "."""

    login: str
    """How to give it a key or log it in."""
    model: str = "correct `model` in the configuration"
    turns: str = "raise `max_turns` in the configuration, or give it a smaller task"
    user: str = ""
    """`login` where its user's own login is used, which hands on no key; empty: the same."""


def kind_of(status: int | None, text: str) -> FailureKind | None:
    """The kind of an error.

    Args:
        status: The HTTP status of the agent's service, where it is told.
        text: Everything that was said about the error.
    """
    worded: FailureKind | None = next((kind for kind, words in _WORDS if words.search(text)), None)
    if status is None:
        if worded is not None:
            return worded
        found = _HTTP.search(text)
        status = int(found[1]) if found else None
    if status is None:
        return None
    # A service says 400 for a long prompt and 429 for an empty purse: the words know better.
    if status in {400, 413, 429} and worded in {"context", "auth"}:
        return worded
    if known := _STATUS.get(status):
        return known
    return "overloaded" if status >= 500 else worded


def retry_after(text: str) -> float | None:
    """Seconds that an error text asks to wait, where it does."""
    found = _AFTER.search(text)
    if found is None:
        return None
    total, at = 0.0, found.end()
    # Several in a row: `1h2m3s`, `3 days 4 hours and 5 minutes`.
    while span := _SPAN.match(text, at):
        unit = (span[2] or "").lower()
        if not unit:
            # A number without a unit is seconds, and only where it stands alone.
            factor = 0.001 if found[1] else 1.0
            return float(span[1]) * factor if at == found.end() else total
        total += float(span[1]) * (0.001 if unit.startswith(("ms", "mil")) else _UNITS[unit[0]])
        at = span.end()
    return total


def explained(kind: FailureKind | None, said: str, advice: Advice) -> str:
    """One or two sentences: what happened, in our words and the agent's, and what to do next."""
    said = " ".join(said.split())
    if len(said) > 400:
        said = f"{said[:400]}…"
    quote = f" ({said.rstrip('.')})" if said else ""
    match kind:
        case "auth":
            return f"it may not use its service{quote}: {advice.login}."
        case "rate_limit":
            return (
                f"its service asks for fewer requests{quote}: wait, start fewer agents at once, or "
                "raise the limit of the account."
            )
        case "overloaded":
            return f"its service is overloaded or out of order{quote}: try again later."
        case "network":
            return (
                f"its service cannot be reached, or the connection broke{quote}: look at the "
                "network, a proxy, or `base_url`."
            )
        case "context":
            return (
                f"the task outgrew its model's context{quote}: narrow the scope, or use a model "
                "with a larger window."
            )
        case "refused":
            return f"it declined the task{quote}: word it differently, or use another agent."
        case "turns":
            return f"it used up its turns{quote}: {advice.turns}."
        case "config":
            return f"it does not accept its settings{quote}: {advice.model}."
        case "timeout":
            return f"it was silent for too long{quote}: raise `idle_timeout` if that is normal."
        case "protocol":
            return f"what it said could not be understood{quote}: update the program."
        case "crashed":
            return f"it crashed{quote}."
        case "missing":
            return f"it cannot be started{quote}."
        case None:
            return said or "it failed without saying why."
