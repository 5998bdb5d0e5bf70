"""Residual of a 1024 x 1024 frame: at most 0.3 s, so that it can follow a click.

The floor is one real Fourier transform of the frame there and back.

python benchmarks/bench_checks.py [--quick] [--json FILE]
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.fft
from _harness import Goal, Report, compare, parse_arguments

import napari_qpm as qpm
from napari_qpm.checks import check_frame, residual_frame
from napari_qpm.specimens.samples import simulate

SHAPE = (1024, 1024)
FLOOR = "floor: rfft2 and back"
GOAL_S = 0.3


def maps(kind: str) -> dict[str, qpm.PhaseMap]:
    """Return the classical phase, and the truth on the camera's own grid."""
    simulation = simulate(kind, n_frames=1, shape=SHAPE, n_cells=8)
    found = qpm.retrieve(simulation.acquisition)
    truth = qpm.PhaseMap(phase=simulation.phase, acquisition=found.acquisition)
    return {"classical": found.replace(phase=found.read(0)[None]), "full grid": truth}


def main() -> int:
    arguments = parse_arguments(__doc__.splitlines()[0])
    report = Report("checks")
    for kind in ("off-axis", "polarization"):
        candidates: dict[str, Callable[[], Any]] = {}
        for name, phase_map in maps(kind).items():
            acquisition = phase_map.acquisition
            frame = acquisition.read(0)[0].astype(np.float32)
            candidates[FLOOR] = lambda f=frame: scipy.fft.irfft2(
                scipy.fft.rfft2(f, workers=2), workers=2
            )
            candidates[f"residual, {name}"] = lambda a=acquisition, p=phase_map: (
                residual_frame(a, p, 0)
            )
            candidates[f"three checks, {name}"] = lambda a=acquisition, p=phase_map: (
                check_frame(a, p)
            )
        budget_s = 4 if arguments.quick else 20
        table = compare(
            f"{kind} {SHAPE[0]} x {SHAPE[1]}", candidates, peer=FLOOR, budget_s=budget_s
        )
        report.add_table(table)
        for name in ("classical", "full grid"):
            timing = table.timings[f"residual, {name}"]
            spent = timing.minimum if table.is_busy else timing.median
            what = f"{kind}, {name}: residual [s]"
            report.add_goal(Goal("residual", what, spent / 1e3, GOAL_S, False))
    return report.finish(arguments.json)


if __name__ == "__main__":
    sys.exit(main())
