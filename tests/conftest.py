"""What every test shares."""

from __future__ import annotations

from hypothesis import settings

# A law is not a stopwatch: a busy machine must not make it fail.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
