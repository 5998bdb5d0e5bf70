"""Fit the instrument: what a user's own recordings tell of their microscope.

`napari_qpm.specimens.simulate` goes the other way, from an instrument to recordings.
"""

from napari_qpm.calibration.finding import Finding
from napari_qpm.calibration.fit import InstrumentFit, fit_instrument
from napari_qpm.calibration.known_object import Bead, Step, check_scale

__all__ = ["Bead", "Finding", "InstrumentFit", "Step", "check_scale", "fit_instrument"]
