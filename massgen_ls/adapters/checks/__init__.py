"""Running checks, reading what they print, and guessing a project's."""
