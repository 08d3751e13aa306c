"""Makes massgen_ls/config/models.json; see ``scripts/models``."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from massgen_ls.config.document import scan
from massgen_ls.config.layers import agents_of

TOP = Path(__file__).resolve().parents[2]
_EXAMPLES = TOP / "tests/config/massgen"
_CLAUDE = re.compile(rb'"(claude-[a-z]+-\d(?:-\d)?)"')
_OFTEN = 10
"""A model of Claude Code's stands in many places of it; what stands in few is a part of a name."""
_CODEX = re.compile(rb'"slug": ?"(gpt-[a-z0-9.-]+)"')
_GEMINI_KNOWN = re.compile(r"VALID_GEMINI_MODELS = [^\[]*\[([^\]]*)\]")
_GEMINI_NAME = re.compile(r'\b([A-Z][A-Z0-9_]+) = "([a-z0-9.-]+)"')


def made(programs: Path, examples: Path = _EXAMPLES) -> dict[str, Any]:
    """The whole list.

    Args:
        programs: The folder with the programs' links, ``node_modules/.bin``.
        examples: Configurations of MassGen.
    """
    modules = programs.parent
    readers = {
        "claude_code": ("claude", "@anthropic-ai/claude-code", _claude),
        "codex": ("codex", "@openai/codex", _codex),
        "gemini_cli": ("gemini", "@google/gemini-cli", _gemini),
    }
    found = {
        kind: {
            "program": name,
            "version": json.loads((modules / package / "package.json").read_text())["version"],
            "models": list(dict.fromkeys(read(modules))),
        }
        for kind, (name, package, read) in readers.items()
    }
    return {
        "made": f"{datetime.now(UTC):%Y-%m-%d}",
        "how": "scripts/models",
        "programs": found,
        "massgen": {k: names for k, names in sorted(_seen(examples).items()) if k not in found},
    }


def _claude(modules: Path) -> Iterator[str]:
    yield from ("opus", "sonnet", "haiku")
    counted = Counter(
        name.decode()
        for file in _large(modules / "@anthropic-ai", "claude")
        for name in _CLAUDE.findall(file.read_bytes())
    )
    yield from sorted(name for name, count in counted.items() if count >= _OFTEN)


def _codex(modules: Path) -> Iterator[str]:
    for file in _large(modules / "@openai", "codex"):
        yield from sorted(name.decode() for name in _CODEX.findall(file.read_bytes()))


def _gemini(modules: Path) -> Iterator[str]:
    for file in sorted((modules / "@google/gemini-cli").rglob("*.js")):
        text = file.read_text("utf-8", "replace")
        listed = _GEMINI_KNOWN.search(text)
        if listed is None:
            continue
        names = dict(_GEMINI_NAME.findall(text))
        yield from (
            value for name, value in names.items() if name.startswith("GEMINI_MODEL_ALIAS_")
        )
        known = (names.get(word.strip(), "") for word in listed[1].split(","))
        yield from (name for name in known if name.startswith("gemini-"))
        return


def _large(folder: Path, name: str) -> Iterator[Path]:
    """The program itself, which is one big file."""
    for file in sorted(folder.rglob(name)):
        if file.is_file() and file.stat().st_size > 1_000_000:
            yield file


def _seen(examples: Path) -> Mapping[str, list[str]]:
    found: dict[str, set[str]] = {}
    for file in sorted(examples.rglob("*.yaml")):
        for agent in agents_of(scan(file.read_text("utf-8"), file.name).body):
            backend = agent.get("backend")
            given = cast("dict[str, Any]", backend) if isinstance(backend, dict) else {}
            kind, name = given.get("type"), given.get("model")
            if isinstance(kind, str) and isinstance(name, str) and "$" not in name:
                found.setdefault(kind, set()).add(name)
    return {kind: sorted(names) for kind, names in found.items()}


if __name__ == "__main__":
    text = json.dumps(made(Path(sys.argv[1])), indent=1) + "\n"
    (TOP / "massgen_ls/config/models.json").write_text(text, "utf-8")
    sys.stdout.write(text)
