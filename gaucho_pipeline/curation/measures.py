"""What is measured of a picture: pure functions from bytes to numbers, independent of any threshold.

What the numbers decide is in `filters/registry.py`, which pictures are alike in `duplicates.py`. A change of what is measured raises
VERSION, so that nothing measured before is taken for it.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from gaucho_pipeline.curation import detail
from gaucho_pipeline.curation.grounds import find_ground
from gaucho_pipeline.curation.hashes import window_hashes
from gaucho_pipeline.curation.overlays import edge_map
from gaucho_pipeline.filters.boxes import WHOLE, Box
from gaucho_pipeline.filters.measures import Measures
from gaucho_pipeline.images.decoding import probe, square

VERSION = "6"
_SIDE = 512
_SHARPNESS_SIDE = 256
THUMB = 64
_COLOURS = 8
_DARK, _BRIGHT = 16, 245  # of 255
_LIT, _LIT_SHARE = 128, 0.99
"""A hundredth of a photograph by night is at least so light: a lamp, the moon, a fire."""
_BLOCK = 8
_FLAT, _STRONG = 4, 128  # of 255
_BORDER, _EDGE = 6, 15  # of 255
_ON_GROUND = 1.6
"""Without the ground's flat blocks and the outline, ornaments on white come to .042 to .045, photographed objects to .031 at most."""


def measure(content: bytes) -> Measures:
    """Measures the picture in `content`. Raises BadImage if it is none."""
    probed = probe(content, enough=detail.SIDE)
    image = probed.image
    image.thumbnail((detail.SIDE, detail.SIDE), Image.Resampling.BOX, reducing_gap=None)
    finest = detail.finest_share(np.asarray(image.convert("L")))
    seen = max(image.size) / max(probed.width, probed.height)
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX, reducing_gap=None)
    grey_image = image.convert("L")
    grey = np.asarray(grey_image)
    ground = find_ground(np.asarray(image))
    left, top, right, bottom = box = ground.box if ground else content_box(grey)
    body = grey[round(top * grey.shape[0]) : round(bottom * grey.shape[0]), round(left * grey.shape[1]) : round(right * grey.shape[1])]
    shown = grey[ground.shown] if ground else body
    counts = np.bincount(shown.ravel(), minlength=256)
    thumb = np.asarray(grey_image.resize((THUMB, THUMB), Image.Resampling.BOX))
    plain, mirrored, turned = window_hashes(grey_image, thumb)
    return Measures(
        width=probed.width,
        height=probed.height,
        finest=round(finest * seen, 4) if finest < 1 else 1.0,
        sharpness=sharpness(_cropped_to(grey_image, box) if ground and ground.kind == "backdrop" else grey_image),
        dark=round(float(counts[:_DARK].sum() / shown.size) * (0.5 if _share(counts, _LIT_SHARE) >= _LIT else 1.0), 4),
        bright=round(float(counts[_BRIGHT:].sum() / shown.size), 4),
        contrast=round((_share(counts, 0.98) - _share(counts, 0.02)) / 255, 4),
        entropy=round(_entropy(counts), 3),
        quality=probed.quality or 100,
        camera=probed.camera,
        graphic=round(_ON_GROUND * _graphic(grey, counts, ground.shown) if ground else _graphic(body, counts), 4),
        chroma=round(_chroma(image), 4),
        ground=ground.kind if ground else "bars" if box != WHOLE else "",
        content_box=box,
        hashes=plain,
        mirrored=mirrored,
        turned=turned,
        thumb=thumb.tobytes(),
        colours=image.resize((_COLOURS, _COLOURS), Image.Resampling.BOX).tobytes(),
        edges=edge_map(grey_image),
    )


def _cropped_to(image: Image.Image, box: Box) -> Image.Image:
    """What is in a box: an object, not the backdrop, which is never sharp."""
    left, top, right, bottom = box
    return image.crop((round(left * image.width), round(top * image.height), round(right * image.width), round(bottom * image.height)))


def sharpness(image: Image.Image) -> float:
    """Variance of the Laplacian of the luminance (0 to 1), at the same size for all, so that large photos gain nothing."""
    y = np.asarray(square(image.convert("L"), _SHARPNESS_SIDE), np.float32) / 255
    laplacian = y[:-2, 1:-1] + y[2:, 1:-1] + y[1:-1, :-2] + y[1:-1, 2:] - 4 * y[1:-1, 1:-1]
    return round(float(laplacian.var()), 6)


def content_box(grey: np.ndarray) -> tuple[float, float, float, float]:
    """What is inside borders of one value with an edge to the picture: left, top, right, bottom, as shares of the sides.

    A clear sky is no border: it has no edge. A uniform picture is all inside.
    """
    rows, columns = _varied(grey), _varied(grey.T)
    if not rows.any() or not columns.any():
        return (0.0, 0.0, 1.0, 1.0)
    (top, bottom), (left, right) = _content(grey, rows), _content(grey.T, columns)
    return (left, top, right, bottom)


def _varied(grey: np.ndarray) -> np.ndarray:
    """Which rows are more than one value."""
    return np.asarray(np.ptp(np.ascontiguousarray(grey), axis=1) > _BORDER)


def _content(grey: np.ndarray, varied: np.ndarray) -> tuple[float, float]:
    """The first and the last row of the picture itself, as shares."""
    where = np.flatnonzero(varied)
    first, last = _border(grey, int(where[0])), _border(grey[::-1], len(grey) - 1 - int(where[-1]))
    return round(first / len(grey), 4), round(1 - last / len(grey), 4)


def _border(grey: np.ndarray, rows: int) -> int:
    """How many of the first rows are a border: all of one value, and unlike what follows."""
    if rows == 0:
        return 0
    low, middle, high = np.percentile(grey[:rows], (1, 50, 99))
    following = grey[min(rows + 1, len(grey) - 1)].astype(np.float32)
    return rows if high - low <= _BORDER and float(np.abs(following - middle).mean()) > _EDGE else 0


def _share(counts: np.ndarray, share: float) -> int:
    """The grey below which this share of the pixels is."""
    return int(np.searchsorted(np.cumsum(counts), share * counts.sum()))


def _entropy(counts: np.ndarray) -> float:
    shares = counts.reshape(64, 4).sum(1) / max(1, counts.sum())
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


def _graphic(grey: np.ndarray, counts: np.ndarray, shown: np.ndarray | None = None) -> float:
    height, width = (side // _BLOCK * _BLOCK for side in grey.shape)
    if not height or not width:
        return 0.0
    blocks = grey[:height, :width]
    high = _by_block(np.maximum, _by_block(np.maximum, blocks).T)
    low = _by_block(np.minimum, _by_block(np.minimum, blocks).T)
    ranges = high.astype(np.int16) - low
    if shown is not None:  # the edge between an object and its ground is no drawing
        ranges = ranges[_by_block(np.minimum, _by_block(np.minimum, shown[:height, :width].astype(np.uint8)).T) > 0]
        if not ranges.size:
            return 0.0
    background = np.convolve(counts, np.ones(8)).max() / counts.sum()  # eight neighbouring greys
    return float(max((ranges < _FLAT).mean(), background) * (ranges > _STRONG).mean())


def _by_block(of: np.ufunc, values: np.ndarray) -> np.ndarray:
    """The largest or the smallest of every so many rows."""
    found = values[::_BLOCK]
    for row in range(1, _BLOCK):
        found = of(found, values[row::_BLOCK])
    return np.ascontiguousarray(found)


def _chroma(image: Image.Image) -> float:
    """Mean over the pixels of the farthest that a colour is from their mean, 0 to 1."""
    red, green, blue = (np.asarray(band, np.float32) for band in image.reduce(2).split())
    mean = (red + green + blue) / 3
    farthest = np.maximum(np.maximum(np.maximum(red, green), blue) - mean, mean - np.minimum(np.minimum(red, green), blue))
    return float(farthest.mean()) / 255
