"""From a user's own recordings to an `Instrument` that a simulation of it needs."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from napari_qpm.acquisition import Acquisition, Modality
from napari_qpm.calibration.camera import Darkness, fit_camera, measure_dark
from napari_qpm.calibration.finding import Finding, combined, unknown
from napari_qpm.errors import LayoutError, ModalityError
from napari_qpm.instrument import Instrument
from napari_qpm.jobs import CancelToken, Progress, ReportProgress

__all__ = ["InstrumentFit", "fit_instrument"]

OF_THE_RECORDING = ("frame_interval_s", "phase_unit")
"""Fields of an instrument that another recording of it does not share."""
NOT_SEEN = {
    "wavelength_nm": "Frames do not tell it. Give wavelength_nm.",
    "pixel_size_um": "Frames do not tell it. Give pixel_size_um.",
    "numerical_aperture": "Not looked for in this kind of recording.",
    "medium_index": "Frames do not tell it. Give medium_index.",
}
NOT_SEEN_BY_MOSAICS = {
    "handedness": "Only a known object tells it. Give handedness.",
    "reference_wave": "Frames do not tell it. Give reference_wave.",
}

Fit = Callable[[Acquisition, Finding, CancelToken], dict[str, Finding]]


@dataclass(frozen=True)
class InstrumentFit:
    """An instrument as its own recordings show it.

    Parameters
    ----------
    instrument
        What was stated and what was found; the rest is `None`.
    report
        ``{name: finding}`` for every fact that was looked for: value, uncertainty and
        how it was found, or why not. Most names are fields of the instrument.
    """

    instrument: Instrument
    report: Mapping[str, Finding]

    @property
    def unknown(self) -> dict[str, str]:
        """What was not found: ``{name: reason}``."""
        return {n: f.how for n, f in self.report.items() if not f.is_known}

    def describe(self) -> str:
        """Return the report as text, a fact and its origin in two lines."""
        lines = []
        for name, finding in self.report.items():
            lines += [f"{name}: {finding.describe()}", f"    {finding.how}"]
        return "\n".join(lines)

    def summary(self) -> dict[str, Any]:
        """Return instrument and report as plain values."""
        report = {name: dataclasses.asdict(one) for name, one in self.report.items()}
        return {"instrument": self.instrument.to_dict(), "report": report}


def fit_instrument(
    acquisitions: Acquisition | Iterable[Acquisition],
    token: CancelToken | None = None,
    report: ReportProgress | None = None,
    *,
    dark: Acquisition | None = None,
) -> InstrumentFit:
    """Return what recordings tell of the instrument that made them.

    Parameters
    ----------
    acquisitions
        One recording or several of the same instrument with the same settings. A
        reference frame (or an empty field) says most; fringes that cover a whole period
        are needed for analyser angles.
    token, report
        To cancel, and to follow.
    dark
        Recording without light; without it the dark level stays unknown and is part of
        the brightness.

    Raises
    ------
    LayoutError
        The recordings differ in size.
    ModalityError
        They differ in kind, or hold no raw frames.
    SidebandError
        A hologram has no clear carrier.
    """
    token = token or CancelToken()
    given = [acquisitions] if isinstance(acquisitions, Acquisition) else acquisitions
    recordings = list(given)
    modality = _checked(recordings, dark)
    darkness = measure_dark(dark, recordings[0].instrument.dark_counts)
    found = []
    for number, acquisition in enumerate(recordings):
        token.raise_if_cancelled()
        if report is not None:
            message = "Fit the instrument"
            report(Progress(number, len(recordings), "recordings", message))
        found.append(_fit_one(acquisition, modality, darkness, token))
    findings = _together(recordings, found)
    if report is not None:
        message = "Fit the instrument"
        report(Progress(len(recordings), len(recordings), "recordings", message))
    stated = _stated(recordings)
    findings |= _not_seen(stated, modality, findings)
    findings = {name: finding.rounded() for name, finding in findings.items()}
    values = {
        name: finding.value
        for name, finding in findings.items()
        if finding.is_known and name in Instrument.__dataclass_fields__
    }
    return InstrumentFit(stated.replace(**values), findings)


def _checked(recordings: list[Acquisition], dark: Acquisition | None) -> Modality:
    """Return the kind of the recordings; raise when they do not belong together."""
    if not recordings:
        raise LayoutError("There is no recording to fit an instrument to.")
    first = recordings[0]
    modality = first.require_modality()
    if modality is Modality.PHASE:
        raise ModalityError(
            f"{first.name!r} holds phase that was retrieved already; an instrument is "
            "fitted to raw frames. Open the raw recording."
        )
    for other in recordings[1:]:
        if other.require_modality() is not modality:
            raise ModalityError(
                f"{first.name!r} is {modality.value}, {other.name!r} is "
                f"{other.require_modality().value}. Fit one instrument at a time."
            )
        if other.shape[1:] != first.shape[1:]:
            raise LayoutError(
                f"{first.name!r} has frames of {first.shape[1:]}, {other.name!r} of "
                f"{other.shape[1:]} (C, Y, X). Fit recordings of one size together."
            )
    if dark is not None and dark.shape[1:] != first.shape[1:]:
        raise LayoutError(
            f"The dark recording has frames of {dark.shape[1:]}, {first.name!r} of "
            f"{first.shape[1:]} (C, Y, X). Record it with the same settings."
        )
    return modality


def _fit_one(
    acquisition: Acquisition,
    modality: Modality,
    darkness: Darkness,
    token: CancelToken,
) -> dict[str, Finding]:
    fit = _optics_fit(modality)
    optics = {} if fit is None else fit(acquisition, darkness.level, token)
    token.raise_if_cancelled()
    return optics | fit_camera(acquisition, darkness, token)


def _optics_fit(modality: Modality) -> Fit | None:
    """Return what fits the optics of this kind of recording; for some only noise is."""
    match modality:
        case Modality.OFF_AXIS:
            from napari_qpm.calibration.hologram import fit_holograms

            return fit_holograms
        case Modality.POLARIZATION:
            from napari_qpm.calibration.mosaic import fit_mosaics

            return fit_mosaics
    return None


def _together(
    recordings: list[Acquisition], found: list[dict[str, Finding]]
) -> dict[str, Finding]:
    """Return one finding a name; terms of surfaces are those of the first recording."""
    names = dict.fromkeys(name for one in found for name in one)
    together = {}
    for name in names:
        findings = [one[name] for one in found if name in one]
        if name == "sideband_cycles_per_px":
            together[name] = _one_carrier(recordings, findings)
        elif name in ("background_rad", "unevenness"):
            # Piston and drift differ from recording to recording: no mean of them.
            together[name] = next((f for f in findings if f.is_known), findings[0])
        else:
            together[name] = combined(findings)
    return together


def _one_carrier(recordings: list[Acquisition], findings: list[Finding]) -> Finding:
    """Return the first carrier, and say when another recording has another one."""
    first, shape = findings[0], recordings[0].shape[2:]
    for acquisition, other in zip(recordings, findings, strict=True):
        pairs = zip(first.value, other.value, shape, strict=True)
        bins = max(abs(a - b) * n for a, b, n in pairs)
        if bins > 1:
            how = (
                f"{first.how} That of {acquisition.name!r} is {bins:.1f} bins away: "
                "the microscope was adjusted between them."
            )
            return Finding(first.value, first.uncertainty, how)
    return first


def _stated(recordings: list[Acquisition]) -> Instrument:
    """Return what the recordings state, the first of them before the others."""
    values: dict[str, Any] = {}
    for acquisition in reversed(recordings):
        values |= acquisition.instrument.to_dict()
    kept = {n: v for n, v in values.items() if n not in OF_THE_RECORDING}
    return Instrument.from_dict(kept)


def _not_seen(
    stated: Instrument, modality: Modality, findings: Mapping[str, Finding]
) -> dict[str, Finding]:
    """Return findings for what no fit looks for: stated, or why it is unknown."""
    reasons = dict(NOT_SEEN)
    if modality is Modality.POLARIZATION:
        reasons |= NOT_SEEN_BY_MOSAICS
    missing = {}
    for name, reason in reasons.items():
        if name in findings:
            continue
        value = getattr(stated, name)
        missing[name] = (
            unknown(reason) if value is None else Finding(value, None, "As stated.")
        )
    return missing
