"""The record of runs, in SQLite."""
