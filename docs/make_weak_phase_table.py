"""Measure what the warning of the weak-phase filter finds: `make_weak_phase_table.py`.

Prints the table of tie.md: cells of other shapes, sizes, strengths and distances from
focus than those that chose the limit of `napari_qpm.retrieval.colour_wiener_engine`.
"""

import sys

import numpy as np
import scipy.ndimage

import napari_qpm as qpm

COLOURS_UM, MIDDLE_UM = (0.605, 0.535, 0.465), 0.535
SIDE, PIXEL_UM = 256, 0.21
FOCI = ((1.5, 0, 0.7), (3, 0, -2), (-4, 0, 4), (-8, 0, 6), (-12, 0, 12), (-25, 0, 15))
PEAKS = (0.5, 1.5, 2.5, 4, 5.5)
WRONG = 0.05
"""Relative rms error from which a warning is due."""


def cells(peak_rad, rng):
    """Return the phase [rad] ``(Y, X)`` of some cells that are not round."""
    y, x = (np.mgrid[:SIDE, :SIDE] - SIDE / 2) * PIXEL_UM
    phase = np.zeros_like(x)
    for _ in range(rng.integers(2, 6)):
        row, column = rng.uniform(-17, 17, 2)
        radius, stretch = rng.uniform(2.5, 8), rng.uniform(1, 1.8)
        turn, power = rng.uniform(0, np.pi), rng.uniform(0.5, 2)
        along = (y - row) * np.sin(turn) + (x - column) * np.cos(turn)
        across = (y - row) * np.cos(turn) - (x - column) * np.sin(turn)
        apart = (along / stretch) ** 2 + (across * stretch) ** 2
        height = rng.uniform(0.5, 1)
        phase += height * np.maximum(0, 1 - apart / radius**2) ** power
        for _ in range(rng.integers(0, 5)):
            dy, dx = rng.uniform(-0.6, 0.6, 2) * radius
            spot = ((y - row - dy) ** 2 + (x - column - dx) ** 2) / rng.uniform(0.4, 2)
            phase += rng.uniform(0.05, 0.25) * np.exp(-spot)
    phase = scipy.ndimage.gaussian_filter(phase, rng.uniform(1, 2))
    return phase * peak_rad / phase.max()


def picture(phase, focus_um):
    """Return the colour picture of a phase, by exact diffraction."""
    f = np.fft.fftfreq(SIDE, PIXEL_UM)
    f2 = f[:, None] ** 2 + f**2
    planes = []
    for wavelength, z in zip(COLOURS_UM, focus_um, strict=True):
        field = np.fft.fft2(np.exp(1j * phase * MIDDLE_UM / wavelength))
        moved = np.fft.ifft2(field * np.exp(-1j * np.pi * wavelength * z * f2))
        planes.append(1000 * np.abs(moved) ** 2)
    return qpm.Acquisition.from_array(
        np.stack(planes)[None],
        "chromatic",
        wavelength_nm=1000 * MIDDLE_UM,
        pixel_size_um=PIXEL_UM,
        medium_index=1.0,
        focus_um=focus_um,
        phase_sign=1,
    )


def error(found, truth):
    """Return the relative rms error of a phase, piston left out."""
    truth, found = truth - truth.mean(), found - found.mean()
    return float(np.sqrt(np.mean((found - truth) ** 2) / np.mean(truth**2)))


def measured(peak_rad, focus_um, rng):
    """Return errors of the filter and of transport, and whether it warned."""
    truth = cells(peak_rad, rng)
    taken = picture(truth, focus_um)
    weak = qpm.retrieve(taken, "wiener-rgb", largest_um=200)
    transport = qpm.retrieve(taken, "tie-rgb", largest_um=200)
    return (
        error(weak.read(0), truth),
        error(transport.read(0), truth),
        weak.frame_notes[0]["weak_phase_missed"],
        "warning" in weak.frame_notes[0],
    )


def main(seeds):
    titles = "focus of red, green, blue (um)|pictures|wrong and told|wrong, not told"
    titles += "|right, but told|right|of the told: transport is better"
    heads = titles.split("|")
    print(f"| {' | '.join(heads)} |\n| {' | '.join('---' for _ in heads)} |")
    total = np.zeros(6, int)
    for focus in FOCI:
        made = []
        for seed in seeds:
            for peak in PEAKS:
                made.append(measured(peak, focus, np.random.default_rng((seed, 9))))
                if "-v" in sys.argv:
                    print(focus, peak, seed, np.round(made[-1], 3))
        weak, transport, _, told = np.array(made).T
        wrong, told = weak > WRONG, told > 0
        hits, misses = np.sum(wrong & told), np.sum(wrong & ~told)
        false, right = np.sum(~wrong & told), np.sum(~wrong & ~told)
        better = np.sum(told & (transport < weak))
        row = np.array([len(made), hits, misses, false, right, better])
        total += row
        print(f"| {', '.join(map(str, focus))} | {' | '.join(map(str, row))} |")
    print(f"| all | {' | '.join(map(str, total))} |")


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:] if seed.isdigit()] or [21, 22, 23])
