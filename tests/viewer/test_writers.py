import h5py
import numpy as np
import pytest


@pytest.fixture
def finished(viewer, recording):
    """Return a viewer with recording, phase and cells."""
    from napari_qpm.viewer.layers import recording_layer

    data, keywords, _ = recording_layer(recording)
    layer = viewer.add_image(data, **keywords)
    labels = np.zeros((3, 48, 64), np.int32)
    labels[:, 10:20, 12:20] = 1
    viewer.add_labels(labels, name="cells")
    return viewer, layer


def test_labels_are_saved_for_cellpose_and_opened_again(finished, tmp_path, plugins):
    viewer, _ = finished
    cells = viewer.layers["cells"]

    paths = cells.save(str(tmp_path / "a_seg.npy"), plugin="napari-qpm")

    assert len(paths) == 3
    [layer] = viewer.open(paths[2], plugin="napari-qpm")
    assert type(layer).__name__ == "Labels"
    np.testing.assert_array_equal(layer.data[0], cells.data[2])


def test_a_phase_layer_is_saved_for_qpimage(tmp_path, recording):
    from napari_qpm.acquisition import PhaseMap
    from napari_qpm.viewer.fields import METADATA_KEY, FieldOfView, Role
    from napari_qpm.viewer.writers import write_phase

    phase = np.stack([recording.read(t)[0] for t in range(3)])
    field = FieldOfView(recording)
    field.phase_map = PhaseMap(phase=phase, acquisition=recording)
    meta = {"metadata": {METADATA_KEY: field.record(Role.PHASE)}}

    [path] = write_phase(str(tmp_path / "a.h5"), phase, meta)

    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["qpi_1/phase/raw"][()], phase[1])
        assert file["qpi_1"].attrs["time"] == 60


def test_images_of_others_are_left_to_others(tmp_path):
    from napari_qpm.viewer.writers import write_phase

    assert write_phase(str(tmp_path / "a.h5"), np.zeros((1, 4, 4)), {}) == []
    assert list(tmp_path.iterdir()) == []
