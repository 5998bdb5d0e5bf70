"""NAS-PRNet: phase of off-axis holograms by a trained network.

What the classical front end does exactly it does first: sideband, sign, a reference
hologram divided out, a coarser grid. The network answers with unwrapped phase above the
background, from 0 to the end of the range it was trained for.
"""

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_qpm.acquisition import Acquisition, Modality, PhaseMap
from napari_qpm.errors import ModalityError, UnknownNameError
from napari_qpm.jobs import CancelToken
from napari_qpm.parameters import Parameters
from napari_qpm.parameters import Parameters as EngineParameters
from napari_qpm.retrieval.chosen_background import fit_chosen_background
from napari_qpm.retrieval.demodulation import cached_demodulator
from napari_qpm.retrieval.engine import Background
from napari_qpm.retrieval.frame_checks import raw_frame_notes
from napari_qpm.retrieval.fringe_rewriting import SHORTEST_PERIOD_PX, Carrier
from napari_qpm.retrieval.network_input import (
    FrontEnd,
    NetworkFrame,
    carrier_of,
    network_step,
    turned_back,
)
from napari_qpm.retrieval.off_axis_engine import (
    MIN_VISIBILITY,
    FourierEngine,
    fill_nan,
    fringe_visibility,
    lost_on_grid,
)
from napari_qpm.retrieval.sharpening import sharpen
from napari_qpm.runtime.devices import DeviceName
from napari_qpm.runtime.opening import RuntimeName

if TYPE_CHECKING:
    from napari_qpm.runtime import Model, Session

__all__ = [
    "DEFAULT_MODEL",
    "NasPRNetEngine",
    "NasPRNetParameters",
    "find_model",
    "phase_by_session",
    "phase_models",
]

FloatImages = NDArray[np.float32]

DEFAULT_MODEL = "nas-prnet"
KIND = "phase"
TOP = 0.995
"""Share of a model's range from which a pixel counts as clipped."""
MAX_CLIPPED_SHARE = 1e-3
MAX_FAR_SHARE = 0.05
"""Of the pixels, in which a network may be off by more than half a turn."""
HOW_TO_GET_MODELS = (
    "Install one with `napari-qpm models install FILE`, or make one with "
    "`napari-qpm train nas-prnet`. Fourier demodulation needs none."
)


class NasPRNetParameters(Parameters):
    """Which network runs where, and on which grid."""

    model: str = Field(
        DEFAULT_MODEL,
        title="Model",
        description="Trained network: those that come with napari-qpm, and yours, "
        "installed or adapted to your microscope.",
    )
    scale: int | None = Field(
        None,
        ge=1,
        le=16,
        title="Coarser grid",
        description="Camera pixels per pixel of the phase. Empty: as the model was "
        "adapted, else as the fringes allow without loss, or coarser for cells larger "
        "than the model knows them.",
    )
    curvature_first: bool = Field(
        True,
        title="Take out curvature first",
        description="Fit tilt and curvature of the fringes and take them out before "
        "the network sees them. A reference hologram does it without a fit.",
    )
    sharpened: bool = Field(
        True,
        title="Sharpen by the fringes",
        description="Read the network's error off the fringes of the frame and take it "
        "out: the network then says where cells are and how many turns they are high, "
        "the fringes say the rest. Off: the network's answer alone.",
    )
    background: Background = Field(
        Background.OFFSET,
        title="Background",
        description="Shape that is fitted outside the cells and subtracted. The "
        "network leaves hardly more than a level.",
    )
    background_order: int = Field(
        4,
        ge=1,
        le=8,
        title="Background order",
        description="Highest order of a Legendre, Zernike or crowded background.",
    )
    runtime: RuntimeName = Field(
        RuntimeName.AUTO,
        title="Runtime",
        description="ONNX Runtime is faster on most processors; both give the same "
        "phase.",
    )
    device: DeviceName = Field(
        DeviceName.AUTO,
        title="Device",
        description="Where the network runs. Auto takes a graphics card if it can.",
    )

    @classmethod
    def choices(cls, name: str) -> list[tuple[str, str]] | None:
        """Return ``(value, title)`` of the installed models."""
        if name != "model":
            return None
        return [(spec.name, spec.title) for spec in phase_models()]


def phase_models() -> list[Any]:
    """Return the specs of the models that take off-axis holograms, default first."""
    from napari_qpm.runtime import ModelStore

    specs = ModelStore().specs(kind=KIND, modality=Modality.OFF_AXIS.value)
    return sorted(specs, key=lambda spec: spec.name != DEFAULT_MODEL)


class NasPRNetEngine:
    """Phase of off-axis holograms by a network.

    Parameters
    ----------
    parameters
        Model, grid, background, runtime and device.
    """

    name: ClassVar[str] = "nas-prnet"
    title: ClassVar[str] = "NAS-PRNet (learned)"
    modality: ClassVar[Modality] = Modality.OFF_AXIS
    Parameters: ClassVar[type[EngineParameters]] = NasPRNetParameters

    def __init__(self, parameters: NasPRNetParameters | None = None):
        self.parameters: NasPRNetParameters = parameters or NasPRNetParameters()

    def resolve(self, acquisition: Acquisition, token: CancelToken) -> Acquisition:
        """Return the acquisition with sideband and sign, found as by Fourier.

        Raises
        ------
        UnknownNameError
            There is no such model, or none at all; the message says how to get one.
        ModalityError
            The model is made for something else.
        LayoutError, SidebandError
            The frames are no holograms with one clear carrier.
        """
        model = find_model(self.parameters.model)
        resolved = FourierEngine().resolve(acquisition, token)
        session = self._session(model)
        spec = model.spec
        note = (
            f"Phase by the model {spec.name} ({spec.title}, weights "
            f"{spec.sha256[:8]}), {session.device_note}"
        )
        resolved = resolved.with_note(note if note.endswith(".") else f"{note}.")
        carrier = carrier_of(resolved)
        step = network_step(resolved, self.parameters.scale, spec)
        if step > 1:
            resolved = resolved.with_note(
                f"The network works on every {step}. pixel, as fringes and cells allow "
                "or need. Change it with scale=…."
            )
        outside = _outside_training(spec.valid, carrier, step)
        return resolved.with_note(outside) if outside else resolved

    def retrieve(
        self, frames: NDArray[Any], acquisition: Acquisition, token: CancelToken
    ) -> PhaseMap:
        """Return the phase of holograms ``(N, 1, Y, X)``."""
        model = find_model(self.parameters.model)
        return phase_by_session(
            self._session(model), frames, acquisition, self.parameters, token
        )

    def _session(self, model: "Model") -> "Session":
        from napari_qpm.runtime import session_for

        parameters = self.parameters
        return session_for(
            model, runtime=parameters.runtime.value, device=parameters.device.value
        )


def find_model(name: str) -> "Model":
    """Return a model that turns holograms into phase.

    Raises
    ------
    UnknownNameError
        There is no such model, or none at all; the message says how to get one.
    ModalityError
        The model is made for something else.
    """
    from napari_qpm.runtime import ModelStore

    try:
        model = ModelStore().model(name)
    except UnknownNameError as error:
        known = [spec.name for spec in phase_models()]
        if known:
            raise UnknownNameError("phase model", name, known) from error
        raise ModelMissingError(name) from error
    if model.spec.kind != KIND or model.spec.modality not in ("", Modality.OFF_AXIS):
        raise ModalityError(
            f"The model {name!r} gives {model.spec.kind} of "
            f"{model.spec.modality or 'any'} recordings, not phase of off-axis "
            "holograms. Choose another model."
        )
    return model


class ModelMissingError(UnknownNameError):
    """No model is installed at all."""

    def __init__(self, name: str):
        super().__init__("phase model", name, ())
        text = f"The model {name!r} is not installed, nor any other for holograms."
        self.args = (f"{text} {HOW_TO_GET_MODELS}",)


def phase_by_session(
    session: "Session",
    frames: NDArray[Any],
    acquisition: Acquisition,
    parameters: NasPRNetParameters,
    token: CancelToken,
) -> PhaseMap:
    """Return the phase of holograms by a network that is ready to run.

    Parameters
    ----------
    session
        The network, with the spec of its model.
    frames
        ``(N, 1, Y, X)`` raw counts.
    acquisition
        With sideband and sign known.
    parameters
        Grid and background.
    token
        Checked at every frame and tile.
    """
    carrier = carrier_of(acquisition)
    step = network_step(acquisition, parameters.scale, session.model.spec)
    holograms, lost = fill_nan(frames[:, 0])
    holograms = holograms.astype(np.float32, copy=False)
    front_end = FrontEnd(
        acquisition,
        step,
        takes_out_curvature=parameters.curvature_first,
        kind=str(session.model.spec.preprocessing.get("input", "heterodyne")),
    )
    inputs = [front_end.frame(hologram) for hologram in holograms]
    share = _network_output(session, front_end, inputs, token)
    phase = share * np.float32(session.model.spec.output_scale)
    notes = []
    for n, frame in enumerate(frames):
        token.raise_if_cancelled()
        note = raw_frame_notes(frame, acquisition)
        _note_fringes(note, holograms[n], carrier)
        is_within = _note_clipping(note, share[n], session.model.spec)
        if "problem" in note:
            phase[n] = np.nan
        else:
            if parameters.sharpened and is_within:
                phase[n] = _sharpened(phase[n], inputs[n], acquisition, note)
            phase[n] -= _background(phase[n], parameters, note)
        notes.append(note)
    if lost is not None:
        phase[lost_on_grid(lost, phase.shape)] = np.nan
    return PhaseMap(
        phase=phase,
        acquisition=acquisition,
        grid_scale=(float(step), float(step)),
        frame_notes=tuple(notes),
    )


def _network_output(
    session: "Session",
    front_end: FrontEnd,
    frames: list[NetworkFrame],
    token: CancelToken,
) -> FloatImages:
    """Return the network's answer ``(N, y, x)`` from 0 to 1, one frame at a time."""
    from napari_qpm.runtime import run_tiled

    answers = []
    for frame in frames:
        token.raise_if_cancelled()
        given, octant = front_end.input(frame)
        answer = run_tiled(session, given, token=token)[0, 0]
        answers.append(turned_back(answer, octant))
    return np.stack(answers)


def _background(
    phase: NDArray[np.float32], parameters: NasPRNetParameters, note: dict[str, Any]
) -> NDArray[np.float32] | np.float32:
    """Return the background ``(y, x)`` [rad] outside the cells, noted."""
    if parameters.background is Background.NONE:
        return np.float32(0)
    fit = fit_chosen_background(
        phase, parameters.background, parameters.background_order
    )
    note |= {"background_share": fit.share, "background_noise_rad": fit.noise}
    return fit.surface.evaluate((phase.shape[0], phase.shape[1]))


def _note_fringes(
    note: dict[str, Any], hologram: NDArray[np.float32], carrier: Carrier
) -> None:
    """Call a frame without fringes a problem: a network answers to anything."""
    radius = float(np.hypot(*carrier)) / 3
    shape = (int(hologram.shape[0]), int(hologram.shape[1]))
    demodulator = cached_demodulator(shape, carrier, radius)
    amplitude = np.abs(demodulator.field(hologram[None])[0])
    if not fringe_visibility(hologram, amplitude) >= MIN_VISIBILITY:
        note.setdefault("problem", "The frame shows no fringes.")


def _sharpened(
    phase: NDArray[np.float32],
    given: NetworkFrame,
    acquisition: Acquisition,
    note: dict[str, Any],
) -> NDArray[np.float32]:
    """Return the phase ``(y, x)`` [rad] that follows the fringes, if it is near them.

    A network that is far off stays as it is, so that its residual shows it.
    """
    made = sharpen(
        phase,
        given.hologram,
        given.carrier,
        acquisition.instrument.phase_sign or 1,
        given.surface,
        has_reference=acquisition.reference is not None,
    )
    note["far_share"] = made.far_share
    if made.far_share <= MAX_FAR_SHARE:
        return made.phase
    _warn(
        note,
        f"The network is off by more than half a turn in {made.far_share:.0%} of the "
        "frame, so its answer was left as it is: it does not know such recordings. Use "
        "Fourier demodulation, or adapt the model to this microscope.",
    )
    return phase


def _warn(note: dict[str, Any], text: str) -> None:
    note["warning"] = " ".join(filter(None, (note.get("warning"), text)))


def _note_clipping(note: dict[str, Any], share: NDArray[np.float32], spec: Any) -> bool:
    """Return whether the phase keeps within the range, and warn if it does not."""
    clipped = float(np.mean(share >= TOP))
    note["clipped_share"] = clipped
    if clipped <= MAX_CLIPPED_SHARE:
        return True
    _warn(
        note,
        f"Phase above {spec.output_scale:g} rad cannot be shown by the model "
        f"{spec.name}, and {clipped:.1%} of the pixels are there. Use Fourier "
        "demodulation for this recording.",
    )
    return False


def _outside_training(valid: Any, carrier: Carrier, step: int) -> str:
    """Return a warning where the fringes are not what a model was trained with."""
    period = 1 / float(np.hypot(*carrier))
    if step > 1:
        period = max(period / step, SHORTEST_PERIOD_PX)
    low, high = valid.get("period_px") or (0.0, np.inf)
    # A carrier is known to a fraction of a percent.
    if 0.99 * low <= period <= 1.01 * high:
        return ""
    return (
        f"The fringes have a period of {period:.1f} px; the model was trained with "
        f"{low:g} to {high:g} px. Trust its phase only where the checks do, or adapt "
        "the model to this microscope."
    )
