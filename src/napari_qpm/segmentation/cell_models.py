"""Installed models that find cells, and what each needs of a recording."""

from typing import TYPE_CHECKING, Any

from napari_qpm.acquisition import Acquisition, Modality
from napari_qpm.errors import ModalityError, UnknownNameError

if TYPE_CHECKING:
    from napari_qpm.runtime import Model, ModelSpec

__all__ = ["cell_models", "channels_of", "find_cell_model", "require_angles"]

KIND = "cells"
ANGLE = "angle "
HOW_TO_GET_MODELS = (
    "Install one with `napari-qpm models install FILE`, or make one with "
    "`napari-qpm train {recipe}`. Threshold and watershed needs none."
)


class CellModelMissingError(UnknownNameError):
    """No model that finds cells is installed."""

    def __init__(self, name: str):
        super().__init__("model", name, ())
        how = HOW_TO_GET_MODELS.format(recipe=name)
        self.args = (f"The model {name!r}, which finds cells, is not installed. {how}",)


def cell_models(needs_angles: bool) -> list["ModelSpec"]:
    """Return the specs of installed models that do, or do not, need the angles."""
    from napari_qpm.runtime import ModelStore

    specs: list[Any] = ModelStore().specs(kind=KIND)
    return [spec for spec in specs if _needs_angles(spec) is needs_angles]


def channels_of(spec: "ModelSpec") -> tuple[str, ...]:
    """Return what the channels of a model's input hold: ``"angle 45"``, ``"phase"``."""
    return tuple(str(name) for name in spec.preprocessing.get("channels", ("phase",)))


def _needs_angles(spec: "ModelSpec") -> bool:
    return any(name.startswith(ANGLE) for name in channels_of(spec))


def find_cell_model(name: str) -> "Model":
    """Return an installed model that finds cells.

    Raises
    ------
    UnknownNameError
        There is no such model; the message says how to get one.
    ModalityError
        The model gives something else.
    """
    from napari_qpm.runtime import ModelStore

    store = ModelStore()
    try:
        model = store.model(name)
    except UnknownNameError as error:
        known = [spec.name for spec in store.specs(kind=KIND)]
        if known:
            raise UnknownNameError("model that finds cells", name, known) from error
        raise CellModelMissingError(name) from error
    if model.spec.kind != KIND:
        raise ModalityError(
            f"The model {name!r} gives {model.spec.kind}, not cells. Choose another."
        )
    return model


def require_angles(spec: "ModelSpec", acquisition: Acquisition) -> None:
    """Raise if a model needs the polarization angles and a recording lacks them.

    Raises
    ------
    ModalityError
        The message names the model that needs phase only.
    """
    if not _needs_angles(spec):
        return
    if acquisition.modality is Modality.POLARIZATION:
        return
    what = acquisition.modality
    kind = "of an unknown kind" if what is None else f"a {what.value} recording"
    raise ModalityError(
        f"The model {spec.name!r} needs the images behind the four polarization "
        f"angles, and {acquisition.name!r} is {kind} that has none. Choose "
        "dm-qpmnet-phase, which needs phase only."
    )
