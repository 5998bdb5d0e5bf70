"""Frames and channels of a file in the order that their kind of recording needs."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import FrameSource, Modality
from napari_qpm.errors import LayoutError
from napari_qpm.io.colour_mosaic import LevelledSource, describe_levels
from napari_qpm.io.detect import (
    READY_LAYOUT,
    SONY_LAYOUT,
    Detection,
    detect_modality,
    four_angle_layout,
)
from napari_qpm.io.field import ChannelSource, GroupedSource, UngroupedSource

__all__ = [
    "IMAGE_SETS",
    "arrange",
    "collapse_grey",
    "drop_opacity",
    "is_grey",
    "planes_as_frames",
    "regroup",
]

IMAGE_SETS = (Modality.THROUGH_FOCUS, Modality.PHASE_SHIFTING)
"""Kinds whose frames are sets of images: all of a file, if nothing groups them."""


def drop_opacity(
    source: FrameSource, first: NDArray[Any], notes: list[str]
) -> tuple[FrameSource, NDArray[Any]]:
    """Return channels without the last, their opacity, unless all four are angles.

    Polarization cameras store their four angles in the place of colours and opacity.
    """
    n_channels = first.shape[0]
    if n_channels not in (2, 4):
        return source, first
    if n_channels == 4 and not is_grey(first) and four_angle_layout(first) is not None:
        notes.append("Its four channels are angles, not colours with opacity.")
        return source, first
    notes.append("The picture has a transparency channel, which is ignored.")
    kept = tuple(range(n_channels - 1))
    return ChannelSource(source, kept), first[:-1]


def collapse_grey(
    source: FrameSource, first: NDArray[Any], notes: list[str]
) -> tuple[FrameSource, NDArray[Any]]:
    """Return one channel when three or four colour channels repeat the same grey."""
    if not is_grey(first):
        return source, first
    notes.append("Grey values are stored as RGB; one channel is used.")
    return ChannelSource(source, (0,)), first[:1]


def planes_as_frames(
    source: FrameSource,
    first: NDArray[Any],
    stated: Modality | None,
    notes: list[str],
) -> tuple[FrameSource, NDArray[Any]]:
    """Return colour planes as frames when each of them is a whole recording's frame."""
    n_channels = first.shape[0]
    if n_channels == 1 or (n_channels == 4 and four_angle_layout(first) is not None):
        return source, first
    single = (Modality.POLARIZATION, Modality.OFF_AXIS, Modality.PHASE)
    kind = stated or detect_modality(first[:1]).modality
    if kind not in single:
        return source, first
    notes.append(
        f"The file stores its {n_channels} images as colour planes; they are taken as "
        "frames."
    )
    return UngroupedSource(source), first[:1]


def is_grey(frame: NDArray[Any]) -> bool:
    """Whether colours ``(3, Y, X)``, or with opacity ``(4, Y, X)``, repeat one grey."""
    if frame.shape[0] not in (3, 4):
        return False
    if not all(np.array_equal(frame[0], colour) for colour in frame[1:3]):
        return False
    return frame.shape[0] == 3 or bool(frame[3].min() == frame[3].max())


def arrange(
    path: Path,
    source: FrameSource,
    first: NDArray[Any],
    modality: Modality | None,
    detection: Detection,
    notes: list[str],
) -> tuple[FrameSource, tuple[int, int, int, int] | None]:
    """Return the source with channels as the modality needs, and a layout to assume."""
    n_frames, n_channels = source.shape[:2]
    if modality in IMAGE_SETS and n_channels == 1 and n_frames > 1:
        return GroupedSource(source, n_frames), None
    if modality is not Modality.POLARIZATION:
        return source, None
    if n_channels == 4:
        return source, detection.layout or READY_LAYOUT
    if n_channels != 1:
        raise LayoutError(
            f"{path.name} holds {n_channels} channels, but four polarizer angles "
            f"(0, 45, 90, 135 degrees) are needed: {n_channels} found. Add the missing "
            "angle, or open the raw mosaic."
        )
    if detection.colour_levels is not None:
        notes.append(describe_levels(detection.colour_levels))
        return LevelledSource(source, detection.colour_levels), SONY_LAYOUT
    is_mosaic = detection.modality is Modality.POLARIZATION
    if is_mosaic or n_frames == 1 or first.min() == first.max():
        return source, SONY_LAYOUT
    return _group_angles(path, source, notes)


def regroup(
    source: FrameSource, old: Modality | None, new: Modality | None
) -> FrameSource:
    """Return frames as the images of sets, or back, once another kind is stated."""
    n_frames, n_channels = source.shape[:2]
    if new in IMAGE_SETS and n_channels == 1 and n_frames > 1:
        return GroupedSource(source, n_frames)
    single = (Modality.OFF_AXIS, Modality.PHASE, Modality.POLARIZATION)
    if old in IMAGE_SETS and new in single and n_channels > 1:
        is_four = new is Modality.POLARIZATION and n_channels == 4
        return source if is_four else UngroupedSource(source)
    return source


def _group_angles(
    path: Path, source: FrameSource, notes: list[str]
) -> tuple[FrameSource, tuple[int, int, int, int]]:
    """Return pages in groups of four angles when the first four add up like angles."""
    n_frames = source.shape[0]
    if n_frames < 4:
        raise LayoutError(
            f"{path.name} shows no polarizer mosaic and holds {n_frames} frames, but "
            f"four angles (0, 45, 90, 135 degrees) are needed: {n_frames} found. Add "
            "the missing angle, or open the raw mosaic."
        )
    layout = four_angle_layout(np.stack([source.read(k)[0] for k in range(4)]))
    if layout is None:
        notes.append(
            "No polarizer mosaic is visible in the first frame. It is treated as one, "
            "as asked; check the kind of recording."
        )
        return source, SONY_LAYOUT
    if n_frames % 4:
        raise LayoutError(
            f"{path.name} holds {n_frames} images of single polarizer angles, which is "
            "not a multiple of four: an angle is missing. Remove the incomplete frame."
        )
    notes.append("Every four images are the four polarizer angles of one frame.")
    return GroupedSource(source, 4), layout
