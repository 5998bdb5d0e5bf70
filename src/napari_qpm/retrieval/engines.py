"""The phase engines by name; the first of a modality is its default."""

from typing import Any

from napari_qpm.acquisition import Acquisition
from napari_qpm.registry import Entry, Registry
from napari_qpm.retrieval.engine import PhaseEngine

__all__ = ["PHASE_ENGINES", "default_engine", "make_phase_engine"]

PHASE_ENGINES = Registry(
    "phase engine",
    Entry(
        "four-step",
        "Four-step polarization",
        "napari_qpm.retrieval.polarization_engine:FourStepEngine",
        "polarization",
        "Demosaics the camera's four polarization angles and takes their phase.",
    ),
    Entry(
        "fourier",
        "Fourier demodulation",
        "napari_qpm.retrieval.off_axis_engine:FourierEngine",
        "off-axis",
        "Cuts the sideband out of the hologram's spectrum; fast and exact.",
    ),
    Entry(
        "qpretrieve",
        "qpretrieve (reference)",
        "napari_qpm.retrieval.qpretrieve_engine:QpretrieveEngine",
        "off-axis",
        "The field's reference library at full resolution; slow, for comparison.",
    ),
    Entry(
        "nas-prnet",
        "NAS-PRNet (learned)",
        "napari_qpm.retrieval.nas_prnet_engine:NasPRNetEngine",
        "off-axis",
        "A network trained on simulated holograms; needs neither unwrapping nor "
        "background fit. Compare it with Fourier demodulation.",
        is_learned=True,
    ),
    Entry(
        "phase-shifting",
        "Phase shifting",
        "napari_qpm.retrieval.phase_shifting_engine:PhaseShiftingEngine",
        "phase-shifting",
        "Three or more interferograms with any phase steps, found in the frames.",
    ),
    Entry(
        "tie",
        "Transport of intensity",
        "napari_qpm.retrieval.intensity_engine:TransportEngine",
        "through-focus",
        "Phase from how the light changes between two planes or more.",
    ),
    Entry(
        "tie-rgb",
        "Transport of intensity (colours)",
        "napari_qpm.retrieval.intensity_engine:ColourTransportEngine",
        "chromatic",
        "Takes red, green and blue, which focus apart, for three planes.",
    ),
    Entry(
        "wiener-rgb",
        "Weak-phase filter (colours)",
        "napari_qpm.retrieval.colour_wiener_engine:ColourWienerEngine",
        "chromatic",
        "For thin cells (below 1 rad) far from focus; keeps the rings of diffraction.",
    ),
    Entry(
        "as-is",
        "Phase as recorded",
        "napari_qpm.retrieval.as_is_engine:AsIsEngine",
        "phase",
        "Passes already retrieved phase through, converted to radians if it can be.",
    ),
)


def default_engine(acquisition: Acquisition) -> str:
    """Return the name of the default engine for a recording."""
    modality = acquisition.require_modality()
    return PHASE_ENGINES.for_modality(modality.value)[0].name


def make_phase_engine(name: str, **parameters: Any) -> PhaseEngine:
    """Return a phase engine of this name with these parameters.

    Raises
    ------
    UnknownNameError, ParameterError
        The engine or a parameter is unknown, or a value is out of bounds.
    """
    engine_class = PHASE_ENGINES[name].load()
    engine: PhaseEngine = engine_class(engine_class.Parameters.parse(parameters))
    return engine
