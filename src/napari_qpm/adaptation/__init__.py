"""Adapt a trained model to a user's own microscope, from a user's own recordings.

The result is a new model; the old one stays. Importing this room loads torch.
"""

from napari_qpm.adaptation.adapting import adapt
from napari_qpm.adaptation.outcome import Adaptation, Judgement

__all__ = ["Adaptation", "Judgement", "adapt"]
