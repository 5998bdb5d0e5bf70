import importlib.metadata
import sys

import pytest

from napari_qpm.errors import UnknownNameError
from napari_qpm.runtime import devices


def test_driver_that_is_missing_means_no_card(monkeypatch):
    def missing(_: str) -> None:
        raise OSError

    devices.cuda_card.cache_clear()
    monkeypatch.setattr("ctypes.CDLL", missing)
    assert devices.cuda_card() is None
    assert devices.card_free_bytes() == sys.maxsize
    devices.cuda_card.cache_clear()


def test_hidden_card_is_no_card(monkeypatch):
    devices.cuda_card.cache_clear()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert devices.cuda_card() is None
    devices.cuda_card.cache_clear()


@pytest.mark.parametrize(
    ("installed", "is_conflict"),
    [
        ({"onnxruntime": "1.31"}, False),
        ({"onnxruntime-gpu": "1.31"}, False),
        ({"onnxruntime": "1.30", "onnxruntime-gpu": "1.31"}, True),
    ],
)
def test_packages_that_overwrite_each_other_are_noticed(
    installed, is_conflict, monkeypatch
):
    def version(name: str) -> str:
        if name not in installed:
            raise importlib.metadata.PackageNotFoundError
        return installed[name]

    monkeypatch.setattr("importlib.metadata.version", version)
    conflict = devices.installation_conflict()
    assert bool(conflict) is is_conflict
    if conflict:
        assert "onnxruntime 1.30 and onnxruntime-gpu 1.31" in conflict
        assert "Uninstall both" in conflict


def test_machine_is_described():
    assert devices.n_threads() >= 1
    assert devices.available_bytes() > 0


def test_words_become_members():
    assert devices.named(devices.DeviceName, "device", "cpu") is devices.DeviceName.CPU
    with pytest.raises(UnknownNameError, match="no device named 'cuda:0'"):
        devices.named(devices.DeviceName, "device", "cuda:0")
