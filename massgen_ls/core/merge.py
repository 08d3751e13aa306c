"""Rebasing a candidate's hunks onto the live text."""
