"""What a run will take of memory and disk, said before it starts."""

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_qpm.runtime.architectures import activation_bytes_per_px
from napari_qpm.runtime.devices import available_bytes
from napari_qpm.viewer.fills import MEMORY_LIMIT_BYTES
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.workflow import Scope

if TYPE_CHECKING:
    from napari_qpm.viewer.workflow import Workflow

__all__ = ["needs_in_words"]

PIXEL_BYTES = np.dtype(np.float32).itemsize
"""Of phase; labels take as much."""


def needs_in_words(workflow: "Workflow", scope: Scope) -> str:
    """Return what phase and cells of these frames take; empty without a recording.

    An upper limit: phase of holograms comes on a coarser grid than the camera's.
    """
    acquisition = workflow.acquisition
    if acquisition is None:
        return ""
    n_px = acquisition.shape[-2] * acquisition.shape[-1]
    n_frames = acquisition.n_frames if scope is Scope.ALL else 1
    each = PIXEL_BYTES * n_px * acquisition.n_frames
    folder = workflow.results_folder if scope is Scope.ALL else None
    is_on_disk = folder is not None or each > MEMORY_LIMIT_BYTES
    frames = f"{n_frames} frames" if n_frames > 1 else "1 frame"
    place = _free_on_disk(folder) if is_on_disk else available_bytes()
    where = "on disk" if is_on_disk else "of memory"
    results = f"up to {_size(2 * each)} {where} for phase and cells"
    parts = [f"{frames}: {results} ({_size(place)} free)"]
    is_short = 2 * each > place
    for step in (StepName.RETRIEVE, StepName.SEGMENT):
        spec = workflow.settings.chosen_model(step, workflow.modality)
        if spec is None:
            continue
        needed = activation_bytes_per_px(spec, "onnx", "f32") * n_px
        parts.append(f"{spec.title} up to {_size(needed)} of memory while it runs")
    short = (
        " There is not enough room: run one frame, or choose another folder under "
        "Keep in…"
        if is_short
        else ""
    )
    return f"{'; '.join(parts)}.{short}"


def _free_on_disk(folder: Path | None) -> int:
    """Return the free bytes where results go: a folder, or the temporary one."""
    place = Path(tempfile.gettempdir()) if folder is None else folder
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


def _size(n_bytes: float) -> str:
    """Return a size as people read it, for example ``"1.2 GB"``."""
    if n_bytes >= 1e9:
        return f"{n_bytes / 1e9:.1f} GB"
    return f"{max(n_bytes / 1e6, 1):.0f} MB"
