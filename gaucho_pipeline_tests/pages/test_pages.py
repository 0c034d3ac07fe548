"""The pages without a browser: one language at a time, what came from the web as text, nothing from elsewhere, the verdict first."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from gaucho_pipeline import pages
from gaucho_pipeline.assets.metrics import Aside, Score
from gaucho_pipeline.assets.rows import write_rows
from gaucho_pipeline.files.tables import read_table, write_table
from gaucho_pipeline.language.bilingual import LANGUAGES, Bilingual
from gaucho_pipeline.pages.content import ConceptFolders, concept_content
from gaucho_pipeline.pages.rendering import write_site
from gaucho_pipeline.pages.words import number, words
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.samples import credited, picture_row
from gaucho_pipeline_tests.standing import METRICS, edit, stand, stand_all


@pytest.fixture
def project(tmp_path: Path) -> Project:
    concept = folder_concept(draw_folder(tmp_path / "a", "araucaria", 2), "mtl", "tree")
    concept["name"] = {"pt": "Araucária", "en": "Paraná pine"}
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept}), tmp_path / "data")
    stand_all(project)
    return project


def folders(project: Project, **about: Any) -> ConceptFolders:
    shown = project.shown()["araucaria"]
    own = project.concept("araucaria").about().model_copy(update=about)
    sequence = shown.sequence.folder if shown.sequence else None
    return ConceptFolders("araucaria", own, shown.evaluation.folder, shown.gallery.folder, shown.checkpoint.folder, sequence)


def page(project: Project, folder: Path, language: str = "pt", **about: Any) -> str:
    write_site(folder, [folders(project, **about)])
    return (folder / "araucaria" / ("index.html" if language == "pt" else "en.html")).read_text(encoding="utf-8")


def test_the_languages_have_the_same_texts() -> None:
    pt, en = (words(language) for language in LANGUAGES)
    assert set(pt) == set(en)
    for key in pt:
        assert set(re.findall(r"\{\w+\}", pt[key])) == set(re.findall(r"\{\w+\}", en[key])), key


def test_every_text_is_used() -> None:
    package = Path(pages.__file__).parent
    used = " ".join(path.read_text(encoding="utf-8") for path in package.rglob("*") if path.suffix in (".py", ".html"))
    derived = {"yes", "no", "unclear", "checkpoint", "pictures", "evaluation", "alt_before", "alt_after"}  # named by what is shown
    derived |= {"sample_sequence", "judgement"} | {key for key in words("pt") if key.startswith("judged_")} - {"judged_text", "judged_rule"}
    unused = [key for key in words("pt") if key not in derived and not re.search(rf"\bt\.{key}\b|other\.{key}\b|[\"']{key}[\"']", used)]
    assert unused == []


def test_numbers_are_written_as_in_the_language() -> None:
    assert (number(0.5, "pt"), number(0.5, "en"), number(0.25, "pt", 2, sign=True)) == ("0,500", "0.500", "+0,25")


def test_a_page_is_in_one_language_and_leads_to_the_other(project: Project, tmp_path: Path) -> None:
    pt, en = (page(project, tmp_path / language, language) for language in LANGUAGES)
    assert '<html lang="pt-BR">' in pt
    assert '<html lang="en">' in en
    assert 'href="en.html" hreflang="en"' in pt
    assert 'href="index.html" hreflang="pt-BR"' in en
    assert ("Araucária" in pt, "Paraná pine" in en, "Before and after" in pt, "Antes e depois" in en) == (True, True, False, False)
    assert 'href="araucaria/en.html"' in (tmp_path / "pt" / "en.html").read_text(encoding="utf-8")


def test_before_stands_before_after(project: Project, tmp_path: Path) -> None:
    text = page(project, tmp_path / "site", "en")
    assert text.index('src="pictures/000-base.png" alt="Before, without') < text.index('src="pictures/000-tuned.png" alt="After, with')


def test_the_verdict_comes_first_in_words_and_the_figures_under_it(project: Project, tmp_path: Path) -> None:
    text = page(project, tmp_path / "site")
    assert text.index("O modelo sabe desenhar isto?") < text.index("Antes e depois</h2>") < text.index("Em números")
    assert "O motivo aparece nas imagens, e bem mais do que antes." in text
    assert (
        "Subiu de 0,200 para 0,500 (as imagens reais, entre si: 0,600). Com 95 % de confiança, a mudança está entre +0,200 e +0,400."
        in text
    )


def test_a_class_noun_that_is_drawn_otherwise_is_said_in_the_box_and_shown_below_it(project: Project, tmp_path: Path) -> None:
    aside = Aside(key="class_noun_changed", values={"class_noun": "tree"})
    before = page(project, tmp_path / "site")
    gallery = project.store.current("sample_gallery", "araucaria")
    assert gallery
    rows = read_table(gallery.folder / "pictures.jsonl")
    write_table(gallery.folder / "pictures.jsonl", [*rows, *(row | {"kind": "class", "number": 99} for row in rows[:2])])
    stand(project, "evaluation", "araucaria", data_version="2", asides=(aside,))
    text = page(project, tmp_path / "site")
    box = text[text.index('<div class="verdict') : text.index("Antes e depois</h2>")]
    assert "E “tree” sem a palavra do conceito também sai diferente agora." in box
    assert box.count('<figure class="pair"') == 1
    assert '<figure class="pair"' not in before[before.index('<div class="verdict') : before.index("Antes e depois</h2>")]


def test_a_prompt_that_does_not_count_comes_last_and_says_so(project: Project, tmp_path: Path) -> None:
    gallery = project.store.current("sample_gallery", "araucaria")
    assert gallery
    first = read_table(gallery.folder / "pictures.jsonl")[0]["prompt"]
    assert "não contam para o veredito" not in page(project, tmp_path / "site")
    stand(project, "evaluation", "araucaria", data_version="2", unfollowed=(first,))
    text = page(project, tmp_path / "site")
    assert text.count("estas imagens não contam para o veredito") == 1
    last = text.rindex('<section class="group"')
    assert text.index("estas imagens não contam para o veredito") > last


@pytest.mark.parametrize(("word", "told"), [("no", "Não"), ("unclear", "Incerto")])
def test_what_is_no_success_is_reported_as_none(word: str, told: str, project: Project, tmp_path: Path) -> None:
    stand(project, "evaluation", "araucaria", data_version="2", verdict=word, reason="hardly_nearer")
    text = page(project, tmp_path / "site")
    assert f'<div class="verdict {word}">' in text
    assert f"<strong>{told}</strong>" in text
    assert f'<span class="chip {word}">{told}</span>' in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")


def test_a_change_within_chance_is_reported_as_such_and_what_is_missing_with_the_remedy(project: Project, tmp_path: Path) -> None:
    score = Score(base=0.5, tuned=0.4, interval=(-0.2, 0.1), backbone="x")
    stand(project, "evaluation", "araucaria", data_version="2", variety=score, missing={"dinov2": "hf download it"})
    text = page(project, tmp_path / "site", "en")
    assert "It fell from 0.500 to 0.400. With 95 % confidence the change is between -0.200 and +0.100: it may be chance." in text
    assert "Not measured. <span" in text
    assert "hf download it" in text


def test_a_historical_concept_says_on_each_picture_that_it_is_imagined(project: Project, tmp_path: Path) -> None:
    assert "tag imagined" not in page(project, tmp_path / "one")
    text = page(project, tmp_path / "two", historical=True)
    assert text.count('<span class="tag imagined">imaginada</span>') == 1
    assert text.count('<span class="chip">imaginada</span>') == 1  # seen large
    assert '<span class="tag imagined">' in (tmp_path / "two" / "index.html").read_text(encoding="utf-8")
    assert "nenhuma destas cenas aconteceu assim" in text


def test_what_looks_copied_stands_beside_the_training_image(project: Project, tmp_path: Path) -> None:
    made = stand(project, "evaluation", "araucaria", data_version="2", memorised=1)
    write_table(made.folder / "copies.jsonl", [{"file": "pictures/000-tuned.png", "training": "training/000.jpg", "cosine": 0.99}])
    text = page(project, tmp_path / "site")
    assert "Parecem copiadas" in text
    assert '<div class="pair2"><img src="pictures/000-tuned.png"' in text
    assert "semelhança 0,990" in text


def test_weights_can_be_had_where_there_are_any_and_are_asked_for(project: Project, tmp_path: Path) -> None:
    assert "Os pesos não foram publicados aqui." in page(project, tmp_path / "none")
    checkpoint = project.shown()["araucaria"].checkpoint.folder
    (checkpoint / "araucaria.safetensors").write_bytes(b"weights")
    text = page(project, tmp_path / "some")
    assert 'href="araucaria.safetensors" download' in text
    assert "&lt;lora:" not in text  # no other program has the model that ships
    assert "load_lora_weights" in text
    assert (tmp_path / "some" / "araucaria" / "araucaria.safetensors").read_bytes() == b"weights"
    write_site(tmp_path / "without", [folders(project)], with_weights=False)
    assert not list((tmp_path / "without").rglob("*.safetensors"))


def test_a_source_on_this_machine_is_no_link_and_stands_nowhere(project: Project, tmp_path: Path) -> None:
    """The demo's own site answers on loopback, and only while the demo runs."""
    evaluation = project.shown()["araucaria"].evaluation.folder
    places = ("http://127.0.0.1:8417/photo/araucaria/00.png", "https://museu.example/1")
    for place in places:
        write_rows(evaluation / "training.jsonl", [credited(1, file="training/000.jpg", source=place)])
        text = page(project, tmp_path / "site")
        assert (place in text, f'href="{place}"' in text) == (place == places[1],) * 2


def test_pictures_written_in_portuguese_are_shown_with_what_the_model_read(project: Project, tmp_path: Path) -> None:
    gallery = project.shown()["araucaria"].gallery.folder
    write_rows(gallery / "pictures.jsonl", [picture_row(model, written="uma foto de mtl tree") for model in ("base", "tuned")])
    text = page(project, tmp_path / "site")
    assert "<h3>uma foto de mtl tree</h3>" in text
    assert 'o modelo lê: <span lang="en">a photo of mtl tree</span>' in text


def test_a_page_may_load_nothing_from_elsewhere_and_runs_its_own_script_alone(project: Project, tmp_path: Path) -> None:
    text = page(project, tmp_path / "site")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', text)
    assert "default-src &#39;none&#39;" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    for address in re.findall(r'(?:src|href)="([^"]+)"', text):
        assert not address.startswith("//")
    assert not re.findall(r'src="https?:', text)


EVIL = credited(
    title="<script>alert(1)</script>",
    author='"><img src=x onerror=alert(1)>',
    license_url="javascript:1",
    source="javascript:alert(1)",
    file="training/000.jpg",
    flags=("<b>",),
)


def test_what_came_from_the_web_is_text_and_no_script_becomes_a_link(project: Project, tmp_path: Path) -> None:
    write_rows(project.shown()["araucaria"].evaluation.folder / "training.jsonl", [EVIL])
    text = page(project, tmp_path / "site", description="<i>x</i>", name=Bilingual(pt="<u>y</u>"))
    assert text.count("<script>") == 1
    assert "<img src=x" not in text
    assert 'href="javascript' not in text
    assert "<i>x" not in text
    assert "<u>y" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_each_image_has_a_sentence_to_copy(project: Project) -> None:
    content = concept_content(folders(project), "pt")
    assert content.credits[0].sentence == "“Araucária”, de João, CC0-1.0, https://a.example"
    assert content.all_credits == content.credits[0].sentence


def test_the_page_is_whole_by_itself_and_holds_nothing_of_the_machine(project: Project, tmp_path: Path) -> None:
    text = page(project, tmp_path / "site")
    for address in re.findall(r'src="([^"]+)"', text):
        assert address.startswith("data:") or (tmp_path / "site" / "araucaria" / address).is_file() or "training" in address
    assert not list((tmp_path / "site").rglob("manifest.json"))
    assert str(tmp_path) not in text


@pytest.fixture
def telling(project: Project) -> Project:
    """The same with a story."""
    edit(project, "araucaria", "sequence", stories=["day_to_night"])
    again = Project(project.concepts_file, project.store.root)
    stand(again, "sample_sequence", "araucaria")
    return again


def test_a_story_is_shown_with_its_beats_in_each_language_its_figures_and_its_files(telling: Project, tmp_path: Path) -> None:
    pt, en = (page(telling, tmp_path / language, language) for language in ("pt", "en"))
    for text in ("Do dia à noite", "De dia", "não são filmes nem registros".capitalize(), "0,040", "2 de 2 quadros", "Tira de quadros"):
        assert text in pt
    for text in ("From day to night", "By day", "0.040", "2 of 2 frames", "Filmstrip, generated by a model"):
        assert text in en
    for text in (pt, en):
        assert '<li data-first="1" lang="en">at night</li>' in text  # a beat without a caption is its prompt
        assert 'data-frames="2" data-rate="8.0"' in text
        assert 'href="stories/day_to_night/story.webp" download' in text
    assert (tmp_path / "pt" / "araucaria" / "stories" / "day_to_night" / "frames" / "001.png").is_file()


def test_a_story_of_the_past_says_that_it_is_imagined_and_a_concept_without_one_shows_none(telling: Project, tmp_path: Path) -> None:
    text = telling.concepts_file.read_text(encoding="utf-8")
    telling.concepts_file.write_text(text.replace("token: mtl", "historical: true\n    token: mtl"), encoding="utf-8")
    past = Project(telling.concepts_file, telling.store.root)
    stand(past, "sample_sequence", "araucaria")
    story = page(past, tmp_path / "a", historical=False).split("<h2>O que se desenrola")[1].split("</section>")[0]
    assert "tag imagined" in story  # whoever of those that it shows is of the past
    assert "nada aconteceu assim" in story
    telling.concepts_file.write_text(text, encoding="utf-8")
    stand(Project(telling.concepts_file, telling.store.root), "sample_sequence", "araucaria")
    assert "tag imagined" not in page(telling, tmp_path / "b").split('<section class="story"')[1]
    plain = dataclasses.replace(folders(telling), sequence=None)
    write_site(tmp_path / "c", [plain])
    assert 'class="story"' not in (tmp_path / "c" / "araucaria" / "index.html").read_text(encoding="utf-8")


def test_a_story_of_another_checkpoint_is_not_shown(telling: Project) -> None:
    assert telling.shown()["araucaria"].sequence
    edit(telling, "araucaria", "training", rank=2)
    again = Project(telling.concepts_file, telling.store.root)
    for asset in ("checkpoint", "sample_sequence"):
        stand(again, asset, "araucaria", "2")
    assert again.shown()["araucaria"].sequence is None  # the pictures are still those of the first


def test_frames_that_show_nothing_keep_a_story_off_the_site_and_the_site_is_made_of_those_it_shows(telling: Project) -> None:
    assert "sample_sequence/araucaria" in telling.provenance("gallery_site", "all").inputs
    story = METRICS["sample_sequence"].stories[0].model_copy(update={"blank": 1})  # type: ignore[attr-defined]
    stand(telling, "sample_sequence", "araucaria", "3", stories=(story,))
    assert telling.shown()["araucaria"].sequence is None
    assert "sample_sequence/araucaria" not in telling.provenance("gallery_site", "all").inputs
