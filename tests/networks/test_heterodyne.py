import math

import pytest
import torch

from napari_qpm.errors import LayoutError
from napari_qpm.networks import Octant, heterodyne
from napari_qpm.physics import OffAxisInterferometer

SHAPE = (96, 128)


def bump(height_rad: float) -> torch.Tensor:
    y = torch.linspace(-1, 1, SHAPE[0])[:, None]
    x = torch.linspace(-1, 1, SHAPE[1])
    return height_rad * torch.exp(-(y**2 + x**2) / 0.1)[None]


def hologram(phase: torch.Tensor, carrier: tuple[float, float], sign: int = 1):
    model = OffAxisInterferometer(
        SHAPE,
        carrier_cycles_per_px=carrier,
        visibility=0.7,
        brightness_counts=900.0,
        phase_sign=sign,
    )
    return model(phase)


@pytest.mark.parametrize("carrier", [(0.2, 0.1), (-0.13, 0.31), (0.05, -0.4), (0, 0.2)])
@pytest.mark.parametrize("sign", [1, -1])
def test_quadratures_hold_the_phase_with_its_sign(carrier, sign):
    phase = bump(1.2)
    channels = heterodyne(hologram(phase, carrier, sign), torch.tensor(carrier), sign)
    retrieved = torch.atan2(channels[:, 2], channels[:, 1])
    retrieved = retrieved - retrieved[0, 4, 4]
    # The low-pass dampens the fringes of the far sideband and the mean to 1 % or so.
    inner = (0, slice(12, -12), slice(12, -12))
    assert float((retrieved - phase)[inner].abs().max()) < 0.12


def test_input_does_not_depend_on_light_or_where_the_fringes_start():
    carrier = torch.tensor([0.17, 0.21])
    frames = hologram(bump(2.0), (0.17, 0.21))
    channels = heterodyne(frames, carrier)
    brighter = heterodyne(3 * frames + 200, carrier)
    torch.testing.assert_close(channels, brighter, atol=1e-4, rtol=1e-3)
    assert channels.shape == (1, 3, *SHAPE)
    assert float(channels[:, 1:].square().sum(1).mean()) == pytest.approx(1, abs=1e-4)
    shifted = hologram(bump(2.0) + 1.9, (0.17, 0.21))
    torch.testing.assert_close(
        channels[:, 1:], heterodyne(shifted, carrier)[:, 1:], atol=0.1, rtol=0
    )


@pytest.mark.parametrize("height", [2.0, 8.0])
def test_phase_of_the_background_becomes_zero(height):
    channels = heterodyne(
        hologram(bump(height), (0.17, 0.21)), torch.tensor((0.17, 0.21))
    )
    corner = (0, slice(8, 24), slice(8, 24))
    level = torch.atan2(channels[:, 2], channels[:, 1])[corner].mean()
    assert float(level) == pytest.approx(0, abs=0.1)


def test_each_frame_of_a_batch_has_its_own_carrier():
    carriers = [(0.2, 0.1), (-0.1, 0.3)]
    frames = torch.cat([hologram(bump(1.0), carrier) for carrier in carriers])
    together = heterodyne(frames, torch.tensor(carriers))
    for n, carrier in enumerate(carriers):
        alone = heterodyne(frames[n : n + 1], torch.tensor(carrier))
        # The kernels of a batch reach as far as its longest one needs.
        torch.testing.assert_close(together[n : n + 1], alone, atol=0.03, rtol=0.03)


def test_other_shapes_are_refused():
    with pytest.raises(LayoutError, match="1, Y, X"):
        heterodyne(torch.zeros(2, 3, 32, 32), torch.tensor([0.1, 0.2]))


def test_a_frame_without_light_stays_finite():
    channels = heterodyne(torch.zeros(1, 1, 64, 64), torch.tensor([0.1, 0.2]))
    assert bool(torch.isfinite(channels).all())


@pytest.mark.parametrize("turn", range(8))
def test_any_carrier_comes_to_one_octant_and_back(turn):
    angle = math.radians(20 + 45 * turn)
    carrier = (0.25 * math.sin(angle), 0.25 * math.cos(angle))
    octant = Octant.of(carrier)
    fy, fx = octant.carrier(carrier)
    assert 0 <= fy <= fx
    phase = bump(1.5) * torch.linspace(0.5, 1, SHAPE[1])
    frames = hologram(phase, carrier)
    turned = octant.apply(frames)
    assert torch.equal(octant.undo(turned), frames)
    # Turned about the middle of the picture, the fringes start elsewhere only.
    expected = OffAxisInterferometer(
        tuple(turned.shape[2:]),
        carrier_cycles_per_px=(fy, fx),
        visibility=0.7,
        brightness_counts=900.0,
        background_rad=[[start_phase(octant, carrier)]],
    )(octant.apply(phase))
    torch.testing.assert_close(turned, expected, atol=0.5, rtol=1e-3)


def start_phase(octant: Octant, carrier: tuple[float, float]) -> float:
    """Carrier phase at the pixel that becomes the first one."""
    y = SHAPE[0] - 1 if octant.flips_y else 0
    x = SHAPE[1] - 1 if octant.flips_x else 0
    return 2 * math.pi * (carrier[0] * y + carrier[1] * x)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_known_surface_is_taken_out(sign):
    carrier, phase = (0.2, 0.1), bump(1.2)
    y = torch.linspace(-1, 1, SHAPE[0])[:, None]
    curved = 6 * y**2 + 2 * torch.linspace(-1, 1, SHAPE[1])
    frames = hologram(sign * phase + curved, carrier)
    wrapped = torch.remainder(curved, 2 * torch.pi)
    channels = heterodyne(frames, torch.tensor(carrier), sign, wrapped)
    retrieved = torch.atan2(channels[:, 2], channels[:, 1])
    inner = (0, slice(12, -12), slice(12, -12))
    assert float((retrieved - phase)[inner].abs().max()) < 0.15
