"""Artifacts shared through an object store, on a real S3 server over HTTP: whole or not there, whoever is first, whatever dies."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from obstore.store import ObjectStore

from gaucho_pipeline.errors import ConfigError, GauchoError, TransientError
from gaucho_pipeline.files.tables import read_table
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.store import remote as remote_store
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.remote import STORE_VARIABLE, RemoteStore, path_of
from gaucho_pipeline.store.store import Store
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.programs import gaucho, states, wait_until
from gaucho_pipeline_tests.samples import sha
from gaucho_pipeline_tests.standing import stand, two_concepts


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """The port of an S3 server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: asked(port, "GET", "/") > 0)
        yield port
        process.terminate()


def asked(port: int, method: str, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


@pytest.fixture
def bucket(server: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of its own, and the variables by which it is reached."""
    name = f"b{abs(hash(tmp_path)) % 10**12}"
    assert asked(server, "PUT", f"/{name}") == 200
    for variable, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server}", "AWS_ALLOW_HTTP": "true", "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1", STORE_VARIABLE: f"s3://{name}/museu",
    }.items():  # fmt: skip
        monkeypatch.setenv(variable, value)
    remote_store._open.cache_clear()
    yield f"s3://{name}/museu"
    remote_store._open.cache_clear()


def checkpoint(project: Project) -> Artifact:
    found = project.store.current("checkpoint", "araucaria")
    assert found
    return found


def test_what_one_machine_shares_another_has_byte_for_byte(bucket: str, tmp_path: Path) -> None:
    project, other = two_concepts(tmp_path), Store(tmp_path / "other")
    made, remote = checkpoint(project), RemoteStore(bucket)
    assert remote.share(project.store, made)
    assert not remote.share(project.store, made)
    fetched = remote.fetch(other, "checkpoint", "araucaria", made.manifest.fingerprint)
    assert fetched
    assert fetched.manifest == made.manifest
    assert fetched.damaged() == []
    assert other.current("checkpoint", "araucaria") == fetched
    assert remote.fetch(other, "checkpoint", "araucaria", "0" * 32) is None


def test_without_a_manifest_nothing_is_there(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = two_concepts(tmp_path)
    made, remote = checkpoint(project), RemoteStore(bucket)

    def dies(self: RemoteStore, manifest: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(RemoteStore, "_put_manifest", dies)
    with pytest.raises(KeyboardInterrupt):
        remote.share(project.store, made)
    assert list(remote._list("objects"))
    assert not remote.has("checkpoint", "araucaria", made.manifest.fingerprint)
    assert remote.fetch(Store(tmp_path / "other"), "checkpoint", "araucaria", made.manifest.fingerprint) is None
    monkeypatch.undo()
    RemoteStore(bucket).share(project.store, made)
    assert RemoteStore(bucket).has("checkpoint", "araucaria", made.manifest.fingerprint)


def test_of_two_that_made_the_same_the_first_counts_and_neither_is_mixed(bucket: str, tmp_path: Path) -> None:
    one, two = two_concepts(tmp_path / "one"), two_concepts(tmp_path / "two")
    first = checkpoint(one)
    name = first.manifest.fingerprint
    with two.store.staging("checkpoint", "araucaria", "x") as staging:  # the same, made at another moment
        (staging / "weights.safetensors").write_bytes(b"others")
        (staging / "losses.jsonl").write_text("{}\n")
        second = two.store.publish(staging, first.manifest)
    threads = [threading.Thread(target=RemoteStore(bucket).share, args=each) for each in ((one.store, first), (two.store, second))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fetched = RemoteStore(bucket).fetch(Store(tmp_path / "other"), "checkpoint", "araucaria", name)
    assert fetched
    assert fetched.manifest.files in (first.manifest.files, second.manifest.files)
    kept = RemoteStore(bucket)._read(path_of(first))
    for store, each in ((one.store, first), (two.store, second)):
        RemoteStore(bucket).share(store, each, again=True)
        assert RemoteStore(bucket)._read(path_of(first)) == kept
    assert fetched.damaged() == []


def test_an_object_that_is_damaged_or_gone_is_named_and_nothing_is_taken(bucket: str, tmp_path: Path) -> None:
    project, other = two_concepts(tmp_path), Store(tmp_path / "other")
    made, remote = checkpoint(project), RemoteStore(bucket)
    remote.share(project.store, made)
    path = remote_store._object_path(made.manifest.files["weights.safetensors"])
    store: ObjectStore = remote._store
    store.put(path, b"flipped")
    with pytest.raises(GauchoError, match="is damaged; remove it"):
        remote.fetch(other, "checkpoint", "araucaria", made.manifest.fingerprint)
    store.delete(path)
    with pytest.raises(GauchoError, match="is gone; have its artifact shared again"):
        remote.fetch(other, "checkpoint", "araucaria", made.manifest.fingerprint)
    assert other.current("checkpoint", "araucaria") is None
    store.put(remote_store.path_of(made), b"{")
    with pytest.raises(GauchoError, match="is no manifest"):
        remote.fetch(other, "checkpoint", "araucaria", made.manifest.fingerprint)


def test_what_is_larger_than_anything_of_its_kind_is_not_taken(
    shared: tuple[Project, RemoteStore, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, store, _folder = shared
    made = checkpoint(project)
    store.share(project.store, made)
    monkeypatch.setattr(remote_store, "MAX_OBJECT_BYTES", 50)
    other = Store(tmp_path / "other")
    with pytest.raises(GauchoError, match="is larger than 0 MB, and is not taken"):
        store.fetch(other, "checkpoint", "araucaria", made.manifest.fingerprint)
    assert other.current("checkpoint", "araucaria") is None
    monkeypatch.setattr(remote_store, "MAX_OBJECT_BYTES", 10**6)
    monkeypatch.setattr(remote_store, "MAX_TABLE_BYTES", 50)
    with pytest.raises(GauchoError, match="is larger than 0 MB, and is not taken"):
        store.fetch(other, "checkpoint", "araucaria", made.manifest.fingerprint)


def test_a_manifest_that_says_another_origin_than_its_name_is_refused(bucket: str, tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    made, remote = checkpoint(project), RemoteStore(bucket)
    remote.share(project.store, made)
    other = made.manifest.model_copy(update={"provenance": made.manifest.provenance.model_copy(update={"code_version": "99"})})
    remote._store.put(path_of(made), other.model_dump_json().encode())
    with pytest.raises(GauchoError, match="was made from something else than it says"):
        remote.fetch(Store(tmp_path / "other"), "checkpoint", "araucaria", made.manifest.fingerprint)


def test_sharing_on_purpose_puts_back_what_the_store_has_lost(bucket: str, tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    made, remote = checkpoint(project), RemoteStore(bucket)
    remote.share(project.store, made)
    remote._store.delete(remote_store._object_path(made.manifest.files["weights.safetensors"]))
    assert not remote.share(project.store, made)  # it is known to be there
    remote.share(project.store, made, again=True)
    assert remote.fetch(Store(tmp_path / "other"), "checkpoint", "araucaria", made.manifest.fingerprint)


def test_a_manifest_that_leads_out_of_its_folder_is_refused(bucket: str, tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    made, remote = checkpoint(project), RemoteStore(bucket)
    remote.share(project.store, made)
    sha = made.manifest.files["losses.jsonl"]
    evil = made.manifest.model_copy(update={"files": {"../../../../evil": sha}})
    remote._store.put(path_of(made), evil.model_dump_json().encode())
    with pytest.raises(GauchoError, match="is no manifest"):
        remote.fetch(Store(tmp_path / "other"), "checkpoint", "araucaria", made.manifest.fingerprint)
    assert not list(tmp_path.rglob("evil"))


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Project, RemoteStore, Path]]:
    """A project, and a folder that serves as its store, in which anybody writes."""
    project, folder = two_concepts(tmp_path), tmp_path / "bucket"
    monkeypatch.setenv(STORE_VARIABLE, f"file://{folder}")
    remote_store._open.cache_clear()
    yield project, RemoteStore(f"file://{folder}"), folder
    remote_store._open.cache_clear()


def put(folder: Path, content: bytes) -> str:
    """Puts an object into the store under its right name."""
    name = hashlib.sha256(content).hexdigest()
    path = folder / remote_store._object_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return name


def passed_by(made: Artifact, other: Path) -> list[str]:
    """What is told where an artifact is asked for that was tampered with: it is passed by."""
    told, manifest = list[str](), made.manifest
    fetch = (Store(other), manifest.asset, manifest.concept, manifest.fingerprint, "", (), told.append)
    assert remote_store.fetch_if_asked(*fetch) is None
    assert not (other / manifest.asset / manifest.concept / manifest.fingerprint).exists()
    return told


LATER = datetime.now(UTC) + timedelta(days=2)
DEEP = b'{"a":' * 100_000
MANIFESTS = [b"[1]", DEEP, b"\xff\xfe\0", b"5", b'"x"', b"{}", b'{"metrics": 5}']


@pytest.mark.parametrize("content", MANIFESTS)
def test_a_manifest_that_is_none_is_told_and_passed_by(content: bytes, shared: tuple[Project, RemoteStore, Path], tmp_path: Path) -> None:
    project, remote, folder = shared
    made, kept = checkpoint(project), project.store.current("evaluation", "araucaria")
    assert kept
    for each in (made, kept):
        remote.share(project.store, each)
    (folder / path_of(made)).write_bytes(content)
    assert ["is no manifest" in line for line in passed_by(made, tmp_path / "other")] == [True]
    assert remote.remove([path_of(kept), path_of(made)], LATER) == (0, 0)  # what cannot be read may be another version's
    remote.withdraw([kept], [])
    assert not remote.has("evaluation", "araucaria", kept.manifest.fingerprint)


NAMES = [
    "a\0b",
    "a" * 300,
    "é" * 150,
    "a/" * 30 + "b",
    "manifest.json",
    "losses.jsonl/x",
    "a\x1b[31m",
    "a\nb",
    "index.html",
    "x.svg",
    "x.py",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_no_artifact_has_are_told_and_passed_by(name: str, shared: tuple[Project, RemoteStore, Path], tmp_path: Path) -> None:
    project, remote, folder = shared
    made = checkpoint(project)
    remote.share(project.store, made)
    value = json.loads((folder / path_of(made)).read_text(encoding="utf-8"))
    value["files"][name] = put(folder, b"x")
    (folder / path_of(made)).write_text(json.dumps(value), encoding="utf-8")
    told = passed_by(made, tmp_path / "other")
    assert len(told) == 1
    assert told[0].isprintable()


@pytest.mark.parametrize("content", [DEEP, b"5\n", b"[]\n", b"null\n", b"\xff\n", b'{"a": ' + b"9" * 100_000 + b"}\n"])
@pytest.mark.parametrize(("asset", "table"), [("checkpoint", "losses.jsonl"), ("raw_crawl", "images.jsonl")])
def test_tables_that_are_none_are_told_and_passed_by(
    asset: str, table: str, content: bytes, shared: tuple[Project, RemoteStore, Path], tmp_path: Path
) -> None:
    project, remote, folder = shared
    made = project.store.current(asset, "araucaria")
    assert made
    remote.share(project.store, made)
    value = json.loads((folder / path_of(made)).read_text(encoding="utf-8"))
    value["files"][table] = put(folder, content)
    (folder / path_of(made)).write_text(json.dumps(value), encoding="utf-8")
    assert ["is damaged" in line for line in passed_by(made, tmp_path / "other")] == [True]
    assert remote.remove([path_of(made)], LATER, dry_run=True)[0] == 0


CHANGES = [("license", "CC0-1.0"), ("author", "Nobody"), ("title", "x"), ("source", "https://example.org/x"), ("flags", ["people"])]


def test_a_crawl_whose_tables_were_written_anew_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Although its manifest has their right hashes: a crawl is named by what its tables say."""
    photos = draw_folder(tmp_path / "photos", "chimarrao", 6)
    write_concepts(tmp_path / "concepts.yaml", {"chimarrao": folder_concept(photos, "dnc", "cup")})
    gaucho(tmp_path, "run", "--select", "raw_crawl")
    project, folder = Project(tmp_path / "concepts.yaml", tmp_path / "data"), tmp_path / "bucket"
    monkeypatch.setenv(STORE_VARIABLE, f"file://{folder}")
    remote_store._open.cache_clear()
    made, remote = project.store.current("raw_crawl", "chimarrao"), RemoteStore(f"file://{folder}")
    assert made
    remote.share(project.store, made)
    assert remote.fetch(Store(tmp_path / "whole"), "raw_crawl", "chimarrao", made.manifest.fingerprint)
    whole, rows = (folder / path_of(made)).read_text(encoding="utf-8"), read_table(made.folder / "images.jsonl")
    for key, value in CHANGES:
        content = "".join(f"{json.dumps(row | {key: value})}\n" for row in rows)
        manifest = json.loads(whole)
        manifest["files"]["images.jsonl"] = put(folder, content.encode())
        (folder / path_of(made)).write_text(json.dumps(manifest), encoding="utf-8")
        assert "says otherwise than its name" in passed_by(made, tmp_path / key)[0]
    (folder / path_of(made)).write_text(json.dumps(json.loads(whole) | {"data_version": "0" * 32}), encoding="utf-8")
    assert "says otherwise than its name" in passed_by(made, tmp_path / "last")[0]
    remote_store._open.cache_clear()


def test_what_is_damaged_here_is_not_shared(bucket: str, tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    made = checkpoint(project)
    (made.folder / "weights.safetensors").write_bytes(b"x")
    with pytest.raises(GauchoError, match="is not what was written, and is not shared"):
        RemoteStore(bucket).share(project.store, made)
    assert not RemoteStore(bucket).has("checkpoint", "araucaria", made.manifest.fingerprint)


def test_what_holds_a_forgotten_image_is_not_fetched(bucket: str, tmp_path: Path) -> None:
    project, other = two_concepts(tmp_path), Store(tmp_path / "other")
    evaluation = project.store.current("evaluation", "araucaria")
    assert evaluation
    RemoteStore(bucket).share(project.store, evaluation)
    fetch = (other, "evaluation", "araucaria", evaluation.manifest.fingerprint)
    assert RemoteStore(bucket).fetch(*fetch, forgotten={sha(1)}) is None
    assert RemoteStore(bucket).fetch(*fetch, forgotten={sha(2)})


def test_a_store_that_cannot_be_reached_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_store, "_RETRIES", {"max_retries": 0, "retry_timeout": timedelta(seconds=1)})
    for variable, value in {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ALLOW_HTTP": "true", "AWS_ACCESS_KEY_ID": "x"}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv(STORE_VARIABLE, "s3://nobody/there")
    remote_store._open.cache_clear()
    project, told = two_concepts(tmp_path), list[str]()
    made = checkpoint(project)
    with pytest.raises(TransientError, match="cannot be reached"):
        RemoteStore("s3://nobody/there").share(project.store, made)
    remote_store.share_if_asked(project.store, made, told.append)
    assert remote_store.fetch_if_asked(project.store, "checkpoint", "x", "0" * 32, "", (), told.append) is None
    assert [line.partition(":")[0] for line in told] == ["not shared yet", "not fetched"]
    remote_store._open.cache_clear()


@pytest.mark.parametrize("url", ["nonsense", "s4://x", "s3:/"])
def test_an_address_that_is_none_is_reported(url: str) -> None:
    with pytest.raises(ConfigError, match="GAUCHO_STORE"):
        RemoteStore(url)


def test_a_folder_serves_as_a_store_and_what_nothing_needs_leaves_it(tmp_path: Path) -> None:
    project = two_concepts(tmp_path)
    remote = RemoteStore(f"file://{tmp_path / 'shared'}")
    old, kept = checkpoint(project), project.store.current("evaluation", "araucaria")
    assert kept
    for each in (old, kept):
        remote.share(project.store, each)
    later = datetime.now(UTC) + timedelta(days=2)
    assert remote.remove([path_of(kept)], datetime.now(UTC) - timedelta(days=1)) == (0, 0)
    assert remote.remove([path_of(kept)], later, dry_run=True)[0] == 1
    assert remote.has("checkpoint", "araucaria", old.manifest.fingerprint)
    assert remote.remove([path_of(kept)], later)[0] == 1
    assert not remote.has("checkpoint", "araucaria", old.manifest.fingerprint)
    assert remote.fetch(Store(tmp_path / "other"), "evaluation", "araucaria", kept.manifest.fingerprint)


def test_a_second_machine_reuses_all_that_the_first_has_made(bucket: str, tmp_path: Path) -> None:
    photos = draw_folder(tmp_path / "photos", "chimarrao", 6)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_concepts(tmp_path / name / "concepts.yaml", {"chimarrao": folder_concept(photos, "dnc", "cup")})
    gaucho(tmp_path / "one", "run")
    told = gaucho(tmp_path / "two", "run")
    assert [line.split()[1] for line in told.stdout.splitlines() if line.startswith("  ") and line.split()[1] in ("made", "cached")] == [
        "cached"
    ] * 6
    assert set(states(tmp_path / "two")["chimarrao"].values()) == {"fresh"}
    assert gaucho(tmp_path / "two", "fsck").returncode == 0


def test_a_forgotten_image_leaves_the_store_too(bucket: str, tmp_path: Path) -> None:
    photos = draw_folder(tmp_path / "photos", "chimarrao", 6)
    write_concepts(tmp_path / "concepts.yaml", {"chimarrao": folder_concept(photos, "dnc", "cup")})
    gaucho(tmp_path, "run", "--select", "curated_set")
    project, remote = Project(tmp_path / "concepts.yaml", tmp_path / "data"), RemoteStore(bucket)
    curated = project.store.current("curated_set", "chimarrao")
    assert curated
    row = read_table(curated.folder / "images.jsonl")[0]
    pictures = {row["sha256"], curated.manifest.files[row["file"]], curated.manifest.files["review.html"]}
    there = {path.rpartition("/")[2] for path, _ in remote._list("objects")}
    assert pictures <= there
    gaucho(tmp_path, "forget", row["sha256"])
    assert not pictures & {path.rpartition("/")[2] for path, _ in remote._list("objects")}
    assert not remote.has("curated_set", "chimarrao", curated.manifest.fingerprint)


def test_sharing_afterwards_shares_what_is_needed(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = two_concepts(tmp_path)
    stand(project, "checkpoint", "araucaria", data_version="9")
    done = gaucho(tmp_path, "share")
    assert "shared now" in done.stdout
    assert "0 shared now" in gaucho(tmp_path, "share").stdout
    monkeypatch.delenv(STORE_VARIABLE)
    assert "GAUCHO_STORE: is not set" in gaucho(tmp_path, "share", check=False).stderr
