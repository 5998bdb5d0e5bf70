"""Results in words."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_qpm.pipeline import RunResult

__all__ = ["describe_result"]


def describe_result(result: "RunResult") -> str:
    """Return what a run left, and what went wrong in single frames."""
    n_frames, y, x = result.phase_map.shape
    lines = [f"{result.folder}: {n_frames} frames of {y} x {x} pixels"]
    if result.n_resumed:
        lines[0] += f", {result.n_resumed} of them from an earlier run"
    if result.table is not None:
        lines.append(f"  {len(result.table)} rows in {result.paths['csv'].name}")
    lines += [f"  frame {t}: {reason}" for t, reason in result.failures.items()]
    lines += [f"  note: {note}" for note in result.phase_map.acquisition.notes]
    return "\n".join(lines)
