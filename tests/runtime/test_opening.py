import dataclasses

import pytest

from napari_qpm.errors import ParameterError, UnknownNameError
from napari_qpm.runtime import (
    Model,
    ModelStore,
    open_session,
    release_sessions,
    session_for,
)
from napari_qpm.runtime.store import USER_FOLDER_VARIABLE


@pytest.fixture(autouse=True)
def forget_sessions():
    release_sessions()
    yield
    release_sessions()


def test_onnx_runtime_is_taken_where_it_can_do_it(tiny_model):
    assert open_session(tiny_model, device="cpu").runtime == "onnx"
    assert open_session(tiny_model, device="cpu", precision="bf16").runtime == "torch"
    assert open_session(tiny_model, device="cpu", runtime="torch").runtime == "torch"


def test_torch_steps_in_where_onnx_runtime_is_missing(tiny_model, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert open_session(tiny_model, device="cpu").runtime == "torch"
    with pytest.raises(ParameterError, match="not installed"):
        open_session(tiny_model, runtime="onnx")


def test_unknown_runtime_is_named(tiny_model):
    with pytest.raises(UnknownNameError, match="auto, onnx, torch"):
        open_session(tiny_model, runtime="onyx")


def test_model_is_found_by_name(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setenv(USER_FOLDER_VARIABLE, str(tmp_path))
    ModelStore().install(tiny_model.folder)
    assert open_session("tiny", device="cpu").model.folder == tmp_path / "tiny"
    with pytest.raises(UnknownNameError, match="Did you mean 'tiny'"):
        session_for("tinny")


def test_same_request_gets_the_same_session(tiny_model):
    session = session_for(tiny_model, device="cpu")
    assert session_for(tiny_model, device="cpu") is session
    assert session_for(tiny_model, device="cpu", runtime="torch") is not session
    release_sessions()
    assert session_for(tiny_model, device="cpu") is not session


def test_replaced_model_gets_a_new_session(tiny_model):
    session = session_for(tiny_model, device="cpu")
    spec = dataclasses.replace(tiny_model.spec, sha256="0" * 64)
    other = Model(spec, tiny_model.folder)
    with pytest.raises(Exception, match="another hash"):
        session_for(other, device="cpu")
    assert session_for(tiny_model, device="cpu") is session


def test_sessions_unused_for_longest_are_forgotten(tiny_model, monkeypatch):
    monkeypatch.setattr("napari_qpm.runtime.opening.MOST_SESSIONS", 1)
    first = session_for(tiny_model, device="cpu")
    session_for(tiny_model, device="cpu", runtime="torch")
    assert session_for(tiny_model, device="cpu") is not first
