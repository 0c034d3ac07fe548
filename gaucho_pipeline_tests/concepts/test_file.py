"""concepts.yaml: what is read from it, and what each mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from gaucho_pipeline.concepts.curation import CurationSpec
from gaucho_pipeline.concepts.file import load_concepts
from gaucho_pipeline.concepts.models import check_pinned
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts

GOOD = """\
defaults:
  training: {rank: 8}
concepts:
  chimarrao:
    name: {pt: Chimarrão, en: Mate}
    token: chmrr
    class_noun: drink
    crawl:
      licenses: [cc0, cc-by]
      sources:
        - openverse: {query: chimarrão}
    training: {learning_rate: 2.0e-4}
"""


def load(tmp_path: Path, text: str) -> object:
    file = tmp_path / "concepts.yaml"
    file.write_text(text, encoding="utf-8")
    return load_concepts(file)


def test_a_concept_overrides_the_defaults_key_by_key(tmp_path: Path) -> None:
    (tmp_path / "concepts.yaml").write_text(GOOD, encoding="utf-8")
    training = load_concepts(tmp_path / "concepts.yaml").concepts["chimarrao"].training
    assert (training.rank, training.learning_rate) == (8, 2e-4)


def test_accents_survive(tmp_path: Path) -> None:
    (tmp_path / "concepts.yaml").write_text(GOOD, encoding="utf-8")
    concept = load_concepts(tmp_path / "concepts.yaml").concepts["chimarrao"]
    assert concept.name is not None
    assert concept.name.pt == "Chimarrão"


def test_each_stage_has_a_version_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "concepts.yaml"
    file.write_text(GOOD, encoding="utf-8")
    before = load_concepts(file).concepts["chimarrao"]
    file.write_text(GOOD.replace("2.0e-4", "3.0e-4"), encoding="utf-8")
    after = load_concepts(file).concepts["chimarrao"]
    changed = [s for s in ("crawl", "curation", "training", "gallery") if before.spec_version(s) != after.spec_version(s)]
    assert changed == ["training"]


def test_a_new_file_in_a_folder_changes_the_crawls_version(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"\x89PNG a")
    text = GOOD.replace("openverse: {query: chimarrão}", "folder: {path: photos, license: pd, author: X, source: Y}")
    (tmp_path / "concepts.yaml").write_text(text, encoding="utf-8")
    concept = load_concepts(tmp_path / "concepts.yaml").concepts["chimarrao"]
    before = concept.spec_version("crawl")
    (tmp_path / "photos" / "b.png").write_bytes(b"\x89PNG b")
    assert concept.spec_version("crawl") != before
    assert concept.spec_version("training") == concept.spec_version("training")


def test_the_file_that_ships_is_right() -> None:
    assert len(load_concepts(Path(__file__).parents[2] / "concepts.yaml").concepts) == 10


S = "    token: chmrr"
MISTAKES: dict[str, tuple[str, str, str]] = {
    # name: (what to replace, with what, what the message must say)
    "unknown key at the top": ("defaults:", "default:", "concepts.yaml:1: default: unknown key; did you mean 'defaults'?"),
    "unknown stage in defaults": (
        "  training: {rank: 8}",
        "  trainng: {rank: 8}",
        ":2: defaults.trainng: unknown key; did you mean 'training'?",
    ),
    "unknown key in defaults": ("{rank: 8}", "{rnak: 8}", ":2: defaults.training.rnak: unknown key; did you mean 'rank'?"),
    "wrong type in defaults": ("{rank: 8}", "{rank: many}", ":2: defaults.training.rank: "),
    "defaults that are a list": ("  training: {rank: 8}", "  - training", "defaults: must be a mapping"),
    "unknown key of a concept": (S, "    tokn: chmrr", ":6: concepts.chimarrao.tokn: unknown key; did you mean 'token'?"),
    "unknown key of a stage": ("learning_rate", "learning_rte", "did you mean 'learning_rate'?"),
    "unknown key of a source": ("{query: chimarrão}", "{qury: chimarrão}", "did you mean 'query'?"),
    "unknown source": ("openverse: {query", "openvers: {query", "did you mean 'openverse'?"),
    "no token": (S + "\n", "", "concepts.chimarrao.token: is required"),
    "no class noun": ("    class_noun: drink\n", "", "concepts.chimarrao.class_noun: is required"),
    "no source": ("      sources:\n        - openverse: {query: chimarrão}\n", "", "concepts.chimarrao.crawl.sources: is required"),
    "empty list of sources": ("sources:\n        - openverse: {query: chimarrão}", "sources: []", "concepts.chimarrao.crawl.sources: "),
    "two sources in one": (
        "{query: chimarrão}",
        "{query: x}\n          folder: {path: p, license: pd, author: X, source: Y}",
        "exactly one of",
    ),
    "a token of two words": (S, "    token: two words", "must be one word"),
    "a token with a sign": (S, "    token: <x>", "must be one word"),
    "a slug with an accent": ("  chimarrao:", "  chimarrão:", "must be a slug"),
    "a slug with capitals": ("  chimarrao:", "  Chimarrao:", "must be a slug"),
    "a slug with a slash": ("  chimarrao:", "  chi/marrao:", "must be a slug"),
    "a concept that is a word": ("  chimarrao:", "  outro: nada\n  chimarrao:", ":4: concepts.outro: must be a mapping"),
    "a licence that is not allowed": ("[cc0, cc-by]", "[cc0, cc-by-nc]", ":9: concepts.chimarrao.crawl.licenses"),
    "an empty list of licences": ("[cc0, cc-by]", "[]", ":9: concepts.chimarrao.crawl.licenses"),
    "a folder without rights": (
        "openverse: {query: chimarrão}",
        "folder: {path: p, author: X, source: Y}",
        "without a table, license must be stated",
    ),
    "a folder under an unknown licence": (
        "openverse: {query: chimarrão}",
        "folder: {path: p, license: mine, author: X, source: Y}",
        "the licence 'mine' is not known",
    ),
    "a folder under a non-commercial licence": (
        "openverse: {query: chimarrão}",
        "folder: {path: p, license: cc-by-nc-4.0, author: X, source: Y}",
        "non-commercial",
    ),
    "a negative rate": ("2.0e-4", "-1", ":12: concepts.chimarrao.training.learning_rate: "),
    "a rate that is a word": ("2.0e-4", "fast", "learning_rate: "),
    "a method that is not there": ("{learning_rate: 2.0e-4}", "{method: lorra}", "training.method: "),
    "a hub model without its commit": ("{learning_rate: 2.0e-4}", "{base_model: a/b}", "must be pinned by its commit"),
    "a hub model with a branch": ("{learning_rate: 2.0e-4}", "{base_model: a/b, revision: main}", "must be pinned by its commit"),
    "a base model that is nothing": ("{learning_rate: 2.0e-4}", "{base_model: embeded}", "neither 'embedded'"),
    "a prompt without the token": ("training: {learning_rate: 2.0e-4}", "gallery: {prompts: [a photo of a drink]}", "must hold {token}"),
    "a prompt with another placeholder": (
        "training: {learning_rate: 2.0e-4}",
        "gallery: {prompts: ['{token} {colour}']}",
        "unknown placeholder {colour}",
    ),
    "a prompt with an open brace": ("training: {learning_rate: 2.0e-4}", "gallery: {prompts: ['{token']}", "unknown placeholder"),
    "a seed twice": ("training: {learning_rate: 2.0e-4}", "gallery: {seeds: [1, 1]}", "stands twice"),
    "an endpoint that is no address": ("{query: chimarrão}", "{query: x, endpoint: 'file:///etc/passwd'}", "http or https"),
    "a key twice": (S, S + "\n" + S, ":7: the key 'token' stands twice"),
    "broken YAML": ("{rank: 8}", "{rank: 8", "concepts.yaml:"),
    "a Python object": ("{rank: 8}", "!!python/object/apply:os.system ['true']", "tags (!…) are not read"),
    "no concepts": (GOOD[GOOD.index("concepts:") :], "", "must name at least one concept"),
    "a prompt that cannot be filled": (
        "training: {learning_rate: 2.0e-4}",
        "gallery: {prompts: ['{token:d}']}",
        "unknown placeholder",
    ),
    "an infinite alpha": ("{learning_rate: 2.0e-4}", "{alpha: .inf}", "training.alpha: "),
    "a date that is none": ("{rank: 8}", "2020-13-45", "put it in quotes"),
    "fewer images than are needed": ("training: {learning_rate: 2.0e-4}", "curation: {max_images: 2}", "is less than min_images"),
    "the same token twice": (
        "    training: {learning_rate: 2.0e-4}\n",
        "  outro:\n    token: CHMRR\n    class_noun: cup\n    crawl: {sources: [{openverse: {query: x}}]}\n",
        ":13: concepts.outro.token: 'CHMRR' is the token of chimarrao already",
    ),
    "an article before the class noun": ("class_noun: drink", "class_noun: a drink", "must be the noun alone, without 'a' before it"),
    "a Portuguese article": ("class_noun: drink", "class_noun: o mate", "must be the noun alone, without 'o' before it"),
    "a class noun of spaces": ("class_noun: drink", 'class_noun: "  "', "must say something, and not be spaces only"),
    "a placeholder in the class noun": ("class_noun: drink", 'class_noun: "{token}"', "must be plain words; a placeholder"),
    "a line break in the class noun": ("class_noun: drink", 'class_noun: "drink\\nx"', "must be one line"),
    "a token that is the class noun itself": ("token: chmrr", "token: Drink", "'Drink' is the class noun itself; choose a made-up word"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_reported_in_one_line_with_its_place_and_the_remedy(mistake: str, tmp_path: Path) -> None:
    old, new, said = MISTAKES[mistake]
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    message = str(caught.value)
    assert said in message
    assert "\n" not in message
    assert "concepts.yaml" in message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: there is no such file"):
        load_concepts(tmp_path / "nowhere.yaml")


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "concepts.yaml").write_bytes(GOOD.encode("latin-1"))
    with pytest.raises(ConfigError, match="UTF-8"):
        load_concepts(tmp_path / "concepts.yaml")


def test_a_model_of_a_hub_is_pinned_by_its_whole_commit() -> None:
    check_pinned("owner/name", "4" * 40)
    for revision in ("4" * 7, "4" * 39, "main", None, "G" * 40):
        with pytest.raises(ValueError, match="pinned by its commit"):
            check_pinned("owner/name", revision)


def test_a_captioner_and_captions_by_a_model_go_together() -> None:
    captioner = {"model": "./blip"}
    CurationSpec.model_validate({"captions": "model", "captioner": captioner})
    for wrong in ({"captioner": captioner}, {"captions": "model"}):
        with pytest.raises(ValueError, match="captions: model and captioner go together"):
            CurationSpec.model_validate(wrong)


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        ("training", "samples_per_image: 9", "epochs"), ("training", "held_out: 0.2", "validation_fraction"),
        ("training", "targets: standard", "target_modules"), ("training", "measure_every: 5", "validation_steps"),
        ("training", "mirror: true", "random_flip"), ("training", "prior_weight: 1", "prior_loss_weight"),
        ("gallery", "steps: 9", "num_inference_steps"), ("gallery", "guidance: 9", "guidance_scale"),
        ("curation", "monochrome: true", "allow_monochrome"), ("curation", "min_information: 2", "min_entropy"),
        ("curation", "relevance: {model: embedded, shows: [a]}", "positive_prompts"),
    ],
)  # fmt: skip
def test_an_old_key_gets_one_line_that_names_the_new_one(part: str, old: str, new: str, tmp_path: Path) -> None:
    text = GOOD.replace("    training: {learning_rate: 2.0e-4}", f"    {part}:\n      {old}")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert f"unknown key; it is called {new}" in str(caught.value)
    assert "concepts.yaml:12: " in str(caught.value) or "concepts.yaml:13: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_home_folder_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = "folder: {path: ~/photos, license: pd, author: X, source: Y}"
    (tmp_path / "concepts.yaml").write_text(GOOD.replace("openverse: {query: chimarrão}", folder), encoding="utf-8")
    loaded = load_concepts(tmp_path / "concepts.yaml").concepts["chimarrao"]
    assert loaded.crawl.sources[0].spec.paths == (tmp_path / "home" / "photos",)


def test_a_key_of_the_concept_wins_over_the_same_default(tmp_path: Path) -> None:
    text = GOOD.replace("{rank: 8}", "{rank: 8, learning_rate: 1.0e-5, seed: 3}")
    (tmp_path / "concepts.yaml").write_text(text, encoding="utf-8")
    training = load_concepts(tmp_path / "concepts.yaml").concepts["chimarrao"].training
    assert (training.rank, training.learning_rate, training.seed) == (8, 2e-4, 3)


YAML_MISTAKES = {
    "a tab": ("concepts:\n\tc: x\n", 2, "a tab stands here; YAML is indented with spaces"),
    "a tab behind": ("concepts:\n  c:\n    token: dnc\n\tclass_noun: x\n", 4, "a tab stands here"),
    "a bare placeholder": ("concepts:\n  c:\n    x:\n      - {token} na mesa\n", 4, "begins with {token} must stand in quotation marks"),
    "one in a list": ("concepts:\n  c:\n    x: [{class_noun} at night]\n", 3, "begins with {class_noun} must stand in quotation marks"),
    "no space": ("concepts:\n  c:\n    token:dnc\n    class_noun: cup\n", 3, "a space is missing after the colon of 'token'"),
    "a colon in a text": ("concepts:\n  c:\n    x: mate: a drink\n", 3, "a text with a colon in it must stand in quotation marks"),
    "an open quotation": ("concepts:\n  c:\n    x: 'dnc\n    y: cup\n", 3, "a quotation mark is not closed"),
    "a sign": ("concepts:\n  c:\n    x: @dnc\n", 3, "a text that begins with @ must stand in quotation marks"),
    "an alias": ("concepts:\n  c:\n    x: *dnc\n", 3, "a text that begins with * or & must stand in quotation marks"),
    "a column": ("concepts:\n  c:\n    x: dnc\n   y: cup\n", 4, "its indentation does not fit"),
    "a tag": ("concepts:\n  c: !!python/object/apply:os.system ['true']\n", 2, "tags (!…) are not read"),
    "a control": ("concepts:\n  c:\n    x: \x07\n", 3, "a control character stands here; remove it"),
    "two documents": ("concepts: {}\n---\nconcepts: {}\n", 2, "a second document begins here"),
    "itself": ("a: &a [*a]\n", 1, "an alias (*…) stands inside what it repeats"),
}


@pytest.mark.parametrize("mistake", YAML_MISTAKES)
def test_a_mistake_in_the_yaml_is_reported_in_our_own_words(mistake: str, tmp_path: Path) -> None:
    text, line, said = YAML_MISTAKES[mistake]
    (tmp_path / "concepts.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_concepts(tmp_path / "concepts.yaml")
    assert str(caught.value).startswith(f"{tmp_path / 'concepts.yaml'}:{line}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "expected" not in str(caught.value)


@pytest.mark.parametrize("each", ["{<<: [%s]}", "[%s]"])
def test_a_bomb_of_aliases_is_reported_at_once(each: str, tmp_path: Path) -> None:
    lines = ["b0: &b0 {x: 1}"] + [f"b{n}: &b{n} {each % ','.join([f'*b{n - 1}'] * 9)}" for n in range(1, 12)]
    (tmp_path / "concepts.yaml").write_text("\n".join([*lines, "concepts: {}"]), encoding="utf-8")
    with pytest.raises(ConfigError, match="repeats more by aliases"):
        load_concepts(tmp_path / "concepts.yaml")


def test_a_name_with_a_line_break_or_a_control_character_is_refused(tmp_path: Path) -> None:
    for text in ('"Chimar\\nrão"', '"Chimar\\u0007rão"', '"Chimar\\u2028rão"'):
        assert "name: {pt: Chimarrão" in GOOD
        (tmp_path / "concepts.yaml").write_text(GOOD.replace("{pt: Chimarrão", "{pt: " + text), encoding="utf-8")
        with pytest.raises(ConfigError, match=r"name\.pt: must be one line"):
            load_concepts(tmp_path / "concepts.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "{a: " * 50_000, "[" * 100_000, "concepts:\n" + "\n".join(f"{' ' * depth}a:" for depth in range(1, 3_000)), "- " * 20_000 + "a",
        "? " * 20_000,
    ],
    ids=["braces", "brackets", "indentation", "dashes", "questions"],
)  # fmt: skip
def test_a_deep_nest_is_a_mistake_and_ends_no_process(text: str, tmp_path: Path) -> None:
    (tmp_path / "concepts.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError):
        load_concepts(tmp_path / "concepts.yaml")


@pytest.mark.parametrize("number", ["9" * 1_000_000, "1" * 5_000 + ".5", "0x" + "f" * 10_000, "1:" * 4_000 + "1", "-" + "7" * 5_000])
def test_a_number_of_a_million_digits_is_a_mistake_with_its_line(number: str, tmp_path: Path) -> None:
    (tmp_path / "concepts.yaml").write_text(f"defaults:\n  training:\n    epochs: {number}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r":3: a number has too many digits"):
        load_concepts(tmp_path / "concepts.yaml")


def test_long_texts_and_hashes_are_no_numbers(tmp_path: Path) -> None:
    folder = draw_folder(tmp_path / "a", "araucaria", 2)
    concept = folder_concept(folder, "mtl", "tree") | {"description": "9" * 500}
    assert load_concepts(write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept})).concepts["araucaria"].description == "9" * 500


@pytest.mark.parametrize("place", ["/dev/zero", "/dev/null", "."])
def test_what_is_no_file_is_no_concepts_file(place: str) -> None:
    with pytest.raises(ConfigError):
        load_concepts(Path(place))


# ------------------------------------------------------------------------------------------ what is YAML and was meant otherwise

ONE = """\
concepts:
  cuia:
    token: dnc
    class_noun: cup
    crawl: {{sources: [{{folder: {{path: photos, license: own, author: {author}, source: {source}}}}}]}}
    training: {{learning_rate: {rate}, epochs: 4}}
"""


def mistake_in(folder: Path, text: str) -> str:
    (folder / "concepts.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_concepts(folder / "concepts.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"rate": "0,0001"}, ":6: a number has a point for its decimals: learning_rate: 0.0001"),
        ({"rate": "1,5e-4"}, ":6: a number has a point for its decimals: learning_rate: 1.5e-4"),
        ({"author": "Souza, Ana"}, ':5: a text with a comma must stand in quotation marks: author: "Souza, Ana"'),
        ({"source": "Acervo, caixa 3"}, ':5: a text with a comma must stand in quotation marks: source: "Acervo, caixa 3"'),
        ({"author": "“Ana”"}, "write \"Ana\""),
        ({"author": "‘Ana’"}, "write \"Ana\""),
        ({"author": "„Ana“"}, "write \"Ana\""),
        ({"author": "«Ana»"}, "write \"Ana\""),
    ],
)  # fmt: skip
def test_a_slip_of_the_pen_is_named_with_what_to_write(keys: dict[str, str], said: str, tmp_path: Path) -> None:
    assert said in mistake_in(tmp_path, ONE.format(**({"author": "A", "source": "B", "rate": "0.001"} | keys)))


@pytest.mark.parametrize("author", ['"Souza, Ana"', "'Souza, Ana'", "O “Gaúcho” de Bagé", "D'Ávila"])
def test_what_is_right_is_no_slip(author: str, tmp_path: Path) -> None:
    (tmp_path / "concepts.yaml").write_text(ONE.format(author=author, source="B", rate="1.0e-4"), encoding="utf-8")
    assert load_concepts(tmp_path / "concepts.yaml")


def test_portuguese_keys_are_named_in_english_and_all_of_them_at_once(tmp_path: Path) -> None:
    text = "concepts:\n  cuia:\n    nome: Cuia\n    palavra: dnc\n    classe: cup\n    crawl: {sources: []}\n"
    said = mistake_in(tmp_path, text)
    assert "concepts.cuia.nome: unknown key; keys are English: 'name'" in said
    assert "unknown too: palavra → token, classe → class_noun" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04\x14\x00\xff\xfe word/document.xml", "office program"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "office program"),
        ("concepts:".encode("utf-16"), "UTF-16"),
        ("concepts: {ç: 1}".encode("latin-1"), "save it as UTF-8"),
    ],
)
def test_a_file_that_is_no_text_is_named_for_what_it_is(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "concepts.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        load_concepts(tmp_path / "concepts.yaml")
