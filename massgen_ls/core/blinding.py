"""Questions to judges in which nobody can be recognised, and nobody can speak out of turn.

A judge must not know whose change it looks at, and what stands in a change must not be taken for
our words. So candidates get names that they cannot guess, whatever names an agent, a program or a
model is taken out of what they wrote, and their texts stand between fences that no text of theirs
can close.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from massgen_ls.core.ballots import CRITERIA, FULL, Ballot, Marks
from massgen_ls.core.task import CandidateId, Json, SeatId

NEITHER = "neither"
REASON = 2_000
"""Characters of a judge's reason that are kept."""

_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels: no words come of it


# ── names for one question ──────────────────────────────────────────────────────────────────────


def aliases(shown: Sequence[CandidateId], salt: str) -> dict[CandidateId, str]:
    """A name for each candidate, good for one question alone.

    Args:
        shown: The candidates.
        salt: What no candidate can know, such as the commits of all of them and the judge.
    """
    found: dict[CandidateId, str] = {}
    for candidate in shown:
        number = 0
        name = ""
        while not name or name in found.values():
            digest = hashlib.sha256(f"{salt}\0{candidate}\0{number}".encode()).digest()
            name = _ALPHABET[digest[0] % len(_ALPHABET)] + _ALPHABET[digest[1] % len(_ALPHABET)]
            name += str(digest[2] % 90 + 10)
            number += 1
        found[candidate] = name
    return found


def schema(names: Sequence[str]) -> dict[str, Json]:
    """What an answer must look like: reason first, so that it is thought of before the marks."""
    mark: dict[str, Json] = {"type": "integer", "minimum": 0, "maximum": FULL}
    criteria: Json = {
        "type": "object",
        "properties": dict.fromkeys(CRITERIA, mark),
        "required": [*CRITERIA],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "reason": {"type": "string"},
            "marks": {
                "type": "object",
                "properties": dict.fromkeys(names, criteria),
                "required": [*names],
                "additionalProperties": False,
            },
            "better": {"type": "string", "enum": [*names, NEITHER]},
        },
        "required": ["reason", "marks", "better"],
        "additionalProperties": False,
    }


def ballot(
    answer: Json, judge: SeatId, epoch: int, names: dict[CandidateId, str]
) -> tuple[Ballot | None, str]:
    """An answer as a ballot, and what is wrong with it: one of the two is empty.

    Args:
        answer: What the judge said, from outside: anything.
        judge: Who said it.
        epoch: When it was asked.
        names: The candidates in the order in which they were shown, with their names.
    """
    if not isinstance(answer, dict):
        return None, "the answer is no object"
    unknown = answer.keys() - {"reason", "marks", "better"}
    if unknown:
        return None, f"the answer must not have {min(unknown)!r}"
    given = answer.get("marks")
    if not isinstance(given, dict) or given.keys() != set(names.values()):
        return None, f"`marks` must be about {' and '.join(names.values())}, and nothing else"
    marks: list[Marks] = []
    for name in names.values():
        found = _marks(given[name])
        if found is None:
            return None, f"`marks.{name}` needs {', '.join(CRITERIA)}, each from 0 to {FULL}"
        marks.append(found)
    better = answer.get("better")
    known: dict[str, CandidateId | None] = {name: c for c, name in names.items()}
    known[NEITHER] = None
    if not isinstance(better, str) or better not in known:
        return None, f"`better` must be one of {', '.join(known)}"
    reason = answer.get("reason")
    if not isinstance(reason, str) or not reason.strip():
        return None, "`reason` is missing"
    text = reason.strip()[:REASON]
    for candidate, name in names.items():
        text = re.sub(rf"\b{name}\b", lambda _, called=candidate: called, text)
    return Ballot(judge, epoch, known[better], text, tuple(names), tuple(marks)), ""


def _marks(given: Json) -> Marks | None:
    if not isinstance(given, dict) or given.keys() != CRITERIA.keys():
        return None
    found: list[int] = []
    for name in CRITERIA:
        mark = given[name]
        if isinstance(mark, bool) or not isinstance(mark, int | float) or mark != mark // 1:
            return None
        found.append(int(mark))
    marks = Marks(*found)
    return marks if marks.valid else None


# ── nobody is recognised ────────────────────────────────────────────────────────────────────────

_MAKERS = (
    r"claude(?:[ _-]?code)?|anthropic|sonnet|opus|haiku|gemini(?:[ _-]?cli)?|google deepmind|"
    r"chatgpt|gpt(?:-?[0-9][\w.]*)?|openai|codex(?:[ _-]?cli)?|copilot|grok|qwen(?:-?coder)?|"
    r"deepseek|mistral|devstral|codestral|llama|kimi|moonshot|aider|massgen(?:-ls)?"
)
_SIGNED = re.compile(
    r"co-authored-by\s*:|signed-off-by\s*:|"
    r"\b(?:generated|written|created|made|authored|assisted|edited)\s+(?:with|by)\s+\W*"
    rf"(?:{_MAKERS}|an? (?:ai|llm|language model)\b)|"
    r"\U0001f916|noreply@(?:anthropic|openai|google)\.com|claude\.(?:ai|com)/code",
    re.IGNORECASE,
)
_WORD = re.compile(rf"(?<![A-Za-z0-9])(?:{_MAKERS})(?![A-Za-z0-9])", re.IGNORECASE)
_ANYBODY = "[agent]"
_UNSIGNED = "[a line that names its author]"


@dataclass(frozen=True, slots=True)
class Blind:
    """Takes away what tells who made a change.

    Attributes:
        own: Words that belong to the project and stay: they stood there before any agent came.
        names: Every agent's name in this run; candidates' names are built of them.
    """

    own: frozenset[str]
    names: tuple[str, ...]

    @classmethod
    def of(cls, names: Iterable[str], known: Iterable[str]) -> Blind:
        """A blind for one question.

        Args:
            names: The agents' names.
            known: Texts that no agent of this run wrote: the task, the diffs' lines of the base.
        """
        texts = list(known)
        called = sorted(set(names), key=lambda n: (-len(n), n))
        own = {word.group().lower() for text in texts for word in _WORD.finditer(text)}
        own |= {n.lower() for n in called if any(_named(n).search(text) for text in texts)}
        return cls(frozenset(own), tuple(called))

    def text(self, text: str) -> str:
        """An agent's prose."""
        lines = [line for line in _lines(clean(text)) if not self._signs(line)]
        return "\n".join(self._words(line) for line in lines).strip()

    def diff(self, patch: str) -> str:
        """A unified diff: what the base has stays, line numbers stay right."""
        return "\n".join(self._diff_line(line) for line in _lines(clean(patch)))

    def _diff_line(self, line: str) -> str:
        if line.startswith("+") and self._signs(line):
            return f"+{_UNSIGNED}"
        if line.startswith(("+", "diff ", "rename to ", "copy to ", "Binary files ")):
            return self._words(line)
        return line

    def _signs(self, line: str) -> bool:
        found = _SIGNED.search(line)
        if found is None:
            return False
        maker = _WORD.search(found.group())
        return maker is None or maker.group().lower() not in self.own

    def _words(self, line: str) -> str:
        line = _WORD.sub(lambda m: m[0] if m[0].lower() in self.own else _ANYBODY, line)
        for name in self.names:
            # A short or everyday name is only one with its number, or where it says what it is.
            line = re.sub(rf"(?<![\w.-]){re.escape(name)}\.\d+(?![\w.-])", _ANYBODY, line)
            if len(name) >= 3 and name.lower() not in self.own:
                line = _named(name).sub(_ANYBODY, line)
            line = re.sub(rf"(?i)\b(agent|seat) {re.escape(name)}\b", _ANYBODY, line)
        return line


def _named(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")


def of_base(patch: str) -> str:
    """The lines of a diff that the base has: no agent of this run wrote them."""
    kept = (" ", "-", "rename from ")
    return "\n".join(line for line in _lines(patch) if line.startswith(kept))


# ── nobody speaks out of turn ───────────────────────────────────────────────────────────────────

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def clean(text: str) -> str:
    """Text in which everything that is there can be seen, as UTF-8 can hold it."""
    plain = text.replace("\r\n", "\n")
    plain = _CONTROLS.sub(lambda m: f"\\u{ord(m[0]):04x}", plain)
    return plain.encode("utf-8", "backslashreplace").decode("utf-8")


def fence(salt: str, contents: Iterable[str]) -> str:
    """A mark that stands in none of these texts: what is between two of them cannot close it."""
    texts = list(contents)
    salted = ("\0".join((salt, str(number), *texts)).encode() for number in itertools.count())
    marks = (hashlib.sha256(words).hexdigest()[:20] for words in salted)
    return next(mark for mark in marks if not any(mark in text for text in texts))


def _lines(text: str) -> list[str]:
    return text.split("\n")
