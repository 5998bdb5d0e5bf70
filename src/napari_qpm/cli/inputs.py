"""Recordings that a command is given, opened as its options say."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_qpm.cli.options import instrument_values

if TYPE_CHECKING:
    from napari_qpm.acquisition import Acquisition

__all__ = ["open_inputs"]


def open_inputs(
    inputs: Sequence[Path],
    *,
    modality: str | None,
    channel: str | None,
    reference: Path | None,
    set_instrument: list[str] | None,
) -> "list[Acquisition]":
    """Return every field of view of files and folders."""
    from napari_qpm.io import open_all

    known = instrument_values(set_instrument)
    return [
        acquisition
        for path in inputs
        for acquisition in open_all(
            path, modality=modality, channel=channel, reference=reference, **known
        )
    ]
