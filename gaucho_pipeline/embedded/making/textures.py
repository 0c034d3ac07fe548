"""Pictures of nothing in particular, that teach the VAE what photographs are made of.

Dead leaves (occluding shapes of all sizes), coloured noise with a photograph's falling spectrum, and
gradients. The denoiser never sees these.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from gaucho_pipeline.embedded.pen import SIZE


def texture(index: int) -> Image.Image:
    """Texture number `index`: SIZE x SIZE, RGB; the same index gives the same picture."""
    rng = np.random.default_rng([7, index])
    kind = rng.random()
    if kind < 0.55:
        return dead_leaves(rng)
    if kind < 0.85:
        return blend(coloured_noise(rng), dead_leaves(rng), rng)
    return gradient(rng)


def coloured_noise(rng: np.random.Generator) -> Image.Image:
    """Noise whose amplitude falls as a power of the frequency, its three channels correlated."""
    fy, fx = np.meshgrid(np.fft.fftfreq(SIZE), np.fft.fftfreq(SIZE), indexing="ij")
    spectrum = np.hypot(fy, fx)
    spectrum[0, 0] = 1.0
    fall = spectrum ** -rng.uniform(0.7, 1.8)
    fall[0, 0] = 0.0
    waves = np.fft.fft2(rng.standard_normal((3, SIZE, SIZE))) * fall
    channels = np.real(np.fft.ifft2(waves)).reshape(3, -1)
    mixing = rng.normal(0, 0.35, (3, 3)) + rng.uniform(0.4, 1.0)
    pixels = mixing @ (channels / channels.std())
    pixels = pixels / pixels.std() * rng.uniform(0.08, 0.25) + rng.uniform(0.2, 0.8, (3, 1))
    return _image(pixels.reshape(3, SIZE, SIZE).transpose(1, 2, 0))


def dead_leaves(rng: np.random.Generator) -> Image.Image:
    """Discs and polygons that cover one another, their radii falling as a power law."""
    scale = 2
    side = SIZE * scale
    image = Image.new("RGB", (side, side), _colour(rng))
    draw = ImageDraw.Draw(image)
    base = rng.uniform(0, 255, 3)
    spread = rng.uniform(20, 110)
    for _ in range(int(rng.integers(15, 120))):
        radius = side * min(0.5, 0.03 * rng.pareto(1.3) + 0.02)
        x, y = rng.uniform(0, side, 2)
        fill = tuple(int(c) for c in np.clip(base + rng.normal(0, spread, 3), 0, 255))
        if rng.random() < 0.5:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
        else:
            angles = sorted(rng.uniform(0, 2 * math.pi, int(rng.integers(3, 7))))
            draw.polygon([(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles], fill=fill)
    return image.resize((SIZE, SIZE), Image.Resampling.BOX)


def gradient(rng: np.random.Generator) -> Image.Image:
    """A smooth passage between four corner colours, with a little grain."""
    corners = Image.new("RGB", (2, 2))
    for x in (0, 1):
        for y in (0, 1):
            corners.putpixel((x, y), _colour(rng))
    smooth = np.asarray(corners.resize((SIZE, SIZE), Image.Resampling.BICUBIC), np.float64) / 255
    return _image(smooth + rng.normal(0, rng.uniform(0, 0.03), smooth.shape))


def blend(a: Image.Image, b: Image.Image, rng: np.random.Generator) -> Image.Image:
    return Image.blend(a, b, float(rng.uniform(0.2, 0.8)))


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    r, g, b = (int(c) for c in rng.integers(0, 256, 3))
    return r, g, b


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray((np.clip(pixels, 0, 1) * 255).round().astype(np.uint8), "RGB")
