import numpy as np
import pytest

from napari_qpm.retrieval.background import fit_background
from napari_qpm.retrieval.chosen_background import fit_chosen_background
from napari_qpm.retrieval.crowded_background import fit_crowded_background
from napari_qpm.retrieval.engine import Background


@pytest.fixture
def phase():
    y, x = (np.linspace(-1, 1, 96) for _ in range(2))
    return (0.5 * y[:, None] ** 2 + 0.2 * x).astype(np.float32)


def test_the_crowded_model_is_its_own_fit(phase):
    chosen = fit_chosen_background(phase, Background.CROWDED, 3)
    expected = fit_crowded_background(phase, 3)
    np.testing.assert_array_equal(
        chosen.surface.coefficients, expected.surface.coefficients
    )


@pytest.mark.parametrize("kind", [Background.TILT, Background.ZERNIKE])
def test_any_other_is_fitted_outside_of_the_cells(phase, kind):
    chosen = fit_chosen_background(phase, kind, 3)
    expected = fit_background(phase, kind, 3)
    np.testing.assert_array_equal(
        chosen.surface.coefficients, expected.surface.coefficients
    )
