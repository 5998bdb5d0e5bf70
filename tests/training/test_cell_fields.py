import math

import pytest
import torch

from napari_qpm.errors import ParameterError
from napari_qpm.training.cell_fields import (
    CellDomain,
    CellStream,
    four_step,
    statistics_of,
)

SMALL = {"shape": (64, 64), "size_px": (16, 30), "real_maps": ""}


def stream(seed: int = 1, inputs: str = "dual", **changes) -> CellStream:
    domain = CellDomain(**{**SMALL, **changes})
    return CellStream(domain, inputs, None, seed, torch.device("cpu"), 4)


def test_samples_depend_on_seed_and_step_only():
    made, again = stream(), stream()
    made.batch(3)
    first, second = made.batch(9), again.batch(9)
    assert torch.equal(first.inputs, second.inputs)
    assert torch.equal(first.target, second.target)
    assert not torch.equal(first.inputs, stream(seed=2).batch(9).inputs)


def test_a_noiseless_camera_gives_the_phase_of_the_cells():
    batch = stream(
        electrons=(1e9, 1e9),
        read_noise_e=0.0,
        unevenness=0.0,
        residual_rad=0.0,
        phase_noise_rad=0.0,
        visibility=(1.0, 1.0),
        augments=False,
    ).batch(0)
    assert batch.inputs.shape == (4, 5, 64, 64)
    assert batch.target.shape == (4, 3, 64, 64)
    angles, phase = batch.inputs[:, :4], batch.inputs[:, 4]
    inside = batch.target[:, 0] == 1
    assert float(phase[inside].mean()) > 0.5
    assert float(phase[~inside].abs().mean()) < 0.3
    # Opposite analysers see opposite fringes: their sums are the light.
    torch.testing.assert_close(
        angles[:, 0] + angles[:, 2], angles[:, 1] + angles[:, 3], atol=2e-3, rtol=0
    )
    assert float(angles.mean()) == pytest.approx(1, abs=1e-4)


def test_networks_see_the_channels_that_they_ask_for():
    whole = stream().batch(0).inputs
    assert torch.equal(stream(inputs="angles").batch(0).inputs[:, :0], whole[:, :0])
    plain = {"augments": False}
    whole = stream(**plain).batch(0).inputs
    assert torch.equal(stream(inputs="phase", **plain).batch(0).inputs, whole[:, 4:])
    assert torch.equal(stream(inputs="angles", **plain).batch(0).inputs, whole[:, :4])


def test_four_steps_count_whole_turns_by_the_truth():
    total = torch.linspace(-9, 9, 50).reshape(1, 5, 10)
    steps = torch.arange(4) * math.pi / 2
    angles = 2 + torch.cos(total[:, None] + steps[None, :, None, None])
    torch.testing.assert_close(four_step(angles, total), total, atol=1e-5, rtol=0)


def test_every_last_third_of_a_batch_shows_a_cell():
    made = stream(confluence=(0.03, 0.05), oversampling=1.0, reuse=1)
    for step in range(3):
        assert bool((made.batch(step).target[:, 0].flatten(1).sum(1) > 0).all())


def test_statistics_are_those_of_the_recordings():
    found = statistics_of(CellDomain(**SMALL), "dual", None)
    assert found.mean.shape == found.deviation.shape == (5,)
    assert found.mean[:4].tolist() == pytest.approx([1] * 4, abs=0.2)
    low, high = float(found.low[4]), float(found.high[4])
    assert low < 0.5 < 2 < high < 20
    assert float(found.deviation[4]) == pytest.approx(high - low)


@pytest.mark.parametrize(
    "changes", [{"shape": (100, 64)}, {"size_px": (0, 3)}, {"reuse": 0}]
)
def test_impossible_domains_are_refused(changes):
    with pytest.raises(ParameterError):
        CellDomain(**changes)
