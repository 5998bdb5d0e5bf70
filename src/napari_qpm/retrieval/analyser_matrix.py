"""Light, cosine and sine of the fringes behind analysers that are not perfect.

Behind analyser k a pixel has ``I_k = g_k (a + c_k b cos(phi + 2 (theta_k + d_k)))``,
with gain g, angle error d and contrast c (extinction; the quarter-wave plate lowers it
at 45 and 135 degrees). That is a 4 x 3 matrix times ``(a, b cos phi, b sin phi)``; its
least-squares inverse is as cheap as the differences of perfect analysers.
"""

import numpy as np
from numpy.typing import NDArray

from napari_qpm.instrument import Instrument

__all__ = ["AnalyserWeights", "analyser_weights", "corrected_angles"]

AnalyserWeights = tuple[tuple[float, float, float, float], ...]
"""Four rows: what makes I0 - I90, I135 - I45, I0 + I90 and I45 + I135 of perfect
analysers out of the images behind 0, 45, 90 and 135 degrees."""

ANGLES_DEG = np.array([0.0, 45.0, 90.0, 135.0])


def analyser_weights(instrument: Instrument) -> AnalyserWeights | None:
    """Return the weights of the four images, or `None` for perfect analysers.

    What the instrument does not know of its analysers is taken for perfect.
    """
    known = (
        instrument.analyser_gains,
        instrument.analyser_angle_errors_deg,
        instrument.extinction_ratio,
        instrument.retardance_error_deg,
    )
    if all(value is None for value in known):
        return None
    gains = np.asarray(instrument.analyser_gains or (1, 1, 1, 1), np.float64)
    errors = np.asarray(instrument.analyser_angle_errors_deg or (0, 0, 0, 0))
    leak = instrument.extinction_ratio or 0.0
    contrast = np.full(4, (1 - leak) / (1 + leak))
    contrast[1::2] *= np.cos(np.deg2rad(instrument.retardance_error_deg or 0.0))
    turn = 2 * np.deg2rad(ANGLES_DEG + errors)
    matrix = gains[:, None] * np.stack(
        [np.ones(4), contrast * np.cos(turn), -contrast * np.sin(turn)], axis=1
    )
    _, cosine, sine = np.linalg.pinv(matrix)
    axial, diagonal = np.zeros((2, 4))
    axial[[0, 2]] = 1 / gains[[0, 2]]
    diagonal[[1, 3]] = 1 / gains[[1, 3]]
    rows = (2 * cosine, 2 * sine, axial, diagonal)
    w = [tuple(float(x) for x in row) for row in rows]
    return tuple((a, b, c, d) for a, b, c, d in w)


def corrected_angles(
    images: NDArray[np.floating], weights: AnalyserWeights
) -> NDArray[np.float32]:
    """Return images ``(4, Y, X)`` as behind perfect analysers at 0, 45, 90, 135."""
    rows = np.asarray(weights, np.float32)
    cosine, sine, axial, diagonal = np.tensordot(rows, images, axes=1)
    return np.stack(
        [
            (axial + cosine) / 2,
            (diagonal - sine) / 2,
            (axial - cosine) / 2,
            (diagonal + sine) / 2,
        ]
    ).astype(np.float32)
