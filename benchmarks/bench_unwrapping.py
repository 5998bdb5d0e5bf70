"""Goals P5 and P6: phase unwrapping against scikit-image, time and wrong pixels.

python benchmarks/bench_unwrapping.py [--quick] [--json FILE]
"""

import sys

import numpy as np
from _harness import Goal, Report, compare, parse_arguments
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.restoration import unwrap_phase

from napari_qpm.retrieval.unwrapping import count_residues, unwrap, warm

TURN = 2 * np.pi
PEER = "scikit-image unwrap_phase"
OURS = "unwrap, residue test included"
SMOOTH_SIZES = {(196, 196): 5.0, (1024, 1024): 15.0, (2048, 2448): 15.0}
"""Wanted ratio at each frame size (P5)."""
HARD_CASES = [(e, n) for e in (3.0, 1.5, 1.0) for n in (0.15, 0.5)]
"""Blur of the cell edges [px] and noise [rad] (P6)."""

Frame = NDArray[np.float32]


def wrap(phase: NDArray[np.floating]) -> Frame:
    return np.angle(np.exp(1j * phase)).astype(np.float32)


def smooth_cells(shape: tuple[int, int], seed: int = 1) -> tuple[Frame, Frame]:
    """Return truth and wrapped phase of flat-topped cells, a tilt and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    truth = np.zeros(shape, np.float32)
    for _ in range(max(6, truth.size // 40000)):
        radius = rng.uniform(18, 42)
        center_y, center_x = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        reach = int(4 * radius)
        window = (
            slice(max(0, int(center_y) - reach), int(center_y) + reach),
            slice(max(0, int(center_x) - reach), int(center_x) + reach),
        )
        distance = ((y[window] - center_y) / 1.2) ** 2 + (x[window] - center_x) ** 2
        body = rng.uniform(3, 12) * np.exp(-((distance / radius**2) ** 2) / 2)
        truth[window] = np.maximum(truth[window], body)
    truth += 0.01 * x + 0.006 * y
    return truth, wrap(truth + rng.normal(0, 0.15, shape))


def hard_cells(n: int, blur: float, noise: float, seed: int) -> tuple[Frame, Frame]:
    """Return truth and wrapped phase of discs with steep edges."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:n, :n]
    truth = np.zeros((n, n), np.float32)
    for _ in range(n * n // 30000):
        height = rng.uniform(4, 12)
        distance = (y - rng.uniform(0, n)) ** 2 + (x - rng.uniform(0, n)) ** 2
        truth = np.maximum(truth, height * (distance < rng.uniform(15, 40) ** 2))
    truth = (gaussian_filter(truth, blur) + 0.01 * x).astype(np.float32)
    return truth, wrap(truth + rng.normal(0, noise, truth.shape))


def n_wrong(phase: NDArray[np.floating], truth: Frame) -> int:
    """Return how many pixels are off by whole turns from most of the frame."""
    turns = np.rint((phase - truth) / TURN)
    return int(np.count_nonzero(turns - np.median(turns)))


def measure_smooth(report: Report, quick: bool) -> None:
    for shape, wanted in SMOOTH_SIZES.items():
        if quick and shape[0] > 1024:
            continue
        truth, wrapped = smooth_cells(shape)
        size = f"{shape[0]}x{shape[1]}"
        table = compare(
            f"P5 residue-free {size}",
            {
                PEER: lambda w=wrapped: unwrap_phase(w),
                OURS: lambda w=wrapped: unwrap(w),
            },
            peer=PEER,
            budget_s=3 if quick else 15,
        )
        report.add_table(table)
        ours = unwrap(wrapped)
        ratio = table.ratio(OURS)
        report.add_goal(Goal("P5", f"{size} times scikit-image's speed", ratio, wanted))
        wrong = n_wrong(ours.phase, truth)
        report.add_goal(Goal("P5", f"{size} wrong pixels", wrong, 0, at_least=False))
        if ours.method != "fast":
            raise SystemExit(f"The smooth {size} frame has {ours.n_residues} residues.")


def measure_hard(report: Report, quick: bool) -> None:
    n, seeds = (256, range(3, 5)) if quick else (512, range(3, 9))
    head = f"{'edge px':>8s}{'noise':>7s}{'residues':>10s}{'wrong':>8s}{'theirs':>8s}"
    print(f"\n## P6 wrong pixels at {n}x{n}, sum of {len(seeds)} seeds\n{head}")
    rows, worst_excess, slowest = [], -(n**2), 0.0
    for blur, noise in HARD_CASES:
        frames = [hard_cells(n, blur, noise, seed) for seed in seeds]
        ours = [n_wrong(unwrap(w).phase, truth) for truth, w in frames]
        theirs = [n_wrong(unwrap_phase(w, rng=0), truth) for truth, w in frames]
        residues = sum(count_residues(w) for _, w in frames)
        excess = max(a - b for a, b in zip(ours, theirs, strict=True))
        worst_excess = max(worst_excess, excess)
        rows.append((blur, noise, residues, sum(ours), sum(theirs)))
        print(
            f"{blur:8.1f}{noise:7.2f}{residues:10d}{sum(ours):8d}{sum(theirs):8d}",
            flush=True,
        )
    report.extra["wrong_pixels"] = rows
    report.add_goal(
        Goal("P6", "wrong pixels above scikit-image's", worst_excess, 0, at_least=False)
    )
    for title, wrapped in noisy_frames(n, quick).items():
        table = compare(
            f"P6 {title}, {count_residues(wrapped)} residues",
            {
                PEER: lambda w=wrapped: unwrap_phase(w),
                OURS: lambda w=wrapped: unwrap(w),
            },
            peer=PEER,
            budget_s=2 if quick else 6,
        )
        report.add_table(table)
        slowest = max(slowest, 1 / table.ratio(OURS))
    report.add_goal(
        Goal("P6", "time over scikit-image's, slowest", slowest, 1.1, at_least=False)
    )


def noisy_frames(n: int, quick: bool) -> dict[str, Frame]:
    """Return frames with residues, from a few to every third loop."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:n, :n]
    vortex = (x - 0.43 * n) + 1j * (y - 0.48 * n)
    speckle = [gaussian_filter(rng.normal(size=(n, n)), 4) for _ in range(2)]
    frames = {
        f"edge {blur:g} px, noise {noise:g}, {n}x{n}": hard_cells(n, blur, noise, 3)[1]
        for blur, noise in HARD_CASES[1:]
    }
    frames |= {
        f"one lone residue, {n}x{n}": np.angle(vortex).astype(np.float32),
        f"speckle, {n}x{n}": np.arctan2(*speckle).astype(np.float32),
        f"noise of 1 rad, {n}x{n}": wrap(rng.normal(0, 1, (n, n))),
        f"random phase, {n}x{n}": wrap(rng.uniform(-np.pi, np.pi, (n, n))),
    }
    if not quick:
        large = hard_cells(2448, 1.0, 0.5, 3)[1]
        frames["edge 1 px, noise 0.5, 2048x2448"] = np.ascontiguousarray(large[:2048])
    return frames


def main() -> int:
    arguments = parse_arguments(__doc__.splitlines()[0])
    warm()
    report = Report("phase unwrapping")
    measure_smooth(report, arguments.quick)
    measure_hard(report, arguments.quick)
    return report.finish(arguments.json)


if __name__ == "__main__":
    sys.exit(main())
