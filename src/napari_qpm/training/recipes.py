"""Recipes by name, and their settings from plain values."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from napari_qpm.errors import ParameterError, UnknownNameError
from napari_qpm.registry import Entry, Registry

__all__ = ["RECIPES", "make_recipe", "with_settings"]

RECIPES = Registry(
    "recipe",
    Entry(
        "nas-prnet",
        "NAS-PRNet",
        "napari_qpm.training.phase_recipes:NasPRNetRecipe",
        "off-axis",
        "Phase from one off-axis interferogram.",
    ),
    Entry(
        "nas-prnet-search",
        "Search for NAS-PRNet",
        "napari_qpm.training.phase_recipes:NasPRNetSearchRecipe",
        "off-axis",
        "Find the connections of NAS-PRNet.",
    ),
    Entry(
        "dm-qpmnet",
        "DM-QPMNet",
        "napari_qpm.training.segmentation_recipes:DMQPMNetRecipe",
        "polarization",
        "Cells from four polarization angles and their phase.",
    ),
    Entry(
        "dm-qpmnet-phase",
        "DM-QPMNet for phase alone",
        "napari_qpm.training.segmentation_recipes:DMQPMNetPhaseRecipe",
        "",
        "Cells from phase, of any microscope.",
    ),
)


def make_recipe(name: str, settings: Mapping[str, Any] | None = None) -> Any:
    """Return a recipe with some of its settings changed.

    Parameters
    ----------
    name
        Key of `RECIPES`.
    settings
        Fields of the recipe or of what it holds, such as ``{"batch_size": 8,
        "visibility": (0.5, 1)}``: no name occurs twice.

    Raises
    ------
    UnknownNameError
        There is no such recipe or setting.
    ParameterError
        A value does not fit.
    """
    return with_settings(RECIPES[name].load()(), dict(settings or {}))


def with_settings(config: Any, values: Mapping[str, Any]) -> Any:
    """Return a config with new values in it and in the configs that it holds.

    Raises
    ------
    UnknownNameError
        There is no such setting.
    ParameterError
        A value does not fit.
    """
    groups: dict[str, dict[str, Any]] = {}
    known = _fields(config)
    for name, value in values.items():
        if name not in known:
            raise UnknownNameError("setting", name, known)
        groups.setdefault(known[name], {})[name] = value
    try:
        own = groups.pop("", {})
        for holder, inner in groups.items():
            part = getattr(config, holder)
            own[holder] = dataclasses.replace(part, **_typed(part, inner))
        return dataclasses.replace(config, **_typed(config, own))
    except (TypeError, ValueError) as error:
        raise ParameterError(f"Cannot use these settings: {error}.") from error


def _fields(config: Any) -> dict[str, str]:
    """Return each setting and the field that holds it, empty for the config itself."""
    found: dict[str, str] = {}
    for own in dataclasses.fields(config):
        value = getattr(config, own.name)
        if dataclasses.is_dataclass(value):
            found |= {inner.name: own.name for inner in dataclasses.fields(value)}
        else:
            found[own.name] = ""
    return found


def _typed(config: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Return values in the types of those they replace; lists become tuples."""
    typed = {}
    for name, value in values.items():
        present = getattr(config, name)
        if isinstance(value, list):
            value = tuple(value)
        if isinstance(present, tuple) and not isinstance(value, tuple):
            raise ParameterError(f"{name} is a list like {list(present)}.")
        if type(present) in (int, float):
            value = type(present)(value)
        typed[name] = value
    return typed
