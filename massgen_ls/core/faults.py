"""Files that a candidate leaves so that nobody can read them: told only where that is certain.

A false alarm costs a right candidate, and a file that is broken without a word is mostly found by
the project's own checks. So whatever may be meant so, or may be read by another reader than ours,
is passed over:

- **The base comes first.** A file that is there is only held against a candidate when our reader
  understands the base's version. Without one (a new file) its name has to say who reads it.
- **Python.** What no version reads (indentation, brackets, strings that do not end, the marks of a
  merge) counts everywhere. Any other error counts where the project says that it works with this
  Python or an older one (`floor`), and nothing on the line could be newer than this Python.
- **JSON.** ``package.json`` and its kin strictly. All else may have comments, commas at the end,
  one value for each line; what people configure tools with (``tsconfig.json``, ``.vscode/``) is not
  looked into, but for the marks of a merge, which have no place in any kind of JSON.
- **TOML** without anything that version 1.1 allows. **XML** without a document type.
- **Languages with braces**: the marks of a merge, outside of comments and long literals.
- **Nothing** in folders of fixtures, templates and examples, in files whose names say that they are
  broken or for one version of Python, and of YAML: there is no reader for it that everybody shares.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Final

from massgen_ls.core.candidate import Fault
from massgen_ls.core.changes import ChangeSet, FileChange, RelPath
from massgen_ls.core.crosstests import is_test
from massgen_ls.core.pythons import Version
from massgen_ls.core.reading import BRACES, GOOD, STRICT, Reading, kind_of, reading, suffix_of

_OLDEST: Final[Version] = (3, 0)
_READ_BEFORE: Final = frozenset({"py", "pyi", "json"})
"""What a normal form shows to be right: it is made by the same readers."""


class Faults:
    """Which files of one run can be read, each looked at once.

    `missing` names what has to be read for a change set, `add` takes it, `of` answers.
    """

    def __init__(self, running: Version = (sys.version_info[0], sys.version_info[1])) -> None:
        self._running = running
        self._known: dict[tuple[RelPath, str], Reading] = {}

    def missing(self, changes: ChangeSet) -> tuple[tuple[RelPath, str], ...]:
        """Paths and object names of the contents that are not known yet."""
        found = {key for change in changes.files for key in _versions(change)}
        return tuple(sorted(found - self._known.keys()))

    def add(self, path: RelPath, oid: str, content: bytes, *, good: bool = False) -> None:
        """Takes the content of one version.

        As with `Normaliser.add`, one thread at a time in a process.

        Args:
            path: Its path.
            oid: Its object name.
            content: What a checkout would write.
            good: It was read in full already.
        """
        known = good and suffix_of(path) in _READ_BEFORE
        self._known[path, oid] = GOOD if known else reading(path, content, self._running)

    def dated(self, changes: ChangeSet) -> tuple[RelPath, ...]:
        """Files that have a fault if their project works with this Python or an older one."""
        sure = frozenset(self.of(changes))
        oldest = {change.path: _OLDEST for change in changes.files}
        return tuple(f.path for f in self.of(changes, oldest) if f not in sure)

    def of(
        self, changes: ChangeSet, floors: Mapping[RelPath, Version] | None = None
    ) -> tuple[Fault, ...]:
        """The files that the changes leave so that nobody can read them, by path.

        Args:
            changes: The difference to the base. All that `missing` named has to be there.
            floors: By file, the oldest Python that its project says it works with (see `floor`).
        """
        oldest = floors or {}
        found = (self._fault(change, oldest.get(change.path)) for change in changes.files)
        return tuple(sorted(filter(None, found), key=lambda fault: fault.path))

    def _fault(self, change: FileChange, floor: Version | None) -> Fault | None:
        mine = self._known.get((change.path, change.new_oid or ""))
        if mine is None or mine.good:
            return None
        old_path = change.old_path or change.path
        old = self._known.get((old_path, change.old_oid or ""))
        new = change.old_oid is None or kind_of(old_path) != kind_of(change.path)
        if not (_has_one_reader(change.path) if new else old and old.good):
            return None
        works = floor is not None and _OLDEST <= floor <= self._running
        if not mine.always and not (mine.dated and works):
            return None
        return Fault(change.path, mine.line, mine.message, new=new)


def _versions(change: FileChange) -> Iterator[tuple[RelPath, str]]:
    """Both versions of a file that is looked into."""
    if change.kind == "delete" or change.binary or _is_aside(change):
        return
    for path, oid, kind in (
        (change.old_path or change.path, change.old_oid, change.old_type),
        (change.path, change.new_oid, change.new_type),
    ):
        if oid is not None and kind in ("file", "executable") and kind_of(path):
            yield path, oid


# ── what is not looked into, and what is strict ─────────────────────────────────────────────────

_FOLDERS = re.compile(
    r"(?:^|/)(?:test[-_]?(?:data|files|cases)|fixtures?|samples?|examples?|demos?|templates?|"
    r"skeletons?|scaffold(?:s|ing)?|archetypes?|__?snapshots?_?_?|goldens?|corpus|cassettes|mutants|"
    r"vendor|third[-_]party|node_modules)/",
    re.IGNORECASE,
)
"""Folders of what may be broken on purpose, or is filled in before anybody reads it."""
_FOR_SOME = re.compile(
    r"py_?[23]\d*(?=[_.-]|$)|pep_?\d|\.in\.|\.tmpl|\.tpl|\.j2|[{}%<>$]", re.IGNORECASE
)
"""Names of what is for some versions of Python alone, and of templates."""
_OF_TESTS = re.compile(r"(?:^|/)(?:tests?|testing|__tests__|specs?|data|inputs?)/", re.IGNORECASE)
_ON_PURPOSE = re.compile(
    r"bad|broken|invalid|malformed|corrupt|wrong|illegal|error|conflict", re.IGNORECASE
)


def _is_aside(change: FileChange) -> bool:
    """Whether nothing can be said about a file that nobody can read."""
    path = change.path
    if _FOLDERS.search(path) or _FOR_SOME.search(path):
        return True
    code = kind_of(path) == "python" or kind_of(path) in BRACES
    if _OF_TESTS.search(path) and not is_test(path) and not path.endswith("conftest.py"):
        return not code or change.kind != "modify"
    return bool(_ON_PURPOSE.search(path)) and (not code or change.kind != "modify")


def _has_one_reader(path: str) -> bool:
    kind, name = kind_of(path), path.rpartition("/")[2]
    return name in STRICT or kind == "python" or kind in BRACES or suffix_of(path) == "ipynb"
