"""A recording whose truth is known, and an untrained model to start from."""

from pathlib import Path

import pytest

from napari_qpm.specimens.samples import simulate

CONFIG = {"in_channels": 3, "width": 4, "range_rad": 12.0}


@pytest.fixture(scope="session")
def traced_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that holds "start": an untrained U-Net with its graph."""
    import torch

    from napari_qpm.runtime.architectures import make_network
    from napari_qpm.runtime.export import save_model

    folder = tmp_path_factory.mktemp("traced")
    torch.manual_seed(0)
    fields = {
        "name": "start",
        "title": "Start",
        "kind": "phase",
        "architecture": "u-net",
        "modality": "off-axis",
        "config": CONFIG,
        "preprocessing": {"input": "heterodyne"},
        "valid": {"period_px": [2.2, 9.0], "phase_rad": [0.5, 12.0]},
    }
    network = make_network("u-net", CONFIG)
    save_model(folder / "start", fields, network, half_graph=False)
    return folder


@pytest.fixture
def models(traced_folder, tmp_path, monkeypatch):
    """The user's models: a copy of "start" alone."""
    import shutil

    folder = tmp_path / "models"
    shutil.copytree(traced_folder, folder)
    monkeypatch.setenv("NAPARI_QPM_MODELS", str(folder))
    return folder


@pytest.fixture(scope="session")
def recording():
    """Two frames of cells on a microscope with aberrations."""
    return simulate("off-axis", n_frames=2, shape=(192, 224), seed=3).acquisition
