"""`make tables`: the pages of the docs that are made from the fields' own descriptions. `test_tables.py` says when they are old."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from gaucho_pipeline.concepts.schema import concepts_schema, schema_text
from gaucho_pipeline.families import FAMILIES, Family
from gaucho_pipeline.models.footprint import CARDS, RUNGS, footprint
from gaucho_pipeline.spec import JsonObject
from gaucho_pipeline_tests.geometries import LABELS, SIDES, on_meta

ROOT = Path(__file__).parents[1]
_HEAD = """\
# Every key of concepts.yaml

Made by `make tables` from the descriptions in the code. An editor that knows JSON Schema shows the same while one types: `gaucho init`
writes the schema beside the file, `gaucho schema` prints it. Keys that are not set have the default, or what the family of the base model
recommends; `defaults` holds keys of the parts for all concepts.
"""


def pages() -> dict[Path, str]:
    """What `make tables` writes, by path."""
    docs = ROOT / "docs"
    return {docs / "keys.md": keys_page(), docs / "concepts.schema.json": schema_text(), docs / "cards.md": cards_page()}


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


_CARDS_HEAD = """\
# Which model fits which card

Made by `make tables` from the geometry of each family alone, for LoRA of the rank that the family recommends, one image at a time, at
the side that the model draws: **nothing here was measured on a card of that size.** Of SD 1.5 at 512 px a card of 141 GB took 7.2 GB for
four images at once, where this arithmetic has {sd15:.1f}. Before a first step a trial says what a training really takes;
`gaucho run --plan --memory 12` says this for your own model and settings.

- **all**: all on the card;
- **twice**: parts are computed twice, which takes about a third more time;
- **wait**: blocks wait in the machine's memory, which needs room for the whole denoiser there, and takes the time to copy them;
- **no**: it does not fit so.

None of them changes a result, and each is chosen by itself. Text encoders are in memory before the denoiser, and may wait in the same
way; a smaller `resolution` and fewer bits (`quantization: int8` or `nf4`, which do change results) are for you to set. The last two columns
are the smallest of these cards on which it fits in eight and in four bits.

| model | weights | side | 8 GB | 12 GB | 16 GB | 24 GB | int8 from | nf4 from |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""
_SHORT = {RUNGS[0]: "all", RUNGS[1]: "twice", RUNGS[2]: "wait", None: "no"}


def cards_page() -> str:
    """What fits which card, of every family at its real geometry."""
    rows = [_card_row(name, family) for name, family in FAMILIES.items()]
    sd15 = footprint(FAMILIES["StableDiffusionPipeline"], on_meta("StableDiffusionPipeline"), 512)
    four = sd15.training(RUNGS[0]) + 3 * sd15.image
    return _CARDS_HEAD.format(sd15=four / 1e9) + "".join(rows)


def _card_row(name: str, family: type[Family]) -> str:
    denoiser, rank = on_meta(name), int(family.recommended.training.get("rank", 16))
    side = SIDES.get(name, 1024)
    plain, *fewer = (footprint(family, denoiser, side, rank, bits) for bits in (None, "int8", "nf4"))
    cells = [_SHORT[plain.rung_for(card * 1e9)] for card in CARDS]
    least = [next((f"{card} GB" for card in CARDS if each.rung_for(card * 1e9)), "no") for each in fewer]
    count = sum(parameter.numel() for parameter in denoiser.parameters()) / 1e9
    return f"| {LABELS[name]} | {count:.1f} B | {side} px | {' | '.join(cells)} | {' | '.join(least)} |\n"


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
