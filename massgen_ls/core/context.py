"""What one agent did, told to another of any kind: a transcript as bounded text."""

from __future__ import annotations

from collections.abc import Sequence

from massgen_ls.core.conversation import Called, Part, Spoken, Transcript, shorten
from massgen_ls.core.wording import counted

CONTEXT = 24_000
"""Characters, about 6,000 tokens: enough to go on from, little beside a model's window."""
_LEAST = 400
"""Characters that are worth telling of one agent; of too many agents only the latest are told."""


def shared(transcripts: Sequence[Transcript], most: int = CONTEXT) -> str:
    """What these agents did, as text for another agent; empty when there is nothing to tell.

    Each has an equal share of the room. The summary, the files and the latest steps stay; earlier
    steps shrink first to one line each, then to a count. What the agent thought is left out: it is
    long, and another model does better with what was said and done.
    """
    told = [t for t in transcripts if t.summary.strip() or t.files or _said(t)]
    told = told[-max(1, most // _LEAST) :]
    if not told:
        return ""
    share = max(_LEAST, most // len(told))
    return "\n\n".join(_one(transcript, share) for transcript in told)


def _said(transcript: Transcript) -> list[Part]:
    """What it said and did, without thoughts and empty words."""
    return [
        part
        for part in transcript.parts
        if isinstance(part, Called) or (part.text.strip() and not part.thinking)
    ]


def _one(transcript: Transcript, most: int) -> str:
    lines = [f"### What {transcript.agent} did"]
    if transcript.summary.strip():
        lines.append(f"In its own words: {shorten(transcript.summary.strip(), most // 4)}")
    if transcript.files:
        shown = shorten(", ".join(transcript.files[:40]), most // 4)
        more = len(transcript.files) - 40
        lines.append(f"It changed: {shown}{f' and {more} more' if more > 0 else ''}")
    head = "\n".join(lines)
    room = most - len(head) - 80
    steps, left_out = _steps(_said(transcript), room)
    left_out += transcript.omitted
    if left_out:
        steps.insert(0, f"({counted(left_out, 'earlier step')} left out)")
    return "\n".join([head, "Its steps:", *steps]) if steps else head


def _steps(parts: Sequence[Part], room: int) -> tuple[list[str], int]:
    """The latest steps that fit, in order: the last ones in full, those before in one line."""
    chosen: list[str] = []
    full = room * 2 // 3
    for i in range(len(parts) - 1, -1, -1):
        step = _full(parts[i]) if full > 0 else _brief(parts[i])
        if len(step) > room:
            step = _brief(parts[i])
        if len(step) > room:
            return chosen[::-1], i + 1
        chosen.append(step)
        room -= len(step) + 1
        full -= len(step) + 1
    return chosen[::-1], 0


def _full(part: Part) -> str:
    if isinstance(part, Spoken):
        who = "it was told" if part.by == "user" else "it said"
        return f"- {who}: {shorten(part.text.strip(), 2000)}"
    lines = [_brief(part)]
    for name, text in (("with", part.detail), ("result", part.result)):
        if text.strip():
            body = "\n".join(f"    {line}" for line in shorten(text.strip(), 1200).split("\n"))
            lines.append(f"  {name}:\n{body}")
    return "\n".join(lines)


def _brief(part: Part) -> str:
    if isinstance(part, Spoken):
        who = "it was told" if part.by == "user" else "it said"
        return f"- {who}: {shorten(' '.join(part.text.split()), 160)}"
    failed = " (failed)" if part.ok is False else ""
    return f"- {part.tool} {shorten(' '.join(part.target.split()), 160)}".rstrip() + failed
