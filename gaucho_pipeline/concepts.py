"""What people write in `concepts.yaml`, as frozen models that check it, and one specification for each stage.

The file itself, with its lines, defaults and messages, is read in `concepts_file.py`. The keys of a source stand with the source, those of
the filters with the filters. What a specification makes out of date is in `pipeline.py`; what a stage does with it is in the stage.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from gaucho_pipeline.canonical import digest, file_digest, weights_digest
from gaucho_pipeline.crawl.registry import SourceSpec
from gaucho_pipeline.curation.filters import FilterSpec
from gaucho_pipeline.errors import ConfigError
from gaucho_pipeline.evaluation.scorers import ENCODERS, SCORERS
from gaucho_pipeline.families.base import Family
from gaucho_pipeline.glossary import translate
from gaucho_pipeline.image_files import images_digest
from gaucho_pipeline.plans import PLANS, Subject
from gaucho_pipeline.prompts import CONTEXT, fill_in, prior_prompts
from gaucho_pipeline.rights import DEFAULT_LICENSES, FAMILIES, license_name, parse_license
from gaucho_pipeline.samplers import SamplerName
from gaucho_pipeline.spec import Absent, Operational, Spec, Text, one_line
from gaucho_pipeline.stories import Stories

SLUG = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
EMBEDDED = "embedded"


def _one_word(text: str) -> str:
    if not re.fullmatch(r"[^\W_]+", text):
        raise ValueError("must be one word of letters and digits, without spaces or signs")
    return text


_ARTICLE = re.compile(r"(?i)(a|an|the|o|os|as|um|uma|uns|umas|el|la|los|las|un|una)( |$)")


def _noun(text: str) -> str:
    if found := _ARTICLE.match(text):
        raise ValueError(f"must be the noun alone, without {found[1]!r} before it")
    if "{" in text or "}" in text:
        raise ValueError("must be plain words; a placeholder such as {token} stands in prompts only")
    return " ".join(text.split())


def _prompt(text: str) -> str:
    one_line(text)
    rest = fill_in(text, "", "")
    if found := re.search(r"\{[^{}]*\}?|\}", rest):
        raise ValueError(f"unknown placeholder {found[0][:40]}; there are {{token}} and {{class_noun}}")
    if "{token}" not in text:
        raise ValueError("must hold {token}, or it does not ask for the concept")
    return text


Prompt = Annotated[str, AfterValidator(_prompt)]


class Name(Spec):
    """The concept's name as people read it."""

    pt: Text = Field(description="Name in Portuguese")
    en: Text | None = Field(None, description="Name in English")


class CrawlSpec(Spec):
    """What to gather for a concept."""

    licenses: tuple[str, ...] = Field(
        DEFAULT_LICENSES, min_length=1, description=f"Licences that may be fetched: {', '.join(FAMILIES)}, or single ones such as cc-by-4.0"
    )
    max_images: int = Field(200, ge=1, le=100_000, description="The most images to gather, shared fairly among the sources")
    max_bytes: int = Field(2_000_000_000, ge=1, description="The most bytes to gather, of all images together")
    max_image_bytes: int = Field(30_000_000, ge=1, le=1_000_000_000, description="The largest image to take, in bytes")
    timeout: float = Field(60, gt=0, le=600, description="Seconds that one answer may take")
    media_hosts: tuple[str, ...] = Field((), description="Further hosts that images may come from; .example.org stands for all below it")
    exclude: tuple[Text, ...] = Field((), description="False friends: what has these words in its title, category or tags is left out")
    sources: tuple[SourceSpec, ...] = Field(min_length=1, description="Where to look, in this order")

    @field_validator("licenses")
    @classmethod
    def _are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(license_name(name) for name in value)


class ModelSpec(Spec):
    """A model that is used beside the base model, pinned."""

    model: Text = Field(description="'embedded', a folder, or a hub id")
    revision: str | None = Field(None, description="Commit of the hub's model; required for a hub id")

    @model_validator(mode="after")
    def _is_pinned(self) -> Self:
        check_pinned(self.model, self.revision)
        return self


class Relevance(ModelSpec):
    """Judging by a text-image model whether a picture shows the concept."""

    model: Text = Field(description="'embedded', a folder, or a hub id of a CLIP or SigLIP model")
    positive_prompts: tuple[Text, ...] = Field(min_length=1, description="What a picture of the concept shows, in words")
    negative_prompts: tuple[Text, ...] = Field(
        ("a document", "a map", "a slide with text", "a screenshot", "a drawing"), min_length=1, description="What other pictures show"
    )
    threshold: float = Field(0.5, ge=0, le=1, description="Least probability that it shows the concept")


class Captioner(ModelSpec):
    """A model that describes pictures in words."""

    model: Text = Field(description="A folder, or a hub id of an image-to-text model such as BLIP")


class Context(ModelSpec):
    """What captions say of a picture beside the concept, chosen by a text-image model, so that it is not learned as part of it."""

    model: Text = Field(description="'embedded', a folder, or a hub id of a CLIP or SigLIP model")
    medium: tuple[Text, ...] = Field(CONTEXT["medium"], min_length=1, description="What it is: a photo, an oil painting")
    place: tuple[Text, ...] = Field(CONTEXT["place"], description="Where: on the grass; none: nothing is said of it")
    light: tuple[Text, ...] = Field(CONTEXT["light"], description="When, or in what light: by night")
    view: tuple[Text, ...] = Field(CONTEXT["view"], description="How it is seen: close up")
    threshold: float = Field(0.5, ge=0, le=1, description="A phrase is said where it is at least this probable among those of its list")


class CurationSpec(FilterSpec):
    """What an image must be to be worth training on."""

    max_side: int = Field(1536, ge=64, le=8192, description="Longer images are made smaller, to this longest side in pixels")
    relevance: Relevance | None = Field(None, description="Judging by a text-image model whether a picture shows the concept")
    near_duplicate_distance: int = Field(7, ge=0, le=15, description="Hashes this many bits apart are compared more closely")
    near_duplicate_correlation: float = Field(0.92, gt=0, le=1, description="Pictures that correlate so much are copies of one another")
    captions: Literal["prompt", "title", "model", "context"] = Field(
        "prompt", description="prompt: token and class noun; title: and the title; model: a captioner's; context: and place, light, view"
    )
    captioner: Captioner | None = Field(None, description="The model that writes captions, for captions: model")
    context: Annotated[Context | None, Absent(None)] = Field(None, description="What chooses place, light and view, for captions: context")
    overrides: Path | None = Field(None, description="The curator's overrides.csv; relative to the file that names it")
    min_images: int = Field(4, ge=2, description="With fewer left, training does not start")
    max_images: int = Field(60, ge=2, le=10_000, description="The most images to keep, the most varied ones")

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.max_images < self.min_images:
            raise ValueError(f"max_images ({self.max_images}) is less than min_images ({self.min_images})")
        if (self.captions == "model") != (self.captioner is not None):
            raise ValueError("captions: model and captioner go together")
        if (self.captions == "context") != (self.context is not None):
            raise ValueError("captions: context and context go together")
        return self


def check_pinned(model: str, revision: str | None) -> None:
    """Raises ValueError for what names no model, or one of a hub without its commit."""
    if not model.isprintable():
        raise ValueError("the model's name holds a sign that cannot be printed")
    if model == EMBEDDED or model.startswith((".", "/", "~")):
        return
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", model):
        raise ValueError(f"{model!r} is neither 'embedded', a folder (./…) nor a hub id (owner/name)")
    if not revision or not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise ValueError("revision: a hub model must be pinned by its commit (40 hex digits)")


class ClassImages(Spec):
    """Images of the class, for `prior: class_images`: the user's own, with their rights, or generated by the base model."""

    count: int = Field(100, ge=1, le=10_000, description="How many; of a folder, at most so many")
    folder: Path | None = Field(None, description="The user's own images of the class; absent: the base model generates them, once")
    license: Text | None = Field(None, description="Licence of the folder's images")
    author: Text | None = Field(None, description="Author of the folder's images")
    source: Text | None = Field(None, description="Where the folder's images are from")
    num_inference_steps: int = Field(25, ge=1, le=200, description="Denoising steps of generated ones")
    guidance_scale: float = Field(6.0, ge=0, le=30, description="Classifier-free guidance of generated ones")

    @field_validator("license")
    @classmethod
    def _may_be_used(cls, value: str | None) -> str | None:
        if value and (verdict := parse_license(value)).family is None:
            raise ValueError(verdict.reason)
        return value

    @model_validator(mode="after")
    def _has_rights(self) -> Self:
        if self.folder and not (self.license and self.author and self.source):
            raise ValueError("the images of a folder need license, author and source")
        return self


_STUDIED_ALIKE = (
    "study", "method", "base_model", "revision", "quantization", "class_images", "validation_fraction", "validation_noises", "seed",
    "resolution", "further_resolutions", "aspect_buckets", "crops", "random_flip",
)  # fmt: skip
"""What a study's trials share: how they are taught and stored, what they are measured on, and what is encoded once for all of them."""


class TrainingSpec(Spec):
    """How the concept is taught. Rank, alpha and rate belong together: the strength is rate x alpha / rank."""

    method: Literal["lora", "dreambooth"] = Field(
        "lora", description="lora: a low-rank adapter, the base model stays as it is; dreambooth: all weights of the denoiser learn"
    )
    base_model: Text = Field(EMBEDDED, description="'embedded', a folder, or a hub id such as owner/name")
    revision: str | None = Field(None, description="Commit of the hub's model; required for a hub id")
    quantization: Annotated[Literal["nf4"] | None, Absent(None)] = Field(
        None, description="nf4: the base model's denoiser in four bits, for cards that it does not fit (the extra bitsandbytes; lora only)"
    )
    resolution: int | None = Field(None, ge=32, le=2048, multiple_of=8, description="Side in pixels; the model's own if absent")
    further_resolutions: Annotated[tuple[int, ...], Absent(())] = Field((), description="Sides that images are learned from at, too")
    aspect_buckets: Annotated[bool, Absent(False)] = Field(
        True, description="Images keep about their shape, at as many pixels as the square of the resolution; false: their middle square"
    )
    crops: Annotated[int, Absent(1)] = Field(
        1, ge=1, le=8, description="Views of each image: the whole one, and with more than one also cuts at random places"
    )
    rank: int = Field(16, ge=1, le=256, description="Rank of the adapter")
    alpha: float | None = Field(None, gt=0, description="Strength of the adapter; equal to rank if absent")
    target_modules: Literal["attention", "attention_ff", "all"] | tuple[Text, ...] = Field(
        "attention_ff",
        description="What is adapted: attention; feed-forward and projections too; convolutions and time embedding too; or modules by name",
    )
    train_text_encoder: Annotated[bool, Absent(False)] = Field(False, description="Whether the text encoders learn, too (SD 1, 2 and XL)")
    text_encoder_learning_rate: Annotated[float | None, Absent(None)] = Field(
        None, gt=0, le=0.1, description="Their own rate; learning_rate if absent"
    )
    learning_rate: Annotated[float, Field(gt=0, le=0.1)] | Literal["find"] = Field(
        1e-4, description="The optimiser's rate; find: a short range test says"
    )
    optimizer: Annotated[Literal["adamw", "adamw_8bit"], Absent("adamw")] = Field(
        "adamw", description="adamw; adamw_8bit takes a quarter of its memory (the extra bitsandbytes, on a GPU)"
    )
    betas: Annotated[tuple[float, float], Absent((0.9, 0.999))] = Field((0.9, 0.999), description="AdamW's decay of its two averages")
    weight_decay: Annotated[float, Absent(1e-2)] = Field(1e-2, ge=0, le=1, description="AdamW's weight decay")
    max_grad_norm: Annotated[float | None, Absent(1.0)] = Field(1.0, gt=0, description="Gradients are clipped to this norm; null: never")
    lr_scheduler: Annotated[Literal["cosine", "linear", "constant"], Absent("cosine")] = Field(
        "cosine", description="How the rate falls after the warm-up"
    )
    lr_floor: Annotated[float, Absent(0.1)] = Field(0.1, ge=0, le=1, description="The share of the rate that it falls to")
    lr_warmup: Annotated[float, Absent(0.05)] = Field(0.05, ge=0, lt=1, description="Share of the steps over which the rate rises")
    ema_decay: Annotated[float | None, Absent(None)] = Field(
        None, gt=0, lt=1, description="Keeps the exponential moving average of the weights with this decay; absent: the weights"
    )
    batch_size: int = Field(4, ge=1, le=64, description="Images in a step")
    epochs: int = Field(120, ge=1, le=10_000, description="How often each image is seen")
    max_steps: Annotated[int | None, Absent(None)] = Field(None, ge=1, le=1_000_000, description="Steps to train; by epochs if absent")
    prior: Annotated[Literal["self", "class_images"], Absent("self")] = Field(
        "self",
        description="What keeps the model as it was: self, its own predictions; class_images, images of the class (arXiv 2208.12242)",
    )
    class_images: Annotated[ClassImages | None, Absent(None)] = Field(None, description="The images of the class, for that prior")
    prior_loss_weight: float = Field(1.0, ge=0, le=10, description="Weight of staying the base model on prompts without the token")
    caption_dropout: Annotated[float, Absent(0.0)] = Field(0.0, ge=0, lt=1, description="Share of images that are shown without a caption")
    min_snr_gamma: float | None = Field(5.0, gt=0, description="Min-SNR weighting (arXiv 2303.09556); null for none")
    validation_fraction: float = Field(0.2, gt=0, lt=0.9, description="Share of the images kept for measuring only")
    validation_steps: Annotated[int | None, Absent(50)] = Field(
        None, ge=1, description="Steps between two measurements of the validation loss; absent: as often as a tenth of the time allows"
    )
    validation_noises: Annotated[int, Absent(8)] = Field(
        8, ge=1, le=32, description="Noises, from little to much, under which each image is measured"
    )
    keep_best: Annotated[bool, Absent(True)] = Field(True, description="Keep the weights of the lowest validation loss; false: the last")
    early_stopping: Annotated[bool, Absent(False)] = Field(
        True, description="End where a third of the steps has moved nothing, or the best is a third of the steps ago"
    )
    random_flip: bool = Field(False, description="Show each image mirrored half of the time")
    study: Annotated[dict[str, tuple[Any, ...]] | None, Absent(None)] = Field(
        None, description="Keys of this part with the values to try: each combination is trained, the best is kept"
    )
    seed: int = Field(7, ge=0, le=2**31 - 1, description="Seed of every draw")
    pinned: Annotated[str | None, Operational()] = Field(
        None, pattern="^[0-9a-f]{32}$", description="Fingerprint of a checkpoint that stands: it is kept, whatever else changes"
    )
    micro_batch: Annotated[Literal["auto"] | Annotated[int, Field(ge=1, le=64)], Operational()] = Field(
        "auto", description="Images that are computed at once; auto: as many as fit into memory. Changes no result"
    )
    gradient_checkpointing: Annotated[bool | None, Operational()] = Field(
        None, description="Compute parts twice to save memory; absent: where it is needed. Changes no result"
    )
    compile: Annotated[bool, Operational()] = Field(False, description="Compile the denoiser first (torch.compile): worth it for long runs")
    channels_last: Annotated[bool, Operational()] = Field(False, description="Keep images' channels last in memory, for GPUs")
    save_minutes: Annotated[float, Operational()] = Field(2, gt=0, description="Minutes between two states that a killed run goes on from")

    @model_validator(mode="after")
    def _is_pinned(self) -> Self:
        check_pinned(self.base_model, self.revision)
        return self

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.class_images and self.prior != "class_images":
            raise ValueError("class_images goes with prior: class_images")
        if self.quantization and self.method != "lora":
            raise ValueError("quantization goes with method: lora")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError("betas must be from 0 to 1, without 1")
        if any(side % 8 or not 32 <= side <= 2048 for side in self.further_resolutions):
            raise ValueError("further_resolutions must be multiples of 8 from 32 to 2048")
        return self

    @model_validator(mode="after")
    def _can_be_studied(self) -> Self:
        for name, values in (self.study or {}).items():
            if name in _STUDIED_ALIKE or name not in type(self).model_fields:
                raise ValueError(f"study: {name} is no key of training that can be tried")
            if not values or len({str(value) for value in values}) < len(values):
                raise ValueError(f"study: {name} needs values, each once")
        if self.study is not None and not 2 <= len(self.trials()) <= 24:
            raise ValueError("study: tries 2 to 24 combinations")
        return self

    @property
    def effective_alpha(self) -> float:
        return self.alpha if self.alpha is not None else float(self.rank)

    def trials(self) -> list[tuple[dict[str, Any], Self]]:
        """What a study tries, each with its own values: every combination; without a study, this alone."""
        if not self.study:
            return [({}, self)]
        combinations = [dict(zip(self.study, values, strict=True)) for values in itertools.product(*self.study.values())]
        own = {name: getattr(self, name) for name in self.model_fields_set if name != "study"}
        return [(combination, type(self).model_validate(own | combination)) for combination in combinations]

    def for_family(self, family: type[Family]) -> Self:
        """The same with what a family recommends where nobody has set a key, and with the modules that `target_modules` names.

        Raises ConfigError if the family has no modules of that name, or no pictures of that resolution.
        """
        found = self.with_recommended(family.recommended["training"] | family.recommended.get(self.method, {}))
        for side in (found.resolution, *found.further_resolutions):
            if side and side % family.pixel_multiple:
                raise ConfigError(f"training.resolution: {family.pipeline_class} takes multiples of {family.pixel_multiple}")
        name = found.target_modules
        if isinstance(name, str) and name not in family.target_modules:
            known = ", ".join(family.target_modules)
            raise ConfigError(f"training.target_modules: {family.pipeline_class} has {known}, or modules by name; not {name!r}")
        if found.train_text_encoder and not family.trainable_text_encoders:
            raise ConfigError(f"training.train_text_encoder: the text encoders of {family.pipeline_class} are not trained here")
        modules = family.target_modules[name] if isinstance(name, str) else name
        return found.model_copy(update={"target_modules": modules})


class GallerySpec(Spec):
    """What to generate, with the base model and with the tuned one."""

    plan: str = Field("heritage", description=f"The prompts to use where none are given: {', '.join(PLANS)}")
    prompts: tuple[Prompt, ...] = Field((), max_length=200, description="Prompts with {token} and {class_noun}")
    language: Annotated[Literal["en", "pt"], Absent("en")] = Field(
        "en", description="pt: the prompts are Portuguese, and pass through a glossary where the base model reads English only"
    )
    glossary: Annotated[dict[Text, Text], Absent({})] = Field(
        default_factory=dict, description="Further Portuguese words and what they are in English"
    )
    translate: Annotated[bool, Absent(True)] = Field(
        True, description="Whether Portuguese prompts are put into English; absent: where the base model reads English only"
    )
    class_pictures: Annotated[bool, Absent(False)] = Field(
        True, description="Also draw the class noun alone, which shows what else was changed"
    )
    seeds: tuple[Annotated[int, Field(ge=0, le=2**31 - 1)], ...] = Field(
        (1, 2, 3, 4), min_length=1, max_length=64, description="One picture for each"
    )
    num_inference_steps: int = Field(25, ge=1, le=200, description="Denoising steps")
    guidance_scale: float = Field(6.0, ge=0, le=30, description="Classifier-free guidance")
    negative_prompt: str = Field("", max_length=2000, description="What not to generate")
    sampler: Annotated[SamplerName | None, Absent(None)] = Field(
        None, description="The sampler, for Stable Diffusion 1, 2 and XL; the base model's own if absent"
    )
    size: Annotated[int | None, Absent(None)] = Field(
        None, ge=32, le=2048, multiple_of=8, description="Side of the pictures in pixels; that of training if absent"
    )
    visible_label: Annotated[bool, Absent(False)] = Field(False, description="Write on each picture that it was generated")
    batch_size: Annotated[int, Operational()] = Field(
        8, ge=1, le=64, description="Pictures at once; halved where memory runs out. Changes no result"
    )

    @field_validator("plan")
    @classmethod
    def _is_a_plan(cls, value: str) -> str:
        if value not in PLANS:
            raise ValueError(f"there is no plan of that name; there are {', '.join(PLANS)}")
        return value

    @field_validator("seeds", "prompts")
    @classmethod
    def _are_distinct(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(value)) != len(value):
            raise ValueError("the same one stands twice")
        return value

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.language == "pt" and not self.prompts:
            raise ValueError("language: pt goes with prompts; the plans are English")
        if self.glossary and self.language != "pt":
            raise ValueError("glossary goes with language: pt")
        return self

    def with_prompts(self, subject: Subject | None) -> GallerySpec:
        """The same with the prompts that its plan has for a kind of subject, where it lists none."""
        return self if self.prompts else self.model_copy(update={"prompts": PLANS[self.plan](subject)})

    def for_model(self, prompt: str) -> tuple[str, list[str]]:
        """What the base model reads of a prompt, and the words of it that the glossary does not hold."""
        return self.in_english(prompt) if self.translate else (prompt, [])

    def in_english(self, prompt: str) -> tuple[str, list[str]]:
        """A prompt in English, and the words of it that the glossary does not hold."""
        return translate(prompt, self.glossary) if self.language == "pt" else (prompt, [])

    def identity(self) -> dict[str, Any]:
        found = super().identity()
        del found["plan"]  # its prompts stand for it
        if self.language == "pt":
            found["read_prompts"] = [[self.for_model(prompt)[0], self.in_english(prompt)[0]] for prompt in self.prompts]
            found.pop("glossary", None)  # what it makes of them stands for it
        return found


class EncoderSpec(ModelSpec):
    """A model that turns pictures into vectors, which figures compare."""


class LookAlikes(Spec):
    """What might be taken for the concept: a picture should lie nearer to the concept than to these."""

    folder: Path | None = Field(None, description="A folder of images")
    concepts: tuple[Text, ...] = Field((), description="Other concepts of this file, whose curated images are taken")

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Self:
        if (self.folder is None) == (not self.concepts):
            raise ValueError("name either a folder or concepts")
        return self


class EvaluationSpec(Spec):
    """How what was drawn and trained is scored. Which encoders are used by default depends on the base model."""

    scorers: tuple[str, ...] = Field(tuple(SCORERS), description=f"The figures: {', '.join(SCORERS)}")
    clip: EncoderSpec | None = Field(None, description="A CLIP or SigLIP, for what compares pictures with words; null: none")
    dinov2: EncoderSpec | None = Field(None, description="A DINOv2, which knows one subject from another of its kind; null: none")
    dino: EncoderSpec | None = Field(None, description="The DreamBooth paper's DINO ViT-S/16; null: none")
    copy_detector: Path | None = Field(None, description="A TorchScript file that detects copies, such as SSCD, which is non-commercial")
    look_alikes: LookAlikes | None = Field(
        None, description="What might be taken for the concept; absent: what the base model draws of the class noun"
    )
    thresholds: dict[str, float] = Field(
        default_factory=dict, description="By scorer: what the tuned figure must at least be, or at most where lower is better"
    )
    block: bool = Field(False, description="Whether a figure beyond its threshold keeps the concept off the site, and is no mere warning")

    @field_validator("scorers", "thresholds")
    @classmethod
    def _are_known(cls, value: Any) -> Any:
        if unknown := [name for name in value if name not in SCORERS]:
            raise ValueError(f"there is no scorer {', '.join(unknown)}; there are {', '.join(SCORERS)}")
        return value

    @model_validator(mode="after")
    def _are_asked_for(self) -> Self:
        if strangers := [name for name in self.thresholds if name not in self.scorers]:
            raise ValueError(f"thresholds: {', '.join(strangers)} is not among the scorers")
        return self

    def encoders(self) -> dict[str, EncoderSpec | None]:
        """The encoders by kind."""
        return {kind: getattr(self, kind) for kind in ENCODERS}


class SequenceSpec(Stories):
    """What is to unfold in time, and how it is drawn. What is not set here is as in the gallery's recommendation."""

    method: Literal["storyboard", "animatediff", "video"] | None = Field(
        None, description="storyboard: frames that look at one another; animatediff: a motion adapter (SD 1.5); video; absent: the family's"
    )
    motion_adapter: ModelSpec | None = Field(None, description="The motion adapter, for animatediff")
    num_inference_steps: int = Field(25, ge=1, le=200, description="Denoising steps")
    guidance_scale: float = Field(6.0, ge=0, le=30, description="Classifier-free guidance")
    negative_prompt: str = Field("", max_length=2000, description="What not to draw")
    size: int | None = Field(None, ge=32, le=2048, multiple_of=8, description="Side of the frames in pixels; that of training if absent")
    visible_label: bool = Field(False, description="Write on each frame that it was generated")
    clip: EncoderSpec | None = Field(None, description="A CLIP or SigLIP, for what compares frames with words; null: none")
    dinov2: EncoderSpec | None = Field(None, description="A DINOv2, for what compares frames with images; null: none")
    batch_size: Annotated[int, Operational()] = Field(
        8, ge=1, le=64, description="Frames at once, of a storyboard; halved where memory runs out. Changes no result"
    )

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.motion_adapter and self.method not in (None, "animatediff"):
            raise ValueError("motion_adapter goes with method: animatediff")
        if self.method == "animatediff" and not self.motion_adapter:
            raise ValueError("method: animatediff needs a motion_adapter")
        return self

    def for_family(self, family: type[Family]) -> Self:
        """The same with what a family recommends where nobody has set a key. Raises ConfigError if the family cannot draw it."""
        if not family.sequence_methods:
            raise ConfigError(f"sequence: {family.pipeline_class} draws single pictures only; take a Stable Diffusion or Wan as base_model")
        method = self.method or ("animatediff" if self.motion_adapter else family.sequence_methods[0])
        if method not in family.sequence_methods:
            raise ConfigError(f"sequence.method: {family.pipeline_class} has {', '.join(family.sequence_methods)}; not {method!r}")
        if self.size and self.size % family.pixel_multiple:
            raise ConfigError(f"sequence.size: {family.pipeline_class} takes multiples of {family.pixel_multiple}")
        encoders = {kind: EncoderSpec(**keys) for kind, keys in family.encoders.items() if kind in SEQUENCE_ENCODERS}
        recommended = family.recommended["gallery"] | family.recommended.get("sequence", {})
        return self.with_recommended(recommended | encoders).model_copy(update={"method": method})

    def encoders(self) -> dict[str, EncoderSpec | None]:
        """The encoders by kind."""
        return {kind: getattr(self, kind) for kind in SEQUENCE_ENCODERS}


SEQUENCE_ENCODERS = ("clip", "dinov2")
"""The kinds of encoders that a sequence's figures need, of those of an evaluation."""


class Concept(Spec):
    """One thing to teach, with a part for each stage."""

    name: Name | None = Field(None, description="Names for people; the slug if absent")
    description: str = Field("", description="A sentence about it")
    token: Annotated[Text, AfterValidator(_one_word)] = Field(description="The made-up word that will stand for it")
    class_noun: Annotated[Text, AfterValidator(_noun)] = Field(description="The plain English noun of what it is: drink, tree, person")
    subject: Subject | None = Field(None, description="What kind of subject it is, which says what prompts suit it: thing, person, …")
    historical: bool = Field(False, description="Whether it is of the past, so that every picture of it is imagined and says so")
    crawl: CrawlSpec = Field(description="What to gather")
    curation: CurationSpec = Field(default_factory=CurationSpec, description="What to keep")
    training: TrainingSpec = Field(default_factory=TrainingSpec, description="How to learn it")
    gallery: GallerySpec = Field(default_factory=GallerySpec, description="What to generate")
    evaluation: EvaluationSpec = Field(default_factory=EvaluationSpec, description="How it is scored")
    sequence: SequenceSpec | None = Field(None, description="What of it is to unfold in time; absent: nothing")

    @model_validator(mode="after")
    def _has_a_word_of_its_own(self) -> Self:
        if self.token.casefold() in self.class_noun.casefold().split():
            raise ValueError(f"token: {self.token!r} is the class noun itself; choose a made-up word, such as chmrr")
        return self

    def asks_for(self, part: str) -> bool:
        """Whether the concept has this part: every one but a sequence, which is drawn where it is asked for."""
        return getattr(self, part) is not None

    def part(self, name: str) -> Spec:
        """A stage's own keys, with the prompts that a plan stands for. Raises ConfigError where the concept does not ask for it."""
        if not self.asks_for(name):
            raise ConfigError(f"the concept asks for no {name}; name a story under {name}: in the concepts file")
        found: Spec = self.gallery.with_prompts(self.subject) if name == "gallery" else getattr(self, name)
        return found

    def for_family(self, family: type[Family]) -> Concept:
        """The concept as it is on a base model of a family: see `TrainingSpec.for_family`. Raises ConfigError where it cannot be."""
        gallery = self.gallery.with_recommended(family.recommended["gallery"])
        if gallery.sampler and family.denoiser != "unet":
            raise ConfigError(f"gallery.sampler: {family.pipeline_class} has one sampler, its own")
        if gallery.size and gallery.size % family.pixel_multiple:
            raise ConfigError(f"gallery.size: {family.pipeline_class} takes multiples of {family.pixel_multiple}")
        gallery = gallery.with_recommended({"translate": not family.reads_portuguese})
        encoders = {kind: EncoderSpec(**keys) for kind, keys in family.encoders.items()}
        scorers = tuple(name for name, scorer in SCORERS.items() if scorer.encoder in (None, *encoders))
        evaluation = self.evaluation.with_recommended({**encoders, "scorers": scorers})
        parts = {"training": self.training.for_family(family), "gallery": gallery, "evaluation": evaluation}
        return self.model_copy(update=parts | ({"sequence": self.sequence.for_family(family)} if self.sequence else {}))

    def spec(self, part: str) -> dict[str, Any]:
        """A stage's whole specification as a JSON value: all keys of its part, and of the concept what the stage uses."""
        return self.part(part).model_dump(mode="json") | self._shared(part)

    def resolved_spec(self, part: str) -> dict[str, Any]:
        """What makes a stage's specification another one: names resolved, without keys at their absent value."""
        found = self.part(part).identity() | self._shared(part)
        if part == "training" and self.training.prior_loss_weight:
            found["prior_prompts"] = prior_prompts(self.class_noun)
        return found

    def _shared(self, part: str) -> dict[str, Any]:
        value: dict[str, Any] = {}
        if part == "curation" and self.curation.context:
            value["class_noun"] = self.class_noun
        if part in ("training", "gallery", "sequence"):
            value |= {"token": self.token, "class_noun": self.class_noun}
        if part in ("gallery", "sequence") and self.historical:
            value["historical"] = True
        return value

    def for_pages(self) -> dict[str, Any]:
        """What pages say of it: names, description, the words it answers to, and whether it is of the past."""
        name = self.name.model_dump() if self.name else {"pt": None, "en": None}
        return {"name": name, "description": self.description, "token": self.token, "class_noun": self.class_noun} | (
            {"historical": True} if self.historical else {}
        )

    def spec_version(self, part: str) -> str:
        """The data version of a stage's specification; the files that it names are part of it."""
        files = [path for source in self.crawl.sources for path in source.spec.paths] if part == "crawl" else []
        files += [self.curation.overrides] if part == "curation" and self.curation.overrides else []
        files += [images.folder] if part == "training" and (images := self.training.class_images) and images.folder else []
        if part == "evaluation":
            files += [self.evaluation.copy_detector] if self.evaluation.copy_detector else []
            files += [alike.folder] if (alike := self.evaluation.look_alikes) and alike.folder else []
        asked: list[ModelSpec | None] = []
        if part == "curation":
            asked = [self.curation.relevance, self.curation.captioner, self.curation.context]
        elif part == "evaluation":
            asked = list(self.evaluation.encoders().values())
        elif part == "sequence" and self.sequence:
            asked = [self.sequence.motion_adapter, *self.sequence.encoders().values()]
        models = [spec.model for spec in asked if spec]
        found = {"spec": self.resolved_spec(part), "files": [_content(path) for path in files]}
        weights = {model: weights_digest(Path(model)) for model in models if Path(model).is_absolute()}
        return digest(found | ({"weights": weights} if weights else {}))


def _content(path: Path) -> str | None:
    return images_digest(path) if path.is_dir() else file_digest(path) if path.is_file() else None


class RetentionSpec(Spec):
    """How long what nothing needs any more is kept; `gaucho gc` and the schedule `clean_every_week` read it."""

    keep: int = Field(2, ge=1, le=1000, description="Artifacts of each asset and concept that stay, the latest first")
    days: int = Field(30, ge=0, le=36_500, description="Age in days from which other artifacts, caches and half-made things go")
    history_days: int = Field(180, ge=1, le=36_500, description="Age in days from which Dagster's runs go, but for each partition's last")


class Concepts(Spec):
    """The whole file."""

    retention: RetentionSpec = Field(default_factory=RetentionSpec, description="How long what nothing needs any more is kept")
    defaults: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Keys of the stages, for all concepts")
    concepts: dict[str, Concept] = Field(min_length=1, description="Concepts by slug")
