import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from napari_qpm.cli import main
from napari_qpm.specimens import simulate, write_sample


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and its exit code."""

    code: int
    stdout: str
    stderr: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON objects on stdout, one a line."""
        return [json.loads(line) for line in self.stdout.splitlines()]


Run = Callable[..., Outcome]


@pytest.fixture
def qpm_command(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runner of ``napari-qpm`` in this process."""

    def run(*arguments: object) -> Outcome:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Outcome(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw polarization mosaics of two cells, 3 frames."""
    sample = simulate("polarization", n_frames=3, shape=(160, 160), n_cells=2)
    return write_sample(sample, tmp_path_factory.mktemp("polarization"))


@pytest.fixture(scope="session")
def hologram(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An off-axis hologram with its reference beside it."""
    sample = simulate("off-axis", shape=(192, 192), n_cells=2)
    return write_sample(sample, tmp_path_factory.mktemp("off-axis"))
