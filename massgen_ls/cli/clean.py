"""``massgen-ls clean``: frees what only forgotten runs needed, and says how much that is."""

from __future__ import annotations

import asyncio
import json
import sys
import time

from massgen_ls.cli.exits import EXIT_WON
from massgen_ls.cli.options import CleanOptions
from massgen_ls.wiring import kept_conversations, open_rooms


def clean(options: CleanOptions) -> int:
    """Cleans up, or says what that would free."""
    return asyncio.run(_clean(options))


async def _clean(options: CleanOptions) -> int:
    async with open_rooms() as rooms:
        now = time.time()
        found = await rooms.collect(now, dry=options.dry_run)
        said = await kept_conversations().forget(lambda: rooms.runs(now), dry=options.dry_run)
        trash = await rooms.empty_trash(dry=options.dry_run)
    if options.json:
        shadows = [
            {
                "repository": each.origin,
                "folder": each.shadow,
                "runs": each.runs,
                "objects": each.objects,
                "bytes": each.size,
                "left": each.left,
            }
            for each in found
        ]
        body = {
            "dryRun": options.dry_run,
            "repositories": shadows,
            "conversations": said,
            "trash": trash,
        }
        sys.stdout.write(json.dumps(body) + "\n")
        return EXIT_WON
    from rich.console import Console

    from massgen_ls.cli.shown import shown

    console = Console(highlight=False, soft_wrap=True)
    would = "would be " if options.dry_run else ""
    busy = [each for each in found if each.runs or each.objects or each.left]
    for each in busy:
        what = f"{_count(each.runs, 'old run')} {would}forgotten"
        freed = f"{_count(each.objects, 'object')} {would}freed ({_bytes(each.size)})"
        console.print(f"{shown(each.origin)}: {what}, {each.left or freed}")
        if each.left == "the repository is not there":
            console.print(f"  [dim]If it is gone for good, delete {shown(each.shadow)}[/]")
    if idle := len(found) - len(busy):
        other = "other " if busy else ""
        noun = "repository" if idle == 1 else "repositories"
        console.print(f"{idle} {other}{noun}: nothing to free")
    console.print(f"agents' conversations: {_bytes(said)} {would}deleted")
    console.print(f"trash: {_bytes(trash)} {would}deleted")
    return EXIT_WON


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _bytes(number: int) -> str:
    size = float(number)
    for unit in ("bytes", "KB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
