"""Speed and growth of linked cells, track by track, and of the population.

Growth is a weighted straight line through the mass (pg/h) or its logarithm (1/h). Its
standard error starts from the error bars of the mass and grows when the masses scatter
more than those say, or scatter slowly: neighbouring frames share their outline errors.
A track ends where its cell divides, so no fit crosses a division.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_qpm.errors import LayoutError

__all__ = [
    "Line",
    "fit_line",
    "growth_columns",
    "population_doubling",
    "population_growth",
    "track_growth",
]

FEWEST_POINTS = 4
"""Fewer masses than this give no growth rate: the scatter would not be known."""
_MOST_CORRELATED = 0.9
_CONFIDENCE = 0.95

Values = NDArray[np.float64]
Columns = dict[str, Values]


class Line(NamedTuple):
    """Slope of a fitted line, its standard error, and the degrees of freedom."""

    slope: float
    error: float
    freedom: int

    def doubling_time(self) -> tuple[float, float, float]:
        """Return ln 2 / slope with the limits of its 95 % confidence interval.

        NaN when the slope is not positive; the upper limit is infinite when a slope of
        zero is within the interval.
        """
        from scipy import stats

        if not self.slope > 0:
            return np.nan, np.nan, np.nan
        reach = stats.t.ppf((1 + _CONFIDENCE) / 2, self.freedom) * self.error
        least = self.slope - reach
        high = np.log(2) / least if least > 0 else np.inf
        low = np.log(2) / (self.slope + reach)
        return float(np.log(2) / self.slope), float(low), float(high)


_NO_LINE = Line(np.nan, np.nan, 0)


def fit_line(time: Values, values: Values, sd: Values | None = None) -> Line:
    """Return the weighted least-squares line through values over time.

    Parameters
    ----------
    time, values
        ``(n,)`` in time order.
    sd
        Standard deviation of each value; the weights are its inverse square. `None`,
        or any unknown, weighs all the same and takes the scatter for the error.

    Notes
    -----
    The variance of the slope is multiplied by the reduced chi-square where that is
    above 1, and by ``(1 + r) / (1 - r)``, r the correlation of neighbouring residuals.
    """
    known = np.isfinite(time) & np.isfinite(values)
    x, y = time[known], values[known]
    if len(x) < FEWEST_POINTS or np.ptp(x) == 0:
        return _NO_LINE
    sigma = None if sd is None else sd[known]
    if sigma is not None and not (np.isfinite(sigma) & (sigma > 0)).all():
        sigma = None
    weight = np.ones_like(x) if sigma is None else sigma**-2
    x = x - np.average(x, weights=weight)
    centred = y - np.average(y, weights=weight)
    spread = (weight * x**2).sum()
    slope = (weight * x * centred).sum() / spread
    freedom = len(x) - 2
    residual = np.sqrt(weight) * (centred - slope * x)
    squares = (residual**2).sum()
    scatter = squares / freedom
    if sigma is not None:
        scatter = max(scatter, 1.0)
    correlation = 0.0
    if squares > 0:
        neighbours = (residual[1:] * residual[:-1]).sum() / squares
        # A line through n points lowers the correlation found by about 1 / n.
        correlation = float(np.clip(neighbours + 1 / len(x), 0, _MOST_CORRELATED))
    slowness = (1 + correlation) / (1 - correlation)
    return Line(float(slope), float(np.sqrt(scatter * slowness / spread)), freedom)


def growth_columns(table: pd.DataFrame, window_h: float) -> Columns:
    """Return speed and growth of every row of a linked table.

    Parameters
    ----------
    table
        Linked. What its columns do not allow is left out, and why is written to
        ``table.attrs["missing"]``.
    window_h
        Width of the window around each row that its growth rate is fitted in.

    Returns
    -------
    dict
        ``speed_um_min`` since the cell was last seen; ``growth_pg_h`` and ``sgr_1_h``
        (specific growth rate, the slope of log mass), each with its standard error;
        ``doubling_time_h`` where a cell grows by more than that error.
    """
    missing: dict[str, str] = table.attrs.setdefault("missing", {})
    columns: Columns = {}
    reason = _lacking(table, ["time_s", "centroid_y_um", "centroid_x_um"])
    if reason is None:
        columns["speed_um_min"] = np.full(len(table), np.nan)
    else:
        missing["speed_um_min"] = reason
    rates = ["growth_pg_h", "growth_sd_pg_h", "sgr_1_h", "sgr_sd_1_h"]
    reason = _lacking(table, ["time_s", "dry_mass_pg"])
    if reason is None:
        columns |= {name: np.full(len(table), np.nan) for name in rates}
    else:
        missing |= dict.fromkeys([*rates, "doubling_time_h"], reason)
    if not columns:
        return columns
    for rows in _tracks(table).values():
        track = table.iloc[rows]
        time_h = _hours(track)
        if "speed_um_min" in columns:
            step_min = np.diff(time_h) * 60
            columns["speed_um_min"][rows[1:]] = _steps_um(track) / step_min
        if "growth_pg_h" in columns:
            windowed = _windowed_growth(track, time_h, window_h)
            for name, values in zip(rates, windowed.T, strict=True):
                columns[name][rows] = values
    if "sgr_1_h" in columns:
        rate = columns["sgr_1_h"]
        is_sure = rate > columns["sgr_sd_1_h"]
        doubling = np.full(len(table), np.nan)
        np.divide(np.log(2), rate, out=doubling, where=is_sure)
        columns["doubling_time_h"] = doubling
    return columns


def track_growth(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row a track: its time, way and growth over its whole length.

    ``sgr_1_h`` is the specific growth rate; the doubling time is ln 2 over it, with
    the limits of its 95 % confidence interval.

    Raises
    ------
    LayoutError
        The table is not linked.
    """
    _require_linked(table)
    has_way = _lacking(table, ["time_s", "centroid_y_um", "centroid_x_um"]) is None
    has_growth = _lacking(table, ["time_s", "dry_mass_pg"]) is None
    found = []
    for number, rows in _tracks(table).items():
        track = table.iloc[rows]
        first, last = track.iloc[0], track.iloc[-1]
        row: dict[str, Any] = {
            "track_id": number,
            "parent_id": first["parent_id"],
            "division_mass_ratio": first["division_mass_ratio"],
            "division_suspect": first["division_suspect"],
            "first_frame": first["frame"],
            "last_frame": last["frame"],
            "n_frames": len(track),
        }
        if "time_s" in table.columns:
            row["duration_h"] = float(np.ptp(_hours(track)))
        if has_way:
            row |= _way(track, row["duration_h"])
        if has_growth:
            row |= _whole_growth(track)
        found.append(row)
    result = pd.DataFrame(found)
    if not found:
        names = ["track_id", "parent_id", "division_mass_ratio", "division_suspect"]
        names += ["first_frame", "last_frame", "n_frames"]
        result = pd.DataFrame(columns=names)
    result.attrs = {"missing": dict(table.attrs.get("missing", {}))}
    return result


def population_growth(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row a frame: number of cells, and their mass if it is known.

    The error of the mass adds those of the cells in quadrature. Works on linked tables
    and others; frames without any row are left out.
    """
    frames = table.groupby("frame", sort=True)
    columns: dict[str, Any] = {}
    if "time_s" in table.columns:
        columns["time_s"] = frames["time_s"].first()
    columns["n_cells"] = frames.size()
    if "dry_mass_pg" in table.columns:
        columns["dry_mass_pg"] = frames["dry_mass_pg"].sum()
    if "dry_mass_sd_pg" in table.columns:
        squares = (table["dry_mass_sd_pg"] ** 2).groupby(table["frame"])
        columns["dry_mass_sd_pg"] = np.sqrt(squares.sum(min_count=1))
    return pd.DataFrame(columns).reset_index(names="frame")


def population_doubling(population: pd.DataFrame) -> pd.DataFrame:
    """Return the doubling times of cell number and of total mass, one row each.

    They differ when cells grow without dividing. Slopes of ln N and ln M over all
    frames, with 95 % confidence limits; give a part of the frames for another window.

    Parameters
    ----------
    population
        As `population_growth` gives it, with times.

    Raises
    ------
    LayoutError
        There are no times.
    """
    if "time_s" not in population.columns:
        raise LayoutError(
            "Doubling times need the time of each frame; give frame_interval_s=… when "
            "opening the recording."
        )
    rows = []
    for quantity, column in (("number", "n_cells"), ("mass", "dry_mass_pg")):
        if column not in population.columns:
            continue
        line = fit_line(_hours(population), _logarithm(population[column]))
        rows.append({"quantity": quantity, **_rate(line)})
    return pd.DataFrame(rows)


def _windowed_growth(track: pd.DataFrame, time_h: Values, window_h: float) -> Values:
    """Return ``(n, 4)``: slope of mass and of log mass around each row, with errors."""
    low = np.searchsorted(time_h, time_h - window_h / 2, side="left")
    high = np.searchsorted(time_h, time_h + window_h / 2, side="right")
    mass, sd = _masses(track)
    log_mass, log_sd = _logarithm(mass), None if sd is None else sd / mass
    windows: dict[tuple[int, int], tuple[float, float, float, float]] = {}
    rows = list(zip(low.tolist(), high.tolist(), strict=True))
    for a, b in rows:
        if (a, b) in windows:
            continue
        linear = fit_line(time_h[a:b], mass[a:b], _part(sd, a, b))
        relative = fit_line(time_h[a:b], log_mass[a:b], _part(log_sd, a, b))
        windows[a, b] = (linear.slope, linear.error, relative.slope, relative.error)
    return np.array([windows[row] for row in rows])


def _whole_growth(track: pd.DataFrame) -> dict[str, float]:
    time_h = _hours(track)
    mass, sd = _masses(track)
    linear = fit_line(time_h, mass, sd)
    relative = fit_line(time_h, _logarithm(mass), None if sd is None else sd / mass)
    return {
        "first_mass_pg": float(mass[0]),
        "last_mass_pg": float(mass[-1]),
        "growth_pg_h": linear.slope,
        "growth_sd_pg_h": linear.error,
        **_rate(relative),
    }


def _rate(line: Line) -> dict[str, float]:
    doubling, low, high = line.doubling_time()
    return {
        "sgr_1_h": line.slope,
        "sgr_sd_1_h": line.error,
        "doubling_time_h": doubling,
        "doubling_time_low_h": low,
        "doubling_time_high_h": high,
    }


def _way(track: pd.DataFrame, duration_h: float) -> dict[str, float]:
    path = float(_steps_um(track).sum())
    ends = track[["centroid_y_um", "centroid_x_um"]].to_numpy(np.float64)[[0, -1]]
    return {
        "path_um": path,
        "displacement_um": float(np.hypot(*(ends[1] - ends[0]))),
        "speed_um_min": path / (duration_h * 60) if duration_h > 0 else np.nan,
    }


def _steps_um(track: pd.DataFrame) -> Values:
    steps = np.diff(track[["centroid_y_um", "centroid_x_um"]].to_numpy(np.float64).T)
    return np.asarray(np.hypot(*steps), dtype=np.float64)


def _hours(table: pd.DataFrame) -> Values:
    return table["time_s"].to_numpy(np.float64) / 3600


def _masses(track: pd.DataFrame) -> tuple[Values, Values | None]:
    mass = track["dry_mass_pg"].to_numpy(np.float64)
    if "dry_mass_sd_pg" not in track.columns:
        return mass, None
    return mass, track["dry_mass_sd_pg"].to_numpy(np.float64)


def _logarithm(values: Any) -> Values:
    """Return the natural logarithm; NaN for what is not positive."""
    numbers = np.asarray(values, dtype=np.float64)
    result = np.full(numbers.shape, np.nan)
    np.log(numbers, out=result, where=numbers > 0)
    return result


def _part(values: Values | None, start: int, stop: int) -> Values | None:
    return None if values is None else values[start:stop]


def _tracks(table: pd.DataFrame) -> dict[int, NDArray[np.intp]]:
    """Return the rows of each track by rising frame, tracks by rising number."""
    order = np.lexsort((table["frame"], table["track_id"]))
    numbers = table["track_id"].to_numpy()[order]
    values, starts = np.unique(numbers, return_index=True)
    groups = np.split(order, starts[1:])
    return dict(zip(values.tolist(), groups, strict=False))


def _lacking(table: pd.DataFrame, columns: list[str]) -> str | None:
    """Return why a column that is needed is absent; `None` when all are there."""
    for name in columns:
        if name not in table.columns:
            reasons = table.attrs.get("missing", {})
            return str(reasons.get(name, f"The table has no {name}."))
    return None


def _require_linked(table: pd.DataFrame) -> None:
    if "track_id" not in table.columns:
        raise LayoutError("The cells of this table are not linked; call link first.")
