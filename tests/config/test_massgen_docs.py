"""docs/massgen.md says what the tables say."""

from __future__ import annotations

import os
from pathlib import Path

from massgen_ls.config.massgen.documented import markdown
from massgen_ls.config.massgen.tables import TOP

PAGE = Path(__file__).resolve().parents[2] / "docs" / "massgen.md"
BEGIN, END = "<!-- keys: begin -->\n", "<!-- keys: end -->"


def test_the_page_lists_the_keys_of_the_tables() -> None:
    """After a change of the tables: MASSGEN_LS_WRITE_DOCS=1 scripts/test tests/config."""
    text = PAGE.read_text("utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    wanted = f"{before}{BEGIN}\n{markdown()}\n{END}{after}"
    if os.environ.get("MASSGEN_LS_WRITE_DOCS"):
        PAGE.write_text(wanted, "utf-8")
        text = wanted
    assert text == wanted


def test_every_key_at_the_top_is_on_the_page() -> None:
    text = PAGE.read_text("utf-8")
    assert [key for key in TOP.rows if f"`{key}" not in text] == []
