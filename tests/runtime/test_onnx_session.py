import threading

import numpy as np
import pytest

from napari_qpm.errors import FileFormatError, ParameterError, UnknownNameError
from napari_qpm.runtime import open_model, open_session
from napari_qpm.runtime.devices import cuda_card
from napari_qpm.runtime.onnx_session import OnnxSession

MODULE = "napari_qpm.runtime.onnx_session"


def test_processor_is_named_and_no_fallback_when_asked_for(tiny_model):
    session = OnnxSession(tiny_model, "cpu")
    assert (session.device, session.precision) == ("cpu", "f32")
    assert not session.is_fallback
    assert "processor" in session.device_note
    assert "graphics card" not in session.device_note


def test_missing_card_is_announced_only_when_asked_for(tiny_model, monkeypatch):
    monkeypatch.setattr(f"{MODULE}.cuda_card", lambda: None)
    assert not OnnxSession(tiny_model, "auto").is_fallback
    session = OnnxSession(tiny_model, "cuda")
    assert session.is_fallback
    assert session.device == "cpu"
    assert "no NVIDIA card is found" in session.device_note


def test_build_without_cuda_is_announced(tiny_model, monkeypatch):
    monkeypatch.setattr(f"{MODULE}.cuda_card", lambda: "A card")
    monkeypatch.setattr(
        "onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"]
    )
    monkeypatch.setattr(f"{MODULE}.installation_conflict", lambda: None)
    note = OnnxSession(tiny_model, "auto").device_note
    assert "install onnxruntime-gpu" in note
    monkeypatch.setattr(f"{MODULE}.installation_conflict", lambda: "both, overwrite")
    assert "both, overwrite" in OnnxSession(tiny_model, "auto").device_note


@pytest.mark.skipif(cuda_card() is not None, reason="there is a card")
def test_cuda_that_onnx_runtime_drops_without_a_word_is_announced(
    tiny_model, monkeypatch, caplog
):
    monkeypatch.setattr(f"{MODULE}.cuda_card", lambda: "A card")
    monkeypatch.setattr(
        "onnxruntime.get_available_providers",
        lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
    )
    session = OnnxSession(tiny_model, "auto")
    assert (session.device, session.precision) == ("cpu", "f32")
    assert session.is_fallback
    assert "not on the graphics card" in session.device_note
    assert session.device_note in caplog.text
    assert session.run(np.zeros((1, 3, 32, 32), np.float32)).shape == (1, 1, 32, 32)


def test_unknown_device_and_precision_are_named(tiny_model):
    with pytest.raises(UnknownNameError, match="auto, cpu, cuda"):
        OnnxSession(tiny_model, "gpu")
    with pytest.raises(UnknownNameError, match="f16"):
        OnnxSession(tiny_model, "cpu", "fp16")
    with pytest.raises(ParameterError, match="runtime torch"):
        OnnxSession(tiny_model, "cpu", "bf16")


def test_damaged_graph_is_named(make_folder, tmp_path):
    with pytest.raises(FileFormatError, match=r"small.*damaged: graph\.onnx"):
        OnnxSession(open_model(make_folder(tmp_path)), "cpu")


def test_weight_that_nobody_supplies_is_noticed(tiny_model, monkeypatch):
    weights = dict(list(tiny_model.graph_weights().items())[1:])
    monkeypatch.setattr(
        "napari_qpm.runtime.store.Model.graph_weights", lambda _: weights
    )
    with pytest.raises(FileFormatError, match="damaged"):
        OnnxSession(tiny_model, "cpu")


def test_one_session_serves_many_threads(tiny_model):
    session = OnnxSession(tiny_model, "cpu")
    inputs = np.random.default_rng(0).normal(size=(4, 1, 3, 64, 64))
    expected = [session.run(frame) for frame in inputs]
    found: dict[int, np.ndarray] = {}

    def work(n: int) -> None:
        for _ in range(5):
            found[n] = session.run(inputs[n])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, output in enumerate(expected):
        assert np.array_equal(found[n], output)


def test_memory_of_large_runs_is_given_back(tiny_model, monkeypatch):
    session = OnnxSession(tiny_model, "cpu")
    inputs = np.random.default_rng(0).normal(size=(1, 3, 64, 64))
    expected = session.run(inputs)
    monkeypatch.setattr(f"{MODULE}.LARGE_RUN_BYTES", 0)
    monkeypatch.setattr("napari_qpm.runtime.session.available_bytes", lambda: 10**9)
    assert session.free_bytes() > 10**9
    assert np.array_equal(session.run(inputs), expected)
    assert session.free_bytes() == 10**9


@pytest.mark.gpu
@pytest.mark.skipif(cuda_card() is None, reason="needs an NVIDIA card")
@pytest.mark.parametrize("precision", ["auto", "f32"])
def test_card_says_what_the_processor_says(tiny_model, precision):
    session = open_session(tiny_model, device="cuda", precision=precision)
    assert session.device == "cuda", session.device_note
    assert session.precision == {"auto": "f16", "f32": "f32"}[precision]
    inputs = np.random.default_rng(0).normal(size=(2, 3, 96, 64)).astype(np.float32)
    expected = open_session(tiny_model, device="cpu").run(inputs)
    # Ten layers of 11-bit numbers, TF32 in single precision.
    assert np.abs(session.run(inputs) - expected).max() < 1e-2 * np.abs(expected).max()
