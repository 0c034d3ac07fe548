"""The model card of a checkpoint, README.md: how to use what was learned, how well it was learned, its limits, and whom to credit.

Its head is what model hubs read (https://huggingface.co/docs/hub/model-cards); the rest is for people, in English, with what it says in
sentences once more in Portuguese.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gaucho_pipeline.assets.metrics import CheckpointMetrics
from gaucho_pipeline.assets.rows import Credit
from gaucho_pipeline.concepts.gallery import GallerySpec
from gaucho_pipeline.concepts.training import TrainingSpec
from gaucho_pipeline.errors import _
from gaucho_pipeline.families import Family
from gaucho_pipeline.language.terminal import reader
from gaucho_pipeline.methods import METHODS
from gaucho_pipeline.prompts.templates import ConceptWords, instance_prompt
from gaucho_pipeline.rights.credits import credits_section, plain_markdown
from gaucho_pipeline.rights.model_licenses import ModelLicense, license_of

_LOSS_FELL = {
    "yes": _("The loss on images that it never learned from fell beyond chance. That may be by colours and light: look at the pictures."),
    "no": _("Nothing worth the name was learned: the loss on images that it never learned from did not fall beyond chance."),
    "unclear": _("Whether it fell is unclear: part of the interval is no gain, or there are too few images to say."),
}
_GENERATED = _("Every picture that is made with it is generated, and should say so.")
_QUANTIZED = {
    "nf4": _("The base model's denoiser was in four bits (nf4) while this was trained."),
    "int8": _("The base model was in eight bits (int8) while this was trained."),
}


@dataclass(frozen=True)
class CardSubject:
    """What a card is about."""

    slug: str
    title: str
    words: ConceptWords
    spec: TrainingSpec
    family: type[Family]
    metrics: CheckpointMetrics
    credited: Sequence[Credit]
    """Of the training images."""
    consent: str = ""
    """What a living person has agreed to."""


@dataclass(frozen=True)
class CollectionCard:
    """What the card of a collection is about."""

    slug: str
    title: str
    concepts: Mapping[ConceptWords, CheckpointMetrics]
    """What was measured of each."""
    spec: TrainingSpec
    family: type[Family]
    credited: Sequence[Credit]
    """Of the training images of all concepts."""
    consent: str = ""
    """What the people and communities of its concepts have agreed to."""


def collection_card(about: CollectionCard) -> str:
    """The card of an adapter that knows the tokens of several concepts, as Markdown."""
    spec, method, license_ = _without_paths(about.spec), METHODS[about.spec.method], license_of(about.spec.base_model)
    words, metrics = next(iter(about.concepts.items()))
    tokens = "\n".join(f"- **{own.token} {own.class_noun}**" for own in about.concepts)
    images = sum(each.train_images for each in about.concepts.values())
    measured = "\n\n".join(
        f"### {own.token} {own.class_noun}\n\n{' '.join(_fell(each))}\n\n{_loss_table(each)}" for own, each in about.concepts.items()
    )
    opening = _(
        "What {base_model} learned of {count} concepts together, by {method}: one file that draws each where its two words are written.",
        base_model=f"`{spec.base_model}`",
        count=len(about.concepts),
        method=method.title,
    )
    limits = _limits(spec, images, license_, about.consent)
    fell = [" ".join((f"**{own.token} {own.class_noun}**:", *_in_portuguese(_fell(each)))) for own, each in about.concepts.items()]
    sections = [
        _head(about.slug, words, spec),
        f"# {plain_markdown(about.title or about.slug)}\n\n{opening}\n\n{tokens}\n\n{_GENERATED}",
        _use(about.slug, words, spec, about.family),
        f"## What was measured\n\n{measured}\n\n![Loss over the steps](losses.png)\n\n{_took(metrics)}",
        _limits_section(limits),
        _portuguese_section([opening, _GENERATED], fell, limits),
        credits_section([row.model_dump() for row in about.credited]),
        "## Specification\n\n```json\n" + json.dumps(spec.identity(), ensure_ascii=False, indent=1) + "\n```",
    ]
    return "\n\n".join(sections) + "\n"


def model_card(about: CardSubject) -> str:
    """The card as Markdown. Of folders of this machine their names alone are in it."""
    slug, title, words, family, metrics = about.slug, about.title, about.words, about.family, about.metrics
    license_, method = license_of(about.spec.base_model), METHODS[about.spec.method]
    spec = _without_paths(about.spec)
    opening = _(
        "What {base_model} learned of it, by {method}: write {token} where it is to be drawn.",
        base_model=f"`{spec.base_model}`",
        method=method.title,
        token=f"**{words.token} {words.class_noun}**",
    )
    limits = _limits(spec, metrics.train_images, license_, about.consent)
    sections = [
        _head(slug, words, spec),
        f"# {plain_markdown(title or slug)}\n\n{opening} {_GENERATED}",
        _use(slug, words, spec, family),
        _measured(metrics),
        _limits_section(limits),
        _portuguese_section([opening, _GENERATED], [" ".join(_in_portuguese(_fell(metrics)))], limits),
        credits_section([row.model_dump() for row in about.credited]),
        "## Specification\n\n```json\n" + json.dumps(spec.identity(), ensure_ascii=False, indent=1) + "\n```",
    ]
    return "\n\n".join(sections) + "\n"


def _without_paths(spec: TrainingSpec) -> TrainingSpec:
    changes: dict[str, Any] = {"base_model": Path(spec.base_model).name} if spec.base_model.startswith("/") else {}
    if (images := spec.class_images) and images.folder:
        changes["class_images"] = images.model_copy(update={"folder": Path(images.folder.name)})
    return spec.model_copy(update=changes)


def _head(slug: str, words: ConceptWords, spec: TrainingSpec) -> str:
    value = {
        "library_name": "diffusers",
        "pipeline_tag": "text-to-image",
        "tags": ["text-to-image", spec.method],
        "instance_prompt": instance_prompt(words),
        "license": "other",
        "license_name": "as-the-base-model-and-the-images",
        "license_link": "#limits-and-what-the-result-can-bear",
    } | ({} if "/" not in spec.base_model else {"base_model": spec.base_model})
    return f"---\n{yaml.safe_dump(value, allow_unicode=True, sort_keys=False)}---"


def _use(slug: str, words: ConceptWords, spec: TrainingSpec, family: type[Family]) -> str:
    gallery = GallerySpec().with_recommended(family.recommended.gallery)
    drawn = f"num_inference_steps={gallery.num_inference_steps}, {family.call_arguments(gallery.guidance_scale)}"
    load, elsewhere = METHODS[spec.method].how_to_load(slug, family, spec.base_model, spec.revision)
    text = f'## How to use it\n\n```python\n{load}\npipe(prompt="{instance_prompt(words)}", {drawn})[0]\n```\n\n{elsewhere}'
    return text + f" Sampler settings: {gallery.num_inference_steps} steps, guidance {gallery.guidance_scale:g}."


def _measured(metrics: CheckpointMetrics) -> str:
    picture = "![Loss over the steps](losses.png)"
    return f"## What was measured\n\n{' '.join(_fell(metrics))}\n\n{_loss_table(metrics)}\n{picture}\n\n{_took(metrics)}"


def _fell(metrics: CheckpointMetrics) -> list[str]:
    """Whether the loss fell, and how sure that is, in sentences."""
    loss = metrics.validation_loss
    sentences = [_("Did the loss fall: **{word}**.", word=metrics.loss_fell or "not known")]
    if meaning := _LOSS_FELL.get(metrics.loss_fell or ""):
        sentences.append(meaning)
    if loss.interval:
        sentences.append(_("The change is {low:.4f} to {high:.4f} (95 %).", low=loss.interval[0], high=loss.interval[1]))
    if not metrics.reported_apart:
        sentences.append(_("There were too few images to report on others than those that chose the step."))
    if metrics.ended:
        sentences.append(_("It ended before its last step: {reason}.", reason=metrics.ended))
    return sentences


def _loss_table(metrics: CheckpointMetrics) -> str:
    rows = ""
    for name, pair in (
        ("with the token", metrics.losses.validation.token),
        ("with another made-up word", metrics.losses.validation.other_token),
        ("with the class noun alone", metrics.losses.validation.class_noun),
        ("on training images, with the token", metrics.losses.train.token),
    ):
        rows += f"| {name} | {pair.base:.4f} | {pair.tuned:.4f} |\n"
    return f"| loss | base model | tuned |\n| --- | --- | --- |\n{rows}"


def _took(metrics: CheckpointMetrics) -> str:
    text = f"{metrics.steps} steps on {metrics.device}, {metrics.images_per_second:g} images/s, {metrics.peak_memory_bytes / 1e9:.1f} GB"
    if found := metrics.resources:
        text += f", {found.seconds / 60:.1f} min"
        text += f", {found.watt_hours:g} Wh" if found.watt_hours is not None else "; the device does not tell its energy"
    return text + "."


def _limits(spec: TrainingSpec, train_images: int, license_: ModelLicense, consent: str) -> list[str]:
    """What it cannot do, and what licences and people ask of whoever uses it, in sentences."""
    sentences = [
        _("It learned from {count} images: what they do not show, it invents.", count=train_images),
        _("It is no evidence of how anything looked."),
    ]
    if spec.quantization:
        sentences.append(_QUANTIZED[spec.quantization])
    named = license_.name + (f" ({license_.url})" if license_.url else "")
    sentences.append(_("The base model's licence is {license}: {conditions}.", license=named, conditions=license_.conditions))
    sentences.append(
        _("The images' licences are beside each of them; those that ask for attribution ask for it wherever this model is published.")
    )
    if consent:
        sentences.append(_("What people and communities whom it shows have agreed to: {consent}.", consent=plain_markdown(consent)))
    return sentences


def _limits_section(limits: Sequence[str]) -> str:
    return f"## Limits, and what the result can bear\n\n{' '.join(limits)}"


def _portuguese_section(opening: Sequence[str], fell: Sequence[str], limits: Sequence[str]) -> str:
    """The card's sentences in Portuguese. `fell` is in Portuguese already, a paragraph for each concept."""
    paragraphs = [" ".join(_in_portuguese(opening)), *fell, " ".join(_in_portuguese(limits))]
    return "## Em português\n\n" + "\n\n".join(paragraphs)


def _in_portuguese(sentences: Sequence[str]) -> list[str]:
    return [reader("pt").read(sentence) for sentence in sentences]
