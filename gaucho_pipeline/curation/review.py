"""The page on which a curator reads what was kept and excluded and why, and decides otherwise, with its pictures in a folder beside it.

It sends nothing anywhere: it saves a ZIP of overrides.csv and painted masks, which `gaucho review` puts in place. What the page does is in
`templates/*.js`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from gaucho_pipeline.assets.metrics import CuratedSetMetrics
from gaucho_pipeline.assets.rows import CuratedImage, TrainImage
from gaucho_pipeline.curation.overrides import Override
from gaucho_pipeline.curation.reading import small_pictures
from gaucho_pipeline.curation.table import Table
from gaucho_pipeline.design.web import content_security_policy, style_sheet
from gaucho_pipeline.files.tables import read_table
from gaucho_pipeline.files.writing import write_atomically
from gaucho_pipeline.filters.measures import Measures
from gaucho_pipeline.filters.registry import DUPLICATE, SENTENCES, FilterSpec, borderline
from gaucho_pipeline.images.decoding import fit, jpeg_bytes
from gaucho_pipeline.language.bilingual import LANGUAGES, Bilingual
from gaucho_pipeline.prompts.templates import ConceptWords
from gaucho_pipeline.rights.addresses import public_link
from gaucho_pipeline.spec import JsonObject

Counts = Mapping[str, Mapping[str, int]]
"""How many of the kept images each phrase is said of, by the list that it is from."""

MAX_SHOWN = 5_000
"""More kept or excluded pictures than this are counted, and not shown."""
_FOLDER, _SIDE, _QUALITY = "review", 420, 74
_DIGITS = 16
_TINT, _VEIL = (214, 70, 160), 0.72
"""How what a mask leaves out is shown: so much of this colour over it."""
_MAX_REFUSED = 500
_SCRIPTS = ("review", "captions", "painting", "saving", "starting")
"""The page's scripts in `templates/`, which are one script in this order."""
_MUCH = 0.8
"""A phrase that is said of more than this share of the images is nearly all that there is."""


@dataclass(frozen=True)
class Review:
    """What the page is about."""

    slug: str
    title: str
    table: Table
    metrics: CuratedSetMetrics
    vanished: Sequence[Override]
    """Decisions on images that are not there: what the page does not show, it writes back as it was."""
    spec: FilterSpec
    words: ConceptWords
    refused: Sequence[JsonObject] = ()
    """Images that the crawl did not take because of what their files or others say of their rights: title, author, source, reason."""


_OF_RIGHTS = ("opted out", "the licence is contradictory", "it says that", "the same bytes", "its C2PA manifest")
"""How the reasons begin for which a file's own words, or somebody else's, decide against it."""


def refused_for_rights(table: Path) -> list[JsonObject]:
    """The rows of a crawl's refused.jsonl that a curator should know of; none where there is no such table."""
    rows = read_table(table) if table.is_file() else []
    names = ("title", "author", "source", "reason")
    chosen = [row for row in rows if row.text("reason").startswith(_OF_RIGHTS)]
    return [JsonObject({name: row.text(name) for name in names}) for row in chosen[:_MAX_REFUSED]]


def write_review(staging: Path, review: Review, path_of: Callable[[str], Path]) -> None:
    """Writes review.html, and the pictures that it shows. `path_of`: where an image is, by its SHA-256."""
    table, kept, excluded = review.table, review.table.stays, review.table.goes
    stays = list(table.kept(list(islice(_decided_first(kept, table), MAX_SHOWN))))
    goes = list(islice(table.excluded(list(_decided_first(excluded, table))), MAX_SHOWN))
    pictures = _write_pictures(staging, [*stays, *goes], path_of)
    _write_masked(staging, stays)
    cards = _ordered([_card(row, table, pictures, review.spec) for row in (*stays, *goes)])
    shown = {card["image"] for card in cards if not card["is_repeated"]}
    silent = [override for sha, override in table.overrides.items() if sha[:_DIGITS] not in shown]
    reasons, contexts = review.metrics.excluded, review.metrics.contexts
    kept_beyond, excluded_beyond = len(kept) - len(stays), sum(reasons.values()) - len(goes)
    data = {
        "slug": review.slug,
        "title": review.title,
        "cards": cards,
        "others": [[o.image, o.decision, o.caption, o.by, o.why] for o in (*silent, *review.vanished)],
        "read": review.metrics.read,
        "kept_beyond": kept_beyond,
        "left_off": kept_beyond + excluded_beyond,
        "plain_caption": review.words.plain_prompt,
        "words": {language: _words(language) for language in LANGUAGES},
    }
    page = _page(
        title=review.title,
        slug=review.slug,
        data=data,
        left_off=kept_beyond + excluded_beyond,
        reasons=list(reasons.items()),
        licenses=sorted({card.text("license") for card in cards}),
        authors=sorted({row.author for row in (*stays, *goes)}),
        sentences=SENTENCES,
        contexts=contexts,
        spread=advice(contexts, len(kept)),
        refused=[{**row, "link": public_link(row.text("source"))} for row in review.refused],
    )
    write_atomically(staging / "review.html", page)


def _page(**values: Any) -> str:
    """The page, with its styles and its script in it."""
    environment = Environment(loader=PackageLoader("gaucho_pipeline.curation"), autoescape=True, undefined=StrictUndefined)
    style = f"\n{style_sheet()}{_asset('review.css')}"
    script = "\n" + "\n".join(_asset(f"{name}.js") for name in _SCRIPTS)
    policy = content_security_policy(style, script)
    return environment.get_template("review.html").render(style=style, script=script, policy=policy, **values)


def _asset(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


@cache
def _words(language: str) -> dict[str, str]:
    """The page's texts by key: `words.yaml` has each in both languages."""
    return {key: texts[language] for key, texts in yaml.safe_load(_asset("words.yaml")).items()}


def advice(contexts: Counts, count: int) -> list[Bilingual]:
    """What the kept images do not show, or show only, as advice on what to look for next, in both languages."""
    found = []
    for phrases in contexts.values():
        absent = [phrase for phrase, number in phrases.items() if not number]
        most, number = max(phrases.items(), key=lambda item: item[1], default=("", 0))
        if absent:
            found.append(Bilingual(pt=f"Nenhuma imagem: {', '.join(absent)}.", en=f"No image: {', '.join(absent)}."))
        if count and number > _MUCH * count and len(phrases) > 1:
            found.append(Bilingual(pt=f"{number} de {count} são: {most}.", en=f"{number} of {count} are: {most}."))
    return found


def _decided_first(images: Sequence[str], table: Table) -> Iterable[str]:
    """Those first of which the curator has said something."""
    return sorted(images, key=lambda sha: sha not in table.overrides)


def _write_pictures(staging: Path, rows: Sequence[CuratedImage], path_of: Callable[[str], Path]) -> dict[str, str]:
    """Small pictures for the page, as files beside it: of what stays as it is trained on, with its crop; their addresses, by SHA-256."""
    folder, found = staging / _FOLDER, dict[str, str]()
    folder.mkdir(exist_ok=True)
    sources = {row.sha256: staging / row.file if row.file else path_of(row.sha256) for row in rows if row.measures}
    for sha, picture in small_pictures(sorted(sources), sources.__getitem__, _SIDE):
        if picture:
            name = f"{_FOLDER}/{sha[:_DIGITS]}.jpg"
            write_atomically(staging / name, jpeg_bytes(picture, _QUALITY))
            found[sha] = name
    return found


def masked_name(sha256: str) -> str:
    """The file of a picture with what its mask leaves out hidden."""
    return f"{_FOLDER}/{sha256[:_DIGITS]}-mask.jpg"


def _write_masked(staging: Path, rows: Sequence[TrainImage]) -> None:
    """Of each picture that has a mask another one, in which what is not the subject is pale and tinted."""
    for row in rows:
        if row.mask:
            with Image.open(staging / row.file) as opened, Image.open(staging / row.mask) as mask:
                picture = fit(opened.convert("RGB"), _SIDE)
                hidden = Image.blend(picture, Image.new("RGB", picture.size, _TINT), _VEIL)
                shown = Image.composite(picture, hidden, mask.convert("L").resize(picture.size))
            write_atomically(staging / masked_name(row.sha256), jpeg_bytes(shown, _QUALITY))


def _ordered(cards: list[JsonObject]) -> list[JsonObject]:
    """What stays, then what does not, by reason; the borderline first, and copies right behind what they copy."""
    copies: dict[str, list[JsonObject]] = {}
    stays = {card["image"] for card in cards if card["kept"]}
    for card in cards:
        if not card["kept"] and card["same_as"] in stays:
            copies.setdefault(card.text("same_as"), []).append(card)
    alone = [card for card in cards if card["kept"] or card["same_as"] not in stays]
    alone.sort(key=lambda card: (not card["kept"], card.text("reason"), card["margin"], card.text("image")))
    found = [each for card in alone for each in (card, *copies.get(card.text("image"), ()))]
    return [JsonObject({**card, "place": place}) for place, card in enumerate(found)]


def _card(row: CuratedImage, table: Table, pictures: Mapping[str, str], spec: FilterSpec) -> JsonObject:
    sha, source = row.sha256, str(row.source)
    override, measures = table.overrides.get(sha), table.measures.get(sha)
    sentence = SENTENCES.get(row.reason)
    decision = override.decision if override else ""
    return JsonObject(
        {
            "image": sha[:_DIGITS],
            "is_repeated": row.reason == DUPLICATE,
            "kept": row.kept,
            "automatic": row.kept if not decision else decision == "drop",  # as near as can be told: somebody decided against it
            "reason": row.reason,
            "pt": sentence.pt if sentence else "",
            "en": sentence.en if sentence else "",
            "score": _number(row.score),
            "threshold": _number(row.threshold),
            "margin": _margin(row, measures, spec),
            "relevance": _number(row.relevance),
            "people": row.people is not None and row.people > 0.5,
            "same_as": (row.same_as or "")[:_DIGITS],
            "title": row.title,
            "author": row.author,
            "license": row.license,
            "flags": list(row.flags),
            "statements": list(row.statements),
            "source": public_link(source) or "",
            "size": f"{measures.width} × {measures.height}" if measures else "",
            "caption": row.caption if row.caption and row.caption_by != "curator" else "",
            "caption_by": row.caption_by or "",
            "file_name": unquote(PurePosixPath(urlsplit(table.crawled[sha].url).path).name),
            "decision": decision,
            "written": override.caption if override else "",
            "by": override.by if override else "",
            "why": override.why if override else "",
            "picture": pictures.get(sha, ""),
            "large": row.file if row.kept and row.file else pictures.get(sha, ""),
            "masked": masked_name(sha) if row.mask else "",
            "mask_share": f"{row.mask_share or 0:.0%}",
            "mask_by": row.mask_by or "",
        }
    )


def _margin(row: CuratedImage, measures: Measures | None, spec: FilterSpec) -> float:
    """How far from the other decision it is: 0 for what is right on a threshold."""
    if row.kept:
        return borderline(measures, spec) if measures else 1.0
    score, threshold = row.score, row.threshold
    return abs(score - threshold) / max(abs(threshold), 1e-6) if score is not None and threshold is not None else 1.0


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
