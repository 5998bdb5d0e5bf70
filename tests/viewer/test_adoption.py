import numpy as np
import pytest
import tifffile
from tests.viewer.conftest import cells_phase

from napari_qpm.acquisition import Modality
from napari_qpm.errors import LayoutError
from napari_qpm.viewer.adoption import adopt, assume_layout, examine
from napari_qpm.viewer.fields import METADATA_KEY


def test_a_layer_of_others_becomes_a_recording_without_being_changed(viewer):
    layer = viewer.add_image(cells_phase(), name="mine", scale=(1, 2, 2))
    before = layer.metadata.copy()

    field = adopt(layer)

    assert field.acquisition.shape == (3, 1, 48, 64)
    assert field.acquisition.name == "mine"
    assert layer.metadata == before
    assert METADATA_KEY not in layer.metadata


def test_sizes_are_taken_over_only_with_their_units(viewer):
    bare = viewer.add_image(cells_phase(), scale=(1, 0.3, 0.3))
    sized = viewer.add_image(
        cells_phase(), scale=(2, 300, 300), units=("min", "nm", "nm")
    )

    assert adopt(bare).acquisition.instrument.pixel_size_um is None
    instrument = adopt(sized).acquisition.instrument
    assert instrument.pixel_size_um == pytest.approx(0.3)
    assert instrument.frame_interval_s == pytest.approx(120)


def test_colour_images_have_three_channels(viewer):
    layer = viewer.add_image(np.zeros((5, 8, 9, 3), np.uint8), rgb=True)

    assert adopt(layer).acquisition.shape == (5, 3, 8, 9)


def test_a_grey_picture_in_colours_brings_its_sidecar(viewer, plugins, tmp_path):
    path = tmp_path / "grey.tif"
    grey = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    colours = np.repeat(grey[..., None], 3, axis=2)
    tifffile.imwrite(path, colours, photometric="rgb")
    (tmp_path / "grey.qpm.yaml").write_text("wavelength_nm: 550\n")
    layer = viewer.open(path, plugin="napari")[0]
    assert layer.rgb

    seen = examine(adopt(layer).acquisition)

    assert seen.shape == (1, 1, 64, 64)
    assert seen.instrument.wavelength_nm == 550


def test_four_axes_need_names(viewer):
    data = np.zeros((4, 3, 8, 8), np.uint8)
    named = viewer.add_image(data, axis_labels=("c", "t", "y", "x"))
    nameless = viewer.add_image(data)

    assert adopt(named).acquisition.shape == (3, 4, 8, 8)
    with pytest.raises(LayoutError, match="do not say which are time and channels"):
        adopt(nameless)


def test_fringes_are_recognised(viewer):
    y, x = np.mgrid[:256, :256]
    rng = np.random.default_rng(0)
    fringes = 100 + 60 * np.cos(2 * np.pi * (0.25 * x + 0.2 * y))
    frame = (fringes + rng.normal(0, 2, fringes.shape)).astype(np.uint8)

    seen = examine(adopt(viewer.add_image(frame)).acquisition)

    assert seen.modality is Modality.OFF_AXIS
    assert seen.notes


def test_a_file_that_napari_opened_brings_its_sidecar(viewer, plugins, tmp_path):
    path = tmp_path / "dish.tif"
    tifffile.imwrite(path, cells_phase(), photometric="minisblack")
    (tmp_path / "dish.qpm.yaml").write_text(
        "modality: phase\nwavelength_nm: 633\nphase_unit: rad\n"
    )
    [layer] = viewer.open(path, plugin="napari")

    seen = examine(adopt(layer).acquisition)

    assert seen.instrument.wavelength_nm == 633
    assert seen.name == layer.name


def test_a_wrong_sidecar_is_said(viewer, plugins, tmp_path):
    path = tmp_path / "dish.tif"
    tifffile.imwrite(path, cells_phase(), photometric="minisblack")
    (tmp_path / "dish.qpm.yaml").write_text("wavelenth_nm: 633\n")
    [layer] = viewer.open(path, plugin="napari")

    seen = examine(adopt(layer).acquisition)

    assert "wavelenth_nm" in seen.notes[0]


def test_an_assumed_order_of_angles_is_said(viewer):
    layer = viewer.add_image(np.zeros((8, 8), np.uint16))
    mosaic = adopt(layer).acquisition.replace(modality=Modality.POLARIZATION)

    assumed = assume_layout(mosaic)

    assert assumed.instrument.polarization_layout == (90, 45, 135, 0)
    assert "assumed" in assumed.notes[-1]
    assert assume_layout(assumed) is assumed
