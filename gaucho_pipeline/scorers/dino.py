"""DINO: the same as CLIP-I with an encoder that tells one subject from another of its kind (arXiv 2208.12242, section 4.2)."""

from __future__ import annotations

from gaucho_pipeline.language.bilingual import Bilingual
from gaucho_pipeline.scorers.clip_i import ClipI


class Dino(ClipI):
    """With the paper's ViT-S/16 (arXiv 2104.14294)."""

    name = "dino"
    encoder = "dino"
    title = Bilingual(pt="Semelhança do motivo (DINO ViT-S/16)", en="Similarity of the subject (DINO ViT-S/16)")
    sentence = Bilingual(
        pt="Quanto o motivo gerado se parece com o motivo real nos detalhes que o distinguem de outros do seu tipo.",
        en="How much the generated subject looks like the real one in the details that tell it from others of its kind.",
    )


class Dinov2(Dino):
    """With DINOv2 (arXiv 2304.07193)."""

    name = "dinov2"
    encoder = "dinov2"
    title = Bilingual(pt="Semelhança do motivo (DINOv2)", en="Similarity of the subject (DINOv2)")
