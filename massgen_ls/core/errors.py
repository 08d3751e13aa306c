"""The error tree.

::

    MassgenError                what happened, and what to do next
    ├── ConfigError             a configuration cannot be used (exit code 2)
    ├── WorkspaceError          the folder cannot be worked on: no repository, git too old (2)
    ├── StorageError            our own cache or state folder fails: full, unwritable (1)
    ├── NotFoundError           no such run, candidate or file (2)
    ├── AttachmentError         something that cannot be attached to a task (2)
    ├── UnsafePathError         a path that an agent returned may not become an edit
    └── GitError                a git command failed that should not have (1)

Expected failures of agents and checks are values (`AttemptEnded`, `CheckResult`), not exceptions;
these classes are for what stops a whole request. A bug raises whatever Python raises.
"""

from __future__ import annotations


class MassgenError(Exception):
    """A failure with a message for a person.

    Args:
        what: What happened, one sentence, without a full stop.
        hint: What to do next, one sentence; empty when there is nothing to do.
    """

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}. {self.hint}" if self.hint else self.what


class ConfigError(MassgenError):
    """A configuration cannot be used."""


class WorkspaceError(MassgenError):
    """The folder cannot be worked on."""


class StorageError(MassgenError):
    """Our own cache or state folder fails."""


class NotFoundError(MassgenError):
    """There is no such run, candidate or file."""


class AttachmentError(MassgenError):
    """Something that cannot be attached to a task."""


class UnsafePathError(MassgenError):
    """A path that must not become an edit: absolute, escaping or inside ``.git``."""


class GitError(MassgenError):
    """A git command failed that should not have."""
