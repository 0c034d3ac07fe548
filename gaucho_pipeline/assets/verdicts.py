"""The words of a verdict: its rule, its reasons, and the figures of the subject. What is decided by them is in `evaluation/verdict.py`."""

from __future__ import annotations

from typing import Literal, NamedTuple

from gaucho_pipeline.language.bilingual import Bilingual

Word = Literal["yes", "no", "unclear"]


SUBJECT_SCORERS = ("dinov2", "dino", "clip_i")


RULE = Bilingual(
    pt="Sim: naquilo que distingue as imagens reais de imagens que só têm as suas cores, texturas ou formas, as imagens geradas "
    "percorreram mais de metade do caminho até as reais (com 97,5 % de certeza), e na semelhança ao menos um quarto dele "
    "(com 75 %). Não: em uma das duas percorreram menos de metade do caminho (com 97,5 %), ou deixaram de seguir os pedidos, ou à "
    "maioria falta com certeza algo que devem mostrar. Nos demais casos é incerto; também onde o codificador não distingue o motivo, "
    "onde metade das imagens ou mais são cópias, onde há uma só imagem para cada pedido, e onde o erro do treino não caiu.",
    en="Yes: in what tells the real images from pictures that have only their colours, textures or forms, the pictures have come more than "
    "half of the way to the real ones (with 97.5 % certainty), and in similarity at least a quarter of it (with 75 %). No: in one of "
    "the two they have come less than half of the way (with 97.5 %), or they no longer follow the prompts, or most lack for certain "
    "what they must show. Anything else is unclear; also where the encoder cannot tell the subject, where half of the pictures or more "
    "are copies, where there is one picture for each prompt, and where the training loss did not fall.",
)


STYLE_RULE = Bilingual(
    pt="Sim: naquilo que distingue as obras reais das de outros, e do que o modelo de base desenha, as imagens geradas percorreram mais "
    "de metade do caminho até as reais (com 97,5 % de certeza), e na semelhança ao menos um quarto dele (com 75 %). Não: em uma das duas "
    "percorreram menos de metade do caminho (com 97,5 %), ou deixaram de seguir os pedidos, ou à maioria falta com certeza algo que "
    "devem mostrar. Nos demais casos é incerto; também com menos de dez obras de outros, onde o codificador não distingue as obras "
    "reais das de outros, onde metade das imagens ou mais são cópias, onde há uma só imagem para cada "
    "pedido, e onde o erro do treino não caiu.",
    en="Yes: in what tells the real works from those of others, and from what the base model draws, the pictures have come more than half "
    "of the way to the real ones (with 97.5 % certainty), and in similarity at least a quarter of it (with 75 %). No: in one of the two "
    "they have come less than half of the way (with 97.5 %), or they no longer follow the prompts, or most lack for certain what they "
    "must show. Anything else is unclear; also with fewer than ten works of others, where the encoder cannot tell the real works from "
    "those of others, where half of the pictures or more are copies, where there is one picture for each prompt, and where the training "
    "loss did not fall.",
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
    "loss_did_not_fall": Bilingual(
        pt="As imagens se aproximaram das reais, mas o erro do treino não caiu: olhe as imagens, ou pergunte a quem conhece o motivo.",
        en="The pictures came nearer to the real ones, but the training loss did not fall: look, or ask people who know the subject.",
    ),
    "loss_did_not_fall_either": Bilingual(
        pt="O treino não aprendeu nada que se possa medir, e as imagens mostram isso.",
        en="Training learned nothing that can be measured, and the pictures show it.",
    ),
    "no_nearer": Bilingual(
        pt="As imagens não se parecem mais com as reais do que antes.",
        en="The pictures are no more like the real images than before.",
    ),
    "hardly_nearer": Bilingual(
        pt="As imagens se aproximaram das reais, mas nem até a metade do caminho.",
        en="The pictures came nearer to the real images, but not even half of the way.",
    ),
    "partly": Bilingual(
        pt="As imagens se aproximaram das reais, mas só em parte.",
        en="The pictures came nearer to the real images, but only in part.",
    ),
    "too_few_pictures": Bilingual(
        pt="As imagens parecem boas, mas são poucas para se ter certeza.",
        en="The pictures look right, but there are too few to be sure.",
    ),
    "too_few_real_images": Bilingual(
        pt="Há menos de quatro imagens reais, e com elas não se sabe.",
        en="There are fewer than four real images, and with them nobody knows.",
    ),
    "not_measured": Bilingual(
        pt="A semelhança com as imagens reais não pôde ser medida.",
        en="The similarity to the real images could not be measured.",
    ),
    "prompts_ignored": Bilingual(
        pt="As imagens são quase as mesmas, peça-se o que for.",
        en="The pictures are nearly the same, whatever is asked for.",
    ),
    "encoder_blind": Bilingual(
        pt="Este codificador não distingue este motivo do que só se parece com ele: só os olhos podem dizer. Pergunte a quem o conhece.",
        en="This encoder cannot tell this subject from what is merely like it: only eyes can. Ask people who know it.",
    ),
    "style_learned": Bilingual(
        pt="As imagens têm este estilo, e bem mais do que antes: distinguem-se das obras de outros como as reais.",
        en="The pictures have this style, and much more so than before: they are told from works of others as the real ones are.",
    ),
    "encoder_blind_to_style": Bilingual(
        pt="Este codificador não distingue as obras reais das de outros: só os olhos podem dizer. Pergunte a quem conhece o estilo.",
        en="This encoder cannot tell the real works from those of others: only eyes can. Ask people who know the style.",
    ),
    "too_few_others": Bilingual(
        pt="Há menos de dez obras de outros que se possam ler, e com tão poucas não se sabe.",
        en="There are fewer than ten works of others that can be read, and with so few nobody knows.",
    ),
    "base_knows_it": Bilingual(
        pt="O modelo de base já desenhava algo tão parecido quanto as imagens reais entre si.",
        en="The base model drew something as alike already as the real images are to one another.",
    ),
    "one_scene": Bilingual(
        pt="As imagens reais mostram todas a mesma cena, e o motivo noutro lugar parece outra coisa. Pergunte a quem o conhece.",
        en="The real images all show one scene, and the subject elsewhere looks like something else. Ask people who know it.",
    ),
    "copied": Bilingual(
        pt="Metade das imagens ou mais parecem cópias das imagens de treino.",
        en="Half of the pictures or more look copied from the training images.",
    ),
    "one_picture": Bilingual(
        pt="Para cada pedido há uma só imagem, seja qual for a semente.",
        en="There is one picture for each prompt, whatever the seed.",
    ),
    "attribute_missing": Bilingual(
        pt="As imagens se parecem com as reais, mas à maioria falta algo que o motivo deve mostrar.",
        en="The pictures look like the real ones, but most lack something that it must show.",
    ),
    # of evaluations that an older rule made, until they are made again
    "training_learned_nothing": Bilingual(
        pt="O treino não aprendeu nada que se possa medir.",
        en="Training learned nothing that can be measured.",
    ),
    "training_unclear": Bilingual(
        pt="As imagens se aproximaram das reais, mas não está claro que o treino aprendeu.",
        en="The pictures came nearer to the real ones, but whether training learned is unclear.",
    ),
    "within_chance": Bilingual(
        pt="A mudança pode ser acaso: há poucas imagens para saber.",
        en="The change may be chance: there are too few images to know.",
    ),
    "too_few_images": Bilingual(
        pt="Há uma só imagem real guardada para medir, e com ela não se sabe.",
        en="Only one real image was kept to measure on, and with it nobody knows.",
    ),
    "colours_only": Bilingual(
        pt="O que mede a semelhança vê aqui as cores, e não o motivo; só os olhos podem dizer.",
        en="What measures the similarity sees the colours here and not the subject; only eyes can tell.",
    ),
}

ASIDES: dict[str, Bilingual] = {
    "more_pictures": Bilingual(
        pt="Cerca de {pictures} imagens bastariam para saber; escreva em gallery: seeds: {seeds}",
        en="About {pictures} pictures would tell; write under gallery: seeds: {seeds}",
    ),
    "more_images": Bilingual(
        pt="Mais imagens geradas não ajudariam; mais fotografias do motivo, sim.",
        en="More pictures would not tell; more photographs of the subject would.",
    ),
    "many_pictures": Bilingual(
        pt="Só umas {pictures} imagens bastariam para saber: olhe as que há, ou pergunte a quem conhece o motivo.",
        en="Only some {pictures} pictures would tell: look at those that there are, or ask people who know the subject.",
    ),
    "class_noun_changed": Bilingual(
        pt="E “{class_noun}” sem a palavra do conceito também sai diferente agora.",
        en="And “{class_noun}” without the concept’s word is drawn otherwise now, too.",
    ),
    "not_reported_apart": Bilingual(
        pt="Havia poucas imagens de validação: as que escolheram os pesos são também as que medem o erro.",
        en="There were few validation images: those that chose the weights are those on which the loss is reported, too.",
    ),
    "copied": Bilingual(
        pt="{copied} de {pictures} imagens parecem cópias das imagens de treino.",
        en="{copied} of {pictures} pictures look copied from the training images.",
    ),
    "one_picture": REASONS["one_picture"],
    "attributes_missing": Bilingual(pt="Falta: {attributes}.", en="Missing: {attributes}."),
    "attributes_left_to_people": Bilingual(
        pt="Se mostram {attributes}, este codificador não sabe dizer: pergunte a quem conhece o motivo (gaucho judge).",
        en="Whether they show {attributes} this encoder cannot tell: ask people who know it (gaucho judge).",
    ),
}
"""What is said beside the reason, with what is counted in it."""

COLLECTION_RULE = Bilingual(
    pt="Sim: cada conceito tem o seu próprio sim, e as imagens de nenhum são tomadas por outro mais vezes do que as suas fotografias "
    "(com 97,5 % de certeza). Não: um deles tem um não, ou as suas imagens são tomadas por outro.",
    en="Yes: each concept has its own yes, and pictures of none are taken for another more often than its real images are "
    "(with 97.5 % certainty). No: one of them has a no, or its pictures are taken for another.",
)

COLLECTION_REASONS: dict[str, Bilingual] = {
    "kept_apart": Bilingual(
        pt="Cada conceito aparece nas suas imagens, e nenhum é tomado por outro.",
        en="Each concept is there in its pictures, and none is taken for another.",
    ),
    "bleeds": Bilingual(
        pt="Imagens pedidas de um são tomadas por outro: {concepts}.", en="Pictures of one are taken for another: {concepts}."
    ),
    "member_no": Bilingual(pt="Não se pode desenhar ainda: {concepts}.", en="Cannot be drawn yet: {concepts}."),
    "member_unclear": Bilingual(
        pt="Não está claro se já se pode desenhar: {concepts}.", en="Whether it can be drawn is unclear: {concepts}."
    ),
    "encoder_blind": Bilingual(
        pt="O codificador não distingue as próprias fotografias: {concepts}. Só os olhos podem dizer.",
        en="The encoder cannot tell even the real images apart: {concepts}. Only eyes can.",
    ),
    "not_measured": Bilingual(pt="Não pôde ser medido.", en="It could not be measured."),
}

JUDGEMENT_RULE = Bilingual(
    pt="Sim: mais da metade das imagens geradas são tomadas pelo motivo por quem o conhece, e preferidas às do modelo de base "
    "(com 97,5 % de certeza), e nenhum atributo falta. Não: mais da metade não são tomadas por ele, ou lhes falta um atributo que as "
    "fotografias mostram (com 97,5 %). Nos demais casos é incerto.",
    en="Yes: people who know it take more than half of the pictures for it and choose them over the base model's (with 97.5 % certainty), "
    "and no attribute is missing. No: more than half are not taken for it, or lack an attribute that photographs show (with 97.5 %). "
    "Anything else is unclear.",
)

JUDGEMENT_REASONS: dict[str, Bilingual] = {
    "recognised": Bilingual(
        pt="As imagens são tomadas pelo motivo, e preferidas às do modelo de base.",
        en="The pictures are taken for it, and chosen over the base model's.",
    ),
    "not_recognised": Bilingual(pt="A maioria das imagens não é tomada pelo motivo.", en="Most pictures are not taken for it."),
    "attribute_missing": Bilingual(
        pt="À maioria das imagens falta algo que o motivo deve mostrar.", en="Most pictures lack something that it must show."
    ),
    "undecided": Bilingual(
        pt="As respostas são poucas, ou divididas demais, para se ter certeza.", en="The answers are too few, or too divided, to be sure."
    ),
    "base_as_good": Bilingual(
        pt="As imagens são tomadas pelo motivo, mas não é certo que sejam preferidas às do modelo de base.",
        en="The pictures are taken for it, but it is not sure that they are chosen over the base model's.",
    ),
    "real_not_recognised": Bilingual(
        pt="Nem as fotografias reais são tomadas com certeza pelo motivo: a pergunta, ou a escolha de pessoas, não serve.",
        en="Not even real photographs are surely taken for it: the question, or the choice of people, does not serve.",
    ),
    "too_few_raters": Bilingual(
        pt="Menos de três pessoas que o conhecem responderam.", en="Fewer than three people who know it have answered."
    ),
    "too_few_answers": Bilingual(pt="Faltam respostas sobre imagens avulsas.", en="There are too few answers about single pictures."),
}

SENTENCES: tuple[Bilingual, ...] = (
    *REASONS.values(), *ASIDES.values(), *COLLECTION_REASONS.values(), *JUDGEMENT_REASONS.values(),
)  # fmt: skip
"""All of them, for whoever reads them on a terminal."""
