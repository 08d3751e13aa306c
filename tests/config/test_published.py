"""What is generated out of the schema is up to date, complete and true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
import yaml

from massgen_ls.config import Beside, load
from massgen_ls.config.backends import BACKENDS
from massgen_ls.config.pages import pages
from massgen_ls.config.published import json_schema

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/configuration.md").read_text(), re.DOTALL)


def test_the_generated_files_say_what_the_schema_says() -> None:
    stale = [path.name for path, text in pages().items() if path.read_text("utf-8") != text]
    assert stale == [], "run scripts/docs"


@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_in_the_documentation_can_be_used(text: str, tmp_path: Path) -> None:
    (tmp_path / "massgen.yaml").write_text(text)
    loaded = load(tmp_path, beside=Beside({"HOME": str(tmp_path)}))
    assert loaded.agents
    jsonschema.validate(yaml.safe_load(text), json_schema())


def test_the_examples_are_found() -> None:
    assert len(EXAMPLES) >= 5


def test_every_key_is_described() -> None:
    schema = json_schema()
    bare = [
        f"{name}.{key}"
        for name, block in {"": schema, **schema["$defs"]}.items()
        for key, field in block["properties"].items()
        if not field.get("description") and key != "type"
    ]
    assert bare == []
    assert all(block.get("description") for block in schema["$defs"].values())


def test_every_backend_is_in_the_schema() -> None:
    kinds = {
        word
        for block in json_schema()["$defs"].values()
        for kind in [block["properties"].get("type", {})]
        for word in kind.get("enum", [kind.get("const")])
    } - {None}
    assert kinds == set(BACKENDS)
    assert all(get_args(m.model_fields["type"].annotation) for m in BACKENDS.values())


@pytest.mark.parametrize("file", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda p: p.name)
def test_the_json_schema_takes_every_configuration_that_we_ship(file: Path) -> None:
    jsonschema.validate(yaml.safe_load(file.read_text()), json_schema())


@pytest.mark.parametrize(
    "body",
    [
        {"agnets": []},
        {"agents": [{"id": "a", "backend": {"type": "codex", "modle": "x"}}]},
        {"orchestrator": {"mode": "best"}},
        {"profiles": {"ci": {"profiles": {}}}},
    ],
)
def test_the_json_schema_refuses_what_we_refuse(body: Any) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(body, json_schema())


def test_the_json_schema_takes_what_chooses_from_lower_layers() -> None:
    body = {
        "agents": ["tidy", {"id": "bold", "backend": {"timeout": 3}}, {"id": "c", "backend": {}}],
        "checks": ["tests", {"name": "lint", "timeout": 4}],
        "profiles": {"ci": {"orchestrator": {"voting": {"judges": ["tidy"]}}}},
    }
    jsonschema.validate(body, json_schema())
