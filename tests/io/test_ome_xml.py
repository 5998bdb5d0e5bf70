import pytest

from napari_qpm.io.ome_xml import read_ome_xml

OME = '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">{}</OME>'


def facts(pixels, planes="", image=""):
    xml = f"<Image>{image}<Pixels {pixels}>{planes}</Pixels></Image>"
    return read_ome_xml(OME.format(xml), 0)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ('PhysicalSizeX="0.2" PhysicalSizeY="0.2"', 0.2),
        ('PhysicalSizeX="200" PhysicalSizeXUnit="nm"', 0.2),
        ('physicalsizex="2000" physicalsizexunit="Å"', 0.2),
        ('PhysicalSizeX="0.2" PhysicalSizeXUnit="µm"', 0.2),
        ('PhysicalSizeX="0.2" PhysicalSizeXUnit="μm"', 0.2),
        ('PhysicalSizeX="0.2" PhysicalSizeXUnit="micrometer"', 0.2),
        ('PhysicalSizeX="1" PhysicalSizeXUnit="pixel"', None),
        ('PhysicalSizeX="1" PhysicalSizeXUnit="reference frame"', None),
        ('PhysicalSizeX="0"', None),
        ('PhysicalSizeX="no"', None),
    ],
)
def test_pixel_sizes_in_any_unit_and_spelling(attributes, expected):
    found = facts(attributes).instrument["pixel_size_um"]
    assert found == (None if expected is None else pytest.approx(expected))


def test_times_of_planes_are_those_of_the_first_channel():
    planes = "".join(
        f'<Plane TheT="{t}" TheC="{c}" TheZ="0" DeltaT="{100 * t + c}" '
        'DeltaTUnit="ms"/>'
        for t in range(3)
        for c in range(2)
    )
    found = facts("", planes)
    assert found.times_s == pytest.approx((0, 0.1, 0.2))
    assert found.instrument["frame_interval_s"] == pytest.approx(0.1)


def test_channels_are_named():
    planes = '<Channel Name="DHM"/><Channel Name="GFP"/>'
    assert facts("", planes).channel_names == ("DHM", "GFP")
    assert facts("", "<Channel/><Channel/>").channel_names == ()


def test_the_calibrated_magnification_beats_the_nominal_one():
    objective = '<Objective NominalMagnification="40" CalibratedMagnification="41.2"/>'
    assert facts("", image=objective).instrument["magnification"] == 41.2


def test_an_image_that_is_not_described_states_nothing():
    assert read_ome_xml(OME.format("<Image/>"), 0).instrument == {}
    assert read_ome_xml(OME.format("<Image/>"), 5).instrument == {}


def test_damaged_xml_is_noted():
    assert "damaged" in read_ome_xml("<OME><Image>", 0).notes[0]
