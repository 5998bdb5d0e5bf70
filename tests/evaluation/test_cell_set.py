import numpy as np

from napari_qpm.evaluation.cell_set import make_field, real_fields
from napari_qpm.specimens import CellKind


def test_fields_are_the_same_whichever_were_made_before():
    small = (64, 64)
    first = make_field(1, small)
    make_field(3, small)
    again = make_field(1, small)
    assert np.array_equal(first.labels, again.labels)
    assert np.array_equal(first.phase_map.read(0), again.phase_map.read(0))


def test_a_field_is_a_raw_mosaic_with_phase_and_truth():
    field = make_field(4, (64, 64))
    recording = field.phase_map.acquisition
    assert field.kind == list(CellKind)[4].value
    assert recording.is_mosaic
    assert field.phase_map.read_raw(0).shape == (1, 64, 64)
    phase, inside = field.phase_map.read(0), field.labels > 0
    assert inside.any()
    assert np.median(phase[inside]) > 5 * abs(np.median(phase[~inside]))


def test_without_the_public_set_there_are_no_measured_fields(tmp_path):
    assert real_fields(None) == []
    assert real_fields(tmp_path) == []
