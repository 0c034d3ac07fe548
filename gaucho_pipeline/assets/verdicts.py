"""The words of a verdict: its rule, its reasons, and the figures of the subject. What is decided by them is in `evaluation/verdict.py`."""

from __future__ import annotations

from typing import Literal, NamedTuple

from gaucho_pipeline.language.bilingual import Bilingual

Word = Literal["yes", "no", "unclear"]


SUBJECT_SCORERS = ("dinov2", "dino", "clip_i")


RULE = Bilingual(
    pt="Sim: o treino aprendeu, e a semelhança com as imagens reais subiu além do acaso e cobre pelo menos metade do caminho até as "
    "próprias imagens reais, a partir do modelo de base ou das mesmas cores sem o motivo, o que for maior. Não: o treino não aprendeu, ou "
    "a semelhança não subiu, ou cobre menos de um quarto desse caminho, ou as imagens deixaram de seguir os pedidos. Nos "
    "demais casos, também onde a mudança pode ser acaso, não se sabe.",
    en="Yes: training learned, and the similarity to the real images rose beyond chance and covers at least half of the way to the "
    "real images themselves, from the base model or from the same colours without the subject, whichever is higher. No: training learned "
    "nothing, or the similarity did not rise, or it covers less than a quarter of that way, or the pictures no longer "
    "follow the prompts. Anything else is unclear, also where the change may be chance.",
)


class Verdict(NamedTuple):
    """The word, and the key of its reason in `REASONS`."""

    word: Word
    reason: str


REASONS: dict[str, Bilingual] = {
    "learned": Bilingual(
        pt="O motivo aparece nas imagens, e bem mais do que antes.",
        en="The subject is there in the pictures, and much more so than before.",
    ),
    "training_learned_nothing": Bilingual(
        pt="O treino não aprendeu nada que se possa medir.",
        en="Training learned nothing that can be measured.",
    ),
    "training_unclear": Bilingual(
        pt="As imagens se aproximaram das reais, mas não está claro que o treino aprendeu.",
        en="The pictures came nearer to the real ones, but whether training learned is unclear.",
    ),
    "no_nearer": Bilingual(
        pt="As imagens não se parecem mais com as reais do que antes.",
        en="The pictures are no more like the real images than before.",
    ),
    "hardly_nearer": Bilingual(
        pt="As imagens mal se aproximaram das reais.",
        en="The pictures came hardly nearer to the real images.",
    ),
    "partly": Bilingual(
        pt="As imagens se aproximaram das reais, mas só em parte.",
        en="The pictures came nearer to the real images, but only in part.",
    ),
    "within_chance": Bilingual(
        pt="A mudança pode ser acaso: há poucas imagens para saber.",
        en="The change may be chance: there are too few images to know.",
    ),
    "too_few_images": Bilingual(
        pt="Há uma só imagem real guardada para medir, e com ela não se sabe.",
        en="Only one real image was kept to measure on, and with it nobody knows.",
    ),
    "not_measured": Bilingual(
        pt="A semelhança com as imagens reais não pôde ser medida.",
        en="The similarity to the real images could not be measured.",
    ),
    "prompts_ignored": Bilingual(
        pt="As imagens são quase as mesmas, peça-se o que for.",
        en="The pictures are nearly the same, whatever is asked for.",
    ),
    "colours_only": Bilingual(
        pt="O que mede a semelhança vê aqui as cores, e não o motivo; só os olhos podem dizer.",
        en="What measures the similarity sees the colours here and not the subject; only eyes can tell.",
    ),
    "base_knows_it": Bilingual(
        pt="O modelo de base já desenhava algo tão parecido quanto as imagens reais entre si.",
        en="The base model drew something as alike already as the real images are to one another.",
    ),
}  # fmt: skip
