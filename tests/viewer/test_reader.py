import zipfile

import numpy as np
import pytest
import tifffile

from napari_qpm.errors import FileFormatError
from napari_qpm.viewer.fields import field_of
from napari_qpm.viewer.reader import get_reader, read_as_napari, read_recordings


@pytest.fixture
def hologram(tmp_path):
    """Write a hologram with fringes every four pixels and return its path."""
    y, x = np.mgrid[:256, :256]
    rng = np.random.default_rng(1)
    fringes = 100 + 60 * np.cos(2 * np.pi * (0.25 * x + 0.2 * y))
    frame = fringes + rng.normal(0, 2, fringes.shape)
    path = tmp_path / "hologram.tif"
    tifffile.imwrite(path, frame.astype(np.uint8))
    return path


@pytest.fixture
def plain(tmp_path):
    """Write a photograph-like TIFF that is nothing of ours and return its path."""
    y, x = np.mgrid[:64, :64]
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, (2 * y + x).astype(np.uint8))
    return path


def test_a_hologram_opens_as_a_lazy_layer(hologram, viewer):
    reader = get_reader(str(hologram))

    [(data, keywords, kind)] = reader(str(hologram))

    assert kind == "image"
    assert data.shape == (1, 256, 256)
    assert keywords["name"] == "hologram"
    layer = viewer.add_image(data, **keywords)
    assert field_of(layer).acquisition.modality == "off-axis"


def test_a_plain_picture_is_handed_on_to_naparis_reader(plain, viewer, plugins):
    [layer] = viewer.open(plain, plugin="napari-qpm")

    assert layer.data.shape == (64, 64)
    assert field_of(layer) is None


def test_a_stack_of_plain_pictures_is_stacked_as_napari_does(plain, viewer, plugins):
    [layer] = viewer.open([plain, plain], plugin="napari-qpm", stack=True)

    assert layer.data.shape == (2, 64, 64)


def test_one_remembered_choice_suits_recordings_and_pictures(
    hologram, plain, viewer, plugins, monkeypatch
):
    remembered = "napari.components.viewer_model.get_preferred_reader"
    monkeypatch.setattr(remembered, lambda path: "napari-qpm")

    # As a drop on the canvas does.
    [recording] = viewer.open(hologram, plugin=None)
    [picture] = viewer.open(plain, plugin=None)

    assert field_of(recording).acquisition.modality == "off-axis"
    assert picture.data.shape == (64, 64)


def test_several_paths_are_ours_only_together(hologram, plain):
    assert get_reader([str(hologram), str(plain)]) is read_as_napari
    assert len(get_reader([str(hologram), str(hologram)])([hologram, hologram])) == 2


@pytest.mark.parametrize("name", ["missing.tif", "x.zarr", "folder"])
def test_what_nobody_reads_is_declined_without_an_error(tmp_path, name):
    path = tmp_path / name
    if name == "x.zarr":
        path.write_bytes(b"not an image")
    if name == "folder":
        path.mkdir()

    assert get_reader(str(path)) is None


@pytest.mark.parametrize("name", ["broken.tif", "text.npy"])
def test_naparis_reader_tells_of_a_broken_picture(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"not an image")

    assert get_reader(str(path)) is read_as_napari


def test_an_error_while_examining_declines_the_file(monkeypatch, plain):
    import napari_qpm.io

    def fail(path):
        raise RuntimeError("unexpected")

    monkeypatch.setattr(napari_qpm.io, "is_ours", fail)

    assert get_reader(str(plain)) is None


def test_a_plain_tiff_still_opens_with_naparis_reader(plain, viewer, plugins):
    readers = plugins.iter_compatible_readers([str(plain)])
    names = {reader.plugin_name for reader in readers}

    [layer] = viewer.open(plain, plugin="napari")

    assert {"napari", "napari-qpm"} <= names
    assert layer.data.shape == (64, 64)


def test_naparis_choice_dialog_offers_both_and_ours_opens_the_hologram(
    hologram, viewer, plugins
):
    [layer] = viewer.open(hologram, plugin="napari-qpm")

    assert layer.source.reader_plugin == "napari-qpm"
    assert field_of(layer) is not None


def test_a_result_folder_opens_as_phase_with_its_cells(tmp_path):
    from napari_qpm.pipeline import Pipeline, run_pipeline
    from napari_qpm.specimens.samples import simulate

    sample = simulate("phase", n_frames=2, shape=(128, 128), n_cells=2).acquisition
    result = run_pipeline(Pipeline(), sample, tmp_path / "dish 4")

    for path in (result.folder, result.paths["phase"]):
        phase, cells = read_recordings(path)
        assert (phase[1]["name"], phase[2]) == ("dish 4", "image")
        assert (cells[1]["name"], cells[2]) == ("dish 4 cells", "labels")
        assert cells[1]["scale"] == phase[1]["scale"]
        np.testing.assert_array_equal(cells[0], result.labels)


def test_four_files_named_by_angle_open_as_one_recording(tmp_path):
    y, x = np.mgrid[:64, :64]
    phase = 3 * np.exp(-((y - 30) ** 2 + (x - 30) ** 2) / 90)
    paths = []
    for angle in (0, 45, 90, 135):
        image = 120 + 100 * np.cos(phase + 2 * np.deg2rad(angle))
        path = tmp_path / f"cell_{angle}.tif"
        tifffile.imwrite(path, image.astype(np.uint8))
        paths.append(str(path))

    [(data, _, _)] = get_reader(paths)(paths)

    assert data.shape == (4, 1, 64, 64)


def test_a_dropped_archive_says_what_to_do(tmp_path):
    path = tmp_path / "series.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a_1.tif", "0")
    reader = get_reader(str(path))
    assert reader is not None
    with pytest.raises(FileFormatError, match="Unpack it, and open the folder"):
        reader(str(path))
