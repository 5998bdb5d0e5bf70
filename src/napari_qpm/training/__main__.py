"""``python -m napari_qpm.training RECIPE --out FOLDER``: train without the plugin.

Progress goes to the error stream; the last line of the output is the result as JSON.
"""

import argparse
import dataclasses
import json
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_qpm.errors import JobCancelled, ParameterError, QPMError
from napari_qpm.jobs import CancelToken
from napari_qpm.networks import ConnectionMask
from napari_qpm.training.devices import pick_device
from napari_qpm.training.recipes import RECIPES, make_recipe
from napari_qpm.training.trainer import train

__all__ = ["main"]

EXIT_ERROR, EXIT_CANCELLED = 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says, and return the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr
    )
    token = CancelToken()
    stops = (signal.SIGINT, signal.SIGTERM)
    earlier = [signal.signal(stop, lambda *_: token.cancel()) for stop in stops]
    try:
        settings = _settings(options)
        recipe = make_recipe(options.recipe, settings)
        result = train(
            recipe,
            options.out,
            device=pick_device(options.device),
            seed=options.seed,
            resume=options.resume,
            time_budget_s=options.time_budget and 60 * options.time_budget,
            shortens_schedule="steps" not in settings,
            initial=options.initial,
            token=token,
        )
    except JobCancelled:
        sys.stderr.write(f"Stopped. Go on with --resume --out {options.out}\n")
        return EXIT_CANCELLED
    except QPMError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_ERROR
    finally:
        for stop, handler in zip(stops, earlier, strict=True):
            signal.signal(stop, handler)
    values = dataclasses.asdict(result) | {"folder": str(result.folder)}
    sys.stdout.write(json.dumps(values) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m napari_qpm.training",
        description="Train a network on simulated recordings.",
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


if __name__ == "__main__":
    sys.exit(main())
