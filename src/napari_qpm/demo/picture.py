"""The demo's picture: raw frame, phase with outlines, mass of each cell, growth.

Drawn with Pillow alone, because plotting libraries are no dependency of the package.
"""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from skimage.segmentation import find_boundaries

from napari_qpm.demo.comparison import Comparison

__all__ = ["draw_demo"]

PANEL, MARGIN, TITLE, PLOT = 520, 20, 34, 250
PAPER, INK, FAINT = (255, 255, 255), (35, 40, 48), (176, 182, 190)
OUTLINE, MEASURED, TRUE = (255, 176, 0), (0, 114, 178), (110, 116, 124)
RAMP = np.array(
    [[13, 22, 48], [26, 72, 118], [38, 130, 142], [108, 190, 121], [246, 238, 170]],
    dtype=np.float64,
)
"""Anchor colours of the phase, dark to bright with even steps in lightness."""

RGB = NDArray[np.uint8]


def draw_demo(
    raw: NDArray[Any],
    phase: NDArray[np.float32],
    labels: NDArray[np.int32],
    table: pd.DataFrame,
    comparison: Comparison,
) -> bytes:
    """Return a PNG.

    Parameters
    ----------
    raw, phase, labels
        One frame each, ``(Y, X)``.
    table
        Rows of that frame.
    comparison
        For the curve of the whole recording.
    """
    width = 3 * PANEL + 4 * MARGIN
    height = 2 * TITLE + PANEL + PLOT + 3 * MARGIN
    canvas = Image.new("RGB", (width, height), PAPER)
    top_rad = float(np.nanpercentile(phase, 99.8))
    panels = [
        ("Raw frame of a polarization camera (simulated)", _gray(raw)),
        (
            f"Phase, 0 to {top_rad:.1f} rad, with outlines",
            _outlined(_coloured(phase, top_rad), labels),
        ),
        ("Dry mass of each cell [pg]", _outlined(_dimmed(phase, top_rad), labels)),
    ]
    draw = ImageDraw.Draw(canvas)
    for column, (title, picture) in enumerate(panels):
        left = MARGIN + column * (PANEL + MARGIN)
        draw.text((left, MARGIN // 2), title, INK, _font(20))
        canvas.paste(picture, (left, TITLE + MARGIN // 2))
    corner = (3 * MARGIN + 2 * PANEL, TITLE + MARGIN // 2)
    _write_masses(draw, corner, PANEL / phase.shape[0], labels, table)
    _draw_growth(draw, PANEL + TITLE + 2 * MARGIN, width, comparison)
    png = io.BytesIO()
    canvas.save(png, format="PNG", optimize=True)
    return png.getvalue()


def _gray(image: NDArray[Any]) -> Image.Image:
    low, high = np.percentile(image, (0.5, 99.5))
    scaled = np.clip((image.astype(np.float64) - low) / max(high - low, 1e-9), 0, 1)
    return _panel(np.repeat((scaled * 255).astype(np.uint8)[..., None], 3, axis=2))


def _coloured(phase: NDArray[np.float32], top_rad: float) -> Image.Image:
    share = np.clip(np.nan_to_num(phase) / top_rad, 0, 1)
    at = share * (len(RAMP) - 1)
    places = np.arange(len(RAMP))
    channels = [np.interp(at, places, RAMP[:, channel]) for channel in range(3)]
    return _panel(np.stack(channels, axis=-1).astype(np.uint8))


def _dimmed(phase: NDArray[np.float32], top_rad: float) -> Image.Image:
    """Return the phase in faint gray, as ground for numbers."""
    share = np.clip(np.nan_to_num(phase) / top_rad, 0, 1)
    gray = (30 + 110 * share).astype(np.uint8)
    return _panel(np.repeat(gray[..., None], 3, axis=2))


def _panel(image: RGB) -> Image.Image:
    return Image.fromarray(image).resize((PANEL, PANEL), Image.Resampling.BICUBIC)


def _outlined(picture: Image.Image, labels: NDArray[np.int32]) -> Image.Image:
    large = Image.fromarray(labels).resize((PANEL, PANEL), Image.Resampling.NEAREST)
    pixels = np.array(picture)
    pixels[find_boundaries(np.asarray(large), mode="inner")] = OUTLINE
    return Image.fromarray(pixels)


def _write_masses(
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    zoom: float,
    labels: NDArray[np.int32],
    table: pd.DataFrame,
) -> None:
    """Write each cell's mass over its middle."""
    for label, mass in zip(table["label"], table["dry_mass_pg"], strict=True):
        y, x = np.nonzero(labels == label)
        if not len(y):
            continue
        centre = (corner[0] + x.mean() * zoom, corner[1] + y.mean() * zoom)
        draw.text(
            centre,
            f"{mass:.0f}",
            PAPER,
            _font(18),
            anchor="mm",
            stroke_width=2,
            stroke_fill=INK,
        )


@dataclass(frozen=True)
class _Axes:
    """Where data lie on the canvas: box ``(left, top, right, bottom)`` and limits."""

    box: tuple[float, float, float, float]
    x: tuple[float, float]
    y: tuple[float, float]

    def place(self, x: float, y: float) -> tuple[float, float]:
        left, top, right, bottom = self.box
        share_x = (x - self.x[0]) / (self.x[1] - self.x[0])
        share_y = (y - self.y[0]) / (self.y[1] - self.y[0])
        return left + share_x * (right - left), bottom - share_y * (bottom - top)


def _draw_growth(
    draw: ImageDraw.ImageDraw, top: int, width: int, comparison: Comparison
) -> None:
    """Draw the mass of all cells over time, measured and simulated."""
    hours = comparison.hours
    measured = comparison.field_mass_pg / 1000
    true = comparison.true_field_mass_pg / 1000
    title = "Dry mass of all cells [ng] over time [h]"
    draw.text((MARGIN, top), title, INK, _font(20))
    both = np.concatenate([measured, true])
    spread = max(float(np.ptp(both)), 0.05 * float(both.max()))
    axes = _Axes(
        (4 * MARGIN, top + TITLE, width - 18 * MARGIN, top + PLOT - MARGIN),
        (0, max(float(hours[-1]), 1e-6)),
        (float(both.min()) - 0.15 * spread, float(both.max()) + 0.15 * spread),
    )
    draw.rectangle(axes.box, outline=FAINT)
    for value in _ticks(*axes.y):
        x, y = axes.place(0, value)
        draw.line([(x - 5, y), (x, y)], FAINT)
        draw.text((x - 9, y), f"{value:g}", INK, _font(15), anchor="rm")
    for value in _ticks(*axes.x):
        x, y = axes.place(value, axes.y[0])
        draw.line([(x, y), (x, y + 5)], FAINT)
        draw.text((x, y + 8), f"{value:g}", INK, _font(15), anchor="mt")
    points = [axes.place(x, y) for x, y in zip(hours, true, strict=True)]
    draw.line(points, TRUE, width=2)
    for x, y in (axes.place(*point) for point in zip(hours, measured, strict=True)):
        draw.ellipse((x - 5, y - 5, x + 5, y + 5), MEASURED)
    x, y = axes.box[2] + MARGIN, axes.box[1] + MARGIN
    draw.ellipse((x, y - 5, x + 10, y + 5), MEASURED)
    draw.text((x + 24, y), "measured", INK, _font(18), anchor="lm")
    draw.line([(x - 4, y + 30), (x + 14, y + 30)], TRUE, width=2)
    draw.text((x + 24, y + 30), "simulated truth", INK, _font(18), anchor="lm")
    rate = f"{comparison.growth_per_h:+.1%} per hour"
    draw.text((x, y + 66), rate, MEASURED, _font(20), anchor="lm")
    true_rate = f"({comparison.true_growth_per_h:+.1%} simulated)"
    draw.text((x, y + 94), true_rate, TRUE, _font(18), anchor="lm")


def _ticks(low: float, high: float) -> list[float]:
    """Return about four round numbers between two limits."""
    rough = (high - low) / 4
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * next(s for s in (1, 2, 5, 10) if s * power >= rough)
    first, last = int(np.ceil(low / step)), int(np.floor(high / step))
    return [round(n * step, 10) for n in range(first, last + 1)]


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
