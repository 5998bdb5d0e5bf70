"""What iohub writes, our own reader opens with the same pixels: it is no extra.

Runs where iohub is installed (0.3 needs Python 3.12); it is none of our requirements.
"""

import numpy as np
import pytest

from napari_qpm.acquisition import Modality
from napari_qpm.io import open_acquisition, open_all

ngff = pytest.importorskip("iohub.ngff")

PLACES = (("A", "1", "0"), ("A", "1", "1"), ("B", "3", "0"))
VERSIONS = ("0.4", "0.5")
TYPES = ("uint8", "uint16", "float32")
pytestmark = pytest.mark.filterwarnings("ignore")


def images(rng, dtype, n_channels):
    """Return one image ``(T, C, Z, Y, X)`` for each place."""
    return [
        (rng.random((2, n_channels, 1, 96, 80)) * 200).astype(dtype) for _ in PLACES
    ]


def write(path, layout, version, channels, places, **options):
    """Let iohub write images; skip where this iohub cannot."""
    scale = ngff.TransformationMeta(type="scale", scale=[1, 1, 1, 0.2, 0.2])
    try:
        store = ngff.open_ome_zarr(
            path, layout=layout, mode="w", channel_names=channels, version=version
        )
    except (ValueError, NotImplementedError) as error:
        pytest.skip(f"this iohub does not write {version}: {error}")
    with store:
        for place, image in places:
            position = store.create_position(*place) if place else store
            position.create_image("0", image, transform=[scale], **options)


def assert_same(acquisition, image, channel=0):
    assert acquisition.instrument.pixel_size_um == pytest.approx(0.2)
    assert acquisition.n_frames == image.shape[0]
    for t in range(acquisition.n_frames):
        np.testing.assert_array_equal(acquisition.read(t)[0], image[t, channel, 0])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("version", VERSIONS)
def test_plate_opens_with_every_position_and_the_channel_of_the_phase(
    tmp_path, rng, version, dtype
):
    made = images(rng, dtype, 2)
    path = tmp_path / "plate.zarr"
    write(path, "hcs", version, ["GFP", "DHM"], zip(PLACES, made, strict=True))
    opened = open_all(path)
    assert [one.name for one in opened] == [
        f"plate {'/'.join(place)}" for place in PLACES
    ]
    for acquisition, image in zip(opened, made, strict=True):
        assert_same(acquisition, image, channel=1)


@pytest.mark.parametrize("version", VERSIONS)
def test_single_position_opens(tmp_path, rng, version):
    image = images(rng, "float32", 1)[0]
    path = tmp_path / "fov.zarr"
    write(path, "fov", version, ["Phase2D"], [(None, image)])
    opened = open_acquisition(path)
    assert_same(opened, image)
    assert opened.modality is Modality.PHASE


def test_sharded_image_opens(tmp_path, rng):
    image = images(rng, "uint16", 1)[0]
    path = tmp_path / "sharded.zarr"
    shards = {"chunks": (1, 1, 1, 32, 40), "shards_ratio": (1, 1, 1, 3, 2)}
    write(path, "fov", "0.5", ["DHM"], [(None, image)], **shards)
    assert_same(open_acquisition(path), image)


def test_iohub_opens_what_we_write(tmp_path, rng):
    from napari_qpm.io.ome_zarr import ResultStore

    phase = rng.normal(0, 1, (2, 96, 80)).astype(np.float32)
    path = tmp_path / "phase.ome.zarr"
    store = ResultStore.open(
        path,
        shape=phase.shape,
        pixel_size_um=(0.2, 0.2),
        frame_interval_s=60.0,
        record={},
    )
    for t, frame in enumerate(phase):
        store.write_phase(t, frame, {})
    store.finalise({})
    with ngff.open_ome_zarr(path, layout="fov", mode="r") as read:
        np.testing.assert_array_equal(read["0"][:].squeeze(), phase)
