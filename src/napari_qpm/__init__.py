"""Quantitative phase microscopy: a raw recording becomes phase, cells and picograms.

The public functions load their rooms at first use, so that importing this package (and
opening napari's plugin menu) stays fast.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_qpm.acquisition import (
        Acquisition,
        Instrument,
        Modality,
        PhaseMap,
        PhaseUnit,
    )
    from napari_qpm.adaptation import fine_tune
    from napari_qpm.calibration import Bead, Step, check_scale, fit_instrument
    from napari_qpm.checks import residual
    from napari_qpm.io import open_acquisition as open
    from napari_qpm.io import open_all
    from napari_qpm.io.label_files import read_labels, write_labels
    from napari_qpm.measurement import link, measure
    from napari_qpm.pipeline import Pipeline, save
    from napari_qpm.retrieval import retrieve
    from napari_qpm.segmentation import annotated_frames, segment

__all__ = [
    "Acquisition",
    "Bead",
    "Instrument",
    "Modality",
    "PhaseMap",
    "PhaseUnit",
    "Pipeline",
    "Step",
    "annotated_frames",
    "check_scale",
    "fine_tune",
    "fit_instrument",
    "link",
    "measure",
    "open",
    "open_all",
    "read_labels",
    "residual",
    "retrieve",
    "save",
    "segment",
    "write_labels",
]

_HOMES = {
    "Acquisition": "acquisition:Acquisition",
    "Bead": "calibration:Bead",
    "Instrument": "acquisition:Instrument",
    "Modality": "acquisition:Modality",
    "PhaseMap": "acquisition:PhaseMap",
    "PhaseUnit": "acquisition:PhaseUnit",
    "Pipeline": "pipeline:Pipeline",
    "Step": "calibration:Step",
    "annotated_frames": "segmentation:annotated_frames",
    "check_scale": "calibration:check_scale",
    "fine_tune": "adaptation:fine_tune",
    "fit_instrument": "calibration:fit_instrument",
    "link": "measurement:link",
    "measure": "measurement:measure",
    "open": "io:open_acquisition",
    "open_all": "io:open_all",
    "read_labels": "io.label_files:read_labels",
    "residual": "checks:residual",
    "retrieve": "retrieval:retrieve",
    "save": "pipeline:save",
    "segment": "segmentation:segment",
    "write_labels": "io.label_files:write_labels",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from napari_qpm.provenance import package_version

        return package_version()
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    value = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
