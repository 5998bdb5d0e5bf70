"""Measure what references do to crowded time-lapses: `make_crowded_table.py [SEED…]`.

Prints the tables of measure.md. Seeds 1 to 3 chose the limits of
`napari_qpm.retrieval.median_field`; the table is made with others.
"""

import sys

import numpy as np

import napari_qpm as qpm
from napari_qpm.acquisition import HOLDS_CELLS
from napari_qpm.io import with_reference
from napari_qpm.retrieval.background import MIN_BACKGROUND_SHARE
from napari_qpm.specimens.time_lapse import simulate_time_lapse

SIDE, PIXEL_UM, WAVELENGTH_UM, N_FRAMES = 256, 0.5, 0.532, 15
SHOWN = np.linspace(0, N_FRAMES - 1, 7).round().astype(int).tolist()
RIM = 4
STILL, SLOW, MOVING, CROWDED_AT_TIMES = "still", "slow", "moving", "crowded at times"
CASES = (
    (STILL, 0.2),
    (STILL, 0.9),
    (SLOW, 0.2),
    (SLOW, 0.9),
    (MOVING, 0.1),
    (MOVING, 0.3),
    (MOVING, 0.5),
    (MOVING, 0.7),
    (MOVING, 0.9),
    (CROWDED_AT_TIMES, 0.6),
    (CROWDED_AT_TIMES, 0.9),
)
ABSOLUTE_TO = 0.3
"""Frames that are wrong by more than this should be flagged relative."""


def cells(motion, confluence, seed):
    """Return phase [rad] and labels ``(T, Y, X)`` of a time-lapse."""
    facts = {"shape": (SIDE, SIDE), "pixel_um": PIXEL_UM, "confluence": confluence}
    if motion in (STILL, SLOW):
        step_s = 1.0 if motion == STILL else 600.0
        made = [
            simulate_time_lapse(
                seed=seed, n_frames=N_FRAMES, frame_interval_s=step_s, **facts
            )
        ]
    else:
        # Between frames every cell goes somewhere else: the most that cells can move.
        made = []
        for t in range(N_FRAMES):
            is_sparse = motion == CROWDED_AT_TIMES and t % 3
            now = facts | ({"confluence": 0.15} if is_sparse else {})
            made.append(simulate_time_lapse(seed=100 * seed + t, n_frames=1, **now))
    opd = np.concatenate([one.specimens.opd_um.numpy() for one in made])
    labels = np.concatenate([one.specimens.labels.numpy() for one in made])
    return 2 * np.pi * opd / WAVELENGTH_UM, labels


def empty_field(seed):
    """Return the phase of a field ``(Y, X)`` that a quadratic fits to 0.1 rad."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] / (SIDE - 1) * 2 - 1
    phase = 2 * rng.normal() * x**2 + 2 * rng.normal() * y**2 + rng.normal() * x * y
    for _ in range(6):
        across, along = rng.normal(0, 9, 2)
        start = rng.uniform(0, 2 * np.pi)
        phase += rng.uniform(0.02, 0.06) * np.sin(across * x + along * y + start)
    return phase


def hologram(phase, rng):
    """Return a camera frame ``(Y, X)``."""
    y, x = np.mgrid[:SIDE, :SIDE]
    fringes = np.cos(2 * np.pi * (0.24 * y + 0.21 * x) + phase)
    return (2000 * (1 + 0.7 * fringes) + rng.normal(0, 20, phase.shape)).astype("u2")


def recording(phase, seed):
    """Return a time-lapse, and a frame of its empty field."""
    field, rng = empty_field(seed), np.random.default_rng(seed)
    frames = np.stack([hologram(one + field, rng) for one in phase])
    known = {"phase_sign": 1, "pixel_size_um": PIXEL_UM, "wavelength_nm": 532}
    return qpm.Acquisition.from_array(frames, "off-axis", **known), hologram(field, rng)


def errors(phase_map, phase, labels):
    """Return how wrong the mass in all cells of each shown frame is, as a share."""
    _, ny, nx = phase_map.shape
    rows, columns = np.arange(ny) * SIDE // ny, np.arange(nx) * SIDE // nx
    inner = np.zeros((ny, nx), bool)
    inner[RIM:-RIM, RIM:-RIM] = True
    found = []
    for t in SHOWN:
        there = inner & (labels[t][np.ix_(rows, columns)] > 0)
        truth = phase[t][np.ix_(rows, columns)][there].sum()
        found.append(float(phase_map.read(t)[there].sum() / truth - 1))
    return np.array(found)


def judged(phase_map):
    """Return whether the median of a phase was seen to hold cells."""
    steps = [s for s in phase_map.acquisition.history if s.name == "reference"]
    return steps[-1].parameters[HOLDS_CELLS]


def measured(motion, confluence, seed):
    """Return the numbers of one time-lapse."""
    phase, labels = cells(motion, confluence, seed)
    plain, empty = recording(phase, seed)
    without = qpm.retrieve(plain)
    median = qpm.retrieve(with_reference(plain, "median"))
    true = with_reference(plain, empty)
    maps = (
        without,
        median,
        qpm.retrieve(true),
        qpm.retrieve(true, background="offset"),
    )
    notes = [without.frame_notes[t] for t in SHOWN]
    return {
        "empty": np.mean(labels[SHOWN] == 0),
        "errors": [errors(one, phase, labels) for one in maps],
        "by_share": [n["background_share"] < MIN_BACKGROUND_SHARE for n in notes],
        "flagged": [bool(n.get("dry_mass_is_relative")) for n in notes],
        "holds_cells": judged(median),
    }


def main(seeds):
    rows = "cells|empty|no reference|median|empty frame|empty frame, offset|holds cells"
    titles = rows.split("|")
    print(f"| {' | '.join(titles)} |\n| {' | '.join('---' for _ in titles)} |")
    off, by_share, flagged = [], [], []
    for motion, confluence in CASES:
        made = [measured(motion, confluence, seed) for seed in seeds]
        empty = np.mean([one["empty"] for one in made])
        means = np.abs([one["errors"] for one in made]).mean(axis=(0, 2))
        told = sum(one["holds_cells"] for one in made)
        percents = " | ".join(f"{100 * mean:.0f} %" for mean in means)
        print(
            f"| {motion} | {empty:.0%} | {percents} | {told} of {len(made)} |",
            flush=True,
        )
        for one in made:
            off += (np.abs(one["errors"][0]) > ABSOLUTE_TO).tolist()
            by_share += one["by_share"]
            flagged += one["flagged"]
    off, flagged, by_share = map(np.array, (off, flagged, by_share))
    print(
        f"\nFrames wrong by over {ABSOLUTE_TO:.0%}: {off.sum()} of {off.size}; flagged "
        f"relative {np.sum(off & flagged)} (by the empty share alone "
        f"{np.sum(off & by_share)}). Flagged among the others: "
        f"{np.sum(~off & flagged)} of {np.sum(~off)}."
    )


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]] or [11, 12])
