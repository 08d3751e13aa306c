"""Which part of a candidate should land: files, or some hunks of a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from massgen_ls.core.changes import ChangeSet, FileChange, RelPath
from massgen_ls.core.errors import NotFoundError

_LISTED = 10
"""Files that an error names."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The part of a candidate that should land."""

    paths: AbstractSet[RelPath] | None = None
    """Files that land; of a rename either name. None: all, or those of ``hunks`` if it has any."""
    hunks: Mapping[RelPath, AbstractSet[int]] = field(
        default_factory=dict[RelPath, AbstractSet[int]]
    )
    """Of these files only some hunks, as indices into `line_hunks` of base and candidate. A file
    that has no hunks (added, deleted, binary) lands when any index is given."""
    partial: bool = False
    """Whether a file lands without the hunks that conflict, instead of not at all. Files in
    ``hunks`` always do: whoever chose among hunks takes them one by one."""

    @classmethod
    def of(
        cls,
        paths: Iterable[str] | None = None,
        hunks: Mapping[str, Iterable[int]] | None = None,
        *,
        partial: bool = False,
    ) -> Selection:
        """As somebody names it: whether the candidate has it, `chosen_changes` says."""
        return cls(
            None if paths is None else frozenset(map(RelPath, paths)),
            {RelPath(path): frozenset(numbers) for path, numbers in (hunks or {}).items()},
            partial,
        )

    def includes(self, change: FileChange) -> bool:
        """Whether anything of a file's change should land."""
        named = {change.path, change.old_path or change.path}
        chosen = self.hunks_of(change)
        if chosen is not None:
            return bool(chosen)
        if self.paths is None:
            return not self.hunks
        return bool(named & self.paths)

    def hunks_of(self, change: FileChange) -> AbstractSet[int] | None:
        """The chosen hunks of a file; None for all of them."""
        for path in (change.path, change.old_path):
            if path is not None and path in self.hunks:
                return self.hunks[path]
        return None


EVERYTHING = Selection()


def chosen_changes(changes: ChangeSet, selection: Selection) -> tuple[FileChange, ...]:
    """The changes that a selection takes.

    Raises:
        NotFoundError: It names a file that the candidate does not change.
    """
    known = set(changes.paths())
    for path in sorted({*(selection.paths or ()), *selection.hunks}):
        if path not in known:
            raise NotFoundError(
                f"the candidate does not change {path!r}",
                f"It changes: {', '.join(sorted(known)[:_LISTED])}",
            )
    return tuple(change for change in changes.files if selection.includes(change))
