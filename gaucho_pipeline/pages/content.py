"""What a concept's page says, gathered from its artifacts, in one language: texts and numbers, no markup.

The stories of a page are in `story_content.py`, its loss curve in `curve_content.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from gaucho_pipeline.assets.metrics import CheckpointMetrics, EvaluationMetrics, Metrics
from gaucho_pipeline.assets.rows import Copy, Credit, CreditedThumbnail, Picture, read_rows
from gaucho_pipeline.assets.verdict_text import verdict_text
from gaucho_pipeline.assets.verdicts import RULE, STYLE_RULE
from gaucho_pipeline.concepts.concept import AboutConcept
from gaucho_pipeline.concepts.models import recorded_family
from gaucho_pipeline.language.bilingual import Language, day_in_words
from gaucho_pipeline.methods import METHODS
from gaucho_pipeline.methods.base import loading_code
from gaucho_pipeline.pages.bar_content import Bar, bars
from gaucho_pipeline.pages.corrections import CREDITED, corrections_of
from gaucho_pipeline.pages.curve_content import Curve, curve_content
from gaucho_pipeline.pages.judgement_content import JudgementContent, judgement_content
from gaucho_pipeline.pages.score_content import MissingScore, ScoreContent, score_content
from gaucho_pipeline.pages.story_content import StoryContent, story_contents
from gaucho_pipeline.pages.words import number, words
from gaucho_pipeline.prompts.templates import instance_prompt
from gaucho_pipeline.rights.addresses import public_link, without_private
from gaucho_pipeline.rights.model_licenses import license_of
from gaucho_pipeline.scorers import SCORERS
from gaucho_pipeline.store.manifest import Manifest, read_manifest


def called_in(about: AboutConcept, slug: str, language: Language) -> str:
    """What a concept is called in a language; its slug where nobody has said."""
    return about.name.read(language) if about.name else slug


@dataclass(frozen=True)
class ConceptFolders:
    """A concept's artifacts, made from one another, and what the concepts file says of it."""

    slug: str
    about: AboutConcept
    evaluation: Path
    gallery: Path
    checkpoint: Path
    sequence: Path | None = None
    """Where it has stories."""
    judgement: Path | None = None
    """Where people judged it."""
    corrected: Sequence[Path] = ()
    """The sets that credit the images as they are credited now, where those are others than it was trained on; its own first."""
    gives_weights: bool = True
    """Whether what was learned may be given away."""

    @property
    def weights_file(self) -> str | None:
        """The single file of a LoRA, in the checkpoint's folder."""
        is_there = self.gives_weights and (self.checkpoint / f"{self.slug}.safetensors").is_file()
        return f"{self.slug}.safetensors" if is_there else None


@dataclass(frozen=True)
class Pair:
    """A prompt and a seed with its two pictures."""

    title: str
    seed: int
    before: str
    after: str
    alt_before: str
    alt_after: str
    slide: str
    """What moving the divider between them is called."""
    kind: str = "concept"
    read_as: str = ""
    """What the model read, where a person wrote it in another language."""
    style: str = ""


@dataclass(frozen=True)
class Group:
    """The pairs of a prompt."""

    title: str
    read_as: str
    style: str
    is_counted: bool
    """Whether the verdict counts them."""
    pairs: list[Pair] = field(default_factory=list)


@dataclass(frozen=True)
class CopyContent:
    """A picture that looks copied, beside the training image."""

    file: str
    training: str
    alt: str
    alike: str


@dataclass(frozen=True)
class CreditContent:
    """Whose a training image is."""

    file: str
    title: str
    author: str
    license: str
    license_url: str | None
    source_url: str | None
    flags: tuple[str, ...]
    sentence: str


@dataclass(frozen=True)
class Usage:
    """How to draw with what was learned."""

    is_adapter: bool
    base: str
    code: str
    settings: str
    in_comfyui: bool
    in_a1111: bool


@dataclass(frozen=True)
class LicenseContent:
    """The base model's licence."""

    name: str
    url: str | None
    conditions: str


@dataclass(frozen=True)
class ConceptContent:
    """All that a concept's page shows."""

    slug: str
    name: str
    description: str
    about: AboutConcept
    hero: Pair | None
    """The pair that the page opens with; none where there are no pictures of the concept."""
    token: str
    class_noun: str
    verdict: str
    reason: str
    rule: str
    judged: JudgementContent | None
    """Where people judged it: their word goes before the verdict's."""
    changed_class_pair: Pair | None
    """Where the class noun is drawn otherwise now, the two pictures of it."""
    groups: list[Group]
    prompts_are_english: bool
    class_pairs: list[Pair]
    bars: list[Bar]
    """What the figures open with, on one scale."""
    scores: list[ScoreContent]
    missing: list[MissingScore]
    stories: list[StoryContent]
    losses: list[tuple[str, str, str]]
    trained_on: str
    curve: Curve
    copies: list[CopyContent]
    copies_measured: bool
    credits: list[CreditContent]
    together: int
    """How many images of other concepts the weights are due to, where it was taught in a collection."""
    weights: str | None
    with_weights: bool
    use: Usage
    license: LicenseContent
    base_model: dict[str, str | None] | None
    versions: dict[str, str]
    approved: str

    @property
    def historical(self) -> bool:
        """Whether the concept is of the past, so that every picture of it is imagined."""
        return self.about.historical

    @property
    def prompts(self) -> list[str]:
        """What was asked for, each once."""
        return [group.title for group in self.groups]

    @property
    def styles(self) -> list[str]:
        """The techniques that were asked for, each once."""
        return list(dict.fromkeys(group.style for group in self.groups))

    @property
    def all_credits(self) -> str:
        """A sentence for each training image."""
        return "\n".join(credit.sentence for credit in self.credits)


@dataclass(frozen=True)
class Card:
    """What the front page shows of a concept: its name, its verdict, one picture before and after."""

    slug: str
    name: str
    description: str
    historical: bool
    verdict: str
    reason: str
    judged: JudgementContent | None
    files: dict[str, str]
    alt: dict[str, str]


Approval = Mapping[str, str]
"""Who approved a concept, `by`, and when, `date`."""
_Kind = TypeVar("_Kind", bound=Metrics)


def _of(kind: type[_Kind], manifest: Manifest) -> _Kind:
    """An artifact's metrics, which are of this kind."""
    assert isinstance(manifest.metrics, kind)
    return manifest.metrics


def concept_content(
    folders: ConceptFolders, language: Language, with_weights: bool = True, approved: Approval | None = None
) -> ConceptContent:
    """All that a concept's page shows. `approved`: who approved it for publication, and when."""
    evaluation, gallery, trained = (read_manifest(path) for path in (folders.evaluation, folders.gallery, folders.checkpoint))
    metrics, learned = _of(EvaluationMetrics, evaluation), _of(CheckpointMetrics, trained)
    about, texts = folders.about, words(language)
    pairs = _pairs(read_rows(folders.gallery / "pictures.jsonl", Picture), about.token, texts)
    own, credits_ = [pair for pair in pairs if pair.kind == "concept"], _credits(folders, texts)
    return ConceptContent(
        slug=folders.slug,
        name=called_in(folders.about, folders.slug, language),
        description=about.description if language == "pt" else "",
        about=about,
        hero=opening_pair(own, metrics.unfollowed),
        token=about.token,
        class_noun=about.class_noun,
        verdict=metrics.verdict,
        reason=verdict_text(metrics, language),
        rule=(STYLE_RULE if trained.training_spec().words.is_style else RULE).read(language),
        judged=judgement_content(folders.judgement, folders.gallery, metrics, language),
        changed_class_pair=_changed_class_pair(metrics, pairs),
        groups=_groups(own, metrics.unfollowed),
        prompts_are_english=not any(pair.read_as for pair in pairs),
        class_pairs=[pair for pair in pairs if pair.kind == "class"],
        bars=bars(metrics, language, trained.training_spec().words.is_style),
        scores=[score_content(name, score, language) for name, score in metrics.scores.items()],
        missing=[MissingScore(SCORERS[name].title.read(language), text) for name, text in metrics.missing.items()],
        stories=story_contents(folders.sequence, language),
        losses=_losses(learned, language),
        trained_on=_trained_on(learned, texts),
        curve=curve_content(folders.checkpoint, learned, language),
        copies=_copies(folders, pairs, language),
        copies_measured=bool(metrics.memorisation_backbone),
        credits=credits_,
        together=len(read_rows(others, Credit)) if (others := folders.checkpoint / "together.jsonl").exists() else 0,
        weights=folders.weights_file if with_weights else None,
        with_weights=with_weights,
        use=_use(folders, trained, gallery, texts),
        license=_license(trained),
        base_model=trained.provenance.base_model,
        versions=_versions(folders),
        approved=texts["approved"].format(by=approved["by"], date=day_in_words(approved["date"], language)) if approved else "",
    )


def _changed_class_pair(metrics: EvaluationMetrics, pairs: Sequence[Pair]) -> Pair | None:
    """The first two pictures of the class noun, where the verdict says that they are different now."""
    is_said = any(each.key == "class_noun_changed" for each in metrics.asides)
    return next((pair for pair in pairs if is_said and pair.kind == "class"), None)


def _versions(folders: ConceptFolders) -> dict[str, str]:
    """The data versions of what is shown, by what the page calls it."""
    shown = {"checkpoint": folders.checkpoint, "pictures": folders.gallery, "evaluation": folders.evaluation}
    shown |= {"sample_sequence": folders.sequence} if folders.sequence else {}
    shown |= {"judgement": folders.judgement} if folders.judgement else {}
    return {name: read_manifest(folder).data_version for name, folder in shown.items()}


def _trained_on(learned: CheckpointMetrics, texts: Mapping[str, str]) -> str:
    return texts["trained_on"].format(
        train=learned.train_images, validation=learned.validation_images, steps=learned.steps, best=learned.best_step
    )


def card_content(folders: ConceptFolders, language: Language) -> Card:
    """What the front page shows of a concept."""
    metrics = _of(EvaluationMetrics, read_manifest(folders.evaluation))
    rows = read_rows(folders.gallery / "pictures.jsonl", Picture)
    first = [row for row in rows if row.kind == "concept" and row.number == 0]
    texts, title, seed = words(language), (first[0].written or first[0].prompt) if first else "", first[0].seed if first else ""
    return Card(
        slug=folders.slug,
        name=called_in(folders.about, folders.slug, language),
        description=folders.about.description if language == "pt" else "",
        historical=folders.about.historical,
        verdict=metrics.verdict,
        reason=verdict_text(metrics, language),
        judged=judgement_content(folders.judgement, folders.gallery, metrics, language),
        files={row.model: f"{folders.slug}/{row.file}" for row in first},
        alt={which: texts[f"alt_{which}"].format(title=title, seed=seed) for which in ("before", "after")},
    )


def _pairs(rows: Sequence[Picture], token: str, texts: Mapping[str, str]) -> list[Pair]:
    """Each prompt and seed with its two pictures."""
    by_number: dict[int, dict[str, Picture]] = {}
    for row in rows:
        by_number.setdefault(row.number, {})[row.model] = row
    found = []
    for models in by_number.values():
        row = models["tuned"]
        title = row.written or row.prompt
        found.append(
            Pair(
                kind=row.kind,
                title=title,
                read_as=row.prompt if row.written else "",
                style=row.prompt.split(token)[0].strip() or row.prompt,
                seed=row.seed,
                before=models["base"].file,
                after=row.file,
                alt_before=texts["alt_before"].format(title=title, seed=row.seed),
                alt_after=texts["alt_after"].format(title=title, seed=row.seed),
                slide=texts["slide"].format(title=title),
            )
        )
    return found


def opening_pair(pairs: Sequence[Pair], unfollowed: Sequence[str]) -> Pair | None:
    """The first pair whose prompt the base model follows, so that the two differ by what was learned; else the first."""
    followed = (pair for pair in pairs if (pair.read_as or pair.title) not in unfollowed)
    return next(followed, next(iter(pairs), None))


def _groups(pairs: Sequence[Pair], unfollowed: Sequence[str]) -> list[Group]:
    """Pairs by prompt; those that the base model does not follow, and the verdict does not count, come last."""
    found: dict[str, Group] = {}
    for pair in pairs:
        is_counted = (pair.read_as or pair.title) not in unfollowed
        found.setdefault(pair.title, Group(pair.title, pair.read_as, pair.style, is_counted)).pairs.append(pair)
    return sorted(found.values(), key=lambda group: not group.is_counted)


def _losses(learned: CheckpointMetrics, language: Language) -> list[tuple[str, str, str]]:
    validation = learned.losses.validation
    rows = (
        ("with_token", validation.token), ("with_other", validation.other_token), ("with_class", validation.class_noun),
        ("on_training", learned.losses.train.token),
    )  # fmt: skip
    return [(words(language)[name], number(pair.base, language, 4), number(pair.tuned, language, 4)) for name, pair in rows]


def _copies(folders: ConceptFolders, pairs: Sequence[Pair], language: Language) -> list[CopyContent]:
    alts, alike = {pair.after: pair.alt_after for pair in pairs}, words(language)["alike"]
    rows = read_rows(folders.evaluation / "copies.jsonl", Copy)
    return [CopyContent(row.file, row.training, alts.get(row.file, ""), alike.format(cosine=number(row.cosine, language))) for row in rows]


def _credits(folders: ConceptFolders, texts: Mapping[str, str]) -> list[CreditContent]:
    now = corrections_of(folders.corrected)
    rows = read_rows(folders.evaluation / "training.jsonl", CreditedThumbnail)
    names = (*CREDITED, "flags")
    changes = ({name: getattr(now[row.sha256], name) for name in names} if row.sha256 in now else {} for row in rows)
    return [_credit(row.model_copy(update=change), texts) for row, change in zip(rows, changes, strict=True)]


def _credit(row: CreditedThumbnail, texts: Mapping[str, str]) -> CreditContent:
    title = row.title or texts["untitled"]
    source = without_private(row.source)
    sentence = f"“{title}”, {texts['by']} {row.author}, {row.license}" + (f", {source}" if source else "")
    license_url, source_url = public_link(row.license_url or ""), public_link(source)
    return CreditContent(row.file, title, row.author, row.license, license_url, source_url, row.flags, sentence)


def _use(folders: ConceptFolders, trained: Manifest, gallery: Manifest, texts: Mapping[str, str]) -> Usage:
    spec, drawn = trained.training_spec(), gallery.drawing_spec()
    base = spec.base_model.rsplit("/", 1)[-1] if spec.base_model.startswith("/") else spec.base_model
    prompt = instance_prompt(spec.words)
    size = drawn.size or spec.resolution or ""
    family = recorded_family(spec.base_model, getattr(trained.metrics, "pipeline_class", ""))
    code = (
        f"{loading_code(family, 'DiffusionPipeline', base, spec.revision)}\n"
        f'pipe.load_lora_weights("{folders.slug}.safetensors")\n'
        f'pipe(prompt="{prompt}", num_inference_steps={drawn.num_inference_steps}, {family.call_arguments(drawn.guidance_scale)})[0]'
    )
    text = texts["settings"].format(steps=drawn.num_inference_steps, guidance=f"{drawn.guidance_scale:g}", size=size)
    return Usage(
        is_adapter=METHODS[spec.method].is_adapter,
        base=base,
        code=code if family.diffusers_reads_single_file else "",
        settings=text if size else text.replace(",  px", ""),
        in_comfyui="ComfyUI" in family.reader,
        in_a1111="A1111" in family.reader,
    )


def _license(trained: Manifest) -> LicenseContent:
    found = license_of(trained.training_spec().base_model)
    return LicenseContent(found.name, public_link(found.url or ""), found.conditions)
