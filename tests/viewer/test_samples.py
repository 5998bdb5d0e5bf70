import pytest

from napari_qpm.viewer.fields import field_of


@pytest.mark.parametrize("kind", ["polarization", "off-axis", "chromatic", "phase"])
def test_a_sample_opens_calibrated_and_live(viewer, plugins, kind):
    [layer] = viewer.open_sample("napari-qpm", kind)

    acquisition = field_of(layer).acquisition
    assert acquisition.modality == kind
    assert acquisition.instrument.pixel_size_um is not None
    assert str(layer.units[-1]) == "micrometer"
