"""URIs of files ↔ paths, as editors really write them."""

from __future__ import annotations

import os
import re
from urllib.parse import quote, unquote_to_bytes, urlsplit

from massgen_ls.lsp.capabilities import SCHEME

_DRIVE = re.compile(r"^/?([A-Za-z]):(?=/|\\|$)")
# What RFC 3986 allows in a path, without what some editors percent-encode and compare literally.
_SAFE = "/~!$&'()*+,;=@-._"


def to_path(uri: str, *, windows: bool = os.name == "nt") -> str | None:
    """The absolute path of a ``file:`` URI; None for any other scheme, or nonsense.

    ``untitled:``, ``git:``, ``vscode-notebook-cell:`` and the like have no file: None. Percent
    encoding is undone byte by byte, so that names that are not UTF-8 survive.
    """
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if parts.scheme.lower() != "file":
        return None
    # "?" and "#" belong to the path when an editor forgot to encode them.
    tail = uri.split(":", 1)[1]
    if tail.startswith("//"):
        host, slash, rest = tail[2:].partition("/")
        raw = slash + rest
    else:
        host, raw = "", tail
    path = unquote_to_bytes(raw.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogateescape")
    if not path.startswith("/") or "\0" in path:
        return None
    drive = _DRIVE.match(path)
    if windows:
        if drive:
            path = drive[1].upper() + path[drive.end() - 1 :]
        elif host and host.lower() != "localhost":
            path = f"//{host}{path}"
        return path.replace("/", "\\")
    if host and host.lower() != "localhost":
        return None
    return path


def from_path(path: str, *, windows: bool = os.name == "nt") -> str:
    """The ``file:`` URI of an absolute path."""
    host = ""
    if windows:
        path = path.replace("\\", "/")
        if path.startswith("//"):
            host, _, path = path[2:].partition("/")
        drive = _DRIVE.match(path)
        if drive:
            tail = path[drive.end() :]
            return f"file:///{drive[1].lower()}%3A{_quoted(tail)}"
        path = "/" + path.lstrip("/")
    return f"file://{host}{_quoted(path)}"


def _quoted(path: str) -> str:
    return quote(path.encode("utf-8", "surrogateescape"), safe=_SAFE)


def key(path: str) -> str:
    """What is equal for two spellings of one place.

    Links in the folder are followed and case is folded where the system does. The last component
    is kept: a link is a file of its own to git.
    """
    folder, name = os.path.split(path)
    return os.path.normcase(os.path.join(os.path.realpath(folder), name))


def below(folder: str, path: str) -> str | None:
    """A path relative to the folder that holds it, links in folders followed; None outside."""
    top = os.path.realpath(folder)
    parent, name = os.path.split(path)
    real = os.path.join(os.path.realpath(parent), name)
    prefix = top.rstrip(os.sep) + os.sep
    if os.path.normcase(real).startswith(os.path.normcase(prefix)):
        return real[len(prefix) :]
    return None


def repository(folder: str) -> str:
    """The top of the repository that a folder is in, as far as names tell; the folder itself."""
    above = os.path.realpath(folder)
    while not os.path.lexists(os.path.join(above, ".git")):
        if os.path.dirname(above) == above:
            return folder
        above = os.path.dirname(above)
    return above


def virtual(run: str, candidate: str, path: str) -> str:
    """The URI of a file as a candidate has it."""
    return f"{SCHEME}:/{quote(run, safe='')}/{quote(candidate, safe='')}/{_quoted(path)}"


def virtual_patch(run: str, candidate: str) -> str:
    """The URI of a candidate's unified diff."""
    return f"{SCHEME}:/{quote(run, safe='')}/{quote(candidate, safe='')}.diff"


def parse_virtual(uri: str) -> tuple[str, str, str] | None:
    """(run, candidate, path) of a virtual document; the path is empty for the unified diff."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() != SCHEME:
        return None
    rest = "/" + rest.lstrip("/")
    parts = rest.split("/", 3)
    decoded = [
        unquote_to_bytes(p.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogateescape")
        for p in parts
    ]
    if len(decoded) == 3 and decoded[1] and decoded[2].endswith(".diff"):
        return decoded[1], decoded[2].removesuffix(".diff"), ""
    if len(decoded) == 4 and all(decoded[1:]):
        return decoded[1], decoded[2], decoded[3]
    return None
