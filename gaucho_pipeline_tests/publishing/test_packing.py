"""Work that is done elsewhere: a pack runs with nothing but Python and what it asks for; what comes back is what was asked, or refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load, save

from gaucho_pipeline.curation.measures import measure
from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.models.base_models import EMBEDDED_FOLDER
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.publishing.packing import pack, unpack
from gaucho_pipeline.store.forgotten import Forgotten
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import gaucho, states
from gaucho_pipeline_tests.standing import edit, two_concepts


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose set is curated, and whose base model is a folder."""
    folder = tmp_path_factory.mktemp("home")
    concept = folder_concept(draw_folder(folder / "photos", "chimarrao", 6), "dnc", "cup")
    model = shutil.copytree(EMBEDDED_FOLDER, folder / "own_model", ignore=shutil.ignore_patterns("scorer", "curves"))
    write_concepts(folder / "concepts.yaml", {"chimarrao": concept | {"training": {"base_model": str(model)}}})
    gaucho(folder, "run", "--select", "curated_set")
    return folder


@pytest.fixture(scope="module")
def done(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a pack has come to on another machine, which has none of the project."""
    work = tmp_path_factory.mktemp("work")
    told = gaucho(home, "pack", "chimarrao", "--with-model", "--out", str(work / "pack.tar"))
    assert places_named(work / "pack.tar", home) == []
    assert "MB, SHA-256" in told.stdout
    with tarfile.open(work / "pack.tar") as tar:
        assert {entry.uname for entry in tar} == {""}
        tar.extractall(work, filter="data")
    lines = (work / "requirements.txt").read_text().split()
    assert any(line.startswith("torch==") for line in lines)
    assert all("==" in line for line in lines)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GAUCHO") and name != "PYTHONPATH"}
    ended = subprocess.run([sys.executable, "run.py"], cwd=work, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "gaucho unpack done.tar" in ended.stdout
    return work / "done.tar"


def test_what_was_made_elsewhere_stands_as_if_it_had_been_made_here(home: Path, done: Path) -> None:
    assert states(home)["chimarrao"]["checkpoint"] == "missing"
    told = gaucho(home, "unpack", str(done))
    assert "checkpoint of chimarrao: validation loss" in told.stdout
    assert states(home)["chimarrao"]["checkpoint"] == "fresh"
    assert gaucho(home, "fsck").returncode == 0
    assert "exists already" in gaucho(home, "pack", "chimarrao", check=False).stderr
    assert "own_model" in (home / "data" / "checkpoint" / "chimarrao" / "current" / "README.md").read_text(encoding="utf-8")
    for options in ((), ("--with-model",)):
        gaucho(home, "pack", "chimarrao", "--select", "sample_gallery", *options, "--out", str(done.parent / "gallery.tar"))
        assert places_named(done.parent / "gallery.tar", home) == []
        assert any(name.endswith("own_model/model_index.json") for name in names_in(done.parent / "gallery.tar")) is bool(options)


def places_named(file: Path, home: Path) -> list[str]:
    """The members of a pack that say where on this disk something lies."""
    with tarfile.open(file) as tar:
        members = [entry for entry in tar if entry.isfile()]
        return [
            entry.name for entry in members if str(home).encode() in entry.name.encode() + (tar.extractfile(entry) or io.BytesIO()).read()
        ]


def test_a_packs_manifests_are_of_the_machine_that_it_runs_on(home: Path, done: Path) -> None:
    """And what comes back has this one's again."""
    about = json.loads((done.parent / "pack.json").read_text(encoding="utf-8"))
    assert about["model"] == "/pack/files/0/own_model"
    assert json.loads(member(done, "manifest.json"))["provenance"]["spec"]["base_model"] == about["model"]
    made = Project(home / "concepts.yaml", home / "data").checkpoint("chimarrao").manifest
    assert made.training_spec().base_model == str(home / "own_model")
    assert str(home).encode() not in (home / "data" / "checkpoint" / "chimarrao" / "current" / "README.md").read_bytes()


def test_the_notebook_is_one_that_any_reader_opens(done: Path) -> None:
    notebook = json.loads((done.parent / "run.ipynb").read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert all(cell["cell_type"] in ("markdown", "code") and cell["id"] for cell in notebook["cells"])
    assert any("run.py" in cell["source"] for cell in notebook["cells"])


def altered(done: Path, target: Path, **changes: bytes) -> Path:
    """The same with the bytes of some files changed, or with further ones."""
    folder = target.with_suffix(".altered")
    with tarfile.open(done) as old:
        old.extractall(folder, filter="data")
    for name, content in changes.items():
        (folder / "artifact" / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / "artifact" / name, content)
    with tarfile.open(target, "w") as new:
        new.add(folder / "artifact", "artifact")
    return target


def test_what_is_not_what_was_asked_for_is_refused(home: Path, done: Path, tmp_path: Path) -> None:
    project = Project(home / "concepts.yaml", home / "data")
    with pytest.raises(GauchoError, match=r"chimarrao\.safetensors is not what was written there"):
        unpack(project, altered(done, tmp_path / "a.tar", **{"chimarrao.safetensors": b"x"}))
    with pytest.raises(GauchoError, match=r"stranger\.txt is not what was written"):
        unpack(project, altered(done, tmp_path / "b.tar", **{"stranger.txt": b"x"}))
    altered(done, tmp_path / "c.tar")
    manifest = json.loads((tmp_path / "c.altered" / "artifact" / "manifest.json").read_text()) | {"files": {}}
    empty = altered(done, tmp_path / "d.tar", **{"manifest.json": json.dumps(manifest).encode()})
    with pytest.raises(GauchoError, match="does not say what it holds"):
        unpack(project, empty)
    edit(project, "chimarrao", "training", rank=2)
    with pytest.raises(GauchoError, match="is not the checkpoint of chimarrao that would be made now: rank changed; pack it again"):
        unpack(Project(home / "concepts.yaml", home / "data"), done)
    edit(project, "chimarrao", "training", rank=4)


def forged(done: Path, target: Path, **changes: bytes) -> Path:
    """The same with other files, of which its manifest says the right hashes: as whoever runs a pack can write it."""
    altered(done, target, **changes)
    artifact = target.with_suffix(".altered") / "artifact"
    manifest = json.loads((artifact / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"] |= {name: hashlib.sha256(content).hexdigest() for name, content in changes.items()}
    return altered(done, target.with_suffix(".forged.tar"), **changes, **{"manifest.json": json.dumps(manifest).encode()})


def member(done: Path, name: str) -> bytes:
    with tarfile.open(done) as tar:
        found = tar.extractfile(f"artifact/{name}")
        assert found
        return found.read()


STRANGERS = ("index.html", "x.svg", "validation/a.html", "script.js", "deep/er/than.json", "sitecustomize.py", ".hidden", "adapter/x.pkl")


@pytest.mark.parametrize("name", STRANGERS)
def test_a_file_that_the_asset_does_not_have_is_refused_although_its_hash_is_right(
    name: str, home: Path, done: Path, tmp_path: Path
) -> None:
    with pytest.raises(GauchoError, match="which no checkpoint has"):
        unpack(Project(home / "concepts.yaml", home / "data"), forged(done, tmp_path / "a.tar", **{name: b"<script>alert(1)</script>"}))


def test_a_picture_that_is_none_is_refused(home: Path, done: Path, tmp_path: Path) -> None:
    with pytest.raises(GauchoError, match=r"losses\.png is no picture"):
        unpack(Project(home / "concepts.yaml", home / "data"), forged(done, tmp_path / "a.tar", **{"losses.png": b"<svg onload=alert(1)>"}))


@pytest.mark.parametrize("key", ["license", "author", "license_url", "source", "title"])
def test_rights_are_those_of_the_curated_set_here_and_a_pack_loosens_none(key: str, home: Path, done: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in member(done, "train.jsonl").decode().splitlines()]
    rows[0][key] = "CC0-1.0" if key == "license" else "Nobody"
    content = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    with pytest.raises(GauchoError, match=rf"train\.jsonl: says another {key} of image"):
        unpack(Project(home / "concepts.yaml", home / "data"), forged(done, tmp_path / "a.tar", **{"train.jsonl": content}))


def test_an_image_that_is_not_of_the_curated_set_is_refused(home: Path, done: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in member(done, "train.jsonl").decode().splitlines()]
    rows.append(rows[0] | {"sha256": "ab" * 32})
    content = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    with pytest.raises(GauchoError, match="image abababababab is not of the curated set"):
        unpack(Project(home / "concepts.yaml", home / "data"), forged(done, tmp_path / "a.tar", **{"train.jsonl": content}))


def test_images_that_were_learned_from_are_not_hidden_among_those_that_were_not(home: Path, done: Path, tmp_path: Path) -> None:
    first, *rest = member(done, "train.jsonl").decode().splitlines(keepends=True)
    hidden = {"train.jsonl": "".join(rest).encode(), "validation.jsonl": member(done, "validation.jsonl") + first.encode()}
    for changes in (hidden, {"train.jsonl": "".join(rest).encode()}):
        with pytest.raises(GauchoError, match=r"train\.jsonl holds other images than the curated set is divided into here"):
            unpack(Project(home / "concepts.yaml", home / "data"), forged(done, tmp_path / "a.tar", **changes))


@pytest.mark.parametrize("name", ["ATTRIBUTION.csv", "README.md"])
def test_credits_that_leave_somebody_out_are_refused(name: str, home: Path, done: Path, tmp_path: Path) -> None:
    lines = member(done, name).decode().splitlines(keepends=True)
    left_out = next(number for number, line in enumerate(lines) if "João Araújo" in line)
    content = "".join(lines[:left_out] + lines[left_out + 1 :]).encode() if name == "ATTRIBUTION.csv" else b"# A card\n"
    with pytest.raises(GauchoError, match=f"{name} does not credit image"):
        unpack(Project(home / "concepts.yaml", home / "data"), forged(done, tmp_path / "a.tar", **{name: content}))


def test_a_picture_that_no_table_names_is_refused(home: Path, done: Path, tmp_path: Path) -> None:
    picture = member(done, "losses.png")
    with pytest.raises(GauchoError, match=r"holds validation/evil\.png, which none of its tables names"):
        unpack(Project(home / "concepts.yaml", home / "data"), forged(done, tmp_path / "a.tar", **{"validation/evil.png": picture}))


@pytest.mark.parametrize(
    ("key", "value"), [("target_modules", "((([a-z._0-9])+)+)+!"), ("r", 10**9), ("lora_alpha", 99.0), ("use_dora", True)]
)
def test_an_adapter_that_is_not_as_was_asked_for_is_refused(key: str, value: Any, home: Path, done: Path, tmp_path: Path) -> None:
    content = member(done, "adapter/pytorch_lora_weights.safetensors")
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    settings = json.loads(header["__metadata__"]["lora_adapter_metadata"]) | {f"unet.{key}": value}
    header["__metadata__"]["lora_adapter_metadata"] = json.dumps(settings)
    text = json.dumps(header).encode()
    forgery = len(text).to_bytes(8, "little") + text + content[8 + size :]
    with pytest.raises(GauchoError, match=r"\.tar: adapter does not load: its "):
        unpack(
            Project(home / "concepts.yaml", home / "data"),
            forged(done, tmp_path / "a.tar", **{"adapter/pytorch_lora_weights.safetensors": forgery}),
        )


def rewritten(content: bytes, change: Callable[[dict[str, Any], dict[str, str]], None]) -> bytes:
    """A file of weights whose tensors and metadata were changed."""
    tensors, size = load(content), int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + size])["__metadata__"]
    change(tensors, metadata)
    return save(tensors, metadata)


def test_the_file_that_other_programs_read_holds_the_weights_of_the_adapter_and_no_others(home: Path, done: Path, tmp_path: Path) -> None:
    name = "chimarrao.safetensors"
    content = member(done, name)

    def one_number(tensors: dict[str, Any], metadata: dict[str, str]) -> None:
        next(iter(tensors.values())).view(-1)[0] += 1

    def one_more(tensors: dict[str, Any], metadata: dict[str, str]) -> None:
        tensors["lora_unet_conv_in.alpha"] = next(iter(tensors.values())).clone()

    def another_strength(tensors: dict[str, Any], metadata: dict[str, str]) -> None:
        next(tensor for key, tensor in tensors.items() if key.endswith(".alpha")).mul_(2)

    for change in (one_number, one_more, another_strength):
        with pytest.raises(GauchoError, match=r"chimarrao\.safetensors holds other weights than its adapter"):
            unpack(Project(home / "concepts.yaml", home / "data"), forged(done, tmp_path / "a.tar", **{name: rewritten(content, change)}))
    with pytest.raises(GauchoError, match=r"chimarrao\.safetensors cannot be read"):
        unpack(Project(home / "concepts.yaml", home / "data"), forged(done, tmp_path / "a.tar", **{name: content[:200]}))


@pytest.mark.parametrize("key", ["modelspec.author", "modelspec.license"])
def test_the_file_that_other_programs_read_leaves_nobody_out(key: str, home: Path, done: Path, tmp_path: Path) -> None:
    content = rewritten(member(done, "chimarrao.safetensors"), lambda _tensors, metadata: metadata.update({key: "CC0-1.0"}))
    with pytest.raises(GauchoError, match=r"chimarrao\.safetensors does not credit image"):
        unpack(Project(home / "concepts.yaml", home / "data"), forged(done, tmp_path / "a.tar", **{"chimarrao.safetensors": content}))


def without(done: Path, target: Path, name: str, **changes: bytes) -> Path:
    """The same without a file, of which its manifest says nothing."""
    forged(done, target, **changes)
    artifact = target.with_suffix(".forged.altered") / "artifact"
    (artifact / name).unlink()
    manifest = json.loads((artifact / "manifest.json").read_text(encoding="utf-8"))
    del manifest["files"][name]
    (artifact / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with tarfile.open(target, "w") as tar:
        tar.add(artifact, "artifact")
    return target


@pytest.mark.parametrize("name", ["adapter/pytorch_lora_weights.safetensors", "chimarrao.safetensors"])
def test_an_adapter_is_both_of_its_files(name: str, home: Path, done: Path, tmp_path: Path) -> None:
    """Without the one nothing would tell what the other is."""
    with pytest.raises(GauchoError, match=f"lacks {name}"):
        unpack(Project(home / "concepts.yaml", home / "data"), without(done, tmp_path / "a.tar", name))


@pytest.mark.parametrize("name", ["evil.safetensors", "adapter/other.safetensors", "adapter2/model.safetensors", "unet/x.safetensors"])
def test_no_other_weights_come_with_an_adapter(name: str, home: Path, done: Path, tmp_path: Path) -> None:
    with pytest.raises(GauchoError, match=f"holds {name}, which no checkpoint has"):
        unpack(Project(home / "concepts.yaml", home / "data"), forged(done, tmp_path / "a.tar", **{name: save({})}))


def test_its_card_is_written_anew_so_that_it_hides_nothing(home: Path, done: Path, tmp_path: Path) -> None:
    card = member(done, "README.md")
    hidden = b"---\nlicense: cc0-1.0\n---\nAll by Nobody: https://evil.example\n<!--\n" + card + b"\n-->\n"
    standing, aside = home / "data" / "checkpoint", tmp_path / "checkpoint"
    if standing.exists():
        shutil.move(standing, aside)
    try:
        made = unpack(Project(home / "concepts.yaml", home / "data"), forged(done, tmp_path / "a.tar", **{"README.md": hidden}))
        assert (made.folder / "README.md").read_bytes() == card
        assert made.damaged() == []
    finally:
        shutil.rmtree(standing, ignore_errors=True)
        if aside.exists():
            shutil.move(aside, standing)


def test_a_picture_that_was_measured_with_is_that_of_the_set_here(home: Path, done: Path, tmp_path: Path) -> None:
    (name,) = {json.loads(line)["file"] for line in member(done, "validation.jsonl").decode().splitlines()}
    with pytest.raises(GauchoError, match=f"{name} is another picture than its table says"):
        unpack(Project(home / "concepts.yaml", home / "data"), forged(done, tmp_path / "a.tar", **{name: member(done, "losses.png")}))


def test_credits_of_what_was_not_learned_from_are_refused(home: Path, done: Path, tmp_path: Path) -> None:
    table = member(done, "ATTRIBUTION.csv") + f"x,Everything here,Nobody,https://evil.example,CC0-1.0,,{'0' * 64}\n".encode()
    with pytest.raises(GauchoError, match=r"ATTRIBUTION\.csv: image 000000000000 is not of the curated set"):
        unpack(Project(home / "concepts.yaml", home / "data"), forged(done, tmp_path / "a.tar", **{"ATTRIBUTION.csv": table}))


@pytest.mark.parametrize("how", ["its bytes", "a near copy"])
def test_what_was_forgotten_does_not_come_back_under_another_name(how: str, home: Path, done: Path, tmp_path: Path) -> None:
    (name,) = {json.loads(line)["file"] for line in member(done, "validation.jsonl").decode().splitlines()}
    picture = member(done, name)
    stones = home / "concepts.forgotten.json"
    if how == "its bytes":
        Forgotten(stones).add(hashlib.sha256(picture).hexdigest(), [], "asked")
    else:
        Forgotten(stones).add("a" * 64, [], "asked", measure(picture).hashes)
    try:
        with pytest.raises(GauchoError, match=r"was forgotten|that was forgotten"):
            unpack(Project(home / "concepts.yaml", home / "data"), done)
    finally:
        stones.unlink()


@pytest.mark.parametrize("names", [("README.md", "README.md/x"), ("README.md/x", "README.md")])
def test_a_name_that_is_a_files_and_a_folders_is_refused(names: tuple[str, str], home: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "both.tar", "w") as tar:
        for name in names:
            tar.addfile(tarfile.TarInfo(f"artifact/{name}"))
    with pytest.raises(GauchoError, match="holds what no artifact holds"):
        unpack(Project(home / "concepts.yaml", home / "data"), tmp_path / "both.tar")


@pytest.mark.parametrize("cell", ["=HYPERLINK(1)", "+1", "@SUM(1)", "-2+3"])
def test_credits_that_a_spreadsheet_would_run_are_refused(cell: str, home: Path, done: Path, tmp_path: Path) -> None:
    lines = member(done, "ATTRIBUTION.csv").decode("utf-8-sig").splitlines()
    lines[1] = ",".join([lines[1].split(",")[0], cell, *lines[1].split(",")[2:]])
    content = "\ufeff".encode() + "\n".join(lines).encode() + b"\n"
    with pytest.raises(GauchoError, match="a cell that a spreadsheet would run"):
        unpack(Project(home / "concepts.yaml", home / "data"), forged(done, tmp_path / "a.tar", **{"ATTRIBUTION.csv": content}))


def test_what_stands_is_never_replaced_by_another_of_the_same_name(home: Path, done: Path, tmp_path: Path) -> None:
    project = Project(home / "concepts.yaml", home / "data")
    before = project.checkpoint("chimarrao").manifest.files
    assert unpack(project, done).manifest.files == before
    other = member(done, "losses.jsonl") * 2
    with pytest.raises(GauchoError, match="exists already, and is another; nothing was replaced"):
        unpack(project, forged(done, tmp_path / "a.tar", **{"losses.jsonl": other}))
    assert project.checkpoint("chimarrao").manifest.files == before


def test_a_compressed_pack_is_none_and_nothing_of_it_is_written(home: Path, done: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        entry = tarfile.TarInfo("artifact/losses.png")
        entry.size = 100_000_000
        tar.addfile(entry, io.BytesIO(bytes(entry.size)))
    with pytest.raises(GauchoError, match="is no finished pack"):
        unpack(Project(home / "concepts.yaml", home / "data"), tmp_path / "a.tar.gz")


def test_a_file_that_leads_elsewhere_or_is_none_is_refused(home: Path, tmp_path: Path) -> None:
    project = Project(home / "concepts.yaml", home / "data")
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        link = tarfile.TarInfo("artifact/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
    with pytest.raises(GauchoError, match="holds what no artifact holds"):
        unpack(project, tmp_path / "evil.tar")
    with tarfile.open(tmp_path / "out.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("artifact/../../out"))
    with pytest.raises(GauchoError, match="is no finished pack"):
        unpack(project, tmp_path / "out.tar")
    (tmp_path / "x.tar").write_bytes(b"x" * 2000)
    with pytest.raises(GauchoError, match="is no finished pack"):
        unpack(project, tmp_path / "x.tar")
    with pytest.raises(ConfigError, match="there is no such file"):
        unpack(project, tmp_path / "nothing.tar")


def test_a_pack_holds_nothing_that_a_link_leads_to(home: Path, tmp_path: Path) -> None:
    """Neither of a model's folder, nor of an artifact's."""
    (tmp_path / "id_ed25519").write_text("a private key")
    model = Path(shutil.copytree(EMBEDDED_FOLDER, tmp_path / "model"))
    project = Project(home / "concepts.yaml", home / "data")
    edit(project, "chimarrao", "training", base_model=str(model), rank=3)
    curated = project.request("checkpoint", "chimarrao").inputs["curated_set"]
    (curated / "stranger").symlink_to(tmp_path / "id_ed25519")
    try:
        (model / ".git").mkdir()
        (model / ".git" / "config").write_text("https://token@hub.example")
        (model / "vae" / ".env").write_text("SECRET=1")
        pack(Project(home / "concepts.yaml", home / "data"), "chimarrao", "checkpoint", tmp_path / "a.tar", with_model=True)
        assert not any("/." in name for name in names_in(tmp_path / "a.tar"))
        assert names_in(tmp_path / "a.tar") >= {f"files/0/model/{name}" for name in ("model_index.json", "unet/config.json")}
        assert not any("stranger" in name for name in names_in(tmp_path / "a.tar"))
        (model / "vae" / "README.md").symlink_to(tmp_path / "id_ed25519")
        with pytest.raises(ConfigError, match=r"vae/README\.md is a link that leads out of"):
            pack(Project(home / "concepts.yaml", home / "data"), "chimarrao", "checkpoint", tmp_path / "b.tar", with_model=True)
        assert sorted(path.name for path in tmp_path.glob("*b.tar*")) == []
    finally:
        (curated / "stranger").unlink()
        edit(project, "chimarrao", "training", base_model=str(home / "own_model"), rank=4)


def names_in(file: Path) -> set[str]:
    """The files of a pack, all of them files."""
    with tarfile.open(file) as tar:
        entries = list(tar)
    assert all(entry.isfile() or entry.name.startswith("source/") for entry in entries)
    return {entry.name for entry in entries}


def test_what_cannot_be_made_elsewhere_is_not_packed(tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    with pytest.raises(ConfigError, match="is made here in no time"):
        pack(project, "araucaria", "curated_set", tmp_path / "x.tar")
    with pytest.raises(GauchoError, match="exists already"):
        pack(project, "araucaria", "checkpoint", tmp_path / "x.tar")
    assert not (tmp_path / "x.tar").exists()


def test_a_file_of_holes_that_would_be_of_any_size_is_not_read(tmp_path: Path) -> None:
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"cuia": folder_concept(tmp_path, "dnc", "cup")}), tmp_path / "data")
    (tmp_path / "artifact").mkdir()
    with (tmp_path / "artifact" / "manifest.json").open("wb") as file:
        file.truncate(10**9)
    subprocess.run(["tar", "--sparse", "-cf", "done.tar", "artifact"], cwd=tmp_path, check=True)
    assert (tmp_path / "done.tar").stat().st_size < 10**5
    with pytest.raises(GauchoError, match="holds what no artifact holds"):
        unpack(project, tmp_path / "done.tar")
