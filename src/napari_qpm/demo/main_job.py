"""Simulate, retrieve, segment, measure, compare, draw: what `napari-qpm demo` does."""

import importlib.util
import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_qpm.demo.comparison import Comparison, compare
from napari_qpm.demo.picture import draw_demo
from napari_qpm.files import write_atomically
from napari_qpm.io import open_acquisition
from napari_qpm.jobs import CancelToken, Progress, ReportProgress
from napari_qpm.pipeline import Pipeline, RunResult, run_pipeline
from napari_qpm.pipeline.steps import measurement_parameters
from napari_qpm.specimens import simulate, write_sample

__all__ = ["DemoOutcome", "can_show", "run_demo"]

SAMPLE = "polarization"
PICTURE_NAME = "demo.png"


@dataclass(frozen=True)
class DemoOutcome:
    """What the demo made.

    Parameters
    ----------
    recording
        The simulated raw recording.
    result
        Phase, cells and table.
    picture
        PNG to look at.
    comparison
        Measured values beside the simulated ones.
    """

    recording: Path
    result: RunResult
    picture: Path
    comparison: Comparison

    def summary(self) -> dict[str, Any]:
        """Return plain values for a report."""
        c = self.comparison
        return {
            "simulated": True,
            "recording": str(self.recording),
            "picture": str(self.picture),
            "n_cells": c.n_cells,
            "true_n_cells": c.true_n_cells,
            "found_share": c.found_share,
            "cell_mass_pg": c.cell_mass_pg,
            "cell_mass_sd_pg": c.cell_mass_sd_pg,
            "true_cell_mass_pg": c.true_cell_mass_pg,
            "mass_deviation": c.mass_deviation,
            "growth_per_h": c.growth_per_h,
            "true_growth_per_h": c.true_growth_per_h,
            **self.result.summary(),
        }

    def describe(self) -> str:
        """Return the summary a biologist reads."""
        c = self.comparison
        n_frames, height, width = self.result.phase_map.shape
        doubling = math.log(2) / c.growth_per_h
        true_doubling = math.log(2) / c.true_growth_per_h
        start, end = c.field_mass_pg[[0, -1]] / 1000
        true_start, true_end = c.true_field_mass_pg[[0, -1]] / 1000
        return f"""\
A SIMULATED recording of living cells behind a polarization camera: its truth is known.
  Recording   {n_frames} raw frames of {height} x {width} pixels, {c.hours[-1]:.1f} h
  Cells       {c.n_cells} in the last frame (simulated: {c.true_n_cells})
              {c.found_share:.0%} of all simulated cells found, overlap {c.mean_iou:.0%}
  Dry mass    {c.cell_mass_pg:.0f} +- {c.cell_mass_sd_pg:.0f} pg, the median cell \
(simulated: {c.true_cell_mass_pg:.0f} pg)
              a single cell is off by {c.mass_deviation:.1%} (median)
  All cells   {start:.2f} ng grow to {end:.2f} ng \
(simulated: {true_start:.2f} to {true_end:.2f} ng)
  Growth      {c.growth_per_h:+.2%} +- {c.growth_sd_per_h:.2%} per hour, \
doubling in {doubling:.0f} h
              (simulated: {c.true_growth_per_h:+.2%}, {true_doubling:.0f} h)
  Picture     {self.picture}
  Table       {self.result.paths["csv"]}
  Raw frames  {self.recording}"""


def run_demo(
    folder: Path,
    token: CancelToken | None = None,
    report: ReportProgress | None = None,
) -> DemoOutcome:
    """Simulate a recording, run the default pipeline on it and draw the result.

    Parameters
    ----------
    folder
        Gets the recording, the result and the picture.
    """
    token, report = token or CancelToken(), report or _ignore
    report(Progress(0, 1, "recordings", "Simulating cells"))
    simulation = simulate(SAMPLE)
    recording = write_sample(simulation, Path(folder) / "recording")
    report(Progress(1, 1, "recordings", "Simulating cells"))
    acquisition = open_acquisition(recording)
    pipeline = Pipeline()
    # The folder is the demo's own, and the sample was just written anew.
    result = run_pipeline(
        pipeline, acquisition, Path(folder) / "result", token, report, overwrite=True
    )
    assert result.table is not None  # the default pipeline measures
    labels = np.asarray(result.labels)
    alpha = measurement_parameters(pipeline).alpha_ml_g
    comparison = compare(simulation, labels, result.table, alpha)
    last = acquisition.n_frames - 1
    png = draw_demo(
        raw=acquisition.read(last)[0],
        phase=result.phase_map.read(last),
        labels=labels[last],
        table=result.table[result.table["frame"] == last],
        comparison=comparison,
    )
    picture = write_atomically(Path(folder) / PICTURE_NAME, png)
    return DemoOutcome(recording, result, picture, comparison)


def can_show() -> bool:
    """Return whether a window can open: a display and a Qt binding are there."""
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        return False
    return any(importlib.util.find_spec(name) for name in ("PyQt6", "PySide6"))


def _ignore(progress: Progress) -> None:
    """Nobody listens."""
