"""Where settings come from: files, their profiles and what they include, the editor, variables."""

from __future__ import annotations

import difflib
import functools
import hashlib
import importlib.resources
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, cast

from massgen_ls.config.document import Document, Scan, part, scan
from massgen_ls.config.layers import Author, Layer, LayerName
from massgen_ls.config.places import NAMES, chain, user_files
from massgen_ls.config.problems import Problem, Where
from massgen_ls.core.trust import SETTINGS

PROFILE = "MASSGEN_PROFILE"
PREFIX = "MASSGEN_"
_OURS = "MASSGEN_LS_"
"""Begins variables that are no settings of this kind (places, tests)."""
SET_BY_NAME = ("agents", "checks", "orchestrator", "worktree")
_TOO_BIG = 4 * 1024 * 1024
_DEEPEST_INCLUDE = 8

Reader = Callable[[Path], str | None]
"""The text of a file that an editor has open, which may be unsaved; None: it is not open."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What counts beside the project's files."""

    environ: Mapping[str, str] | None = None
    """None: that of this process."""
    profile: str | None = None
    """The profile that the user named."""
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The editor's section ``massgen``."""
    arguments: Sequence[tuple[str, Where, Any]] = ()
    """Options of the command line: name, where it goes, value."""
    read: Reader | None = None
    """Texts that are newer than the files."""
    scan: Scan = scan
    """How texts are read: an editor remembers what it has read."""
    settings_by: Author = "user"
    """Who may have written the settings: editors take some out of the folder that they open."""

    @property
    def env(self) -> Mapping[str, str]:
        """The variables."""
        return os.environ if self.environ is None else self.environ


@dataclass(frozen=True, slots=True)
class FileRead:
    """A file that was read."""

    path: Path
    author: Author
    digest: str
    """sha256 of its bytes; of an editor's text, of what a save as UTF-8 would write. Of a
    ``pyproject.toml`` it is that of our table alone: the rest is nothing that is read of it."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Every layer that counts for a folder."""

    layers: tuple[Layer, ...]
    problems: tuple[Problem, ...]
    """Of reading; each with its file."""
    project: Path | None
    """The project's file, or the one that was named instead."""
    files: tuple[FileRead, ...] = ()
    """Every file that was read, the lowest first."""
    profile_by_settings: bool = False
    """Whether the editor's settings named the profile."""

    @property
    def as_the_user_s(self) -> Gathered:
        """The same where the user has named the project's file as their own word."""

        def mine(name: LayerName) -> bool:
            return name == "project" or (name == "profile" and not self.profile_by_settings)

        return replace(
            self,
            layers=tuple(replace(x, author="user") if mine(x.name) else x for x in self.layers),
            files=tuple(replace(file, author="user") for file in self.files),
        )

    @property
    def without_settings(self) -> tuple[Layer, ...]:
        """The layers as they were if the editor had no settings."""
        gone = ("editor", "profile") if self.profile_by_settings else ("editor",)
        return tuple(layer for layer in self.layers if layer.name not in gone)


def gather(
    folder: Path,
    file: Path | None = None,
    beside: Beside | None = None,
    *,
    project: bool = True,
) -> Gathered:
    """Reads everything that counts for a folder. Never raises; what is wrong is told.

    Args:
        folder: The folder that the user opened.
        file: A configuration file instead of the project's own, absolute.
        beside: What counts beside files.
        project: False: nothing but what counts in every project.
    """
    beside = beside or Beside()
    found = (file or find(folder, beside)) if project else None
    reading = _Reading(beside)
    user = next((p for p in user_files(beside.env) if reading.there(p)), None)
    files: list[Layer] = []
    if user is not None:
        files += reading.file("user", user, "user", user.parent)
    if found is not None:
        author: Author = "user" if file is not None and _top(folder, file) is None else "project"
        files += reading.file("project", found, author, _top(found.parent, found) or found.parent)
    layers = [offline(), *files, *reading.profiles(files)]
    layers += reading.editor()
    layers += reading.variables()
    for option, where, value in beside.arguments:
        layers.append(Layer("arguments", Document(_nested(where, value)), option, "user"))
    return Gathered(
        tuple(layers),
        tuple(reading.problems),
        found,
        tuple(reading.read),
        reading.profile_by_settings,
    )


def find(folder: Path, beside: Beside | None = None) -> Path | None:
    """The configuration file of a folder, or of the nearest one above it in its repository."""
    reading = _Reading(beside or Beside())
    for place in chain(folder):
        for name in NAMES:
            path = place / name
            if reading.there(path) and (name != "pyproject.toml" or reading.has_table(path)):
                return path
    return None


def shipped() -> Traversable:
    """The folder of the configurations that come with us."""
    packaged = importlib.resources.files("massgen_ls") / "configs"
    # In a source checkout they lie beside the package.
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / "configs"


@functools.cache
def offline() -> Layer:
    """The built-in team, below everything."""
    text = (shipped() / "offline.yaml").read_text("utf-8")
    return Layer("defaults", scan(text, "offline.yaml"), "offline.yaml", "us")


def _top(folder: Path, file: Path) -> Path | None:
    """The top of the repository, or the folder itself, if a file is inside of it."""
    top = next((p for p in (folder, *folder.parents) if os.path.exists(p / ".git")), folder)
    return top if file.is_relative_to(top) else None


def _resolved(path: Path) -> Path | None:
    """The real path; None for a name that no file can have, and for a ring of links."""
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError):
        return None


def _nested(where: Where, value: Any) -> dict[str, Any]:
    for key in reversed(where):
        value = {key: value}
    return value


class _Reading:
    """One look at everything; collects what is wrong."""

    def __init__(self, beside: Beside) -> None:
        self._beside = beside
        self.problems: list[Problem] = []
        self.read: list[FileRead] = []
        self.profile_by_settings = False

    # ── files ───────────────────────────────────────────────────────────────────────────────

    def there(self, path: Path) -> bool:
        if self._beside.read is not None and self._beside.read(path) is not None:
            return True
        return os.path.isfile(path)  # unlike `Path.is_file` it takes folders that it may not enter

    def has_table(self, path: Path) -> bool:
        """Whether a pyproject.toml has anything for us."""
        text = self._text(path, quiet=True)
        if text is None or "massgen" not in text:
            return False
        document = self._beside.scan(text, str(path))
        if document.problems:
            return "tool.massgen" in text  # it may be for us: its reader says what is wrong
        return bool(document.under("tool", "massgen").body)

    def file(
        self,
        name: LayerName,
        path: Path,
        author: Author,
        top: Path,
        chain: tuple[Path, ...] = (),
    ) -> list[Layer]:
        """The layers of a file: what it includes, then itself.

        Args:
            name: Of the layers.
            path: The file.
            author: Who wrote it.
            top: What a project's file includes may not lie outside of this.
            chain: The files that include it.
        """
        text = self._text(path)
        if text is None:
            return []
        document = part(text, path, self._beside.scan)
        digest = _digest(path, text, document)
        from massgen_ls.config.massgen.loading import understood

        document, found = understood(document)
        self.problems += [replace(p, file=str(path)) for p in found]
        layer = Layer(name, document, str(path), author)
        layers: list[Layer] = []
        for where, target in _includes(document.body):
            into = _resolved(path.parent / target)
            wrong = ""
            if into is None:
                wrong = f"{target!r} cannot be read"
            elif author == "project" and not into.is_relative_to(top.resolve()):
                wrong = f"{target} lies outside of the project"
            elif into in {p.resolve() for p in (*chain, path)}:
                wrong = f"{target} includes this file again"
            elif len(chain) >= _DEEPEST_INCLUDE:
                wrong = "files include each other too deeply"
            elif not self.there(into):
                wrong = f"there is no file {target}"
            if wrong or into is None:
                self._wrong(layer, where, wrong)
            else:
                layers += self.file(name, into, author, top, (*chain, path))
        self.read.append(FileRead(path, author, digest))
        return [*layers, layer]

    def _text(self, path: Path, *, quiet: bool = False) -> str | None:
        if self._beside.read is not None:
            open_text = self._beside.read(path)
            if open_text is not None:
                return open_text
        wrong, then = "", ""
        try:
            if path.stat().st_size <= _TOO_BIG:
                return path.read_text("utf-8-sig")
            wrong = f"is over {_TOO_BIG >> 20} MiB, too big for a configuration"
        except OSError as error:
            wrong = f"cannot be read: {error.strerror}"
        except UnicodeEncodeError:
            wrong = "cannot be read: its name is no text"
        except UnicodeDecodeError:
            wrong, then = "is not UTF-8 text", "Save it as UTF-8"
        if not quiet:
            self.problems.append(Problem(wrong, suggestion=then, file=str(path), line=0))
        return None

    def _wrong(self, layer: Layer, where: Where, what: str, then: str = "") -> None:
        origin = layer.origin(where)
        self.problems.append(
            Problem(
                what, origin.where, origin.line, origin.column, suggestion=then, file=layer.source
            )
        )

    # ── profiles ────────────────────────────────────────────────────────────────────────────

    def profiles(self, files: Sequence[Layer]) -> list[Layer]:
        """The chosen profile of each file that has it."""
        beside = self._beside
        chosen, said = beside.profile, "--profile"
        if chosen is None and beside.env.get(PROFILE):
            chosen, said = beside.env[PROFILE], PROFILE
        if chosen is None and isinstance(beside.settings.get("profile"), str):
            chosen, said = beside.settings["profile"] or None, "the editor's massgen.profile"
            self.profile_by_settings = chosen is not None
        if chosen is None:
            return []
        known: dict[str, None] = {}
        layers: list[Layer] = []
        for layer in files:
            there = profiles_of(layer)
            known.update(dict.fromkeys(there))
            if chosen in there:
                root = ("profiles", chosen)
                author = beside.settings_by if self.profile_by_settings else "user"
                author = layer.author if author == "user" else author
                layers.append(replace(layer, name="profile", root=root, author=author))
        if not layers:
            near = difflib.get_close_matches(chosen, known, 1)
            names = f"there are: {', '.join(known)}" if known else "no file has `profiles`"
            self.problems.append(
                Problem(
                    f"there is no profile {chosen!r}",
                    line=0,
                    file=said,
                    suggestion=f"did you mean {near[0]!r}?" if near else names,
                    meant=near[0] if near else None,
                    # A variable that is set for good may name what this project does not have.
                    severity="error" if known or said == "--profile" else "warning",
                )
            )
        return layers

    # ── no files ────────────────────────────────────────────────────────────────────────────

    def editor(self) -> list[Layer]:
        """The editor's settings; what is unset there is null."""
        given = self._beside.settings
        # Beside these, an editor keeps settings of its own under our name.
        body = without_none({k: v for k, v in given.items() if k in SET_BY_NAME})
        for key in given.keys() - set(SET_BY_NAME):
            near = difflib.get_close_matches(key, SET_BY_NAME, 1, 0.8)
            if near and isinstance(given[key], dict | list):
                self.problems.append(
                    Problem(
                        f"there is no setting {key!r}",
                        (key,),
                        line=0,
                        suggestion=f"did you mean {near[0]!r}?",
                        meant=near[0],
                        file=SETTINGS,
                        severity="warning",
                    )
                )
        author = self._beside.settings_by
        return [Layer("editor", Document(body), SETTINGS, author)] if body else []

    def variables(self) -> list[Layer]:
        """``MASSGEN_ORCHESTRATOR__TIMEOUT=600`` and the like, by their names."""
        layers: list[Layer] = []
        for name, text in sorted(self._beside.env.items()):
            if not name.startswith(PREFIX) or name.startswith(_OURS):
                continue
            path = name.removeprefix(PREFIX).lower().split("__")
            if path[0] not in SET_BY_NAME or not all(path):
                continue
            document = scan(text)
            if document.problems:
                self.problems += [replace(p, file=name, line=0) for p in document.problems]
                continue
            value = document.body
            if isinstance(value, str) and path in (["agents"], ["checks"]):
                value = [each.strip() for each in value.split(",") if each.strip()]
            layers.append(Layer("environment", Document(_nested(tuple(path), value)), name, "user"))
        return layers


def profiles_of(layer: Layer) -> list[str]:
    """The names of the profiles in a file."""
    profiles: Any = layer.body.get("profiles") if layer.maps else None
    if not isinstance(profiles, dict):
        return []
    found = cast("dict[str, Any]", profiles)
    return [name for name, inner in found.items() if isinstance(inner, dict)]


def _digest(path: Path, text: str, document: Document) -> str:
    if path.name == "pyproject.toml" and not document.problems:
        # Every value with its type, in its order: whatever of it we could see.
        text = f"[tool.massgen] {document.body!r}"
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def _includes(body: Any) -> list[tuple[Where, str]]:
    given: Any = cast("dict[str, Any]", body).get("include") if isinstance(body, dict) else None
    if isinstance(given, str):
        return [(("include",), given)]
    if isinstance(given, list):
        listed = cast("list[Any]", given)
        return [(("include", i), each) for i, each in enumerate(listed) if isinstance(each, str)]
    return []


def without_none(given: Any) -> Any:
    """Settings without those that are unset, which are null in some editors."""
    if isinstance(given, Mapping):
        mapping = cast("Mapping[str, Any]", given)
        kept = {key: without_none(value) for key, value in mapping.items()}
        return {key: value for key, value in kept.items() if value is not None and value != {}}
    return given
