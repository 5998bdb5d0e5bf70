"""Simulated living cells whose phase, outlines, lineage and mass are known."""

from napari_qpm.specimens.samples import (
    KINDS,
    SampleSettings,
    Simulation,
    Specimen,
    simulate,
    write_sample,
)

__all__ = [
    "KINDS",
    "SampleSettings",
    "Simulation",
    "Specimen",
    "simulate",
    "write_sample",
]
