"""Specimens whose phase, outlines, lineage and mass are known.

`simulate` makes small recordings for samples, the demo and tests with NumPy alone.
The batches for training need torch, which takes a second to import, so they load
at first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

from napari_qpm.specimens.samples import (
    KINDS,
    SampleSettings,
    Simulation,
    Specimen,
    simulate,
    write_sample,
)

if TYPE_CHECKING:
    from napari_qpm.specimens.batch import Specimens
    from napari_qpm.specimens.cells import (
        CellClass,
        CellKind,
        CellSettings,
        simulate_cells,
    )
    from napari_qpm.specimens.natural import ObjectKind, simulate_objects
    from napari_qpm.specimens.recorded import RecordedMap, draw_recorded, read_map
    from napari_qpm.specimens.time_lapse import (
        TimeLapse,
        TimeLapseSettings,
        simulate_time_lapse,
    )

__all__ = [
    "KINDS",
    "CellClass",
    "CellKind",
    "CellSettings",
    "ObjectKind",
    "RecordedMap",
    "SampleSettings",
    "Simulation",
    "Specimen",
    "Specimens",
    "TimeLapse",
    "TimeLapseSettings",
    "draw_recorded",
    "read_map",
    "simulate",
    "simulate_cells",
    "simulate_objects",
    "simulate_time_lapse",
    "write_sample",
]

_MODULES = {
    "CellClass": "cells",
    "CellKind": "cells",
    "CellSettings": "cells",
    "ObjectKind": "natural",
    "RecordedMap": "recorded",
    "Specimens": "batch",
    "TimeLapse": "time_lapse",
    "TimeLapseSettings": "time_lapse",
    "draw_recorded": "recorded",
    "read_map": "recorded",
    "simulate_cells": "cells",
    "simulate_objects": "natural",
    "simulate_time_lapse": "time_lapse",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
