import math

import pytest
import torch

from napari_qpm.training.phase_objects import draw_phase_objects
from napari_qpm.training.seeds import seed_of


def draw(seed, shares, n=6, size_px=(20.0, 60.0), confluence=(0.2, 0.5)):
    return draw_phase_objects(
        n,
        (96, 128),
        seed=seed,
        device=torch.device("cpu"),
        size_px=size_px,
        confluence=confluence,
        shares=shares,
    )


@pytest.mark.parametrize("shares", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_maps_run_from_0_to_1_and_come_back_with_their_seed(shares):
    objects = draw(7, shares)
    assert objects.phase.shape == objects.amplitude.shape == (6, 96, 128)
    torch.testing.assert_close(objects.phase.amax(dim=(1, 2)), torch.ones(6))
    assert float(objects.phase.min()) >= 0
    assert bool(((objects.amplitude > 0) & (objects.amplitude <= 1)).all())
    assert torch.equal(draw(7, shares).phase, objects.phase)
    assert not torch.equal(draw(8, shares).phase, objects.phase)


@pytest.mark.parametrize("size", [15.0, 50.0])
def test_spheres_have_the_size_that_is_asked_for(size):
    objects = draw(1, (0, 1, 0), n=4, size_px=(size, size), confluence=(0.01, 0.02))
    covered = (objects.phase > 0).sum(dim=(1, 2)).float()
    # Radii scatter from 0.6 to 1.2 of the nominal one; the frame may cut a sphere off.
    largest = 2 * math.pi * (1.2 * size / 2) ** 2
    assert 0 < float(covered.max()) <= largest


def test_cells_grow_with_the_size_that_is_asked_for():
    def steepness(size):
        objects = draw(3, (1, 0, 0), size_px=(size, size))
        return float(objects.steepness.median())

    assert steepness(15.0) > 2 * steepness(100.0)


def test_seeds_of_neighbours_are_unrelated():
    seeds = {seed_of(a, b) for a in range(20) for b in range(20)}
    assert len(seeds) == 400
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert seed_of(1, 2) != seed_of(2, 1)
