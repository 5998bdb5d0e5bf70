import dataclasses
import math

import pytest
import torch

from napari_qpm.errors import ParameterError, UnknownNameError
from napari_qpm.training.holograms import HologramDomain, HologramStream

CLEAN = HologramDomain(
    shape=(128, 128),
    phase_rad=(1.0, 1.5),
    empty_share=0.0,
    period_px=(3.0, 5.0),
    carrier_error_bins=0.0,
    visibility=(0.9, 0.9),
    background_rad=(1e-3, 2e-3),
    unevenness=0.0,
    n_parasitic=0,
    n_rings=0,
    electrons=(1e6, 2e6),
    bit_depths=(12,),
    size_px=(25.0, 40.0),
    confluence=(0.1, 0.3),
)


@pytest.fixture(scope="module")
def stream():
    domain = HologramDomain(shape=(64, 96))
    return HologramStream(domain, 5, torch.device("cpu"), 8)


def test_samples_have_the_promised_form(stream):
    batch = stream.batch(3)
    assert batch.inputs.shape == (8, 3, 64, 96)
    assert batch.target.shape == (8, 1, 64, 96)
    assert bool(torch.isfinite(batch.inputs).all())
    assert 0 <= float(batch.target.min()) <= float(batch.target.max()) <= 1
    assert float(batch.target.amax(dim=(1, 2, 3)).max()) > 0.1


def test_a_step_gives_the_same_samples_whatever_came_before(stream):
    first = stream.batch(6)
    stream.batch(40)
    fresh = HologramStream(stream.domain, 5, torch.device("cpu"), 8)
    for other in (stream.batch(6), fresh.batch(6)):
        assert torch.equal(other.inputs, first.inputs)
        assert torch.equal(other.target, first.target)


def test_steps_and_seeds_differ(stream):
    other = HologramStream(stream.domain, 6, torch.device("cpu"), 8)
    samples = [stream.batch(0), stream.batch(1), stream.batch(9), other.batch(0)]
    for n, one in enumerate(samples):
        for another in samples[:n]:
            assert not torch.equal(one.target, another.target)


def test_target_is_the_phase_in_the_quadratures():
    batch = HologramStream(CLEAN, 2, torch.device("cpu"), 8).batch(0)
    field = torch.complex(batch.inputs[:, 1], batch.inputs[:, 2])
    phase = CLEAN.range_rad * batch.target[:, 0]
    # What is left after turning the field back by the true phase is one constant,
    # but for what the low-pass takes from the rims of objects.
    turned = field * torch.polar(torch.ones_like(phase), -phase)
    turned = turned[:, 8:-8, 8:-8].flatten(1)
    straightness = turned.mean(1).abs() / turned.abs().mean(1)
    assert float(straightness.min()) > 0.97
    reverse = field * torch.polar(torch.ones_like(phase), phase)
    reverse = reverse[:, 8:-8, 8:-8].flatten(1)
    assert bool((reverse.mean(1).abs() / reverse.abs().mean(1) < straightness).all())


def test_raw_input_has_its_carrier_in_one_octant():
    domain = dataclasses.replace(CLEAN, input="raw", period_px=(2.5, 8.0))
    batch = HologramStream(domain, 0, torch.device("cpu"), 8).batch(0)
    assert batch.inputs.shape == (8, 1, 128, 128)
    spectrum = torch.fft.fft2(batch.inputs[:, 0]).abs()
    spectrum[:, 0, 0] = 0
    for image in spectrum:
        peak = int(image[:, :64].argmax())
        fy, fx = peak // 64, peak % 64
        fy = fy - 128 if fy > 64 else fy
        assert -1 <= fy <= fx + 1


def test_carriers_span_the_periods_in_every_direction():
    from napari_qpm.training.seeds import Dice

    stream = HologramStream(HologramDomain(), 0, torch.device("cpu"), 2_000)
    carrier = stream._draw_carriers(Dice(0))
    period = 1 / carrier.norm(dim=1)
    assert 2.2 <= float(period.min()) < 2.3
    assert 8.6 < float(period.max()) <= 9.0001
    angle = torch.atan2(carrier[:, 0], carrier[:, 1])
    counts = torch.histc(angle, 8, -math.pi, math.pi)
    assert float(counts.min()) > 180


def test_steep_small_objects_get_less_phase_than_the_sideband_holds(stream):
    batch = stream.batch(8)
    steps = batch.target.diff(dim=-1).abs().flatten(1) * stream.domain.range_rad
    # Half a percent may be steeper: rims.
    assert float(torch.quantile(steps, 0.99, dim=1).max()) < math.pi


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"shape": (100, 128)}, ParameterError),
        ({"period_px": (1.5, 4.0)}, ParameterError),
        ({"phase_rad": (1.0, 20.0)}, ParameterError),
        ({"reuse": 0}, ParameterError),
        ({"visibility": (0.9, 0.2)}, ParameterError),
        ({"shares": (1.0, 0.0)}, ParameterError),
        ({"input": "colour"}, UnknownNameError),
    ],
)
def test_impossible_domains_are_refused(changes, error):
    with pytest.raises(error):
        HologramDomain(**changes)
