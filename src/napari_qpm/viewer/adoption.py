"""Recordings that another reader opened: an Image layer becomes an `Acquisition`.

Nothing of the layer is copied or changed; what its scale and units say is taken over.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_qpm.acquisition import Acquisition, ArraySource, Modality
from napari_qpm.errors import LayoutError, QPMError
from napari_qpm.provenance import Step
from napari_qpm.viewer.fields import FieldOfView, Role, unwrap

if TYPE_CHECKING:
    from napari.layers import Image

__all__ = ["adopt", "assume_layout", "examine"]

CHANNEL_LABELS = ("c", "channel", "channels")


def adopt(layer: "Image") -> FieldOfView:
    """Return the field of view of a layer that we did not make.

    Raises
    ------
    LayoutError
        The axes of the layer cannot be told apart.
    """
    layer = unwrap(layer)
    instrument = {
        "pixel_size_um": _length_in(layer, -1, "um"),
        "frame_interval_s": _length_in(layer, -3, "s") if layer.ndim >= 3 else None,
    }
    path = layer.source.path
    acquisition = Acquisition(
        path=Path(path) if isinstance(path, str | Path) else None,
        source=ArraySource(frames_of(layer)),
        name=layer.name,
        history=(Step("open", "napari layer", {"layer": layer.name}),),
    ).with_instrument(**{k: v for k, v in instrument.items() if v is not None})
    field = FieldOfView(acquisition, is_adopted=True)
    field.attach(Role.RECORDING, layer)
    return field


def examine(acquisition: Acquisition) -> Acquisition:
    """Return an adopted recording with its kind, and whatever its file states.

    Reads a frame, so it is called from a job.
    """
    from napari_qpm.io.arranging import collapse_grey
    from napari_qpm.io.bits import detect_bits
    from napari_qpm.io.detect import detect_modality

    notes: list[str] = []
    source, frame = collapse_grey(acquisition.source, acquisition.read(0), notes)
    acquisition = acquisition.replace(source=source)
    try:
        opened = _reopen(acquisition)
    except QPMError as error:
        opened = None
        acquisition = acquisition.with_note(f"Its sidecar file is not used: {error}")
    if opened is not None:
        return opened
    acquisition = acquisition.with_note(*notes)
    detection = detect_modality(frame)
    acquisition = acquisition.replace(modality=detection.modality)
    acquisition = acquisition.with_note(detection.reason)
    depth, shift, note = detect_bits(frame)
    if depth is not None:
        acquisition = acquisition.with_instrument(bit_depth=depth, bit_shift=shift)
    if note:
        acquisition = acquisition.with_note(note)
    return assume_layout(acquisition, detection.layout)


def _reopen(acquisition: Acquisition) -> Acquisition | None:
    """Return what our own reader makes of the layer's file, if it is the same.

    Raises
    ------
    QPMError
        There is a sidecar file, and it cannot be used.
    """
    from napari_qpm.io import open_acquisition
    from napari_qpm.io.sidecar import find_sidecar

    path = acquisition.path
    if path is None or not path.exists():
        return None
    known = acquisition.instrument.to_dict()
    try:
        opened = open_acquisition(path)
    except (QPMError, OSError):
        if find_sidecar(path) is not None:
            raise
        return None
    if opened.shape != acquisition.shape or opened.dtype != acquisition.dtype:
        return None
    missing = {k: v for k, v in known.items() if k in opened.missing()}
    return opened.replace(name=acquisition.name).with_instrument(**missing)


def assume_layout(
    acquisition: Acquisition, layout: tuple[int, int, int, int] | None = None
) -> Acquisition:
    """Return polarization data with an order of angles, said to be assumed."""
    from napari_qpm.io.detect import READY_LAYOUT, SONY_LAYOUT

    is_polarization = acquisition.modality is Modality.POLARIZATION
    if not is_polarization or acquisition.instrument.polarization_layout is not None:
        return acquisition
    if layout is None:
        layout = SONY_LAYOUT if acquisition.shape[1] == 1 else READY_LAYOUT
    return acquisition.with_instrument(polarization_layout=layout).with_note(
        f"The order of the polarizer angles is assumed: {layout} degrees."
    )


def frames_of(layer: "Image") -> Any:
    """Return the data of an Image layer as ``(T, C, Y, X)`` or fewer axes."""
    data = layer.data[0] if layer.multiscale else layer.data
    if layer.rgb:
        frames = data[..., :3]
        frames = frames[None] if frames.ndim == 3 else frames
        if frames.ndim == 4:
            return frames.transpose(0, 3, 1, 2)
    elif data.ndim in (2, 3):
        return data
    elif data.ndim == 4:
        labels = [str(label).lower() for label in layer.axis_labels]
        if labels[0] in CHANNEL_LABELS:
            return data.transpose(1, 0, 2, 3)
        if labels[1] in CHANNEL_LABELS:
            return data
    raise LayoutError(
        f"Layer {layer.name!r} has shape {tuple(data.shape)}, and its axes "
        f"{tuple(layer.axis_labels)} do not say which are time and channels. "
        "Open the file with Open… in the QPM dock, or name the axes t, c, y, x."
    )


def _length_in(layer: "Image", axis: int, unit: str) -> float | None:
    """Return the step along an axis in `unit`, or `None` when it is in pixels."""
    layer_unit = layer.units[axis]
    if not layer_unit.is_compatible_with(unit):
        return None
    step: float = (float(layer.scale[axis]) * layer_unit).to(unit).magnitude
    return step if step > 0 else None
