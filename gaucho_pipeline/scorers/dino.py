"""DINO: the same as CLIP-I with an encoder that tells one subject from another of its kind (arXiv 2208.12242, section 4.2)."""

from __future__ import annotations

from gaucho_pipeline.scorers.base import Translation
from gaucho_pipeline.scorers.clip_i import ClipI


class Dino(ClipI):
    """With the paper's ViT-S/16 (arXiv 2104.14294)."""

    name = "dino"
    encoder = "dino"
    title = Translation("Semelhança do motivo (DINO ViT-S/16)", "Similarity of the subject (DINO ViT-S/16)")
    sentence = Translation(
        "Quanto o motivo gerado se parece com o motivo real nos detalhes que o distinguem de outros do seu tipo.",
        "How much the generated subject looks like the real one in the details that tell it from others of its kind.",
    )


class Dinov2(Dino):
    """With DINOv2 (arXiv 2304.07193)."""

    name = "dinov2"
    encoder = "dinov2"
    title = Translation("Semelhança do motivo (DINOv2)", "Similarity of the subject (DINOv2)")
