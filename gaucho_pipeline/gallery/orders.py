"""What is asked of a model, and the word for what it gives: light to import, for pages as well as for drawing."""

from __future__ import annotations

from dataclasses import dataclass

GENERATED = "https://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""IPTC's term for a picture that a trained model made."""


@dataclass(frozen=True)
class Order:
    """A picture to draw: the same order gives the same picture."""

    prompt: str
    seed: int
