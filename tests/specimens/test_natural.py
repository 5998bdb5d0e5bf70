"""Objects that are no cells: bounded, of every family, without any download."""

from pathlib import Path

import pytest
import skimage
import torch

from napari_qpm.errors import ParameterError, UnknownNameError
from napari_qpm.specimens.natural import PICTURES, ObjectKind, simulate_objects


@pytest.mark.parametrize("kind", ObjectKind)
def test_objects_run_from_zero_to_a_bounded_maximum(kind):
    batch = simulate_objects(
        4, seed=2, kinds=kind, shape=(64, 96), highest_opd_um=(0.2, 0.6)
    )
    assert batch.opd_um.shape == (4, 64, 96)
    assert batch.opd_um.dtype == torch.float32
    assert torch.isfinite(batch.opd_um).all()
    low, high = batch.opd_um.amin(dim=(1, 2)), batch.opd_um.amax(dim=(1, 2))
    torch.testing.assert_close(low, torch.zeros(4))
    assert ((high > 0.199) & (high < 0.601)).all()
    assert (batch.opd_um.std(dim=(1, 2)) > 0.02).all()


def test_same_seed_gives_the_same_objects():
    first, again, other = (
        simulate_objects(6, seed=s, shape=(48, 48)) for s in (1, 1, 2)
    )
    assert torch.equal(first.opd_um, again.opd_um)
    assert not torch.equal(first.opd_um, other.opd_um)


def test_objects_have_no_cells_and_absorb_nothing():
    batch = simulate_objects(2, seed=0, shape=(32, 32))
    assert len(batch.cells) == 0
    assert (batch.labels == 0).all()
    assert (batch.class_map() == 0).all()
    assert (batch.amplitude == 1).all()


def test_every_picture_is_inside_the_package():
    folder = Path(skimage.__file__).parent / "data"
    assert [name for name in PICTURES if not (folder / name).is_file()] == []


def test_rougher_clouds_have_more_fine_detail():
    batch = simulate_objects(12, seed=3, kinds="clouds", highest_opd_um=(1.0, 1.0))
    fine = batch.opd_um.diff(dim=1).std(dim=(1, 2)) / batch.opd_um.std(dim=(1, 2))
    assert fine.max() > 4 * fine.min()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"kinds": "tree"}, UnknownNameError, "no kind of object named 'tree'"),
        ({"shape": (8, 8)}, ParameterError, "at least 16 x 16"),
        ({"highest_opd_um": (1.0, 0.5)}, ParameterError, "rising range"),
    ],
)
def test_wrong_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        simulate_objects(1, **options)
