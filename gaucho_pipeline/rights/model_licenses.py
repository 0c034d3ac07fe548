"""Under what licence a base model is published, and what that asks of what is taught on it.

A short table of facts of well-known models, each from its own page; a model on this disk may say it itself. It is told, not enforced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True)
class ModelLicense:
    """A licence and what it asks."""

    name: str
    conditions: str
    url: str = ""
    forbids_sale: bool = False
    """Whether what is learned must not be used commercially."""

    def __str__(self) -> str:
        return f"{self.name}: {self.conditions}"


_OPENRAIL = ModelLicense(
    "CreativeML OpenRAIL-M",
    "what is learned may be used and sold, under the same restrictions on use (no harm, no deceit)",
    "https://huggingface.co/spaces/CompVis/stable-diffusion-license",
)
_OPENRAIL_PLUS = ModelLicense(
    "CreativeML OpenRAIL++-M", _OPENRAIL.conditions, "https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0"
)
_APACHE = ModelLicense("Apache-2.0", "what is learned may be used and sold", "https://www.apache.org/licenses/LICENSE-2.0")
_STABILITY = ModelLicense(
    "Stability AI Community",
    "free of charge below a million dollars of revenue a year; name Stability AI beside the result",
    "https://stability.ai/community-license-agreement",
)
_FLUX = ModelLicense(
    "FLUX Non-Commercial",
    "what is learned must not be used commercially, and needs a filter or a review of what is drawn",
    "https://huggingface.co/black-forest-labs/FLUX.1-dev/blob/main/LICENSE.md",
    forbids_sale=True,
)
_QWEN_RESEARCH = ModelLicense(
    "Qwen Research", "for research only: what is learned must not be used commercially", "https://huggingface.co/Qwen", forbids_sale=True
)
_KREA = ModelLicense(
    "Krea Community",
    "free of charge below a revenue that the licence names, with duties above it; read it before you publish what was learned",
    "https://huggingface.co/krea",
)
UNKNOWN = ModelLicense("not known", "read the base model's own page before you publish what was learned")
_EMBEDDED = ModelLicense("the package's own", "what is learned may be used freely; it is a demonstration")

_KNOWN: tuple[tuple[str, ModelLicense], ...] = (
    (r"embedded", _EMBEDDED),
    (r"[^/]+/stable-diffusion-v1-\d", _OPENRAIL),
    (r"stabilityai/stable-diffusion-2(-1)?(-base)?", _OPENRAIL_PLUS),
    (r"stabilityai/stable-diffusion-xl-base-1\.0", _OPENRAIL_PLUS),
    (r"stabilityai/stable-diffusion-3.*", _STABILITY),
    (r"black-forest-labs/FLUX\.1-schnell", _APACHE),
    (r"black-forest-labs/FLUX\.2-klein(-base)?-4B", _APACHE),
    (r"black-forest-labs/FLUX.*", _FLUX),
    (r"Tongyi-MAI/Z-Image.*", _APACHE),
    (r"Qwen/Qwen-Image-2\.1.*", _QWEN_RESEARCH),
    (r"Qwen/Qwen-Image.*", _APACHE),
    (r"krea/Krea-2.*", _KREA),
    (r"baidu/ERNIE-Image.*", _APACHE),
    (r"lodestones/Chroma1-.*", _APACHE),
    (r"Wan-AI/Wan2\..*", _APACHE),
    (r"Alpha-VLLM/Lumina-Image-2\.0", _APACHE),
)


def license_of(model: str) -> ModelLicense:
    """The licence of a base model, by its hub id, or as its folder's README.md says; UNKNOWN where neither tells."""
    if Path(model).is_absolute():
        return _of_card(Path(model) / "README.md")
    return next((license_ for pattern, license_ in _KNOWN if re.fullmatch(pattern, model)), UNKNOWN)


def _of_card(card: Path) -> ModelLicense:
    """What the first lines of a model card say (https://huggingface.co/docs/hub/model-cards)."""
    try:
        text = card.read_text(encoding="utf-8")[:20_000]
        head = yaml.safe_load(text.split("---")[1]) if text.startswith("---") else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, IndexError):
        return UNKNOWN
    name = head.get("license_name") or head.get("license") if isinstance(head, dict) else None
    return ModelLicense(str(name), f"as {card.name} of its folder says; read it before you publish what was learned") if name else UNKNOWN
