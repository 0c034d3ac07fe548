"""From Portuguese prompts to English ones, word by word and phrase by phrase, for base models that read English only.

A stated list and no translator: the same prompt always gives the same words, and a word that is not in the list is told and left as it is.
Adjectives follow their noun in Portuguese: such pairs are phrases of their own here, where they are common in prompts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

GLOSSARY: dict[str, str] = {
    # how it is made
    "uma foto de": "a photo of", "uma fotografia de": "a photo of", "foto de": "photo of", "uma foto antiga de": "an old photo of",
    "uma pintura de": "a painting of", "uma pintura a óleo de": "an oil painting of", "um óleo de": "an oil painting of",
    "um desenho de": "a drawing of", "um desenho a lápis de": "a pencil drawing of", "uma aquarela de": "a watercolour of",
    "uma gravura de": "an engraving of", "uma xilogravura de": "a woodcut of", "uma escultura de": "a sculpture of",
    "um bordado de": "an embroidery of", "uma ilustração de": "an illustration of", "um retrato de": "a portrait of",
    # where
    "na grama": "on the grass", "no campo": "in the field", "no pampa": "on the pampa", "na pampa": "on the pampa",
    "na mata": "in the forest", "na floresta": "in the forest", "na montanha": "on the mountain", "nas montanhas": "in the mountains",
    "na serra": "in the mountains", "na praia": "on the beach", "na cidade": "in the city", "na rua": "in the street",
    "na água": "in the water", "à beira do rio": "by the river", "à beira do lago": "by the lake", "à beira do mar": "by the sea",
    "sobre uma mesa de madeira": "on a wooden table", "em uma mesa de madeira": "on a wooden table", "na mesa": "on the table",
    "numa mesa de madeira": "on a wooden table", "sobre uma mesa": "on a table", "em uma mesa": "on a table", "numa mesa": "on a table",
    "em um galpão": "in a barn", "no galpão": "in the barn", "numa estância": "on a ranch", "em uma estância": "on a ranch",
    "na estância": "on the ranch", "ao lado do fogo": "beside the fire", "ao fundo": "in the background", "em uma festa": "at a festival",
    "dentro de casa": "indoors", "diante de uma casa": "before a house", "em um museu": "in a museum",
    # light and season
    "de dia": "by day", "de noite": "at night", "à noite": "at night", "ao pôr do sol": "at sunset", "ao nascer do sol": "at sunrise",
    "ao amanhecer": "at dawn", "ao entardecer": "at dusk", "na neblina": "in the mist", "na névoa": "in the mist", "na neve": "in the snow",
    "na chuva": "in the rain", "no inverno": "in winter", "no verão": "in summer", "no outono": "in autumn", "na primavera": "in spring",
    "à luz de velas": "by candlelight", "de perto": "close up", "de longe": "from afar", "visto de cima": "seen from above",
    "vista de cima": "seen from above",
    # who and what
    "um gaúcho": "a gaucho", "uma prenda": "a woman in a long traditional dress", "um homem": "a man", "uma mulher": "a woman",
    "uma pessoa": "a person", "uma criança": "a child", "um cavalo": "a horse", "a cavalo": "on horseback", "um cavaleiro": "a rider",
    "cavaleiros": "riders", "soldados": "soldiers", "uma casa": "a house", "uma árvore": "a tree", "uma cuia": "a gourd",
    "uma bomba": "a metal straw", "gado": "cattle", "ovelhas": "sheep", "um cachorro": "a dog", "um gato": "a cat", "um sapo": "a frog",
    "uma batalha": "a battle", "uma bandeira": "a flag", "fogo": "fire", "fumaça": "smoke", "flores": "flowers",
    # what is done
    "segurando": "holding", "bebendo": "drinking", "montando": "riding", "dançando": "dancing", "lutando": "fighting",
    "sentado": "sitting", "sentada": "sitting", "em pé": "standing", "vestindo": "wearing", "usando": "wearing", "pastando": "grazing",
    # small words
    "de": "of", "do": "of the", "da": "of the", "dos": "of the", "das": "of the", "em": "in", "no": "in the", "na": "in the", "com": "with",
    "sem": "without", "e": "and", "um": "a", "uma": "a", "o": "the", "a": "the", "os": "the", "as": "the", "ao lado de": "beside",
    "sobre": "on", "perto de": "near", "diante de": "before", "entre": "among", "vermelho": "red", "vermelha": "red", "azul": "blue",
    "verde": "green", "branco": "white", "branca": "white", "preto": "black", "preta": "black", "antigo": "old", "antiga": "old",
    "pequeno": "small", "pequena": "small", "grande": "large", "muitos": "many", "muitas": "many",
}  # fmt: skip

_PIECE = re.compile(r"\{[^{}]*\}|\w+|[^\w{]+|\{")


_NOUNS = {
    "pássaro": "bird", "ave": "bird", "gato": "cat", "bebida": "drink", "copo": "cup", "xícara": "cup", "chapéu": "hat",
    "roupa": "clothing",
    "vestido": "dress", "dança": "dance", "planta": "plant", "flor": "flower", "paisagem": "landscape", "prédio": "building",
    "edifício": "building", "igreja": "church", "ponte": "bridge", "comida": "food", "prato": "dish", "ferramenta": "tool", "faca": "knife",
    "objeto": "object", "peça": "object", "animal": "animal", "inseto": "insect", "peixe": "fish", "cobra": "snake", "menino": "boy",
    "menina": "girl", "soldado": "soldier", "mapa": "map", "quadro": "painting", "pintura": "painting", "estátua": "statue",
    "monumento": "monument", "rã": "frog", "coisa": "thing", "lugar": "place", "festa": "festival", "barco": "boat", "navio": "ship",
}  # fmt: skip
_SAME = frozenset({"animal", "a", "o", "as", "do", "no"})
"""What is a word of English, too."""


def english_noun(word: str) -> str:
    """The English noun of a Portuguese one; empty for what is none, or is English, too."""
    bare = word.strip().casefold()
    if bare in _SAME:
        return ""
    found = _NOUNS.get(bare) or next((GLOSSARY[each] for each in (f"um {bare}", f"uma {bare}") if each in GLOSSARY), "")
    return re.sub(r"^(a|an) ", "", found)


def translate(prompt: str, further: Mapping[str, str] | None = None) -> tuple[str, list[str]]:
    """A Portuguese prompt in English, and the words that no entry holds, which stay as they are.

    The longest entry that fits is taken, from left to right, whatever its case. Placeholders stay. `further` entries go before ours of the
    same words.
    """
    entries = {words.lower(): english for words, english in {**GLOSSARY, **(further or {})}.items()}
    longest = max(len(entry.split()) for entry in entries)
    pieces = _PIECE.findall(prompt)
    found, unknown, place = list[str](), list[str](), 0
    while place < len(pieces):
        piece = pieces[place]
        taken, english = _longest(pieces, place, entries, longest)
        if not taken:
            if piece[0].isalpha():
                unknown.append(piece)
            taken, english = 1, piece
        found.append(english)
        place += taken
    return "".join(found), unknown


def _longest(pieces: list[str], place: int, entries: Mapping[str, str], longest: int) -> tuple[int, str]:
    """How many pieces the longest entry at a place takes, and what it stands for; none takes 0."""
    for words in range(longest, 0, -1):
        taken = 2 * words - 1  # words and the spaces between them
        text = "".join(pieces[place : place + taken]).lower()
        if place + taken <= len(pieces) and text in entries:
            return taken, entries[text]
    return 0, ""
