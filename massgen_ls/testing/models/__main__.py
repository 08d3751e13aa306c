"""``python -m massgen_ls.testing.models EPISODE.yaml [--port N]``: models to try a program with."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from massgen_ls.core.errors import ConfigError
from massgen_ls.testing.models.episode import Script
from massgen_ls.testing.models.programs import PROGRAMS, reach
from massgen_ls.testing.models.server import ANYONE, serving
from massgen_ls.testing.models.written import episodes


def main() -> int:
    """Serves until it is interrupted; prints how the programs are led here, and every request."""
    name = "python -m massgen_ls.testing.models"
    parser = argparse.ArgumentParser(prog=name)
    parser.add_argument("episode", type=Path, help="YAML or JSON; see massgen_ls.testing.models")
    parser.add_argument("--port", type=int, default=0, help="any free one by default")
    settings = "where the programs keep their settings; .scripted-models by default"
    parser.add_argument("--home", type=Path, default=Path(".scripted-models"), help=settings)
    given = parser.parse_args()
    try:
        scripts = episodes(given.episode.read_text(), str(given.episode))
    except (OSError, ConfigError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    # A shell may have started us in the background, where an interrupt is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(scripts, given.port, given.home))
    return 0


async def serve(scripts: Mapping[str, Script], port: int, home: Path) -> None:
    """Serves, and tells what is asked."""
    async with serving(scripts, port=port) as models:
        key = next((seat for seat in scripts if seat != ANYONE), "dummy")
        for program in PROGRAMS:
            led = reach(program, models.url, key=key, home=home.absolute() / program)
            led.prepare()
            env = " ".join(f"{n}={shlex.quote(v)}" for n, v in led.env.items())
            command = f'env -i PATH="$PATH" {env} {program} {shlex.join(led.arguments)}'
            sys.stdout.write(f"echo 'Please do it.' | {command}\n\n")
        sys.stdout.write(f"Listening on {models.url}; Ctrl-C ends it.\n")
        sys.stdout.flush()
        told = 0
        while True:
            await models.saw(lambda _, told=told: len(models.requests) > told, timeout=1e9)
            for seen in models.requests[told:]:
                asked = seen.request
                what = f"{asked.seat} turn {asked.turn}" if asked else "side" if seen.side else "-"
                sys.stdout.write(f"{seen.method} {seen.path}: {what}\n")
                told += 1
            sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
