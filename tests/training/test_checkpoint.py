import pytest
import torch
from torch import nn

from napari_qpm.errors import FileFormatError, OutputError
from napari_qpm.training.checkpoint import (
    TableLog,
    load_state,
    load_weights,
    save_state,
    save_weights,
)


def test_state_comes_back(tmp_path):
    path = tmp_path / "state.pt"
    save_state(path, {"step": 3, "values": {"a": torch.arange(4.0)}, "none": None})
    state = load_state(path)
    assert state["step"] == 3
    assert state["none"] is None
    assert torch.equal(state["values"]["a"], torch.arange(4.0))


def test_a_full_disk_keeps_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / "state.pt"
    save_state(path, {"step": 1})

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_qpm.files.os.fsync", fail)
    with pytest.raises(OutputError, match="No space left"):
        save_state(path, {"step": 2})
    assert load_state(path)["step"] == 1


def test_damaged_files_are_named(tmp_path):
    path = tmp_path / "broken.pt"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(FileFormatError, match=r"broken\.pt"):
        load_state(path)
    with pytest.raises(FileFormatError, match=r"broken\.pt"):
        load_weights(path, nn.Linear(1, 1))


def test_weights_of_another_network_are_refused(tmp_path):
    save_weights(tmp_path / "w.safetensors", nn.Linear(2, 2))
    same = nn.Linear(2, 2)
    load_weights(tmp_path / "w.safetensors", same)
    with pytest.raises(FileFormatError, match="does not fit"):
        load_weights(tmp_path / "w.safetensors", nn.Linear(3, 2))


def test_table_drops_rows_after_the_checkpoint(tmp_path):
    path = tmp_path / "log.csv"
    log = TableLog(path)
    for step in (10, 20, 30):
        log.add({"step": step, "loss": 1 / step})
    log = TableLog(path, keep_to_step=20)
    log.add({"step": 30, "loss": 0.5})
    lines = path.read_text().splitlines()
    assert lines == ["step,loss", "10,0.1", "20,0.05", "30,0.5"]
