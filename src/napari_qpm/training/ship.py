"""From the folder of a training to the folder of a model."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_qpm.errors import FileFormatError
from napari_qpm.networks import input_channels
from napari_qpm.runtime import Model
from napari_qpm.runtime.architectures import make_network
from napari_qpm.runtime.export import save_model
from napari_qpm.training.checkpoint import load_state, load_weights
from napari_qpm.training.trainer import BEST, CHECKPOINT, SUMMARY

__all__ = ["export_training"]

SEARCH = "nas-prnet-search"
VALID_RANGES = ("period_px", "phase_rad", "size_px", "visibility", "background_rad")
TILE = {"multiple": 32, "tile_px": 2048, "overlap_px": 256}
"""Large, as a network knows the level of a phase from all that it sees."""
WITH_WIDTH = ("u-net", "sparse-mask")
CELLS = ("dm-qpmnet", "dm-qpmnet-phase")
"""Recipes of networks that find cells."""
CELL_RANGES = ("size_px",)
LARGER_TILES = 4
"""Sides of tiles over those of the samples, for networks without attention."""


def export_training(
    training_folder: Path | str,
    folder: Path | str,
    *,
    name: str,
    title: str | None = None,
    metrics: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    half_graph: bool = True,
    graph_of: Model | None = None,
) -> Model:
    """Write the best weights of a training as a model, and return it.

    Parameters
    ----------
    training_folder
        Of `train`; a training that still runs gives its best weights so far.
    folder
        Of the model.
    name, title
        Of the model; title None = its name.
    metrics
        Held-out scores; those of the validation are there anyway.
    overwrite
        Replace an earlier model in this folder.
    half_graph
        Whether to write the graph in half precision for graphics cards, too.
    graph_of
        Model of the same network whose graph is taken over, which saves minutes.

    Raises
    ------
    FileFormatError
        The folder holds no training.
    OutputError
        The model cannot be written.
    """
    training_folder = Path(training_folder)
    record = _record(training_folder)
    config = record["config"]
    described = (_cells if config["recipe"] in CELLS else _phase)(config)
    network = make_network(described["architecture"], described["config"])
    load_weights(training_folder / BEST, network)
    fields = {
        **described,
        "name": name,
        "title": title or name,
        "training": _history(record),
        "metrics": {"validation": record["best"]["scores"], **(metrics or {})},
    }
    return save_model(
        folder,
        fields,
        network,
        graph_of=graph_of,
        overwrite=overwrite,
        half_graph=half_graph,
    )


def _record(folder: Path) -> dict[str, Any]:
    """Return the summary of a training, or as much of it as its checkpoint knows."""
    if (folder / SUMMARY).is_file():
        try:
            summary: dict[str, Any] = json.loads((folder / SUMMARY).read_text("utf-8"))
        except ValueError as error:
            raise FileFormatError(f"{folder / SUMMARY} is damaged: {error}") from error
        return summary
    if not (folder / CHECKPOINT).is_file():
        raise FileFormatError(
            f"{folder} holds no training: neither {SUMMARY} nor {CHECKPOINT} is there."
        )
    state = load_state(folder / CHECKPOINT)
    config = json.loads(state["identity"])
    return {
        "config": config,
        "steps": state["step"],
        "samples": state["step"] * config["trainer"]["batch_size"],
        "seconds": state["seconds"],
        "best": state["best"],
        "stopped": "still running when exported",
    }


def _phase(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a network that turns holograms into phase."""
    architecture, network_config = _network_of(config)
    domain = config["domain"]
    return {
        "kind": "phase",
        "architecture": architecture,
        "modality": "off-axis",
        "config": network_config,
        "preprocessing": {"input": domain["input"]},
        "valid": {key: domain[key] for key in VALID_RANGES if key in domain},
        "tile": TILE,
    }


def _cells(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a network that finds cells.

    Where there is attention, tiles are as large as the samples were, because what it
    makes of an image depends on its size. Others see more at once: instance norms
    raise the noise of a tile without cells until it looks like some.
    """
    domain = config["domain"]
    names = ("inputs", "width", "fusion", "fusion_stage", "drop_angle", "has_instances")
    channels = input_channels(config["inputs"], config["drop_angle"])
    side = min(domain["shape"])
    has_attention = config["inputs"] == "dual" and config["fusion"] == "attention"
    tile_px = side if has_attention else LARGER_TILES * side
    return {
        "kind": "cells",
        "architecture": "dm-qpmnet",
        "modality": "" if channels == ("phase",) else "polarization",
        "config": {
            "in_channels": len(channels),
            **{name: config[name] for name in names},
        },
        "preprocessing": {"input": ", ".join(channels), "channels": list(channels)},
        "valid": {key: domain[key] for key in CELL_RANGES},
        "tile": {
            "multiple": 32,
            "tile_px": tile_px,
            "overlap_px": side // 2,
            "fixed": has_attention,
        },
    }


def _network_of(config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return architecture and configuration of what a recipe trained."""
    domain = config["domain"]
    found: dict[str, Any] = {
        "in_channels": 3 if domain["input"] == "heterodyne" else 1,
        "range_rad": domain["range_rad"],
    }
    if config["recipe"] == SEARCH:
        return "super-prnet", found
    architecture = str(config["network"])
    if config.get("connections") is not None:
        found["connections"] = list(config["connections"])
    if architecture in WITH_WIDTH:
        found["width"] = config["width"]
    return architecture, found


def _history(record: Mapping[str, Any]) -> dict[str, Any]:
    config, origin = record["config"], record.get("origin", {})
    return {
        "recipe": config["recipe"],
        "seed": config["seed"],
        "steps": record["steps"],
        "best_step": record["best"]["step"],
        "samples": record["samples"],
        "minutes": round(record["seconds"] / 60, 1),
        "stopped": record["stopped"],
        "device": origin.get("device"),
        "revision": origin.get("git_revision"),
        "versions": origin.get("versions"),
        "config": config,
        "earlier": record.get("earlier", []),
    }
