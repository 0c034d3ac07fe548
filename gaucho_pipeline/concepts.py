"""What people write in `concepts.yaml`, as frozen models that check it, and one specification for each stage.

The file itself, with its lines, defaults and messages, is read in `concepts_file.py`. What a specification makes out of date is in
`pipeline.py`; what a stage does with it is in the stage.
"""

from __future__ import annotations

import re
import string
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from gaucho_pipeline.canonical import digest, file_digest, folder_digest
from gaucho_pipeline.rights import DEFAULT_LICENSES, FAMILIES, license_name, parse_license

SLUG = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
EMBEDDED = "embedded"
PLANS: dict[str, tuple[str, ...]] = {
    "heritage": (
        "a photo of {token} {class_noun}",
        "a photo of {token} {class_noun} on a wooden table",
        "a photo of {token} {class_noun} on the grass at sunset",
        "a painting of {token} {class_noun}",
    ),
}


class Frozen(BaseModel):
    """A model that never changes and refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _one_word(text: str) -> str:
    if not re.fullmatch(r"[^\W_]+", text):
        raise ValueError("must be one word of letters and digits, without spaces or signs")
    return text


def _prompt(text: str) -> str:
    try:
        fields = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError as error:
        raise ValueError(f"is not a prompt: {error}") from None
    if unknown := fields - {"token", "class_noun"}:
        raise ValueError(f"unknown placeholder {{{min(unknown)}}}; there are {{token}} and {{class_noun}}")
    if "token" not in fields:
        raise ValueError("must hold {token}, or it does not ask for the concept")
    try:
        text.format(token="x", class_noun="x")
    except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"is not a prompt: {error}") from None
    return text


Prompt = Annotated[str, AfterValidator(_prompt)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]


class Name(Frozen):
    """The concept's name as people read it."""

    pt: Text = Field(description="Name in Portuguese")
    en: Text | None = Field(None, description="Name in English")


def _address(value: str, default_path: str) -> str:
    """A web address; one without a path gets the API's usual path."""
    try:
        parts = urlsplit(value)
        right = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not re.search(r"\s", value)
    except ValueError:
        right = False
    if not right:
        raise ValueError("must be an http or https address")
    return value.rstrip("/") + default_path if parts.path in ("", "/") else value


def _rights(value: str | None) -> str | None:
    if value is not None and (verdict := parse_license(value)).family is None:
        raise ValueError(f"{verdict.reason}; write for example cc0-1.0, pd, cc-by-4.0 or cc-by-sa-3.0")
    return value


class CommonsSource(Frozen):
    """Files of Wikimedia Commons; exactly one of category, search and depicts: https://www.mediawiki.org/wiki/API:Main_page."""

    category: Text | None = Field(None, description="A category's name, such as Guampa")
    depth: int = Field(0, ge=0, le=5, description="How many levels of subcategories to follow")
    search: Text | None = Field(None, description="Words to search for among files")
    depicts: Text | None = Field(None, description="A Wikidata item that the files depict: its id (Q203540) or its exact name")
    endpoint: str = Field("https://commons.wikimedia.org/w/api.php", description="Address of Commons' API")
    items_endpoint: str = Field("https://www.wikidata.org/w/api.php", description="Address of Wikidata's API, which knows items by name")

    @field_validator("endpoint", "items_endpoint")
    @classmethod
    def _is_http(cls, value: str) -> str:
        return _address(value, "/w/api.php")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(way is not None for way in (self.category, self.search, self.depicts)) != 1:
            raise ValueError("must have exactly one of category, search, depicts")
        if self.depth and self.category is None:
            raise ValueError("depth goes with category only")
        return self


class INaturalistSource(Frozen):
    """Research-grade observations of a taxon: https://api.inaturalist.org/v1/docs/."""

    taxon: Text = Field(description="Scientific name, such as Leopardus guttulus")
    endpoint: str = Field("https://api.inaturalist.org/v1", description="Address of the API")

    @field_validator("endpoint")
    @classmethod
    def _is_http(cls, value: str) -> str:
        return _address(value, "/v1").rstrip("/").removesuffix("/observations")


class OpenverseSource(Frozen):
    """A search of Openverse: https://api.openverse.org/v1/ (images/ is its image search)."""

    query: Text = Field(description="What to search for")
    license: str | None = Field(None, pattern=r"[a-z0-9-]+(,[a-z0-9-]+)*", description="Licences to ask for, such as by,by-sa,cc0,pdm")
    category: Literal["photograph", "illustration", "digitized_artwork"] | None = Field(None, description="Kind of image to ask for")
    endpoint: str = Field("https://api.openverse.org/v1/images/", description="Address of the API's image search")
    page_size: int = Field(20, ge=1, le=500, description="Records asked for at once")

    @field_validator("endpoint")
    @classmethod
    def _is_http(cls, value: str) -> str:
        return _address(value, "/v1/images/")


class FolderSource(Frozen):
    """Images of one's own in a folder, with one statement of rights for all of them, or a table with a line for each."""

    path: Path = Field(description="The folder; relative to the file that names it")
    table: Path | None = Field(None, description="A CSV with the columns file, title, author, license, source")
    license: str | None = Field(None, description="Licence of every image that the table does not name, such as cc-by-4.0, cc0-1.0 or pd")
    author: Text | None = Field(None, description="Who made the images, or whom to credit")
    source: Text | None = Field(None, description="Where they come from: an address or a description")

    _is_known = field_validator("license")(_rights)

    @model_validator(mode="after")
    def _states_rights(self) -> Self:
        _check_rights(self)
        return self


class UrlsSource(Frozen):
    """Images at addresses of one's own choosing, with rights that one declares for them."""

    addresses: tuple[str, ...] = Field((), description="Addresses of images")
    table: Path | None = Field(None, description="A CSV with the columns url, title, author, license, source")
    license: str | None = Field(None, description="Licence of every image that the table does not name")
    author: Text | None = Field(None, description="Whom to credit")
    source: Text | None = Field(None, description="Where they come from: an address or a description")

    _is_known = field_validator("license")(_rights)

    @field_validator("addresses")
    @classmethod
    def _are_http(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_address(address, "/") for address in value)

    @model_validator(mode="after")
    def _states_rights(self) -> Self:
        if not self.addresses and self.table is None:
            raise ValueError("must have addresses or a table")
        _check_rights(self)
        return self


def _check_rights(source: FolderSource | UrlsSource) -> None:
    missing = [name for name in ("license", "author", "source") if getattr(source, name) is None]
    if source.table is None and missing:
        raise ValueError(f"without a table, {', '.join(missing)} must be stated for all images")


class Source(Frozen):
    """One place where images are; exactly one of the keys."""

    commons: CommonsSource | None = Field(None, description="Wikimedia Commons: a category, a search, or an item depicted")
    inaturalist: INaturalistSource | None = Field(None, description="Observations of a taxon on iNaturalist")
    openverse: OpenverseSource | None = Field(None, description="A search of Openverse")
    folder: FolderSource | None = Field(None, description="A folder of one's own")
    urls: UrlsSource | None = Field(None, description="Addresses with declared rights")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(getattr(self, name) is not None for name in type(self).model_fields) != 1:
            raise ValueError(f"must have exactly one of {', '.join(type(self).model_fields)}")
        return self

    @property
    def files(self) -> tuple[Path, ...]:
        """Folders and tables on this disk that the source reads."""
        own = self.folder or self.urls
        return tuple(path for path in (getattr(own, "path", None), own.table if own else None) if path is not None)


class CrawlSpec(Frozen):
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
    sources: tuple[Source, ...] = Field(min_length=1, description="Where to look, in this order")

    @field_validator("licenses")
    @classmethod
    def _are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(license_name(name) for name in value)


class Relevance(Frozen):
    """Judging by a text-image model whether a picture shows the concept."""

    model: Text = Field(description="'embedded', a folder, or a hub id of a CLIP or SigLIP model")
    revision: str | None = Field(None, description="Commit of the hub's model; required for a hub id")
    shows: tuple[Text, ...] = Field(min_length=1, description="What a picture of the concept shows, in words")
    not_shows: tuple[Text, ...] = Field(
        ("a document", "a map", "a slide with text", "a screenshot", "a drawing"), min_length=1, description="What other pictures show"
    )
    least: float = Field(0.5, ge=0, le=1, description="Least probability that it shows the concept")

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        check_pinned(self.model, self.revision)
        return self


class Captioner(Frozen):
    """A model that describes pictures in words."""

    model: Text = Field(description="A folder, or a hub id of an image-to-text model such as BLIP")
    revision: str | None = Field(None, description="Commit of the hub's model; required for a hub id")

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        check_pinned(self.model, self.revision)
        return self


class CurationSpec(Frozen):
    """What an image must be to be worth training on."""

    min_side: int = Field(512, ge=16, le=8192, description="Shortest side, in pixels, without borders that are cut off")
    max_side: int = Field(1536, ge=64, le=8192, description="Longer images are made smaller, to this longest side in pixels")
    max_aspect: float = Field(3.0, ge=1.0, le=20.0, description="Longest side over shortest")
    max_border: float = Field(0.35, ge=0, le=1, description="Largest share of uniform border; smaller ones are cut off")
    max_dark: float = Field(0.75, ge=0, le=1, description="Largest share of nearly black pixels")
    max_bright: float = Field(0.75, ge=0, le=1, description="Largest share of nearly white pixels")
    min_contrast: float = Field(0.2, ge=0, le=1, description="Least distance of bright parts from dark ones (0 to 1)")
    min_information: float = Field(2.0, ge=0, le=6, description="Least entropy of the luminance, in bits (0 to 6)")
    min_sharpness: float = Field(0.0006, ge=0, le=1, description="Least variance of the Laplacian of the luminance (0 to 1) at 256 px")
    min_quality: int = Field(30, ge=1, le=100, description="Least quality that a JPEG was saved with")
    max_graphic: float = Field(0.06, ge=0, le=1, description="Largest share of flat areas times that of hard edges: text, slides, maps")
    monochrome: bool = Field(True, description="Whether black-and-white pictures are allowed, as historical concepts need")
    relevance: Relevance | None = Field(None, description="Judging by a text-image model whether a picture shows the concept")
    near_duplicate_distance: int = Field(7, ge=0, le=15, description="Hashes this many bits apart are compared more closely")
    near_duplicate_likeness: float = Field(0.92, gt=0, le=1, description="Pictures that correlate so much are copies of one another")
    captions: Literal["prompt", "title", "model"] = Field("prompt", description="prompt: token and class noun; title: that and the title")
    captioner: Captioner | None = Field(None, description="The model that writes captions, for captions: model")
    overrides: Path | None = Field(None, description="The curator's overrides.csv; relative to the file that names it")
    min_images: int = Field(4, ge=2, description="With fewer left, training does not start")
    max_images: int = Field(60, ge=2, le=10_000, description="The most images to keep, the most varied ones")

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.max_images < self.min_images:
            raise ValueError(f"max_images ({self.max_images}) is less than min_images ({self.min_images})")
        if (self.captions == "model") != (self.captioner is not None):
            raise ValueError("captions: model and captioner go together")
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


class TrainingSpec(Frozen):
    """How the concept is taught. Rank, alpha and rate belong together: the strength is rate x alpha / rank."""

    method: Literal["lora"] = Field("lora", description="lora: a low-rank adapter; the base model stays as it is")
    base_model: Text = Field(EMBEDDED, description="'embedded', a folder, or a hub id such as owner/name")
    revision: str | None = Field(None, description="Commit of the hub's model; required for a hub id")
    resolution: int | None = Field(None, ge=32, le=2048, multiple_of=8, description="Side in pixels; the model's own if absent")
    rank: int = Field(16, ge=1, le=256, description="Rank of the adapter")
    alpha: float | None = Field(None, gt=0, description="Strength of the adapter; equal to rank if absent")
    targets: Literal["attention", "standard", "everything"] = Field(
        "standard", description="standard: attention, feed-forward, projections; everything: convolutions and time embedding too"
    )
    learning_rate: float = Field(1e-4, gt=0, le=0.1, description="AdamW's rate")
    batch_size: int = Field(4, ge=1, le=64, description="Images in a step")
    samples_per_image: int = Field(120, ge=1, le=10_000, description="How often each image is seen")
    prior_weight: float = Field(1.0, ge=0, le=10, description="Weight of staying the base model on prompts without the token")
    min_snr_gamma: float | None = Field(5.0, gt=0, description="Min-SNR weighting (arXiv 2303.09556); null for none")
    held_out: float = Field(0.2, gt=0, lt=0.9, description="Share of the images kept for measuring only")
    measure_every: int = Field(50, ge=1, description="Steps between two measurements of the held-out loss")
    mirror: bool = Field(False, description="Learn the mirror images too")
    seed: int = Field(7, ge=0, le=2**31 - 1, description="Seed of every draw")

    @model_validator(mode="after")
    def _is_pinned(self) -> Self:
        check_pinned(self.base_model, self.revision)
        return self

    @property
    def effective_alpha(self) -> float:
        return self.alpha if self.alpha is not None else float(self.rank)


class GallerySpec(Frozen):
    """What to draw, before and after training."""

    plan: Literal["heritage"] = Field("heritage", description="The prompts to use where none are given")
    prompts: tuple[Prompt, ...] = Field((), description="Prompts with {token} and {class_noun}")
    seeds: tuple[Annotated[int, Field(ge=0, le=2**31 - 1)], ...] = Field((1, 2, 3, 4), min_length=1, description="One picture for each")
    steps: int = Field(25, ge=1, le=200, description="Denoising steps")
    guidance: float = Field(6.0, ge=0, le=30, description="Classifier-free guidance")
    negative_prompt: str = Field("", max_length=2000, description="What not to draw")

    @field_validator("seeds", "prompts")
    @classmethod
    def _are_distinct(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(value)) != len(value):
            raise ValueError("the same one stands twice")
        return value

    @property
    def effective_prompts(self) -> tuple[str, ...]:
        return self.prompts or PLANS[self.plan]


class Concept(Frozen):
    """One thing to teach, with a part for each stage."""

    name: Name | None = Field(None, description="Names for people; the slug if absent")
    description: str = Field("", description="A sentence about it")
    token: Annotated[Text, AfterValidator(_one_word)] = Field(description="The made-up word that will stand for it")
    class_noun: Text = Field(description="The plain English noun of what it is: drink, tree, person")
    crawl: CrawlSpec = Field(description="What to gather")
    curation: CurationSpec = Field(default_factory=CurationSpec, description="What to keep")
    training: TrainingSpec = Field(default_factory=TrainingSpec, description="How to learn it")
    gallery: GallerySpec = Field(default_factory=GallerySpec, description="What to draw")

    def spec(self, stage: str) -> dict[str, Any]:
        """A stage's whole specification as a JSON value: its part, and of the concept what the stage uses."""
        part: BaseModel = getattr(self, stage)
        value = part.model_dump(mode="json")
        if stage in ("training", "gallery"):
            value |= {"token": self.token, "class_noun": self.class_noun}
        if stage == "gallery":
            value |= {"name": self.name.model_dump(mode="json") if self.name else None, "description": self.description}
        return value

    def spec_version(self, stage: str) -> str:
        """The data version of a stage's specification; the files that a source names are part of the crawl's."""
        files = [path for source in self.crawl.sources for path in source.files] if stage == "crawl" else []
        files += [self.curation.overrides] if stage == "curation" and self.curation.overrides else []
        return digest({"spec": self.spec(stage), "folders": [_content(path) for path in files]})


def _content(path: Path) -> str | None:
    return folder_digest(path) if path.is_dir() else file_digest(path) if path.is_file() else None


STAGES = ("crawl", "curation", "training", "gallery")


class Concepts(Frozen):
    """The whole file."""

    defaults: dict[str, dict[str, Any]] = Field(default_factory=dict, description="Keys of the stages, for all concepts")
    concepts: dict[str, Concept] = Field(min_length=1, description="Concepts by slug")
