"""A concepts file and a data folder: what each asset of a concept would be made from now, and whether what exists is up to date.

Files alone decide here; Dagster and the command line both ask this module. What exists is read once for each question (`standing.py`);
what follows from it is computed by pure functions (`recipes.py`, `states.py`, `site.py`). What the stages do is in the stages.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import cached_property
from pathlib import Path

from gaucho_pipeline.assets.table import (
    ALL,
    ASSETS,
    CHECKPOINT,
    COLLECTION_EVALUATION,
    CURATED_SET,
    GALLERY_SITE,
    JUDGEMENT,
    SAMPLE_GALLERY,
    Asset,
    with_inputs,
)
from gaucho_pipeline.concepts.concept import Concept, Concepts, TaughtCollection, no_such_concept
from gaucho_pipeline.concepts.file import error_at, load_concepts
from gaucho_pipeline.concepts.lock_file import LockFile
from gaucho_pipeline.concepts.part import OtherInput
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.errors import ConfigError, GauchoError, _
from gaucho_pipeline.families import Family
from gaucho_pipeline.files.digests import digest
from gaucho_pipeline.judging.panel import StandingPanel, judged_panel
from gaucho_pipeline.methods import METHODS
from gaucho_pipeline.models import base_models
from gaucho_pipeline.project import site
from gaucho_pipeline.project.recipes import Recipe, check_agreement, check_pinned, inputs_of, provenance_of
from gaucho_pipeline.project.standing import Standing, read_standing
from gaucho_pipeline.project.states import NOT_REQUESTED, State, compared, states_of
from gaucho_pipeline.spec import JsonObject
from gaucho_pipeline.stage.request import StageRequest
from gaucho_pipeline.store.artifact import Artifact
from gaucho_pipeline.store.manifest import Provenance, fingerprint
from gaucho_pipeline.store.soundness import blocked_by
from gaucho_pipeline.store.store import Store


class Project:
    """A concepts file, read once, and a data folder. Raises ConfigError if the file has a mistake."""

    def __init__(self, concepts_file: Path, data: Path) -> None:
        self.concepts_file, self.store = concepts_file, Store(data.resolve())
        self._recipes: dict[tuple[str, str], Recipe] = {}
        """But for what is pinned, which is read from the store each time."""
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
        """The concepts."""
        return list(self.concepts.concepts)

    def concept(self, slug: str) -> Concept:
        """Raises ConfigError if the file has no such concept."""
        try:
            return self.concepts.concepts[slug]
        except KeyError:
            raise ConfigError(no_such_concept(self.concepts, slug, self.concepts_file)) from None

    def subject(self, slug: str) -> Concept | TaughtCollection:
        """A concept or a collection. Raises ConfigError if the file has neither."""
        return self.concepts.collection(slug) if slug in self.concepts.collections else self.concept(slug)

    def check_consent(self, slug: str, is_drawn: bool = True) -> None:
        """Raises ConfigError for a consent that is to be asked for again: of a concept, and if `is_drawn` of all taught with it."""
        for member in self.concepts.taught_with(slug) if is_drawn else self.concepts.concepts_of(slug):
            consent = self.concept(member).consent
            if consent and consent.has_lapsed(date.today()):
                text = _("it was to be asked for again by {day}; nothing is fetched, trained or drawn until it is", day=consent.review)
                raise error_at(self.concepts_file, ("concepts", member, "consent", "review"), text)

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
        for model in self._models_of(slug):
            base_models.family_of(*model, LockFile(self.lock_file))

    def _models_of(self, slug: str) -> list[tuple[str, str | None]]:
        """The model that is taught, and the one that draws where that is another; each with its revision."""
        subject = self.subject(slug)
        gallery = subject.gallery if isinstance(subject, Concept) else None
        drawing = [(gallery.base_model, gallery.revision)] if gallery and gallery.base_model else []
        return [(subject.training.base_model, subject.training.revision), *drawing]

    def family_of(self, slug: str) -> type[Family]:
        """The family of the concept's base model; asks nobody. Raises GauchoError if it is not known yet."""
        return self._families_of(slug)[0]

    def _families_of(self, slug: str) -> list[type[Family]]:
        """The families of `_models_of`. Raises GauchoError if one is not known yet."""
        models, lock_file = self._models_of(slug), LockFile(self.lock_file)
        for model in models:
            if not base_models.is_recognised(*model, lock_file):
                raise GauchoError(_("what {base_model} is has not been asked yet; run: gaucho run {slug}", base_model=model[0], slug=slug))
        return [base_models.family_of(*model, lock_file) for model in models]

    def on_its_base_model(self, slug: str) -> Concept:
        """The concept with all that the family of its base model recommends; asks nobody. Raises GauchoError if that is not known yet."""
        if slug in self._on_base_model:
            return self._on_base_model[slug]
        found = self.concept(slug).for_family(*self._families_of(slug))
        self._on_base_model[slug] = found
        return found

    def training_of(self, slug: str) -> TrainingSpec:
        """How a concept or a collection is taught, with all that the family of its base model recommends; asks nobody."""
        return self._subject_for(CHECKPOINT, slug).training

    def _subject_for(self, asset: Asset, slug: str) -> Concept | TaughtCollection:
        """What an asset is made of: a concept or a collection, as it is on its base model where the asset needs that."""
        if slug in self.concepts.collections:
            return self.concepts.collection(slug).for_family(*self._families_of(slug))
        return self.on_its_base_model(slug) if asset.on_base_model else self.concept(slug)

    # -------------------------------------------------------------------------------------------- which assets there are

    def has_asset(self, asset: str, slug: str) -> bool:
        """Whether there is to be such an artifact of a concept, or of all: a judgement where somebody has judged."""
        if not (part := ASSETS[asset].part):
            return True
        is_there = self.subject(slug).has(part)
        return is_there and self.panel(slug) is not None if asset == JUDGEMENT.name else is_there

    def panel(self, slug: str) -> StandingPanel | None:
        """The newest panel of a concept that somebody has answered."""
        return judged_panel(self.store.root, slug)

    def assets_of(self, slug: str, last: str = GALLERY_SITE.name) -> list[Asset]:
        """What there is to be of a concept, up to an asset, in the order of the chain. Raises ConfigError if it has none of that."""
        if not self.has_asset(last, slug):
            if last == JUDGEMENT.name:
                raise ConfigError(_("nobody has judged {slug} yet; write the page for people who know it: gaucho judge {slug}", slug=slug))
            part = ASSETS[last].part
            if ASSETS[last].is_of_collections != (slug in self.concepts.collections):
                self.subject(slug).part(part)
            raise ConfigError(
                _(
                    "{slug} asks for no {last}; name a story in {concepts_file}, under concepts.{slug}.{part}",
                    slug=slug,
                    last=last,
                    concepts_file=self.concepts_file,
                    part=part,
                )
            )
        return [ASSETS[name] for name in with_inputs(last) if ASSETS[name].is_partitioned and self.has_asset(name, slug)]

    def other_inputs(self, slug: str, last: str = GALLERY_SITE.name) -> tuple[OtherInput, ...]:
        """What a concept's assets, up to one, need of other concepts of the file, each once."""
        subject = self.subject(slug)
        every = (each for asset in self.assets_of(slug, last) for each in subject.part(asset.part).other_inputs(slug))
        return tuple(dict.fromkeys(each for each in every if self.concepts.has(each.concept)))

    # -------------------------------------------------------------------------------------------- what is made from what

    def recipe(self, asset: str, slug: str) -> Recipe:
        """What an asset of a concept would be made from now, but for its inputs.

        Raises GauchoError if the family of its base model is not known yet, or what is pinned does not exist.
        """
        found = self._unpinned_recipe(asset, slug)
        if asset == JUDGEMENT.name and (panel := self.panel(slug)):
            return replace(found, answers=panel.answers_version())
        pinned = self._pinned(found, slug)
        return replace(found, pinned=pinned) if pinned else found

    def _unpinned_recipe(self, asset: str, slug: str) -> Recipe:
        """The same whatever is pinned. Files and folders that it names are read once."""
        key = (asset, slug)
        if key not in self._recipes:
            self._recipes[key] = self._read_recipe(ASSETS[asset], slug)
        return self._recipes[key]

    def _read_recipe(self, asset: Asset, slug: str) -> Recipe:
        subject = self._subject_for(asset, slug)
        others = tuple(each for each in subject.part(asset.part).other_inputs(slug) if self.concepts.has(each.concept))
        inherited = self._inherited(asset, slug)
        version = subject.spec_version(asset.part)
        return Recipe(
            asset=asset,
            spec_version=digest([version, inherited]) if inherited and not subject.historical else version,
            spec=JsonObject(subject.resolved_spec(asset.part) | inherited),
            code_version=self._code_version(asset, slug),
            base_model=self._base_model(asset, slug),
            others=others,
        )

    def _inherited(self, asset: Asset, slug: str) -> JsonObject:
        """What a specification has from other concepts: what shows one that is of the past is imagined."""
        part = self.subject(slug).part(asset.part)
        others = [each.concept for each in part.other_inputs(slug) if each.concept in self.concepts.concepts]
        shown = [slug, *others] if part.shows_others else []
        return JsonObject({"historical": True} if any(self.concept(each).historical for each in shown) else {})

    def _code_version(self, asset: Asset, slug: str) -> str:
        """The asset's; where it runs on a base model, also those of family, method and the part's way, where not the first."""
        if not asset.on_base_model:
            return asset.code_version
        training = self.subject(slug).training
        family = base_models.family_of(training.base_model, training.revision, LockFile(self.lock_file))
        method, (way, way_version) = METHODS[training.method], self._subject_for(asset, slug).part(asset.part).way
        further = [
            "" if family.code_version == "1" else family.code_version,
            "" if method.code_version == "1" else f"{method.name} {method.code_version}",
            "" if way_version == "1" else f"{way} {way_version}",
        ]
        return "+".join([asset.code_version, *filter(None, further)])

    def _base_model(self, asset: Asset, slug: str) -> dict[str, str | None] | None:
        if not asset.on_base_model:
            return None
        training = self.subject(slug).training
        key = (training.base_model, training.revision)
        if key not in self._identities:
            self._identities[key] = base_models.identity(*key)
        return self._identities[key]

    def _pinned(self, recipe: Recipe, slug: str) -> Artifact | None:
        """The artifact that the concept is to stay with, if it names one. Raises GauchoError if that does not exist."""
        named, asset = self.subject(slug).part(recipe.asset.part).stays, recipe.asset.name
        if not named:
            return None
        found = self.store.find(asset, slug, named)
        check_pinned(found, recipe, slug, named, self.concept(slug).words)
        return found

    def standing(self, slug: str, last: str = GALLERY_SITE.name) -> Standing:
        """What exists of a concept now, up to an asset."""
        return read_standing(self.store, slug, self.assets_of(slug, last), self.other_inputs(slug, last))

    def observed_version(self, asset: str, slug: str) -> str:
        """What Dagster compares of a specification: its version, and where the asset runs on a base model also the model and its code."""
        if not self.has_asset(asset, slug):
            return NOT_REQUESTED
        recipe, pinned = self._unpinned_recipe(asset, slug), self.subject(slug).part(ASSETS[asset].part).stays
        if recipe.base_model is None:
            return recipe.spec_version
        others = self.standing(slug, asset).others_of(recipe.others).values()
        further = [pinned] if pinned else [other and other.manifest.data_version for other in others]
        return digest([recipe.spec_version, recipe.base_model, recipe.code_version, *further])

    def provenance(self, asset: str, slug: str) -> Provenance:
        """What the asset would be made from now. Raises GauchoError if its input is missing."""
        if asset == GALLERY_SITE.name:
            shown = self.shown()
            return site.site_provenance(shown, self.collections_shown(shown), self.concepts)
        return provenance_of(self.recipe(asset, slug), self.standing(slug, asset))

    def inputs(self, asset: str, slug: str) -> dict[str, Artifact]:
        """What the asset is made from, by asset; of another concept by `asset/concept`. Raises GauchoError if that is missing."""
        if asset == GALLERY_SITE.name:
            shown = self.shown()
            return site.site_inputs(shown, self.collections_shown(shown))
        return inputs_of(self.recipe(asset, slug), self.standing(slug, asset))

    def _also_read(self, asset: Asset, inputs: dict[str, Artifact]) -> dict[str, Artifact]:
        """What is read beside the inputs, and follows from them. Raises GauchoError if it is gone."""
        if asset == GALLERY_SITE:
            shown = self.shown()
            return site.also_read(shown, self.collections_shown(shown))
        found = dict[str, Artifact]()
        for name, through in asset.also_reads:
            for key, artifact in (inputs | found).items():
                own, _unused, other = key.partition("/")
                if own == through:
                    found[f"{name}/{other}" if other else name] = self.upstream(artifact, name)
        return found

    def upstream(self, artifact: Artifact, asset: str) -> Artifact:
        """What an artifact was made from, however old. Raises GauchoError if it is gone."""
        slug = artifact.manifest.concept
        found = self.store.find_version(asset, slug, artifact.manifest.provenance.inputs[asset])
        if found is None:
            raise GauchoError(
                _(
                    "the {asset} of {slug} that its {of} was made from is gone; run: gaucho run {slug}",
                    asset=asset,
                    slug=slug,
                    of=artifact.manifest.asset,
                )
            )
        return found

    def corrected_credits(self, trained: Artifact) -> list[Path]:
        """The sets that credit the images of a checkpoint or a collection as they are credited now, where those are others."""
        return [each.folder for each in site.corrected_sets(self.store, trained)]

    def checkpoint(self, slug: str) -> Artifact:
        """What was learned of a concept last. Raises ConfigError if there is no such concept, GauchoError if nothing was learned of it."""
        return self.artifact(CHECKPOINT.name, slug)

    def artifact(self, asset: str, slug: str = ALL) -> Artifact:
        """The artifact that counts. Raises ConfigError if there is no such concept, GauchoError if it was never made."""
        is_partitioned = ASSETS[asset].is_partitioned
        if is_partitioned:
            self.subject(slug)
            if ASSETS[asset].is_of_collections != (slug in self.concepts.collections):
                raise ConfigError(no_such_concept(self.concepts, slug, self.concepts_file, asset))
        found = self.store.current(asset, slug)
        if found is None:
            command = f"gaucho run {slug} --select {asset}" if is_partitioned else "gaucho run"
            if gone := self.store.absence(asset, slug):
                raise GauchoError(
                    _("{asset} of {slug} does not stand: {why}; run: {command}", asset=asset, slug=slug, why=gone, command=command)
                )
            raise GauchoError(_("{asset} of {slug} was never made; run: {command}", asset=asset, slug=slug, command=command))
        return found

    def trained_on(self, checkpoint: Artifact) -> Artifact:
        """The curated set that a checkpoint was trained on, however old. Raises GauchoError if it is gone."""
        return self.upstream(checkpoint, CURATED_SET.name)

    def check_inputs(self, asset: str, slug: str) -> None:
        """Raises GauchoError if what the asset is made from is not fit for it, whoever made it and whenever."""
        for name, artifact in self.inputs(asset, slug).items():
            if reason := blocked_by(artifact):
                raise GauchoError(_("{name} of {slug} is not fit for {asset}: {reason}", name=name, slug=slug, asset=asset, reason=reason))
        if asset != GALLERY_SITE.name:
            check_agreement(self.recipe(asset, slug), self.standing(slug, asset))

    def request(self, asset: str, slug: str, force: bool = False) -> StageRequest:
        """What to request of the stage that makes the asset. Raises GauchoError if its input is missing."""
        entry, provenance, inputs = ASSETS[asset], self.provenance(asset, slug), self.inputs(asset, slug)
        if entry.part:
            self.check_consent(slug, entry.on_base_model)
        if entry == GALLERY_SITE and not inputs and not self.store.current(asset, slug):
            raise GauchoError(_("gallery_site needs at least one evaluation; run: gaucho run"))
        subject = self._subject_for(entry, slug) if entry.part else None
        if asset == JUDGEMENT.name:
            provenance = self._judged(provenance, slug)
        is_pinned = entry.part and self.recipe(asset, slug).pinned
        return StageRequest(
            asset=asset,
            concept=slug,
            title=subject.name.pt if subject and subject.name else "",
            words=subject.words if isinstance(subject, Concept) else None,
            historical=bool(subject and (subject.historical or self._inherited(entry, slug))),
            consent=subject.agreed if subject else "",
            spec=subject.spec(entry.part) if subject else provenance.spec,
            provenance=provenance,
            fingerprint=None if entry.is_named_by_content else fingerprint(asset, slug, provenance),
            inputs={name: artifact.folder for name, artifact in (inputs | self._also_read(entry, inputs)).items()},
            data=self.store.root,
            lock_file=self.lock_file if entry.is_named_by_content else None,
            forgotten=self.forgotten_file if self.forgotten_file.exists() or entry.is_named_by_content else None,
            force=force and not is_pinned,  # what is pinned is not made again
        )

    def _judged(self, now: Provenance, slug: str) -> Provenance:
        """What a judgement is of: the pictures and the questions that people saw, which may be others than those of now."""
        if (standing := self.panel(slug)) is None:
            raise GauchoError(_("nobody has judged {slug} yet; write the page for people who know it: gaucho judge {slug}", slug=slug))
        panel = standing.panel
        inputs = now.inputs | {SAMPLE_GALLERY.name: panel.gallery}
        return now.model_copy(update={"inputs": inputs, "spec_version": panel.spec_version, "spec": panel.spec})

    # -------------------------------------------------------------------------------------------- what is up to date

    def states(self, slug: str, last: str = GALLERY_SITE.name) -> dict[str, State]:
        """Whether each asset of a concept, up to one, is up to date, in the order of the chain."""
        assets = self.assets_of(slug, last)
        if last == GALLERY_SITE.name and self.has_asset(JUDGEMENT.name, slug):
            assets = [*assets, JUDGEMENT]
        recipes = {asset.name: self._recipe_or_error(asset.name, slug) for asset in assets}
        awaited = {name: self._awaited(recipe) for name, recipe in recipes.items() if isinstance(recipe, Recipe)}
        return states_of(read_standing(self.store, slug, assets, self.other_inputs(slug, last)), recipes, awaited)

    def _awaited(self, recipe: Recipe) -> dict[str, State]:
        """The states of other concepts' artifacts that an asset waits for."""
        awaited = [each for each in recipe.others if each.is_awaited]
        return {f"{each.asset} of {each.concept}": self.states(each.concept, each.asset)[each.asset] for each in awaited}

    def _recipe_or_error(self, asset: str, slug: str) -> Recipe | GauchoError:
        try:
            return self.recipe(asset, slug)
        except GauchoError as error:
            return error

    def site_state(self, states: Mapping[str, Mapping[str, State]] | None = None) -> State:
        """Whether the site is up to date, and the evaluations that it shows are. `states`: those of the concepts, if they are known."""
        current, of = self.store.current(GALLERY_SITE.name, ALL), states or {}
        if current is None:
            gone = self.store.absence(GALLERY_SITE.name, ALL)  # once it was made, it is never called missing
            return State("stale", (gone,)) if gone else State("missing", (_("never made"),))
        above = dict[str, State]()
        for slug in self.shown():
            own = of.get(slug) or self.states(slug)
            waits_for = [name for name in GALLERY_SITE.inputs if not ASSETS[name].is_made_apart]  # an old judgement is shown as old
            above |= {f"{name} of {slug}": own[name] for name in waits_for if name in own}
        name = COLLECTION_EVALUATION.name
        above |= {f"{name} of {slug}": self.state(name, slug) for slug in self.collections_shown(self.shown())}
        return compared(current, self.provenance(GALLERY_SITE.name, ALL), above)

    def state(self, asset: str, slug: str = ALL) -> State:
        """Whether an asset is up to date."""
        if asset == GALLERY_SITE.name:
            return self.site_state()
        self.assets_of(slug, asset)
        return self.states(slug)[asset]

    # -------------------------------------------------------------------------------------------- what is shown

    def shown(self) -> dict[str, site.Shown]:
        """What may be shown of each concept that was evaluated."""
        return site.shown_of(self.store, self.concepts.concepts)

    def collections_shown(self, shown: Mapping[str, site.Shown]) -> dict[str, site.ShownCollection]:
        """What may be shown of each collection that was evaluated, beside what is shown of concepts."""
        return site.collections_shown(self.store, self.concepts, shown)

    def removed_from_site(self) -> list[str]:
        """The concepts that the site shows and the file no longer has."""
        return site.removed_from_site(self.store.current(GALLERY_SITE.name, ALL), self.slugs)
