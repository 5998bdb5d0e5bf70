"""Is the scale right: what a known bead or step measures, against what it must.

Light shifted by ``2 pi / wavelength * OPD`` makes the height of an object a test of
wavelength and indices, and its diameter one of the pixel size.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from napari_qpm.acquisition import PhaseMap
from napari_qpm.calibration.bead_fit import BeadFit, find_beads, fit_bead
from napari_qpm.calibration.finding import Finding, combined
from napari_qpm.calibration.step_fit import measure_step
from napari_qpm.checks.verdict import Check, Verdict
from napari_qpm.errors import ParameterError
from napari_qpm.jobs import CancelToken, Progress, ReportProgress

__all__ = ["Bead", "Step", "check_scale"]

MOST_BEADS = 20
MAX_MISFIT = 0.05
"""Rms of what a fit leaves over the height; more is no ball or no step in focus."""
SURE = 2.0
"""Standard errors by which a deviation must lie beyond the tolerance, or within."""
BLIND = (
    "It cannot see whether the object is what you say it is, or errors that a smooth "
    "background has taken with it."
)


@dataclass(frozen=True)
class Bead:
    """A ball of known size and index, denser than the medium.

    Parameters
    ----------
    diameter_um
        From its maker.
    index
        Its refractive index at the wavelength of the recording.
    diameter_sd_um, index_sd
        Standard deviations of these, 0 where they are taken as exact.
    """

    diameter_um: float
    index: float
    diameter_sd_um: float = 0.0
    index_sd: float = 0.0

    def __post_init__(self) -> None:
        _check_numbers("bead", self.diameter_um, self.diameter_sd_um, self.index_sd)


@dataclass(frozen=True)
class Step:
    """An edge of known height, seen in transmission.

    Parameters
    ----------
    height_nm
        Geometric height.
    index
        Refractive index of the raised material.
    height_sd_nm, index_sd
        Standard deviations of these, 0 where they are taken as exact.
    """

    height_nm: float
    index: float
    height_sd_nm: float = 0.0
    index_sd: float = 0.0

    def __post_init__(self) -> None:
        _check_numbers("step", self.height_nm, self.height_sd_nm, self.index_sd)


def check_scale(
    phase_map: PhaseMap,
    known: Bead | Step,
    *,
    tolerance: float = 0.05,
    token: CancelToken | None = None,
    report: ReportProgress | None = None,
) -> Check:
    """Return by how much a known object is measured wrong.

    Parameters
    ----------
    phase_map
        Phase of it; all frames count, and all single beads in them up to 20.
    known
        What was recorded. The medium's index is that of the instrument.
    tolerance
        Relative deviation that is still good.
    token, report
        To cancel, and to follow.

    Returns
    -------
    Check
        Good when all deviations lie within the tolerance, bad when one is surely
        beyond it, doubtful when that cannot be told, or the object does not look as
        it should. ``values`` holds for a bead ``height``, ``diameter`` and ``opd_sum``
        as measured and expected, for a step ``height``; ``…_off`` and ``…_off_sd`` are
        relative.

    Raises
    ------
    MissingMetadataError
        Wavelength, pixel size or the medium's index is unknown.
    ParameterError
        The object is no denser than the medium, a number is out of range, or no such
        object is found.
    """
    instrument, where = phase_map.acquisition.instrument, phase_map.acquisition.name
    medium = float(
        instrument.require("medium_index", "A check of the scale", repr(where))
    )
    if not 0 < tolerance < 1:
        raise ParameterError(f"The tolerance, {tolerance:g}, is not between 0 and 1.")
    if known.index <= medium:
        raise ParameterError(
            f"The index of the object, {known.index:g}, must exceed that of the "
            f"medium, {medium:g}: which way phase counts is found from what is denser."
        )
    measure = _measure_beads if isinstance(known, Bead) else _measure_steps
    expected = _expected(known, medium)
    measured, misfit, what = measure(
        phase_map, expected, token or CancelToken(), report
    )
    return _judge(what, measured, expected, misfit, tolerance)


Findings = dict[str, Finding]


def _expected(known: Bead | Step, medium: float) -> Findings:
    """Return what the object must measure, with its uncertainty."""
    rise = known.index - medium
    index = known.index_sd / rise
    if isinstance(known, Step):
        height = known.height_nm * rise
        relative = math.hypot(known.height_sd_nm / known.height_nm, index)
        return {"height_nm": Finding(height, height * relative)}
    size = known.diameter_sd_um / known.diameter_um
    height = 1000 * known.diameter_um * rise
    total = math.pi / 6 * known.diameter_um**3 * rise
    return {
        "height_nm": Finding(height, height * math.hypot(size, index)),
        "diameter_um": Finding(known.diameter_um, known.diameter_sd_um),
        "opd_sum_um3": Finding(total, total * math.hypot(3 * size, index)),
    }


def _measure_beads(
    phase_map: PhaseMap,
    expected: Findings,
    token: CancelToken,
    report: ReportProgress | None,
) -> tuple[Findings, float, str]:
    """Return what the beads of all frames have in common."""
    instrument, where = phase_map.acquisition.instrument, phase_map.acquisition.name
    instrument.require("pixel_size_um", "A check of the scale", repr(where))
    pixel = phase_map.pixel_size_um
    assert pixel is not None
    factor = phase_map.opd_nm_per_unit("A check of the scale")
    diameter, height = (expected[name].value for name in ("diameter_um", "height_nm"))
    fits: list[BeadFit] = []
    for t in _frames(phase_map, token, report):
        opd = phase_map.read(t) * factor
        for window, use in find_beads(opd, pixel, diameter, height):
            token.raise_if_cancelled()
            fit = fit_bead(opd[window], use, pixel, diameter)
            fits += [] if fit is None else [fit]
            if len(fits) >= MOST_BEADS:
                break
        if len(fits) >= MOST_BEADS:
            break
    if not fits:
        raise ParameterError(
            f"No single bead about {diameter:g} um wide and {height:.4g} nm of optical "
            f"path high is in {where!r}. Beads must lie apart from each other and from "
            "the border and be at least 6 pixels wide; are diameter, indices, "
            "wavelength and pixel size right within a factor of two?"
        )
    measured = {
        name: combined([getattr(fit, name) for fit in fits]) for name in expected
    }
    count = "1 bead" if len(fits) == 1 else f"{len(fits)} beads"
    return measured, float(np.median([fit.misfit for fit in fits])), count


def _measure_steps(
    phase_map: PhaseMap,
    expected: Findings,
    token: CancelToken,
    report: ReportProgress | None,
) -> tuple[Findings, float, str]:
    """Return the height of the step in all frames."""
    factor = phase_map.opd_nm_per_unit("A check of the scale")
    steps = [
        measure_step(phase_map.read(t) * factor)
        for t in _frames(phase_map, token, report)
    ]
    heights = [height for height, _ in steps if height.is_known]
    if not heights:
        raise ParameterError(
            f"No step is found in {phase_map.acquisition.name!r}. {steps[0][0].how} "
            "Both levels must be in the field, each on at least 3 % of it."
        )
    misfit = float(np.nanmedian([misfit for _, misfit in steps]))
    return {"height_nm": combined(heights)}, misfit, "Step"


def _frames(
    phase_map: PhaseMap, token: CancelToken, report: ReportProgress | None
) -> Iterable[int]:
    for t in range(phase_map.n_frames):
        token.raise_if_cancelled()
        yield t
        if report is not None:
            report(Progress(t + 1, phase_map.n_frames, "frames", "Measuring"))


TITLES = {
    "height_nm": ("height", "nm"),
    "diameter_um": ("diameter", "um"),
    "opd_sum_um3": ("summed optical path", "um³"),
}
CAUSES = {
    "height_nm": "Heights are scaled wrong by wavelength or indices, or the object was "
    "out of focus or unwrapped wrong.",
    "diameter_um": "Lengths are scaled wrong by the pixel size, which is the camera's "
    "over the magnification.",
    "opd_sum_um3": "Dry masses will be wrong by as much.",
}


def _judge(
    what: str,
    measured: Findings,
    expected: Findings,
    misfit: float,
    tolerance: float,
) -> Check:
    """Return the verdict over all that was measured."""
    values: dict[str, float] = {"tolerance": tolerance, "misfit": misfit}
    verdicts: dict[str, Verdict] = {}
    told = []
    for name, want in expected.items():
        found, (title, unit) = measured[name], TITLES[name]
        off = found.value / want.value - 1
        error = math.hypot(found.uncertainty, want.uncertainty) / want.value
        key, _, _ = name.rpartition("_")
        values |= {
            name: found.value,
            f"{key}_expected_{name.rpartition('_')[2]}": want.value,
            f"{key}_off": off,
            f"{key}_off_sd": error,
        }
        verdicts[name] = _verdict(off, error, tolerance)
        told.append(
            f"{title} {found.value:.4g} {unit}, must be {want.value:.4g} {unit}: "
            f"off by {100 * off:+.1f} ± {max(100 * error, 0.1):.1f} %"
        )
    worst = max(verdicts.values(), key=lambda verdict: verdict.rank)
    wrong = [name for name, verdict in verdicts.items() if verdict is Verdict.BAD]
    ends = [CAUSES[name] for name in wrong]
    if not wrong and worst is Verdict.DOUBTFUL:
        ends = ["That is too uncertain to tell; record more of them."]
    elif worst is Verdict.GOOD:
        ends = [f"All within {tolerance:.0%}."]
    if misfit > MAX_MISFIT:
        worst = max(worst, Verdict.DOUBTFUL, key=lambda verdict: verdict.rank)
        ends.append(
            f"It does not look as it should (rms {misfit:.0%} of its height): out of "
            "focus, unwrapped wrong, or something else."
        )
    finding = " ".join([f"{what}: {'; '.join(told)}.", *ends])
    return Check("Scale", worst, values, finding, BLIND)


def _verdict(off: float, error: float, tolerance: float) -> Verdict:
    if abs(off) - SURE * error > tolerance:
        return Verdict.BAD
    return Verdict.GOOD if abs(off) + SURE * error <= tolerance else Verdict.DOUBTFUL


def _check_numbers(what: str, size: float, *deviations: float) -> None:
    numbers = (size, *deviations)
    if not (all(map(math.isfinite, numbers)) and size > 0 and min(deviations) >= 0):
        raise ParameterError(
            f"A {what} has a positive size, and deviations of 0 or more; not "
            f"{', '.join(f'{number:g}' for number in numbers)}."
        )
