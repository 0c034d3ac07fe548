"""Collections in concepts.yaml: what each mistake is told, and what the trainings of their concepts are."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaucho_pipeline.concepts.collection import TaughtTogether
from gaucho_pipeline.concepts.concept import Concepts
from gaucho_pipeline.concepts.file import load_concepts
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.families.embedded import Embedded

FILE = """\
defaults:
  training: {rank: 8}
concepts:
  araucaria:
    token: mtl
    class_noun: tree
    crawl: {sources: [{openverse: {query: araucária}}]}
  chimarrao:
    token: dnc
    class_noun: cup
    crawl: {sources: [{openverse: {query: chimarrão}}]}
  moinho:
    token: mgn
    class_noun: house
    crawl: {sources: [{openverse: {query: moinho}}]}
collections:
  rs:
    name: {pt: Coleção, en: Collection}
    concepts: [araucaria, chimarrao]
    training: {epochs: 7}
"""


def load(tmp_path: Path, text: str = FILE) -> Concepts:
    file = tmp_path / "concepts.yaml"
    file.write_text(text, encoding="utf-8")
    return load_concepts(file)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[araucaria, chimarrao]", "[araucaria, chimarao]", r"concepts\.yaml:19: collections\.rs\.concepts\.1: .*did you mean 'chimarrao'"),
        ("[araucaria, chimarrao]", "[araucaria]", r"concepts\.yaml:19: collections\.rs\.concepts: must name at least 2"),
        ("  rs:", "  all:", r"concepts\.yaml:17: collections\.all: 'all' stands for everything in commands"),
        ("epochs: 7", "max_steps: 1.000", r"concepts\.yaml:20: 1\.000 is read as 1; write 1000 for thousands, or 1\.0"),
        ("{epochs: 7}", "{steps: 7}", r"concepts\.yaml:20: .*did you mean 'max_steps'"),
        ("[araucaria, chimarrao]", "[araucaria, araucaria]", r"collections\.rs: concepts: the same one stands twice"),
        ("  rs:", "  moinho:", r"concepts\.yaml:17: collections\.moinho: 'moinho' is a concept already"),
        ("  rs:", "  Rs:", r"collections\.Rs: a key must be a slug"),
        ("{epochs: 7}", "{epochs: 7, method: dreambooth}", r"a collection is taught by method: lora"),
        ("{epochs: 7}", "{epochs: 7, prior: class_images}", r"prior: class_images is of one class noun"),
        ("{epochs: 7}", "{epochs: 7, study: {prior: [self, class_images]}}", r"prior: class_images is of one class noun"),
        ("{epochs: 7}", f"{{pinned: {32 * 'a'}}}", r"pinned is of one concept's checkpoint"),
        ("{epochs: 7}", "{epoch: 7}", r"collections\.rs\.training\.epoch: unknown key; did you mean 'epochs'"),
        ("{epochs: 7}", "{mask: {weight: 0}}", r"collections\.rs\.training\.mask: .*under curation: masks"),
        ("training: {epochs: 7}", "weights: {moinho: 2}", r"weights: moinho is not among its concepts"),
        ("training: {epochs: 7}", "weights: {araucaria: 0}", r"collections\.rs\.weights\.araucaria: "),
        ("    class_noun: cup", "    class_noun: cup\n    training: {rank: 4}", r"concepts\.yaml:11: .*write how under collections\.rs"),
        ("    training: {epochs: 7}", "    training: {epochs: 7}\n  pampa: {concepts: [moinho, chimarrao]}", r"chimarrao is in rs already"),
        ("collections:\n  rs:", "collections:\n  - rs:", r"collections: must be a mapping of collections"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_with_its_place(old: str, new: str, told: str, tmp_path: Path) -> None:
    assert old in FILE
    with pytest.raises(ConfigError, match=told):
        load(tmp_path, FILE.replace(old, new))


def test_its_concepts_are_taught_as_it_says_and_others_as_the_defaults_say(tmp_path: Path) -> None:
    concepts = load(tmp_path).concepts
    taught = concepts["chimarrao"].training
    assert isinstance(taught, TaughtTogether)
    assert (taught.collection, taught.rank, taught.epochs) == ("rs", 8, 7)
    assert type(concepts["moinho"].training) is not TaughtTogether
    assert concepts["moinho"].training.epochs == 120


def test_what_a_family_recommends_goes_before_what_nobody_has_set(tmp_path: Path) -> None:
    collection = load(tmp_path).collection("rs").for_family(Embedded)
    assert (collection.training.rank, collection.training.epochs) == (8, 7)
    assert collection.training.learning_rate == Embedded.recommended.training["learning_rate"]
    assert collection.evaluation.clip is not None
    assert collection.evaluation.clip.model == "embedded"


def test_another_slug_changes_nothing_of_what_is_learned_and_another_token_does(tmp_path: Path) -> None:
    def version(text: str) -> str:
        loaded = load(tmp_path, text)
        return loaded.collection(next(iter(loaded.collections))).spec_version("collection")

    before = version(FILE)
    assert version(FILE.replace("chimarrao", "mate").replace("  rs:", "  acervo:")) == before
    weighed = ("    training: {e", "    weights: {araucaria: 2}\n    training: {e")
    changed = [version(FILE.replace(*pair)) for pair in (("dnc", "xyz"), ("cup", "bowl"), ("epochs: 7", "epochs: 8"), weighed)]
    assert len({before, *changed}) == 5


def test_a_collection_is_of_the_past_where_one_of_its_concepts_is(tmp_path: Path) -> None:
    assert not load(tmp_path).collection("rs").historical
    assert load(tmp_path, FILE.replace("class_noun: cup", "class_noun: cup\n    historical: true")).collection("rs").historical
