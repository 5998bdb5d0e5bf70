"""Samples: the truth is consistent, and the raw frames obey their physics."""

import json
import math

import numpy as np
import pytest
import tifffile
import yaml
from scipy import ndimage

from napari_qpm.acquisition import Instrument, Modality
from napari_qpm.errors import OutputError, ParameterError, UnknownNameError
from napari_qpm.specimens import KINDS, Simulation, simulate, write_sample
from napari_qpm.specimens.samples import ALPHA_UM3_PER_PG

SMALL = {"shape": (192, 192), "n_cells": 2}


@pytest.fixture(scope="module")
def time_lapse() -> Simulation:
    return simulate("polarization", shape=(320, 320), n_cells=3)


def rows_of(simulation: Simulation, frame: int) -> dict[int, dict]:
    return {row["label"]: row for row in simulation.table if row["frame"] == frame}


def wrap(phase):
    return (phase + np.pi) % (2 * np.pi) - np.pi


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_states_its_whole_instrument(kind):
    sample = simulate(kind, n_frames=2, **SMALL)
    assert sample.acquisition.modality is Modality(kind)
    assert sample.acquisition.missing() == {}
    assert sample.phase.shape == sample.labels.shape == (2, 192, 192)
    n_channels = 3 if kind == "chromatic" else 1
    assert sample.acquisition.shape == (2, n_channels, 192, 192)
    json.dumps(sample.acquisition.record())


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_gives_the_same_recording(kind):
    first, again, other = (
        simulate(kind, seed=seed, n_frames=1, **SMALL) for seed in (3, 3, 4)
    )
    raw = [sample.acquisition.read(0) for sample in (first, again, other)]
    np.testing.assert_array_equal(raw[0], raw[1])
    assert (raw[0] != raw[2]).any()


def test_phase_of_the_cells_sums_to_their_mass(time_lapse):
    # The blur of the objective carries at most the rim of a cell out of the frame.
    factor = 0.532 / (2 * math.pi * ALPHA_UM3_PER_PG) * 0.345**2
    for frame, phase in enumerate(time_lapse.phase):
        mass = sum(row["dry_mass_pg"] for row in rows_of(time_lapse, frame).values())
        assert phase.sum(dtype=float) * factor == pytest.approx(mass, rel=1e-3)


def test_cells_grow_exponentially_until_they_round_up(time_lapse):
    masses = [rows_of(time_lapse, t)[2]["dry_mass_pg"] for t in range(12)]
    rates = np.diff(np.log(masses)) / 600 * 3600
    # Masses are float32: 6e-8 of a mass is 1e-5 of its growth in ten minutes.
    np.testing.assert_allclose(rates, math.log(2) / 20, rtol=5e-5)


def test_division_conserves_mass(time_lapse):
    assert time_lapse.lineage == {4: 1, 5: 1}
    born = min(row["frame"] for row in time_lapse.table if row["label"] == 4)
    before, after = rows_of(time_lapse, born - 1), rows_of(time_lapse, born)
    assert 1 not in after
    daughters = after[4]["dry_mass_pg"] + after[5]["dry_mass_pg"]
    # They were born a minute before the frame, and grow at the rate of all cells.
    grown = before[1]["dry_mass_pg"] * 2 ** (60 / (20 * 3600))
    assert daughters == pytest.approx(grown, rel=1e-6)
    assert after[4]["parent_id"] == after[5]["parent_id"] == 1


def test_rounded_cell_exceeds_two_pi(time_lapse):
    mitotic = {row["frame"] for row in time_lapse.table if row["is_mitotic"]}
    peaks = [time_lapse.phase[t][time_lapse.labels[t] == 1].max() for t in mitotic]
    assert max(peaks) > 2 * math.pi


def test_single_frame_shows_a_rounded_cell():
    sample = simulate("off-axis", shape=(256, 256), n_cells=1)
    assert sample.table[0]["is_mitotic"]
    assert sample.phase.max() > 2 * math.pi


def test_labels_name_one_connected_region_a_cell(time_lapse):
    for frame, labels in enumerate(time_lapse.labels):
        rows = rows_of(time_lapse, frame)
        assert set(np.unique(labels)) - {0} == set(rows)
        for label, row in rows.items():
            regions, _ = ndimage.label(labels == label)
            sizes = np.bincount(regions.ravel())[1:]
            assert sizes.max() >= 0.98 * sizes.sum()
            y, x = ndimage.center_of_mass(labels == label)
            # A lopsided outline moves the centroid by a few um at most.
            assert math.hypot(y * 0.345 - row["y_um"], x * 0.345 - row["x_um"]) < 6


def test_cells_move_slowly(time_lapse):
    for t in range(11):
        now, then = rows_of(time_lapse, t), rows_of(time_lapse, t + 1)
        for label in now.keys() & then.keys():
            dy = now[label]["y_um"] - then[label]["y_um"]
            dx = now[label]["x_um"] - then[label]["x_um"]
            assert math.hypot(dy, dx) < 6


def test_phase_between_neighbours_stays_below_pi(time_lapse):
    steps = [np.abs(np.diff(time_lapse.phase, axis=axis)).max() for axis in (1, 2)]
    assert max(steps) < 0.6 * math.pi


@pytest.mark.parametrize(
    ("handedness", "layout"),
    [("positive", (90, 45, 135, 0)), ("negative", (0, 45, 135, 90))],
)
def test_mosaic_obeys_the_four_step_formula(handedness, layout):
    sample = simulate(
        "polarization",
        n_frames=1,
        shape=(128, 128),
        specimen="sphere",
        noise=False,
        background=False,
        handedness=handedness,
        layout=layout,
    )
    raw = sample.acquisition.read(0)[0].astype(float)
    cells = [raw[i::2, j::2] for i in (0, 1) for j in (0, 1)]
    angle = dict(zip(layout, cells, strict=True))
    sine = (angle[135] - angle[45]) * (1 if handedness == "positive" else -1)
    cosine = angle[0] - angle[90]
    phase = np.arctan2(sine, cosine)
    empty = ndimage.binary_erosion(sample.labels[0][::2, ::2] == 0, iterations=2)
    # Rounding to 12 bits: 0.5 DN of 1376 DN fringe amplitude.
    np.testing.assert_allclose(phase[empty], 0, atol=1e-3)
    visibility = np.hypot(sine, cosine) / (angle[0] + angle[90])
    np.testing.assert_allclose(visibility[empty], 0.8, atol=1e-3)
    # The four pixels of a cell see a sphere's slope (0.1 rad) a pixel apart.
    inside = ndimage.binary_erosion(sample.labels[0][::2, ::2] > 0, iterations=8)
    truth = sample.phase[0].reshape(64, 2, 64, 2).mean(axis=(1, 3))
    assert np.abs(wrap(phase - truth))[inside].mean() < 0.05


def test_thicker_specimen_has_positive_phase_in_the_hologram():
    sample = simulate("off-axis", shape=(256, 256), specimen="sphere", noise=False)
    fy, fx = sample.settings.carrier_cycles_per_px
    y, x = np.indices((256, 256))
    carrier = np.exp(-2j * np.pi * (fy * y + fx * x))

    def field(frame):
        return ndimage.gaussian_filter(frame[0] * carrier, 2)

    ratio = field(sample.acquisition.read(0)) / field(sample.acquisition.reference)
    error = wrap(np.angle(ratio) - sample.phase[0])
    inside = ndimage.binary_erosion(sample.labels[0] > 0, iterations=12)
    assert np.abs(error[inside]).mean() < 0.02


def test_sphere_has_the_optical_path_of_its_chords():
    sample = simulate("phase", n_frames=1, shape=(129, 129), specimen="sphere")
    # 20 um of 0.02 at 532 nm through the centre pixel.
    peak = 2 * math.pi * 20 * 0.02 / 0.532
    assert sample.phase[0, 64, 64] == pytest.approx(peak, rel=1e-6)
    assert sample.table[0]["dry_mass_pg"] == pytest.approx(465.4, abs=0.1)
    # The sum over pixels of 0.345 um meets the integral to the edge's sampling error.
    factor = 0.532 / (2 * math.pi * ALPHA_UM3_PER_PG) * 0.345**2
    assert sample.phase.sum() * factor == pytest.approx(465.4, rel=2e-3)


def test_noise_follows_the_photons():
    options = {"n_frames": 1, "shape": (64, 64), "specimen": "empty"}
    noisy = simulate("polarization", **options).acquisition.read(0)
    clean = simulate("polarization", noise=False, **options).acquisition.read(0)
    difference = noisy.astype(float) - clean
    bright = clean > np.percentile(clean, 75)
    dark = clean < np.percentile(clean, 25)
    assert difference[bright].std() > 1.5 * difference[dark].std()
    # Mean of a quarter of the pixels in DN; 10 500 electrons fill 4095 DN.
    expected = math.sqrt(clean[bright].mean() * 4095 / 10_500)
    assert difference[bright].std() == pytest.approx(expected, rel=0.1)


def test_two_hundred_frames_are_made():
    sample = simulate(
        "polarization",
        n_frames=200,
        shape=(32, 32),
        specimen="sphere",
        sphere_radius_um=3,
    )
    assert sample.acquisition.n_frames == 200
    assert (sample.phase[0] == sample.phase[-1]).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"kind": "holo"}, UnknownNameError, "no sample named 'holo'"),
        ({"frames": 3}, UnknownNameError, "no sample option named 'frames'"),
        ({"specimen": "yeast"}, UnknownNameError, "no specimen named 'yeast'"),
        ({"n_frames": 0}, ParameterError, "at least 1 frame"),
        ({"shape": (63, 64)}, ParameterError, "even sides"),
    ],
)
def test_wrong_options_are_named(options, error, message):
    options = {"kind": "polarization", **options}
    with pytest.raises(error, match=message):
        simulate(**options)


def test_written_sample_holds_frames_instrument_and_truth(tmp_path):
    sample = simulate("off-axis", n_frames=2, **SMALL)
    path = write_sample(sample, tmp_path / "new")
    raw = tifffile.imread(path)
    np.testing.assert_array_equal(raw[1], sample.acquisition.read(1)[0])
    sidecar = yaml.safe_load((path.parent / "off-axis-sample.qpm.yaml").read_text())
    reference = tifffile.imread(path.parent / sidecar.pop("reference"))
    np.testing.assert_array_equal(reference, sample.acquisition.reference[0])
    assert sidecar.pop("modality") == "off-axis"
    assert Instrument.from_dict(sidecar) == sample.acquisition.instrument
    truth = path.parent / "truth"
    np.testing.assert_array_equal(np.load(truth / "phase.npy"), sample.phase)
    np.testing.assert_array_equal(tifffile.imread(truth / "labels.tif"), sample.labels)
    cells = json.loads((truth / "cells.json").read_text())["cells"]
    assert cells == list(sample.table)


def test_unwritable_folder_is_named(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(OutputError, match="file"):
        write_sample(simulate("phase", n_frames=1, **SMALL), blocked)
