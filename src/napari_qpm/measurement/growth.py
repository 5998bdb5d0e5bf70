"""Speed and growth of linked cells, track by track, and of the population.

Growth is a weighted straight line through the mass (pg/h) or its logarithm (1/h). Its
standard error follows from the error bars of the mass, and grows when the masses
scatter more than those say, or scatter slowly. Errors of the background's level and of
the line between touching cells drift: over a track they look like growth, and no
scatter betrays them. They enter with whatever correlation over time harms most. A track
ends where its cell divides, so no fit crosses a division.
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
_CORRELATIONS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98)
"""Between neighbouring frames, of errors that drift; the worst is assumed."""
_DRIFTING = ("dry_mass_sd_background_pg", "dry_mass_sd_contact_pg")
"""Parts of the error bar of the mass that neighbouring frames share."""

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


def fit_line(
    time: Values,
    values: Values,
    sd: Values | None = None,
    drifting_sd: Values | None = None,
) -> Line:
    """Return the weighted least-squares line through values over time.

    Parameters
    ----------
    time, values
        ``(n,)`` in time order.
    sd
        Standard deviation of each value; the weights are its inverse square. `None`,
        or any unknown, weighs all the same and takes the scatter for the error.
    drifting_sd
        The part of `sd` that neighbouring values share; none by default.

    Notes
    -----
    The variance of the slope is the larger of two. One follows from the error bars:
    independent parts, and drifting parts with the correlation over time that makes it
    largest. The other follows from the scatter: the reduced chi-square times
    ``(1 + r) / (1 - r)``, r the correlation of neighbouring residuals.
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
    correlation = 0.0
    if squares > 0:
        neighbours = (residual[1:] * residual[:-1]).sum() / squares
        # A line through n points lowers the correlation found by about 1 / n.
        correlation = float(np.clip(neighbours + 1 / len(x), 0, _MOST_CORRELATED))
    slowness = (1 + correlation) / (1 - correlation)
    variance = scatter * slowness / spread
    if sigma is not None:
        drift = np.zeros_like(x) if drifting_sd is None else drifting_sd[known]
        stated = _stated_variance(weight * x / spread, sigma, drift)
        variance = max(variance, stated)
    return Line(float(slope), float(np.sqrt(variance)), freedom)


def _stated_variance(share: Values, sigma: Values, drift: Values) -> float:
    """Return the variance of a weighted sum whose terms have these errors.

    Parameters
    ----------
    share
        ``(n,)`` weight of each value in the sum.
    sigma, drift
        Standard deviation of each value, and the part of it that drifts.
    """
    drift = np.clip(np.nan_to_num(drift), 0, sigma)
    independent = (share**2 * (sigma**2 - drift**2)).sum()
    if not drift.any():
        return float(independent)
    from scipy.signal import lfilter

    parts = share * drift
    # Sums over all pairs with r^distance, by running sums instead of a matrix.
    sums = [lfilter([1.0], [1.0, -r], parts) for r in _CORRELATIONS]
    return float(independent + max(parts @ (2 * before - parts) for before in sums))


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
    mass, sd, drift = _masses(track)
    log_mass, log_sd, log_drift = _logarithm(mass), _over(sd, mass), _over(drift, mass)
    windows: dict[tuple[int, int], tuple[float, float, float, float]] = {}
    rows = list(zip(low.tolist(), high.tolist(), strict=True))
    for a, b in rows:
        if (a, b) in windows:
            continue
        linear = fit_line(time_h[a:b], mass[a:b], _part(sd, a, b), _part(drift, a, b))
        relative = fit_line(
            time_h[a:b], log_mass[a:b], _part(log_sd, a, b), _part(log_drift, a, b)
        )
        windows[a, b] = (linear.slope, linear.error, relative.slope, relative.error)
    return np.array([windows[row] for row in rows])


def _whole_growth(track: pd.DataFrame) -> dict[str, float]:
    time_h = _hours(track)
    mass, sd, drift = _masses(track)
    linear = fit_line(time_h, mass, sd, drift)
    relative = fit_line(time_h, _logarithm(mass), _over(sd, mass), _over(drift, mass))
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


def _masses(track: pd.DataFrame) -> tuple[Values, Values | None, Values | None]:
    """Return the masses with their error bars, and the part of these that drifts."""
    mass = track["dry_mass_pg"].to_numpy(np.float64)
    if "dry_mass_sd_pg" not in track.columns:
        return mass, None, None
    sd = track["dry_mass_sd_pg"].to_numpy(np.float64)
    if not set(_DRIFTING) <= set(track.columns):
        return mass, sd, None
    parts = track[list(_DRIFTING)].to_numpy(np.float64)
    return mass, sd, np.hypot(parts[:, 0], parts[:, 1])


def _over(values: Values | None, mass: Values) -> Values | None:
    return None if values is None else values / mass


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
