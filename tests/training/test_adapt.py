"""Own frames as samples: whatever is cut, turned or added, the answer is known."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from napari_qpm.errors import ParameterError
from napari_qpm.training import TrainerSettings, train
from napari_qpm.training.adapt import (
    AdaptRecipe,
    MatchedDomain,
    OwnFrame,
    OwnFrameStream,
)
from napari_qpm.training.holograms import InputKind
from napari_qpm.training.phase_recipes import NetworkKind

SHAPE = (96, 112)
CARRIER = (0.21, 0.17)
CPU = torch.device("cpu")


def own_frame(sign=1, height=1.2, bend=0.0):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    surface = bend * (np.linspace(-1, 1, SHAPE[0])[:, None] ** 2 + np.zeros(SHAPE))
    distance = np.hypot(y - 40, x - 60) / 30
    phase = height * np.clip(1 - distance**2, 0, None) ** 2
    straight = 2 * np.pi * (CARRIER[0] * y + CARRIER[1] * x)
    fringes = 300 * np.exp(1j * (straight + sign * phase + surface))
    return OwnFrame(
        hologram=(1000 + 2 * fringes.real).astype(np.float32),
        fringes=fringes.astype(np.complex64),
        phase=phase.astype(np.float32),
        carrier=CARRIER,
        phase_sign=sign,
        surface=surface.astype(np.float32) if bend else None,
    )


def domain(**changes):
    facts = {
        "shape": (64, 64),
        "carrier_cycles_per_px": CARRIER,
        "carrier_error_bins": 0.0,
        # Together with the own cell below pi, where the phase is plain to see.
        "phase_rad": (0.6, 1.6),
        "size_px": (30.0, 50.0),
        "shares": (0.0, 1.0, 0.0),
        "confluence": (0.1, 0.3),
    }
    return MatchedDomain(**(facts | changes))


def stream(frames, **changes):
    return OwnFrameStream(tuple(frames), domain(**changes), 3, CPU, 6)


@pytest.mark.parametrize(("sign", "bend"), [(1, 0.0), (-1, 0.0), (1, 5.0), (-1, 5.0)])
def test_every_sample_shows_the_phase_that_it_is_labelled_with(sign, bend):
    batch = stream([own_frame(sign, bend=bend)]).batch(0)
    assert batch.inputs.shape == (6, 3, 64, 64)
    seen = torch.atan2(batch.inputs[:, 2], batch.inputs[:, 1])
    known = 12 * batch.target[:, 0]
    assert known.max() > 1.5  # something was added
    inner = (slice(None), slice(6, -6), slice(6, -6))
    error = seen[inner] - known[inner]
    error -= error.flatten(1).median(dim=1).values[:, None, None]
    # The low-pass of the input rounds edges and tops of the cells.
    assert error.std() < 0.2
    assert np.corrcoef(seen[inner].ravel(), known[inner].ravel())[0, 1] > 0.85


def test_samples_are_a_function_of_seed_and_step():
    first, again = stream([own_frame()]), stream([own_frame()])
    assert torch.equal(first.batch(7).inputs, again.batch(7).inputs)
    assert not torch.equal(first.batch(7).inputs, first.batch(8).inputs)


def test_samples_are_cut_from_all_frames_and_places():
    low, high = own_frame(), own_frame()
    high = dataclasses.replace(high, hologram=high.hologram * 3)
    inputs = stream([low, high]).batch(0).inputs
    # Frames are normalised, so brightness does not tell them apart; places do.
    assert len({float(one[0, 0, 0]) for one in inputs}) == 6


def test_part_of_a_frame_keeps_its_layers_together():
    part = own_frame(bend=1.0).columns(20, 100)
    assert part.hologram.shape == part.surface.shape == (SHAPE[0], 80)
    assert np.array_equal(part.phase, own_frame().phase[:, 20:100])


def test_raw_input_is_turned_with_its_phase():
    batch = stream([own_frame()], input=InputKind.RAW).batch(0)
    assert batch.inputs.shape == (6, 1, 64, 64)
    assert batch.target.max() > 0.05


def test_frames_smaller_than_samples_are_refused():
    with pytest.raises(ParameterError, match="smaller than samples"):
        stream([own_frame()], shape=(128, 128))


def test_layers_of_a_frame_are_of_one_size():
    frame = own_frame()
    with pytest.raises(ParameterError, match="one size"):
        dataclasses.replace(frame, phase=frame.phase[:-1])


def recipe(frames, **changes):
    settings = TrainerSettings(
        steps=4,
        batch_size=4,
        warmup_steps=1,
        validate_every=2,
        n_validation=4,
        checkpoint_every=2,
        log_every=2,
        ema_decay=0.5,
    )
    facts = {
        "trainer": settings,
        "domain": domain(),
        "frames": tuple(frames),
        "network": NetworkKind.U_NET,
        "width": 4,
        "base": "tiny",
    }
    return AdaptRecipe(**(facts | changes))


def test_half_of_a_batch_are_own_frames_and_half_simulations():
    mixed = recipe([own_frame()]).make_stream(1, CPU, 4).batch(0)
    assert mixed.inputs.shape == (4, 3, 64, 64)
    alone = recipe([]).make_stream(1, CPU, 4).batch(0)
    assert alone.inputs.shape == (4, 3, 64, 64)
    own = recipe([own_frame()], own_share=1.0).make_stream(1, CPU, 4).batch(0)
    assert own.inputs.shape == (4, 3, 64, 64)


def test_simulations_have_the_carrier_of_the_microscope():
    made = recipe([], domain=domain(carrier_jitter_bins=0.5)).make_stream(1, CPU, 4)
    frames = made.batch(0).inputs[:, 0]
    spectrum = torch.fft.rfft2(frames).abs()
    spectrum[:, :6, :6] = spectrum[:, -6:, :6] = 0
    for one in spectrum:
        row, column = divmod(int(one.argmax()), one.shape[1])
        row = row if row < 32 else row - 64
        direction = 1 if row * CARRIER[0] > 0 else -1
        assert abs(direction * row - CARRIER[0] * 64) < 3
        assert abs(column - CARRIER[1] * 64) < 3


def test_settings_are_stored_with_fingerprints_of_the_frames():
    stored = json.dumps(recipe([own_frame()]).config(), default=str)
    assert own_frame().digest() in stored
    assert len(stored) < 5000


def test_training_goes_on_from_given_weights(tmp_path):
    first = train(recipe([own_frame()]), tmp_path / "first", seed=1)
    weights = tmp_path / "first" / "best.safetensors"
    assert weights.is_file()
    again = train(recipe([own_frame()]), tmp_path / "again", seed=2, initial=weights)
    assert again.steps == first.steps == 4


def test_carriers_beyond_the_camera_are_refused():
    with pytest.raises(ParameterError, match="up to 0"):
        domain(carrier_cycles_per_px=(0.7, 0.3))
