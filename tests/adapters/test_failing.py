"""Real error texts of coding agents, and what is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_ls.adapters.agents.attempt.failing import Advice, explained, kind_of, retry_after
from massgen_ls.adapters.agents.claude.driver import ClaudeCodeDriver
from massgen_ls.adapters.agents.codex.driver import CodexDriver
from massgen_ls.core.failures import FAILURE_KINDS, FailureKind
from tests.agents.stage import Stage, agent, attempt, brief

REAL: list[tuple[int | None, str, FailureKind | None]] = [
    # Claude Code
    (401, "Invalid API key · Fix external API key", "auth"),
    (None, "Invalid API key · Please run /login", "auth"),
    (None, "OAuth token has expired. Please obtain a new token", "auth"),
    (None, "Not logged in · Please run /login", "auth"),
    (400, "Credit balance is too low", "auth"),
    (403, "API Error: 403 Request not allowed", "auth"),
    (429, "API Error: Request rejected (429) · This request would exceed your account's rate "
     "limit.", "rate_limit"),
    (None, "Claude AI usage limit reached|1760000000", "rate_limit"),
    (None, "You've hit your limit · resets 3pm (Europe/Berlin)", "rate_limit"),
    (429, "API Error: 429 Extra usage is required for long context requests", "rate_limit"),
    (500, "API Error: 500 Internal server error. This is a server-side issue, usually temporary — "
     "try again in a moment.", "overloaded"),
    (None, 'API Error: 529 {"type":"error","error":{"type":"overloaded_error"}}', "overloaded"),
    (None, "API Error: Connection to the API was lost (ECONNRESET). This is usually temporary — "
     "try again.", "network"),
    (None, "API Error: Connection refused — a firewall or proxy may be blocking it (ECONNREFUSED)",
     "network"),
    (None, "API Error: Request timed out.", "network"),
    (None, "API Error: Unable to connect to API due to poor internet connection", "network"),
    (None, "API Error: self signed certificate in certificate chain", "network"),
    (400, "Prompt is too long · the request is ~208310 tokens (limit 200000) but this conversation "
     "is only ~430 tokens", "context"),
    (None, "Reached maximum number of turns (3)", "turns"),
    (404, "There's an issue with the selected model (claude-x). It may not exist", "config"),
    (None, "API Error: Claude Code is unable to respond to this request, which appears to violate "
     "our Usage Policy", "refused"),
    # Gemini CLI
    (None, '[API Error: {"error":{"code":401,"message":"API key not valid. Please pass a valid API '
     'key.","status":"UNAUTHENTICATED"}}]', "auth"),
    (None, '{"error":{"code":403,"status":"PERMISSION_DENIED"}}', "auth"),
    (None, "[API Error: You exceeded your current quota. Please retry later.]\nPlease wait and try "
     "again later. To increase your limits, request a quota increase through AI Studio, or switch "
     "to another /auth method", "rate_limit"),
    (429, "Resource has been exhausted (e.g. check quota).", "rate_limit"),
    (None, '[API Error: {"error":{"code":500,"message":"An internal error has occurred. Please '
     'retry.","status":"INTERNAL"}}]', "overloaded"),
    (None, "[API Error: The model is overloaded. Please try again later. (Status: UNAVAILABLE)]",
     "overloaded"),
    (None, "[API Error: terminated]", "network"),
    (None, "[API Error: exception TypeError: fetch failed sending request]", "network"),
    (None, '[API Error: {"error":{"code":400,"message":"The input token count (1200000) exceeds '
     'the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}]', "context"),
    (None, "Reached max session turns for this session. Increase the number of turns by specifying "
     "maxSessionTurns in settings.json.", "turns"),
    (None, '{"error":{"code":404,"message":"models/gemini-9 is not found for API version v1beta"}}',
     "config"),
    # Codex
    (None, "unexpected status 401 Unauthorized: Incorrect API key provided., url: "
     "http://127.0.0.1:8080/v1/responses", "auth"),
    (None, "exceeded retry limit, last status: 429 Too Many Requests", "rate_limit"),
    (None, "You've hit your usage limit. Upgrade to Pro or try again in 3 days 4 hours 5 minutes.",
     "rate_limit"),
    (None, "Quota exceeded. Check your plan and billing details.", "rate_limit"),
    (429, '{"error":{"code":"insufficient_quota"}}', "auth"),
    (None, "We’re currently experiencing high demand, which may cause temporary errors.",
     "overloaded"),
    (None, "stream disconnected before completion: Transport error: network error: error decoding "
     "response body", "network"),
    (None, "Reconnecting... waiting for network (Connection failed: error sending request)",
     "network"),
    (None, "Codex ran out of room in the model's context window. Start a new thread or clear "
     "earlier history before retrying.", "context"),
    (None, "unexpected status 400 Bad Request: The 'gpt-9' model is not supported when using Codex",
     "config"),
    (None, "error: unknown option '--frobnicate'", "config"),
    # ACP agents and services behind others
    (None, "-32000 Authentication required", "auth"),
    (500, "terminated", "overloaded"),
    (None, "ThrottlingException: Too many tokens, please wait before trying again.", "rate_limit"),
    (None, "connect ECONNREFUSED 127.0.0.1:4010", "network"),
    (None, "getaddrinfo ENOTFOUND api.example.org", "network"),
    (413, "Request Entity Too Large", "context"),
    (408, "Request Timeout", "network"),
    (503, "", "overloaded"),
    (418, "I'm a teapot", None),
    # What says nothing about the service
    (None, "", None),
    (None, "Segmentation fault (core dumped)", None),
    (None, "TypeError: x is not a function\n    at main.js:500:12", None),
    (None, "wrote 512 files in 429 ms", None),
    (None, "EACCES: permission denied, open '/work/a.py'", None),
    (None, "see 127.0.0.1:500", None),
]  # fmt: skip


@pytest.mark.parametrize(("status", "text", "kind"), REAL, ids=lambda v: str(v)[:40])
def test_what_programs_really_say(status: int | None, text: str, kind: FailureKind | None) -> None:
    assert kind_of(status, text) == kind


@given(st.none() | st.integers(), st.text())
def test_any_text_is_of_some_kind_or_none(status: int | None, text: str) -> None:
    assert kind_of(status, text) in {None, *FAILURE_KINDS}
    asked = retry_after(text)
    assert asked is None or asked >= 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Retry-After: 30", 30.0),
        ("retry-after-ms: 1500", 1.5),
        ('"retryDelay": "34.5s"', 34.5),
        (r"\"retryDelay\": \"34.5s\"", 34.5),
        ("Please retry in 41.25s.", 41.25),
        ("Please retry in 250ms", 0.25),
        ("try again in 20s.", 20.0),
        ("Please try again in 6m0s.", 360.0),
        ("try again in 1 minute", 60.0),
        ("try again in 5 min", 300.0),
        ("Your quota will reset after 18h31m10s.", 18 * 3600 + 31 * 60 + 10.0),
        ("try again in 3 days 4 hours 5 minutes.", 3 * 86400 + 4 * 3600 + 300.0),
        ("Try again in 2 hours and 1 second", 7201.0),
        ("retry after 7", 7.0),
        ("retry after 7 for 3 hours", 7.0),
        ("try again in 5 steps", 5.0),
        ("try again in a moment", None),
        ("Retry-After: Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("resets 3pm", None),
        ("", None),
    ],
)
def test_how_long_a_service_asks_to_wait(text: str, seconds: float | None) -> None:
    assert retry_after(text) == seconds


ADVICE = Advice("set KEY")


@pytest.mark.parametrize("kind", [None, *get_args(FailureKind)])
def test_every_kind_is_explained_in_one_sentence_with_what_was_said(
    kind: FailureKind | None,
) -> None:
    said = explained(kind, "It broke.\n  Badly.", ADVICE)
    assert "It broke. Badly" in said
    assert said.endswith(".")
    assert "\n" not in said
    assert explained(kind, "", ADVICE).endswith(".")
    assert len(explained(kind, "x" * 10_000, ADVICE)) < 600


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("auth", "it may not use its service (no): set KEY."),
        ("turns", "it used up its turns (no): raise it."),
        ("config", "it does not accept its settings (no): name another."),
        (None, "no"),
    ],
)
def test_the_advice_of_the_agent_is_given(kind: FailureKind | None, advice: str) -> None:
    assert explained(kind, "no", Advice("set KEY", "name another", "raise it")) == advice


@pytest.mark.parametrize(
    ("make", "program", "says", "advice"),
    [
        (ClaudeCodeDriver, "claude", "Not logged in · Please run /login", "start `claude` and log"),
        (
            CodexDriver,
            "codex",
            'Error: CODEX_HOME points to "/x/.codex", but that path does not exist',
            "run `codex login` once",
        ),
    ],
)
async def test_who_uses_a_login_that_is_not_there_is_told_to_log_in(
    tmp_path: Path, make: type[ClaudeCodeDriver | CodexDriver], program: str, says: str, advice: str
) -> None:
    stage = Stage(tmp_path, {})
    file = tmp_path / program
    file.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit 1\n")
    file.chmod(0o755)
    driver = make(stage.processes, stage.around)
    spec = agent("claude_code" if program == "claude" else "codex", login="user", program=str(file))
    ended = (await attempt(driver, spec, brief(), stage.place())).ended
    assert ended.failure == "auth", ended
    assert advice in ended.reason
    assert "and take `login: user` out of the configuration" in ended.reason
