r"""Scripted models on a loopback port, to try real agent programs without a key or a network.

One server speaks the Anthropic Messages API, the Gemini API and the OpenAI Responses API; what it
says is an episode, the same for each of them (see `episode`)::

    episode = Episode(Turn(Write("a.txt", "A\n")), Turn(Text("done")))
    async with serving({"seat-a": episode}) as models:
        reach = programs.reach("claude", models.url, key="seat-a", home=home)
        ...  # run the program with reach.env and reach.arguments
        await models.saw(lambda seen: seen.request is not None and seen.request.turn == 1)

From a shell, for programs that are tried by
hand: ``python -m massgen_ls.testing.models episode.yaml --port 8765``.
"""

from massgen_ls.testing.models.episode import (
    Answer,
    Cut,
    Edit,
    Episode,
    Garbage,
    Gate,
    Native,
    Read,
    Refuse,
    Request,
    Reset,
    Script,
    Shell,
    Silence,
    Step,
    Text,
    Thinking,
    TooLong,
    Turn,
    Usage,
    Wait,
    Write,
)
from massgen_ls.testing.models.server import ModelServer, Seen, serving

__all__ = [
    "Answer",
    "Cut",
    "Edit",
    "Episode",
    "Garbage",
    "Gate",
    "ModelServer",
    "Native",
    "Read",
    "Refuse",
    "Request",
    "Reset",
    "Script",
    "Seen",
    "Shell",
    "Silence",
    "Step",
    "Text",
    "Thinking",
    "TooLong",
    "Turn",
    "Usage",
    "Wait",
    "Write",
    "serving",
]
