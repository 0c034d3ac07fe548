"""`make tables`: the pages of the docs that are made from the fields' own descriptions. `test_tables.py` says when they are old."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from gaucho_pipeline.concepts.schema import concepts_schema, schema_text
from gaucho_pipeline.spec import JsonObject

ROOT = Path(__file__).parents[1]
_HEAD = """\
# Every key of concepts.yaml

Made by `make tables` from the descriptions in the code. An editor that knows JSON Schema shows the same while one types: `gaucho init`
writes the schema beside the file, `gaucho schema` prints it. Keys that are not set have the default, or what the family of the base model
recommends; `defaults` holds keys of the parts for all concepts.
"""


def pages() -> dict[Path, str]:
    """What `make tables` writes, by path."""
    return {ROOT / "docs" / "keys.md": keys_page(), ROOT / "docs" / "concepts.schema.json": schema_text()}


def keys_page() -> str:
    schema = concepts_schema()
    models = schema.child("$defs")
    sections = list(_sections(schema, models))
    return _HEAD + "".join(f"\n## {place}\n\n{text}\n\n{table}" for place, text, table in sections)


def _sections(schema: JsonObject, models: JsonObject) -> Iterator[tuple[str, str, str]]:
    """The whole file, and each model once, where it is met first, its parts behind it."""
    places, todo = {"": "the file"}, [""]
    while todo:
        name = todo.pop(0)
        model = models.child(name) if name else schema
        properties = model.child("properties")
        inner = []
        for key in (key for key in properties if key != "defaults"):
            for other in _models_in(properties.child(key)):
                if other not in places:
                    above = "" if name in ("", "Concept") else f"{places[name]}."
                    places[other] = "a concept" if other == "Concept" else f"{above}{key}"
                    inner.append(other)
        todo = inner + todo
        yield places[name], model.text("description"), _table(model, properties)


def _models_in(value: JsonObject) -> list[str]:
    return list(dict.fromkeys(re.findall(r"#/\$defs/(\w+)", str(value))))


def _table(model: JsonObject, properties: JsonObject) -> str:
    lines = ["| key | value | default | what it is |", "| --- | --- | --- | --- |"]
    for key in properties:
        about = properties.child(key)
        default = "" if key in model.array("required") else _shown(about["default"]) if "default" in about else ""
        required = " (required)" if key in model.array("required") else ""
        lines.append(f"| `{key}`{required} | {_cell(_kind(about))} | {_cell(default)} | {_cell(about.text('description'))} |")
    return "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    if isinstance(value, (list, dict)) or value in (None, ""):
        return "" if not value else f"`{', '.join(map(str, value))}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _kind(about: JsonObject) -> str:
    """What values a key takes, in a few words."""
    if choices := about.array("enum"):
        return ", ".join(f"`{choice}`" for choice in choices)
    if "const" in about:
        return f"`{about['const']}`"
    if options := about.children("anyOf"):
        kinds = [_kind(each) for each in options if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(filter(None, kinds)))
    if about.text("$ref"):
        return "keys of its own"
    kind = about.text("type")
    if kind == "array":
        inner = about.child("items")
        return f"list: {_kind(inner)}" if inner else "list"
    if kind in ("integer", "number"):
        return f"{'whole number' if kind == 'integer' else 'number'}{_range(about)}"
    return {"string": "path" if about.text("format") == "path" else "text", "boolean": "`true`, `false`", "object": "keys of its own"}.get(
        kind, ""
    )


def _range(about: JsonObject) -> str:
    low, high = about.get("minimum", about.get("exclusiveMinimum")), about.get("maximum", about.get("exclusiveMaximum"))
    over, under = "over " if "exclusiveMinimum" in about else "", "under " if "exclusiveMaximum" in about else ""
    if low is None and high is None:
        return ""
    if high is None:
        return f" {over or 'from '}{low}"
    return f" {over}{low} to {under}{high}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
