"""The entry point of ``massgen-ls`` and of ``python -m massgen_ls``."""

from __future__ import annotations

import sys


def main() -> int:
    """Runs the command line."""
    from massgen_ls.cli import main as command_line

    return command_line()


if __name__ == "__main__":
    sys.exit(main())
