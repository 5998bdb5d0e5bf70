"""Files of a training that are whole or not there at all."""

import csv
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from napari_qpm.errors import FileFormatError, ParameterError
from napari_qpm.files import write_atomically

__all__ = [
    "TableLog",
    "load_state",
    "load_weights",
    "require_same",
    "save_json",
    "save_state",
    "save_weights",
]


ADVICE = "What was saved before is intact; make room and resume."


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write tensors and plain values; a kill leaves the earlier file."""
    write_atomically(path, lambda file: torch.save(dict(state), file), ADVICE)


def load_state(path: Path) -> dict[str, Any]:
    """Return what `save_state` wrote, on the CPU.

    Raises
    ------
    FileFormatError
        The file is missing or damaged.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error}.") from error
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError) as error:
        raise FileFormatError(
            f"{path} is no checkpoint, or is damaged. Train into another folder."
        ) from error
    return state


def save_weights(path: Path, network: nn.Module) -> None:
    """Write parameters and buffers as safetensors."""
    tensors = {
        name: value.detach().cpu().contiguous()
        for name, value in network.state_dict().items()
    }
    write_atomically(path, safetensors.torch.save(tensors), ADVICE)


def load_weights(path: Path, network: nn.Module) -> None:
    """Load what `save_weights` wrote into a network of the same kind.

    Raises
    ------
    FileFormatError
        The file is missing, damaged, or of another network.
    """
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load_file(path)
        network.load_state_dict(tensors)
    except (OSError, safetensors.SafetensorError, RuntimeError) as error:
        raise FileFormatError(f"{path} does not fit the network: {error}") from error


def require_same(
    stored: Mapping[str, Any], asked: Mapping[str, Any], where: Path
) -> None:
    """Raise, naming the differences, unless a training has the settings it began with.

    Raises
    ------
    ParameterError
        Some setting is another one.
    """
    now = json.loads(json.dumps(asked, default=str))
    changed = [
        f"{name} was {stored.get(name)}, now {now.get(name)}"
        for name in sorted(stored.keys() | now.keys())
        if stored.get(name) != now.get(name)
    ]
    if changed:
        raise ParameterError(
            f"The training in {where} has other settings: {'; '.join(changed)}. "
            "Resume with the same ones, or name another folder."
        )


def save_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a readable JSON file."""
    text = json.dumps(values, indent=1, default=str) + "\n"
    write_atomically(path, text.encode(), ADVICE)


class TableLog:
    """CSV file of numbers by step, one row at a time.

    Parameters
    ----------
    path
        Its header comes from the first row.
    keep_to_step
        Later rows of an earlier run go: they will be written again.
    """

    def __init__(self, path: Path, keep_to_step: int | None = None):
        self.path = path
        self._columns: list[str] | None = None
        rows = self._read() if keep_to_step is not None else []
        path.unlink(missing_ok=True)
        for row in rows:
            if int(row["step"]) <= int(keep_to_step or 0):
                self.add(row)

    def add(self, row: Mapping[str, Any]) -> None:
        """Append a row; it is in the file when this returns."""
        is_new = self._columns is None
        self._columns = self._columns or list(row)
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._columns, extrasaction="ignore")
            if is_new:
                writer.writeheader()
            writer.writerow(
                {
                    name: f"{value:.6g}" if isinstance(value, float) else value
                    for name, value in row.items()
                }
            )

    def _read(self) -> list[dict[str, str]]:
        if not self.path.is_file():
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
