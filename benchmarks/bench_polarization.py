"""Goal P7: a 5 MP polarization mosaic to wrapped phase, against OpenCV.

The peer is what a careful user would write with OpenCV: two signed separable filters
(not four channels) and numpy's arctangent.

python benchmarks/bench_polarization.py [--quick] [--json FILE]
"""

import sys
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from _harness import Goal, Report, compare, parse_arguments
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval import make_phase_engine
from napari_qpm.retrieval.demosaic import Demosaicing
from napari_qpm.retrieval.four_step import AngleSampling, fringes, wrapped_phase

SHAPE = (2048, 2448)
SONY = (90, 45, 135, 0)
PEER = "OpenCV 2x sepFilter2D + np.arctan2"
COPY = "floor: copy uint16 to float32"
WHOLE = "whole path, raw frame to flat phase"
N_CELLS = 60
CELL_PX = 120

Mosaic = NDArray[np.uint16]


def ours(method: Demosaicing) -> str:
    """Return the name of our candidate for a method."""
    return f"four-step, {method.value}"


def cells_on_tilt(seed: int = 0) -> NDArray[np.float32]:
    """Phase (Y, X) of cells on an empty, tilted field."""
    rng = np.random.default_rng(seed)
    phase = np.zeros(SHAPE, np.float32)
    y, x = np.indices((CELL_PX, CELL_PX), dtype=np.float32) - CELL_PX / 2
    for _ in range(N_CELLS):
        row, column = (rng.integers(0, side - CELL_PX) for side in SHAPE)
        bump = np.exp(-(y**2 + x**2) / (2 * rng.uniform(12, 20) ** 2))
        window = (slice(row, row + CELL_PX), slice(column, column + CELL_PX))
        phase[window] += rng.uniform(1, 4) * bump
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    return (phase + 0.004 * columns - 0.002 * rows).astype(np.float32)


def simulated_mosaic(phase: NDArray[np.float32], seed: int = 1) -> Mosaic:
    """12-bit IMX250 mosaic with shot noise."""
    rows, columns = np.indices(SHAPE)
    angles = np.deg2rad(np.reshape(SONY, (2, 2))[rows % 2, columns % 2])
    light = 2000 + 1600 * np.cos(phase + 2 * angles)
    return np.random.default_rng(seed).poisson(light).astype(np.uint16)


def opencv_phase(mosaic: Mosaic) -> NDArray[np.float32]:
    """Bilinear four-step phase of a mosaic with OpenCV."""
    kernel = np.array([1, 2, 1], np.float32) / 2
    raw = mosaic.astype(np.float32)
    cosine, sine = np.zeros_like(raw), np.zeros_like(raw)
    cosine[1::2, 1::2], cosine[0::2, 0::2] = raw[1::2, 1::2], -raw[0::2, 0::2]
    sine[1::2, 0::2], sine[0::2, 1::2] = raw[1::2, 0::2], -raw[0::2, 1::2]
    filtered = (
        cv2.sepFilter2D(image, -1, kernel, kernel, borderType=cv2.BORDER_REFLECT_101)
        for image in (sine, cosine)
    )
    return np.arctan2(*filtered)


def largest_difference(mosaic: Mosaic) -> float:
    """Return how far our bilinear phase is from OpenCV's [rad]."""
    found = wrapped_phase(
        mosaic[None], AngleSampling(SONY, method=Demosaicing.BILINEAR)
    )
    difference = found.astype(np.float64) - opencv_phase(mosaic)
    return float(np.abs(np.angle(np.exp(1j * difference))).max())


def whole_path(mosaic: Mosaic) -> Callable[[], Any]:
    """Return a run of the engine on one frame of a resolved recording."""
    acquisition = Acquisition.from_array(
        mosaic,
        "polarization",
        polarization_layout=SONY,
        handedness="positive",
        bit_depth=12,
    )
    engine, token = make_phase_engine("four-step"), CancelToken()
    resolved = engine.resolve(acquisition, token)
    return lambda: engine.retrieve(mosaic[None, None], resolved, token)


def main() -> int:
    arguments = parse_arguments(__doc__.splitlines()[0])
    report = Report("polarization")
    mosaic = simulated_mosaic(cells_on_tilt())
    frame, budget_s = mosaic[None], 4 if arguments.quick else 20
    candidates: dict[str, Callable[[], Any]] = {PEER: lambda: opencv_phase(mosaic)}
    for method in Demosaicing:
        sampling = AngleSampling(SONY, method=method)
        candidates[ours(method)] = lambda s=sampling: wrapped_phase(frame, s)
    default = AngleSampling(SONY)
    candidates["bicubic with amplitude and quality"] = lambda: fringes(frame, default)
    candidates[COPY] = lambda: mosaic.astype(np.float32)
    title = f"P7 mosaic {SHAPE[0]}x{SHAPE[1]} to wrapped phase"
    table = compare(title, candidates, peer=PEER, budget_s=budget_s)
    report.add_table(table)
    for method in (Demosaicing.BILINEAR, Demosaicing.BICUBIC):
        what = f"{method.value}: times OpenCV's speed"
        report.add_goal(Goal("P7", what, table.ratio(ours(method)), 8))
    over_copy = 1 / table.ratio(ours(Demosaicing.BILINEAR), COPY)
    report.add_goal(Goal("P7", "bilinear over the bare copy", over_copy, 4, False))
    difference = largest_difference(mosaic)
    report.add_goal(Goal("P7", "difference from OpenCV [rad]", difference, 1e-5, False))

    path = compare(
        "Whole path", {WHOLE: whole_path(mosaic)}, peer=WHOLE, budget_s=budget_s / 2
    )
    report.add_table(path)
    timing = path.timings[WHOLE]
    rate = 1e3 / (timing.minimum if path.is_busy else timing.median)
    report.add_goal(Goal("whole path", "frames/s on this machine", rate, 25))
    return report.finish(arguments.json)


if __name__ == "__main__":
    sys.exit(main())
