"""How good a model is, measured the same way every time.

A fixed held-out set, rows of methods on it, their cost and latency, real holograms, and
the model card made of all that. `evaluate` is what ``napari-qpm evaluate`` runs.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_qpm.evaluation.evaluating import evaluate
    from napari_qpm.evaluation.model_card import card
    from napari_qpm.evaluation.rows import Evaluation, Row

__all__ = ["Evaluation", "Row", "card", "evaluate"]

_MODULES = {
    "Evaluation": "rows",
    "Row": "rows",
    "card": "model_card",
    "evaluate": "evaluating",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
