import pytest
import torch

from napari_qpm.runtime.export import save_model
from napari_qpm.runtime.store import USER_FOLDER_VARIABLE

NAME = "tiny-net"
CONFIG = {"in_channels": 3, "width": 2, "range_rad": 12.0}


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory):
    """Folder with one model of a user: a tiny U-Net that has learned nothing."""
    from napari_qpm.networks import UNet

    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    fields = {
        "name": NAME,
        "title": "Tiny U-Net",
        "kind": "phase",
        "architecture": "u-net",
        "modality": "off-axis",
        "config": CONFIG,
        "preprocessing": {"input": "heterodyne"},
        "training": {"recipe": "nas-prnet", "seed": 3, "steps": 10, "samples": 160},
    }
    save_model(folder / NAME, fields, UNet(**CONFIG), half_graph=False)
    return folder


@pytest.fixture
def tiny_model(models_folder, monkeypatch):
    """Name of an installed model."""
    monkeypatch.setenv(USER_FOLDER_VARIABLE, str(models_folder))
    return NAME
