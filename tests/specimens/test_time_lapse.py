"""Time-lapse: masses, divisions, deaths and lineage are true in table and picture."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_qpm.errors import ParameterError, UnknownNameError
from napari_qpm.specimens._drawing import draw_live
from napari_qpm.specimens._draws import Draws
from napari_qpm.specimens.cells import CellClass, CellKind
from napari_qpm.specimens.samples import ALPHA_UM3_PER_PG
from napari_qpm.specimens.time_lapse import TimeLapse, simulate_time_lapse


@pytest.fixture(scope="module")
def dividing() -> TimeLapse:
    """One cell that divides within the recording, in an empty field."""
    for seed in range(50):
        lapse = simulate_time_lapse(
            seed=seed,
            n_cells=1,
            n_frames=24,
            shape=(128, 128),
            kind="colony",
            doubling_h=4,
            frame_interval_s=600,
            death_per_h=0,
            speed_um_per_h=0,
        )
        born = [r["field"] for r in lapse.specimens.cells.rows() if r["parent"]]
        if born and 8 <= min(born) <= 16 and len(lapse.lineage) == 2:
            return lapse
    pytest.fail("no seed showed a division in the middle")


@pytest.fixture(scope="module")
def busy() -> TimeLapse:
    return simulate_time_lapse(
        seed=2,
        n_frames=30,
        shape=(160, 160),
        doubling_h=6,
        death_per_h=0.1,
        frame_interval_s=900,
    )


def masses(lapse: TimeLapse, label: int) -> dict[int, float]:
    rows = lapse.specimens.cells.rows()
    return {r["field"]: r["dry_mass_pg"] for r in rows if r["label"] == label}


def picture_mass(lapse: TimeLapse, frame: int) -> float:
    total = float(lapse.specimens.opd_um[frame].double().sum())
    return total * lapse.specimens.pixel_um**2 / ALPHA_UM3_PER_PG


def test_same_seed_gives_the_same_time_lapse():
    first, again, other = (
        simulate_time_lapse(seed=s, n_frames=3, shape=(64, 64)) for s in (4, 4, 5)
    )
    assert torch.equal(first.specimens.opd_um, again.specimens.opd_um)
    assert torch.equal(first.specimens.labels, again.specimens.labels)
    assert not torch.equal(first.specimens.opd_um, other.specimens.opd_um)


def test_division_conserves_mass_in_table_and_picture(dividing):
    mother, (one, two) = 1, sorted(dividing.lineage)
    born = min(masses(dividing, one))
    before = masses(dividing, mother)[born - 1]
    after = masses(dividing, one)[born] + masses(dividing, two)[born]
    # Growth pauses from rounding up to division; half a frame of it remains after.
    growth = 2 ** (600 / (4 * 3600))
    assert before * (1 - 1e-3) <= after <= before * growth * (1 + 1e-3)
    assert picture_mass(dividing, born) == pytest.approx(after, rel=1e-3)
    assert picture_mass(dividing, born - 1) == pytest.approx(before, rel=1e-3)


def test_daughters_share_their_mothers_mass_exactly(dividing):
    rows = dividing.specimens.cells.rows()
    birth = {}
    for daughter in dividing.lineage:
        first = min(r["field"] for r in rows if r["label"] == daughter)
        birth[daughter] = masses(dividing, daughter)[first], first
    (one, frame), (two, _) = birth.values()
    mother = masses(dividing, 1)[frame - 1]
    # Both grew at the same rate since the division, for less than a frame.
    assert 1 - 1e-3 <= (one + two) / mother <= 2 ** (600 / 14_400) + 1e-3
    assert 0.46 < one / (one + two) < 0.54


def test_growth_rate_is_recovered_from_the_picture():
    lapse = simulate_time_lapse(
        seed=1, n_cells=1, n_frames=12, shape=(160, 160), doubling_h=20, death_per_h=0
    )
    classes = lapse.specimens.cells.cell_class
    assert (classes == CellClass.LIVE).all()
    mass = [picture_mass(lapse, t) for t in range(12)]
    rate_per_h = np.polyfit(lapse.time_s.numpy() / 3600, np.log(mass), 1)[0]
    assert rate_per_h == pytest.approx(math.log(2) / 20, rel=0.02)


def test_lineage_names_mother_and_two_daughters(busy):
    mothers = list(busy.lineage.values())
    assert mothers
    assert all(mothers.count(mother) == 2 for mother in mothers)
    rows = busy.specimens.cells.rows()
    for row in rows:
        assert row["parent"] == busy.lineage.get(row["label"], 0)
    for daughter, mother in busy.lineage.items():
        born = min(r["field"] for r in rows if r["label"] == daughter)
        lived = [r["field"] for r in rows if r["label"] == mother]
        assert max(lived, default=-1) < born


def test_daughters_appear_where_their_mother_was(dividing):
    rows = dividing.specimens.cells.rows()
    born = min(r["field"] for r in rows if r["parent"])
    (last,) = [r for r in rows if r["label"] == 1 and r["field"] == born - 1]
    for row in rows:
        if row["field"] == born:
            away = math.hypot(row["y_um"] - last["y_um"], row["x_um"] - last["x_um"])
            assert away < 20


def test_labels_are_the_cells_of_the_table(busy):
    cells = busy.specimens.cells
    for frame in range(0, 30, 7):
        shown = set(busy.specimens.labels[frame].unique().tolist()) - {0}
        assert shown <= set(cells.label[cells.field == frame].tolist())


def test_dividing_cell_rounds_up_and_gets_higher(dividing):
    cells = dividing.specimens.cells
    opd = dividing.specimens.opd_um
    area = (dividing.specimens.labels == 1).sum(dim=(1, 2))
    height = opd.sum(dim=(1, 2)) / area
    is_mitotic = cells.cell_class[cells.label == 1] == CellClass.MITOTIC
    frames = cells.field[cells.label == 1]
    spread = height[frames[~is_mitotic]].min()
    assert height[frames[is_mitotic]].max() > 1.5 * spread


def test_dead_cells_stay_dead_fall_apart_and_lose_mass():
    lapse = simulate_time_lapse(
        seed=3, n_cells=2, n_frames=20, shape=(192, 192), death_per_h=3
    )
    cells = lapse.specimens.cells
    for label in cells.label.unique():
        classes = cells.cell_class[cells.label == label]
        died = (classes == CellClass.DEAD).nonzero().flatten()
        assert len(died) > 0
        assert (classes[died[0] :] == CellClass.DEAD).all()
        mass = cells.dry_mass_pg[cells.label == label]
        assert (mass[died[0] + 1 :].diff() < 0).all()
    pieces = [
        ndimage.label((lapse.specimens.labels[-1] == label).numpy())[1]
        for label in cells.label.unique()
    ]
    assert max(pieces) > 1


def test_cells_move_at_their_speed_and_stay_inside():
    lapse = simulate_time_lapse(
        seed=5, n_cells=4, n_frames=25, shape=(384, 384), speed_um_per_h=10
    )
    cells, steps = lapse.specimens.cells, []
    for label in range(1, 5):
        rows = cells.select(cells.label == label)
        steps += torch.hypot(rows.y_um.diff(), rows.x_um.diff()).tolist()
    # Two directions of 10 um/h over 10 minutes: 2.1 um a step, less when touching.
    assert 0.7 < np.mean(steps) < 4
    assert (cells.y_um >= 0).all()
    assert (cells.y_um <= 384 * 0.5).all()


def test_first_division_comes_when_it_is_asked_for():
    for first_s in (600.0, 3300.0):
        lapse = simulate_time_lapse(
            n_cells=2, n_frames=8, shape=(128, 128), first_division_s=first_s
        )
        cells = lapse.specimens.cells
        assert lapse.lineage == {3: 1, 4: 1}
        born = int(cells.field[cells.parent == 1].min())
        assert (born - 1) * 600 < first_s <= born * 600


def test_cells_with_a_margin_stay_in_view():
    lapse = simulate_time_lapse(
        n_cells=6, n_frames=6, shape=(256, 256), margin=1.5, clumping=0
    )
    cells = lapse.specimens.cells
    for frame in range(6):
        wanted = float(cells.dry_mass_pg[cells.field == frame].sum())
        # The tip of a tail may still lie outside.
        assert picture_mass(lapse, frame) == pytest.approx(wanted, rel=3e-3)


def test_spread_cells_have_the_thin_rim_of_spread_cells():
    some = draw_live(CellKind.COLONY, 200, Draws(0))
    assert (some.sheet == 0).any()  # balls, which a time-lapse makes of its own
    spread = draw_live(CellKind.COLONY, 200, Draws(0), all_spread=True)
    assert (spread.sheet > 0).all()


def test_more_cells_cover_more_of_the_field():
    sparse, dense = (
        simulate_time_lapse(seed=0, n_frames=1, confluence=c).specimens.confluence()
        for c in (0.1, 0.5)
    )
    assert sparse.item() == pytest.approx(0.1, abs=0.07)
    assert dense.item() == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"kind": "yeast"}, UnknownNameError, "no kind of cell named 'yeast'"),
        ({"frames": 3}, UnknownNameError, "option of a time-lapse named 'frames'"),
        ({"kind": "red-blood"}, ParameterError, "neither grow nor divide"),
        ({"n_frames": 0}, ParameterError, "at least 1 frame"),
    ],
)
def test_wrong_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        simulate_time_lapse(**options)
