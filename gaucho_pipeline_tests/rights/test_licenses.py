"""Licences: what is let in, and why the rest is not."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from gaucho_pipeline.rights.licenses import DEFAULT_LICENSES, license_name, own_license, parse_license, refusal
from gaucho_pipeline.sources.commons import commons_license, restrictions
from gaucho_pipeline.sources.inaturalist import inaturalist_license
from gaucho_pipeline.sources.openverse import openverse_license


@pytest.mark.parametrize(
    ("code", "version", "known_as"),
    [
        ("by", "2.0", "CC-BY-2.0"),
        ("by-sa", "4.0", "CC-BY-SA-4.0"),
        ("CC-BY-SA-3.0", None, "CC-BY-SA-3.0"),
        ("cc by 4.0", None, "CC-BY-4.0"),
        ("cc0", "1.0", "CC0-1.0"),
        ("CC0-1.0", None, "CC0-1.0"),
        ("pdm", "1.0", "PDM-1.0"),
        ("pd", None, "PD"),
    ],
)
def test_free_licences_are_known_by_their_names(code: str, version: str | None, known_as: str) -> None:
    verdict = parse_license(code, version)
    assert verdict.id == known_as
    assert refusal(verdict, DEFAULT_LICENSES) is None
    assert verdict.url.startswith("https://creativecommons.org/")


@pytest.mark.parametrize(
    "code", ["by-nc", "by-nd", "by-nc-sa", "by-nc-nd", "cc-by-nc-4.0", "sampling+", "gfdl", "", None, 7, "all rights reserved"]
)
def test_what_forbids_the_use_or_is_unknown_is_refused_with_a_reason(code: object) -> None:
    assert refusal(parse_license(code), DEFAULT_LICENSES)


@pytest.mark.parametrize(
    ("written", "known_as"),
    [
        ("https://creativecommons.org/licenses/by/4.0/", "CC-BY-4.0"),
        ("https://creativecommons.org/licenses/by-sa/4.0/deed.pt_BR", "CC-BY-SA-4.0"),
        ("http://www.creativecommons.org/licenses/by/3.0/br/deed.en", "CC-BY-3.0-BR"),
        ("https://creativecommons.org/licenses/by/4.0/legalcode.es", "CC-BY-4.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/deed.pt", "PD"),
        ("https://creativecommons.org/publicdomain/zero/1.0/deed.es", "CC0-1.0"),
        ("CC BY-SA 4.0 International", "CC-BY-SA-4.0"),
        ("Attribution-ShareAlike 4.0 International (CC BY-SA 4.0)", "CC-BY-SA-4.0"),
        ("Creative Commons Atribuição 4.0 Internacional", "CC-BY-4.0"),
        ("Atribuição-CompartilhaIgual 3.0 Brasil", "CC-BY-SA-3.0-BR"),
        ("Atribuição-Partilha nos Termos da Mesma Licença 3.0 Portugal", "CC-BY-SA-3.0-PT"),
        ("Licença Creative Commons Atribuição-CompartilhaIgual 4.0 Internacional", "CC-BY-SA-4.0"),
        ("Reconocimiento-CompartirIgual 3.0 España", "CC-BY-SA-3.0-ES"),
        ("Licencia Creative Commons Atribución 4.0 Internacional", "CC-BY-4.0"),
        ("CC BY 4.0 Deed", "CC-BY-4.0"),
        ("CC BY 4.0 https://creativecommons.org/licenses/by/4.0/", "CC-BY-4.0"),
        ("Creative Commons Attribution 3.0 Brazil", "CC-BY-3.0-BR"),
        ("cc-by-sa-2.5-scotland", "CC-BY-SA-2.5-SCOTLAND"),
        ("cc-by-sa-3.0-migrated", "CC-BY-SA-3.0"),
        ("Domínio público", "PD"),
        ("Dominio público", "PD"),
        ("Marca de Domínio Público 1.0", "PDM-1.0"),
        ("CC0 1.0 Universal (CC0 1.0) Dedicação ao Domínio Público", "CC0-1.0"),
        ("PD-old-100", "PD"),
    ],
)
def test_licences_are_read_as_people_write_them(written: str, known_as: str) -> None:
    assert parse_license(written).id == known_as
    assert refusal(parse_license(written), DEFAULT_LICENSES) is None


@pytest.mark.parametrize(
    "written",
    [
        "CC BY", "cc-by-sa", "CC BY 9.9", "CC BY 2.1", "CC BY-SA 4.0 br", "cc-by-3.0-xx", "CC BY ٤.٠", "CC BY ４.0", "PD-forbidden",
        "PD-because", "PD-old-not-really", "PD-ar", "PD-us-no", "https://creativecommons.org/licenses/by/9.0/", "https://creativecommons.org/licenses/by/3.0/xx/",
        "https://evil.example/creativecommons.org/licenses/by/4.0/", "https://creativecommons.org.evil.example/licenses/by/4.0/",
        "https://creativecommons.org/licenses/by/4.0/../../by-nc/4.0/", "CC BY 4.0 (CC BY-NC 4.0)", "CC BY 4.0 (all rights reserved)",
        "CC BY 4.0 https://creativecommons.org/licenses/by-nc/4.0/", "Atribuição-NãoComercial 4.0 Internacional",
        "Atribuição-SemDerivações 4.0 Internacional", "Reconocimiento-NoComercial 3.0 España", "Atribución-SinDerivadas 2.5 Argentina",
        "Atribuição-Uso não-comercial 2.5 Brasil", "own", "todos os direitos reservados", "CC BY 4.0 " + "x" * 3000,
    ],
)  # fmt: skip
def test_what_is_no_licence_forbids_or_has_no_version_is_refused(written: str) -> None:
    assert refusal(parse_license(written), DEFAULT_LICENSES)


@pytest.mark.parametrize("version", ["9.9", "4", "x", "4.0.0"])
def test_a_version_that_a_source_states_and_that_there_is_not_is_refused(version: str) -> None:
    assert parse_license("by", version).reason == "the licence's version is not known"


def test_ones_own_is_possible_where_it_is_asked_for_and_is_no_open_licence() -> None:
    assert own_license(" Own ").id == "all rights reserved"
    assert refusal(own_license("own"), ("cc0",)) is None
    assert own_license("cc-by-4.0") == parse_license("cc-by-4.0")
    with pytest.raises(ValueError, match="known are cc0"):
        license_name("own")


def test_a_concept_may_allow_less() -> None:
    assert refusal(parse_license("by-sa", "4.0"), ("cc0",)) == "the concept does not allow cc-by-sa"


def test_a_code_that_its_address_contradicts_is_unknown() -> None:
    record = {"license": "by", "license_version": "2.0", "license_url": "https://creativecommons.org/licenses/by-nc/2.0/"}
    assert openverse_license(record).family is None


def test_the_recorded_records_are_allowed_exactly_where_their_file_was_kept(real: Path) -> None:
    records = json.loads((real / "openverse" / "images.json").read_text())
    allowed = [refusal(openverse_license(r), DEFAULT_LICENSES) is None for r in records]
    assert allowed == [r["file"] is not None for r in records]
    assert Counter(allowed) == {True: 78, False: 60}


@pytest.mark.parametrize(
    ("code", "address"),
    [
        ("cc0", "https://creativecommons.org/licenses/by-nc/4.0/"),
        ("by", "https://creativecommons.org/licenses/BY-NC/4.0"),
        ("pdm", "https://creativecommons.org/licenses/by-nd/4.0/"),
    ],
)
def test_every_contradiction_is_refused(code: str, address: str) -> None:
    assert refusal(openverse_license({"license": code, "license_version": "1.0", "license_url": address}), DEFAULT_LICENSES)


def test_both_addresses_of_cc0_are_known() -> None:
    for address in ("https://creativecommons.org/licenses/cc0/1.0/", "https://creativecommons.org/publicdomain/zero/1.0/"):
        assert openverse_license({"license": "cc0", "license_version": "1.0", "license_url": address}).id == "CC0-1.0"


COMMONS: dict[str, dict[str, str]] = {
    "CC-BY-SA-4.0": {
        "License": "cc-by-sa-4.0",
        "LicenseShortName": "CC BY-SA 4.0",
        "UsageTerms": "Creative Commons Attribution-Share Alike 4.0",
        "LicenseUrl": "https://creativecommons.org/licenses/by-sa/4.0",
    },
    "CC-BY-SA-3.0-DE": {
        "License": "cc-by-sa-3.0-de",
        "UsageTerms": "Creative Commons Attribution-Share Alike 3.0 de",
        "LicenseUrl": "https://creativecommons.org/licenses/by-sa/3.0/de/deed.en",
    },
    "CC-BY-3.0-IGO": {"LicenseShortName": "CC BY 3.0 igo"},
    "CC-BY-SA-2.5": {"License": "cc-by-sa-2.5,2.0,1.0"},
    "CC-BY-SA-3.0": {"License": "cc-by-sa-3.0-migrated"},
    "CC-BY-4.0": {"UsageTerms": "Creative Commons Attribution 4.0 International"},
    "PD": {"License": "pd", "LicenseShortName": "Public domain", "UsageTerms": "Public domain"},
    "PDM-1.0": {
        "LicenseShortName": "PDM 1.0",
        "UsageTerms": "Creative Commons Public Domain Mark 1.0",
        "LicenseUrl": "https://creativecommons.org/publicdomain/mark/1.0/deed.en",
    },
    "CC0-1.0": {
        "License": "cc0",
        "LicenseShortName": "CC0",
        "UsageTerms": "Creative Commons Zero, Public Domain Dedication",
        "LicenseUrl": "http://creativecommons.org/publicdomain/zero/1.0/deed.en",
    },
}


@pytest.mark.parametrize("known_as", COMMONS)
def test_what_commons_says_of_a_free_file_becomes_one_licence(known_as: str) -> None:
    assert commons_license(COMMONS[known_as]).id == known_as


@pytest.mark.parametrize(
    "text", ["CC0 1.0 Universal", "Creative Commons CC0 1.0 Universal Public Domain Dedication", "PD-old-70-expired", "PD-US"]
)
def test_free_statements_are_known_in_words(text: str) -> None:
    assert refusal(commons_license({"LicenseShortName": text}), DEFAULT_LICENSES) is None


@pytest.mark.parametrize(
    "text",
    [
        "Attribution", "GFDL", "Copyrighted free use", "CC BY-NC 3.0", "CC BY 4.0 NonCommercial", "CC BY-SA 3.0 nd", "CC BY 4.0 revoked",
        "PD not for commercial use", "Public domain only in the United States", "pd-personal-use", "0, all rights reserved",
        "zero tolerance",
        "CC0, no commercial use", "KOGL Type 1", "CC SA 1.0", "cc-by-4.0-nc", "CC BY academic",
    ],
)  # fmt: skip
def test_what_is_not_plainly_free_is_refused_in_words(text: str) -> None:
    assert refusal(commons_license({"LicenseShortName": text}), DEFAULT_LICENSES)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"Artist": "Ana"},
        {"License": "cc-by-3.0", "LicenseShortName": "CC BY 4.0"},
        {"License": "pd", "LicenseShortName": "CC BY 2.0"},
        {"License": "cc-by-2.0", "LicenseUrl": "https://creativecommons.org/licenses/by-nc/2.0"},
        {"License": "cc-by-4.0", "LicenseUrl": "https://example.org/licence"},
        {"License": "pd", "NonFree": "true"},
        {"License": "cc-by-4.0", "DeletionReason": "no permission"},
    ],
)
def test_what_commons_forbids_contradicts_or_does_not_say_is_refused(said: dict[str, str]) -> None:
    assert refusal(commons_license(said), DEFAULT_LICENSES)


def test_the_recorded_files_of_commons_are_judged_by_what_they_say(real: Path) -> None:
    pages = json.loads((real / "commons" / "wmc_pretty1.json").read_text())["query"]["pages"].values()
    said = [{k: str(v["value"]) for k, v in page["imageinfo"][0]["extmetadata"].items()} for page in pages]
    found = Counter(commons_license(s).id for s in said)
    assert sum(found.values()) == 9
    assert set(found) == {"CC-BY-SA-4.0", "PD", "CC-BY-SA-3.0-DE"}


def test_a_concept_widens_and_narrows_by_name_but_never_to_what_forbids_the_use() -> None:
    assert license_name("GFDL") == "gfdl"
    assert license_name("CC BY 4.0") == "cc-by-4.0"
    assert refusal(parse_license("cc-by-3.0"), ("cc-by-4.0",)) == "the concept does not allow cc-by"
    assert refusal(parse_license("gfdl"), DEFAULT_LICENSES) == "the concept does not allow gfdl"
    assert refusal(parse_license("gfdl"), ("gfdl",)) is None
    for name in ("cc-by-nc", "cc-by-nd-4.0", "all rights reserved"):
        with pytest.raises(ValueError, match="known are cc0"):
            license_name(name)


def test_inaturalists_codes_are_version_four_and_null_reserves_all_rights() -> None:
    assert inaturalist_license("cc-by-sa").id == "CC-BY-SA-4.0"
    assert inaturalist_license("cc0").id == "CC0-1.0"
    assert inaturalist_license(None).reason == "all rights are reserved"
    assert inaturalist_license("cc-by-nc").family is None


def test_restrictions_become_flags() -> None:
    assert restrictions("personality|Trademarked") == ("personality", "trademarked")
    assert restrictions("") == ()


def test_a_single_licence_may_be_allowed_by_its_id() -> None:
    assert refusal(parse_license("cc-by-4.0"), ("cc-by-4.0",)) is None
    assert refusal(parse_license("cc-by-3.0"), ("cc-by-4.0",)) == "the concept does not allow cc-by"


def test_an_unknown_deed_of_creative_commons_is_unknown_whatever_else_is_said() -> None:
    said = {"License": "pd", "LicenseUrl": "https://creativecommons.org/licenses/sampling+/1.0/"}
    assert commons_license(said).family is None
    assert commons_license({"License": "pd"}).family == "pd"


@pytest.mark.parametrize(("value", "free"), [("1", False), ("yes", False), ("true", False), ("0", True), ("false", True), ("", True)])
def test_what_commons_marks_as_not_free_is_refused(value: str, free: bool) -> None:
    assert (commons_license({"License": "pd", "NonFree": value}).family == "pd") is free


def test_attribution_in_words_is_no_creative_commons_licence() -> None:
    assert commons_license({"LicenseShortName": "Attribution 2.0"}).family is None
