"""Figures and tables of docs/nas-prnet.md: the network on real and simulated holograms.

    napari-qpm evaluate nas-prnet --json > evaluation.json
    python docs/make_phase_figures.py RECORDINGS --evaluation evaluation.json

RECORDINGS is the folder of the shared recordings; nothing of it is stored here but what
the figures show. A model that was adapted to a recording is shown beside the one it
came from: by its name, such as nas-prnet-hl60, or with --adapted hl60=NAME.
"""

import argparse
import io
import json
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import napari_qpm as qpm
from napari_qpm.evaluation.phase_methods import EngineMethod
from napari_qpm.evaluation.phase_set import make_frame
from napari_qpm.evaluation.real_holograms import compare_recording, real_table
from napari_qpm.evaluation.rows import Evaluation
from napari_qpm.jobs import CancelToken
from napari_qpm.networks import ConnectionMask
from napari_qpm.networks.connections import STAGES, STRIDES, every_connection
from napari_qpm.runtime import ModelStore

HOLOGRAMS = {
    "hl60": ("HL60 cell, with reference", "oah-hl60-reference/hologram_cell.npz"),
    "red-cells": ("Red blood cells", "oah-rbc-nontelecentric/RBCnotele50x.tiff"),
    "glioblastoma": ("Glioblastoma", "oah-glioblastoma/Glioblastoma.jpg"),
    "star-target": ("Phase star target", "oah-star-target/star-target.png"),
}
SET_FRAMES = (0, 1, 4, 7)
PAGE = Path(__file__).with_name("nas-prnet.md")
DIFFERENCE_RAD = 1.0


def show(axes, image, title, colours="viridis", low=None, high=None):
    """Draw one panel with its colour bar."""
    drawn = axes.imshow(
        image, interpolation="nearest", cmap=colours, vmin=low, vmax=high
    )
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()
    if colours != "gray":
        axes.figure.colorbar(drawn, ax=axes, shrink=0.75)


def save(figure, target):
    """Write a figure as a PNG of 128 colours."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=75)
    plt.close(figure)
    picture = Image.open(buffer).convert("RGB")
    picture.quantize(128, dither=Image.Dither.NONE).save(target, optimize=True)


def draw_real(title, found, target):
    """Hologram, classical phase, and each model's phase and difference from it."""
    rows = len(found)
    figure, axes = plt.subplots(
        rows, 4, figsize=(15, 3.6 * rows), layout="constrained", squeeze=False
    )
    for line, one in zip(axes, found, strict=True):
        raw = one.classical.acquisition.read(0)[0]
        classical = one.classical.read(0)
        low, high = np.nanpercentile(classical, (1, 99.8))
        side = min(raw.shape) // 6
        show(line[0], raw[:side, :side], f"{title}\nraw, a corner", "gray")
        kept = f"residual {one.classical_residual:.2f}"
        show(line[1], classical, f"classical [rad], {kept}", low=low, high=high)
        kept = f"residual {one.residual:.2f}"
        show(
            line[2],
            one.network.read(0),
            f"{one.model} [rad], {kept}",
            low=low,
            high=high,
        )
        agreement = one.agreement
        show(
            line[3],
            agreement.difference,
            f"difference [rad]: {agreement.inside_rms_rad:.2f} rms inside cells, "
            f"r {agreement.correlation:.2f}",
            "coolwarm",
            -DIFFERENCE_RAD,
            DIFFERENCE_RAD,
        )
    save(figure, target)


def draw_set(model, target):
    """Some frames of the held-out set: hologram, truth, and three answers."""
    engine = {"model": model, "scale": 1}
    methods = {
        "classical, no calibration frame": EngineMethod("fourier", {"grid": "full"}),
        "network alone": EngineMethod("nas-prnet", engine | {"sharpened": False}),
        "sharpened by the fringes": EngineMethod("nas-prnet", engine),
    }
    figure, axes = plt.subplots(
        len(SET_FRAMES), 5, figsize=(17.5, 3.2 * len(SET_FRAMES)), layout="constrained"
    )
    for line, number in zip(axes, SET_FRAMES, strict=True):
        frame = make_frame(number)
        high = float(frame.phase.max())
        corner = frame.counts[:96, :96]
        show(line[0], corner, f"{frame.instrument.name}\nraw, a corner", "gray")
        show(line[1], frame.phase, "truth [rad]", low=0, high=high)
        for panel, (name, method) in zip(line[2:], methods.items(), strict=True):
            answer = method(frame, CancelToken())
            rms = np.sqrt(np.nanmean((answer - frame.phase) ** 2))
            show(panel, answer, f"{name}, rms {rms:.2f} rad", low=0, high=high)
    save(figure, target)


def draw_mask(mask, target):
    """Encoder on the left, decoder on the right, the kept connections between."""
    kept = {str(connection) for connection in mask}
    place = {f"E{level}": (0.0, -level) for level in STAGES}
    place |= {f"D{level}": (2.0, -level) for level in STAGES}
    place["G"] = (0.0, -9)
    figure, axes = plt.subplots(figsize=(8, 7), layout="constrained")
    for connection in every_connection():
        start, end = place[connection.source], place[f"D{connection.stage}"]
        is_kept = str(connection) in kept
        if connection.source[0] == "D":
            bend = 0.25 * abs(start[1] - end[1]) ** 0.5
            style = f"arc3,rad={bend:.2f}"
        else:
            style = "arc3,rad=0"
        axes.annotate(
            "",
            end,
            start,
            arrowprops={
                "arrowstyle": "-|>" if is_kept else "-",
                "connectionstyle": style,
                "color": _colour(connection.source) if is_kept else "0.9",
                "linewidth": 1.4 if is_kept else 0.6,
                "shrinkA": 14,
                "shrinkB": 14,
                "zorder": 2 if is_kept else 1,
            },
        )
    alive = {connection.source for connection in mask} | {
        f"D{stage}" for stage in mask.stages
    }
    alive |= {"E8"} if "G" in alive else set()
    for name, (x, y) in place.items():
        stride = "pooled" if name == "G" else f"1/{STRIDES[int(name[1:]) - 1]}"
        axes.text(
            x,
            y,
            f"{name}\n{stride}",
            ha="center",
            va="center",
            fontsize=8,
            color="black" if name in alive else "0.6",
            bbox={"boxstyle": "round", "fc": "white", "ec": _colour(name), "lw": 1.2},
            zorder=3,
        )
    axes.set_title(
        f"{len(mask)} of 100 connections: encoder (left, blue), pooled (green), "
        "decoder (right, orange)",
        fontsize=10,
    )
    axes.set_xlim(-0.3, 2.9)
    axes.set_ylim(-9.7, -0.3)
    axes.set_axis_off()
    save(figure, target)


def _colour(name):
    return {"E": "tab:blue", "G": "tab:green", "D": "tab:orange"}[name[0]]


def draw_real_holograms(folder, output, model, adapted):
    """Return what was found on each recording; a figure of each is drawn.

    Every model answers alone, and the last one as its engine works: sharpened.
    """
    installed = ModelStore().names(kind="phase")
    rows = []
    for key, (title, name) in HOLOGRAMS.items():
        own = adapted.get(key, f"{model}-{key}")
        models = [model, *([own] if own in installed else [])]
        recording = qpm.open(folder / name)
        found = compare_recording(recording, models)
        sharp = compare_recording(recording, models, sharpened=True)
        draw_real(title, [*found, sharp[-1]], output / f"nas-prnet-{key}.png")
        for one in (*found, *sharp):
            kind = "adapted" if one.model == own else "zero-shot"
            kind += ", sharpened" if one in sharp else ", alone"
            rows.append(one.to_dict() | {"recording": title, "model": kind})
    return rows


def write_section(name, text):
    """Replace what stands between two marks of the page."""
    page = PAGE.read_text("utf-8")
    first, last = f"<!-- {name}: made by a script -->", f"<!-- end of {name} -->"
    before, _, rest = page.partition(first)
    _, _, after = rest.partition(last)
    PAGE.write_text(f"{before}{first}\n\n{text}\n\n{last}{after}", "utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/images"))
    parser.add_argument("--model", default="nas-prnet")
    parser.add_argument("--adapted", action="append", default=[], metavar="KEY=MODEL")
    parser.add_argument("--evaluation", type=Path, help="JSON of napari-qpm evaluate.")
    parser.add_argument("--json", type=Path, help="Where the comparisons go.")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    adapted = dict(pair.split("=", 1) for pair in arguments.adapted)
    connections = ModelStore().model(arguments.model).spec.config.get("connections")
    if connections:
        mask = ConnectionMask.of(*connections)
        draw_mask(mask, arguments.output / "nas-prnet-connections.png")
    draw_set(arguments.model, arguments.output / "nas-prnet-held-out.png")
    rows = draw_real_holograms(
        arguments.recordings, arguments.output, arguments.model, adapted
    )
    write_section("real holograms", real_table(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    if arguments.evaluation:
        lines = arguments.evaluation.read_text("utf-8").splitlines()
        found = Evaluation.from_dict(json.loads(lines[-1]))
        write_section("held-out set", found.table())


if __name__ == "__main__":
    main()
