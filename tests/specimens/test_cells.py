"""Batches of cells: truth is consistent, physical, reproducible and of every class."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_qpm.errors import ParameterError, UnknownNameError
from napari_qpm.specimens.cells import CellClass, CellKind, simulate_cells
from napari_qpm.specimens.samples import ALPHA_UM3_PER_PG

ALONE = {"shares": (1, 0, 0, 0), "overlap": 0.0, "clumping": 0.0}


def lone_cells(cell_class: CellClass, kind: str = "rounded", n: int = 6):
    """Return images in which most cells stand alone, all of one class."""
    shares = [0.0] * 4
    shares[cell_class - 1] = 1.0
    return simulate_cells(
        n, seed=5, kinds=kind, confluence=0.12, **ALONE | {"shares": tuple(shares)}
    )


def whole_cells(batch):
    """Yield row, mask and optical path of cells that the border does not cut."""
    for row in batch.cells.rows():
        mask = (batch.labels[row["field"]] == row["label"]).numpy()
        if not (mask[[0, -1]].any() or mask[:, [0, -1]].any()):
            yield row, mask, batch.opd_um[row["field"]].numpy()


@pytest.mark.parametrize("kind", CellKind)
def test_same_seed_gives_the_same_specimens(kind):
    first, again, other = (
        simulate_cells(2, seed=seed, kinds=kind, shape=(96, 128)) for seed in (1, 1, 2)
    )
    assert torch.equal(first.opd_um, again.opd_um)
    assert torch.equal(first.labels, again.labels)
    assert torch.equal(first.amplitude, again.amplitude)
    assert first.cells.rows() == again.cells.rows()
    assert not torch.equal(first.opd_um, other.opd_um)


def test_number_of_threads_does_not_change_the_specimens():
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        first = simulate_cells(2, seed=3, kinds="colony")
        torch.set_num_threads(2)
        again = simulate_cells(2, seed=3, kinds="colony")
    finally:
        torch.set_num_threads(threads)
    # Sums are ordered differently in matrix products, so outlines may round apart.
    assert (first.labels == again.labels).float().mean() > 0.999
    difference = (first.opd_um - again.opd_um).abs().mean()
    assert difference < 1e-3 * first.opd_um.mean()


def test_images_are_finite_float32_on_the_device_asked_for():
    batch = simulate_cells(3, seed=0, shape=(64, 80))
    for images in (batch.opd_um, batch.amplitude):
        assert images.shape == (3, 64, 80)
        assert images.dtype == torch.float32
        assert images.device.type == "cpu"
        assert torch.isfinite(images).all()
    assert batch.labels.dtype == torch.int32
    assert batch.complex_field(532).dtype == torch.complex64
    assert (batch.opd_um >= 0).all()
    assert (batch.amplitude > 0.5).all()
    assert (batch.amplitude <= 1).all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gpu_gives_the_same_specimens_twice_and_as_the_cpu():
    host = simulate_cells(4, seed=9)
    first, again = (simulate_cells(4, seed=9, device="cuda") for _ in range(2))
    assert first.opd_um.is_cuda
    assert torch.equal(first.opd_um, again.opd_um)
    assert torch.equal(first.labels, again.labels)
    # Outlines may move by a pixel where rounding decides who owns it.
    same = (host.labels == first.labels.cpu()).float().mean()
    assert same > 0.999
    difference = (host.opd_um - first.opd_um.cpu()).abs().mean()
    assert difference < 1e-3 * host.opd_um.mean()


@pytest.mark.parametrize("kind", CellKind)
@pytest.mark.parametrize("wanted", [0.02, 0.3, 0.6, 0.95])
def test_confluence_is_as_asked(kind, wanted):
    batch = simulate_cells(2, seed=4, kinds=kind, confluence=wanted, pixel_um=0.8)
    # Sizes are fitted on pixels five times larger: about a pixel along the outlines.
    np.testing.assert_allclose(batch.confluence(), wanted, atol=0.005 + 0.025 * wanted)


@pytest.mark.parametrize("kind", CellKind)
def test_mass_lies_inside_the_labels(kind):
    batch = simulate_cells(4, seed=6, kinds=kind, confluence=0.3, **ALONE)
    inside = batch.opd_um[batch.labels > 0].sum() / batch.opd_um.sum()
    assert inside >= 0.97


@pytest.mark.parametrize("kind", CellKind)
def test_optical_path_of_a_cell_sums_to_its_mass(kind):
    batch = simulate_cells(6, seed=8, kinds=kind, confluence=0.06, **ALONE)
    ratios = []
    for row, mask, opd in whole_cells(batch):
        near = ndimage.binary_dilation(mask, iterations=4)
        others = (batch.labels[row["field"]].numpy() > 0) & ~mask
        if (near & ndimage.binary_dilation(others, iterations=4)).any():
            continue
        mass = opd[near].sum() * batch.pixel_um**2 / ALPHA_UM3_PER_PG
        ratios.append(mass / row["dry_mass_pg"])
    assert len(ratios) >= 2
    # The blur carries less than a percent beyond four pixels.
    np.testing.assert_allclose(ratios, 1, atol=0.01)


def test_every_label_is_a_row_and_every_row_a_label():
    batch = simulate_cells(3, seed=2, confluence=0.7, shape=(160, 160))
    for index in range(3):
        shown = set(batch.labels[index].unique().tolist()) - {0}
        rows = batch.cells.select(batch.cells.field == index)
        assert shown == set(rows.label.tolist()) == set(range(1, len(rows) + 1))


def test_class_map_holds_the_class_of_each_cell():
    batch = simulate_cells(
        2, seed=1, kinds="colony", shape=(160, 160), shares=(0.5, 0.2, 0.2, 0.1)
    )
    classes = batch.class_map()
    assert ((classes > 0) == (batch.labels > 0)).all()
    for row in batch.cells.rows():
        mask = batch.labels[row["field"]] == row["label"]
        assert (classes[row["field"]][mask] == row["cell_class"]).all()


def test_class_shares_are_kept():
    shares = (0.6, 0.2, 0.15, 0.05)
    batch = simulate_cells(
        24, seed=3, kinds="suspension", shares=shares, shape=(128, 128), pixel_um=0.8
    )
    found = torch.bincount(batch.cells.cell_class, minlength=5)[1:] / len(batch.cells)
    np.testing.assert_allclose(found, shares, atol=0.04)


def test_mitotic_cells_are_rounder_and_higher_than_spread_ones():
    shape = {}
    for cell_class in (CellClass.LIVE, CellClass.MITOTIC):
        fill, peak = [], []
        for _, mask, opd in whole_cells(lone_cells(cell_class, "adherent", n=12)):
            y, x = np.nonzero(mask)
            radius = np.hypot(y - y.mean(), x - x.mean())
            fill.append(mask.sum() / (math.pi * radius.max() ** 2))
            peak.append(opd[mask].max())
        shape[cell_class] = np.median(fill), np.median(peak)
    live, mitotic = shape[CellClass.LIVE], shape[CellClass.MITOTIC]
    assert mitotic[0] > live[0] + 0.1
    assert mitotic[1] > 2 * live[1]


def test_dead_cells_fall_into_pieces():
    def uneven(cell_class):
        """Return the share of the convex outline's area that is missing."""
        from skimage.measure import regionprops

        batch = lone_cells(cell_class)
        gaps = [
            1 - regionprops(mask.astype(np.uint8))[0].solidity
            for _, mask, _ in whole_cells(batch)
        ]
        return np.median(gaps)

    assert uneven(CellClass.DEAD) > uneven(CellClass.LIVE) + 0.1


def test_debris_is_small():
    batch = simulate_cells(
        6, seed=5, kinds="rounded", confluence=0.2, shares=(0.5, 0, 0, 0.5)
    )
    area = [
        (mask.sum(), row["cell_class"] == CellClass.DEBRIS)
        for row, mask, _ in whole_cells(batch)
    ]
    specks = np.median([a for a, is_debris in area if is_debris])
    cells = np.median([a for a, is_debris in area if not is_debris])
    assert specks < 0.15 * cells


def test_red_blood_cells_are_thinner_in_the_middle_and_neither_divide_nor_die():
    batch = simulate_cells(4, seed=1, kinds="red-blood", confluence=0.2)
    allowed = {int(CellClass.LIVE), int(CellClass.DEBRIS)}
    assert set(batch.cells.cell_class.tolist()) <= allowed
    hollow = []
    for row, mask, opd in whole_cells(batch):
        if row["cell_class"] == CellClass.LIVE:
            y, x = (round(c) for c in ndimage.center_of_mass(mask))
            hollow.append(opd[y, x] < 0.85 * opd[mask].max())
    assert np.mean(hollow) > 0.7


def test_phase_reaches_more_than_twelve_radians():
    batch = simulate_cells(12, seed=0, kinds="rounded", confluence=(0.5, 0.9))
    highest = batch.phase(532).amax(dim=(1, 2))
    assert highest.max() > 12
    assert highest.max() < 30


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("adherent", 150, 1200),
        ("colony", 80, 700),
        ("rounded", 120, 1200),
        ("red-blood", 20, 42),
        ("suspension", 80, 600),
    ],
)
def test_dry_masses_are_those_of_cells(kind, low, high):
    batch = simulate_cells(6, seed=0, kinds=kind, confluence=0.4, **ALONE)
    median = float(batch.cells.dry_mass_pg.median())
    assert low < median < high
    # Dry mass over volume: no more than 0.4 g/mL even where cells are densest.
    assert batch.opd_um.max() < 3.0


def test_overlapping_cells_add_their_optical_path():
    touching, lying = (
        simulate_cells(
            8,
            seed=2,
            kinds="suspension",
            confluence=0.6,
            shares=(1, 0, 0, 0),
            overlap=overlap,
        )
        for overlap in (0.0, 1.0)
    )
    quantile = 0.999
    assert lying.opd_um.quantile(quantile) > 1.15 * touching.opd_um.quantile(quantile)


def test_neighbours_touch_at_high_confluence():
    batch = simulate_cells(1, seed=0, kinds="adherent", confluence=0.9, **ALONE)
    labels = batch.labels[0]
    left, right = labels[:, :-1], labels[:, 1:]
    contacts = ((left != right) & (left > 0) & (right > 0)).sum()
    edges = ((left != right) & ((left == 0) | (right == 0))).sum()
    assert contacts > edges


def test_each_wavelength_sees_the_same_optical_path():
    batch = simulate_cells(1, seed=0)
    torch.testing.assert_close(batch.phase(450) * 450, batch.phase(650) * 650)


def test_blood_absorbs_more_than_clear_cells():
    dark, clear = (
        simulate_cells(8, seed=0, kinds=kind, confluence=0.5, **ALONE).amplitude.amin()
        for kind in ("red-blood", "suspension")
    )
    assert dark < clear < 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"kinds": "yeast"}, UnknownNameError, "no kind of cell named 'yeast'"),
        ({"size": 3}, UnknownNameError, "no option of cells named 'size'"),
        ({"confluence": 1.2}, ParameterError, "between 0 and 0.97"),
        ({"pixel_um": -1.0}, ParameterError, "positive size"),
        ({"shares": (0, 0, 0, 0)}, ParameterError, "four numbers"),
    ],
)
def test_wrong_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        simulate_cells(1, **options)
