"""The columns of the table: their units, and what each of them needs."""

from enum import StrEnum

import pandas as pd

__all__ = ["COLUMNS", "LINK_COLUMNS", "TRACK_UNITS", "Need", "column_units"]


class Need(StrEnum):
    """What a column cannot be computed without."""

    NOTHING = "nothing"
    """Always there."""
    PIXEL = "pixel"
    """The pixel size."""
    PATH = "path"
    """Values that can be converted to optical path difference."""
    PIXEL_AND_PATH = "pixel and path"
    """Both."""
    RADIANS = "radians"
    """Values that can be converted to radians."""
    MASS = "mass"
    """Both, or dry-mass density and the pixel size."""
    INCREMENT = "increment"
    """Mass that is computed here, with our refractive increment."""
    VOLUME = "volume"
    """Both, and the refractive indices of cell and medium."""
    TIME = "time"
    """The time between frames."""
    FOCUS = "focus"
    """A phase that was refocused."""
    CELL_FOCUS = "cell focus"
    """A phase of which each cell was refocused by itself."""
    SATURATION = "saturation"
    """Raw frames whose saturated value is known."""
    GRADIENT = "gradient"
    """Both, and the gradient texture asked for."""
    GLCM = "glcm"
    """The co-occurrence texture asked for."""


COLUMNS: dict[str, tuple[str, Need]] = {
    "label": ("", Need.NOTHING),
    "frame": ("", Need.NOTHING),
    "time_s": ("s", Need.TIME),
    "centroid_y_px": ("px", Need.NOTHING),
    "centroid_x_px": ("px", Need.NOTHING),
    "centroid_y_um": ("um", Need.PIXEL),
    "centroid_x_um": ("um", Need.PIXEL),
    "area_px": ("px", Need.NOTHING),
    "area_um2": ("um^2", Need.PIXEL),
    "perimeter_um": ("um", Need.PIXEL),
    "circularity": ("", Need.NOTHING),
    "eccentricity": ("", Need.NOTHING),
    "solidity": ("", Need.NOTHING),
    "aspect_ratio": ("", Need.NOTHING),
    "equivalent_diameter_um": ("um", Need.PIXEL),
    "opd_mean_nm": ("nm", Need.PATH),
    "opd_max_nm": ("nm", Need.PATH),
    "opd_std_nm": ("nm", Need.PATH),
    "opd_sum_um3": ("um^3", Need.PIXEL_AND_PATH),
    "optical_volume_um3": ("um^3", Need.VOLUME),
    "n_cell": ("", Need.VOLUME),
    "n_cell_source": ("", Need.VOLUME),
    "n_medium": ("", Need.VOLUME),
    "dry_mass_pg": ("pg", Need.MASS),
    "dry_mass_sd_pg": ("pg", Need.MASS),
    "dry_mass_sd_background_pg": ("pg", Need.MASS),
    "dry_mass_sd_mask_pg": ("pg", Need.MASS),
    "dry_mass_sd_contact_pg": ("pg", Need.MASS),
    "dry_mass_offset_pg": ("pg", Need.MASS),
    "dry_mass_sd_method": ("", Need.MASS),
    "dry_mass_is_relative": ("", Need.MASS),
    "dry_mass_alpha_sd_pg": ("pg", Need.INCREMENT),
    "mass_density_pg_um2": ("pg/um^2", Need.MASS),
    "refractive_increment_ml_g": ("mL/g", Need.INCREMENT),
    "opd_gradient_mean_nm_um": ("nm/um", Need.GRADIENT),
    "opd_gradient_std_nm_um": ("nm/um", Need.GRADIENT),
    "glcm_contrast": ("", Need.GLCM),
    "glcm_homogeneity": ("", Need.GLCM),
    "glcm_energy": ("", Need.GLCM),
    "glcm_correlation": ("", Need.GLCM),
    "glcm_entropy": ("bit", Need.GLCM),
    "focus_um": ("um", Need.FOCUS),
    "cell_focus_um": ("um", Need.CELL_FOCUS),
    "border": ("", Need.NOTHING),
    "saturated": ("", Need.SATURATION),
    "unwrap_suspect": ("", Need.RADIANS),
    "invalid_share": ("", Need.NOTHING),
    "edited_by_hand": ("", Need.NOTHING),
    "phase_engine": ("", Need.NOTHING),
    "segmentation_engine": ("", Need.NOTHING),
}


LINK_COLUMNS: dict[str, str] = {
    "track_id": "",
    "parent_id": "",
    "division_mass_ratio": "",
    "division_suspect": "",
    "speed_um_min": "um/min",
    "growth_pg_h": "pg/h",
    "growth_sd_pg_h": "pg/h",
    "sgr_1_h": "1/h",
    "sgr_sd_1_h": "1/h",
    "doubling_time_h": "h",
}
"""Units of the columns that linking adds to the table of cells."""

TRACK_UNITS: dict[str, str] = {
    "first_frame": "",
    "last_frame": "",
    "n_frames": "",
    "n_cells": "",
    "duration_h": "h",
    "path_um": "um",
    "displacement_um": "um",
    "first_mass_pg": "pg",
    "last_mass_pg": "pg",
    "doubling_time_low_h": "h",
    "doubling_time_high_h": "h",
}
"""Units of the further columns of the tables of tracks and of the population."""


def column_units(table: pd.DataFrame) -> dict[str, str]:
    """Return the unit of every column of a table; empty for pure numbers and words."""
    known = {name: unit for name, (unit, _) in COLUMNS.items()}
    known |= LINK_COLUMNS | TRACK_UNITS
    return {str(name): known.get(str(name), "") for name in table.columns}
