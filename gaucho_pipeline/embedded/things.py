"""The things of the drawn world: trees, cups, houses and their like, each drawn by a function. Where they are is in `scenery.py`."""

from __future__ import annotations

import math
from collections.abc import Callable

from gaucho_pipeline.embedded.pen import RGB, Pen, Variant, shade

_SKIN: tuple[RGB, ...] = ((244, 206, 170), (214, 162, 120), (146, 96, 64), (98, 64, 46))


def _draw_tree(pen: Pen, v: Variant) -> None:
    trunk = (120, 80, 50)
    b = 0.34 * v.breadth
    pen.rectangle(-0.07, 0.0, 0.07, 0.5, trunk)
    pen.rectangle(0.02, 0.0, 0.07, 0.5, shade(trunk, 0.8))
    dark = shade(v.main, 0.8)
    if v.shape == 0:
        pen.ellipse(-b, 0.32, b, 1.0, dark)
        pen.ellipse(-b, 0.38, b * 0.7, 1.0, v.main)
    elif v.shape == 1:
        for low, high, wide in ((0.22, 0.62, 1.0), (0.42, 0.82, 0.8), (0.62, 1.0, 0.6)):
            pen.polygon(((-b * wide, low), (b * wide, low), (0, high)), v.main)
            pen.polygon(((b * wide * 0.2, low), (b * wide, low), (0, high)), dark)
    else:
        for u, w in ((-b * 0.6, 0.45), (b * 0.6, 0.45), (0, 0.62)):
            pen.ellipse(u - b * 0.62, w - 0.16, u + b * 0.62, w + 0.38, dark if u > 0 else v.main)
    if v.detail == 1:
        for u, w in ((-0.14, 0.6), (0.1, 0.5), (0.02, 0.78), (0.18, 0.68), (-0.06, 0.46)):
            pen.ellipse(u - 0.05, w - 0.05, u + 0.05, w + 0.05, v.second)


def _draw_cup(pen: Pen, v: Variant) -> None:
    w, top = 0.36 * v.breadth, 0.86
    foot = (w, w * 0.62, w * 0.8)[v.shape]
    pen.ring(w * 0.6, 0.26, w * 0.6 + 0.36, 0.72, 0.09, shade(v.main, 0.85))
    pen.polygon(((-w, top), (w, top), (foot, 0.06), (-foot, 0.06)), v.main)
    pen.ellipse(-foot, 0.0, foot, 0.14, v.main)
    pen.polygon(((w * 0.35, top), (w, top), (foot, 0.06), (foot * 0.35, 0.02)), shade(v.main, 0.82))
    if v.detail == 1:
        pen.rectangle(-w * 0.88, 0.36, w * 0.88, 0.56, v.second)
    elif v.detail == 2:
        for u in (-0.6, 0.0, 0.6):
            pen.ellipse(u * w - 0.075, 0.38, u * w + 0.075, 0.53, v.second)
    pen.ellipse(-w, top - 0.11, w, top + 0.11, shade(v.main, 1.25))
    pen.ellipse(-w * 0.86, top - 0.08, w * 0.86, top + 0.08, (92, 58, 38))


def _draw_bottle(pen: Pen, v: Variant) -> None:
    w = 0.21 * v.breadth
    neck, shoulder = 0.085, (0.62, 0.52, 0.68)[v.shape]
    pen.rectangle(-neck, shoulder, neck, 0.92, v.main)
    if v.shape == 1:
        pen.polygon(((-w, 0.40), (-neck, 0.72), (neck, 0.72), (w, 0.40)), v.main)
        pen.rectangle(-w, 0.03, w, 0.41, v.main)
    else:
        pen.ellipse(-w, shoulder - 0.18, w, shoulder + 0.12, v.main)
        pen.rectangle(-w, 0.03, w, shoulder - 0.02, v.main)
    pen.ellipse(-w, 0.0, w, 0.08, v.main)
    pen.rectangle(w * 0.4, 0.03, w, shoulder - 0.12, shade(v.main, 0.8))
    pen.rectangle(-w * 0.75, 0.1, -w * 0.5, shoulder - 0.14, shade(v.main, 1.5))
    pen.rectangle(-w, 0.16, w, 0.38, v.second if v.detail else (246, 240, 220))
    pen.rectangle(-neck * 1.2, 0.9, neck * 1.2, 1.0, v.second)


def _draw_house(pen: Pen, v: Variant) -> None:
    w, eaves = 0.44 * v.breadth, 0.56
    pen.rectangle(-w, 0.0, w, eaves, v.main)
    pen.rectangle(w * 0.45, 0.0, w, eaves, shade(v.main, 0.85))
    if v.shape == 0:
        pen.polygon(((-w - 0.08, eaves), (w + 0.08, eaves), (0, 1.0)), v.second)
    elif v.shape == 1:
        pen.polygon(((-w - 0.08, eaves), (w + 0.08, eaves), (w * 0.55, 0.88), (-w * 0.55, 0.88)), v.second)
        pen.rectangle(w * 0.1, 0.84, w * 0.35, 1.0, shade(v.second, 0.7))
    else:
        pen.rectangle(-w - 0.05, eaves, w + 0.05, eaves + 0.10, v.second)
        pen.rectangle(-w * 0.5, eaves + 0.10, w * 0.5, 0.88, v.main)
        pen.rectangle(-w * 0.6, 0.86, w * 0.6, 0.96, v.second)
    pen.rectangle(-0.09, 0.0, 0.09, 0.32, (110, 66, 40))
    for u in (-w * 0.68, w * 0.68):
        pen.rectangle(u - 0.085, 0.22, u + 0.085, 0.42, (250, 236, 160) if v.detail else (150, 196, 226))


def _draw_person(pen: Pen, v: Variant) -> None:
    skin = _SKIN[v.shape % len(_SKIN)]
    hair, trousers = ((70, 44, 30), (34, 30, 32), (222, 182, 90))[v.detail], v.second
    w = 0.17 * v.breadth
    for u in (-w * 0.55, w * 0.55):
        pen.rectangle(u - 0.075, 0.0, u + 0.075, 0.42, trousers)
        pen.rectangle(u - 0.085, 0.0, u + 0.095, 0.05, (54, 40, 36))
    for sign in (-1, 1):
        pen.line(((sign * w, 0.68), (sign * (w + 0.12), 0.40)), 0.10, shade(v.main, 0.85))
        pen.ellipse(sign * (w + 0.13) - 0.05, 0.33, sign * (w + 0.13) + 0.05, 0.43, skin)
    pen.polygon(((-w - 0.04, 0.72), (w + 0.04, 0.72), (w, 0.36), (-w, 0.36)), v.main)
    pen.ellipse(-0.145, 0.71, 0.145, 1.0, hair)
    pen.ellipse(-0.12, 0.69, 0.12, 0.93, skin)
    for u in (-0.05, 0.05):
        pen.ellipse(u - 0.018, 0.80, u + 0.018, 0.84, (30, 26, 30))


def _draw_cat(pen: Pen, v: Variant) -> None:
    fur, dark = v.main, shade(v.main, 0.75)
    w = 0.27 * v.breadth
    pen.line(((0.2, 0.08), (0.42, 0.14), (0.44, 0.40), (0.36, 0.5)), 0.10, dark)
    pen.ellipse(-w, 0.0, w, 0.62, fur)
    pen.ellipse(-w * 0.5, 0.02, w * 0.5, 0.42, v.second if v.detail else fur)
    for sign in (-1, 1):
        pen.polygon(((sign * 0.29, 0.74), (sign * 0.06, 0.88), (sign * 0.25, 1.02)), dark)
        pen.ellipse(sign * 0.13 - 0.08, 0.0, sign * 0.13 + 0.08, 0.12, shade(fur, 1.2))
    pen.ellipse(-0.29, 0.46, 0.29, 0.92, fur)
    if v.shape == 1:
        for u in (-0.14, 0.0, 0.14):
            pen.rectangle(u - 0.03, 0.78, u + 0.03, 0.89, dark)
    pen.ellipse(-0.12, 0.48, 0.12, 0.63, shade(fur, 1.4))
    for sign in (-1, 1):
        pen.ellipse(sign * 0.13 - 0.06, 0.63, sign * 0.13 + 0.06, 0.77, (120, 200, 90))
        pen.ellipse(sign * 0.13 - 0.025, 0.64, sign * 0.13 + 0.025, 0.76, (24, 24, 24))
    pen.polygon(((-0.045, 0.61), (0.045, 0.61), (0, 0.55)), (226, 120, 130))


def _draw_mushroom(pen: Pen, v: Variant) -> None:
    w, stem = 0.42 * v.breadth, (244, 232, 208)
    pen.polygon(((-0.13, 0.55), (0.13, 0.55), (0.17, 0.03), (-0.17, 0.03)), stem)
    pen.polygon(((0.04, 0.55), (0.13, 0.55), (0.17, 0.03), (0.07, 0.03)), shade(stem, 0.85))
    pen.ellipse(-0.17, 0.0, 0.17, 0.08, stem)
    low = (0.42, 0.36, 0.5)[v.shape]
    cap = [(-w * math.cos(a), low + (0.98 - low) * math.sin(a)) for a in (math.pi * i / 24 for i in range(25))]
    pen.polygon(cap, v.main)
    pen.ellipse(-w, low - 0.09, w, low + 0.09, shade(v.main, 0.75))
    for u, t in ((-0.5, 0.35), (0.0, 0.68), (0.5, 0.4), (0.12, 0.3))[: 4 if v.detail else 0]:
        y = low + (0.98 - low) * t
        pen.ellipse(u * w - 0.065, y - 0.05, u * w + 0.065, y + 0.06, v.second)


def _draw_car(pen: Pen, v: Variant) -> None:
    w = 0.58
    roof = (0.66, 0.72, 0.60)[v.shape]
    cabin = ((-0.36, 0.36), (-0.24, roof), (0.20, roof), (0.34, 0.36))
    if v.shape == 1:
        cabin = ((-0.5, 0.36), (-0.48, roof), (0.22, roof), (0.34, 0.36))
    pen.polygon(cabin, shade(v.main, 0.9))
    glass = (176, 212, 232)
    pen.polygon(((-0.28, 0.40), (-0.20, roof - 0.06), (-0.03, roof - 0.06), (-0.03, 0.40)), glass)
    pen.polygon(((0.03, 0.40), (0.03, roof - 0.06), (0.17, roof - 0.06), (0.27, 0.40)), glass)
    pen.rectangle(-w, 0.12, w, 0.40, v.main)
    pen.rectangle(-w, 0.12, w, 0.19, shade(v.main, 0.7))
    if v.detail:
        pen.rectangle(-w, 0.25, w, 0.32, v.second)
    pen.rectangle(w - 0.07, 0.27, w, 0.36, (252, 240, 160))
    for u in (-0.33, 0.33):
        pen.ellipse(u - 0.15, 0.0, u + 0.15, 0.30, (40, 40, 44))
        pen.ellipse(u - 0.065, 0.085, u + 0.065, 0.215, (190, 190, 194))


DRAWERS: dict[str, Callable[[Pen, Variant], None]] = {
    "tree": _draw_tree,
    "cup": _draw_cup,
    "bottle": _draw_bottle,
    "house": _draw_house,
    "person": _draw_person,
    "cat": _draw_cat,
    "mushroom": _draw_mushroom,
    "car": _draw_car,
}
