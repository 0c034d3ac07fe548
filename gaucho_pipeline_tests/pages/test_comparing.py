"""`gaucho compare`, and staying with one checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from gaucho_pipeline import cli
from gaucho_pipeline.project import project as pipeline
from gaucho_pipeline.project.project import Project
from gaucho_pipeline.project.states import State
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline_tests.conftest import draw_folder, folder_concept, write_concepts
from gaucho_pipeline_tests.standing import edit, stand, stand_all


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A concept that was trained twice."""
    concept = folder_concept(draw_folder(tmp_path / "a", "araucaria", 2), "mtl", "tree")
    project = Project(write_concepts(tmp_path / "concepts.yaml", {"araucaria": concept}), tmp_path / "data")
    stand_all(project)
    after = edited(project, rank=2)
    stand(after, "checkpoint", "araucaria", data_version="2")
    stand(after, "sample_gallery", "araucaria", data_version="2")
    return after


def edited(project: Project, **changes: object) -> Project:
    edit(project, "araucaria", "training", **changes)
    return Project(project.concepts_file, project.store.root)


def gaucho(project: Project, *arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["--concepts", str(project.concepts_file), "--data", str(project.store.root), *arguments])


def checkpoints(project: Project) -> list[Artifact]:
    return sorted(project.store.all("checkpoint", "araucaria"), key=lambda artifact: artifact.manifest.data_version)


def test_the_checkpoints_that_stand_are_listed(project: Project) -> None:
    lines = gaucho(project, "compare", "araucaria").output.splitlines()
    assert len(lines) == 2
    by_print = {line.split()[0]: line for line in lines}
    first, second = checkpoints(project)
    assert by_print[first.manifest.fingerprint].endswith(", yes")
    assert by_print[second.manifest.fingerprint].endswith(", not evaluated")


def test_what_two_of_them_draw_stands_side_by_side(project: Project, tmp_path: Path) -> None:
    one, other = (artifact.manifest.fingerprint[:10] for artifact in checkpoints(project))
    newest = project.store.current("sample_gallery", "araucaria")
    assert newest
    (newest.folder / "pictures" / "000-tuned.png").write_bytes(b"of the newest")
    done = gaucho(project, "compare", "araucaria", one, other, "--out", str(tmp_path / "out"))
    assert done.exit_code == 0, done.output
    text = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert text.index('src="one/000-tuned.png"') < text.index('src="other/000-tuned.png"')
    assert f'<span class="tag before" aria-hidden="true">{one[:8]}</span>' in text
    assert (tmp_path / "out" / "other" / "000-tuned.png").read_bytes() == b"of the newest"
    assert (tmp_path / "out" / "one" / "000-tuned.png").read_bytes() != b"of the newest"
    assert not list((tmp_path / "out").rglob("*-base.png"))
    assert "Two versions side by side" in (tmp_path / "out" / "en.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("names", "message"),
    [(("", "x"), "name two"), (("zzz", "z"), "there is no checkpoint zzz"), (("ONE", ""), "name two checkpoints")],
)
def test_wrong_names_are_reported(names: tuple[str, str], message: str, project: Project, tmp_path: Path) -> None:
    one = checkpoints(project)[0].manifest.fingerprint
    arguments = [name.replace("ONE", one) for name in names if name]
    done = gaucho(project, "compare", "araucaria", *arguments, "--out", str(tmp_path / "out"))
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_pinned_checkpoint_is_kept_whatever_else_changes(project: Project) -> None:
    first, second = checkpoints(project)
    pinned = edited(project, pinned=first.manifest.fingerprint, rank=8)
    assert pinned.state("checkpoint", "araucaria").state == "stale"  # until it is taken
    found = pinned.request("checkpoint", "araucaria").cached()
    assert found
    assert found.manifest == first.manifest
    assert pinned.state("checkpoint", "araucaria") == State("fresh")
    stand(pinned, "curated_set", "araucaria", data_version="9")
    assert pinned.state("checkpoint", "araucaria") == State("fresh")
    assert edited(project, pinned=first.manifest.fingerprint).observed_version("checkpoint", "araucaria") != edited(
        project, pinned=second.manifest.fingerprint
    ).observed_version("checkpoint", "araucaria")


def test_what_is_pinned_is_not_made_again_even_by_force(project: Project) -> None:
    first, _ = checkpoints(project)
    pinned = edited(project, pinned=first.manifest.fingerprint)
    assert pinned.request("checkpoint", "araucaria", force=True).cached()
    assert edited(project, pinned=None).request("checkpoint", "araucaria", force=True).cached() is None


def test_a_pinned_checkpoint_of_another_token_or_base_model_is_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = edited(project, pinned=checkpoints(project)[0].manifest.fingerprint)
    assert pinned.state("checkpoint", "araucaria").state == "stale"
    with monkeypatch.context() as patch:
        patch.setattr(pipeline.base_models, "identity", lambda model, revision: {"id": "other", "revision": None, "digest": ""})
        opened = Project(project.concepts_file, project.store.root)
        assert "another base model" in opened.state("checkpoint", "araucaria").reasons[0]
    value = yaml.safe_load(project.concepts_file.read_text())
    value["concepts"]["araucaria"]["token"] = "dnc"
    project.concepts_file.write_text(yaml.safe_dump(value, allow_unicode=True))
    renamed = Project(project.concepts_file, project.store.root)
    assert "another token, class noun" in renamed.state("checkpoint", "araucaria").reasons[0]


def test_a_pinned_checkpoint_that_is_not_there_is_reported(project: Project) -> None:
    pinned = edited(project, pinned="0" * 32)
    assert "no checkpoint 0000" in pinned.state("checkpoint", "araucaria").reasons[0]
