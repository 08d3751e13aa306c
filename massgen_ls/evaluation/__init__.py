"""Measures selection on recorded cases, and builds cases out of a repository's past fixes."""
