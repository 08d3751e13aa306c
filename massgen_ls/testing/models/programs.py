"""How each agent program is led to the scripted models, and nowhere else.

Measured with Claude Code 2.1.329, Gemini CLI 0.61.0 and Codex 0.169.0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = ("claude", "gemini", "codex")
MODELS = {"claude": "claude-sonnet-4-5", "gemini": "gemini-2.5-pro", "codex": "gpt-5.5"}
"""A model of which the program knows what it can do. Any name is answered."""


@dataclass(frozen=True)
class Reach:
    """What a program must be given so that it asks the scripted models."""

    env: Mapping[str, str]
    """The whole environment but PATH."""
    arguments: tuple[str, ...]
    """For one task without a terminal; the prompt comes on stdin. More may be put behind them."""
    files: Mapping[Path, str] = field(default_factory=dict[Path, str])
    """What must be on disk before the start."""

    def prepare(self) -> None:
        """Writes the files and makes the folders."""
        for name in ("HOME", "TMPDIR"):
            Path(self.env[name]).mkdir(parents=True, exist_ok=True)
        for path, text in self.files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def reach(
    program: str, url: str, *, key: str, home: Path, model: str = "", retries: int = 1
) -> Reach:
    """The environment, arguments and settings for ``program``, which is one of `PROGRAMS`.

    ``home`` is a folder of its own for this run: settings, sessions and temporary files go there.
    ``retries`` is how often the program asks again after an error; by default most would do so
    for minutes.
    """
    model = model or MODELS[program]
    own = {"HOME": str(home), "TMPDIR": str(home / "tmp"), "LANG": "C.UTF-8", "NO_COLOR": "1"}
    match program:
        case "claude":
            return Reach(
                own
                | {
                    "CLAUDE_CONFIG_DIR": str(home / "claude"),
                    "ANTHROPIC_BASE_URL": url,
                    "ANTHROPIC_API_KEY": key,
                    "IS_SANDBOX": "1",
                    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
                    "CLAUDE_CODE_MAX_RETRIES": str(retries),
                },
                (
                    *("-p", "--output-format", "stream-json", "--verbose", "--model", model),
                    *("--dangerously-skip-permissions", "--setting-sources", ""),
                    "--strict-mcp-config",
                ),
            )
        case "gemini":
            settings = {
                "security": {"auth": {"selectedType": "gemini-api-key"}},
                "general": {"maxAttempts": retries + 1, "enableAutoUpdate": False},
                "privacy": {"usageStatisticsEnabled": False},
            }
            return Reach(
                own
                | {
                    "GEMINI_CLI_HOME": str(home),
                    "GEMINI_CLI_NO_RELAUNCH": "true",
                    "GOOGLE_GEMINI_BASE_URL": url,
                    "GEMINI_API_KEY": key,
                },
                (
                    *("--output-format", "stream-json", "--approval-mode", "yolo"),
                    *("--skip-trust", "-m", model),
                ),
                {home / ".gemini" / "settings.json": json.dumps(settings)},
            )
        case "codex":
            provider = (
                f'{{name="scripted",base_url="{url}/v1",wire_api="responses",'
                f'env_key="SCRIPTED_API_KEY",request_max_retries={retries},stream_max_retries={retries}}}'
            )
            return Reach(
                own | {"CODEX_HOME": str(home / "codex"), "SCRIPTED_API_KEY": key},
                (
                    *("exec", "--json", "--skip-git-repo-check", "-m", model),
                    *("-c", 'model_provider="scripted"'),
                    *("-c", f"model_providers.scripted={provider}"),
                    *("--dangerously-bypass-approvals-and-sandbox",),
                ),
                {home / "codex" / "README": "The home of one scripted run.\n"},
            )
        case _:
            raise ValueError(f"{program!r} is none of {', '.join(PROGRAMS)}.")
