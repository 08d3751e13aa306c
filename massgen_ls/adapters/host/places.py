"""Where things of ours are kept on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs


@dataclass(frozen=True, slots=True)
class Places:
    """Our two folders. Neither is made here."""

    cache: Path
    """Shadow repositories and worktrees."""
    state: Path
    """The record of runs and the process journal."""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Places:
        """The platform's folders, or what ``MASSGEN_LS_CACHE`` and ``MASSGEN_LS_STATE`` name."""
        cache, state = environ.get("MASSGEN_LS_CACHE"), environ.get("MASSGEN_LS_STATE")
        return cls(
            Path(cache).absolute() if cache else platformdirs.user_cache_path("massgen-ls"),
            Path(state).absolute() if state else platformdirs.user_state_path("massgen-ls"),
        )
