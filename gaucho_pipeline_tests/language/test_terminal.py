"""What the command line says in Portuguese, and what stays in English: whatever is kept, and whatever is for programs."""

from __future__ import annotations

import io
import json
import os
import string
import subprocess
import sys
from pathlib import Path

import pytest

from gaucho_pipeline.assets.verdicts import REASONS, SENTENCES
from gaucho_pipeline.errors import _
from gaucho_pipeline.language.terminal import TranslatedLines, language, reader
from gaucho_pipeline_tests.catalogue import sentences
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts

PT = reader("pt", SENTENCES)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "en"),
        ({"LANG": "pt_BR.UTF-8"}, "pt"),
        ({"LANG": "pt_BR.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "pt_PT"}, "pt"),
        ({"LANG": "pt_BR.UTF-8", "GAUCHO_LANG": "en"}, "en"),
        ({"LANG": "C", "GAUCHO_LANG": "pt"}, "pt"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
    ],
)
def test_the_language_is_that_of_the_variable_or_of_the_system(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GAUCHO_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert language() == expected


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("all is well", "tudo em ordem"),
        ("there is no folder /a/fotos; make it, or correct the path", "não há a pasta /a/fotos; crie-a, ou corrija o caminho"),
        ("  checkpoint      fresh    nothing to do", "  checkpoint      em dia   nada a fazer"),
        ("  checkpoint      stale    rank changed; curated_set is stale",
         "  checkpoint      desatualizado: rank mudou; curated_set está desatualizado"),
        ("measuring: 3/6 images, 4.4 images/s, 0:01 left", "medindo: 3/6 imagens, 4.4 imagens/s, faltam 0:01"),
        ("error: c.yaml:4: concepts.a.nome: unknown key; keys are English: 'name'",
         "erro: c.yaml:4: concepts.a.nome: chave desconhecida; as chaves são em inglês: 'name'"),
        ("error: a.xlsx: is no spreadsheet that can be read; save it as .xlsx, .ods or CSV UTF-8",
         "erro: a.xlsx: não é uma planilha que possa ser lida; salve-a como .xlsx, .ods ou CSV UTF-8"),
        (f"cuia: verdict yes. {REASONS['learned'].en}", f"cuia: veredito sim. {REASONS['learned'].pt}"),
        ("ok   data: /srv/data, 76 GB free", "ok   dados: /srv/data, 76 GB livres"),
        ("\x1b[1mall concepts\x1b[0m", "\x1b[1mtodos os conceitos\x1b[0m"),
        ("  curated_set     \x1b[33mstale   \x1b[0m max_images changed",
         "  curated_set     \x1b[33mdesatualizado   \x1b[0m max_images mudou"),
        ("error: the disk is full (/srv/x); make room, then run again: it goes on where it stopped",
         "erro: o disco está cheio (/srv/x); libere espaço e execute de novo: continua de onde parou"),
        ("error: memory ran out; lower gallery.size or gallery.batch_size, or take a smaller base_model",
         "erro: a memória acabou; diminua gallery.size ou gallery.batch_size, ou use um base_model menor"),
        ("Problem: the signature does not hold: the file is another than was signed.",
         "Problema: a assinatura não confere: o arquivo é outro do que foi assinado."),
        ("raw_crawl/cuia/current.json is damaged; it is made again", "raw_crawl/cuia/current.json está danificado; será feito de novo"),
        ("left out by name: Parque Farroupilha", "deixada de fora pelo nome: Parque Farroupilha"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_line_is_read_with_what_was_filled_in(said: str, read: str) -> None:
    assert PT.read_line(said) == read


@pytest.mark.parametrize(
    "said", ["data", "made of clay", "/tmp/fresh", "no photographs", "João: Araújo", '{"state": "stale"}', "http://a.b: c"]
)
def test_what_is_no_sentence_of_ours_stays_as_it_is(said: str) -> None:
    assert PT.read_line(said) == said


def test_what_was_formatted_is_text_that_a_translation_does_not_format_again() -> None:
    said = _("a third of the steps changed the validation loss by {low:.4f} to {high:.4f} only", low=0.001, high=0.002)
    assert PT.read(said) == "um terço dos passos mudou o erro de validação em apenas 0.0010 a 0.0020"


def test_every_sentence_can_be_read_with_something_filled_in() -> None:
    for sentence in sentences():
        values = {name: 3 if spec else "x1" for _literal, name, spec, _conversion in string.Formatter().parse(sentence) if name}
        for line in sentence.format(**values).split("\n"):
            PT.read_line(line)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (
            "concepts.yaml:19: collections.rs: must be a mapping of collections, each with its concepts",
            "concepts.yaml:19: collections.rs: tem de ser um mapa de coleções, cada uma com os seus conceitos",
        ),
        ("  sample_gallery  waiting  checkpoint is waiting", "  sample_gallery  à espera checkpoint está à espera"),
        ("error: concepts.yaml:3: a tab stands here; YAML is indented with spaces",
         "erro: concepts.yaml:3: há uma tabulação aqui; em YAML a margem se faz com espaços"),
        ("concepts.yaml:9: concepts.cuia.training.rank: must be more than 0 (it is 0)",
         "concepts.yaml:9: concepts.cuia.training.rank: tem de ser maior que 0 (é 0)"),
        ("curated_set of cuia is not fit for checkpoint: 3 of 9 images are left, 4 are needed (2 near-duplicate, 1 too dark)",
         "curated_set de cuia não serve para checkpoint: restam 3 de 9 imagens, são precisas 4 (2 quase repetidas, 1 escuras demais)"),
        ("would free 0.0 MB; 0 runs of the history", "liberaria 0.0 MB; 0 execuções do histórico"),
        ("  folder: photos: 12 of 30 records; 5 would be fetched, 2 are there already",
         "  folder: photos: 12 de 30 registros; 5 seriam baixadas, 2 já estão aqui"),
        ("  in all: 5 images would be fetched, 2 are there already (at most 200 images and 2000 MB)",
         "  ao todo: 5 imagens seriam baixadas, 2 já estão aqui (no máximo 200 imagens e 2000 MB)"),
        ("    refused   12 no licence is stated, 3 the licence is non-commercial",
         "    recusadas 12 nenhuma licença é declarada, 3 a licença é não comercial"),
        ("rank, steps changed; the code that makes it changed", "rank, steps mudaram; o código que o faz mudou"),
        ("    states no rights in words of its own", "    não declara direitos em palavras próprias"),
        ("commons: Category:Guampa: 12 of 30 records, 3 requests", "commons: Category:Guampa: 12 de 30 registros, 3 pedidos"),
        ("  gallery_site    made     1 concepts, 0.8 s", "  gallery_site    feito: 1 conceito, 0.8 s"),
        ("  1 left out: failed controls", "  1 de fora: erraram os controles"),
        ("not taken in: x.json: there is no such file", "não foi aceito: x.json: não há esse arquivo"),
        ("the licence CC-BY is stated without its version; write which, such as CC-BY-4.0",
         "a licença CC-BY está sem a versão; escreva qual, por exemplo CC-BY-4.0"),
        ("12 things of 3 kinds", "12 things of 3 kinds"),
    ],
)  # fmt: skip
def test_a_short_sentence_does_not_swallow_a_longer_one(said: str, read: str) -> None:
    assert PT.read_line(said) == read


def test_what_a_person_named_is_not_read() -> None:
    assert PT.read(_("{folder} holds no image; put at least six photographs there", folder="nothing is said")).startswith("nothing is said")


def test_lines_leave_one_by_one_and_a_part_of_one_when_it_is_flushed() -> None:
    stream = io.StringIO()
    lines = TranslatedLines(stream, PT)
    lines.write("all is ")
    assert stream.getvalue() == ""
    lines.write("well\nto look at\nall is")
    assert stream.getvalue() == "tudo em ordem\npara olhar\n"
    lines.flush()
    assert stream.getvalue().endswith("olhar\nall is")


def gaucho_pt(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "GAUCHO_LANG"} | {"LANG": "pt_BR.UTF-8"} | variables
    return subprocess.run(
        [sys.executable, "-m", "gaucho_pipeline", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def museum(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("museu")
    write_concepts(folder / "concepts.yaml", {"cuia": folder_concept(draw_folder(folder / "photos", "chimarrao", 6), "dnc", "cup")})
    done = gaucho_pt(folder, "run", "--select", "curated_set")
    assert done.returncode == 0, done.stderr
    assert "curated_set     feito: 6 de 6 imagens guardadas" in done.stdout
    assert "baixando: 6/6 imagens" in done.stderr  # a stage, which is a process of its own
    return folder


def test_what_is_kept_is_in_english_whoever_made_it(museum: Path) -> None:
    words = ("imagens", "guardadas", "baixando", "nunca feito")
    kept = [path for path in (museum / "data").glob("*/cuia/*/*") if path.suffix in (".json", ".jsonl", ".csv")]
    assert kept
    assert not [path for path in kept if any(word in path.read_text(encoding="utf-8") for word in words)]


def test_what_is_for_programs_is_in_english(museum: Path) -> None:
    assert json.loads(gaucho_pt(museum, "status", "--json").stdout)["concepts"]["cuia"]["curated_set"]["state"] == "fresh"
    lines = [json.loads(line) for line in gaucho_pt(museum, "run", "--select", "curated_set", "--log-json").stdout.splitlines()]
    assert "cuia: fresh, nothing to do" in [line["text"] for line in lines]
    assert gaucho_pt(museum, "schema").stdout == gaucho_pt(museum, "schema", GAUCHO_LANG="en").stdout


def test_a_curators_words_are_portuguese_from_the_first_command_to_a_mistake(museum: Path, tmp_path: Path) -> None:
    started = gaucho_pt(tmp_path, "init", "cuia").stdout
    assert started.splitlines()[1] == "1. ponha pelo menos seis fotografias em cuia/photos"
    assert "# Um conceito. Toda chave tem um valor padrão" in (tmp_path / "cuia" / "concepts.yaml").read_text(encoding="utf-8")
    assert "em dia, nada a fazer" in gaucho_pt(museum, "run", "--select", "curated_set").stdout
    assert "falta: nunca feito" in gaucho_pt(museum, "status").stdout
    wrong = gaucho_pt(museum, "run", "ciua")
    assert (wrong.returncode, "não há o conceito 'ciua'" in wrong.stderr, "você quis dizer 'cuia'?" in wrong.stderr) == (2, True, True)
    assert gaucho_pt(museum, "publish", "site").stderr.startswith("erro: nenhum conceito está aprovado como está")
    assert "Põe em dia os CONCEPTS" in gaucho_pt(museum, "run", "--help").stdout


def test_exit_statuses_are_those_of_every_language(museum: Path) -> None:
    for arguments in (("fsck",), ("run", "ciua"), ("nothing",), ("publish", "site")):
        assert gaucho_pt(museum, *arguments).returncode == gaucho_pt(museum, *arguments, GAUCHO_LANG="en").returncode


@pytest.mark.parametrize(
    ("english", "portuguese"),
    [
        (
            "error: concepts.yaml:5: concepts.x.crawl.sources.0.folder.license: the licence CC-BY is stated without its version; "
            "write which, such as CC-BY-4.0; write for example cc0-1.0, pd, cc-by-4.0 or cc-by-sa-3.0",
            "erro: concepts.yaml:5: concepts.x.crawl.sources.0.folder.license: a licença CC-BY está sem a versão; escreva qual, por "
            "exemplo CC-BY-4.0; escreva por exemplo cc0-1.0, pd, cc-by-4.0 ou cc-by-sa-3.0",
        ),
        (
            "error: concepts.yaml:5: concepts.x.crawl.sources.0.folder: without a table, license must be stated for all images",
            "erro: concepts.yaml:5: concepts.x.crawl.sources.0.folder: sem uma tabela, license têm de ser ditos para todas as imagens",
        ),
        (
            "error: concepts.yaml:5: concepts.x.licenca: unknown key; keys are English: 'license'; unknown too: autor → author, fonte",
            "erro: concepts.yaml:5: concepts.x.licenca: chave desconhecida; as chaves são em inglês: 'license'; também desconhecidas: "
            "autor → author, fonte",
        ),
        (
            "FAIL a run: x: table: /a/t.csv has no column 'file'; the columns are file, title, author; it has: imagem, nome",
            "FALHA uma execução: x: table: /a/t.csv não tem a coluna 'file'; as colunas são file, title, author; ela tem: imagem, nome",
        ),
        (
            "error: concepts.yaml:5: concepts.x.subject: must be one of: thing, style; did you mean style? (it is 'estilo')",
            "erro: concepts.yaml:5: concepts.x.subject: tem de ser um de: thing, style; você quis dizer style? (é 'estilo')",
        ),
        (
            "Error: Invalid value for '--memory': '12 GB' is not a valid float range.",
            "Erro: Valor inválido para '--memory': '12 GB' não é um número.",
        ),
    ],
)  # fmt: skip
def test_what_is_put_together_of_several_sentences_is_read_to_its_end(english: str, portuguese: str) -> None:
    assert reader("pt").read_line(english) == portuguese
