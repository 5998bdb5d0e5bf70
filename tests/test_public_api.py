import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import napari_qpm as qpm


def test_every_public_name_exists() -> None:
    for name in qpm.__all__:
        assert getattr(qpm, name) is not None
    assert set(qpm.__all__) <= set(dir(qpm))
    assert qpm.__version__


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'retreive'"):
        _ = qpm.retreive  # type: ignore[attr-defined]


def test_import_loads_no_room() -> None:
    code = (
        "import sys, napari_qpm\n"
        "heavy = {'numpy', 'numba', 'dask', 'napari', 'qtpy', 'torch', 'pandas'}\n"
        "loaded = heavy & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(loaded)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_using_the_api_loads_neither_napari_nor_torch() -> None:
    code = (
        "import sys, napari_qpm as qpm\n"
        "[getattr(qpm, name) for name in qpm.__all__]\n"
        "sys.exit(', '.join({'napari', 'qtpy', 'torch'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_results_are_lazy_until_they_are_read(tmp_path: Path) -> None:
    y, x = np.indices((64, 64))
    cell = 1.5 * np.maximum(0, 1 - ((y - 32) ** 2 + (x - 32) ** 2) / 150)
    noise = np.random.default_rng(0).normal(0, 0.01, (3, 64, 64))
    path = tmp_path / "phase.npy"
    np.save(path, (cell + noise).astype(np.float32))

    recording = qpm.open(
        path,
        modality="phase",
        wavelength_nm=532,
        pixel_size_um=0.5,
        phase_unit="rad",
    )
    phase = qpm.retrieve(recording)
    labels = qpm.segment(phase)
    for lazy in (phase.phase, labels):
        assert lazy.shape == (3, 64, 64)
        assert lazy.chunks[0] == (1, 1, 1)
    assert phase.phase.dtype == np.float32
    assert labels.dtype == np.int32

    table = qpm.measure(phase, labels)
    assert table["frame"].tolist() == [0, 1, 2]
    # m = lambda / (2 pi alpha) * dA * sum(phase) of the simulated cell, alpha 0.19.
    truth_pg = 0.532 / (2 * np.pi * 0.19) * 0.25 * cell.sum()
    # The threshold leaves out the thin rim of the cell, about 1 % of its mass.
    np.testing.assert_allclose(table["dry_mass_pg"], truth_pg, rtol=0.02)
    path = qpm.save(tmp_path / "result", phase, labels, table)
    assert qpm.open(path).n_frames == 3
