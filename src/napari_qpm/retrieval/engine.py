"""The protocol of phase engines and the parameters that all classical ones share."""

from enum import StrEnum
from typing import Any, ClassVar, Protocol, runtime_checkable

from numpy.typing import NDArray
from pydantic import Field

from napari_qpm.acquisition import Acquisition, Modality, PhaseMap
from napari_qpm.jobs import CancelToken
from napari_qpm.parameters import Parameters
from napari_qpm.parameters import Parameters as EngineParameters

__all__ = [
    "Background",
    "BackgroundParameters",
    "PhaseEngine",
    "PhaseParameters",
    "Unwrapping",
]


class Unwrapping(StrEnum):
    """How 2 pi steps are removed."""

    AUTO = "auto"
    """Fast path where a frame has no residues, quality-guided otherwise."""
    QUALITY = "quality"
    """Always quality-guided (reliability-sorted)."""
    NONE = "none"
    """Leave the phase wrapped."""


class Background(StrEnum):
    """Model of the phase without cells, fitted outside of them."""

    NONE = "none"
    """Leave the background as it is."""
    OFFSET = "offset"
    """Constant level."""
    TILT = "tilt"
    """Plane."""
    QUADRATIC = "quadratic"
    """Second-order polynomial."""
    LEGENDRE = "legendre"
    """Legendre polynomials up to the order, per axis."""
    ZERNIKE = "zernike"
    """Zernike polynomials up to the order, on the disk around the frame."""
    CROWDED = "crowded"
    """The same for crowded fields: high and textured places count little, nothing lies
    below, and no term is larger than in microscopes."""


class BackgroundParameters(Parameters):
    """What every classical engine does after it has an unwrapped phase."""

    background: Background = Field(
        Background.QUADRATIC,
        title="Background",
        description="Shape of the empty background that is fitted outside the cells "
        "and subtracted.",
    )
    background_order: int = Field(
        4,
        ge=1,
        le=8,
        title="Background order",
        description="Highest order of a Legendre, Zernike or crowded background.",
    )


class PhaseParameters(BackgroundParameters):
    """What every classical engine does after it has a complex field."""

    unwrapping: Unwrapping = Field(
        Unwrapping.AUTO,
        title="Unwrapping",
        description="How 2 pi steps are removed. Auto takes the fast path where it is "
        "exact and the quality-guided one elsewhere.",
    )


@runtime_checkable
class PhaseEngine(Protocol):
    """Turns raw frames into phase."""

    name: ClassVar[str]
    title: ClassVar[str]
    modality: ClassVar[Modality]
    Parameters: ClassVar[type[EngineParameters]]
    parameters: Any
    """An instance of its `Parameters`."""

    def resolve(self, acquisition: Acquisition, token: CancelToken) -> Acquisition:
        """Return the acquisition with what this engine finds in a few of its frames."""

    def retrieve(
        self, frames: NDArray[Any], acquisition: Acquisition, token: CancelToken
    ) -> PhaseMap:
        """Return the phase of ``(N, C, Y, X)`` frames of a resolved acquisition."""
