"""``massgen-ls serve``: the language server on standard input and output."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from massgen_ls.cli import logged
from massgen_ls.cli.options import ServeOptions
from massgen_ls.core.errors import ConfigError
from massgen_ls.lsp.stdio.front import serve as answer

if TYPE_CHECKING:
    from massgen_ls.lsp.desk import Compose


def serve(options: ServeOptions) -> int:
    """Serves until the editor says exit or goes away; returns the exit code.

    Raises:
        ConfigError: What is said about the log makes no sense.
    """
    with ExitStack() as stack:
        log = logged(options) if _about_the_log(options) else None

        def load() -> Compose:
            # Imported only once the editor has its answer to `initialize`.
            from massgen_ls.wiring import compose

            try:
                stack.enter_context(log or logged(options))
            except ConfigError as error:
                # No log is no reason to leave somebody without their server.
                sys.stderr.write(f"massgen-ls: {error}\n")
            return compose(options.config, options.profile)

        return answer(load)


def _about_the_log(options: ServeOptions) -> bool:
    given = (options.log_level, options.log_file, options.log_format)
    return any(given) or any(name.startswith("MASSGEN_LOG") for name in os.environ)
