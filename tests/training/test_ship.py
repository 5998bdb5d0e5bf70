import json

import numpy as np
import pytest
import torch

from napari_qpm.errors import FileFormatError
from napari_qpm.runtime import open_session
from napari_qpm.training import make_recipe, ship, train
from napari_qpm.training.ship import export_training

SETTINGS = {
    "shape": (32, 32),
    "batch_size": 2,
    "steps": 2,
    "n_validation": 2,
    "network": "u-net",
    "width": 2,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training") / "run"
    train(make_recipe("nas-prnet", SETTINGS), folder, seed=4)
    return folder


@pytest.fixture(scope="module")
def model(finished, tmp_path_factory):
    return export_training(
        finished,
        tmp_path_factory.mktemp("models") / "small",
        name="small",
        metrics={"held_out": {"psnr_db": 30.0}},
        half_graph=False,
    )


def test_model_knows_where_it_came_from(model):
    spec = model.spec
    assert (spec.name, spec.title, spec.kind) == ("small", "small", "phase")
    assert spec.architecture == "u-net"
    assert spec.config == {"in_channels": 3, "range_rad": 12.0, "width": 2}
    assert spec.preprocessing == {"input": "heterodyne"}
    assert spec.valid["period_px"] == [2.2, 9.0]
    assert spec.training["recipe"] == "nas-prnet"
    assert (spec.training["seed"], spec.training["samples"]) == (4, 4)
    assert spec.training["stopped"] == "completed"
    assert spec.training["config"]["trainer"]["steps"] == 2
    assert set(spec.metrics) == {"validation", "held_out"}


def test_model_computes_what_the_best_weights_do(model, finished):
    from napari_qpm.training.checkpoint import load_weights

    network = make_recipe("nas-prnet", SETTINGS).make_network().eval()
    load_weights(finished / "best.safetensors", network)
    inputs = np.random.default_rng(0).normal(size=(1, 3, 64, 32)).astype(np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(inputs)).numpy()
    found = open_session(model, device="cpu").run(inputs)
    # Weights lose 0.05 % each in half precision.
    assert np.abs(found - expected).max() < 5e-3


def test_training_that_still_runs_gives_its_best_weights(
    finished, tmp_path, monkeypatch
):
    for name in ("checkpoint.pt", "best.safetensors"):
        (tmp_path / name).write_bytes((finished / name).read_bytes())
    saved = {}

    def keep(folder, fields, network, **options):
        saved.update(fields)

    monkeypatch.setattr("napari_qpm.training.ship.save_model", keep)
    export_training(tmp_path, tmp_path / "m", name="early")
    assert saved["training"]["stopped"] == "still running when exported"
    assert saved["training"]["steps"] == 2
    assert saved["config"]["width"] == 2


@pytest.mark.parametrize(
    ("recipe", "network", "expected"),
    [
        ("nas-prnet-search", None, ("super-prnet", {})),
        ("nas-prnet", "super-prnet", ("super-prnet", {})),
        ("nas-prnet", "nas-prnet", ("nas-prnet", {"connections": ["E1->D1"]})),
        ("nas-prnet", "u-net", ("u-net", {"width": 16})),
    ],
)
def test_every_network_of_the_recipes_is_known(
    recipe, network, expected, tmp_path, monkeypatch
):
    from napari_qpm.training import ship

    domain = {"input": "raw", "range_rad": 6.0}
    config = {"recipe": recipe, "domain": domain, "network": network, "width": 16}
    config["connections"] = ["E1->D1"] if network == "nas-prnet" else None
    architecture, own = ship._network_of(config)
    shared = {"in_channels": 1, "range_rad": 6.0}
    assert (architecture, own) == (expected[0], shared | expected[1])


def test_folder_without_training_is_named(tmp_path):
    with pytest.raises(FileFormatError, match="holds no training"):
        export_training(tmp_path, tmp_path / "m", name="none")
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(FileFormatError, match=r"run\.json is damaged"):
        export_training(tmp_path, tmp_path / "m", name="none")


def test_summary_is_readable_without_us(model):
    values = json.loads((model.folder / "model.json").read_text())
    assert values["training"]["minutes"] >= 0
    assert values["licence"] == "BSD-3-Clause"


def test_networks_that_find_cells_state_channels_sizes_and_tiles(tmp_path, monkeypatch):
    settings = {
        "width": 2,
        "shape": [64, 64],
        "size_px": [16, 30],
        "batch_size": 2,
        "steps": 1,
        "n_validation": 2,
        "drop_angle": 90,
    }
    recipe = make_recipe("dm-qpmnet", settings)
    train(recipe, tmp_path / "run")
    fields = {}
    monkeypatch.setattr(
        ship, "save_model", lambda _, values, network, **__: fields.update(values)
    )
    export_training(tmp_path / "run", tmp_path / "model", name="mine")
    assert (fields["kind"], fields["modality"]) == ("cells", "polarization")
    assert fields["config"] == {"in_channels": 4, **recipe.network_config()}
    assert fields["preprocessing"]["channels"] == [
        "angle 0",
        "angle 45",
        "angle 135",
        "phase",
    ]
    assert fields["valid"] == {"size_px": [16, 30]}
    assert fields["tile"] == {
        "multiple": 32,
        "tile_px": 64,
        "overlap_px": 32,
        "fixed": True,
    }
    assert {"dice", "distance_error"} <= set(fields["metrics"]["validation"])
