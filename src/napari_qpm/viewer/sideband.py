"""The sideband of a hologram as the user may move it; free of Qt.

Its centre is a fact of the recording, its filter a parameter of the engine: moving the
one or the other changes what the forms say, and everything else follows from that.
"""

import math
from typing import TYPE_CHECKING

from napari_qpm.acquisition import Modality
from napari_qpm.errors import QPMError
from napari_qpm.viewer.settings import StepName

if TYPE_CHECKING:
    from napari_qpm.viewer.preview import Preview
    from napari_qpm.viewer.workflow import Workflow

__all__ = ["Sideband"]

RADIUS = "filter_radius"
LEAST_CARRIER = 0.01
"""Cycles/px; a sideband on the zero order would leave no filter."""


class Sideband:
    """Centre and filter of the selected hologram's sideband.

    Parameters
    ----------
    workflow
        The dock's view-model.
    preview
        Knows the sideband that was found, where nobody has stated one.
    """

    def __init__(self, workflow: "Workflow", preview: "Preview"):
        self._workflow, self._preview = workflow, preview

    @property
    def is_available(self) -> bool:
        """Whether the recording has a sideband and the method a filter around it."""
        workflow = self._workflow
        if workflow.modality is not Modality.OFF_AXIS:
            return False
        model = workflow.settings.model(StepName.RETRIEVE, workflow.modality)
        return model is not None and RADIUS in model.model_fields

    @property
    def carrier(self) -> tuple[float, float] | None:
        """``(fy, fx)`` [cycles/px] as stated, else as found; `None` while unknown."""
        field = self._workflow.field
        if field is None:
            return None
        stated = field.acquisition.instrument.sideband_cycles_per_px
        if stated is not None:
            return stated
        found = self._preview.context
        if found is None:
            found = field.phase_map
        if found is None:
            return None
        return found.acquisition.instrument.sideband_cycles_per_px

    @property
    def radius(self) -> float:
        """Radius of the filter, in units of the carrier frequency."""
        workflow = self._workflow
        model = workflow.settings.model(StepName.RETRIEVE, workflow.modality)
        assert model is not None
        values = workflow.settings.values(StepName.RETRIEVE, workflow.modality)
        return float(values.get(RADIUS, model.model_fields[RADIUS].default))

    @property
    def radius_cycles_per_px(self) -> float | None:
        """Radius of the filter [cycles/px], once the carrier is known."""
        carrier = self.carrier
        return None if carrier is None else self.radius * math.hypot(*carrier)

    def describe(self) -> str:
        """Return where the sideband is, in words."""
        carrier = self.carrier
        if carrier is None:
            return "The sideband is searched for…"
        field = self._workflow.field
        assert field is not None
        stated = field.acquisition.instrument.sideband_cycles_per_px is not None
        period = 1 / math.hypot(*carrier)
        return (
            f"Sideband {'set' if stated else 'found'} at fringes of {period:.2f} px; "
            f"the filter reaches {self.radius:.2f} of the way to the centre."
        )

    def place(self, carrier: tuple[float, float], radius_cycles_per_px: float) -> None:
        """Move the sideband and its filter, within what is possible."""
        length = math.hypot(*carrier)
        if length < LEAST_CARRIER or not self.is_available:
            return
        workflow = self._workflow
        known = self.carrier
        is_moved = known is None or math.dist(known, carrier) > 1e-6
        share = min(max(radius_cycles_per_px / length, 0.1), 0.6)
        try:
            if abs(share - self.radius) > 1e-4:
                modality = workflow.modality
                values = workflow.settings.values(StepName.RETRIEVE, modality)
                values[RADIUS] = round(share, 4)
                workflow.settings.set_values(StepName.RETRIEVE, modality, values)
            if is_moved:
                fy, fx = (min(max(f, -0.5), 0.5) for f in carrier)
                workflow.set_instrument(sideband_cycles_per_px=(fy, fx))
        except QPMError as error:
            workflow.fail(error)
        workflow.settings_changed.emit()

    def search(self) -> None:
        """Forget a stated sideband, so that it is found anew."""
        self._workflow.set_instrument(sideband_cycles_per_px=None)
        self._workflow.settings_changed.emit()
