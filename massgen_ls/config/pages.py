"""docs/configuration.md and massgen.schema.json, out of the schema; see ``scripts/docs``.

The page is a text with marks: ``<!-- table NAME -->`` becomes the table of a block of the schema,
``<!-- keys NAME -->`` those keys of a backend that the shared table does not have.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from massgen_ls.config.published import json_schema

TOP = Path(__file__).resolve().parents[2]
_MARK = re.compile(r"^<!-- (table|keys) (\w+)(?: without (\w+))? -->$", re.MULTILINE)
_NOTE = "<!-- Made by scripts/docs out of docs/templates/configuration.md and the schema. -->\n\n"

Schema = Mapping[str, Any]


def pages(top: Path = TOP) -> dict[Path, str]:
    """What the generated files have to say, by their paths in a checkout."""
    schema = json_schema()
    template = (top / "docs/templates/configuration.md").read_text("utf-8")
    return {
        top / "massgen_ls/config/massgen.schema.json": json.dumps(
            schema, indent=1, ensure_ascii=False
        )
        + "\n",
        top / "docs/configuration.md": _NOTE + filled(template, schema),
    }


def filled(template: str, schema: Schema) -> str:
    """A page with its tables."""

    def put(match: re.Match[str]) -> str:
        block = schema if match[2] == "Configuration" else schema["$defs"][match[2]]
        shared: Schema = schema["$defs"][match[3]]["properties"] if match[3] else {}
        return table(block, frozenset(shared), link=match[1] == "table")

    return _MARK.sub(put, template)


def table(block: Schema, left_out: frozenset[str], *, link: bool) -> str:
    """The keys of a block as a table in Markdown."""
    required = cast("Sequence[str]", block.get("required", ()))
    rows = ["| key | value | default | |", "|---|---|---|---|"]
    for name, field in cast("Mapping[str, Schema]", block["properties"]).items():
        if name in left_out or (name == "type" and not link):
            continue
        default = "required" if name in required else _default(field)
        cells = (f"`{name}`", shape(field), default, field.get("description", ""))
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def shape(field: Schema) -> str:
    """What a value may be, in words."""
    if "$ref" in field:
        return "mapping"
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{word}`" for word in field["enum"])
    for several in ("anyOf", "oneOf"):
        if several in field:
            kinds = (shape(each) for each in field[several] if each.get("type") != "null")
            return " or ".join(dict.fromkeys(kinds))
    kind = field.get("type")
    if kind == "array":
        return f"list: {shape(field.get('items', {}))}"
    words = {"object": "mapping", "boolean": "true, false", "string": "text", "integer": "number"}
    return words.get(str(kind), str(kind or "anything")) + _bounds(field)


def _bounds(field: Schema) -> str:
    signs = (
        ("exclusiveMinimum", "> {}"),
        ("minimum", "≥ {}"),
        ("maximum", "≤ {}"),
    )
    found = [sign.format(f"{field[key]:g}") for key, sign in signs if key in field]
    return f" {', '.join(found)}" if found else ""


def _default(field: Schema) -> str:
    default = field.get("default")
    if default in (None, "", [], {}) or isinstance(default, dict):
        return ""
    return f"`{f'{default:g}' if isinstance(default, float) else json.dumps(default)}`"


def main(arguments: Sequence[str]) -> int:
    """Writes the files; with ``--check`` only says which are not as they should be."""
    stale = 0
    for path, text in pages().items():
        if path.exists() and path.read_text("utf-8") == text:
            continue
        stale += 1
        name = path.relative_to(TOP)
        if "--check" in arguments:
            sys.stdout.write(f"{name} is not what the schema says: run scripts/docs\n")
        else:
            path.write_text(text, "utf-8")
            sys.stdout.write(f"{name} written\n")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
