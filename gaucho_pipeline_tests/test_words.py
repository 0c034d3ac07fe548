"""The field's own terms: no identifier, key, metric, file or page says in a word of ours what diffusers, Scrapy or Dagster have a name for.

The words were this project's once; the messages for old keys of concepts.yaml are the one place where they still stand.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

from gaucho_pipeline.assets.metrics import Metrics
from gaucho_pipeline.assets.table import ASSETS
from gaucho_pipeline.concepts.concept import Concept
from gaucho_pipeline.concepts.file import RENAMED_KEYS
from gaucho_pipeline.scorers import SCORERS
from gaucho_pipeline.spec import Spec

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "gaucho_pipeline"
MEANT_AS_A_MESSAGE = {"file.py"}

EVERYWHERE = {
    "samples_per_image", "held_out", "held", "measure_every", "prior_weight", "min_information", "not_shows", "least",
    "Progressed", "progressed", "save_for_other_programs", "for_other_programs", "MadeFrom", "made_from", "Made", "figures",
    "soundness", "judge", "is_fit", "described", "reused", "brought_up_to_date", "bring_up_to_date",
    "manners", "Question", "Again", "survey", "Unfetched", "Elsewhere", "hopeless", "Refused", "fair_order", "stood",
    "most_varied", "looks", "LOOKS", "likeness", "likeness_ceiling", "agreement", "prompt_agreement", "taught", "teach", "Order", "orders",
    "said", "ask_names", "names_again", "changed_licences", "license_before", "near_duplicate_likeness", "another_word",
    "stand_already", "held_tokens", "held_out_other_caption",
}  # fmt: skip
"""Words that no identifier in the package is."""

IN = {
    "training": {"known", "known_captions", "captions_of", "targets", "TARGETS"},
    "gallery": {"draw_one", "drawn", "when", "known", "guidance"},
    "crawl": {"media", "account", "Account", "before", "lost", "Name", "Page", "Names", "again", "gather_images", "fill", "is_needed"},
    "curation": {"inside", "information", "shows", "monochrome"},
    "orchestration": {"history", "running"},
}
"""Words that mean something else in other rooms."""


DAGSTERS = {"RUNNING"}
"""Words that Dagster itself uses so."""

OF_PANELS = {"judging": {"agreement", "judge"}, "pages": {"agreement"}, "commands": {"judge"}}
"""What the field calls it: agreement between raters (Krippendorff), and a command of that name that asks them."""


def identifiers(path: Path) -> set[str]:
    """Every name that a module gives or uses: variables, arguments, attributes, functions, classes, keywords, keys of JSON."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.arg) or (isinstance(node, ast.keyword) and node.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Dict):
            found |= {key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
    return found


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p.name not in MEANT_AS_A_MESSAGE)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_identifiers_are_the_fields_own(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0]
    banned = (EVERYWHERE | IN.get(room, set())) - OF_PANELS.get(room, set())
    assert {name for name in identifiers(path) - DAGSTERS if {(bare := name.strip("_")), bare.lower()} & banned} == set()


def specs() -> set[type[Spec]]:
    found, todo = set[type[Spec]](), [Spec]
    while todo:
        for each in todo.pop().__subclasses__():
            if each.__module__.startswith("gaucho_pipeline."):
                found.add(each)
                todo.append(each)
    return found


def test_keys_of_concepts_yaml_are_the_fields_own() -> None:
    assert Concept in specs()
    keys = {key for spec in specs() for key in spec.model_fields}
    assert not keys & RENAMED_KEYS.keys()
    assert {"epochs", "target_modules", "num_inference_steps", "guidance_scale", "prior_loss_weight", "random_flip"} <= keys


def test_metrics_are_the_fields_own() -> None:
    keys = {key for model in Metrics.__subclasses__() for key in model.model_fields}
    assert not keys & (EVERYWHERE | {"known", "scorer"})
    assert {"validation_loss", "loss_fell"} <= keys
    assert {"clip_i", "clip_t", "dino"} <= SCORERS.keys()
    assert all(asset.metrics.model_fields for asset in ASSETS.values())


def test_every_key_of_the_file_is_described() -> None:
    missing = [f"{spec.__name__}.{name}" for spec in specs() for name, field in spec.model_fields.items() if not field.description]
    missing += [f"{m.__name__}.{name}" for m in Metrics.__subclasses__() for name, field in m.model_fields.items() if not field.description]
    assert not missing


def keys_of(value: object) -> set[str]:
    if isinstance(value, dict):
        return {str(key) for key in value} | {key for part in value.values() for key in keys_of(part)}
    return {key for part in value for key in keys_of(part)} if isinstance(value, list) else set()


@pytest.mark.parametrize("name", ["concepts.yaml", "gaucho_pipeline/demo/concepts.yaml"])
def test_files_that_ship_use_them(name: str) -> None:
    assert not keys_of(yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))) & RENAMED_KEYS.keys()


@pytest.mark.parametrize(
    "path", [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *PACKAGE.rglob("*.html"), *PACKAGE.rglob("*.md")], ids=lambda p: p.name
)
def test_pages_use_them(path: Path) -> None:
    words = set(re.findall(r"\w+", path.read_text(encoding="utf-8")))
    assert not words & (RENAMED_KEYS.keys() - {"steps", "guidance", "shows", "least", "mirror", "targets", "monochrome"})
    assert not words & {"held_out", "likeness", "samples_per_image", "known_images", "figures_of"}
    assert "held-out" not in path.read_text(encoding="utf-8")
