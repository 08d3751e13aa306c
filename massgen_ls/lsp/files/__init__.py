"""The user's files as the editor has them: read, changed, looked at."""
