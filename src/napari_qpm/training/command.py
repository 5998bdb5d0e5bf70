"""Options of a training and what they do, for every command that trains."""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from napari_qpm.errors import ParameterError
from napari_qpm.jobs import CancelToken, ReportProgress
from napari_qpm.networks import ConnectionMask
from napari_qpm.training.devices import pick_device
from napari_qpm.training.recipes import RECIPES, make_recipe
from napari_qpm.training.trainer import TrainingResult, train

__all__ = ["make_parser", "result_values", "train_as_asked"]


def train_as_asked(
    options: argparse.Namespace,
    token: CancelToken,
    report: ReportProgress | None = None,
) -> TrainingResult:
    """Train as the options of `make_parser` say; raises what `train` raises."""
    settings = _settings(options)
    return train(
        make_recipe(options.recipe, settings),
        options.out,
        device=pick_device(options.device),
        seed=options.seed,
        resume=options.resume,
        time_budget_s=options.time_budget and 60 * options.time_budget,
        shortens_schedule="steps" not in settings,
        initial=options.initial,
        token=token,
        report=report,
    )


def result_values(result: TrainingResult) -> dict[str, Any]:
    """Return a result as plain values."""
    return dataclasses.asdict(result) | {"folder": str(result.folder)}


def make_parser(program: str) -> argparse.ArgumentParser:
    """Return the parser of the options.

    Parameters
    ----------
    program
        Name in its help.
    """
    parser = argparse.ArgumentParser(
        prog=program, description="Train a network on simulated recordings."
    )
    names = ", ".join(entry.name for entry in RECIPES)
    parser.add_argument("recipe", help=f"One of {names}.")
    parser.add_argument("--out", type=Path, required=True, help="Folder of the result.")
    parser.add_argument(
        "--time-budget",
        type=float,
        metavar="MIN",
        help="Minutes for this session. A fresh training fits its schedule into them, "
        "unless --set steps=N plans one of several sessions.",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda.")
    parser.add_argument("--seed", type=int, default=0, help="Of weights and samples.")
    parser.add_argument(
        "--resume", action="store_true", help="Go on from the folder's checkpoint."
    )
    parser.add_argument(
        "--mask", type=Path, help="mask.json of a search, for nas-prnet."
    )
    parser.add_argument(
        "--initial", type=Path, metavar="FILE", help="Weights to begin with."
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="Change a setting, for example shape=[128,128]; may be repeated.",
    )
    return parser


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    settings = dict(_setting(text) for text in options.set)
    if options.mask:
        settings["connections"] = [str(c) for c in ConnectionMask.load(options.mask)]
    return settings


def _setting(text: str) -> tuple[str, Any]:
    """Return name and value; what is not JSON is taken as a word."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ParameterError(f"--set takes NAME=VALUE, not {text!r}.")
    try:
        return name.strip(), json.loads(value)
    except json.JSONDecodeError:
        return name.strip(), value
