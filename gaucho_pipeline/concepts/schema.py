"""The JSON Schema of `concepts.yaml`, from which editors complete keys and underline mistakes while a person types.

It is derived from the models that read the file, and refuses less than they do: what needs several keys, the disk or a hub to be judged
is checked when the file is read (`file.py`).
"""

from __future__ import annotations

import json

from gaucho_pipeline.assets.table import PARTS
from gaucho_pipeline.concepts.concept import SLUG, Concepts
from gaucho_pipeline.spec import JsonObject

SCHEMA_FILE = "concepts.schema.json"
"""What the file is called beside a `concepts.yaml`."""
SCHEMA_LINE = "# yaml-language-server: $schema={}\n"
"""The line by which editors find the schema of a file: https://github.com/redhat-developer/yaml-language-server#using-inlined-schema."""


def concepts_schema() -> JsonObject:
    """The schema, by JSON Schema 2020-12.

    A part of a concept requires no key, because the defaults may give it. The defaults of a part have the keys of that part.
    """
    schema = Concepts.model_json_schema()
    models = schema["$defs"]
    concept = models["Concept"]
    parts = {part: _model_named(concept["properties"][part]) for part in PARTS}
    for model in parts.values():
        models[model].pop("required", None)
    concept["required"] = [key for key in concept["required"] if key not in parts]
    schema["properties"]["concepts"]["propertyNames"] = {"pattern": f"^{SLUG.pattern}$", "maxLength": 64}
    schema["properties"]["defaults"] = {
        "description": Concepts.model_fields["defaults"].description,
        "type": "object",
        "properties": {part: {"$ref": f"#/$defs/{model}"} for part, model in parts.items()},
        "additionalProperties": False,
    }
    bare = _without_titles(schema | {"$schema": "https://json-schema.org/draft/2020-12/schema"})
    assert isinstance(bare, dict)
    return JsonObject(bare)


def schema_text() -> str:
    """The schema as a file has it."""
    return json.dumps(concepts_schema(), ensure_ascii=False, indent=1) + "\n"


def _model_named(reference: object) -> str:
    """The model that a property is of, which may be absent."""
    assert isinstance(reference, dict)
    options = JsonObject(reference).children("anyOf") or [JsonObject(reference)]
    return next(text for each in options if (text := each.text("$ref"))).rpartition("/")[2]


def _without_titles(value: object) -> object:
    """Without the titles that pydantic makes from the names of keys."""
    if isinstance(value, list):
        return [_without_titles(each) for each in value]
    if isinstance(value, dict):
        return {key: _without_titles(each) for key, each in value.items() if key != "title" or not isinstance(each, str)}
    return value
