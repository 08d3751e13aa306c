"""Configuration files → agents, checks and rules. Importing this is cheap; loading is not."""

from __future__ import annotations

from massgen_ls.config.load import Loaded, load, missing_parts, pick_checks, team
from massgen_ls.config.sources import Beside

__all__ = ["Beside", "Loaded", "load", "missing_parts", "pick_checks", "team"]
