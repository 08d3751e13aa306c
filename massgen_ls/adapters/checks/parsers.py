"""What failed, read from what a check printed: text → names of failures.

Every function is pure and takes output of untrusted programs: any text gives a list, mostly an
empty one. A name is stable between trees: it has no line numbers, no times and no absolute paths,
so that the same failure on the base and on a candidate has the same name. A finding that occurs
twice is named twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from xml.parsers import expat

LONGEST_NAME: Final = 400
"""Characters of a failure's name; a longer one is cut."""
MOST_PASSED: Final = 5_000
"""More tests than this are not kept by name: they would be stored with every run."""
MOST_FAILURES: Final = 20_000
"""More than this is not told apart."""

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]{0,2000}(?:\x07|\x1b\\)")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def tidy(text: str, folders: Sequence[str] = ()) -> str:
    """Output without colours, control characters and the absolute paths of a worktree.

    What is left cannot act on a terminal that shows it.

    Args:
        text: As printed.
        folders: Absolute folders, innermost first; paths below them become relative.
    """
    text = _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROLS.sub("", text)
    for folder in folders:
        text = text.replace(f"{folder.rstrip('/')}/", "")
    return text


def read(text: str, *, lines_only: bool = False) -> tuple[str, ...]:
    """The failures in the output of any tool known here, sorted.

    Test runners come first: where one has named its failures, places in its tracebacks are not
    findings. Runners that ran one after another are added up.

    Args:
        text: What `tidy` returned.
        lines_only: Look for findings of linters and compilers only.
    """
    found: list[str] = []
    if not lines_only:
        for runner in _RUNNERS:
            found += runner(text)
    if not found:
        found = findings(text)
    return settled(found)


def settled(found: Sequence[str]) -> tuple[str, ...]:
    """Failures as they are stored: cut to a sane length, sorted; none when far too many."""
    if len(found) > MOST_FAILURES:
        return ()
    return tuple(sorted(" ".join(name.split())[:LONGEST_NAME] for name in found))


def complete(passed: Sequence[str]) -> tuple[str, ...] | None:
    """Passed tests as they are stored, each once; None when too many to keep."""
    names = {" ".join(name.split())[:LONGEST_NAME] for name in passed}
    return tuple(sorted(names)) if len(names) <= MOST_PASSED else None


def passed(text: str) -> tuple[str, ...] | None:
    """The tests that passed, where the output names every one of them; None where it may not.

    That is so for ``cargo test``, ``go test -v``, ``unittest -v`` and TAP, when none of the others
    had a word. What ran beside them unnoticed can make failures look as if their tests were gone,
    which costs a candidate some credit and never holds anything against it.
    """
    found = [names for reader in _PASSES if (names := reader(text)) is not None]
    return complete(found[0]) if len(found) == 1 else None


# ── JUnit XML ───────────────────────────────────────────────────────────────────────────────────


class _Forbidden(Exception):
    """The document declares a type or an entity, which no test report needs."""


@dataclass(frozen=True, slots=True)
class Report:
    """The cases of a JUnit report by how they ended; skipped ones did neither."""

    failed: tuple[str, ...]
    passed: tuple[str, ...] | None


def junit(report: bytes) -> Report | None:
    """What a JUnit report says; None when it is no report.

    The report was written by code that is not trusted: it is read as a stream, without building
    a tree, and anything that declares a document type or an entity is refused, in any encoding.
    """
    failed: list[str] = []
    passed: list[str] = []
    case = ""
    is_report = False
    whole = True

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal case, is_report
        match name.rpartition(":")[2]:
            case "testsuite" | "testsuites":
                is_report = True
            case "testcase":
                owner, own = attributes.get("classname", ""), attributes.get("name", "")
                case = "::".join(part for part in (owner, own) if part) or "unnamed"
            case "failure" | "error" if case:
                failed.append(case)
                case = ""  # one failure for each case, however many assertions it lost
            case "skipped":
                case = ""
            case _:
                pass

    def end(name: str) -> None:
        nonlocal case
        if name.rpartition(":")[2] == "testcase":
            if case:
                passed.append(case)
            case = ""

    def refuse(*_: object) -> None:
        raise _Forbidden

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(report, whole)
    except (expat.ExpatError, _Forbidden, ValueError, LookupError):
        return None
    # pytest names a case twice when it passed and its clean-up failed.
    good = sorted(set(passed) - set(failed))
    return Report(settled(failed), complete(good)) if is_report else None


# ── test runners ────────────────────────────────────────────────────────────────────────────────

_UNITTEST = re.compile(r"^={60,}\n(?:FAIL|ERROR|UNEXPECTED SUCCESS): (.+)$", re.MULTILINE)


def unittest(text: str) -> list[str]:
    """Python's unittest: the heads of its reports, subtests apart."""
    return _UNITTEST.findall(text)


_UNITTEST_RAN = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)
# A docstring's first line may stand between; before 3.11, what failed in parts ends no line.
_UNITTEST_CASE = re.compile(
    r"(?:^|(?<= \.\.\. ))(\S+ \([\w.<>]+\))(?: |\n.* )\.\.\. ", re.MULTILINE
)
_UNITTEST_SKIP = re.compile(r"(?:.* \.\.\. )?skipped ['\"]")
_UNITTEST_BAD = ("FAIL", "ERROR", "expected failure", "unexpected success")
_UNITTEST_FIXTURE = ("setUpClass (", "setUpModule (", "tearDownClass (", "tearDownModule (")


def unittest_passed(text: str) -> list[str] | None:
    """``unittest -v``: each passed test, with its class; None where not all of them are told."""
    *runs, _ = _UNITTEST_RAN.split(text)
    found: list[str] = []
    for told, count in zip(runs[::2], runs[1::2], strict=True):
        reports = _UNITTEST.search(told)
        lines = told[: reports.start()] if reports else told
        failed = {_without_part(name) for name in _UNITTEST.findall(told)}
        cases = list(_UNITTEST_CASE.finditer(lines))
        ends = [*(case.start() for case in cases[1:]), len(lines)]
        tests = [(c, e) for c, e in zip(cases, ends, strict=False) if not _is_fixture(c[1])]
        if len(tests) < int(count):
            return None
        for case, end in tests:
            if case[1] in failed or _UNITTEST_SKIP.match(lines, case.end(), end):
                continue
            ended = _ended(lines[case.end() : end])
            if ended is None:
                return None
            found += [case[1]] if ended else []
    return found if runs else None


def _is_fixture(name: str) -> bool:
    return name.startswith(_UNITTEST_FIXTURE)


def _without_part(name: str) -> str:
    """A test's name without the subtest."""
    return name[: name.find(")") + 1] or name


def _ended(said: str) -> bool | None:
    """Whether a test passed, by what stands behind its name; None where nothing says how it ended.

    What it printed may stand before that, on the same line, too.
    """
    for line in reversed(said.split("\n")):
        if line.endswith("ok"):
            return True
        if line.endswith(_UNITTEST_BAD):
            return False
        if line.endswith(("'", '"')) and ("skipped '" in line or 'skipped "' in line):
            return False
    return None


_PYTEST_SUMMARY = re.compile(r"^=+ short test summary info =+$", re.MULTILINE)
_PYTEST_LINE = re.compile(r"^(?:(?:FAILED|ERROR) |SUBFAILED ?)(\S.*?)(?: - .*)?$", re.MULTILINE)


def pytest(text: str) -> list[str]:
    """The short summary of pytest, for runs behind another program (make, tox, nox)."""
    found: list[str] = []
    for part in _PYTEST_SUMMARY.split(text)[1:]:
        found += _PYTEST_LINE.findall(part)
    return found


_GO_TEST = re.compile(r"^ *--- FAIL: (\S+) \(|^FAIL\t(\S+)(.*)$", re.MULTILINE)


def go(text: str) -> list[str]:
    """``go test``: each failed test with its package, or a package that does not build."""
    found: list[str] = []
    waiting: list[str] = []
    for test, package, rest in _GO_TEST.findall(text):
        if test:
            waiting.append(test)
            continue
        # The package's line follows those of its tests.
        found += [f"{package} {name}" for name in waiting]
        if not waiting:
            found.append(f"{package}{' [build failed]' if 'build failed' in rest else ''}")
        waiting = []
    return found + waiting


_GO_PASS = re.compile(r"^ *--- PASS: (\S+) \(|^(?:ok  |FAIL)\t(\S+)", re.MULTILINE)


def go_passed(text: str) -> list[str] | None:
    """``go test -v``: each passed test with its package."""
    if "\n=== RUN " not in f"\n{text}":
        return None
    found: list[str] = []
    waiting: list[str] = []
    for test, package in _GO_PASS.findall(text):
        if test:
            waiting.append(test)
        else:
            found += [f"{package} {name}" for name in waiting]
            waiting = []
    return found + waiting


_CARGO_LIST = re.compile(r"^failures:\n((?:    \S.*\n)+)", re.MULTILINE)
_LINE_NUMBER = re.compile(r"\bline \d+\b")


def cargo(text: str) -> list[str]:
    """``cargo test``: the lists at the end of each test binary's report."""
    return [
        _LINE_NUMBER.sub("line", name.strip())
        for names in _CARGO_LIST.findall(text + "\n")
        for name in names.strip().split("\n")
    ]


_CARGO_RUN = re.compile(r"^running \d+ tests?$", re.MULTILINE)
_CARGO_PASS = re.compile(r"^test (\S.*?) \.\.\. ok$", re.MULTILINE)


def cargo_passed(text: str) -> list[str] | None:
    """``cargo test``: a line for each test."""
    if not _CARGO_RUN.search(text):
        return None
    return [_LINE_NUMBER.sub("line", name) for name in _CARGO_PASS.findall(text)]


_TAP = re.compile(
    r"^( *)(?:# Subtest: (?P<subtest>.*)|(?P<word>(?:not )?ok) \d+(?: - | )?(?P<point>.*))$",
    re.MULTILINE,
)
_TAP_EXCUSED = re.compile(r"\s# (?:TODO|SKIP)\b", re.IGNORECASE)


def tap(text: str) -> list[str]:
    """TAP, as ``node --test`` and many others print it: the failed points by their path."""
    return _points(text, "not ok")


_TAP_VERSION = re.compile(r"^TAP version \d+$", re.MULTILINE)


def tap_passed(text: str) -> list[str] | None:
    """TAP: the points that passed, by their path."""
    return _points(text, "ok") if _TAP_VERSION.search(text) else None


def _points(text: str, word: str) -> list[str]:
    found: list[str] = []
    path: dict[int, str] = {}
    for line in _TAP.finditer(text):
        depth = len(line[1])
        path = {d: name for d, name in path.items() if d < depth}
        if line["subtest"] is not None:
            path[depth] = line["subtest"]
        elif line["word"] == word and not _TAP_EXCUSED.search(line["point"]):
            found.append(" > ".join((*path.values(), line["point"] or "unnamed")))
    return found


_NODE_SPEC = re.compile(r"^✖ (.+) \([\d.]+ms\)$", re.MULTILINE)


def node(text: str) -> list[str]:
    """The ``spec`` reporter of ``node --test``: its list of failing tests."""
    _, heading, rest = text.partition("\n✖ failing tests:\n")
    return [name for name in _NODE_SPEC.findall(rest) if name] if heading else []


_JEST = re.compile(r"^ *● (?!Console$)(.+)$")
_JEST_FILE = re.compile(r"^ *(?:FAIL|PASS) +(\S+)(?: \([\d.]+ m?s\))?$")
_VITEST = re.compile(r"^ *(?:FAIL|❯ FAIL) +(\S+ (?:> .+|\[ .+ \]))$", re.MULTILINE)


def javascript(text: str) -> list[str]:
    """Jest's and Vitest's failures. Both may print a failure twice, so each is named once."""
    found = dict.fromkeys(_VITEST.findall(text))
    if "● " in text:
        file = ""
        for line in text.split("\n"):
            if head := _JEST_FILE.match(line):
                file = head[1].removeprefix("./")
            elif file and (failure := _JEST.match(line)):
                found[f"{file} {failure[1].strip()}"] = None
    return list(found)


_RUNNERS: tuple[Callable[[str], list[str]], ...] = (
    unittest,
    pytest,
    go,
    cargo,
    tap,
    node,
    javascript,
)
_PASSES: tuple[Callable[[str], list[str] | None], ...] = (
    unittest_passed,
    go_passed,
    cargo_passed,
    tap_passed,
)

# ── linters and compilers ───────────────────────────────────────────────────────────────────────

_PATH = r"(?P<path>[^\s:()<>][^:()\n]{0,400})"
_FINDING = re.compile(
    # path:line[:column] then a colon, a dash or a space; vet: and pyright put something before.
    rf"^\s*(?:vet: )?{_PATH}:\d+(?::\d+)?(?:-\d+(?::\d+)?)?(?::| -)?\s+(?P<message>\S.*)$"
    rf"|^\s*{_PATH.replace('path', 'tsc')}\(\d+(?:,\d+)?\): (?P<said>\S.*)$"
)
_STYLISH = re.compile(r"^\s+\d+:\d+\s+(?P<message>(?:error|warning)\s+\S.*)$")
_ARROW = re.compile(rf"^\s*--> {_PATH}:\d+:\d+$")
_ASIDE = re.compile(
    r"(?:note|help|info|information|hint)\b|'[^']*' (?:is|was)(?: also)? declared here\.",
    re.IGNORECASE,
)
_FIXABLE = re.compile(r"\[[*-]\] ")
_MEASURED = re.compile(r"\(\d+(?= (?:>|/|<) \d+\))")


def findings(text: str) -> list[str]:
    """Findings of linters, type checkers and compilers as ``path: code message``.

    Understands ``path:line:column: message`` (ruff, flake8, mypy, pyright, pylint, gcc, clang, go
    vet, cargo's short form, eslint's unix form), tsc's ``path(line,column): message``, eslint's
    stylish blocks, and a title followed by ``--> path:line:column`` (rustc, ruff's full form).
    """
    found: list[str] = []
    title = ""
    file = ""
    for line in text.split("\n"):
        if not line.strip() or len(line) > 10_000:
            continue
        if file and (hit := _STYLISH.match(line)):
            path, message = file, hit["message"]
        elif hit := _FINDING.match(line):
            path, message = hit["path"] or hit["tsc"], hit["message"] or hit["said"]
        elif hit := _ARROW.match(line):
            path, message, title = hit["path"], title, ""
        else:
            if not line[0].isspace():
                title = line
                file = line if _is_path(line) else ""
            continue
        if message and _is_path(path) and not _ASIDE.match(message):
            found.append(f"{path.removeprefix('./')}: {_plain(message)}")
    return found


def _is_path(text: str) -> bool:
    """Whether it could name a file: times and log prefixes cannot."""
    return ("." in text or "/" in text) and any(c.isalpha() for c in text) and "://" not in text


def _plain(message: str) -> str:
    """A message without what changes when lines move or a measure moves a little."""
    message = _FIXABLE.sub("", message)
    message = _MEASURED.sub("(…", message)
    return _LINE_NUMBER.sub("line", message)
