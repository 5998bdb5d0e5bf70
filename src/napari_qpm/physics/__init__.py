"""Differentiable forward models of quantitative phase microscopes, in torch.

Images are ``(N, Y, X)``; precision and device follow them. Phase is in radians,
positive where the object is thicker than its medium. Lengths are in micrometres.
"""

from napari_qpm.physics.bayer import bayer_mosaic, demosaic_bayer
from napari_qpm.physics.chromatic import ChromaticBrightfield, Coherence
from napari_qpm.physics.detector import Detector
from napari_qpm.physics.learned import DiffractiveNetwork, FourierFilter, demagnify
from napari_qpm.physics.legendre import coefficient_matrix, legendre_surface
from napari_qpm.physics.models import assume_gain, detector_for, model_for
from napari_qpm.physics.off_axis import OffAxisInterferometer
from napari_qpm.physics.polarization import PolarizationCamera, sample_mosaic
from napari_qpm.physics.propagation import propagate, propagation_kernel
from napari_qpm.physics.pupil import Pupil
from napari_qpm.physics.scattering import scattered_wave
from napari_qpm.physics.threads import one_thread
from napari_qpm.physics.zernike import noll_orders, zernike, zernike_surface

__all__ = [
    "ChromaticBrightfield",
    "Coherence",
    "Detector",
    "DiffractiveNetwork",
    "FourierFilter",
    "OffAxisInterferometer",
    "PolarizationCamera",
    "Pupil",
    "assume_gain",
    "bayer_mosaic",
    "coefficient_matrix",
    "demagnify",
    "demosaic_bayer",
    "detector_for",
    "legendre_surface",
    "model_for",
    "noll_orders",
    "one_thread",
    "propagate",
    "propagation_kernel",
    "sample_mosaic",
    "scattered_wave",
    "zernike",
    "zernike_surface",
]
