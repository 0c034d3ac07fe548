"""Encoders: models that turn pictures, and some of them words, into unit vectors, by hub id and commit or from a folder.

The evaluation and sequences compare by them. What is compared is in the scorers; which encoder is used for what, in the specification.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from gaucho_pipeline.assets.table import EVALUATION, Asset
from gaucho_pipeline.concepts.models import EMBEDDED, EncoderSpec
from gaucho_pipeline.errors import GauchoError, _
from gaucho_pipeline.families.building import built
from gaucho_pipeline.images.decoding import square, to_tensor
from gaucho_pipeline.models.base_models import best_device, encoder_folder, quiet_libraries
from gaucho_pipeline.scorers.base import Vectors
from gaucho_pipeline.stage.reporter import Reporter

_BATCH = 32


class Encoder:
    """A loaded CLIP, SigLIP, DINO or DINOv2. Raises GauchoError, with how to get it, if it cannot be had.

    Pictures are cut to their middle square first, at the side that the model was made for, whatever its own processor would do.
    `offline`: a hub is not asked; what it gave before is in its cache, under the commit. `asset`: what it is for, in messages.
    """

    def __init__(self, kind: str, spec: EncoderSpec, offline: bool = False, asset: Asset = EVALUATION) -> None:
        quiet_libraries()
        self._key, self._asset = f"{asset.part}.{kind}", asset.name
        told = partial(_cannot_be_had, self._key, self._asset, spec)
        try:
            with built(told, encoder_folder(spec.model)):
                self._load(spec, offline=True)
        except GauchoError:
            if offline or encoder_folder(spec.model):
                raise
            with built(told):
                self._load(spec, offline=False)
        self._side = _side_of(self._processor)
        name = "embedded scorer" if spec.model == EMBEDDED else Path(spec.model).name if spec.model.startswith("/") else spec.model
        revision = f" @ {spec.revision[:12]}" if spec.revision else ""
        self.backbone = f"{name}{revision}, middle square at {self._side} px"

    def _load(self, spec: EncoderSpec, offline: bool) -> None:
        from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

        where, keys = str(encoder_folder(spec.model) or spec.model), {"revision": spec.revision, "local_files_only": offline}
        adapter = {"local_files_only": True}  # else it asks a hub for an adapter's configuration, offline or not
        model = AutoModel.from_pretrained(where, use_safetensors=True, trust_remote_code=False, adapter_kwargs=adapter, **keys)
        self._model = model.eval().to(best_device())
        self._processor = AutoImageProcessor.from_pretrained(where, trust_remote_code=False, **keys)
        self.reads_words = hasattr(self._model, "get_text_features")
        self._tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=False, **keys) if self.reads_words else None

    @torch.inference_mode()
    def embed_images(self, pictures: Sequence[Image.Image], advance: Callable[[int], None] = lambda count: None) -> Vectors:
        """Unit vectors, (n, width). Raises GauchoError if the model gives no numbers."""
        found = [np.zeros((0, 1), np.float32)]
        for start in range(0, len(pictures), _BATCH):
            batch = [square(picture.convert("RGB"), self._side) for picture in pictures[start : start + _BATCH]]
            inputs = self._processor(batch, return_tensors="pt", do_resize=False, do_center_crop=False).to(self._model.device)
            if self.reads_words:
                vectors = _projected(self._model.get_image_features(**inputs))
            else:
                vectors = self._model(**inputs).last_hidden_state[:, 0]  # the class token, as the DreamBooth paper has it
            found.append(self._unit(vectors))
            advance(len(batch))
        return np.concatenate(found[1:]) if len(found) > 1 else found[0]

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, (n, width)."""
        assert self._tokenizer is not None
        inputs = self._tokenizer(list(texts), padding="max_length", truncation=True, return_tensors="pt").to(self._model.device)
        return self._unit(_projected(self._model.get_text_features(**inputs)))

    def _unit(self, vectors: torch.Tensor) -> Vectors:
        unit = (vectors / vectors.norm(dim=-1, keepdim=True)).float().cpu().numpy()
        if not np.isfinite(unit).all():
            raise GauchoError(
                _("{key}: {backbone} gives no numbers for a picture; its weights are broken", key=self._key, backbone=self.backbone)
            )
        return unit


def load_encoders(
    specs: Mapping[str, EncoderSpec | None], reporter: Reporter, asset: Asset = EVALUATION
) -> tuple[dict[str, Encoder], dict[str, str]]:
    """The encoders by kind, as far as they can be had, and for each other one that is named why not, and how to get it."""
    found, reasons, is_silent = dict[str, Encoder](), dict[str, str](), False
    for kind, spec in specs.items():
        if spec:
            reporter.info(_("loading {model} for {part}.{kind}", model=spec.model, part=asset.part, kind=kind))
            try:
                found[kind] = Encoder(kind, spec, is_silent, asset)
            except GauchoError as error:
                reasons[kind] = str(error)
                is_silent = is_silent or encoder_folder(spec.model) is None  # a hub that has not answered keeps nobody waiting again
    return found, reasons


class CopyDetector:
    """A TorchScript model of the user's own that tells copies from pictures that are alike (SSCD, arXiv 2202.10261).

    Raises GauchoError if it does not load. TorchScript is code: this is for files that one trusts.
    """

    _SIDE = 288
    _MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

    def __init__(self, path: Path) -> None:
        try:
            self._model: Any = torch.jit.load(str(path), map_location=best_device()).eval()  # type: ignore[no-untyped-call]
        except (OSError, RuntimeError, ValueError) as error:
            raise GauchoError(
                _("evaluation.copy_detector: {path} does not load: {error}", path=path, error=str(error).splitlines()[0])
            ) from None
        self.backbone = f"{path.name}, middle square at {self._SIDE} px"

    @torch.inference_mode()
    def embed_images(self, pictures: Sequence[Image.Image], advance: Callable[[int], None] = lambda count: None) -> Vectors:
        """Unit vectors, (n, width)."""
        mean, deviation = (torch.tensor(values)[:, None, None] for values in (self._MEAN, self._DEVIATION))
        found = []
        for picture in pictures:
            pixels = (to_tensor(square(picture.convert("RGB"), self._SIDE)) + 1) / 2
            vector = self._model(((pixels - mean) / deviation)[None].to(best_device()))[0]
            found.append((vector / vector.norm()).cpu().numpy())
            advance(1)
        return np.stack(found)


def _projected(output: Any) -> torch.Tensor:
    """The vectors themselves, which some versions of transformers wrap."""
    found: torch.Tensor = output if isinstance(output, torch.Tensor) else output.pooler_output
    return found


def _side_of(processor: Any) -> int:
    """The side of the pictures that a processor makes, in pixels."""
    size = processor.crop_size if getattr(processor, "do_center_crop", False) else processor.size
    return int(size.get("height") or size.get("shortest_edge") or 224)


def _cannot_be_had(key: str, asset: str, spec: EncoderSpec, why: str) -> GauchoError:
    return GauchoError(_how_to_get(key, asset, spec, why))


def _how_to_get(key: str, asset: str, spec: EncoderSpec, why: str) -> str:
    if encoder_folder(spec.model):
        name = Path(spec.model).name
        return _("{key}: {name} cannot be loaded: {why}", key=key, name=name, why=why.replace(spec.model, name))
    return _(
        "{key}: {model} cannot be had: {why}; with a network, run: hf download {model} --revision {revision}, or name a folder with its "
        "files (safetensors) in {key}.model; then run again with --select {asset} --force",
        key=key, model=spec.model, why=why, revision=spec.revision, asset=asset,
    )  # fmt: skip
