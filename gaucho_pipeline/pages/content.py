"""What a concept's page says, gathered from its artifacts, in one language: texts and numbers, no markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaucho_pipeline.assets.metrics import CheckpointMetrics, EvaluationMetrics, SampleSequenceMetrics, Score, StoryMetrics
from gaucho_pipeline.assets.verdicts import REASONS, RULE, SUBJECT_SCORERS
from gaucho_pipeline.files.tables import read_table
from gaucho_pipeline.pages.words import Language, number, words
from gaucho_pipeline.rights.model_licenses import license_of
from gaucho_pipeline.scorers import SCORERS
from gaucho_pipeline.store.manifest import MANIFEST, Manifest

Row = dict[str, Any]


@dataclass(frozen=True)
class ConceptFolders:
    """A concept's artifacts, made from one another, and what the concepts file says of it."""

    slug: str
    about: Mapping[str, Any]
    """As `Concept.for_pages` gives it."""
    evaluation: Path
    gallery: Path
    checkpoint: Path
    sequence: Path | None = None
    """Where it has stories."""

    def manifest(self, folder: Path) -> Manifest:
        return Manifest.model_validate_json((folder / MANIFEST).read_text(encoding="utf-8"))

    def name(self, language: Language) -> str:
        """What it is called; the slug where nobody has said."""
        names = self.about["name"]
        return str(names.get(language) or names.get("pt") or self.slug)

    @property
    def weights_file(self) -> str | None:
        """The single file of a LoRA, in the checkpoint's folder."""
        return f"{self.slug}.safetensors" if (self.checkpoint / f"{self.slug}.safetensors").is_file() else None


def concept_content(
    folders: ConceptFolders, language: Language, with_weights: bool = True, approved: Mapping[str, str] | None = None
) -> Row:
    """All that a concept's page shows. `approved`: who approved it for publication, and when."""
    evaluation, gallery, trained = (folders.manifest(path) for path in (folders.evaluation, folders.gallery, folders.checkpoint))
    metrics, learned = evaluation.metrics, trained.metrics
    assert isinstance(metrics, EvaluationMetrics)
    assert isinstance(learned, CheckpointMetrics)
    about, texts = folders.about, words(language)
    pairs = _pairs(read_table(folders.gallery / "pictures.jsonl"), about["token"], texts)
    credits_ = [_credit(row, texts) for row in read_table(folders.evaluation / "training.jsonl")]
    return {
        "slug": folders.slug,
        "name": folders.name(language),
        "description": about["description"] if language == "pt" else "",
        "historical": bool(about.get("historical")),
        "token": about["token"],
        "class_noun": about["class_noun"],
        "verdict": metrics.verdict,
        "reason": REASONS[metrics.reason][language],
        "rule": RULE[language],
        "groups": _groups([pair for pair in pairs if pair["kind"] == "concept"]),
        "prompts": list(dict.fromkeys(pair["title"] for pair in pairs if pair["kind"] == "concept")),
        "prompts_are_english": not any(pair["read_as"] for pair in pairs),
        "styles": list(dict.fromkeys(pair["style"] for pair in pairs if pair["kind"] == "concept")),
        "class_pairs": [pair for pair in pairs if pair["kind"] == "class"],
        "scores": [_figure(name, score, language) for name, score in metrics.scores().items()],
        "missing": [{"title": getattr(SCORERS[name].title, language), "text": text} for name, text in metrics.missing.items()],
        "stories": _stories(folders, language),
        "losses": _losses(learned, language),
        "trained_on": texts["trained_on"].format(
            train=learned.train_images, validation=learned.validation_images, steps=learned.steps, best=learned.best_step
        ),
        "curve": _curve(folders.checkpoint, learned, language),
        "copies": [row | {"alike": texts["alike"].format(cosine=number(row["cosine"], language))} for row in _copies(folders, pairs)],
        "copies_measured": bool(metrics.memorisation_backbone),
        "credits": credits_,
        "all_credits": "\n".join(credit["sentence"] for credit in credits_),
        "weights": folders.weights_file if with_weights else None,
        "with_weights": with_weights,
        "use": _use(folders, trained, gallery, texts),
        "license": _license(trained),
        "base_model": trained.provenance.base_model,
        "versions": {"checkpoint": trained.data_version, "pictures": gallery.data_version, "evaluation": evaluation.data_version}
        | ({"sample_sequence": folders.manifest(folders.sequence).data_version} if folders.sequence else {}),
        "approved": texts["approved"].format(**approved) if approved else "",
    }


def card_content(folders: ConceptFolders, language: Language) -> Row:
    """What the front page shows of a concept: its name, its verdict, one picture before and after."""
    metrics = folders.manifest(folders.evaluation).metrics
    assert isinstance(metrics, EvaluationMetrics)
    rows = [row for row in read_table(folders.gallery / "pictures.jsonl") if row["kind"] == "concept" and row["number"] == 0]
    files = {row["model"]: f"{folders.slug}/{row['file']}" for row in rows}
    texts, title = words(language), (rows[0]["written"] or rows[0]["prompt"]) if rows else ""
    return {
        "slug": folders.slug,
        "name": folders.name(language),
        "description": folders.about["description"] if language == "pt" else "",
        "historical": bool(folders.about.get("historical")),
        "verdict": metrics.verdict,
        "reason": REASONS[metrics.reason][language],
        "files": files,
        "alt": {which: texts[f"alt_{which}"].format(title=title, seed=rows[0]["seed"] if rows else "") for which in ("before", "after")},
    }


def _pairs(rows: Sequence[Row], token: str, texts: Mapping[str, str]) -> list[Row]:
    """Each prompt and seed with its two pictures."""
    by_number: dict[int, dict[str, Row]] = {}
    for row in rows:
        by_number.setdefault(row["number"], {})[row["model"]] = row
    found = []
    for models in by_number.values():
        row = models["tuned"]
        title = row["written"] or row["prompt"]
        found.append(
            {
                "kind": row["kind"],
                "title": title,
                "read_as": row["prompt"] if row["written"] else "",
                "style": row["prompt"].split(token)[0].strip() or row["prompt"],
                "seed": row["seed"],
                "before": models["base"]["file"],
                "after": row["file"],
                "alt_before": texts["alt_before"].format(title=title, seed=row["seed"]),
                "alt_after": texts["alt_after"].format(title=title, seed=row["seed"]),
                "slide": texts["slide"].format(title=title),
            }
        )
    return found


def _groups(pairs: Sequence[Row]) -> list[Row]:
    """Pairs by prompt."""
    found: dict[str, Row] = {}
    for pair in pairs:
        group = found.setdefault(pair["title"], {"title": pair["title"], "read_as": pair["read_as"], "style": pair["style"], "pairs": []})
        group["pairs"].append(pair)
    return list(found.values())


def _figure(name: str, score: Score, language: Language) -> Row:
    scorer, texts = SCORERS[name], words(language)
    base, tuned = number(score.base, language), number(score.tuned, language)
    verb = "rose" if score.tuned > score.base else "fell" if score.tuned < score.base else "same"
    parts = [texts[verb].format(base=base, tuned=tuned)]
    if score.ceiling is not None:
        parts[0] += f" ({texts['ceiling'].format(ceiling=number(score.ceiling, language))})"
    if score.floor is not None and name in SUBJECT_SCORERS:
        parts.append(texts["floor"].format(floor=number(score.floor, language)))
    if score.interval is None:
        parts.append(texts["no_interval"])
    else:
        low, high = score.interval
        text = texts["interval"].format(low=number(low, language, sign=True), high=number(high, language, sign=True))
        parts.append(text + (f": {texts['chance']}" if low <= 0 <= high else ""))
    return {
        "title": getattr(scorer.title, language),
        "sentence": getattr(scorer.sentence, language),
        "change": ". ".join(parts) + ".",
        "scale": _scale(score),
        "backbone": score.backbone,
    }


def _scale(score: Score) -> Row:
    """Where the figures lie on a line from 0 to 100."""
    values = {"before": score.base, "after": score.tuned} | ({} if score.ceiling is None else {"real": score.ceiling})
    low, high = min(values.values()), max(values.values())
    room = (high - low) or 1.0
    return {name: round(8 + 84 * (value - low) / room, 2) for name, value in values.items()}


def _stories(folders: ConceptFolders, language: Language) -> list[Row]:
    """What a page shows of each story: its frames, its beats, and what was measured of it."""
    if folders.sequence is None:
        return []
    metrics, texts = folders.manifest(folders.sequence).metrics, words(language)
    assert isinstance(metrics, SampleSequenceMetrics)
    found = []
    for row, measured in zip(read_table(folders.sequence / "stories.jsonl"), metrics.stories, strict=True):
        place = f"stories/{row['name']}"
        title = row["title"][language] if row["title"] else row["name"]
        beats = [
            {
                "first": beat["first"],
                "text": beat["caption"][language] if beat["caption"] else beat["prompt"],
                "is_prompt": not beat["caption"],
            }
            for beat in row["beats"]
        ]
        found.append(
            {
                "name": row["name"],
                "title": title,
                "place": place,
                "frames": row["frames"],
                "rate": row["frames_per_second"],
                "beats": beats,
                "files": [f"{place}/{name}" for name in row["files"]],
                "alt": texts["story_alt"].format(title=title, beats="; ".join(beat["text"] for beat in beats)),
                "sentences": _story_figures(measured, metrics, language),
                "backbone": metrics.subject_backbone,
                "imagined": bool(folders.manifest(folders.sequence).provenance.spec.get("historical")),
            }
        )
    return found


def _story_figures(story: StoryMetrics, metrics: SampleSequenceMetrics, language: Language) -> list[str]:
    """Sentences on how well a story holds together."""
    texts = words(language)
    sentences = [
        texts["story_steps"].format(
            mean=number(story.step_mean, language), worst=number(story.step_worst, language),
            control_mean=number(story.control_step_mean, language), control_worst=number(story.control_step_worst, language),
        )
    ]  # fmt: skip
    if story.distance_worst is not None and story.control_distance_worst is not None:
        values = {"worst": number(story.distance_worst, language), "control_worst": number(story.control_distance_worst, language)}
        sentences.append(texts["story_distance"].format(**values))
    if story.subject_lowest is not None and story.subject_lowest_frame is not None and story.base_subject_mean is not None:
        values = {"lowest": number(story.subject_lowest, language), "base": number(story.base_subject_mean, language)}
        sentences.append(texts["story_subject"].format(frame=story.subject_lowest_frame + 1, **values))
    if story.frames_above_base is not None:
        sentences.append(texts["story_above"].format(count=story.frames_above_base, frames=story.frames))
    if story.beats_followed is not None:
        counts = {"count": story.beats_followed, "beats": story.beats, "control": story.control_beats_followed}
        sentences.append(texts["story_beats"].format(**counts))
    return sentences + ([] if metrics.subject_backbone else [texts["story_not_measured"]])


def _losses(learned: CheckpointMetrics, language: Language) -> list[tuple[str, str, str]]:
    validation = learned.losses.validation
    rows = (
        ("with_token", validation.token), ("with_other", validation.other_token), ("with_class", validation.class_noun),
        ("on_training", learned.losses.train.token),
    )  # fmt: skip
    return [(words(language)[name], number(pair.base, language, 4), number(pair.tuned, language, 4)) for name, pair in rows]


def _curve(checkpoint: Path, learned: CheckpointMetrics, language: Language) -> Row:
    """Lines of the loss over the steps, in a box of 600 by 240."""
    rows = read_table(checkpoint / "losses.jsonl")
    trials: dict[str, list[Row]] = {}
    for row in rows:
        trials.setdefault(str(row.get("trial", "")), []).append(row)
    base = rows[0]["validation"]
    steps = max(max(row["step"] for row in rows), 1)
    losses = [row["validation"] for row in rows]
    low, high = min(losses), max(losses)
    room = (high - low) or 1.0

    def x(step: float) -> float:
        return round(50 + 520 * step / steps, 1)

    def y(loss: float) -> float:
        return round(20 + 180 * (high - loss) / room, 1)

    lowest = min(trials, key=lambda name: min(row["validation"] for row in trials[name]))
    return {
        "lines": [
            {"points": " ".join(f"{x(row['step'])},{y(row['validation'])}" for row in trial), "kept": name == lowest}
            for name, trial in trials.items()
        ],
        "base": y(base),
        "best": x(learned.best_step),
        "best_step": learned.best_step,
        "steps": steps,
        "low": number(low, language),
        "high": number(high, language),
        "alt": words(language)["curve_alt"].format(
            base=number(learned.validation_loss.base, language), tuned=number(learned.validation_loss.tuned, language), steps=learned.steps
        ),
    }


def _copies(folders: ConceptFolders, pairs: Sequence[Row]) -> list[Row]:
    alts = {pair["after"]: pair["alt_after"] for pair in pairs}
    return [row | {"alt": alts.get(row["file"], "")} for row in read_table(folders.evaluation / "copies.jsonl")]


def _credit(row: Row, texts: Mapping[str, str]) -> Row:
    title, source = row["title"] or texts["untitled"], _http(row["source"])
    sentence = f"“{title}”, {texts['by']} {row['author']}, {row['license']}" + (f", {row['source']}" if row["source"] else "")
    own = {"title": title, "source_url": source, "license_url": _http(row.get("license_url") or ""), "sentence": sentence}
    return row | own | {"flags": list(row.get("flags") or ())}


def _http(address: str) -> str | None:
    """An address that may become a link: never javascript: and its like."""
    return address if address.startswith(("https://", "http://")) else None


def _use(folders: ConceptFolders, trained: Manifest, gallery: Manifest, texts: Mapping[str, str]) -> Row:
    spec, drawn = trained.provenance.spec, gallery.provenance.spec
    base = spec["base_model"].rsplit("/", 1)[-1] if spec["base_model"].startswith("/") else spec["base_model"]
    prompt = f"a photo of {folders.about['token']} {folders.about['class_noun']}"
    size = drawn.get("size") or spec.get("resolution") or ""
    code = (
        "from diffusers import DiffusionPipeline\n"
        f'pipe = DiffusionPipeline.from_pretrained("{base}")\n'
        f'pipe.load_lora_weights("{folders.slug}.safetensors")\n'
        f'pipe("{prompt}", num_inference_steps={drawn["num_inference_steps"]}, guidance_scale={drawn["guidance_scale"]:g}).images[0]'
    )
    settings = {"steps": drawn["num_inference_steps"], "guidance": f"{drawn['guidance_scale']:g}", "size": size}
    text = texts["settings"].format(**settings) if size else texts["settings"].format(**settings).replace(",  px", "")
    return {"method": spec["method"], "base": base, "code": code, "settings": text}


def _license(trained: Manifest) -> Row:
    found = license_of(trained.provenance.spec["base_model"])
    return {"name": found.name, "url": _http(found.url or ""), "conditions": found.conditions}
