"""Results in words."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

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
        lines += _linking(result.table)
    lines += [
        f"  left out: {', '.join(columns)} ({reason})"
        for reason, columns in result.left_out.items()
    ]
    lines += _some("failed", result.failures)
    lines += _some("doubtful", result.warnings)
    lines += [f"  note: {note}" for note in result.phase_map.acquisition.notes]
    return "\n".join(lines)


def _linking(table: "pd.DataFrame") -> list[str]:
    """Return how many cells were followed, if they were."""
    if "linking" not in table.attrs:
        return []
    tracks = table.drop_duplicates("track_id")
    n_divisions = tracks.loc[tracks["parent_id"] > 0, "parent_id"].nunique()
    n_suspect = tracks.loc[tracks["division_suspect"], "parent_id"].nunique()
    line = f"  cells linked over time: tracks {len(tracks)}, divisions {n_divisions}"
    if n_suspect:
        line += f", of which suspect by their mass {n_suspect}"
    return [line, *(f"  note: {note}" for note in table.attrs["linking"]["notes"])]


def _some(verdict: str, frames: dict[int, str]) -> list[str]:
    """Return a line for each of the first frames, and one for the rest."""
    lines = [
        f"  frame {t} {verdict}: {reason}"
        for t, reason in list(frames.items())[:MOST_FRAMES]
    ]
    if len(frames) > MOST_FRAMES:
        lines.append(f"  and {len(frames) - MOST_FRAMES} more frames {verdict}")
    return lines
