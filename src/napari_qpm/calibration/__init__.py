"""Fit the instrument: what a user's own recordings tell of their microscope.

`napari_qpm.specimens.simulate` goes the other way, from an instrument to recordings.
"""

from napari_qpm.calibration.finding import Finding
from napari_qpm.calibration.fit import InstrumentFit, fit_instrument

__all__ = ["Finding", "InstrumentFit", "fit_instrument"]
