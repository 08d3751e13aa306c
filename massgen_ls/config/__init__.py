"""Configuration files → agents, checks and rules. Importing this is cheap; loading is not."""

from __future__ import annotations

from massgen_ls.config.load import Loaded, load, pick_checks, team

__all__ = ["Loaded", "load", "pick_checks", "team"]
