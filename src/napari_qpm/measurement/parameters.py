"""What a measurement can be told."""

from enum import StrEnum

from pydantic import Field

from napari_qpm.parameters import Parameters

__all__ = ["MeasurementParameters", "TextureSet"]


class TextureSet(StrEnum):
    """Optional columns on the texture of the phase inside cells."""

    NONE = "none"
    """No texture."""
    GRADIENT = "gradient"
    """Slope of the optical path difference: mean and standard deviation."""
    GLCM = "glcm"
    """Grey-level co-occurrence of neighbouring pixels (Haralick 1973)."""
    ALL = "all"
    """Both."""


class MeasurementParameters(Parameters):
    """Constants and choices of a measurement."""

    alpha_ml_g: float = Field(
        0.19,
        gt=0.01,
        lt=1,
        title="Refractive increment (mL/g)",
        description="Rise of the refractive index with the concentration of dry mass. "
        "0.19 is the mean of the human proteome at 589 nm (Zhao, Brown and Schuck "
        "2011); 0.18 and 0.20 are in use too. Mass is inversely proportional to it.",
    )
    alpha_sd_ml_g: float = Field(
        0.003,
        ge=0,
        lt=1,
        title="Standard deviation of the increment (mL/g)",
        description="Makes the systematic part of the error, which all cells share; it "
        "is listed apart and cancels in ratios.",
    )
    n_cell: float | None = Field(
        None,
        gt=1,
        lt=3,
        title="Refractive index of the cells",
        description="Assumed index, for the optical volume. Empty: no optical volume.",
    )
    n_medium: float | None = Field(
        None,
        gt=1,
        lt=3,
        title="Refractive index of the medium",
        description="For the optical volume. Empty: the medium index of the recording.",
    )
    texture: TextureSet = Field(
        TextureSet.NONE,
        title="Texture",
        description="Optional columns on the texture of the phase inside cells.",
    )
    background_margin_px: int = Field(
        3,
        ge=0,
        le=1000,
        title="Margin around cells (pixels)",
        description="Pixels this close to a cell do not count as empty background when "
        "the error of the dry mass is measured there.",
    )
    require_mass: bool = Field(
        False,
        title="Require dry mass",
        description="Stop with an error when dry mass cannot be computed because a "
        "calibration value is missing, instead of leaving its columns out.",
    )
