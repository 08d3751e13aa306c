"""``massgen-ls serve``: the language server on standard input and output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgen_ls.cli import Options
from massgen_ls.lsp.front import serve as answer

if TYPE_CHECKING:
    from massgen_ls.lsp.desk import Compose


def serve(options: Options) -> int:
    """Serves until the editor says exit or goes away; returns the exit code."""

    def load() -> Compose:
        # Imported only once the editor has its answer to `initialize`.
        from massgen_ls.wiring import compose

        return compose(options.config, options.profile)

    return answer(load)
