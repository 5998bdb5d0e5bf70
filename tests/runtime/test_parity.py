import pytest

from napari_qpm.runtime import Model, ModelStore
from napari_qpm.runtime.parity import PARITY_TOLERANCE, parity_error

SHIPPED = ModelStore().bundled


@pytest.mark.parametrize(
    "name", ModelStore(user=SHIPPED / "no such folder").names() or [None]
)
def test_every_shipped_model_computes_the_same_on_both_runtimes(name):
    if name is None:
        pytest.skip("no model is shipped")
    store = ModelStore(user=SHIPPED / "no such folder")
    assert parity_error(store.check(name)) <= PARITY_TOLERANCE


def test_nothing_shipped_is_damaged_or_too_large():
    store = ModelStore(user=SHIPPED / "no such folder")
    assert store.problems() == {}
    sizes = [path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()]
    assert sum(sizes) < 45e6
    assert max(sizes) < 16 * 2**20


def test_tiny_model_computes_the_same_on_both_runtimes(tiny_model: Model):
    # Sums of float32 in another order: a few last digits.
    assert parity_error(tiny_model) < 1e-5


def test_other_weights_under_the_same_graph_are_noticed(tiny_model, monkeypatch):
    true = tiny_model.graph_weights()
    doubled = {name: 2 * value for name, value in true.items()}
    monkeypatch.setattr(Model, "graph_weights", lambda _: doubled)
    assert parity_error(tiny_model) > PARITY_TOLERANCE
