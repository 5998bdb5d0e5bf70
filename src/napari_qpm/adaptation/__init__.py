"""Make trained models fit: a microscope from its recordings, cells from corrections.

The result is a new model; the old one stays. torch loads at first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_qpm.adaptation.adapting import adapt
    from napari_qpm.adaptation.cell_outcome import CellScores, FineTuning
    from napari_qpm.adaptation.fine_tuning import fine_tune
    from napari_qpm.adaptation.outcome import Adaptation, Judgement

__all__ = ["Adaptation", "CellScores", "FineTuning", "Judgement", "adapt", "fine_tune"]

_HOMES = {
    "Adaptation": "outcome",
    "CellScores": "cell_outcome",
    "FineTuning": "cell_outcome",
    "Judgement": "outcome",
    "adapt": "adapting",
    "fine_tune": "fine_tuning",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    value = globals()[name] = getattr(module, name)
    return value
