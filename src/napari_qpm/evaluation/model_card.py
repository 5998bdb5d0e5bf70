"""The model card: one page made of what was measured, so that no number is typed."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_qpm.errors import OutputError
from napari_qpm.evaluation.rows import Evaluation, Row
from napari_qpm.runtime import Model, ModelSpec
from napari_qpm.runtime.store import CARD_FILE, SPEC_FILE

__all__ = ["card", "record"]

USE = """```python
import napari_qpm as qpm

phase = qpm.retrieve(qpm.open("hologram.tif"), "nas-prnet", model="{name}")
```

In napari: open a hologram, choose *{engine}* under *Phase*. On the command line:
`napari-qpm retrieve hologram.tif --engine nas-prnet --set model={name} -o results`."""
LIMITS = """- It answers with 0 to {range_rad:g} rad. Phase above that is cut off; the
  engine warns, and the residual check turns bad.
- A camera sees neither whole turns nor the sign of the phase: the sign is a fact of the
  instrument (`phase_sign`).
- It has seen simulated cells only. On your recording the checks of the dock tell
  whether its phase explains the camera's frame; compare with Fourier demodulation, and
  adapt the model to your microscope if it does not."""


USE_OF_CELLS = """```python
import napari_qpm as qpm

phase = qpm.retrieve(qpm.open("recording.tif"))
labels = qpm.segment(phase, engine="{engine}", model="{name}")
```

In napari: choose *{title}* under *Cells*. It needs {needs}."""
LIMITS_OF_CELLS = """- It has learned from simulated cells{real}. On others, look at
  its outlines beside those of *Threshold and watershed*, and correct what is wrong.
- Cells far smaller than those above are not found; larger ones are made smaller
  first."""


def card(
    spec: ModelSpec,
    evaluation: Evaluation,
    real: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return the model card as Markdown.

    Parameters
    ----------
    spec
        Of the model.
    evaluation
        On the held-out set; its first row is the model's.
    real
        What `real_holograms.compare_recording` found, as dictionaries.
    """
    if spec.kind == "cells":
        return _card_of_cells(spec, evaluation)
    row = evaluation.rows[0]
    parts = [
        f"# {spec.title}",
        _summary(spec, row),
        "## Use",
        USE.format(name=spec.name, engine="NAS-PRNet (learned)"),
        "## Made for",
        _table(("", "range"), _ranges(spec.valid)),
        "## Held-out set",
        _data(spec, evaluation),
        evaluation.table(),
        "Where the numbers come from:",
        "\n".join(f"- {one.method}: {one.source}" for one in evaluation.rows),
        *_remarks(evaluation),
        "## By microscope",
        _by_microscope(evaluation.rows),
        *(["## Real holograms", _real(real)] if real else []),
        "## Limits",
        LIMITS.format(range_rad=spec.output_scale),
        *_origin(spec, evaluation),
    ]
    return "\n\n".join(parts) + "\n"


def _card_of_cells(spec: ModelSpec, evaluation: Evaluation) -> str:
    """Return the card of a model that finds cells."""
    row = evaluation.rows[0]
    channels = list(spec.preprocessing.get("channels", ["phase"]))
    sees_phase_only = channels == ["phase"]
    real = spec.training.get("config", {}).get("domain", {}).get("real_maps")
    size = f"{row.params:,} parameters" if row.params else "a network"
    macs = f", {row.macs / 1e9:.1f} G multiply-accumulates" if row.macs else ""
    summary = (
        f"Cells from {', '.join(channels)}: {spec.architecture}, {size}{macs} for "
        "1024 x 1024."
    )
    source = (
        f" and from five images of the public set {real} (real A2780 cells, outlines "
        "drawn by hand, BSD-3-Clause)"
    )
    parts = [
        f"# {spec.title}",
        summary,
        "## Use",
        USE_OF_CELLS.format(
            engine="dm-qpmnet-phase" if sees_phase_only else "dm-qpmnet",
            name=spec.name,
            title="DM-QPMNet, phase only (learned)"
            if sees_phase_only
            else "DM-QPMNet (learned)",
            needs="phase of any microscope"
            if sees_phase_only
            else "a recording of a polarization camera and its phase",
        ),
        "## Made for",
        _table(("", "range"), _ranges(spec.valid)),
        "## Held-out set",
        f"{evaluation.data[0].upper()}{evaluation.data[1:]}.",
        evaluation.table(),
        "Where the numbers come from:",
        "\n".join(f"- {one.method}: {one.source}" for one in evaluation.rows),
        *_remarks(evaluation),
        "## Limits",
        LIMITS_OF_CELLS.format(real=source if real else ""),
        *_origin(spec, evaluation),
    ]
    return "\n\n".join(parts) + "\n"


def _origin(spec: ModelSpec, evaluation: Evaluation) -> list[str]:
    """Return how the weights were made, and which they are."""
    return [
        "## Training",
        _table(("", ""), _facts(spec.training)),
        "## Provenance",
        _table(
            ("", ""),
            {
                "weights (sha256)": f"`{spec.sha256}`",
                "made": spec.created,
                "adapted from": spec.base or "-",
                "evaluated at revision": evaluation.facts.get("revision") or "-",
                "licence": spec.licence,
            },
        ),
    ]


def record(
    model: Model, evaluation: Evaluation, real: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Write the scores into a model's ``model.json``, and its card beside it.

    Raises
    ------
    OutputError
        The model's folder cannot be written.
    """
    row = evaluation.rows[0]
    metrics = {**row.metrics, "n": row.n, "data": evaluation.data}
    if "validation" in model.spec.metrics:
        metrics["validation"] = model.spec.metrics["validation"]
    spec = dataclasses.replace(model.spec, metrics=metrics)
    try:
        for name, write in (
            (SPEC_FILE, spec.dump),
            (CARD_FILE, lambda path: _write(path, card(spec, evaluation, real))),
        ):
            part = model.folder / f".{name}.part"
            write(part)
            os.replace(part, model.folder / name)
    except OSError as error:
        raise OutputError(f"{model.folder} cannot be written: {error}.") from error


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")


def _summary(spec: ModelSpec, row: Row) -> str:
    size = f"{row.params:,} parameters" if row.params else "a network"
    macs = f", {row.macs / 1e9:.1f} G multiply-accumulates" if row.macs else ""
    connections = spec.config.get("connections")
    derived = (
        f" Of the 100 connections of super-PRNet it has the {len(connections)} that a "
        "search kept."
        if connections
        else ""
    )
    return (
        f"Phase [rad] from one {spec.modality or 'raw'} frame: {spec.architecture}, "
        f"{size}{macs} for 1024 x 1024.{derived} Input: "
        f"{spec.preprocessing.get('input', 'raw')} channels."
    )


def _ranges(valid: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for name, value in valid.items():
        is_range = isinstance(value, list | tuple) and len(value) == 2
        found[name] = f"{value[0]:g} to {value[1]:g}" if is_range else str(value)
    return found or {"not stated": ""}


def _facts(training: Mapping[str, Any]) -> dict[str, str]:
    """Return what is short enough for a table; the rest is in ``model.json``."""
    return {
        name: f"{value:,.4g}" if isinstance(value, float) else str(value)
        for name, value in training.items()
        if isinstance(value, str | int | float) and not isinstance(value, bool)
    } or {"not stated": ""}


def _remarks(evaluation: Evaluation) -> list[str]:
    remarks = evaluation.facts.get("remarks", ())
    return ["\n".join(f"- {remark}" for remark in remarks)] if remarks else []


def _by_microscope(rows: Sequence[Row]) -> str:
    """Return the rms error of each method on each microscope of the set."""
    shown = [row for row in rows if row.groups]
    head = ["rms [rad]", *(row.method for row in shown)]
    lines = [_line(head), _line(["---", *["---:"] * len(shown)])]
    for name in shown[0].groups if shown else ():
        scores = [f"{row.groups[name]['rms_rad']:.3f}" for row in shown]
        lines.append(_line([name, *scores]))
    return "\n".join(lines)


def _real(found: Sequence[Mapping[str, Any]]) -> str:
    head = ("recording", "model", "correlation", "rms inside cells [rad]", "residual")
    lines = [
        "Against the classical phase with a fitted background, which is no truth.",
        "",
        _line(head),
        _line(["---", "---", *["---:"] * 3]),
    ]
    for one in found:
        numbers = [
            "" if one[key] is None else f"{one[key]:.2f}"
            for key in ("correlation", "inside_rms_rad", "residual")
        ]
        lines.append(_line([one["recording"], one["model"], *numbers]))
    return "\n".join(lines)


def _data(spec: ModelSpec, evaluation: Evaluation) -> str:
    data = evaluation.data
    return (
        f"{data[0].upper()}{data[1:]}. Scores are of the map from 0 to 1, where 1 is "
        f"{spec.output_scale:g} rad; nothing is fitted or removed first."
    )


def _table(head: Sequence[str], values: Mapping[str, str]) -> str:
    rows = [_line([name, value]) for name, value in values.items()]
    return "\n".join([_line(head), _line(["---"] * len(head)), *rows])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
