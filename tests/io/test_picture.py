import pickle

import imagecodecs
import numpy as np
import pytest

from napari_qpm.errors import FileFormatError
from napari_qpm.io import open_acquisition
from napari_qpm.io.picture import LOSSY_NOTE, read_picture

GREY = np.random.default_rng(0).integers(0, 256, (20, 30)).astype(np.uint8)
COLOUR = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], -1)


def written(path, encode, pixels, **keywords):
    path.write_bytes(encode(pixels, **keywords))
    return path


def read(path):
    (field,) = read_picture(path)
    return field


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
def test_png_keeps_every_bit(tmp_path, dtype, pixels):
    stored = pixels.astype(dtype) * (257 if dtype is np.uint16 else 1)
    field = read(written(tmp_path / "a.png", imagecodecs.png_encode, stored))
    frame = field.source.read(0)
    assert field.source.shape == (1, *frame.shape)
    assert frame.dtype == field.source.dtype == dtype
    expected = stored[None] if stored.ndim == 2 else np.moveaxis(stored, -1, 0)
    np.testing.assert_array_equal(frame, expected)
    assert field.notes == ()


@pytest.mark.parametrize("n_colours", [2, 4])
def test_transparency_is_left_out_with_a_note(tmp_path, n_colours):
    pixels = np.dstack([COLOUR, GREY])[..., -n_colours:].copy()
    path = written(tmp_path / "a.png", imagecodecs.png_encode, pixels)
    acquisition = open_acquisition(path)
    assert acquisition.shape[1] == n_colours - 1
    np.testing.assert_array_equal(acquisition.read(0)[0], pixels[..., 0])
    assert any("transparency" in note for note in acquisition.notes)


@pytest.mark.parametrize("name", ["a.jpg", "really_a_jpeg.bmp"])
def test_jpeg_is_said_to_be_lossy_whatever_its_name(tmp_path, name):
    smooth = np.tile(np.arange(0, 240, 8, dtype=np.uint8), (20, 1))
    field = read(written(tmp_path / name, imagecodecs.jpeg_encode, smooth))
    assert field.reader == "JPEG"
    assert field.notes == (LOSSY_NOTE,)
    assert np.abs(field.source.read(0)[0].astype(int) - smooth).max() <= 8


def test_bmp_is_read(tmp_path):
    field = read(written(tmp_path / "a.bmp", imagecodecs.bmp_encode, GREY))
    np.testing.assert_array_equal(field.source.read(0)[0], GREY)


@pytest.mark.parametrize("n_bytes", [20, 200])
@pytest.mark.parametrize("kind", ["png", "jpeg", "bmp"])
def test_a_cut_picture_is_refused_by_name(tmp_path, kind, n_bytes):
    encode = getattr(imagecodecs, f"{kind}_encode")
    path = written(tmp_path / f"cut.{kind}", encode, GREY)
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(FileFormatError, match=rf"cut\.{kind}.*Copy it again"):
        read(path).source.read(0)


def test_other_content_is_refused_by_name(tmp_path):
    path = tmp_path / "text.png"
    path.write_text("hello")
    with pytest.raises(FileFormatError, match=r"text\.png is named like a picture"):
        read_picture(path)


def test_a_source_travels_to_another_process(tmp_path):
    field = read(written(tmp_path / "a.png", imagecodecs.png_encode, GREY))
    copy = pickle.loads(pickle.dumps(field.source))
    np.testing.assert_array_equal(copy.read(0)[0], GREY)
