"""Names of the segmentation engines; adding one is one file and one line here."""

from typing import Any

from napari_qpm.registry import Entry, Registry
from napari_qpm.segmentation.engine import SegmentationEngine

__all__ = ["SEGMENTATION_ENGINES", "make_segmentation_engine"]

SEGMENTATION_ENGINES = Registry(
    "segmentation engine",
    Entry(
        name="watershed",
        title="Threshold and watershed",
        target="napari_qpm.segmentation.watershed_engine:WatershedEngine",
        summary="Finds what rises above the background and parts touching cells at "
        "the valleys between them. Needs no training.",
    ),
    Entry(
        name="dm-qpmnet",
        title="DM-QPMNet (learned)",
        target="napari_qpm.segmentation.dm_qpmnet_engine:DMQPMNetEngine",
        modality="polarization",
        summary="A trained network that sees the four images of a polarization camera "
        "and their phase.",
        is_learned=True,
    ),
    Entry(
        name="dm-qpmnet-phase",
        title="DM-QPMNet, phase only (learned)",
        target="napari_qpm.segmentation.dm_qpmnet_engine:DMQPMNetPhaseEngine",
        summary="A trained network that sees the phase, of any microscope.",
        is_learned=True,
    ),
    Entry(
        name="cellpose",
        title="Cellpose",
        target="napari_qpm.segmentation.cellpose_engine:CellposeEngine",
        summary="Cellpose, where it is installed: cells to start from. It sees the "
        "phase.",
        package="cellpose",
    ),
    Entry(
        name="file",
        title="From a file",
        target="napari_qpm.io.label_engine:FileEngine",
        summary="Cells that were outlined elsewhere: masks, or a segmentation of "
        "Cellpose.",
        required="path",
    ),
)


def make_segmentation_engine(
    name: str = "watershed", **params: Any
) -> SegmentationEngine:
    """Return the engine of this name with these parameters.

    Raises
    ------
    UnknownNameError
        No engine or parameter has this name.
    ParameterError
        A value is out of bounds.
    """
    engine_class = SEGMENTATION_ENGINES[name].load()
    engine: SegmentationEngine = engine_class(engine_class.Parameters.parse(params))
    return engine
