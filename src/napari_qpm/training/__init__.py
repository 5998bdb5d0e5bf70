"""One trainer for every network, and a recipe for each.

Data are simulated on the training device from seeds. ``python -m napari_qpm.training
RECIPE --out FOLDER`` runs anywhere with torch, safetensors, NumPy and scikit-image.
"""

from napari_qpm.training.devices import pick_device
from napari_qpm.training.recipe import (
    Batch,
    OptimizerKind,
    Recipe,
    Stream,
    TrainerSettings,
)
from napari_qpm.training.recipes import RECIPES, make_recipe
from napari_qpm.training.trainer import (
    StopReason,
    TrainingResult,
    train,
)

__all__ = [
    "RECIPES",
    "Batch",
    "OptimizerKind",
    "Recipe",
    "StopReason",
    "Stream",
    "TrainerSettings",
    "TrainingResult",
    "make_recipe",
    "pick_device",
    "train",
]
