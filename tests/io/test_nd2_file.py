"""Against a stand-in with the interface of the package nd2: no library writes ND2."""

import importlib
import pickle
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from napari_qpm.errors import FileFormatError, LayoutError
from napari_qpm.io import open_acquisition, open_all


class Nd2File:
    """What `nd2.ND2File` offers, for frames ``(T, P, Z, C, Y, X)`` of the class."""

    frames = np.zeros((1, 1, 1, 1, 8, 8), np.uint16)

    def __init__(self, path):
        if path.read_bytes() != b"nd2":
            raise ValueError("file type not recognized")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def close(self):
        pass

    @property
    def sizes(self):
        named = zip("TPZCYX", self.frames.shape, strict=True)
        return {k: v for k, v in named if v != 1 or k in "YX"}

    dtype = np.uint16
    attributes = SimpleNamespace(bitsPerComponentSignificant=12)

    @property
    def loop_indices(self):
        shape = self.frames.shape[:3]
        return [dict(zip("TPZ", at, strict=True)) for at in np.ndindex(shape)]

    @property
    def metadata(self):
        scope = SimpleNamespace(
            objectiveNumericalAperture=0.75, objectiveMagnification=20.0
        )
        names = ["DHM", "GFP"][: self.frames.shape[3]]
        channels = [
            SimpleNamespace(channel=SimpleNamespace(name=n), microscope=scope)
            for n in names
        ]
        return SimpleNamespace(channels=channels)

    def voxel_size(self):
        return SimpleNamespace(x=0.325, y=0.325, z=0.5)

    def read_frame(self, k):
        return np.squeeze(self.frames.reshape(-1, *self.frames.shape[3:])[k])

    def frame_metadata(self, k):
        t = self.loop_indices[k]["T"]
        time = SimpleNamespace(relativeTimeMs=5000.0 * t)
        return SimpleNamespace(channels=[SimpleNamespace(time=time)])


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Return an ND2 file that the stand-in knows."""
    module = ModuleType("nd2")
    module.ND2File = Nd2File
    monkeypatch.setitem(sys.modules, "nd2", module)
    path = tmp_path / "dish.nd2"
    path.write_bytes(b"nd2")
    return path


def filled(shape, rng):
    frames = rng.integers(0, 4000, shape, np.uint16)
    frames[..., 0, 0] = 4095
    return frames


def test_positions_channels_and_times_open(path, rng, monkeypatch):
    frames = filled((3, 2, 1, 2, 40, 50), rng)
    monkeypatch.setattr(Nd2File, "frames", frames)
    fields = open_all(path)
    assert [f.name for f in fields] == ["dish position 0", "dish position 1"]
    field = fields[1]
    np.testing.assert_array_equal(field.read(2)[0], frames[2, 1, 0, 0])
    assert field.times_s == (0, 5, 10)
    assert field.instrument.pixel_size_um == 0.325
    assert field.instrument.numerical_aperture == 0.75
    assert field.instrument.bit_depth == 12
    assert field.instrument.wavelength_nm is None
    copy = pickle.loads(pickle.dumps(field))
    np.testing.assert_array_equal(copy.read(0)[0], frames[0, 1, 0, 0])


def test_planes_through_focus_open_with_their_positions(path, rng, monkeypatch):
    frames = filled((1, 1, 3, 1, 40, 50), rng)
    monkeypatch.setattr(Nd2File, "frames", frames)
    field = open_acquisition(path, modality="through-focus")
    np.testing.assert_array_equal(field.read(0), frames[0, 0, :, 0])
    assert field.instrument.focus_um == (-0.5, 0, 0.5)


def test_planes_and_channels_together_are_refused(path, rng, monkeypatch):
    monkeypatch.setattr(Nd2File, "frames", filled((1, 1, 3, 2, 40, 50), rng))
    with pytest.raises(LayoutError, match="3 planes of 2 channels"):
        open_acquisition(path)


def test_a_damaged_file_is_named(path):
    path.write_bytes(b"x")
    with pytest.raises(FileFormatError, match=r"dish\.nd2 cannot be read as ND2"):
        open_acquisition(path)


def test_the_missing_package_is_named(path, monkeypatch):
    def fail(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(FileFormatError, match=r"pip install 'napari-qpm\[nd2\]'"):
        open_acquisition(path)


def test_the_real_package_has_what_the_stand_in_offers():
    nd2 = pytest.importorskip("nd2")
    for name in ("sizes", "dtype", "attributes", "loop_indices", "metadata"):
        assert hasattr(nd2.ND2File, name)
    for name in ("voxel_size", "read_frame", "frame_metadata", "close"):
        assert callable(getattr(nd2.ND2File, name))
