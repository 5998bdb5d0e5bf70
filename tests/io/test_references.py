import numpy as np
import pytest
import tifffile

from napari_qpm.errors import FileFormatError
from napari_qpm.io import open_all


@pytest.fixture
def two_positions(tmp_path, make_hologram):
    """Write an OME-TIFF of two fields of view and return its path."""
    path = tmp_path / "dish.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for seed in range(2):
            writer.write(make_hologram(seed=seed), metadata={"Name": f"pos {seed}"})
    return path


def test_each_position_has_its_own_reference_by_name_or_number(
    two_positions, tmp_path, make_hologram
):
    frames = [make_hologram(seed=10 + k) for k in range(2)]
    np.save(tmp_path / "empty.npy", frames[1])
    given = {"pos 0": frames[0], "1": tmp_path / "empty.npy"}
    fields = open_all(two_positions, reference=given)
    for field, frame in zip(fields, frames, strict=True):
        np.testing.assert_array_equal(field.reference[0], frame)


def test_a_reference_file_with_the_same_positions_is_matched(
    two_positions, tmp_path, make_hologram
):
    path = tmp_path / "empty.ome.tif"
    frames = {f"pos {k}": make_hologram(seed=20 + k) for k in (1, 0)}
    with tifffile.TiffWriter(path, ome=True) as writer:
        for name, frame in frames.items():
            writer.write(frame, metadata={"Name": name})
    for field in open_all(two_positions, reference=path):
        name = field.name.removeprefix("dish ")
        np.testing.assert_array_equal(field.reference[0], frames[name])
        assert f"The reference frame is empty.ome.tif {name}." in field.notes


def test_a_sidecar_names_a_reference_for_each_position(
    two_positions, tmp_path, make_hologram
):
    np.save(tmp_path / "empty.npy", make_hologram(seed=30))
    sidecar = tmp_path / "dish.qpm.yaml"
    sidecar.write_text("reference:\n  pos 1: empty.npy\n")
    first, second = open_all(two_positions)
    assert first.reference is None
    assert any(
        "No reference frame is named for position pos 0" in n for n in first.notes
    )
    np.testing.assert_array_equal(second.reference[0], make_hologram(seed=30))


def test_a_missing_reference_file_is_named(two_positions, tmp_path):
    with pytest.raises(FileFormatError, match=r"no file or folder .*nowhere\.tif"):
        open_all(two_positions, reference=tmp_path / "nowhere.tif")
