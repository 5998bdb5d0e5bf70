"""Recordings for *File > Open Sample*: simulated, so they open at once and offline."""

from napari_qpm.viewer.layers import LayerTuple, recording_layer

__all__ = [
    "chromatic_sample",
    "off_axis_sample",
    "phase_sample",
    "polarization_sample",
    "sample_layers",
]


def sample_layers(kind: str) -> list[LayerTuple]:
    """Return the layer of a simulated recording of this kind."""
    from napari_qpm.specimens.samples import simulate

    return [recording_layer(simulate(kind).acquisition)]


def polarization_sample() -> list[LayerTuple]:
    """Return a time-lapse of growing cells behind a polarization camera."""
    return sample_layers("polarization")


def off_axis_sample() -> list[LayerTuple]:
    """Return an off-axis hologram of cells with its cell-free reference."""
    return sample_layers("off-axis")


def chromatic_sample() -> list[LayerTuple]:
    """Return colour pictures of cells in which focus depends on the colour."""
    return sample_layers("chromatic")


def phase_sample() -> list[LayerTuple]:
    """Return phase images that were retrieved elsewhere."""
    return sample_layers("phase")
