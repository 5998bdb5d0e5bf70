"""The engine around the network: what it is told, and what is made of its answer."""

import types

import numpy as np
import pytest

import napari_qpm as qpm
from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import ModalityError, SidebandError, UnknownNameError
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval import make_phase_engine
from napari_qpm.retrieval import nas_prnet_engine as engine_module
from napari_qpm.retrieval.nas_prnet_engine import NasPRNetParameters, phase_by_session
from napari_qpm.runtime import ModelSpec, Session

SHAPE = (128, 160)
CARRIER = (0.22, 0.17)


def cell(height=2.5):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    distance = np.hypot(y - 60, x - 85) / 30
    return height * np.clip(1 - distance**2, 0, None) ** 2


def hologram(phase, carrier=CARRIER):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    straight = 2 * np.pi * (carrier[0] * y + carrier[1] * x)
    return (1000 * (1 + 0.6 * np.cos(straight + phase))).astype(np.float32)


class Atan(Session):
    """A network that answers with the phase of the mixed fringes, as it should be.

    That is right for phase below pi, so the input and the way back can be judged.
    """

    runtime = "torch"

    def __init__(self, range_rad=12.0, **valid):
        spec = ModelSpec(
            name="atan",
            title="Arctangent",
            kind="phase",
            architecture="u-net",
            modality="off-axis",
            config={"in_channels": 3, "range_rad": range_rad, "width": 4},
            valid=valid,
            sha256="0123456789",
        )
        super().__init__(types.SimpleNamespace(spec=spec), "cpu", "f32")

    def _describe_device(self):
        return "on paper"

    def _failures(self):
        return (RuntimeError,)

    def _infer(self, inputs):
        # The background is at phase 0, and cells below pi: nothing wraps.
        phase = np.arctan2(inputs[:, 2:], inputs[:, 1:2])
        return np.clip(phase / self.model.spec.output_scale, 0, 1)


def acquire(frames, **instrument):
    facts = {"sideband_cycles_per_px": CARRIER, "phase_sign": 1} | instrument
    return Acquisition.from_array(frames, "off-axis", **facts)


def phase_of(acquisition, session=None, **parameters):
    return phase_by_session(
        session or Atan(),
        acquisition.read(0)[None],
        acquisition,
        NasPRNetParameters(**parameters),
        CancelToken(),
    )


def inner(image, margin=8):
    return image[margin:-margin, margin:-margin]


@pytest.mark.parametrize("scale", [None, 2])
def test_what_goes_in_is_the_sideband_and_what_comes_out_is_radians(scale):
    made = phase_of(acquire(hologram(cell())), scale=scale)
    step = scale or 1
    assert made.grid_scale == (step, step)
    error = made.phase[0] - cell()[::step, ::step]
    # The network's low-pass rounds the cell's top by a few percent.
    assert np.std(inner(error)) < 0.12
    assert made.phase[0].max() == pytest.approx(2.5, abs=0.3)


def test_the_sign_of_the_sideband_is_heeded():
    made = phase_of(acquire(hologram(-cell()), phase_sign=-1))
    assert np.std(inner(made.phase[0] - cell())) < 0.12


def test_a_reference_takes_out_aberrations():
    y = np.linspace(-1, 1, SHAPE[0])[:, None] + np.zeros(SHAPE)
    bent = 5 * y**2
    acquisition = acquire(hologram(cell() + bent)).replace(
        reference=hologram(bent)[None]
    )
    made = phase_of(acquisition)
    assert np.std(inner(made.phase[0] - cell())) < 0.15


def test_curvature_is_taken_out_without_a_reference():
    y = np.linspace(-1, 1, SHAPE[0])[:, None] + np.zeros(SHAPE)
    bent = 5 * y**2
    acquisition = acquire(hologram(cell() + bent))
    made = phase_of(acquisition)
    assert np.std(inner(made.phase[0] - cell())) < 0.15
    left = phase_of(acquisition, curvature_first=False)
    assert np.std(inner(left.phase[0] - cell())) > 0.5


@pytest.mark.parametrize("scale", [1, 2])
def test_fringes_sharpen_the_answer(scale):
    acquisition = acquire(hologram(cell()))
    truth = cell()[::scale, ::scale]
    plain = phase_of(acquisition, scale=scale, sharpened=False)
    sharp = phase_of(acquisition, scale=scale)
    # The network's low-pass rounds the top; the fringes know it.
    top = truth > 2
    error = float(np.abs((sharp.phase[0] - truth)[top]).mean())
    assert error < 0.5 * float(np.abs((plain.phase[0] - truth)[top]).mean())


def test_wide_fringes_are_thinned_without_being_asked():
    wide = (0.07, 0.05)
    acquisition = acquire(hologram(cell(), wide), sideband_cycles_per_px=wide)
    made = phase_of(acquisition)
    assert made.grid_scale == (2.0, 2.0)
    assert made.shape == (1, 64, 80)


def test_phase_beyond_the_range_is_told_with_its_share():
    made = phase_of(acquire(hologram(cell())), Atan(range_rad=1.5))
    note = made.frame_notes[0]
    assert note["clipped_share"] > 0.01
    assert "above 1.5 rad cannot be shown" in note["warning"]
    assert "warning" not in phase_of(acquire(hologram(cell()))).frame_notes[0]


def test_a_frame_without_fringes_has_no_phase(rng):
    plain = rng.normal(1000, 5, SHAPE).astype(np.float32)
    made = phase_of(acquire(plain))
    assert "no fringes" in made.frame_notes[0]["problem"]
    assert np.isnan(made.phase).all()


def test_lost_pixels_stay_lost():
    frame = hologram(cell())
    frame[40:44, 50:60] = np.nan
    made = phase_of(acquire(frame))
    assert np.isnan(made.phase[0, 40:44, 50:60]).all()
    assert np.isnan(made.phase).mean() < 0.01
    assert "NaN" in made.frame_notes[0]["warning"]


def test_saturation_and_background_are_noted():
    raw = np.clip(hologram(cell()), 0, 1200) / 1200 * 255
    made = phase_of(acquire(raw.astype(np.uint8), bit_depth=8))
    note = made.frame_notes[0]
    assert "saturated" in note["warning"]
    assert note["background_share"] > 0.3


def test_a_cancelled_run_stops():
    token = CancelToken()
    token.cancel()
    acquisition = acquire(hologram(cell()))
    with pytest.raises(qpm.errors.JobCancelled):
        phase_by_session(
            Atan(),
            acquisition.read(0)[None],
            acquisition,
            NasPRNetParameters(),
            token,
        )


# --- With an installed model -------------------------------------------------------


@pytest.fixture
def tiny(tiny_models):
    return make_phase_engine("nas-prnet", model="tiny", runtime="torch")


def test_public_function_gives_lazy_phase_of_a_series(tiny_models):
    frames = np.stack([hologram(cell()), hologram(cell(2.0))])
    made = qpm.retrieve(
        Acquisition.from_array(frames, "off-axis"),
        engine="nas-prnet",
        model="tiny",
        runtime="torch",
    )
    assert made.shape == (2, *SHAPE)
    assert np.isfinite(made.read(1)).all()
    assert made.history[-1].parameters["model"] == "tiny"


def test_notes_name_the_model_its_weights_and_the_device(tiny):
    resolved = tiny.resolve(
        Acquisition.from_array(hologram(cell()), "off-axis"), CancelToken()
    )
    (note,) = [note for note in resolved.notes if "model" in note]
    assert "tiny" in note
    assert "CPU" in note or "processor" in note
    assert resolved.instrument.phase_sign == 1


def test_fringes_outside_the_training_are_told(tiny):
    wide = (0.05, 0.06)
    acquisition = acquire(hologram(cell(), wide), sideband_cycles_per_px=wide)
    engine = make_phase_engine("nas-prnet", model="tiny", runtime="torch", scale=1)
    told = engine.resolve(acquisition, CancelToken()).notes
    assert any("trained with 2.2 to 9 px" in note for note in told)
    # Thinned automatically, they are inside.
    told = tiny.resolve(acquisition, CancelToken()).notes
    assert not any("trained with" in note for note in told)


def test_pictures_without_a_carrier_are_refused(tiny, rng):
    plain = Acquisition.from_array(rng.normal(100, 5, SHAPE), "off-axis")
    with pytest.raises(SidebandError, match="No sideband"):
        tiny.resolve(plain, CancelToken())


def test_unknown_models_are_named_with_the_closest(tiny_models):
    engine = make_phase_engine("nas-prnet", model="tinny")
    with pytest.raises(UnknownNameError, match="Did you mean 'tiny'"):
        engine.resolve(acquire(hologram(cell())), CancelToken())


def test_without_any_model_it_says_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_QPM_MODELS", str(tmp_path))
    monkeypatch.setattr(engine_module, "phase_models", list)
    engine = make_phase_engine("nas-prnet", model="nothing-there")
    with pytest.raises(UnknownNameError, match="models install"):
        engine.resolve(acquire(hologram(cell())), CancelToken())


def test_models_for_other_things_are_refused(tiny_models, monkeypatch):
    from napari_qpm.runtime import ModelStore

    found = ModelStore().model("tiny")
    import dataclasses

    other = dataclasses.replace(
        found, spec=dataclasses.replace(found.spec, kind="segmentation")
    )
    monkeypatch.setattr(ModelStore, "model", lambda self, name: other)
    with pytest.raises(ModalityError, match="Choose another model"):
        engine_module.find_model("tiny")


def test_installed_models_are_choices_for_forms(tiny_models):
    assert ("tiny", "Tiny") in NasPRNetParameters.choices("model")
    assert NasPRNetParameters.choices("scale") is None
