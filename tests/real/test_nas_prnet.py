"""The learned engine on real holograms: it runs, says what it is, and is judged.

How good it is on them is a figure of the evaluation. Here: a finite picture on the
grid that it promises, notes, and checks that do not trust what is wrong.
"""

import io
import zipfile

import h5py
import imageio.v3 as imageio
import numpy as np
import pytest
import tifffile

from napari_qpm.acquisition import Acquisition
from napari_qpm.adaptation.own_frames import label_frames, measure_objects
from napari_qpm.checks import Verdict, check_frame
from napari_qpm.errors import SidebandError
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval import make_phase_engine
from napari_qpm.retrieval.object_size import large_diameter

NAMES = ("HL60", "HL60 series", "red blood cells", "glioblastoma", "star target")


def load(folder, name):
    reference = None
    match name:
        case "HL60":
            with np.load(folder / "oah-hl60-reference" / "hologram_cell.npz") as arrays:
                frame, reference = arrays["data"], arrays["bg_data"]
        case "HL60 series":
            path = folder / "oah-hl60-reference" / "series_oah_2frames.h5"
            with h5py.File(path) as file:
                frame = np.stack([file["0"][:], file["1"][:]])
        case "red blood cells":
            path = folder / "oah-rbc-nontelecentric" / "RBCnotele50x.tiff"
            frame = tifffile.imread(path)
        case "glioblastoma":
            frame = imageio.imread(folder / "oah-glioblastoma" / "Glioblastoma.jpg")
        case "star target":
            frame = imageio.imread(folder / "oah-star-target" / "star-target.png")
    return Acquisition.from_array(frame, "off-axis", name=name, reference=reference)


@pytest.mark.parametrize("name", NAMES)
def test_engine_runs_on_real_holograms(shared_data, tiny_models, name):
    acquisition = load(shared_data, name)
    # A tiny network, as large frames cost minutes otherwise.
    engine = make_phase_engine(
        "nas-prnet", model="tiny", runtime="torch", sharpened=False
    )
    resolved = engine.resolve(acquisition, CancelToken())
    frames = resolved.read(0)[None]
    made = engine.retrieve(frames, resolved, CancelToken())
    step = made.grid_scale[0]
    assert made.shape[1:] == tuple(int(-(-n // step)) for n in frames.shape[2:])
    assert np.isfinite(made.phase).all()
    assert "problem" not in made.frame_notes[0]
    assert any("Phase by the model tiny" in note for note in resolved.notes)
    # Untrained, it explains no frame, and the residual knows.
    alone = made.replace(acquisition=resolved)
    if resolved.n_frames == 1:
        assert check_frame(resolved, alone).verdict is Verdict.BAD


def test_field_measured_without_a_carrier_is_refused(shared_data, tiny_models):
    archive = shared_data / "field-hl60-defocused" / "HL60_field.zip"
    with zipfile.ZipFile(archive) as parts:
        real, imaginary = (
            np.loadtxt(io.BytesIO(parts.read(f"HL60_{part}.txt")))
            for part in ("real", "imag")
        )
    intensity = np.abs(real + 1j * imaginary) ** 2
    picture = Acquisition.from_array(intensity, "off-axis", name="HL60 field")
    engine = make_phase_engine("nas-prnet", model="tiny", runtime="torch")
    with pytest.raises(SidebandError):
        engine.resolve(picture, CancelToken())


def test_hologram_of_the_measured_field_is_retrieved(shared_data, tiny_models):
    archive = shared_data / "field-hl60-defocused" / "HL60_field.zip"
    with zipfile.ZipFile(archive) as parts:
        real, imaginary = (
            np.loadtxt(io.BytesIO(parts.read(f"HL60_{part}.txt")))
            for part in ("real", "imag")
        )
    field = real + 1j * imaginary
    field /= np.median(np.abs(field))
    y, x = np.mgrid[: field.shape[0], : field.shape[1]]
    wave = np.exp(2j * np.pi * (0.22 * y + 0.2 * x))
    counts = 100 * np.abs(field * wave + 1) ** 2
    hologram = Acquisition.from_array(counts, "off-axis", name="HL60 field")
    engine = make_phase_engine("nas-prnet", model="tiny", runtime="torch")
    resolved = engine.resolve(hologram, CancelToken())
    made = engine.retrieve(resolved.read(0)[None], resolved, CancelToken())
    assert np.isfinite(made.phase).all()


@pytest.mark.parametrize("name", ["HL60", "red blood cells"])
def test_real_frames_can_teach(shared_data, name):
    acquisition = load(shared_data, name)
    (frame,) = label_frames([acquisition], CancelToken(), lambda progress: None)
    assert frame.is_trusted
    objects = measure_objects([frame])
    # Seen by eye: one cell of half the frame; discs of about 90 px.
    assert 60 < large_diameter(objects.diameters_px) < 140
    assert 3 < objects.top_rad < 8
