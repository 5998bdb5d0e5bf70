"""A learned phase beside the classical one of the same frame, and their difference."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import PhaseMap
from napari_qpm.errors import QPMError
from napari_qpm.jobs import CancelToken, Progress, ReportProgress
from napari_qpm.viewer.fields import METADATA_KEY, FieldOfView, Role, unwrap
from napari_qpm.viewer.layers import contrast_limits, geometry_of
from napari_qpm.viewer.results import present
from napari_qpm.viewer.tasks import Task

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_qpm.checks import Agreement
    from napari_qpm.registry import Entry

__all__ = ["ComparedFrame", "classical_entry", "compare_task", "learned_entry"]

DIFFERENCE_COLORS = "PiYG"
LEAST_LIMIT_RAD = 0.1
"""Of the colours of a difference: less is noise and should not glare."""


@dataclass(frozen=True)
class ComparedFrame:
    """How far the phase of one frame is from the classical one.

    Parameters
    ----------
    t
        Number of the frame.
    is_series
        Whether the recording has others.
    title
        Of the classical engine.
    agreement
        The figures.
    phase
        Array ``(T, Y, X)`` of the phase that was compared, to know when it is another.
    """

    t: int
    is_series: bool
    title: str
    agreement: "Agreement"
    phase: Any

    @property
    def sentence(self) -> str:
        """The figures in words."""
        where = f"Frame {self.t}, c" if self.is_series else "C"
        return f"{where}ompared with {self.title}: {self.agreement.describe()}"


def learned_entry(phase_map: PhaseMap | None) -> "Entry | None":
    """Return the engine that made a phase if it is a learned one."""
    from napari_qpm.retrieval import PHASE_ENGINES

    steps = () if phase_map is None else phase_map.history
    names = [step.engine for step in steps if step.name == "retrieve"]
    return next(
        (e for e in PHASE_ENGINES if e.is_learned and e.name in names[-1:]), None
    )


def classical_entry(field: FieldOfView) -> "Entry":
    """Return the classical engine for a field's kind of recording."""
    from napari_qpm.retrieval import PHASE_ENGINES

    modality = field.acquisition.require_modality()
    fitting = PHASE_ENGINES.for_modality(modality.value)
    return next(entry for entry in fitting if not entry.is_learned)


def compare_task(viewer: "ViewerModel", field: FieldOfView, t: int) -> Task:
    """Return the task that shows the classical phase of a frame, and the difference.

    Raises
    ------
    QPMError
        The frame has no learned phase.
    """
    phase_map = field.phase_map
    if phase_map is None or t not in field.done.get(Role.PHASE, frozenset()):
        raise QPMError("Retrieve the phase of this frame first, then compare.")
    entry = classical_entry(field)
    # What the learned engine found (sideband, sign) holds for both.
    acquisition = phase_map.acquisition
    is_series = phase_map.n_frames > 1

    def work(
        token: CancelToken, report: ReportProgress
    ) -> tuple[NDArray[np.float32], ComparedFrame]:
        from napari_qpm.checks import compare_phases, phase_at
        from napari_qpm.retrieval import make_phase_engine

        report(Progress(0, 1, "frames", f"{entry.title} of frame {t}"))
        engine = make_phase_engine(entry.name)
        made = engine.retrieve(acquisition.read(t)[None], acquisition, token)
        problem = made.frame_notes[0].get("problem")
        if problem:
            raise QPMError(f"{entry.title} cannot retrieve frame {t}: {problem}")
        token.raise_if_cancelled()
        one = phase_map.replace(phase=phase_map.read(t)[None])
        agreement = compare_phases(one, made)
        classical = phase_at(made, 0, agreement.difference.shape, one.grid_scale)
        compared = ComparedFrame(t, is_series, entry.title, agreement, phase_map.phase)
        return classical, compared

    def commit(result: Any) -> str:
        classical, compared = result
        _show(viewer, field, classical, compared)
        field.compared = compared
        return ""

    return Task(f"Compare with {entry.title}", work, commit)


def _show(
    viewer: "ViewerModel",
    field: FieldOfView,
    classical: NDArray[np.float32],
    compared: ComparedFrame,
) -> None:
    """Show both under the phase layer, in its colours and at its time."""
    phase = present(viewer, field, Role.PHASE)
    limits = contrast_limits([classical]) if phase is None else phase.contrast_limits
    difference = compared.agreement.difference
    low, high = contrast_limits([difference])
    reach = max(abs(low), abs(high), LEAST_LIMIT_RAD)
    where = f" of frame {compared.t}" if compared.is_series else ""
    source = field.acquisition.name
    _place(
        viewer,
        field,
        Role.CLASSICAL,
        classical,
        compared.t,
        name=f"{source} {compared.title}{where}",
        colormap="gray",
        contrast_limits=tuple(limits),
    )
    _place(
        viewer,
        field,
        Role.DIFFERENCE,
        difference,
        compared.t,
        name=f"{source} difference{where}",
        colormap=DIFFERENCE_COLORS,
        contrast_limits=(-reach, reach),
    )


def _place(
    viewer: "ViewerModel",
    field: FieldOfView,
    role: Role,
    image: NDArray[np.float32],
    t: int,
    **look: Any,
) -> None:
    """Add or update the layer of one frame ``(Y, X)``."""
    from napari.layers import Image

    assert field.phase_map is not None
    placed = geometry_of(field).zoomed(field.phase_map.grid_scale).keywords()
    t0, y0, x0 = placed["translate"]
    placed["translate"] = (t0 + t * placed["scale"][0], y0, x0)
    layer = present(viewer, field, role)
    if layer is not None:
        layer.data = image[None]
        layer.scale, layer.translate = placed["scale"], placed["translate"]
        for name, value in look.items():
            setattr(layer, name, value)
        layer.metadata[METADATA_KEY] = field.record(role)
        return
    before = unwrap(viewer.layers.selection.active)
    metadata = {METADATA_KEY: field.record(role)}
    layer = Image(image[None], metadata=metadata, rgb=False, **placed, **look)
    layer.colorbar.visible = role is Role.DIFFERENCE
    field.attach(role, layer)
    viewer.add_layer(layer)
    if before is not None and before in viewer.layers:
        viewer.layers.selection.active = before
