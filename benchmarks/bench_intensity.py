"""P8: the transport of intensity against textbook solvers in double precision.

The peers are what a script writes: `numpy.fft` of the whole frame in complex128, one
Poisson solution for uniform light, two with Teague's auxiliary function otherwise.

    python benchmarks/bench_intensity.py [--quick] [--json FILE]
"""

import sys

import _harness as harness
import numpy as np

from napari_qpm.retrieval._cosine_series import CosineSeries
from napari_qpm.retrieval.intensity_transport import (
    AxialChange,
    Solver,
    optical_path,
)

PIXEL_UM = 0.2
DARKEST = 0.01


def scene(shape):
    """Return light ``(Y, X)`` and slope of an object, flat at the edges, and W [um]."""
    y, x = (np.indices(shape) + 0.5) * PIXEL_UM
    centre = np.array(shape) * PIXEL_UM / 2
    width = min(shape) * PIXEL_UM / 12
    distance = (y - centre[0]) ** 2 + (x - centre[1]) ** 2
    path = 0.2 * np.exp(-distance / (2 * width**2))
    light = 0.4 + 0.6 * np.exp(-distance / (8 * width**2))
    return light, -divergence(path, light), -divergence(path, np.ones(shape)), path


def divergence(path, light):
    """Return ``div(I grad W)`` by Fourier series of the mirrored images."""
    wide, bright = (
        np.pad(a, [(0, n) for n in a.shape], "symmetric") for a in (path, light)
    )
    total = np.zeros(wide.shape)
    for k in wave_numbers(wide.shape):
        flow = bright * np.fft.ifft2(1j * k * np.fft.fft2(wide)).real
        total += np.fft.ifft2(1j * k * np.fft.fft2(flow)).real
    return total[: path.shape[0], : path.shape[1]]


def wave_numbers(shape):
    ky, kx = (2 * np.pi * np.fft.fftfreq(n, PIXEL_UM) for n in shape)
    return ky[:, None], kx[None]


def numpy_uniform(slope):
    """Return W by one Poisson solution, complex128."""
    ky, kx = wave_numbers(slope.shape)
    squared = ky**2 + kx**2
    squared[0, 0] = 1
    return np.fft.ifft2(np.fft.fft2(slope) / squared).real


def numpy_teague(slope, light):
    """Return W by two Poisson solutions, complex128."""
    ky, kx = wave_numbers(slope.shape)
    squared = ky**2 + kx**2
    squared[0, 0] = 1
    auxiliary = np.fft.fft2(slope) / squared
    safe = np.maximum(light, DARKEST * light.max())
    flow_y = np.fft.ifft2(1j * ky * auxiliary).real / safe
    flow_x = np.fft.ifft2(1j * kx * auxiliary).real / safe
    outflow = 1j * (ky * np.fft.fft2(flow_y) + kx * np.fft.fft2(flow_x))
    return -np.fft.ifft2(outflow / squared).real


def full_scale(found, expected):
    """Return the largest difference, pistons left out, over the range."""
    difference = (found - found.mean()) - (expected - expected.mean())
    return float(np.abs(difference).max() / np.ptp(expected))


def measure(report, shape, budget_s):
    light, slope, uniform, path = scene(shape)
    series = CosineSeries(shape, (PIXEL_UM, PIXEL_UM))
    even = AxialChange(np.ones(shape, np.float32), uniform.astype(np.float32))
    uneven = AxialChange(light.astype(np.float32), slope.astype(np.float32))

    def ours(change, solver):
        return optical_path(
            change, series, medium_index=1.0, largest_um=1e5, solver=solver
        )

    candidates = {
        "numpy, uniform": lambda: numpy_uniform(uniform),
        "numpy, Teague": lambda: numpy_teague(slope, light),
        "ours, uniform": lambda: ours(even, Solver.UNIFORM),
        "ours, Teague": lambda: ours(uneven, Solver.TEAGUE),
        "ours, universal": lambda: ours(uneven, Solver.UNIVERSAL),
    }
    title = f"Transport of intensity, {shape[0]} x {shape[1]}"
    table = report.add_table(
        harness.compare(title, candidates, peer="numpy, uniform", budget_s=budget_s)
    )
    report.add_goal(
        harness.Goal(
            "P8",
            "uniform, times faster than numpy",
            table.ratio("ours, uniform", "numpy, uniform"),
            5,
        )
    )
    report.add_goal(
        harness.Goal(
            "P8",
            "Teague, times faster than numpy",
            table.ratio("ours, Teague", "numpy, Teague"),
            7,
        )
    )
    error = full_scale(ours(even, Solver.UNIFORM), path)
    print(f"error of full scale: uniform {error:.1e}", end=", ")
    print(f"universal {full_scale(ours(uneven, Solver.UNIVERSAL), path):.1e}", end=", ")
    print(f"Teague {full_scale(ours(uneven, Solver.TEAGUE), path):.1e}")
    report.add_goal(
        harness.Goal("P8", "error of full scale", error, 2e-4, at_least=False)
    )


def main():
    arguments = harness.parse_arguments(__doc__.splitlines()[0])
    report = harness.Report("transport of intensity")
    measure(report, (1024, 1024), 6.0 if arguments.quick else 30.0)
    if not arguments.quick:
        measure(report, (2048, 2448), 60.0)
    return report.finish(arguments.json)


if __name__ == "__main__":
    sys.exit(main())
