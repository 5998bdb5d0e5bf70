import numpy as np
import pytest

from napari_qpm.errors import LayoutError, OutOfDeviceMemoryError, QPMError

ZEROS = np.zeros((1, 1, 64, 32), np.float32)


def test_run_gives_what_the_network_gives(plain_session):
    session = plain_session(lambda inputs: 2 * inputs)
    ones = np.ones((2, 1, 32, 64))
    assert np.array_equal(session.run(ones), 2 * ones)
    assert session.run(ones).dtype == np.float32


@pytest.mark.parametrize("shape", [(1, 32, 32), (1, 2, 32, 32), (1, 1, 32, 33)])
def test_shapes_that_do_not_fit_are_named(plain_session, shape):
    session = plain_session(lambda inputs: inputs)
    with pytest.raises(LayoutError, match=r"takes \(N, 1, Y, X\).*multiples of 32"):
        session.run(np.zeros(shape, np.float32))


def test_warming_runs_once_on_the_shape_to_come(plain_session):
    session = plain_session(lambda inputs: inputs)
    session.warm()
    session.warm((2, 1, 64, 96))
    assert session.shapes == [(1, 1, 256, 256), (2, 1, 64, 96)]


def test_estimate_grows_with_pixels(plain_session):
    session = plain_session(lambda inputs: inputs)
    one = session.estimate_bytes((1, 1, 512, 512))
    assert one > 512**2 * 100
    assert session.estimate_bytes((2, 1, 512, 1024)) == pytest.approx(4 * one)


def test_what_cannot_fit_is_refused_before_with_advice(plain_session, monkeypatch):
    monkeypatch.setattr("napari_qpm.runtime.session.available_bytes", lambda: 10**6)
    session = plain_session(lambda inputs: inputs)
    with pytest.raises(
        OutOfDeviceMemoryError, match=r"about .* GB for .*Take smaller tiles"
    ):
        session.run(ZEROS)
    assert session.shapes == []


def test_memory_that_the_session_holds_is_its_own(plain_session, monkeypatch):
    session = plain_session(lambda inputs: inputs)
    session.run(ZEROS)
    monkeypatch.setattr("napari_qpm.runtime.session.available_bytes", lambda: 0)
    session.run(ZEROS)
    with pytest.raises(OutOfDeviceMemoryError):
        session.run(np.zeros((2, 1, 64, 32), np.float32))


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (MemoryError(), OutOfDeviceMemoryError),
        (ZeroDivisionError("Failed to allocate memory"), OutOfDeviceMemoryError),
        (ZeroDivisionError("CUDA out of memory"), OutOfDeviceMemoryError),
        (ZeroDivisionError("nonsense"), QPMError),
    ],
)
def test_failures_of_the_runtime_become_our_errors(plain_session, failure, expected):
    def fails(_: object) -> None:
        raise failure

    with pytest.raises(expected) as caught:
        plain_session(fails).run(ZEROS)
    assert type(caught.value) is expected
    assert caught.value.__cause__ is failure
