"""MassGen's configuration files: told apart from ours, and mapped to what we have."""

from massgen_ls.config.massgen.kind import kind_of
from massgen_ls.config.massgen.mapping import convert
from massgen_ls.config.massgen.report import FATES, Fate, Kind, Report

__all__ = ["FATES", "Fate", "Kind", "Report", "convert", "kind_of"]
