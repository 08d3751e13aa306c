"""Texts of languages by their tokens: what is said in them beyond layout and comments.

A parser from outside (`Parse`) tells tokens, literals and comments apart; the rules are here. Two
texts say the same when their tokens are equal, one after the other and in one structure, with

- **literals by their bytes**: strings, templates with all in them, regular expressions, text in
  JSX, and what macros of Rust are given, for a macro may see anything;
- **line ends where the language looks at them**: in Go they are its semicolons, by its own rule. In
  JavaScript and TypeScript they count but beside punctuation over which no rule of theirs looks
  (automatic semicolons, ``return``, ``async``, ``++``, modifiers, ``type`` …);
- **comments that tools obey**, or may, with the lines around them: directives, what documentation
  is made of, marks of linters. Prose in comments does not count.

Blanks are spaces, tabs and line ends. Anything else between two tokens counts.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

Language = Literal["go", "java", "javascript", "rust", "tsx", "typescript"]
LANGUAGES: Final[dict[str, Language]] = {
    "go": "go",
    "java": "java",
    "rs": "rust",
    "tsx": "tsx",
    **dict.fromkeys(("js", "jsx", "mjs", "cjs"), "javascript"),
    **dict.fromkeys(("ts", "mts", "cts"), "typescript"),
}
"""By a file's suffix."""

Node: TypeAlias = tuple[int, str, int, int]
"""Depth, kind, first byte and the byte after its last one."""


class Parse(Protocol):
    """Reads texts into syntax trees."""

    def __call__(self, language: Language, content: bytes) -> Sequence[Node] | None:
        """All nodes of its tree in the order in which they begin, parents before their children.

        None when nobody here knows the language, or when there is an error anywhere in the text.
        """
        ...


def tokens(language: Language, content: bytes, parse: Parse) -> bytes | None:
    """A digest of what the text says; None when that is not known with certainty."""
    rules = _RULES[language]
    if _ODD.search(content) or (rules.hazard and rules.hazard.search(content)):
        return None
    nodes = parse(language, content)
    if nodes is None:
        return None
    said = _said(rules, content, nodes)
    return hashlib.sha256(repr(said).encode()).digest()


_ODD = re.compile(rb"\0|\r(?!\n)|\xe2\x80[\xa8\xa9]")
"""Line ends that one reader sees and another does not."""


# ── what languages look at ──────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Rules:
    comments: frozenset[str]
    """Kinds of nodes."""
    literals: frozenset[str]
    """Kinds of nodes that are their bytes, whatever is in them."""
    lines: Literal["no", "go", "script"] = "no"
    """What line ends mean."""
    hazard: re.Pattern[bytes] | None = None
    """What in a text makes it too hard to say."""
    all_comments: re.Pattern[bytes] | None = None
    """What in a text makes all its comments count."""


_SCRIPT = _Rules(
    frozenset({"comment"}),
    frozenset(
        {
            *("string", "template_string", "regex", "jsx_text", "html_character_reference"),
            *("template_literal_type", "hash_bang_line"),
        }
    ),
    "script",
    # Comments of scripts in old pages, which modules read as operators.
    hazard=re.compile(rb"<!--|-->"),
)
_RULES: Final[dict[Language, _Rules]] = {
    "javascript": _SCRIPT,
    "typescript": _SCRIPT,
    "tsx": _SCRIPT,
    "go": _Rules(
        frozenset({"comment"}),
        frozenset({"interpreted_string_literal", "raw_string_literal", "rune_literal"}),
        "go",
        # cgo reads the comment above this import; a build line wants a blank line below it.
        hazard=re.compile(rb'"C"|\+build'),
        # What an example has to print is in the lines of a comment.
        all_comments=re.compile(rb"output:", re.IGNORECASE),
    ),
    "java": _Rules(
        frozenset({"line_comment", "block_comment"}),
        frozenset({"string_literal", "character_literal", "template_expression"}),
        # Escapes are read before anything else: one may end a comment or a string.
        hazard=re.compile(rb"\\u+00[0-7]"),
    ),
    "rust": _Rules(
        frozenset({"line_comment", "block_comment"}),
        frozenset(
            {
                *("string_literal", "raw_string_literal", "char_literal", "lifetime", "label"),
                *("token_tree", "macro_definition", "shebang"),
            }
        ),
    ),
}

_WORD = re.compile(rb"[\w$\x80-\xff]\Z")
_GO_ENDS = frozenset({b"++", b"--", b")", b"]", b"}"})
"""Beside words and literals: what a line end makes a semicolon behind."""
_OPENING = frozenset(
    b"( [ { , ; . ?. && || ?? : = => == === != !== += -= *= /= %= &&= ||= ??= | & + - ...".split()
)
"""Behind these, and at the start, no rule of JavaScript or TypeScript looks at line ends."""
_CLOSING = frozenset(b") ] } , ; . ?. && || ?? ? : = == === != !== | &".split())
"""Before these neither, but behind the next."""
_RESTRICTED = frozenset(
    b"return throw break continue yield async await type get set static accessor".split()
)
_JSX = frozenset({"jsx_element", "jsx_fragment"})
_TAGS = frozenset({"jsx_opening_element", "jsx_self_closing_element"})
_JSX_TEXT = frozenset({"jsx_text", "html_character_reference"})

_OBEYED = re.compile(
    rb"\A//\S|\A/\*(?!\*?/)\S"  # //go:embed, ///, /**, /*#__PURE__*/, /*eslint …*/
    rb"|^(?:/[/*])?[ \t*]*(?:[@#+!$<]|[\w.$-]+[:=]|\w+-\w)"  # @ts-ignore, lint:ignore, x-disable
    rb"|@\w|\\u|eslint|js[hl]int|istanbul|\b[cv]8\b|nolint|nosonar|nopmd|noinspection|ignore"
    rb"|disable|enable|suppress|falls?.?through|do not edit|generated|pragma|globals?\b|exported"
    rb"|coverage|output:|webpack|deprecated",
    re.MULTILINE | re.IGNORECASE,
)
"""Comments that a tool may obey: rather too many than one too few."""
_BLANKS: Final = b" \t\r\n"
_NOWHERE: Final = 1 << 60
_NEAR: Final = 1000
"""Bytes around a comment that are looked at for line ends."""
_STAR = re.compile(rb"\n[ \t]*\*")


def _said(rules: _Rules, content: bytes, nodes: Sequence[Node]) -> list[object]:
    """Everything that counts, in its order. One loop, for a file has tens of thousands of nodes."""
    said: list[object] = []
    add = said.append
    every = bool(rules.all_comments and rules.all_comments.search(content))
    special, literals, lines = rules.comments | rules.literals | {"\n"}, rules.literals, rules.lines
    path: dict[int, str] = {}  # by depth: kinds of the node that is looked at and those around it
    whole = shallow = _NOWHERE  # depth of a node as a whole; the least since the last token
    last = code = semicolons = 0  # ends of the last token or comment, of the last token
    before, before_kind = b"", ""  # the last token
    depths_after = [node[0] for node in nodes[1:]]
    for (depth, kind, start, end), following in zip(nodes, (*depths_after, -1), strict=True):
        if depth > whole:
            continue
        whole = _NOWHERE
        if kind in special:
            if kind == "\n":
                continue  # a grammar that names line ends: seen before the next token
            whole = depth
            if kind not in literals:
                if gap := content[last:start].strip(_BLANKS):
                    add(gap)
                text = content[start:end].rstrip()
                last = start + len(text)
                if every or _OBEYED.search(text):
                    add(_comment(content, start, text))
                continue
        path[depth] = kind
        if depth < shallow:
            shallow = depth
        if following > depth and whole != depth:
            add(depth)
            add(kind)
            continue
        text = content[start:end]
        if start > last and (gap := content[last:start].strip(_BLANKS)):
            add(gap)
        if lines == "go":
            if text == b";":
                semicolons += 1
                last = end
                continue
            if ended := semicolons or _ends_a_line_of_go(content[code:start], before, before_kind):
                # One may be left out before a bracket.
                said += (";",) * (ended - (text in {b")", b"}"}))
            semicolons = 0
        elif lines == "script" and start > code:
            around = path[shallow - 1] if shallow else ""
            gap = content[code:start]
            if around in _JSX:
                # Blanks in a line are text, line ends between elements are not.
                if b"\n" not in gap or kind in _JSX_TEXT or before_kind in _JSX_TEXT:
                    add(gap)
            elif b"\n" in gap and around not in _TAGS and _counts_in_a_script(before, text):
                add("\n")
        add(depth)
        add(text)
        last = code = end
        before, before_kind, shallow = text, kind, depth
    if gap := content[last:].strip(_BLANKS):
        add(gap)
    return said


def _comment(content: bytes, start: int, text: bytes) -> tuple[object, ...]:
    """What it says, how many lines end before and behind (two for more), whether at the margin."""
    end = start + len(text)
    before, behind = content[max(0, start - _NEAR) : start], content[end : end + _NEAR]
    above = before[len(before.rstrip(_BLANKS)) :].count(b"\n")
    below = behind[: len(behind) - len(behind.lstrip(_BLANKS))].count(b"\n")
    lines = b"\n".join(line.rstrip() for line in text.split(b"\n"))
    return _STAR.sub(b"\n *", lines), min(above, 2), min(below, 2), before[-1:] in {b"", b"\n"}


def _ends_a_line_of_go(gap: bytes, before: bytes, kind: str) -> bool:
    """Whether a line end between two tokens is a semicolon."""
    if b"\n" not in gap:
        return False
    return before in _GO_ENDS or kind.endswith("_literal") or bool(_WORD.search(before))


def _counts_in_a_script(before: bytes, text: bytes) -> bool:
    """Whether a line end between two tokens may mean something."""
    return (
        bool(before) and before not in _OPENING and (text not in _CLOSING or before in _RESTRICTED)
    )
