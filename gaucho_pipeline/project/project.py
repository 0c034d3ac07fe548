"""The chain: what each asset is made from now, the fingerprint that follows, and whether what stands is up to date.

Files alone decide here; Dagster and the command line both ask this module. What the stages do is in the stages.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from gaucho_pipeline.assets.table import (
    ALL,
    ASSETS,
    CHECKPOINT,
    CURATED_SET,
    EVALUATION,
    GALLERY_SITE,
    RAW_CRAWL,
    SAMPLE_GALLERY,
    SAMPLE_SEQUENCE,
    Asset,
    with_inputs,
)
from gaucho_pipeline.concepts.concept import Concept, Concepts
from gaucho_pipeline.concepts.file import load_concepts
from gaucho_pipeline.concepts.lock_file import LockFile
from gaucho_pipeline.errors import ConfigError, GauchoError
from gaucho_pipeline.families import Family
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.methods import METHODS
from gaucho_pipeline.models import base_models
from gaucho_pipeline.project.site import Shown, _site_inputs
from gaucho_pipeline.project.states import NOT_ASKED_FOR, State, differences
from gaucho_pipeline.sequence.base import SEQUENCE_CODE_VERSIONS
from gaucho_pipeline.stage.request import StageRequest
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.manifest import Provenance, fingerprint
from gaucho_pipeline.store.soundness import blocked_by
from gaucho_pipeline.store.store import Store


class Project:
    """A concepts file, read once, and a data folder. Raises ConfigError if the file has a mistake."""

    def __init__(self, concepts_file: Path, data: Path) -> None:
        self.concepts_file, self.store = concepts_file, Store(data.resolve())
        self._versions: dict[tuple[str, str], str] = {}
        self._specs: dict[tuple[str, str], dict[str, Any]] = {}
        self._on_base_model: dict[str, Concept] = {}
        self._identities: dict[tuple[str, str | None], dict[str, str | None]] = {}

    @classmethod
    def from_environment(cls) -> Project:
        """The project that GAUCHO_CONCEPTS and GAUCHO_DATA name."""
        return cls(Path(os.environ.get("GAUCHO_CONCEPTS", "concepts.yaml")), Path(os.environ.get("GAUCHO_DATA", "data")))

    @cached_property
    def concepts(self) -> Concepts:
        return load_concepts(self.concepts_file)

    @property
    def slugs(self) -> list[str]:
        return list(self.concepts.concepts)

    def concept(self, slug: str) -> Concept:
        """Raises ConfigError if the file has no such concept."""
        try:
            return self.concepts.concepts[slug]
        except KeyError:
            raise ConfigError(f"{self.concepts_file}: there is no concept {slug!r}; there are {', '.join(self.slugs)}") from None

    @property
    def lock_file(self) -> Path:
        """The file beside the concepts file that keeps what names stand for."""
        return self.concepts_file.resolve().with_suffix(".lock.json")

    @property
    def forgotten_file(self) -> Path:
        """The file beside the concepts file that names images which must not come back."""
        return self.concepts_file.resolve().with_suffix(".forgotten.json")

    def recognise(self, slug: str) -> None:
        """Sees to it that the family of the concept's base model is known; asks a hub once.

        Raises ConfigError for a model that cannot be taught, GauchoError if a hub cannot be asked.
        """
        training = self.concept(slug).training
        base_models.family_of(training.base_model, training.revision, LockFile(self.lock_file))

    def family_of(self, slug: str) -> type[Family]:
        """The family of the concept's base model; asks nobody. Raises GauchoError if it is not known yet."""
        training, lock_file = self.concept(slug).training, LockFile(self.lock_file)
        if not base_models.is_recognised(training.base_model, training.revision, lock_file):
            raise GauchoError(f"what {training.base_model} is has not been asked yet; run: gaucho run {slug}")
        return base_models.family_of(training.base_model, training.revision, lock_file)

    def on_its_base_model(self, slug: str) -> Concept:
        """The concept with all that the family of its base model recommends; asks nobody. Raises GauchoError if that is not known yet."""
        if slug in self._on_base_model:
            return self._on_base_model[slug]
        found = self.concept(slug).for_family(self.family_of(slug))
        self._on_base_model[slug] = found
        return found

    def asks_for(self, asset: str, slug: str) -> bool:
        """Whether there is to be such an artifact of a concept, or of all."""
        return not ASSETS[asset].part or self.concept(slug).asks_for(ASSETS[asset].part)

    def assets_of(self, slug: str, last: str = GALLERY_SITE.name) -> list[Asset]:
        """What there is to be of a concept, up to an asset, in the order of the chain. Raises ConfigError if it does not ask for that."""
        if not self.asks_for(last, slug):
            part = ASSETS[last].part
            raise ConfigError(f"{slug} asks for no {last}; name a story in {self.concepts_file}, under concepts.{slug}.{part}")
        return [ASSETS[name] for name in with_inputs(last) if ASSETS[name].is_partitioned and self.asks_for(name, slug)]

    def asked(self, concepts: Sequence[str], last: str) -> list[str]:
        """The concepts that a run is about: those that are named, else all that have the asset.

        Raises ConfigError if one that is named has none, or nobody has.
        """
        for slug in concepts:
            self.assets_of(slug, last)
        found = list(dict.fromkeys(concepts)) or [slug for slug in self.slugs if self.asks_for(last, slug)]
        if not found:
            self.assets_of(self.slugs[0], last)
        return found

    def untaught_in_stories(self, slugs: Sequence[str]) -> list[str]:
        """Other concepts in the stories of some, of which nothing was learned yet."""
        others = dict.fromkeys(other for slug in slugs for other in self.others_in_story(slug))
        return [other for other in others if other not in slugs and self.store.current(CHECKPOINT.name, other) is None]

    def _concept_for(self, asset: str, slug: str) -> Concept:
        return self.on_its_base_model(slug) if ASSETS[asset].on_base_model else self.concept(slug)

    def spec_version(self, asset: str, slug: str) -> str:
        """The data version of the specification of an asset of a concept; files that it names are read once."""
        key = (asset, slug)
        if key not in self._versions:
            own, of_others = self._concept_for(asset, slug).spec_version(ASSETS[asset].part), self._of_others(asset, slug)
            self._versions[key] = digest([own, of_others]) if of_others and not self.concept(slug).historical else own
        return self._versions[key]

    def _look_alikes(self, slug: str) -> dict[str, Artifact]:
        """The curated sets of the concepts that might be taken for this one. Raises GauchoError if one is missing."""
        found = {}
        for other in self.look_alikes(slug):
            artifact = self.store.current(CURATED_SET.name, other)
            if artifact is None:
                raise GauchoError(f"evaluation of {slug} needs curated_set of {other}; run: gaucho run {other} --select curated_set")
            found[f"{CURATED_SET.name}/{other}"] = artifact
        return found

    def look_alikes(self, slug: str) -> tuple[str, ...]:
        """The concepts that might be taken for this one, as its evaluation names them."""
        alike = self.concept(slug).evaluation.look_alikes
        return alike.concepts if alike else ()

    def others_in_story(self, slug: str) -> tuple[str, ...]:
        """The other concepts of the file that the stories of one name."""
        stories = sequence.stories if (sequence := self.concept(slug).sequence) else ()
        return tuple(dict.fromkeys(other for story in stories for other in story.others(slug) if other in self.concepts.concepts))

    def _is_imagined(self, slug: str) -> bool:
        """Whether what a concept's stories show is of the past: its own, or that of another concept in them."""
        return any(self.concept(each).historical for each in (slug, *self.others_in_story(slug)))

    def _further_checkpoints(self, slug: str) -> dict[str, Artifact]:
        """What was learned of the other concepts in a concept's stories. Raises GauchoError if one is missing."""
        return {f"{CHECKPOINT.name}/{other}": self.checkpoint(other) for other in self.others_in_story(slug)}

    def observed_version(self, asset: str, slug: str) -> str:
        """What Dagster compares of a specification: its version, and where the asset runs on a base model also the model and its code."""
        if not self.asks_for(asset, slug):
            return NOT_ASKED_FOR
        version = self.spec_version(asset, slug)
        base = self._base_model(asset, slug)
        further: list[Any] = []
        if asset == CHECKPOINT.name and self.concept(slug).training.pinned:
            further = [self.concept(slug).training.pinned]
        elif asset == EVALUATION.name and self.look_alikes(slug):
            sets = [self.store.current(CURATED_SET.name, other) for other in self.look_alikes(slug)]
            further = [artifact and artifact.manifest.data_version for artifact in sets]
        elif asset == SAMPLE_SEQUENCE.name and self.others_in_story(slug):
            learned = [self.store.current(CHECKPOINT.name, other) for other in self.others_in_story(slug)]
            further = [artifact and artifact.manifest.data_version for artifact in learned]
        return digest([version, base, self.code_version(asset, slug), *further]) if base else version

    def resolved_spec(self, asset: str, slug: str) -> dict[str, Any]:
        """The specification of an asset of a concept, as its version has it."""
        key = (asset, slug)
        if key not in self._specs:
            self._specs[key] = self._concept_for(asset, slug).resolved_spec(ASSETS[asset].part) | self._of_others(asset, slug)
        return self._specs[key]

    def _of_others(self, asset: str, slug: str) -> dict[str, Any]:
        """What a specification has from other concepts."""
        return {"historical": True} if asset == SAMPLE_SEQUENCE.name and self._is_imagined(slug) else {}

    # -------------------------------------------------------------------------------------------- what is made from what

    def provenance(self, asset: str, slug: str) -> Provenance:
        """What the asset would be made from now. Raises GauchoError if its input is missing."""
        if asset == GALLERY_SITE.name:
            return self._site_provenance()
        if asset == CHECKPOINT.name and (pinned := self._pinned(slug)):
            return pinned.manifest.provenance
        return Provenance(
            spec_version=self.spec_version(asset, slug),
            spec=self.resolved_spec(asset, slug),
            inputs={name: artifact.manifest.data_version for name, artifact in self.inputs(asset, slug).items()},
            code_version=self.code_version(asset, slug),
            base_model=self._base_model(asset, slug),
        )

    def _pinned(self, slug: str) -> Artifact | None:
        """The checkpoint that the concept is to stay with, if it names one. Raises GauchoError if that does not stand."""
        fingerprint_ = self.concept(slug).training.pinned
        found = self.store.find(CHECKPOINT.name, slug, fingerprint_) if fingerprint_ else None
        if fingerprint_ and found is None:
            raise GauchoError(f"training.pinned: no checkpoint {fingerprint_} of {slug} stands; see: gaucho compare {slug}")
        if found:
            then, concept = found.manifest.provenance, self.concept(slug)
            if (then.spec["token"], then.spec["class_noun"]) != (concept.token, concept.class_noun):
                raise GauchoError(f"training.pinned: {fingerprint_} of {slug} was trained with another token or class noun")
            if then.base_model != self._base_model(CHECKPOINT.name, slug):
                raise GauchoError(f"training.pinned: {fingerprint_} of {slug} was trained on another base model")
        return found

    def code_version(self, asset: str, slug: str) -> str:
        """The asset's; behind it, where it runs on a base model, those of the model's family and of the method, where not the first."""
        own = ASSETS[asset].code_version
        if not ASSETS[asset].on_base_model:
            return own
        training = self.concept(slug).training
        family = base_models.family_of(training.base_model, training.revision, LockFile(self.lock_file))
        found = own if family.code_version == "1" else f"{own}+{family.code_version}"
        method = METHODS[training.method]
        found = found if method.code_version == "1" else f"{found}+{method.name} {method.code_version}"
        if asset != SAMPLE_SEQUENCE.name or not (spec := self.on_its_base_model(slug).sequence):
            return found
        drawn_by = SEQUENCE_CODE_VERSIONS[str(spec.method)]
        return found if drawn_by == "1" else f"{found}+{spec.method} {drawn_by}"

    def _base_model(self, asset: str, slug: str) -> dict[str, str | None] | None:
        if not ASSETS[asset].on_base_model:
            return None
        training = self.concept(slug).training
        key = (training.base_model, training.revision)
        if key not in self._identities:
            self._identities[key] = base_models.identity(*key)
        return self._identities[key]

    def inputs(self, asset: str, slug: str) -> dict[str, Artifact]:
        """What the asset is made from, by asset, with the concept behind a slash for the site. Raises GauchoError if that is missing."""
        if asset == GALLERY_SITE.name:
            return _site_inputs(self.shown())
        found = {}
        for name in ASSETS[asset].inputs:
            artifact = self.store.current(name, slug)
            if artifact is None:
                raise GauchoError(f"{asset} of {slug} needs {name}, which is missing; run: gaucho run {slug} --select {asset}")
            found[name] = artifact
        found |= self._look_alikes(slug) if asset == EVALUATION.name else {}
        return found | (self._further_checkpoints(slug) if asset == SAMPLE_SEQUENCE.name else {})

    def _also_read(self, asset: str, slug: str, inputs: dict[str, Artifact]) -> dict[str, Artifact]:
        """What is read beside the inputs, and follows from them or from the specification. Raises GauchoError if it is gone."""
        if asset == GALLERY_SITE.name:
            shown = self.shown()
            return {f"{part.manifest.asset}/{other}": part for other, each in shown.items() for part in (each.gallery, each.checkpoint)}
        if asset != EVALUATION.name:
            return {}
        return {CURATED_SET.name: self.trained_on(inputs[CHECKPOINT.name])}

    def checkpoint(self, slug: str) -> Artifact:
        """What was learned of a concept last. Raises ConfigError if there is no such concept, GauchoError if nothing was learned of it."""
        self.concept(slug)
        found = self.store.current(CHECKPOINT.name, slug)
        if found is None:
            raise GauchoError(f"checkpoint of {slug} was never made; run: gaucho run {slug} --select checkpoint")
        return found

    def trained_on(self, checkpoint: Artifact) -> Artifact:
        """The curated set that a checkpoint was trained on, however old. Raises GauchoError if it is gone."""
        slug, version = checkpoint.manifest.concept, checkpoint.manifest.provenance.inputs[CURATED_SET.name]
        found = self.store.find_version(CURATED_SET.name, slug, version)
        if found is None:
            raise GauchoError(f"the curated_set of {slug} that its checkpoint was trained on is gone; run: gaucho run {slug}")
        return found

    def check_inputs(self, asset: str, slug: str) -> None:
        """Raises GauchoError if what the asset is made from is not fit for it, whoever made it and whenever."""
        for name, artifact in self.inputs(asset, slug).items():
            if reason := blocked_by(artifact):
                raise GauchoError(f"{name} of {slug} is not fit for {asset}: {reason}")
        if asset == EVALUATION.name:
            inputs = self.inputs(asset, slug)
            version = inputs[SAMPLE_GALLERY.name].manifest.provenance.inputs[CHECKPOINT.name]
            if version != inputs[CHECKPOINT.name].manifest.data_version:
                raise GauchoError(f"sample_gallery of {slug} was drawn with another checkpoint; run: gaucho run {slug} --select {asset}")

    def _site_provenance(self) -> Provenance:
        """What the site would be made from: the evaluations that there are, in the file's order."""
        shown = self.shown()
        spec: dict[str, Any] = {"concepts": {slug: self.concept(slug).for_pages() for slug in shown}}
        inputs = {name: artifact.manifest.data_version for name, artifact in _site_inputs(shown).items()}
        return Provenance(spec_version=digest(spec), spec=spec, inputs=inputs, code_version=GALLERY_SITE.code_version)

    def shown(self) -> dict[str, Shown]:
        """What may be shown of each concept that was evaluated: the evaluation, and what it was made from, however old."""
        found = {}
        for slug in self.slugs:
            evaluation = self.store.current(EVALUATION.name, slug)
            if evaluation and (each := self._shown(slug, evaluation)):
                found[slug] = each
        return found

    def removed_from_site(self) -> list[str]:
        """The concepts that the site shows and the file no longer has."""
        site = self.store.current(GALLERY_SITE.name, ALL)
        return sorted(set(site.manifest.provenance.spec["concepts"]) - set(self.slugs)) if site else []

    def _shown(self, slug: str, evaluation: Artifact) -> Shown | None:
        versions = evaluation.manifest.provenance.inputs
        gallery = self.store.find_version(SAMPLE_GALLERY.name, slug, versions[SAMPLE_GALLERY.name])
        checkpoint = self.store.find_version(CHECKPOINT.name, slug, versions[CHECKPOINT.name])
        if gallery is None or checkpoint is None or blocked_by(evaluation) or blocked_by(gallery):
            return None
        return Shown(evaluation, gallery, checkpoint, self._shown_sequence(slug, checkpoint))

    def _shown_sequence(self, slug: str, checkpoint: Artifact) -> Artifact | None:
        found = self.store.current(SAMPLE_SEQUENCE.name, slug) if self.asks_for(SAMPLE_SEQUENCE.name, slug) else None
        is_of_it = found and found.manifest.provenance.inputs[CHECKPOINT.name] == checkpoint.manifest.data_version
        return found if is_of_it and found and not blocked_by(found) else None

    def request(self, asset: str, slug: str, force: bool = False) -> StageRequest:
        """What to ask of the stage that makes the asset. Raises GauchoError if its input is missing."""
        provenance, inputs = self.provenance(asset, slug), self.inputs(asset, slug)
        if asset == GALLERY_SITE.name and not inputs and not self.store.current(asset, slug):
            raise GauchoError("gallery_site needs at least one evaluation; run: gaucho run")
        part, is_crawl = ASSETS[asset].part, asset == RAW_CRAWL.name
        return StageRequest(
            asset=asset,
            concept=slug,
            title=name.pt if part and (name := self.concept(slug).name) else "",
            spec=self._concept_for(asset, slug).spec(part) | self._of_others(asset, slug) if part else provenance.spec,
            provenance=provenance,
            fingerprint=None if is_crawl else fingerprint(asset, slug, provenance),
            inputs={name: artifact.folder for name, artifact in (inputs | self._also_read(asset, slug, inputs)).items()},
            data=self.store.root,
            lock_file=self.lock_file if is_crawl else None,
            forgotten=self.forgotten_file if self.forgotten_file.exists() or is_crawl else None,
            force=force and not (asset == CHECKPOINT.name and self._pinned(slug)),  # what is pinned is not made anew
        )

    # -------------------------------------------------------------------------------------------- what is up to date

    def states(self, slug: str) -> dict[str, State]:
        """Whether each asset of a concept is up to date, in the order of the chain."""
        return self._states_up_to(slug, GALLERY_SITE.name)

    def _states_up_to(self, slug: str, last: str) -> dict[str, State]:
        found: dict[str, State] = {}
        for asset in self.assets_of(slug, last):
            is_pinned = asset == CHECKPOINT and self.concept(slug).training.pinned
            above = {} if is_pinned else {name: found[name] for name in asset.inputs}
            for other in self.others_in_story(slug) if asset == SAMPLE_SEQUENCE else ():
                above[f"{CHECKPOINT.name} of {other}"] = self._states_up_to(other, CHECKPOINT.name)[CHECKPOINT.name]
            found[asset.name] = self._state(asset.name, slug, above)
        return found

    def site_state(self, states: Mapping[str, Mapping[str, State]] | None = None) -> State:
        """Whether the site is up to date, and the evaluations that it shows are. `states`: those of the concepts, if they are known."""
        of = states or {}
        above = dict[str, State]()
        for slug in self.shown():
            own = of.get(slug) or self.states(slug)
            above |= {f"{name} of {slug}": own[name] for name in (EVALUATION.name, SAMPLE_SEQUENCE.name) if name in own}
        return self._state(GALLERY_SITE.name, ALL, above)

    def state(self, asset: str, slug: str = ALL) -> State:
        """Whether an asset is up to date."""
        if asset == GALLERY_SITE.name:
            return self.site_state()
        self.assets_of(slug, asset)
        return self.states(slug)[asset]

    def _state(self, asset: str, slug: str, above: dict[str, State]) -> State:
        """Whether the artifact that stands is what would be made now, of the inputs that stand now, whose states are given."""
        current = self.store.current(asset, slug)
        if current is None:
            return State("missing", (self.store.damage(asset, slug) or "never made",))
        try:
            now = self.provenance(asset, slug)
        except GauchoError as error:
            return State("stale", (str(error),))
        if reasons := differences(current.manifest.provenance, now):
            return State("stale", tuple(reasons))
        waits_for = tuple(f"{name} is {state.state}" for name, state in above.items() if state.state != "fresh")
        return State("waiting", waits_for) if waits_for else State("fresh")
