"""Readers and writers: recordings to acquisitions, results to OME-Zarr and tables.

`open_acquisition` is the one way in. Nothing here uses dask: reading one frame is one
file access.
"""

from napari_qpm.io.describe import describe
from napari_qpm.io.detect import Detection, detect_modality
from napari_qpm.io.formats import READABLE_SUFFIXES
from napari_qpm.io.opening import is_ours, open_acquisition, open_all
from napari_qpm.io.reference_frame import with_reference

__all__ = [
    "READABLE_SUFFIXES",
    "Detection",
    "describe",
    "detect_modality",
    "is_ours",
    "open_acquisition",
    "open_all",
    "with_reference",
]
