"""Results in words."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_qpm.pipeline import RunResult

__all__ = ["describe_result"]


MOST_FRAMES = 5


def describe_result(result: "RunResult") -> str:
    """Return what a run left, and what went wrong in single frames."""
    n_frames, y, x = result.phase_map.shape
    lines = [f"{result.folder}: {n_frames} frames of {y} x {x} pixels"]
    if result.n_resumed:
        lines[0] += f", {result.n_resumed} of them from an earlier run"
    if result.table is not None:
        lines.append(f"  {len(result.table)} rows in {result.paths['csv'].name}")
    lines += [
        f"  left out: {', '.join(columns)} ({reason})"
        for reason, columns in result.left_out.items()
    ]
    lines += _some("failed", result.failures)
    lines += _some("doubtful", result.warnings)
    lines += [f"  note: {note}" for note in result.phase_map.acquisition.notes]
    return "\n".join(lines)


def _some(verdict: str, frames: dict[int, str]) -> list[str]:
    """Return a line for each of the first frames, and one for the rest."""
    lines = [
        f"  frame {t} {verdict}: {reason}"
        for t, reason in list(frames.items())[:MOST_FRAMES]
    ]
    if len(frames) > MOST_FRAMES:
        lines.append(f"  and {len(frames) - MOST_FRAMES} more frames {verdict}")
    return lines
