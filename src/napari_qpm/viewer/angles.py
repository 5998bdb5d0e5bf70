"""The view-model of the angles: four pictures, what they tell of their order, a choice.

The check finds opposite angles. It cannot tell in which direction angles are counted,
and says so.
"""

import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition, Modality
from napari_qpm.calibration.angle_pairs import AnglePairs, find_pairs, pairing_of
from napari_qpm.jobs import CancelToken, ReportProgress
from napari_qpm.viewer.angle_layers import AngleLayers, angle_images
from napari_qpm.viewer.angle_orders import (
    ALL_ORDERS,
    Layout,
    Relation,
    order_in_frame,
    order_on_sensor,
    relation_of,
)
from napari_qpm.viewer.fields import FieldOfView
from napari_qpm.viewer.layers import contrast_limits
from napari_qpm.viewer.recording_facts import RecordingFacts
from napari_qpm.viewer.tasks import Task
from napari_qpm.viewer.wording import layout_title

__all__ = ["AngleView", "Angles", "Candidate"]

SIDE_PX = 160
"""Longest side of a small picture."""
LARGEST_STEP = 2
"""Pictures are reduced no further, so that fringes stay: larger ones are cropped."""

LIMITS = (
    "The check finds which angles are opposite: 0° and 90°, 45° and 135°. It cannot "
    "tell the direction in which they are counted. That only turns the sign of the "
    "phase, and by default the sign is chosen so that cells are thicker than the "
    "medium."
)


@dataclass(frozen=True, eq=False)
class AngleView:
    """What was seen of one frame.

    Parameters
    ----------
    frame
        Its number.
    pictures
        ``(4, Y, X)`` uint8 of the middle of the frame, in reading order, all with the
        same limits.
    limits
        Those limits, in raw values.
    pairs
        How the light is shared.
    """

    frame: int
    pictures: NDArray[np.uint8]
    limits: tuple[float, float]
    pairs: AnglePairs


@dataclass(frozen=True)
class Candidate:
    """An order of angles, and what speaks for it.

    Parameters
    ----------
    order
        As it lies in the frame.
    title
        For the user.
    imbalance
        By how much I0 + I90 and I45 + I135 differ, over their mean.
    fits
        `None` where the frame cannot tell.
    relation
        What it does to the phase, compared with the order that is chosen.
    """

    order: Layout
    title: str
    imbalance: float
    fits: bool | None
    relation: Relation


class Angles:
    """The angles of the selected polarization recording.

    Parameters
    ----------
    facts
        The view-model of the Recording step.
    """

    def __init__(self, facts: RecordingFacts):
        self._facts = facts
        self._workflow = facts.workflow
        self._seen: tuple[weakref.ref[FieldOfView], AngleView] | None = None
        self._layers = AngleLayers(facts.workflow.viewer)
        self._workflow.changed.connect(self._on_changed)
        self._is_closed = False

    def close(self) -> None:
        """Let go of the workflow."""
        if not self._is_closed:
            self._is_closed = True
            self._workflow.changed.disconnect(self._on_changed)

    @property
    def is_available(self) -> bool:
        """Whether the selected recording has angles whose order is known or assumed."""
        recording = self._workflow.acquisition
        if recording is None or recording.modality is not Modality.POLARIZATION:
            return False
        return recording.shape[1] in (1, 4) and self.order is not None

    @property
    def order(self) -> Layout | None:
        """The order as it lies in the frames."""
        recording = self._workflow.acquisition
        if recording is None:
            return None
        return order_in_frame(recording.instrument, recording.shape[1])

    @property
    def view(self) -> AngleView | None:
        """What was seen of the selected recording."""
        if self._seen is None or self._seen[0]() is not self._workflow.field:
            return None
        return self._seen[1]

    def look(self) -> None:
        """Look at the shown frame, in a job."""
        field = self._workflow.field
        if field is None or not self.is_available:
            return
        recording, t = field.acquisition, self._workflow.current_frame()

        def work(token: CancelToken, report: ReportProgress) -> AngleView:
            return _look(recording, t)

        def commit(view: AngleView) -> str:
            self._seen = weakref.ref(field), view
            return ""

        self._workflow.start(
            Task("Look at the angles", work, commit, is_compiled=False)
        )

    def choose(self, order: Layout) -> None:
        """Use this order, as it lies in the frames, and remember it for the folder."""
        recording = self._workflow.acquisition
        if recording is None or order == self.order:
            return
        n_channels = recording.shape[1]
        layout = order_on_sensor(order, recording.instrument, n_channels)
        self._facts.set(polarization_layout=layout)

    def candidates(self) -> list[Candidate]:
        """Return all orders, those that fit first, then those that cameras have."""
        recording, view, chosen = self._workflow.acquisition, self.view, self.order
        if recording is None or view is None or chosen is None:
            return []
        n_channels, best = recording.shape[1], view.pairs.best
        wave = recording.instrument.reference_wave
        found = [
            Candidate(
                order,
                layout_title(order, n_channels),
                view.pairs.imbalance[pairing_of(order)],
                None if best is None else pairing_of(order) is best,
                relation_of(order, chosen, wave),
            )
            for order in ALL_ORDERS
        ]
        # Sorting keeps the order of equals.
        return sorted(found, key=lambda one: one.fits is False)

    def verdict(self) -> str:
        """Return in a sentence or two whether the chosen order fits the frame."""
        view, chosen = self.view, self.order
        if view is None or chosen is None:
            return ""
        pairs, pairing = view.pairs, pairing_of(chosen)
        others = [v for one, v in pairs.imbalance.items() if one is not pairing]
        value = f"{100 * pairs.imbalance[pairing]:.2g} %"
        measured = f"I0 + I90 and I45 + I135 differ by {value}"
        compared = " and ".join(f"{100 * other:.2g} %" for other in sorted(others))
        if pairs.best is None:
            return (
                f"This frame cannot tell: {measured}, with other pairs by {compared}. "
                "Look at a frame with cells or fringes."
            )
        if pairs.best is pairing:
            return f"The order fits: {measured}, with other pairs by {compared}."
        least = f"{100 * pairs.imbalance[pairs.best]:.2g} %"
        return (
            f"The order does not fit: {measured}, and by {least} if opposite angles "
            f"lie {pairs.best.value}. Choose one that fits below."
        )

    def add_layers(self) -> None:
        """Add the images of the four angles, of all frames, as layers."""
        field, view, order = self._workflow.field, self.view, self.order
        if field is not None and view is not None and order is not None:
            self._layers.add(field, order, view.limits)

    def _on_changed(self) -> None:
        field, order = self._workflow.field, self.order
        if field is not None and order is not None:
            self._layers.update(field, order)


def _look(recording: Acquisition, t: int) -> AngleView:
    """Return what a frame shows; reads it."""
    frame = recording.read(t)
    pictures = np.stack([_small(image) for image in angle_images(frame)])
    low, high = contrast_limits([pictures])
    scaled = np.clip((np.nan_to_num(pictures, nan=low) - low) / (high - low), 0, 1)
    return AngleView(
        t, np.rint(255 * scaled).astype(np.uint8), (low, high), find_pairs(frame)
    )


def _small(image: NDArray[Any]) -> NDArray[np.float32]:
    """Return the middle of an image ``(Y, X)``, reduced at most by `LARGEST_STEP`."""
    step = min(LARGEST_STEP, -(-max(image.shape) // SIDE_PX))
    sizes = [min(n // step, SIDE_PX) * step for n in image.shape]
    y, x = ((n - size) // 2 for n, size in zip(image.shape, sizes, strict=True))
    middle = image[y : y + sizes[0], x : x + sizes[1]].astype(np.float32)
    blocks = middle.reshape(sizes[0] // step, step, sizes[1] // step, step)
    return blocks.mean(axis=(1, 3), dtype=np.float32)
