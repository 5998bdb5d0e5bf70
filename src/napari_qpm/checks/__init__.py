"""Can a retrieved phase be trusted? Three checks that need no truth.

`residual` makes the raw frame again from a phase and compares; the unwrap check looks
for wrong turns, the background check at the empty field. Each says what it cannot see.
Any engine's phase can be checked, classical or neural, and any array.
"""

from napari_qpm.checks.agreement import Agreement, compare_phases, phase_at
from napari_qpm.checks.background_check import FieldFindings, find_field
from napari_qpm.checks.frame_checks import Checks, check_frame
from napari_qpm.checks.residual import (
    FrameResidual,
    Residual,
    residual,
    residual_frame,
)
from napari_qpm.checks.unwrap_check import TurnFindings, find_turns
from napari_qpm.checks.verdict import Check, Verdict

__all__ = [
    "Agreement",
    "Check",
    "Checks",
    "FieldFindings",
    "FrameResidual",
    "Residual",
    "TurnFindings",
    "Verdict",
    "check_frame",
    "compare_phases",
    "find_field",
    "find_turns",
    "phase_at",
    "residual",
    "residual_frame",
]
