import numpy as np
import pytest

from napari_qpm.runtime import open_session
from napari_qpm.runtime.devices import cuda_card
from napari_qpm.runtime.torch_session import TorchSession

MODULE = "napari_qpm.runtime.torch_session"
INPUTS = np.random.default_rng(0).normal(size=(2, 3, 64, 96)).astype(np.float32)


def test_torch_says_what_onnx_runtime_says(tiny_model):
    session = TorchSession(tiny_model, "cpu")
    expected = open_session(tiny_model, runtime="onnx", device="cpu").run(INPUTS)
    assert np.abs(session.run(INPUTS) - expected).max() < 1e-5
    assert (session.device, session.precision) == ("cpu", "f32")


def test_reduced_precision_gives_single_precision_near_the_true_output(tiny_model):
    session = TorchSession(tiny_model, "cpu", "bf16")
    output = session.run(INPUTS)
    expected = TorchSession(tiny_model, "cpu").run(INPUTS)
    assert output.dtype == np.float32
    # Ten layers of 8-bit mantissas.
    assert 0 < np.abs(output - expected).max() < 0.1 * np.abs(expected).max()


def test_half_precision_stays_single_on_a_processor(tiny_model):
    assert TorchSession(tiny_model, "cpu", "f16").precision == "f32"


@pytest.mark.skipif(cuda_card() is not None, reason="there is a card")
def test_missing_card_is_announced(tiny_model, monkeypatch):
    session = TorchSession(tiny_model, "cuda")
    assert session.is_fallback
    assert "no NVIDIA card" in session.device_note
    monkeypatch.setattr(f"{MODULE}.cuda_card", lambda: "A card")
    assert "no CUDA" in TorchSession(tiny_model, "auto").device_note


@pytest.mark.gpu
@pytest.mark.skipif(cuda_card() is None, reason="needs an NVIDIA card")
def test_card_says_what_the_processor_says(tiny_model):
    session = TorchSession(tiny_model, "cuda")
    assert (session.device, session.precision) == ("cuda", "f16"), session.device_note
    expected = TorchSession(tiny_model, "cpu").run(INPUTS)
    assert np.abs(session.run(INPUTS) - expected).max() < 1e-2 * np.abs(expected).max()
