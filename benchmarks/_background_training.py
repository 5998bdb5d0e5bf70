"""A short training in a child process, as *Adapt* runs it, and how fast it goes."""

import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["BackgroundTraining"]

COMMAND = (
    *("-m", "napari_qpm.training", "nas-prnet", "--device", "cpu", "--seed", "1"),
    *("--set", "steps=100000", "--set", "batch_size=1", "--set", "shape=[64,64]"),
    *("--set", "n_validation=1", "--set", "validate_every=100000"),
)
START_LIMIT_S = 180.0


class BackgroundTraining:
    """One endless training of NAS-PRNet on tiny frames; ended by `stop`."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="qpm-bench-")
        self._log = Path(self._folder.name) / "training.csv"
        command = [sys.executable, *COMMAND, "--out", self._folder.name]
        self._child = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_LIMIT_S
        # The first rows hold what is slow at the beginning.
        while len(self._rows()) < 2:
            if self._child.poll() is not None or time.monotonic() > deadline:
                self.stop()
                sys.exit("The training in the background did not start.")
            time.sleep(0.1)

    def steps_per_s(self, seconds: float, meanwhile: Callable[[], object]) -> float:
        """Return the pace while something is done again and again."""
        n_before, deadline = len(self._rows()), time.monotonic() + seconds
        # From one row to another: rows come every 25 steps.
        while time.monotonic() < deadline or len(self._rows()) < n_before + 3:
            meanwhile()
            if self._child.poll() is not None:
                sys.exit("The training in the background ended.")
        first, last = self._rows()[n_before], self._rows()[-1]
        return (last[0] - first[0]) / (last[1] - first[1])

    def stop(self) -> None:
        """End the child process."""
        self._child.terminate()
        self._child.wait()
        self._folder.cleanup()

    def _rows(self) -> list[tuple[float, float]]:
        """Return step and seconds of every row that is complete."""
        if not self._log.exists():
            return []
        rows = list(csv.DictReader(self._log.read_text().splitlines()))
        return [
            (float(one["step"]), float(one["seconds"]))
            for one in rows
            if one.get("gradient")
        ]
