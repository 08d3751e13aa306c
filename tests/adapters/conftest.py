"""Fixtures for every test of the adapters."""

from __future__ import annotations

from tests.fakes.repositories import home, repo, rooms

__all__ = ["home", "repo", "rooms"]
