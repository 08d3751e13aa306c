"""What an agent said and did, on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from massgen_ls.cli.shown import harmless, shown
from massgen_ls.core.conversation import Called, Spoken, Transcript


def print_transcript(console: Console, transcript: Transcript) -> None:
    """What an agent said and did, in order."""
    console.print(f"[bold]{shown(transcript.agent)}[/] [dim]{shown(transcript.type)}[/]")
    for part in transcript.parts:
        match part:
            case Spoken(text=text, by=by, thinking=thinking):
                who = "you" if by == "user" else "thinks" if thinking else "says"
                style = "dim" if thinking or by == "user" else ""
                console.print(Text(f"\n{who}: ", "bold cyan") + Text(harmless(text), style))
            case Called(tool=tool, target=target, result=result, ok=ok):
                mark = {True: "✓", False: "✗", None: "·"}[ok]
                console.print(Text(f"{mark} {tool} ", "bold") + Text(harmless(target)))
                if ok is False and result.strip():
                    console.print(Text(harmless(result.strip()), "red"))
    if transcript.omitted:
        console.print(f"[dim]{transcript.omitted} parts in the middle were left out[/]")
    if transcript.files:
        console.print(f"[dim]changed: {shown(', '.join(transcript.files))}[/]")
