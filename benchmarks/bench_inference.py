"""Goals P9 to P12 and P15: networks on the processor, time and memory.

python benchmarks/bench_inference.py [--quick] [--json FILE] [--model FOLDER]
    [--mask FILE] [--only PART ...]

Without a trained model (shipped, or given with --model) an untrained one is measured:
time and memory do not depend on weights. What accuracy costs does, and is then not run.
"""

# ruff: noqa: I001 - the harness asks OpenMP to sleep before torch is loaded
import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _harness import Goal, Report, Timing, Table, compare, load_average
from _networks import (
    Image,
    eager,
    held_out,
    integer_runner,
    memory,
    n_parameters,
    psnr_db,
    subject,
    untrained,
)

import numpy as np
import torch

from napari_qpm.networks import ConnectionMask, network_cost
from napari_qpm.runtime import Model, Session, open_session, run_tiled
from napari_qpm.runtime.architectures import build_network
from napari_qpm.runtime.devices import n_threads
from napari_qpm.training import make_recipe

ONNX, EAGER = "ONNX Runtime f32", "torch eager, channels first"
TORCH, BRAIN, INTEGER = "torch channels last", "torch bf16", "ONNX Runtime int8"
UNET, OURS = "U-Net, 64 channels", "ours"
WHOLE = "whole frame"
WIDTH = 64
READY_S, FIRST_RATIO, TILED_RATIO = 0.5, 3.0, 1.3
MOST_LOSS_DB = 0.3
ROUNDS_READY = 5


def frames(n: int, side: int, channels: int) -> Image:
    random = np.random.default_rng(0)
    return random.normal(size=(n, channels, side, side)).astype(np.float32)


def add_work(
    report: Report, title: str, peer: str, candidates: dict[str, Callable[[], Any]]
) -> None:
    """Processor time of all threads: a witness that other programs hardly disturb."""
    spent = {}
    for name, run in candidates.items():
        run()
        began = time.process_time()
        run()
        spent[name] = 1e3 * (time.process_time() - began)
    report.extra.setdefault("processor_ms", {})[title] = spent
    print("processor time of all threads [ms], and how much more the peer takes:")
    for name, work in spent.items():
        print(f"{name:44s}{work:10.1f}{spent[peer] / work:10.2f}", flush=True)


def measure_runtimes(
    report: Report, model: Model, folder: Path, quick: bool, is_trained: bool
) -> None:
    """P9: ONNX Runtime over torch as it comes; P10: fewer bits, if they cost little."""
    side = 512 if quick else 1024
    inputs = frames(1, side, model.spec.in_channels)
    onnx = open_session(model, runtime="onnx", device="cpu")
    channels_last = open_session(model, runtime="torch", device="cpu", precision="f32")
    brain = open_session(model, runtime="torch", device="cpu", precision="bf16")
    samples = held_out(model, 2 if quick else 8) if is_trained else []
    calibration = [i for i, _ in samples] or [inputs[..., :256, :256]]
    integer = integer_runner(model, folder, calibration[:4])
    candidates: dict[str, Callable[[], Any]] = {
        EAGER: eager(build_network(model), inputs),
        TORCH: lambda: channels_last.run(inputs),
        BRAIN: lambda: brain.run(inputs),
        ONNX: lambda: onnx.run(inputs),
        INTEGER: lambda: integer(inputs),
    }
    title = f"P9 {model.spec.name}, {side}x{side}"
    budget = 6 if quick else 40
    table = report.add_table(compare(title, candidates, peer=EAGER, budget_s=budget))
    add_work(report, title, EAGER, candidates)
    report.add_goal(Goal("P9", "ONNX Runtime over torch eager", table.ratio(ONNX), 4))
    add_arithmetic(report, model, table, side)
    if not is_trained:
        print("P10: not run, the model is untrained", flush=True)
        return
    score = psnr_db(onnx.run, samples[2 if quick else 4 :] or samples)
    for name, run in ((BRAIN, brain.run), (INTEGER, integer)):
        loss = score - psnr_db(run, samples[2 if quick else 4 :] or samples)
        report.add_goal(
            Goal("P10", f"{name}: loss in dB", loss, MOST_LOSS_DB, at_least=False)
        )
        report.add_goal(Goal("P10", f"{name} over torch eager", table.ratio(name), 8))


def add_arithmetic(report: Report, model: Model, table: Table, side: int) -> None:
    """P9: how much of what matrix products reach in this process is used."""
    if model.spec.architecture != "nas-prnet":
        return
    names = model.spec.config.get("connections")
    mask = ConnectionMask.full() if names is None else ConnectionMask.of(*names)
    cost = network_cost(mask, (side, side), model.spec.in_channels)
    matrix = torch.randn(2048, 2048)
    seconds = []
    for _ in range(8):
        began = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - began)
    peak = 2 * 2048**3 / min(seconds)
    reached = 2 * cost.macs / (table.timings[ONNX].minimum / 1e3)
    report.extra["gflops"] = {"network": reached / 1e9, "sgemm": peak / 1e9}
    print(
        f"{cost.macs / 1e9:.2f} GMAC, {cost.params:,} parameters; "
        f"{reached / 1e9:.0f} of {peak / 1e9:.0f} GFLOP/s"
    )
    report.add_goal(Goal("P9", "share of the sgemm rate", reached / peak, 0.6))


def measure_unet(report: Report, model: Model, folder: Path, quick: bool) -> None:
    """P11: against the classic U-Net on the same runtime."""
    side = 512
    inputs = frames(1, side, model.spec.in_channels)
    config = {"in_channels": model.spec.in_channels, "width": WIDTH}
    unet = open_session(untrained(folder, "u-net", config), device="cpu")
    ours = open_session(model, device="cpu")
    candidates: dict[str, Callable[[], Any]] = {
        UNET: lambda: unet.run(inputs),
        OURS: lambda: ours.run(inputs),
    }
    title = f"P11 ONNX Runtime f32, {side}x{side}"
    budget = 5 if quick else 20
    table = report.add_table(compare(title, candidates, peer=UNET, budget_s=budget))
    add_work(report, title, UNET, candidates)
    report.add_goal(Goal("P11", "over the full-width U-Net", table.ratio(OURS), 30))
    report.extra["unet_parameters"] = n_parameters(unet.model)


def measure_start(report: Report, model: Model, quick: bool) -> None:
    """P12: from a click to the first phase."""
    side = 512 if quick else 1024
    inputs = frames(1, side, model.spec.in_channels)
    ready, first, steady, work = [], [], [], []
    for _ in range(ROUNDS_READY):
        began, worked = time.perf_counter(), time.process_time()
        session = open_session(model, runtime="onnx", device="cpu")
        ready.append(1e3 * (time.perf_counter() - began))
        work.append(1e3 * (time.process_time() - worked))
        for times in (first, steady, steady):
            began = time.perf_counter()
            session.run(inputs)
            times.append(1e3 * (time.perf_counter() - began))
    timings = {
        name: Timing(float(np.median(t)), min(t), max(t), len(t))
        for name, t in (("ready", ready), ("first run", first), ("steady", steady))
    }
    title = f"P12 start, {side}x{side}, packages imported"
    table = report.add_table(Table(title, "steady", timings, load_average()))
    report.extra["ready_processor_ms"] = min(work)
    print(f"processor time until ready: {min(work):.0f} ms", flush=True)
    kind = "minimum" if table.is_busy else "median"
    seconds = getattr(timings["ready"], kind) / 1e3
    report.add_goal(Goal("P12", "session ready [s]", seconds, READY_S, at_least=False))
    ratio = 1 / table.ratio("first run")
    report.add_goal(
        Goal("P12", "first run over steady", ratio, FIRST_RATIO, at_least=False)
    )


def measure_tiles(report: Report, model: Model, quick: bool, is_trained: bool) -> None:
    """P15: tiles against the whole frame, in time and in what they say."""
    session = open_session(model, device="cpu")
    overlaps = {1024: 128} if quick else {1024: 128, 2048: 256}
    for side, overlap in overlaps.items():
        inputs = frames(1, side, model.spec.in_channels)
        settings = {"tile_px": (side + overlap) // 2, "overlap_px": overlap}
        tiled = f"2 x 2 tiles, {overlap} px overlap"
        table = compare(
            f"P15 {side}x{side}",
            {
                WHOLE: lambda i=inputs: session.run(i),
                tiled: lambda i=inputs, s=settings: run_tiled(
                    session, i, match_piston=True, **s
                ),
            },
            peer=WHOLE,
            budget_s=4 if quick else 15,
        )
        report.add_table(table)
        cost = 1 / table.ratio(tiled)
        report.add_goal(
            Goal("P15", f"tiled over whole, {side}", cost, TILED_RATIO, at_least=False)
        )
        if is_trained:
            compare_tiles(report, session, side, settings)


def compare_tiles(
    report: Report, session: Session, side: int, settings: dict[str, int]
) -> None:
    """P15: tiled minus whole, against the network's own error."""
    spec = session.model.spec
    domain = dict(spec.training.get("config", {}).get("domain", {}))
    recipe = make_recipe("nas-prnet", domain | {"shape": [side, side]})
    batch = recipe.make_stream(424_242, torch.device("cpu"), 2).batch(0)
    inputs, target = batch.inputs.numpy(), batch.target.numpy()
    whole = run_tiled(session, inputs)
    tiled = run_tiled(session, inputs, match_piston=True, **settings)
    apart = tiled - whole
    apart -= np.median(apart, axis=(2, 3), keepdims=True)
    own_rad, apart_rad = (
        spec.output_scale * float(np.sqrt((error**2).mean()))
        for error in (whole - target, apart)
    )
    report.extra[f"tiles {side}"] = {"own_rad": own_rad, "apart_rad": apart_rad}
    print(f"own error {own_rad:.3f} rad, tiled minus whole {apart_rad:.3f} rad")
    share = apart_rad / own_rad
    what = f"tiled minus whole over own error, {side}"
    report.add_goal(Goal("P15", what, share, 0.1, at_least=False))


def measure_scaling(report: Report, model: Model, quick: bool) -> None:
    """Frames at once, and sides of tiles: ms per frame or per million pixels."""
    session = open_session(model, device="cpu")
    channels = model.spec.in_channels
    many = {
        f"{n} at once, {256}x{256}": (frames(n, 256, channels), n) for n in (1, 2, 4, 8)
    }
    many |= {
        f"1 of {side}x{side}": (frames(1, side, channels), side**2 / 1e6)
        for side in ((256, 512) if quick else (256, 512, 1024, 2048))
    }
    timings = {}
    for name, (inputs, share) in many.items():
        session.run(inputs)
        spent = []
        for _ in range(3 if quick else 5):
            began = time.perf_counter()
            session.run(inputs)
            spent.append(1e3 * (time.perf_counter() - began) / share)
        timings[name] = Timing(
            float(np.median(spent)), min(spent), max(spent), len(spent)
        )
    title = "scaling: ms per frame at once, ms per Mpx of one frame"
    report.add_table(Table(title, next(iter(timings)), timings, load_average()))


def measure_memory(report: Report, models: list[Model], quick: bool) -> None:
    """Peak of the resident memory over what the session says before."""
    if sys.platform != "linux":
        print("memory: not run, only Linux tells the peak of one run")
        return
    rows = []
    for model in models:
        for runtime in ("onnx", "torch"):
            for side in (512,) if quick else (512, 1024):
                growth, estimate, total = memory(model, runtime, side)
                rows.append((model.spec.name, runtime, side, growth, estimate, total))
                print(
                    f"{model.spec.name:24s}{runtime:8s}{side:6d} px "
                    f"growth {growth / 1e6:8.0f} MB ({growth / side**2:6.0f} B/px), "
                    f"estimate {estimate / 1e6:8.0f} MB, process {total / 1e6:8.0f} MB",
                    flush=True,
                )
    report.extra["memory"] = rows
    shares = [growth / estimate for *_, growth, estimate, _ in rows]
    report.add_goal(
        Goal("memory", "need over estimate, worst", max(shares), 1.2, at_least=False)
    )


PARTS = ("runtimes", "unet", "start", "tiles", "scaling", "memory")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smaller, fewer rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--model", type=Path, help="folder of a trained model")
    parser.add_argument("--mask", type=Path, help="mask.json for the untrained model")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    return parser.parse_args()


def main() -> int:
    options = arguments()
    torch.set_num_threads(n_threads())
    report = Report("inference")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model, is_trained = subject(folder, options.model, options.mask)
        quick = options.quick
        report.extra["model"] = {"name": model.spec.name, "is_trained": is_trained}
        print(f"{model.spec.name}, trained: {is_trained}, {n_threads()} threads")
        if "runtimes" in options.only:
            measure_runtimes(report, model, folder, quick, is_trained)
        if "unet" in options.only:
            measure_unet(report, model, folder, quick)
        if "start" in options.only:
            measure_start(report, model, quick)
        if "tiles" in options.only:
            measure_tiles(report, model, quick, is_trained)
        if "scaling" in options.only:
            measure_scaling(report, model, quick)
        if "memory" in options.only:
            measure_memory(report, [model], quick)
        return report.finish(options.json)


if __name__ == "__main__":
    sys.exit(main())
