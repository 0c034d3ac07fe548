"""What everything in the drawn world is drawn with: its size, a pen, light and shade, and what varies from thing to thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import ImageDraw

SIZE = 64


SUPERSAMPLING = 4


RGB = tuple[int, int, int]


TIMES = {"day": "by day", "sunset": "at sunset", "night": "at night"}


_SKY: dict[str, tuple[RGB, RGB]] = {
    "day": ((96, 166, 232), (206, 232, 248)),
    "sunset": ((122, 84, 150), (252, 170, 96)),
    "night": ((46, 56, 116), (112, 126, 184)),
}


_LIGHT: dict[str, tuple[float, float, float]] = {
    "day": (1.0, 1.0, 1.0),
    "sunset": (1.0, 0.84, 0.70),
    "night": (0.70, 0.74, 0.92),
}


@dataclass(frozen=True)
class Variant:
    """What tells one thing of a kind from another: two colours, a shape and a detail (0 to 2), a breadth."""

    kind: str
    main: RGB
    second: RGB
    shape: int
    detail: int
    breadth: float


@dataclass(frozen=True)
class Scene:
    """A place, a time of day and the little that differs between two pictures of them (`seed`)."""

    place: str
    time: str
    seed: int


class Pen:
    """Draws in a thing's own box, under a scene's light.

    `width` and `height` are shares of the picture, `mirrored` flips left and right.
    """

    def __init__(self, draw: ImageDraw.ImageDraw, side: int, centre: float, foot: float, height: float, mirrored: bool, time: str) -> None:
        self._draw, self._side, self._centre, self._foot, self._height = draw, side, centre, foot, height
        self._sign = -1.0 if mirrored else 1.0
        self._time = time

    def _xy(self, point: Point) -> Point:
        u, v = point
        return (
            (self._centre + self._sign * u * self._height) * self._side,
            (self._foot - v * self._height) * self._side,
        )

    def _box(self, u0: float, v0: float, u1: float, v1: float) -> tuple[float, float, float, float]:
        (xa, ya), (xb, yb) = self._xy((u0, v0)), self._xy((u1, v1))
        return min(xa, xb), min(ya, yb), max(xa, xb), max(ya, yb)

    def polygon(self, points: Sequence[Point], fill: RGB) -> None:
        self._draw.polygon([self._xy(p) for p in points], fill=lit(fill, self._time))

    def ellipse(self, u0: float, v0: float, u1: float, v1: float, fill: RGB) -> None:
        self._draw.ellipse(self._box(u0, v0, u1, v1), fill=lit(fill, self._time))

    def rectangle(self, u0: float, v0: float, u1: float, v1: float, fill: RGB) -> None:
        self._draw.rectangle(self._box(u0, v0, u1, v1), fill=lit(fill, self._time))

    def line(self, points: Sequence[Point], thickness: float, fill: RGB) -> None:
        width = max(1, round(thickness * self._height * self._side))
        self._draw.line([self._xy(p) for p in points], fill=lit(fill, self._time), width=width, joint="curve")

    def ring(self, u0: float, v0: float, u1: float, v1: float, thickness: float, fill: RGB) -> None:
        width = max(1, round(thickness * self._height * self._side))
        self._draw.ellipse(self._box(u0, v0, u1, v1), outline=lit(fill, self._time), width=width)


def lit(colour: RGB, time: str) -> RGB:
    """A colour as it looks at a time of day."""
    r, g, b = (min(255, round(c * k)) for c, k in zip(colour, _LIGHT[time], strict=True))
    return r, g, b


def shade(colour: RGB, by: float) -> RGB:
    """A colour made darker (`by` below 1) or lighter (above 1)."""
    if by <= 1:
        r, g, b = (round(c * by) for c in colour)
    else:
        r, g, b = (round(c + (255 - c) * (by - 1)) for c in colour)
    return r, g, b


Point = tuple[float, float]
