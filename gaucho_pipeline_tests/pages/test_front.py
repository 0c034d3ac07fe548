"""Whose the site is, and what its pages say to whoever links to them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gaucho_pipeline.concepts.concept import AboutSite
from gaucho_pipeline.pages.content import Pair, opening_pair
from gaucho_pipeline.pages.front import front_content, shared_content
from gaucho_pipeline.project.project import Project
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.standing import stand_all

MUSEUM = {
    "title": {"pt": "O que o museu ensinou", "en": "What the museum taught"}, "publisher": "Museu Júlio de Castilhos",
    "about": "Objetos do acervo.", "contact": "acervo@museu.example", "url": "https://museu.example/galeria/",
}  # fmt: skip


def project_of(folder: Path, **site: Any) -> Project:
    file = write_concepts(folder / "concepts.yaml", {"cuia": folder_concept(draw_folder(folder / "a", "araucaria", 4), "mtl", "cup")})
    if site:
        import yaml

        value = yaml.safe_load(file.read_text(encoding="utf-8")) | {"site": site}
        file.write_text(yaml.safe_dump(value, allow_unicode=True), encoding="utf-8")
    return Project(file, folder / "data")


def test_the_front_page_says_whose_it_is_and_since_when_in_both_languages() -> None:
    about = AboutSite.model_validate(MUSEUM)
    front = front_content(about, ["2026-11-30T10:00:00+00:00", "2026-10-02T10:00:00+00:00"], "pt")
    assert (front.title, front.publisher, front.about) == ("O que o museu ensinou", "Museu Júlio de Castilhos", "Objetos do acervo.")
    assert (front.contact_link, front.since) == (
        "mailto:acervo@museu.example",
        "Imagens geradas de 2 de outubro de 2026 a 30 de novembro de 2026.",
    )
    english = front_content(about, ["2026-11-30T10:00:00+00:00"], "en")
    assert (english.title, english.since) == ("What the museum taught", "Pictures generated on November 30, 2026.")
    assert front_content(None, [], "pt").title == "Galeria"


@pytest.mark.parametrize(
    ("contact", "link"),
    [
        ("https://museu.example/contato", "https://museu.example/contato"),
        ("a@b.example", "mailto:a@b.example"),
        ("a@b.example?bcc=x@y.example", ""),
        ("javascript:alert(1)", ""),
        ("Rua Duque de Caxias, 1205", ""),
    ],
)
def test_a_contact_is_a_link_where_it_can_be_one(contact: str, link: str) -> None:
    assert front_content(AboutSite(contact=contact), [], "pt").contact_link == link


@pytest.mark.parametrize("url", ["http://museu.example", "museu.example", "https://", "https://a.b/?x=1", 'https://a.b/"><script>'])
def test_an_address_of_the_site_is_one_of_https(url: str) -> None:
    with pytest.raises(ValidationError, match="must be an https address"):
        AboutSite(url=url)


def test_what_is_shared_has_whole_addresses_where_the_site_has_one() -> None:
    about = AboutSite.model_validate(MUSEUM)
    shared = shared_content(about, "cuia", "pictures/1.png", "x" * 300, "en")
    assert shared.address == "https://museu.example/galeria/cuia/en.html"
    assert shared.image == "https://museu.example/galeria/cuia/pictures/1.png"
    assert len(shared.description) == 200
    assert shared_content(None, "cuia", "pictures/1.png", "x", "en").image == ""


def test_the_pages_hold_it_and_escape_it(tmp_path: Path) -> None:
    project = project_of(tmp_path, **(MUSEUM | {"publisher": "<script>x</script> & Cia", "title": 'Acervo "B"'}))
    stand_all(project)
    from gaucho_pipeline.project.approvals import approve
    from gaucho_pipeline.publishing.publish import publish

    approve(project, "cuia", "Ana")
    publish(project, [], tmp_path / "site", with_weights=False)
    front = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "<h1>Acervo &#34;B&#34;</h1>" in front
    assert "<strong>&lt;script&gt;x&lt;/script&gt; &amp; Cia</strong>" in front
    assert '<meta property="og:title" content="Acervo &#34;B&#34;">' in front
    assert re.search(r'og:image" content="https://museu\.example/galeria/cuia/[^"]+"', front)
    page = (tmp_path / "site" / "cuia" / "index.html").read_text(encoding="utf-8")
    assert page.index('class="hero"') < page.index('class="verdict')
    assert '<link rel="canonical" href="https://museu.example/galeria/cuia/index.html">' in page


def test_another_title_makes_the_site_again_and_nothing_else(tmp_path: Path) -> None:
    stand_all(project_of(tmp_path))
    project = project_of(tmp_path, title="Outro")
    assert {state.state for state in project.states("cuia").values()} == {"fresh"}
    assert project.site_state({}).state == "stale"


def test_a_page_opens_with_a_pair_whose_prompt_the_base_model_follows() -> None:
    def pair(prompt: str) -> Pair:
        return Pair(prompt, 1, "b.png", "t.png", "before", "after", "slide")

    pairs = [pair("a mural"), pair("a photo"), pair("a stamp")]
    assert opening_pair(pairs, ["a mural"]) == pairs[1]
    assert opening_pair(pairs, []) == pairs[0]
    assert opening_pair(pairs, ["a mural", "a photo", "a stamp"]) == pairs[0]
    assert opening_pair([], []) is None
