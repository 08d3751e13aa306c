"""The entry point of ``massgen-ls`` and of ``python -m massgen_ls``."""

from __future__ import annotations

import os
import sys


def _leave_folder_out() -> None:
    """Sees to it that nothing is imported from the current folder.

    ``python -m massgen_ls`` puts it first; a repository that is worked on may hold a ``yaml.py``.
    """
    beside = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    try:
        current = os.getcwd()
    except FileNotFoundError:
        return  # it was deleted: nothing can be imported from it
    first = os.path.abspath(sys.path[0] or current) if sys.path else beside
    if first == current != beside:
        del sys.path[0]


def main() -> int:
    """Runs the command line."""
    from massgen_ls.cli import main as command_line

    return command_line()


if __name__ == "__main__":
    _leave_folder_out()
    sys.exit(main())
