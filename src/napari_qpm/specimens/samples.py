"""Small simulated recordings with known truth, for samples, the demo and tests.

Living cells, a sphere or nothing lies in the field; the forward model of a microscope
turns it into raw frames. Lengths are um, times s, phase rad. Everything follows from
the seed. torch, which makes all of it, is imported by the first simulation.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_qpm.acquisition import Acquisition, Instrument, Modality
from napari_qpm.errors import UnknownNameError
from napari_qpm.provenance import Step
from napari_qpm.specimens._sample_files import write_sample
from napari_qpm.specimens._settings import ALPHA_UM3_PER_PG, SampleSettings, Specimen

__all__ = [
    "ALPHA_UM3_PER_PG",
    "KINDS",
    "SampleSettings",
    "Simulation",
    "Specimen",
    "named_sample",
    "simulate",
    "write_sample",
]

FloatImage = NDArray[np.float32]

KINDS: dict[str, str] = {
    "polarization": "Polarization camera, dividing cells (raw mosaic, simulated)",
    "off-axis": "Off-axis hologram with its reference (simulated)",
    "chromatic": "Colour brightfield of living cells (simulated)",
    "phase": "Phase images of living cells (simulated)",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Simulation:
    """A recording and the truth about it.

    Parameters
    ----------
    acquisition
        Raw frames as a microscope would give them.
    phase
        ``(T, Y, X)`` float32 [rad] of the specimen alone, on the raw grid, positive
        where it is thicker than its medium; cells absorb nothing.
    labels
        ``(T, Y, X)`` int32; a cell keeps its number until it divides.
    table
        One dictionary a cell and frame: ``frame, label, parent_id, dry_mass_pg,
        y_um, x_um, is_mitotic``. The mass is the whole cell's, with
        `ALPHA_UM3_PER_PG`; a cell at the border shows less of it.
    lineage
        ``{daughter: parent}``.
    """

    name: str
    title: str
    acquisition: Acquisition
    phase: FloatImage
    labels: NDArray[np.int32]
    table: tuple[dict[str, Any], ...]
    lineage: dict[int, int]
    settings: SampleSettings


def simulate(
    kind: str, *, instrument: Instrument | None = None, **options: Any
) -> Simulation:
    """Return a simulated recording of this kind with its truth.

    Parameters
    ----------
    kind
        A key of `KINDS`.
    instrument
        Record with this microscope; an option beats it. What it does not know is that
        of the plain sample, and named in the notes of the acquisition. Phase images
        have no camera: only their pixels, wavelength and interval follow it.
    **options
        Fields of `SampleSettings`.

    Raises
    ------
    UnknownNameError
        There is no such kind or option.
    """
    if kind not in KINDS:
        raise UnknownNameError("sample", kind, KINDS)
    # torch takes a second to import: not before there is something to simulate.
    from napari_qpm.specimens._recording import SETTINGS, record, record_with
    from napari_qpm.specimens._scenes import make_scene

    modality = Modality(kind)
    known = {} if instrument is None else instrument.to_dict()
    facts = {name: known[field] for field, name in SETTINGS.items() if field in known}
    tuples = {k: tuple(v) if isinstance(v, list) else v for k, v in facts.items()}
    settings = SampleSettings.of(modality, {**tuples, **options})
    scene = make_scene(settings)
    inputs = {}
    if instrument is None or modality is Modality.PHASE:
        recorded = record(modality, settings, scene)
    else:
        chosen = frozenset(options)
        recorded = record_with(instrument, modality, settings, scene, chosen)
        inputs["instrument"] = recorded.instrument.to_dict()
    acquisition = named_sample(
        recorded.acquisition, kind, settings, inputs=inputs, assumed=recorded.assumed
    )
    return Simulation(
        name=acquisition.name,
        title=KINDS[kind],
        acquisition=acquisition,
        phase=(scene.opd_um * settings.radians_per_um).numpy(),
        labels=scene.labels.numpy(),
        table=tuple(scene.table),
        lineage=scene.lineage,
        settings=settings,
    )


def named_sample(
    recording: Acquisition,
    kind: str,
    settings: SampleSettings,
    *,
    inputs: dict[str, Any] | None = None,
    assumed: tuple[str, ...] = (),
) -> Acquisition:
    """Return simulated frames with their name and what simulated them."""
    step = Step(
        name="simulate",
        engine=kind,
        parameters=dataclasses.asdict(settings),
        inputs=inputs or {},
    )
    known_exactly = "Simulated; the cells and their masses are known exactly."
    return recording.replace(
        name=f"{kind}-sample", history=(step,), notes=(known_exactly, *assumed)
    )
