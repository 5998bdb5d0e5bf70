"""The main job on a simulated recording, compared with what was simulated.

The demo uses the same pipeline as every other run; nothing in it knows the truth until
the result is there.
"""

from napari_qpm.demo.comparison import Comparison, compare
from napari_qpm.demo.main_job import DemoOutcome, can_show, run_demo
from napari_qpm.demo.warming import warm_kernels

__all__ = [
    "Comparison",
    "DemoOutcome",
    "can_show",
    "compare",
    "run_demo",
    "warm_kernels",
]
