"""napari's writer hooks: cells for Cellpose, phase for qpimage.

napari hands over the data of a layer and its metadata; what is known of the phase comes
from the record that our layers carry there.
"""

from pathlib import Path
from typing import Any

import numpy as np

from napari_qpm.viewer.fields import METADATA_KEY, Role

__all__ = ["write_cells", "write_phase"]


def write_cells(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a Labels layer for Cellpose, or as a mask image."""
    from napari_qpm.io.label_files import SEG_SUFFIX, is_seg_file, write_labels

    place = Path(path)
    if place.suffix.lower() == ".npy" and not is_seg_file(place):
        place = place.with_name(place.stem + SEG_SUFFIX)
    frames = data if np.ndim(data) == 3 else np.asarray(data)[None]
    return [str(one) for one in write_labels(frames, place)]


def write_phase(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write a phase layer of ours; for other layers nothing, which napari tells."""
    from napari_qpm.acquisition import PhaseMap, PhaseUnit
    from napari_qpm.pipeline import save
    from napari_qpm.pipeline.results import described

    record = meta.get("metadata", {}).get(METADATA_KEY, {})
    if record.get("role") != Role.PHASE.value:
        return []
    t, y, x = data.shape
    phase_map = PhaseMap(
        phase=data,
        acquisition=described(record["acquisition"], [t, 1, y, x]),
        grid_scale=tuple(record["grid_scale"]),
        unit=PhaseUnit(record["unit"]),
    )
    return [str(save(path, phase_map, overwrite=True))]
