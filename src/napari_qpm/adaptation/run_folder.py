"""The folder of a training that can be paused, killed and resumed."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from napari_qpm.files import make_folder

__all__ = ["PAUSE", "PREVIEW", "run_folder", "seconds_before"]

PAUSE = "pause"
"""File in the folder: a cancelled training is not judged, but waits to go on."""
PREVIEW = "preview.npy"
"""File with the cells ``(Y, X)`` of one frame by the best weights so far."""


@contextlib.contextmanager
def run_folder(given: Path | str | None) -> Iterator[Path]:
    """Yield the folder of a training; a temporary one goes in the end."""
    if given is not None:
        folder = make_folder(Path(given))
        (folder / PAUSE).unlink(missing_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="napari-qpm-") as made:
        yield Path(made)


def seconds_before(folder: Path) -> float:
    """Return how long a training that goes on has learned already."""
    from napari_qpm.training.checkpoint import load_state
    from napari_qpm.training.trainer import CHECKPOINT

    path = folder / CHECKPOINT
    return float(load_state(path)["seconds"]) if path.is_file() else 0.0
