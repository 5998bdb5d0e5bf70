"""Where a training runs."""

import torch

from napari_qpm.errors import ParameterError

__all__ = ["describe_device", "pick_device"]


def pick_device(name: str) -> torch.device:
    """Return the device of ``auto``, ``cpu`` or ``cuda``.

    Raises
    ------
    ParameterError
        The name is another one, or there is no such device: nothing falls back to the
        CPU unasked.
    """
    has_gpu = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if has_gpu else "cpu")
    if name == "cuda" and not has_gpu:
        raise ParameterError(
            "There is no CUDA device here; use --device cpu, or auto to take what is."
        )
    if name not in ("cpu", "cuda"):
        raise ParameterError(f"The device is auto, cpu or cuda, not {name!r}.")
    return torch.device(name)


def describe_device(device: torch.device) -> str:
    """Return the device in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"
