"""Hunks of lines → minimal edits, and unified text for people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Hunk:
    """Lines ``[old_start, old_end)`` of one text became ``[new_start, new_end)`` of another."""

    old_start: int
    old_end: int
    new_start: int
    new_end: int
