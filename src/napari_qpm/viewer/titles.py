"""Titles of the columns of tables and plots, and numbers as they are read."""

import math
import re

from napari_qpm.measurement import columns as units

__all__ = ["number_text", "title_of"]

TITLES = {
    "label": "Cell",
    "frame": "Frame",
    "time_s": "Time",
    "track_id": "Track",
    "parent_id": "Mother",
    "dry_mass_pg": "Dry mass",
    "dry_mass_sd_pg": "Error of dry mass",
    "growth_pg_h": "Growth",
    "growth_sd_pg_h": "Error of growth",
    "sgr_1_h": "Specific growth rate",
    "sgr_sd_1_h": "Error of specific growth rate",
    "doubling_time_h": "Doubling time",
    "doubling_time_low_h": "Doubling time from",
    "doubling_time_high_h": "Doubling time to",
    "speed_um_min": "Speed",
    "opd_mean_nm": "Mean OPD",
    "opd_max_nm": "Highest OPD",
    "opd_std_nm": "Spread of OPD",
    "opd_sum_um3": "Sum of OPD",
    "n_frames": "Frames",
    "n_cells": "Cells",
    "duration_h": "Duration",
    "path_um": "Path",
    "displacement_um": "Displacement",
    "first_mass_pg": "First mass",
    "last_mass_pg": "Last mass",
    "division_mass_ratio": "Daughters / mother",
    "division_suspect": "Division suspect",
    "focus_um": "Focus of the frame",
    "cell_focus_um": "Focus of the cell",
    "border": "At the border",
    "invalid_share": "Share without value",
    "mass_density_pg_um2": "Mass density",
    "n_cell": "Index of cells",
    "refractive_increment_ml_g": "Refractive increment",
    "n_medium": "Index of medium",
}
SYMBOLS = {
    "um": "µm",
    "um^2": "µm²",
    "um^3": "µm³",
    "pg/um^2": "pg/µm²",
    "um/min": "µm/min",
    "nm/um": "nm/µm",
}


def title_of(name: str) -> str:
    """Return the title of a column with its unit, for example ``"Area (µm²)"``."""
    known = {column: unit for column, (unit, _) in units.COLUMNS.items()}
    known |= units.LINK_COLUMNS | units.TRACK_UNITS
    unit = known.get(name, "")
    plain = TITLES.get(name)
    if plain is None:
        suffix = "_" + re.sub(r"[/^]", "_", unit).replace("_2", "2").replace("_3", "3")
        stem = name.removesuffix(suffix) if unit else name
        plain = stem.replace("_", " ").replace("glcm", "GLCM").replace("opd", "OPD")
        plain = plain[:1].upper() + plain[1:]
    symbol = SYMBOLS.get(unit, unit)
    return f"{plain} ({symbol})" if symbol else plain


def number_text(value: float) -> str:
    """Return a number with four digits at most; a dash where there is none."""
    if not math.isfinite(value):
        return "–"
    if float(value).is_integer() and abs(value) < 1e6:
        return f"{value:.0f}"
    return f"{value:.4g}"
