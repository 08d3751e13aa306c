"""What the command line was given, a class for each command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from massgen_ls.core.task import Mode, VotingRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What every command takes: how it logs."""

    log_level: str | None = None
    log_file: str | None = None
    log_format: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InFolder(Options):
    """Of what works in a folder: the current one, if none is named."""

    repo: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured(InFolder):
    """Of what reads the configuration of a folder."""

    config: str | None = None
    profile: str | None = None


# ── runs ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions(Configured):
    """``run``."""

    prompt: str
    scope: str | None = None
    agents: str | None = None
    mode: Mode | None = None
    detected_checks: bool = False
    context: str | None = None
    attach: Sequence[str] = ()
    trust: bool = False
    apply: bool = False
    json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordOptions(InFolder):
    """Of what looks at many runs."""

    all: bool = False
    limit: int
    json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsOptions(RecordOptions):
    """``runs``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsOptions(RecordOptions):
    """``stats``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowOptions(Options):
    """``show``."""

    run: str
    candidate: str | None = None
    transcript: str | None = None
    diff: bool = False
    markdown: bool = False
    json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyOptions(Options):
    """``apply``."""

    run: str
    candidate: str | None = None
    partial: bool = False
    json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOptions(Options):
    """``cancel``."""

    run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions(InFolder):
    """``evaluate``."""

    cases: str | None = None
    rules: Sequence[VotingRule] = ()
    config: str | None = None
    early_exit: bool = False
    jobs: int = 1
    json: bool = False
    from_history: str | None = None
    revision: str = "HEAD"
    count: int = 12
    seed: int = 0
    check: str | None = None
    output: str | None = None
    build_only: bool = False


# ── this machine, this folder ───────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions(Configured):
    """``serve``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions(Options):
    """``demo``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorOptions(Configured):
    """``doctor``."""

    json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BugreportOptions(Configured):
    """``bugreport``."""

    run: str | None = None
    output: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanOptions(Options):
    """``clean``."""

    dry_run: bool = False
    json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustOptions(Options):
    """``trust``."""

    dir: str | None = None
    list: bool = False
    show: bool = False
    revoke: bool = False
    json: bool = False


# ── configurations ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class InitOptions(InFolder):
    """``init``."""

    agents: str | None = None
    template: str | None = None
    checks: str | None = None
    user: bool = False
    output: str | None = None
    force: bool = False
    yes: bool = False
    trust: bool = False
    json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigShowOptions(Configured):
    """``config show``."""

    origin: bool = False
    mode: Mode | None = None
    json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSchemaOptions(Options):
    """``config schema``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigTemplatesOptions(Options):
    """``config templates``."""

    name: str | None = None
    json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigCheckOptions(Options):
    """``config check``."""

    file: str
    json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigImportOptions(ConfigCheckOptions):
    """``config import``."""

    output: str
    force: bool = False
