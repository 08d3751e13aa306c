"""A first configuration as the text of its file, commented. Pure."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

import yaml

from massgen_ls.config.starter import Around, Choice, Coder, Found, seat_ids
from massgen_ls.core.wording import one_line

_MANNERS = (
    "Make the smallest change that solves the task. Read the code around it first.",
    "Look for the cause, not the symptom, and write a test that fails without your change.",
    "Think of two ways to do it, and take the one that is easier to read.",
)
"""What tells agents of one kind apart: the same words twice mostly give the same change."""
_WIDTH = 96


def text_of(choice: Choice, around: Around, *, user: bool = False) -> str:
    """The text of the file that says what was chosen; ``user``: the one for all projects."""
    if choice.template is None:
        return written(choice.coders, choice.checks, around, user=user)
    return choice.template.text if user else with_checks(choice.template.text, choice.checks)


def written(
    coders: Sequence[Coder], checks: Sequence[Found], around: Around, *, user: bool = False
) -> str:
    """The text of a configuration file, commented.

    Args:
        coders: Who sits at the seats; empty for the offline team.
        checks: What decides.
        around: For what else there is.
        user: It is the user's own file, for all projects.
    """
    head = (
        "Your own team, for every project that names none. Written by `massgen-ls init --user`."
        if user
        else "The team of this project. Written by `massgen-ls init`."
    )
    blocks = [
        [
            *_comment(head),
            *_comment(
                "Change what you like: docs/configuration.md has all keys, `massgen-ls doctor` says"
                " what is wrong with them or missing on this machine."
            ),
        ],
        list(_agents(coders, around)),
        [] if user and not checks else list(_checks(checks)),
        list(_worktree(checks)),
        list(_limits(coders)),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def with_checks(text: str, checks: Sequence[Found]) -> str:
    """A template's text with a project's checks, where it has none of its own."""
    has = yaml.safe_load(text)
    blocks = [text.rstrip("\n")]
    if "checks" not in has:
        blocks.append("\n".join(_checks(checks)))
    if "worktree" not in has:
        blocks += ["\n".join(lines) for lines in [list(_worktree(checks))] if lines]
    return "\n\n".join(blocks) + "\n"


def _agents(coders: Sequence[Coder], around: Around) -> Iterator[str]:
    if not coders:
        yield from _comment(
            "No coding agent was chosen: this is the built-in offline team, which cleans up Python"
            " files and reads no prompt. docs/agents.md tells how to add Claude Code, Codex, Gemini"
            " CLI or another one."
        )
        yield "agents: [tidy, bold, prune]"
        return
    yield "agents:"
    counts = Counter(coder.name for coder in coders)
    seen: Counter[str] = Counter()
    for coder, seat in zip(coders, seat_ids(coders), strict=True):
        manner = seen[coder.name] if counts[coder.name] > 1 else len(_MANNERS)
        seen[coder.name] += 1
        if seen[coder.name] == 1:
            yield from _comment(_about(coder), "  ")
        yield f"  - id: {seat}"
        if manner < len(_MANNERS):
            yield "    system_message: >-"
            yield f"      {_MANNERS[manner]}"
        yield f"    backend: {_backend(coder)}"
    others = [coder for coder in around.installed if coder.name not in counts]
    if others:
        yield from _comment("Also on this machine:", "  ")
        for coder, seat in zip(others, seat_ids(others), strict=True):
            backend = _backend(coder)
            yield f"  # - {{id: {seat}, backend: {backend}}}  # {coder.entry}"


def _about(coder: Coder) -> str:
    said = f"{coder.title}, {coder.entry}"
    if not coder.installed and coder.hint:
        return f"{said}. {coder.hint.rstrip('.')}."
    if not coder.ready:
        return f"{said}: log in with it once, or set its key and take `login: user` out."
    return f"{said}."


def _backend(coder: Coder) -> str:
    block = dict(coder.backend)
    if coder.installed and coder.way != "key":
        block["login"] = "user"
    return f"{{{', '.join(f'{key}: {scalar(value)}' for key, value in block.items())}}}"


def _checks(checks: Sequence[Found]) -> Iterator[str]:
    if not checks:
        yield from _comment(
            "No check decides yet, only judges and what the agents agree on. Name the commands that"
            " say whether this project is all right, for example:"
        )
        yield "# checks:"
        yield "#   - {name: tests, argv: [python, -m, pytest, -q]}"
        return
    yield from _comment(
        "What decides. Each runs on what you have now and on every candidate; only what fails anew"
        " counts."
    )
    yield "checks:"
    for found in checks:
        lacks = f" Here: {found.lacks}." if found.lacks else ""
        yield from _comment(f"{found.why}.{lacks}", "  ")
        yield f"  - name: {scalar(found.check.name)}"
        yield f"    argv: [{', '.join(map(scalar, found.check.argv))}]"
        yield f"    timeout: {found.check.timeout:g}"
        if found.check.parser != "auto":
            yield f"    parser: {found.check.parser}"


def _worktree(checks: Sequence[Found]) -> Iterator[str]:
    include = list(dict.fromkeys(chain.from_iterable(found.include for found in checks)))
    if include:
        yield from _comment("What git ignores and the checks need in the agents' worktrees.")
        yield "worktree:"
        yield f"  include: [{', '.join(map(scalar, include))}]"


def _limits(coders: Sequence[Coder]) -> Iterator[str]:
    if coders:
        yield "orchestrator:"
        yield from _comment(
            "The agents are stopped when this is spent; what they finished by then is judged."
            " `max_cost` is in US dollars, of agents that tell what they cost.",
            "  ",
        )
        yield "  limits: {max_cost: 10.00, max_minutes: 45}"


def _comment(text: str, indent: str = "") -> list[str]:
    lines = textwrap.wrap(
        one_line(text), _WIDTH - len(indent), break_on_hyphens=False, break_long_words=False
    )
    return [f"{indent}# {line}" for line in lines]


_PLAIN = re.compile(r"[A-Za-z_./-][A-Za-z0-9_./=+-]*")


def scalar(text: str) -> str:
    """A text as YAML, without quotes where they are not needed."""
    if _PLAIN.fullmatch(text) and not text.startswith("---") and yaml.safe_load(text) == text:
        return text
    # What the file's reader replaces is `${…}`, and two dollars are one.
    kept = text.replace("${", "$${")
    return yaml.safe_dump(kept, default_style='"', allow_unicode=True, width=10**6).rstrip("\n")
