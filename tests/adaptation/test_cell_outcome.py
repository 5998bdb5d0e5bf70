import pytest

from napari_qpm.adaptation.cell_outcome import LEAST_GAIN, CellScores, is_better


def scores(ap50, dice):
    return CellScores(ap50=ap50, dice=dice, n_found=10, n_cells=12)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((0.4, 0.9), (0.5, 0.9), True),
        ((0.4, 0.8), (0.4, 0.9), True),
        ((0.4, 0.5), (0.3, 0.9), False),
        ((0.4, 0.9), (0.4 + LEAST_GAIN, 0.9), False),
        ((0.4, 0.9), (0.4, 0.9), False),
    ],
)
def test_a_better_model_gains_clearly_and_finds_no_fewer_cells(before, after, expected):
    assert is_better(scores(*before), scores(*after)) is expected
