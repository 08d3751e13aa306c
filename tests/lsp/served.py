"""A server on real stdio whose engine is a fake, and rude: it prints, and so do its children.

Run: ``python -m tests.lsp.served FOLDER``. It leaves ``FOLDER/left`` behind when its engine was
left in order.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from massgen_ls.lsp.stdio.front import serve


def load():
    from contextlib import asynccontextmanager

    from massgen_ls.adapters.host.files import DiskFiles
    from massgen_ls.lsp.desk import Services
    from tests.fakes.supervisor import FakeSupervisor
    from tests.lsp.editor import FakeDesk

    folder = sys.argv[1]

    @asynccontextmanager
    async def compose(*_):
        print("Content-Length: 3\r\n\r\n{}!", flush=True)  # noqa: T201
        os.system("echo noise; cat")  # noqa: ASYNC221
        async with FakeSupervisor(folder) as engine:
            yield Services(engine, FakeDesk(), DiskFiles())
        Path(folder, "left").touch()

    return compose


if __name__ == "__main__":
    sys.exit(serve(load))
