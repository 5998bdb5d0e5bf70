from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_qpm.acquisition import Acquisition
from napari_qpm.errors import FileFormatError, OutputError
from napari_qpm.io import open_acquisition
from napari_qpm.io.label_files import read_labels
from napari_qpm.pipeline import Pipeline, run_pipeline
from napari_qpm.pipeline.exporting import export_result, stored_phase


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory):
    """Return a finished result of three frames at uneven times."""
    y, x = np.mgrid[:64, :64]
    cell = 1.5 * np.exp(-((y - 30) ** 2 + (x - 30) ** 2) / 80)
    noise = np.random.default_rng(0).normal(0, 0.01, (3, 64, 64))
    raw = Acquisition.from_array(
        (cell + noise).astype(np.float32),
        "phase",
        name="dish",
        phase_unit="rad",
        wavelength_nm=532,
        pixel_size_um=0.5,
        frame_interval_s=10,
    ).replace(times_s=(0.0, 10.0, 35.0))
    return run_pipeline(Pipeline(), raw, tmp_path_factory.mktemp("result") / "dish")


def test_every_target_holds_what_the_result_holds(result, tmp_path: Path) -> None:
    names = ("a.h5", "a.ome.tif", "cells.tif", "a_seg.npy")
    made = export_result(result.folder, [tmp_path / name for name in names])
    assert len(made) == 3 + 3
    phase = np.asarray(result.phase_map.phase)
    for path in made[:2]:
        opened = open_acquisition(path)
        np.testing.assert_array_equal(opened.read(2)[0], phase[2])
        assert opened.times_s == (0, 10, 35)
        assert opened.missing() == {}
    np.testing.assert_array_equal(tifffile.imread(made[2]), result.labels)
    np.testing.assert_array_equal(read_labels(made[5])[0], result.labels[2])


def test_the_table_and_the_stored_phase_know_uneven_times(result) -> None:
    assert sorted(set(result.table["time_s"])) == [0, 10, 35]
    assert stored_phase(result.folder).acquisition.times_s == (0, 10, 35)
    assert open_acquisition(result.paths["phase"]).times_s == (0, 10, 35)


def test_a_name_without_a_format_is_refused(result, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"a\.docx says no format.*\.h5"):
        export_result(result.folder, [tmp_path / "a.docx"])


def test_nothing_is_overwritten(result, tmp_path: Path) -> None:
    (tmp_path / "a.h5").touch()
    with pytest.raises(OutputError, match="exists already"):
        export_result(result.folder, [tmp_path / "a.h5"])


def test_other_folders_are_no_results(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="not a result of napari-qpm"):
        export_result(tmp_path, [tmp_path / "a.h5"])
