"""Which folders are trusted: a small file in the user's state folder, and what it is held against.

The file belongs to the user alone. One that cannot be read, or that somebody else could have
written, says nothing: then no folder is trusted, and whoever asks is told why.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

from massgen_ls.core.errors import StorageError
from massgen_ls.core.powers import Power
from massgen_ls.core.trust import (
    AGENTS_OWN,
    NOT_OBEYED,
    SETTINGS,
    Approval,
    Claim,
    Decision,
    Giver,
    Source,
    UntrustedError,
    Word,
    decide,
)

if sys.platform == "win32":
    import msvcrt

    def _wait(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
else:
    import fcntl

    def _wait(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)


FILE = "trust.json"
_VERSION = 1
_MOST_BYTES = 8 * 1024 * 1024
"""Of the store, and of all that is looked at in one folder."""
_MOST_FILES = 1000
"""That agents would obey in one folder."""
_MOST_DEEP = 12
_MOST_STATES = 20
"""That are remembered of one folder, with no more files in all of the earlier ones than may be in
one."""

Approvals = Mapping[str, Approval]
"""By the folder below the top."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the store says."""

    folders: Mapping[str, Approvals] = field(default_factory=dict[str, Approvals])
    """By the real path of a repository's top."""
    complaint: str = ""
    """Why it says nothing, for people."""


@dataclass(frozen=True, slots=True)
class TrustStore:
    """The file of what is trusted.

    Args:
        folder: The user's state folder; made when it is first needed.
        now: The time as text for people.
    """

    folder: Path
    now: Callable[[], str]

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / FILE

    def read(self) -> Known:
        """What is trusted. Blocks; never raises: what cannot be believed says nothing."""
        try:
            raw = self._bytes()
        except FileNotFoundError:
            return Known()
        except _DoubtfulError as error:
            return Known(complaint=f"No folder counts as trusted: {self.path} {error}")
        except OSError as error:
            why = error.strerror or type(error).__name__
            return Known(
                complaint=f"No folder counts as trusted: {self.path} cannot be read: {why}"
            )
        try:
            return Known(_parsed(json.loads(raw)))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return Known(
                complaint=f"No folder counts as trusted: {self.path} is damaged; trusting a folder "
                "begins it anew"
            )

    def approve(self, claim: Claim, by: Giver) -> None:
        """Remembers that a folder's content, as it was looked at, is trusted. Blocks.

        Raises:
            StorageError: It cannot be remembered.
        """
        approval = Approval(by, dict(claim.files), self.now())

        def change(folders: dict[str, dict[str, Approval]]) -> None:
            kept = folders.setdefault(claim.root, {})
            # What is said of a folder holds for the folders in it: their own words are older.
            below = "" if claim.scope == "." else f"{claim.scope}/"
            # (But an editor's word is for that editor alone, and takes nothing from the user's.)
            older = [s for s in kept if s != "." and s.startswith(below)]
            for scope in [s for s in older if by == "user" or kept[s].by == by]:
                del kept[scope]
            before = kept.get(claim.scope)
            if before is not None and before.by == by:
                kept[claim.scope] = replace(approval, earlier=_earlier(before, approval.files))
            elif by == "user" or before is None or before.files != approval.files:
                kept[claim.scope] = approval

        self._change(change)

    def revoke(self, root: str) -> bool:
        """Forgets that anything below a top was trusted; False: nothing was. Blocks.

        Raises:
            StorageError: It cannot be forgotten.
        """
        found: list[bool] = []

        def change(folders: dict[str, dict[str, Approval]]) -> None:
            found.append(folders.pop(root, None) is not None)

        self._change(change)
        return found[0]

    def _bytes(self) -> bytes:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            handle = os.open(self.path, flags)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise _DoubtfulError("is a link") from None
            raise
        with open(handle, "rb") as file:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise _DoubtfulError("is no file")
            if sys.platform != "win32":
                around = os.stat(self.folder)
                for name, each in (("", found), ("'s folder", around)):
                    if each.st_uid != os.geteuid():
                        raise _DoubtfulError(f"{name} belongs to user {each.st_uid}".strip())
                    if each.st_mode & 0o022:
                        raise _DoubtfulError(f"{name} can be written by others".strip())
            if found.st_size > _MOST_BYTES:
                raise _DoubtfulError("is too large")
            return file.read(_MOST_BYTES + 1)

    def _change(self, change: Callable[[dict[str, dict[str, Approval]]], None]) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._alone():
                known = self.read()
                folders = {root: dict(each) for root, each in known.folders.items()}
                change(folders)
                self._write(folders)
        except OSError as error:
            raise StorageError(
                f"{self.path} cannot be written: {error.strerror or error}",
                "Make your state folder writable, or set MASSGEN_LS_STATE to another one",
            ) from error

    @contextlib.contextmanager
    def _alone(self) -> Generator[None]:
        """One writer at a time; the lock ends with its holder, however that ends."""
        handle = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _wait(handle)
            yield
        finally:
            os.close(handle)

    def _write(self, folders: Mapping[str, Approvals]) -> None:
        body = {
            "version": _VERSION,
            "folders": {
                root: {
                    scope: {
                        "by": a.by,
                        "at": a.at,
                        "files": dict(a.files),
                        "earlier": [dict(each) for each in a.earlier],
                    }
                    for scope, a in scopes.items()
                }
                for root, scopes in folders.items()
            },
        }
        text = json.dumps(body, indent=1, sort_keys=True)
        fresh = self.folder / f"{FILE}.{uuid4().hex}"
        try:
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(handle, "wb") as file:
                file.write(text.encode("ascii"))
                file.flush()
                os.fsync(handle)
            os.replace(fresh, self.path)
        finally:
            fresh.unlink(missing_ok=True)


def _earlier(before: Approval, now: Mapping[str, str]) -> tuple[Mapping[str, str], ...]:
    """What was trusted before this, and is still remembered."""
    found: list[Mapping[str, str]] = []
    room = _MOST_FILES
    for state in (before.files, *before.earlier):
        room -= len(state)
        if room < 0 or len(found) == _MOST_STATES - 1:
            break
        if state != now:
            found.append(state)
    return tuple(found)


class _DoubtfulError(Exception):
    """Somebody else could have written the store."""


def _parsed(body: Any) -> dict[str, dict[str, Approval]]:
    if body["version"] != _VERSION:
        raise ValueError
    found: dict[str, dict[str, Approval]] = {}
    for root, scopes in body["folders"].items():
        for scope, each in scopes.items():
            if each["by"] not in {"user", "editor"}:
                raise ValueError
            earlier = tuple(map(_state, each.get("earlier", ())))
            approval = Approval(each["by"], _state(each["files"]), str(each["at"]), earlier)
            found.setdefault(root, {})[scope] = approval
    return found


def _state(body: Any) -> dict[str, str]:
    files = cast("dict[object, object]", dict(body))
    if not all(isinstance(text, str) for pair in files.items() for text in pair):
        raise ValueError
    return cast("dict[str, str]", files)


# ── what a folder wants ─────────────────────────────────────────────────────────────────────────


def top_of(folder: str) -> str:
    """The real path of the top of the repository that a folder is in, else of the folder itself."""
    real = os.path.realpath(folder)
    above = real
    while not os.path.lexists(os.path.join(above, ".git")):
        if os.path.dirname(above) == above:
            return real
        above = os.path.dirname(above)
    return above


def claim(
    folder: str, sources: tuple[Source, ...], powers: tuple[Power, ...], settings: str = ""
) -> Claim:
    """What a folder would do if it were trusted. Reads the disk, starts nothing.

    Args:
        folder: The folder that the user opened.
        sources: The project's configuration files, as they were read.
        powers: What they want.
        settings: Digest of the editor's settings, where these want something too.
    """
    root = top_of(folder)
    scope = os.path.relpath(os.path.realpath(folder), root).replace(os.sep, "/")
    shown = tuple(replace(power, file=_below(root, power.file)) for power in powers)
    files: dict[str, str] = {}
    strangers: list[Power] = []
    trouble = ""
    for source in sources:
        name = _below(root, source.path)
        files[name] = source.digest
        real = os.path.realpath(source.path)
        if os.path.isabs(_below(root, real)) and os.path.lexists(os.path.join(root, ".git")):
            trouble = f"{source.path} is a link that leads out of the repository, to {real}"
        elif (owner := _owner(real)) is not None:
            why = f"the file belongs to another user, {owner}"
            strangers.append(Power(name, 0, "", "", why))
    look = _Look(root)
    own: list[Power] = []
    for top in _chain(root, scope):
        for each in AGENTS_OWN:
            before = len(look.files)
            name = each.name if top == "." else f"{top}/{each.name}"
            look.take(name)
            if len(look.files) > before:
                own.append(Power(name, 0, "", "", f"{each.who} obeys it: {each.what}"))
    files.update(look.files)
    if settings:
        files[SETTINGS] = settings
    return Claim(root, scope, (*shown, *strangers), tuple(own), files, trouble or look.trouble)


def _below(root: str, path: str) -> str:
    """A path from the top of the repository; absolute when it lies elsewhere."""
    if path == SETTINGS:
        return path
    folder, name = os.path.split(path)
    full = os.path.join(os.path.realpath(folder), name)  # the file itself may be a link
    rest = os.path.relpath(full, root)
    return full if rest.split(os.sep)[0] == os.pardir else rest.replace(os.sep, "/")


def _owner(path: str) -> int | None:
    """Whose a file is, when it is neither ours nor the system's."""
    if sys.platform == "win32":
        return None
    try:
        owner = os.stat(path).st_uid
    except OSError:
        return None
    return None if owner in {os.geteuid(), 0} else owner


def _chain(root: str, scope: str) -> Iterator[str]:
    yield "."
    parts = [] if scope == "." else scope.split("/")
    for count in range(1, len(parts) + 1):
        yield "/".join(parts[:count])


class _Look:
    """Digests of what agents would obey, up to a bound."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._room = _MOST_BYTES
        self._seen: set[str] = set()
        self.files: dict[str, str] = {}
        self.trouble = ""

    def take(self, name: str, depth: int = 0) -> None:
        """A file, or a folder with all that is in it; links are followed and noted."""
        if self.trouble or any(name == each or name.endswith(f"/{each}") for each in NOT_OBEYED):
            return
        full = os.path.join(self._root, name)
        try:
            link = os.readlink(full) if os.path.islink(full) else ""
            found = os.stat(full)
        except OSError as error:
            if os.path.lexists(full):
                self._put(name, f"unreadable {error.errno}")
            return
        if stat.S_ISDIR(found.st_mode):
            real = os.path.realpath(full)
            if link:
                self._put(name, f"link {link}")
            if real in self._seen or depth > _MOST_DEEP:
                self._put(name, f"folder {link}")
                return
            self._seen.add(real)
            try:
                entries = sorted(os.listdir(full))
            except OSError as error:
                self._put(name, f"unreadable {error.errno}")
                return
            for entry in entries:
                self.take(f"{name}/{entry}", depth + 1)
        elif stat.S_ISREG(found.st_mode):
            self._put(name, f"link {link} {self._digest(full)}" if link else self._digest(full))
        else:
            self._put(name, "special")

    def _put(self, name: str, digest: str) -> None:
        self.files[name] = digest
        if len(self.files) > _MOST_FILES:
            self.trouble = f"agents would obey more than {_MOST_FILES} files of it"

    def _digest(self, full: str) -> str:
        try:
            handle = os.open(full, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
            with open(handle, "rb") as file:
                content = file.read(self._room + 1)
        except OSError as error:
            return f"unreadable {error.errno}"
        self._room -= len(content)
        if self._room < 0:
            self._room = 0
            self.trouble = f"agents would obey more than {_MOST_BYTES >> 20} MiB of it"
        return hashlib.sha256(content).hexdigest()


# ── the gate ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Gate:
    """Holds what a folder wants against what is trusted."""

    store: TrustStore

    def look(self, wanted: Claim, word: Word | None) -> tuple[Decision, Known]:
        """What holds for a folder now; changes nothing. Blocks."""
        known = self.store.read()
        approvals = known.folders.get(wanted.root, {})
        states = (state for a in approvals.values() for state in (a.files, *a.earlier))
        paths = {path for state in states for path in state} - {SETTINGS}
        gone = [p for p in paths if not os.path.lexists(os.path.join(wanted.root, p))]
        return decide(wanted, approvals, word, gone), known

    def admit(self, wanted: Claim, word: Word | None = None) -> bool:
        """Whether the folder is trusted; remembers it when somebody has just said so. Blocks.

        Returns:
            False: it is not, and wants nothing that needs it.

        Raises:
            UntrustedError: It is not, and wants what needs it.
            StorageError: What was said cannot be remembered.
        """
        decision, known = self.look(wanted, word)
        if decision.outcome in {"ask", "refuse"}:
            raise UntrustedError(wanted, decision, known.complaint)
        if decision.keep is not None:
            self.store.approve(wanted, decision.keep)
        return decision.outcome == "trusted"
