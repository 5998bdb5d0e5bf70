"""Simulated 256x256 frames a second, against the training step that they must feed.

Every sample has an instrument of its own, drawn anew for every batch, as in training;
phase maps are given. The peer is forward and backward pass of convolutions with the
multiply-adds of NAS-PRNet at this size (0.7 G forward), the lightest of our networks.

python benchmarks/bench_physics.py [--quick] [--json FILE]
"""

import sys
from collections.abc import Callable
from typing import Any

from _harness import Goal, Report, Table, compare, parse_arguments  # before torch

# isort: split
import torch
from torch import Tensor, nn

from napari_qpm.physics import (
    ChromaticBrightfield,
    Detector,
    DiffractiveNetwork,
    FourierFilter,
    OffAxisInterferometer,
    PolarizationCamera,
    Pupil,
)

SHAPE = (256, 256)
BATCH = 8
PEER = "training step of a light network"
GOALS = ("polarization", "off-axis", "colour brightfield")

Work = Callable[[], Any]


class Draws:
    """Random values, one a sample, on the device."""

    def __init__(self, device: str):
        self.device = device
        self.generator = torch.Generator(device).manual_seed(0)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        unit = torch.rand(BATCH, *shape, generator=self.generator, device=self.device)
        return low + (high - low) * unit


def detector(draws: Draws) -> Detector:
    camera = Detector(gain_e_per_count=5.0, read_noise_e=3.0, prnu=0.007, bit_depth=12)
    return camera.to(draws.device).set_values(gain_e_per_count=draws.uniform(2, 10))


def off_axis(draws: Draws) -> Work:
    phase = draws.uniform(0, 5, *SHAPE)
    model = OffAxisInterferometer(SHAPE, carrier_cycles_per_px=(0.2, 0.2))
    model, camera = model.to(draws.device), detector(draws)

    def run() -> Tensor:
        model.set_values(
            carrier_cycles_per_px=draws.uniform(0.12, 0.22, 2),
            visibility=draws.uniform(0.5, 0.95),
            brightness_counts=draws.uniform(1000, 2000),
            background_rad=draws.uniform(-3, 3, 5, 5),
        )
        frames: Tensor = camera(model(phase), draws.generator)
        return frames

    return run


def polarization(draws: Draws, pupil: Pupil | None = None) -> Work:
    phase = draws.uniform(0, 5, *SHAPE)
    model = PolarizationCamera(SHAPE, pupil=pupil)
    model, camera = model.to(draws.device), detector(draws)

    def run() -> Tensor:
        model.set_values(
            visibility=draws.uniform(0.5, 0.95),
            brightness_counts=draws.uniform(1000, 2000),
            background_rad=draws.uniform(-3, 3, 4, 4),
            extinction_ratio=draws.uniform(0, 0.02),
            retardance_error_deg=draws.uniform(-5, 5),
            reference_amplitude=draws.uniform(0.5, 1),
            angle_errors_deg=draws.uniform(-1, 1, 4),
            gains=draws.uniform(0.95, 1.05, 4),
        )
        frames: Tensor = camera(model(phase), draws.generator)
        return frames

    return run


def brightfield(draws: Draws) -> Work:
    path = draws.uniform(0, 0.2, *SHAPE)
    model = ChromaticBrightfield(SHAPE, na=0.5, pixel_um=0.21)
    model, camera = model.to(draws.device), detector(draws)

    def run() -> Tensor:
        model.set_values(
            na=draws.uniform(0.4, 0.65),
            focus_curve_um=draws.uniform(-1.5, 1.5, 3),
            coherence_ratio=draws.uniform(0.1, 0.6),
            crosstalk=draws.uniform(0.05, 0.15),
            brightness_counts=draws.uniform(1000, 2000),
        )
        frames: Tensor = camera(model(path), draws.generator)
        return frames

    return run


def learned(draws: Draws, optics: nn.Module) -> Work:
    phase = draws.uniform(0, 5, *SHAPE)
    optics = optics.to(draws.device)
    return lambda: optics(torch.polar(torch.ones_like(phase), phase)).sum().backward()


def training_step(draws: Draws) -> Work:
    """Return forward and backward pass of 0.7 G multiply-adds a sample."""
    middle = [
        layer
        for _ in range(4)
        for layer in (nn.Conv2d(32, 32, 3, padding=1, bias=False), nn.ReLU())
    ]
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3, stride=2, padding=1), *middle, nn.Conv2d(32, 1, 3)
    ).to(draws.device)
    frames = draws.uniform(0, 1, 1, *SHAPE)
    return lambda: network(frames).square().mean().backward()


def measure(device: str, quick: bool) -> Table:
    """Return milliseconds a batch on this device."""
    draws = Draws(device)
    pupil = Pupil(0.5, 0.532, 0.3, zernike_waves=[0.0] * 4 + [0.05] * 7)
    candidates = {
        PEER: training_step(draws),
        "polarization": polarization(draws),
        "polarization, aberrated objective": polarization(draws, pupil),
        "off-axis": off_axis(draws),
        "colour brightfield": brightfield(draws),
        "Fourier filter, with gradient": learned(draws, FourierFilter()),
        "diffractive network, with gradient": learned(draws, DiffractiveNetwork()),
    }
    if device == "cuda":
        candidates = {name: awaited(run) for name, run in candidates.items()}
    return compare(
        f"{BATCH} samples of 256x256 on {device}",
        candidates,
        peer=PEER,
        budget_s=10.0 if quick else 40.0,
    )


def awaited(run: Work) -> Work:
    """Return the work with a wait for the device at its end."""

    def run_and_wait() -> None:
        run()
        torch.cuda.synchronize()

    return run_and_wait


def main() -> int:
    arguments = parse_arguments(__doc__ or "")
    report = Report("physics")
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    for device in devices:
        table = report.add_table(measure(device, arguments.quick))
        for name, timing in table.timings.items():
            rate = 1e3 * BATCH / timing.median
            report.extra.setdefault("samples_per_s", {})[f"{device}: {name}"] = rate
            print(f"{device}, {name}: {rate:.0f} samples/s")
        for name in GOALS:
            what = f"{name} simulates no slower than a network trains, {device}"
            report.add_goal(Goal("S1", what, table.ratio(name), 1.0))
    return report.finish(arguments.json)


if __name__ == "__main__":
    sys.exit(main())
