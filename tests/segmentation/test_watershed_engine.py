import numpy as np
import pytest
from skimage import data
from skimage.measure import label as components

from napari_qpm.errors import JobCancelled, ParameterError, UnknownNameError
from napari_qpm.jobs import CancelToken
from napari_qpm.segmentation import (
    SegmentationEngine,
    make_segmentation_engine,
    watershed_engine,
)
from napari_qpm.segmentation.scores import average_precision, dice
from napari_qpm.segmentation.watershed_engine import (
    WatershedEngine,
    WatershedParameters,
)


def segment_frame(phase_map, **params):
    engine = WatershedEngine(WatershedParameters.parse(params))
    return engine.segment(phase_map, CancelToken())[0]


@pytest.mark.parametrize(
    ("options", "least_dice", "least_precision"),
    [
        # About 2, 25, 50 and 80 % confluence; then small, large, elongated cells,
        # correlated noise, halos and another level. Outlines are generous by design
        # (mass at the edge counts), which costs Dice in small cells.
        ({"n_cells": 3}, 0.85, 0.9),
        ({"n_cells": 40}, 0.85, 0.85),
        ({"n_cells": 85}, 0.85, 0.8),
        ({"n_cells": 300, "spacing": 0.8}, 0.9, 0.7),
        ({"n_cells": 200, "radius": 7}, 0.75, 0.7),
        ({"n_cells": 12, "radius": 30}, 0.95, 0.7),
        ({"n_cells": 40, "elongation": 2.5}, 0.85, 0.65),
        ({"n_cells": 40, "noise_rad": 0.05, "noise_px": 2}, 0.9, 0.8),
        ({"n_cells": 60, "halo": 0.3}, 0.9, 0.8),
        ({"n_cells": 40, "level_rad": 5.0}, 0.85, 0.85),
    ],
)
def test_cells_of_any_size_and_confluence_are_found(
    make_field, make_phase_map, options, least_dice, least_precision
):
    phase, truth = make_field(3, **options)
    labels = segment_frame(make_phase_map(phase))
    assert dice(truth, labels) >= least_dice
    assert average_precision(truth, labels) >= least_precision


def test_nearly_confluent_field_is_still_found(make_field, make_phase_map):
    phase, truth = make_field(4, 300, spacing=0.72)
    assert np.mean(truth > 0) > 0.88
    labels = segment_frame(make_phase_map(phase))
    assert dice(truth, labels) >= 0.9
    assert average_precision(truth, labels) >= 0.6


@pytest.mark.parametrize(
    ("correlation_px", "tilt_sigmas"),
    [(0, 0), (0, 3), (1, 0), (2, 3), (5, 0), (5, 3), (15, 0), (15, 3), (40, 0)],
)
def test_no_cells_are_invented_in_noise(
    make_noise, make_phase_map, correlation_px, tilt_sigmas
):
    tilt = np.linspace(0, tilt_sigmas, 256)
    frames = [make_noise(seed, (256, 256), correlation_px) + tilt for seed in range(3)]
    phase_map = make_phase_map(0.02 * np.stack(frames) + 0.01)
    labels = WatershedEngine().segment(phase_map, CancelToken())
    assert labels.max() == 0


@pytest.mark.parametrize("value", [0.0, 3.0, np.nan, np.inf])
def test_constant_and_unknown_frames_have_no_cells(make_phase_map, value):
    labels = segment_frame(make_phase_map(np.full((50, 60), value)))
    assert labels.shape == (50, 60)
    assert labels.max() == 0


def test_labels_are_consecutive_connected_int32(make_field, make_phase_map):
    phase, _ = make_field(5, 60)
    labels = segment_frame(make_phase_map(phase))
    assert labels.dtype == np.int32
    assert set(np.unique(labels)) == set(range(labels.max() + 1))
    for number in range(1, labels.max() + 1):
        assert components(labels == number, connectivity=2).max() == 1


def test_unknown_pixels_are_background_and_spoil_nothing_else(
    make_field, make_phase_map
):
    phase, truth = make_field(6, 20)
    whole = segment_frame(make_phase_map(phase))
    phase[100:110, :] = np.nan
    phase[:, 200] = np.inf
    labels = segment_frame(make_phase_map(phase))
    known = np.isfinite(phase)
    assert not labels[~known].any()
    # Cells that the gap does not reach stay as they were.
    assert dice(whole[130:] * known[130:], labels[130:]) > 0.98
    assert dice(truth * known, labels) > 0.85


def test_scikit_image_cell_is_one_label(make_phase_map):
    # A real cell (holographic, with a dark halo) in an uneven background.
    labels = segment_frame(make_phase_map(data.cell().astype(np.float32)))
    assert labels.max() == 1
    area = np.count_nonzero(labels)
    assert area == pytest.approx(np.pi * 60**2, rel=0.15)


def test_lengths_are_in_um_when_the_pixel_size_is_known(make_field, make_phase_map):
    phase, _ = make_field(7, 40)
    in_px = segment_frame(
        make_phase_map(phase), cell_diameter=28, minimum_area=100, smoothing=1.5
    )
    in_um = segment_frame(
        make_phase_map(phase, pixel_size_um=0.5),
        cell_diameter=14,
        minimum_area=25,
        smoothing=0.75,
    )
    np.testing.assert_array_equal(in_px, in_um)


def test_parameters_do_what_they_say(make_field, make_phase_map):
    phase_map = make_phase_map(make_field(8, 60)[0])
    default = segment_frame(phase_map)
    assert segment_frame(phase_map, separation=5).max() < default.max()
    assert segment_frame(phase_map, separation=0).max() >= default.max()
    assert np.count_nonzero(
        segment_frame(phase_map, edge_fraction=0.4)
    ) < np.count_nonzero(default)
    assert segment_frame(phase_map, minimum_area=1e6).max() == 0
    assert segment_frame(phase_map, peak_factor=1000).max() == 0
    above = segment_frame(phase_map, threshold=0.5)
    assert phase_map.phase[0][above > 0].min() > 0.3


def test_small_holes_are_filled_and_gaps_between_cells_are_not(make_phase_map):
    y, x = np.mgrid[:160, :160]
    from_centre = np.hypot(y - 80, x - 80)
    vacuole = np.where((from_centre < 30) & (from_centre > 6), 1.0, 0.0)
    filled = segment_frame(make_phase_map(vacuole), cell_diameter=60)
    assert filled[80, 80] > 0
    kept = segment_frame(make_phase_map(vacuole), cell_diameter=60, fill_holes=False)
    assert kept[80, 80] == 0
    ring = np.where((from_centre < 60) & (from_centre > 40), 1.0, 0.0)
    assert segment_frame(make_phase_map(ring), cell_diameter=20)[80, 80] == 0


def test_cancel_stops_before_the_next_frame(make_phase_map):
    token = CancelToken()
    token.cancel()
    with pytest.raises(JobCancelled):
        WatershedEngine().segment(make_phase_map(np.zeros((2, 20, 20))), token)


def test_engine_keeps_the_protocol_and_names_bad_parameters():
    engine = make_segmentation_engine("watershed", separation="0.5")
    assert isinstance(engine, SegmentationEngine)
    assert engine.parameters.separation == 0.5
    with pytest.raises(ParameterError, match="cell_diameter"):
        make_segmentation_engine("watershed", cell_diameter=-1)
    with pytest.raises(UnknownNameError, match="Did you mean 'separation'"):
        make_segmentation_engine("watershed", separatoin=1)
    with pytest.raises(UnknownNameError, match="watershed"):
        make_segmentation_engine("watershedd")


def test_every_parameter_explains_itself():
    for field in WatershedParameters.model_fields.values():
        assert field.title
        assert field.description


def test_large_cells_are_parted_on_a_coarse_grid_as_on_the_full_one(
    make_field, make_phase_map, monkeypatch
):
    phase, truth = make_field(5, 12, radius=60, size=600, elongation=1.2)
    coarse = segment_frame(make_phase_map(phase))
    monkeypatch.setattr(watershed_engine, "_ENOUGH_PX_PER_DIAMETER", 10_000)
    full = segment_frame(make_phase_map(phase))

    # The outlines against the background are the same; lines between cells may differ
    # by the coarse step of about three pixels.
    assert ((coarse > 0) == (full > 0)).all()
    assert average_precision(full, coarse) == 1
    assert dice(truth, coarse) >= 0.9
