"""Where networks run, in words: graphics card or processor, and why.

Asking costs no import of torch: the driver itself is asked whether there is a card.
"""

import ctypes
import functools
import importlib.metadata
import os
import sys
from enum import StrEnum
from typing import TypeVar

from napari_qpm.errors import UnknownNameError

__all__ = [
    "CUDA_PROVIDER",
    "DeviceName",
    "Precision",
    "available_bytes",
    "card_free_bytes",
    "cuda_card",
    "installation_conflict",
    "n_threads",
    "named",
]

CUDA_PROVIDER = "CUDAExecutionProvider"
_MANAGEMENT = {"linux": "libnvidia-ml.so.1", "win32": "nvml.dll"}
_DRIVERS = {"linux": "libcuda.so.1", "win32": "nvcuda.dll"}
_NAME_LENGTH = 256
Name = TypeVar("Name", bound=StrEnum)


class DeviceName(StrEnum):
    """Where to run."""

    AUTO = "auto"
    """The graphics card if there is one."""
    CPU = "cpu"
    """The processor."""
    CUDA = "cuda"
    """The NVIDIA graphics card; if it cannot be used, the processor, and it is said."""


class Precision(StrEnum):
    """Numbers that a network computes with; in and out it is always float32."""

    AUTO = "auto"
    """Half precision on the graphics card, single on the processor."""
    SINGLE = "f32"
    """32 bits."""
    HALF = "f16"
    """16 bits, on the graphics card."""
    BRAIN = "bf16"
    """16 bits of float32's range, with torch."""


def named(kind: type[Name], word: str, name: str) -> Name:
    """Return the member of a `StrEnum` for a word of the user.

    Raises
    ------
    UnknownNameError
        There is no such member.
    """
    try:
        return kind(name)
    except ValueError:
        raise UnknownNameError(word, str(name), [str(m) for m in kind]) from None


@functools.cache
def cuda_card() -> str | None:
    """Return the name of the first NVIDIA card that the driver offers, or None."""
    library = _DRIVERS.get(sys.platform)
    if library is None or os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return None
    try:
        driver = ctypes.CDLL(library)
    except OSError:
        return None
    card, name = ctypes.c_int(), ctypes.create_string_buffer(_NAME_LENGTH)
    failed = (
        driver.cuInit(0)
        or driver.cuDeviceGet(ctypes.byref(card), 0)
        or driver.cuDeviceGetName(name, _NAME_LENGTH, card)
    )
    return None if failed else name.value.decode(errors="replace")


def installation_conflict() -> str | None:
    """Return what is wrong with the installed ONNX Runtime, or None.

    Its two packages hold the same files, so that the one installed last wins.
    """
    installed = []
    for name in ("onnxruntime", "onnxruntime-gpu"):
        try:
            installed.append(importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            return None
    return (
        f"onnxruntime {installed[0]} and onnxruntime-gpu {installed[1]} are both "
        "installed and overwrite each other. Uninstall both, then install the one "
        "you need"
    )


def n_threads() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_bytes() -> int:
    """Return the memory that can be taken without swapping."""
    import psutil

    return int(psutil.virtual_memory().available)


class _CardMemory(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_ulonglong) for name in ("total", "free", "used"))


def card_free_bytes() -> int:
    """Return the free memory of the first NVIDIA card [bytes].

    Where the driver does not tell, no limit is known, and that is what is returned.
    """
    handle, memory = ctypes.c_void_p(), _CardMemory()
    try:
        library = ctypes.CDLL(_MANAGEMENT[sys.platform])
    except (OSError, KeyError):
        return sys.maxsize
    failed = (
        library.nvmlInit_v2()
        or library.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(handle))
        or library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory))
    )
    return sys.maxsize if failed else int(memory.free)
