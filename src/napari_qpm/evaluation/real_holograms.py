"""A network on real holograms, beside the classical phase of the same frame.

Nobody knows the true phase there. So two things stand side by side: how far the network
is from the classical phase with a fitted background, and how well each explains the
camera's frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from napari_qpm.acquisition import Acquisition, ArraySource, PhaseMap
from napari_qpm.checks import Agreement, compare_phases, residual_frame
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval import make_phase_engine

__all__ = ["RealComparison", "compare_recording", "real_table"]

CLASSICAL, NETWORK = "fourier", "nas-prnet"


@dataclass(frozen=True, eq=False)
class RealComparison:
    """A model on one frame of a recording.

    Parameters
    ----------
    recording, model
        Their names.
    agreement
        Of the network's phase with the classical one.
    residual, classical_residual
        What each phase leaves of the camera's frame, over its noise; 1 is perfect.
    least_residual
        What no smooth phase could explain either.
    classical, network
        The phases, resolved acquisition and notes included.
    frame
        Number of the frame.
    """

    recording: str
    model: str
    agreement: Agreement
    residual: float
    classical_residual: float
    least_residual: float
    classical: PhaseMap
    network: PhaseMap
    frame: int = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the engine said of the frame."""
        (note,) = self.network.frame_notes
        return tuple(note[key] for key in ("problem", "warning") if key in note)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; what is not a number is None."""
        numbers = {
            "residual": self.residual,
            "classical_residual": self.classical_residual,
            "least_residual": self.least_residual,
        }
        return {
            "recording": self.recording,
            "model": self.model,
            "frame": self.frame,
            **self.agreement.to_dict(),
            **{k: v if v == v else None for k, v in numbers.items()},
            "warnings": list(self.warnings),
        }


def compare_recording(
    acquisition: Acquisition,
    models: Sequence[str],
    *,
    frame: int = 0,
    scale: int | None = None,
    sharpened: bool = False,
    token: CancelToken | None = None,
) -> list[RealComparison]:
    """Return how each model does on a frame of an off-axis recording.

    Parameters
    ----------
    acquisition
        The recording; a reference hologram is used by both ways alike.
    models
        Names of installed models.
    frame
        Its number.
    scale
        Camera pixels per pixel for the network; None = as the fringes allow.
    sharpened
        Whether the network's error is read off the fringes first, as the engine does
        unless told not to; the network's answer alone shows what it has learned.
    token
        Checked at every frame and tile.

    Raises
    ------
    SidebandError
        The recording shows no clear carrier.
    """
    token = token or CancelToken()
    alone = _one_frame(acquisition, frame)
    classical = _retrieve(alone, CLASSICAL, token, {})
    known = classical.acquisition
    reference = residual_frame(known, classical, 0)
    found = []
    for name in models:
        parameters = {"model": name, "scale": scale, "sharpened": sharpened}
        # From the acquisition that the classical way resolved: the same sideband and
        # sign, so that the two phases are comparable.
        network = _retrieve(known, NETWORK, token, parameters)
        left = residual_frame(known, network, 0)
        found.append(
            RealComparison(
                recording=acquisition.name,
                model=name,
                agreement=compare_phases(network, classical),
                residual=left.score,
                classical_residual=reference.score,
                least_residual=reference.floor,
                classical=classical,
                network=network,
                frame=frame,
            )
        )
    return found


def real_table(found: Sequence[dict[str, Any]]) -> str:
    """Return the comparisons of `RealComparison.to_dict` as a Markdown table."""
    columns = {
        "correlation": "correlation",
        "inside_correlation": "inside cells",
        "rms_rad": "rms [rad]",
        "inside_rms_rad": "inside cells [rad]",
        "residual": "residual",
        "classical_residual": "of the classical phase",
    }
    lines = [
        f"| recording | model | {' | '.join(columns.values())} |",
        f"| --- | --- | {' | '.join(['---:'] * len(columns))} |",
    ]
    for one in found:
        cells = ["" if one[key] is None else f"{one[key]:.2f}" for key in columns]
        lines.append(f"| {one['recording']} | {one['model']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _retrieve(
    acquisition: Acquisition, name: str, token: CancelToken, parameters: dict[str, Any]
) -> PhaseMap:
    engine = make_phase_engine(name, **parameters)
    resolved = engine.resolve(acquisition, token)
    return engine.retrieve(resolved.read(0)[None], resolved, token)


def _one_frame(acquisition: Acquisition, frame: int) -> Acquisition:
    """Return a recording of one of its frames."""
    return acquisition.replace(source=ArraySource(acquisition.read(frame)[None]))
