"""Readers of files: whether a text can be read, and if not, how certain it is that nobody can.

Python, JSON, TOML and XML by the readers of the standard library; of languages with braces only the
marks of a merge are looked for. What may be meant for another reader than ours is not held against
anybody (see `core.faults` for all of the rules).

The texts are strangers'. A pattern here has to take a text of `LARGEST` bytes in time that grows as
the text does: what begins something also matches where nothing ends it.
"""

from __future__ import annotations

import ast
import json
import re
import tomllib
import warnings
from dataclasses import dataclass
from typing import Final

from massgen_ls.core.normal import LARGEST, is_encoded_strangely
from massgen_ls.core.pythons import Version
from massgen_ls.core.toml import read_toml
from massgen_ls.core.wording import flat

_PYTHON = frozenset({"py", "pyi"})
_JSON = frozenset({"json", "ipynb"})
_XML = frozenset({"xml", "svg", "csproj", "vbproj", "fsproj", "resx", "xaml", "plist"})
BRACES = {
    **dict.fromkeys(("c", "cc", "cpp", "cxx", "h", "hh", "hpp", "hxx"), rb'R"|#[ \t]*if[ \t(]+0'),
    **dict.fromkeys(("js", "jsx", "mjs", "cjs", "ts", "tsx", "mts", "cts", "go"), rb"(?!)"),
    **dict.fromkeys(("java", "kt", "kts", "scala", "swift"), rb'"""'),
    "cs": rb'@[$]?"|"""|#[ \t]*if[ \t(]+false',
}
"""By suffix: what may be the beginning of a text of several lines."""
_LONG = {suffix: re.compile(pattern) for suffix, pattern in BRACES.items()}
_NESTED = frozenset({"kt", "kts", "scala", "swift"})
"""Their comments may hold comments."""
_LONGEST = 160
"""Characters of a reader's word."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What our reader says about one version of a file."""

    good: bool = False
    """It understands it."""
    line: int = 0
    """Where it does not, from 1; 0 when that cannot be told."""
    message: str = ""
    always: bool = False
    """Nobody who reads such files does."""
    dated: bool = False
    """Nobody does who uses this version of the language, or an older one."""


_UNKNOWN = Reading()
GOOD = Reading(good=True)


def suffix_of(path: str) -> str:
    """What stands behind the last dot of a file's name, in lower case."""
    return path.rpartition("/")[2].rpartition(".")[2].lower()


def kind_of(path: str) -> str:
    """The language of a file; empty for one that is not looked into."""
    suffix = suffix_of(path)
    for kind, suffixes in (("python", _PYTHON), ("json", _JSON), ("xml", _XML)):
        if suffix in suffixes:
            return kind
    return suffix if suffix == "toml" or suffix in BRACES else ""


STRICT: Final = frozenset(
    {"package.json", "package-lock.json", "npm-shrinkwrap.json", "composer.json"}
    | {"pyproject.toml", "Cargo.toml"}
)
"""Files that have one reader."""
_LOOSE = re.compile(r"config|settings|rc(?:\.|$)|renovate|(?:^|/)\.", re.IGNORECASE)
"""JSON for tools, which may read something that is more than JSON."""


_GIVEN_UP = (
    *(ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError),
    *(SyntaxError, SystemError, TypeError, ValueError),
)
"""Too deep, too large, in no known encoding; or what a reader has as a bug."""


def reading(path: str, content: bytes, running: Version) -> Reading:
    """Reads one version of a file. A reader that gives up, in whatever way, says nothing.

    Args:
        path: Its path, which says what it is.
        content: Its bytes.
        running: The Python that reads it.
    """
    if len(content) > LARGEST:
        return _UNKNOWN
    try:
        return _read(path, content, running)
    except _GIVEN_UP:
        return _UNKNOWN


def _read(path: str, content: bytes, running: Version) -> Reading:
    kind = kind_of(path)
    if kind == "python":
        return _python(path, content, running)
    if kind not in BRACES and not content.strip():
        return _UNKNOWN  # some take it for nothing, others for an error
    if kind == "json":
        return _json(path, content)
    if kind == "toml":
        return _toml(content)
    if kind == "xml":
        return _xml(content)
    return _braces(kind, content) if kind in BRACES else _UNKNOWN


def _fails(line: int | None, message: str, *, always: bool = True, dated: bool = False) -> Reading:
    return Reading(
        line=max(0, line or 0), message=flat(message, _LONGEST), always=always, dated=dated
    )


_FILLED_IN = re.compile(rb"\{%|\{\{|<%|\$\{|[:\[,][ \t]*[$@%<]")
"""What may be a place in a template."""

# What is left of a merge.

_OURS = re.compile(rb"^<{7} \S", re.MULTILINE)
_BETWEEN = re.compile(rb"^={7}\r?$", re.MULTILINE)
_THEIRS = re.compile(rb"^>{7} \S", re.MULTILINE)
_MARKS = "the marks of a merge are left in it"


def _marks(content: bytes) -> tuple[int, int] | None:
    """Where the marks of a merge begin and end."""
    ours = _OURS.search(content)
    between = _BETWEEN.search(content, ours.end()) if ours else None
    theirs = _THEIRS.search(content, between.end()) if between else None
    return (ours.start(), theirs.end()) if ours and theirs else None


def _in_comment(before: bytes) -> bool:
    """Whether a comment that may have several lines is open at the end of a text."""
    begins = before.rfind(b"/*")
    return begins >= 0 and begins + 1 >= before.rfind(b"*/")  # ``/*/`` only begins one


def _line_at(content: bytes, place: int) -> int:
    return content.count(b"\n", 0, place) + 1


def _braces(kind: str, content: bytes) -> Reading:
    marks = _marks(content)
    if marks is None:
        return GOOD
    before = content[: marks[0]]
    nested = kind in _NESTED and before.count(b"/*") > before.count(b"*/")
    # One that is in a string, an expression or a comment looks like one that begins a text.
    quoted = b"`" in before and b"`" in content[marks[0] :]
    if nested or quoted or _in_comment(before) or _LONG[kind].search(before):
        return _UNKNOWN
    return _fails(_line_at(content, marks[0]), _MARKS)


# Python.

_NEVER = re.compile(
    r"unexpected indent|unindent does not match|expected an indented block|"
    r"was never closed|^unmatched |does not match opening parenthesis|"
    r"^unterminated (?:triple-quoted )?(?:f-)?string literal"
)
"""What no version reads, if it tells strings from code as ours does."""
_F_STRING = re.compile(
    rb"(?is)\b(?:f|fr|rf)(?=(\"\"\"|''')(.*?)(?:\1|\Z)|"
    rb"\"((?:\\.|[^\"\\\n])*+)|'((?:\\.|[^'\\\n])*+))"
)
"""Wherever one may begin, in a string or a comment too; up to the first of its quotes."""
_IN_BRACES = rb"(?:[^{}\"']|\"[^\"{}]*\"|'[^'{}]*')*+"
_WHOLE = re.compile(
    rb"(?:[^{}]|\{\{|\}\}|\{%b(?:\{%b\}%b)*+\})*+" % (_IN_BRACES, _IN_BRACES, _IN_BRACES)
)
"""A part of an f-string whose braces are closed in it, whoever reads it."""
_T_STRING = re.compile(rb"(?i)\b(?:t|tr|rt)[\"']")
_NEWER = re.compile(
    r"^\s*type\s+\w|\b(?:def|class)\s+\w+\s*\[|(?i:\b(?:t|tr|rt)[\"'])|"
    r"\bexcept\b(?:(?!\bexcept\b)[^(,])*+,|\blazy\b|\[\s*\*|\{\s*\*"
)
"""Something that came to Python after 3.11, or will come to it."""


_TEMPLATE = re.compile(r"\{\{[ \w]|<%|\$\{|^\s*[%!?]")
"""On the line of an error: something is filled in there, or it is a notebook's."""


def _python(path: str, content: bytes, running: Version) -> Reading:
    if is_encoded_strangely(content):
        return _UNKNOWN
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(content)
    except SyntaxError as error:
        return _of_python(path, content, running, error)
    return GOOD


def _of_python(path: str, content: bytes, running: Version, error: SyntaxError) -> Reading:
    number, message = error.lineno or 0, error.msg
    marks = _marks(content)
    if marks and _line_at(content, marks[0]) <= number <= _line_at(content, marks[1]):
        return _fails(_line_at(content, marks[0]), _MARKS)
    strings = (running >= (3, 12) or not _has_newer_f_string(content, message)) and (
        running >= (3, 14) or not _T_STRING.search(content)
    )
    lines = content.split(b"\n")
    line = lines[number - 1].decode("utf-8", "replace") if 0 < number <= len(lines) else ""
    if b"{%" in content or _TEMPLATE.search(line):
        return _UNKNOWN
    if strings and _NEVER.search(message):
        return _fails(number, message)
    # A stub is read by type checkers, whatever Python runs it.
    dated = bool(line) and strings and not _NEWER.search(line) and suffix_of(path) == "py"
    return _fails(number, message, always=False, dated=dated)


def _has_newer_f_string(content: bytes, message: str) -> bool:
    """Whether there is one, perhaps, that 3.12 and later read in another way than those before.

    Those before end it at the first of its quotes or line ends, within braces, too.
    """
    if "cannot include" in message or "nested too" in message:
        return True
    said = (found[found.lastindex or 0] for found in _F_STRING.finditer(content))
    return not all(map(_WHOLE.fullmatch, said))


# JSON.

_STRING = r'"(?:\\.|[^"\\])*+"?'
_COMMENT = re.compile(rf"{_STRING}|//[^\n]*|/\*(?:.*?\*/|.*)", re.DOTALL)
_LAST_COMMA = re.compile(rf"{_STRING}|,(?=\s*[}}\]])", re.DOTALL)


def _json(path: str, content: bytes) -> Reading:
    strict = path.rpartition("/")[2] in STRICT or suffix_of(path) == "ipynb"
    text = content.decode(json.detect_encoding(content))
    problem = _not_json(text)
    if problem is None:
        return GOOD
    marks = _marks(content)
    if marks and not _in_comment(content[: marks[0]]):
        return _fails(_line_at(content, marks[0]), _MARKS)
    if _FILLED_IN.search(content):
        return _UNKNOWN
    if not strict:
        problem = None if _LOOSE.search(path) else _not_values(_bare(text))
    return _UNKNOWN if problem is None else _fails(problem.lineno, problem.msg)


def _not_json(text: str) -> json.JSONDecodeError | None:
    try:
        json.loads(text, parse_int=str)
    except json.JSONDecodeError as error:
        return error
    return None


def _bare(text: str) -> str:
    """Without comments and commas at the end, every line where it was."""

    def blank(found: re.Match[str]) -> str:
        return found[0] if found[0].startswith('"') else re.sub(r"[^\n]", " ", found[0])

    return _LAST_COMMA.sub(blank, _COMMENT.sub(blank, text))


_WORD = re.compile(r"\S")


def _not_values(text: str) -> json.JSONDecodeError | None:
    """What is wrong with a text of one value, or of several, one after another."""
    decoder = json.JSONDecoder(strict=False, parse_int=str)
    found = _WORD.search(text)
    try:
        while found:
            _, at = decoder.raw_decode(text, found.start())
            found = _WORD.search(text, at)
    except json.JSONDecodeError as error:
        return error
    return None


# TOML and XML.

_TOML_TEXT = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*+(?:"{3,5})?|"(?:\\.|[^"\\\n])*+"?|'
    r"'''(?:.*?'''(?:''?)?|.*)|'[^'\n]*+'?|#[^\n]*",
    re.DOTALL,
)
"""A string or a comment."""
_TOML_1_1 = re.compile(r"\\[ex]|\d\d:\d\d(?!:)")
"""What version 1.1 may allow, or a text that looks like it: escapes, times without seconds."""
_TOML_COMMA = re.compile(r",\s*\}")
_TOML_LAX = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|:60|\b0000-")
"""What readers exist for that let it pass: control characters, leap seconds, the year zero."""
_TOML_LINE = re.compile(r" ?\(at (?:line (\d+), column \d+|end of document)\)$")


def _toml(content: bytes) -> Reading:
    text = content.decode("utf-8-sig")
    try:
        read_toml(text)
    except tomllib.TOMLDecodeError as error:
        if _may_be_newer(text) or _TOML_LAX.search(text) or _FILLED_IN.search(content):
            return _UNKNOWN
        if "Unescaped" in str(error):
            return _UNKNOWN  # there are readers who let it pass
        said = _TOML_LINE.search(str(error))
        line = said[1] if said else None
        return _fails(int(line) if line else None, _TOML_LINE.sub("", str(error)))
    return GOOD


def _may_be_newer(text: str) -> bool:
    """Whether TOML 1.1 may allow it.

    It lets inline tables have several lines, and a comma at the end. The first line of such a table
    opens more of them than it closes. Its drafts had names that are not ASCII.
    """
    bare = _TOML_TEXT.sub('""', text)
    if _TOML_1_1.search(text) or _TOML_COMMA.search(bare) or not bare.isascii():
        return True
    return any(line.count("{") != line.count("}") for line in bare.split("\n"))


_XML_NEVER = frozenset({3, 4, 5, 7, 8})
"""By the numbers of expat: no end, no token, an open token, the wrong end, an attribute twice."""


def _xml(content: bytes) -> Reading:
    from xml.parsers import expat

    plain = content.replace(b"\0", b"")  # in UTF-16
    if b"<!DOCTYPE" in plain or b"<!ENTITY" in plain:
        return _UNKNOWN
    try:
        expat.ParserCreate().Parse(content, True)  # noqa: FBT003 - that it is all
    except expat.ExpatError as error:
        if _FILLED_IN.search(content) or error.code not in _XML_NEVER:
            return _UNKNOWN
        return _fails(error.lineno, expat.ErrorString(error.code) or "")
    return GOOD
