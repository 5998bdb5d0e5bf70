"""How long one frame takes, from raw counts to phase, on this machine, now."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from napari_qpm.acquisition import Acquisition
from napari_qpm.evaluation.phase_set import HeldOutFrame, make_frame
from napari_qpm.jobs import CancelToken
from napari_qpm.networks import heterodyne
from napari_qpm.runtime.architectures import make_network

__all__ = ["LATENCY_SHAPE", "latency_frame", "time_call", "torch_latency"]

LATENCY_SHAPE = (1024, 1024)
REPEATS, ENOUGH_S = 3, 6.0
"""Calls that are timed after a first one, fewer where they took this long together."""
FRAME_NUMBER = 2
"""Which microscope the frame is from: fringes of 4.3 px and a usual background."""


def latency_frame(shape: tuple[int, int] = LATENCY_SHAPE) -> HeldOutFrame:
    """Return the frame ``(Y, X)`` that every method is timed with."""
    return make_frame(FRAME_NUMBER, shape=shape)


def time_call(call: Callable[[], Any], token: CancelToken) -> float:
    """Return the median time [ms] of a few calls after a first one that warms up."""
    call()
    seconds: list[float] = []
    while len(seconds) < REPEATS and sum(seconds) < ENOUGH_S:
        token.raise_if_cancelled()
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return 1e3 * statistics.median(seconds)


def torch_latency(
    architecture: str,
    config: Mapping[str, Any],
    recording: Acquisition,
    token: CancelToken,
) -> tuple[float, float]:
    """Return times [ms] from raw counts to phase, and of the network alone.

    A network that is not shipped runs in torch, untrained: its time does not depend on
    its weights.
    """
    network = make_network(architecture, config)
    instrument = recording.instrument
    carrier = torch.tensor(instrument.sideband_cycles_per_px, dtype=torch.float32)
    raw = torch.from_numpy(recording.read(0)[None].astype(np.float32))

    def prepare() -> torch.Tensor:
        return heterodyne(raw, carrier, instrument.phase_sign or 1)

    with torch.inference_mode():
        inputs = prepare()
        before = time_call(prepare, token)
        alone = time_call(lambda: network(inputs), token)
    return before + alone, alone
