from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import napari_qpm as qpm
from napari_qpm.errors import LayoutError, OutputError

Maker = Callable[..., qpm.Acquisition]


def test_saved_phase_opens_equal_with_its_calibration(
    phase_recording: Maker, tmp_path: Path
) -> None:
    phase = qpm.retrieve(phase_recording())
    labels = qpm.segment(phase)
    table = qpm.measure(phase, labels)
    path = qpm.save(tmp_path / "result", phase, labels, table)
    assert path == tmp_path / "result" / "phase.ome.zarr"

    opened = qpm.open(path)
    assert opened.modality is qpm.Modality.PHASE
    np.testing.assert_array_equal(opened.frames[:, 0], phase.phase)
    assert opened.instrument.wavelength_nm == 532
    assert opened.instrument.pixel_size_um == pytest.approx(0.5)
    assert opened.instrument.frame_interval_s == pytest.approx(60)
    saved = pd.read_csv(tmp_path / "result" / "cells.csv")
    np.testing.assert_allclose(saved["dry_mass_pg"], table["dry_mass_pg"])
    again = qpm.measure(qpm.retrieve(opened), labels)
    np.testing.assert_allclose(again["dry_mass_pg"], table["dry_mass_pg"])


def test_path_that_ends_in_zarr_is_the_phase_itself(
    phase_recording: Maker, tmp_path: Path
) -> None:
    path = qpm.save(tmp_path / "my.ome.zarr", qpm.retrieve(phase_recording()))
    assert path == tmp_path / "my.ome.zarr"
    assert qpm.open(path).n_frames == 4


def test_save_never_replaces_without_being_asked(
    phase_recording: Maker, tmp_path: Path
) -> None:
    phase = qpm.retrieve(phase_recording())
    qpm.save(tmp_path, phase)
    other = qpm.retrieve(phase_recording(), background="tilt")
    with pytest.raises(OutputError, match="pass overwrite=True"):
        qpm.save(tmp_path, other)
    np.testing.assert_array_equal(
        qpm.open(tmp_path / "phase.ome.zarr").frames[:, 0], phase.phase
    )
    qpm.save(tmp_path, other, overwrite=True)
    np.testing.assert_array_equal(
        qpm.open(tmp_path / "phase.ome.zarr").frames[:, 0], other.phase
    )


def test_labels_of_another_shape_are_refused(
    phase_recording: Maker, tmp_path: Path
) -> None:
    phase = qpm.retrieve(phase_recording())
    with pytest.raises(LayoutError, match="Save labels that belong to this phase"):
        qpm.save(tmp_path, phase, np.zeros((4, 8, 8), np.int32))
    assert not (tmp_path / "phase.ome.zarr").exists()
