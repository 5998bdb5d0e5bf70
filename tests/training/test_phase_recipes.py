import json

import pytest
import torch

from napari_qpm.errors import ParameterError, UnknownNameError
from napari_qpm.networks import (
    ConnectionMask,
    NasPRNet,
    SparseMaskNet,
    SuperPRNet,
    UNet,
)
from napari_qpm.training import RECIPES, make_recipe, train


def test_recipes_are_listed():
    names = [entry.name for entry in RECIPES]
    assert names[:2] == ["nas-prnet", "nas-prnet-search"]
    with pytest.raises(UnknownNameError, match="nas-prnet"):
        make_recipe("nas-prnett")


def test_settings_reach_the_part_that_holds_them():
    recipe = make_recipe(
        "nas-prnet", {"batch_size": 2.0, "visibility": [0.5, 1], "gradient_weight": 1}
    )
    assert recipe.trainer.batch_size == 2
    assert recipe.domain.visibility == (0.5, 1)
    assert recipe.gradient_weight == 1.0


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"batchsize": 2}, UnknownNameError),
        ({"batch_size": "two"}, ParameterError),
        ({"batch_size": 0}, ParameterError),
        ({"visibility": 0.5}, ParameterError),
        ({"network": "resnet"}, UnknownNameError),
        ({"connections": ["E1->E1"], "network": "u-net"}, ParameterError),
    ],
)
def test_unknown_or_impossible_settings_are_refused(settings, error):
    with pytest.raises(error):
        make_recipe("nas-prnet", settings)


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("nas-prnet", NasPRNet),
        ("super-prnet", SuperPRNet),
        ("u-net", UNet),
        ("sparse-mask", SparseMaskNet),
    ],
)
def test_each_network_can_be_trained(name, network):
    recipe = make_recipe("nas-prnet", {"network": name, "width": 4, "input": "raw"})
    made = recipe.make_network()
    assert isinstance(made, network)
    assert made.in_channels == 1


def test_search_gives_its_connection_weights_a_rate_of_their_own():
    recipe = make_recipe("nas-prnet-search")
    network = recipe.make_network()
    groups = recipe.parameter_groups(network)
    assert len(groups[2]["params"]) == 1
    assert groups[2]["params"][0] is network.connection_weights
    assert (groups[2]["lr_factor"], groups[2]["weight_decay"]) == (5, 0)
    listed = [id(p) for group in groups for p in group["params"]]
    learnable = [id(p) for p in network.parameters() if p.requires_grad]
    assert sorted(listed) == sorted(learnable)


def test_search_prunes_what_its_weights_say_and_the_mask_can_be_trained(tmp_path):
    recipe = make_recipe("nas-prnet-search")
    network = recipe.make_network()
    with torch.no_grad():
        network.connection_weights[:8] = 0.0
    facts = recipe.finish(network, tmp_path)
    mask = ConnectionMask.load(tmp_path / "mask.json")
    assert facts["connections"] == len(mask) == 92
    assert mask.origin["weights"]["E1->D1"] == 0.0
    names = [str(connection) for connection in mask]
    derived = make_recipe("nas-prnet", {"connections": names}).make_network()
    assert sum(p.numel() for p in derived.parameters()) == facts["derived_params"]


SHORT_SEARCH = {
    "shape": [64, 64],
    "batch_size": 2,
    "steps": 5,
    "n_validation": 2,
    "validate_every": 5,
    "checkpoint_every": 100,
    "log_every": 2,
    "warmup_steps": 1,
    "learning_rate": 0.02,
}


def weights_found(folder):
    origin = json.loads((folder / "mask.json").read_text())["origin"]
    return list(origin["weights"].values())


def test_search_moves_the_weights_and_keeps_them_in_bounds(tmp_path):
    train(make_recipe("nas-prnet-search", SHORT_SEARCH), tmp_path)
    weights = weights_found(tmp_path)
    assert len(weights) == 100
    assert 0 <= min(weights) < 0.45
    assert 0.5 < max(weights) <= 1


def test_training_lowers_the_error_of_phase_maps(tmp_path):
    recipe = make_recipe(
        "nas-prnet",
        {
            "shape": [64, 64],
            "connections": ["E2->D1", "D3->D1", "E3->D3", "E5->D3", "D7->D3", "E7->D7"],
            "batch_size": 8,
            "steps": 30,
            "n_validation": 16,
            "validate_every": 30,
            "checkpoint_every": 100,
            "log_every": 10,
            "warmup_steps": 5,
            "learning_rate": 3e-3,
            "ema_decay": 0.8,
            "size_px": [20, 40],
            "background_rad": [0.01, 0.1],
        },
    )
    result = train(recipe, tmp_path)
    first = (tmp_path / "validation.csv").read_text().splitlines()[1].split(",")
    assert result.scores["psnr_db"] > float(first[2]) + 1


def test_connection_weights_wait_for_the_network_to_learn(tmp_path):
    train(
        make_recipe("nas-prnet-search", SHORT_SEARCH | {"waiting_share": 0.9}), tmp_path
    )
    # Only the last of five steps moved them, and the cosine is near its end.
    assert weights_found(tmp_path) == pytest.approx([0.5] * 100, abs=0.03)


def test_a_waiting_share_beyond_the_schedule_is_refused():
    with pytest.raises(ParameterError, match="waiting_share"):
        make_recipe("nas-prnet-search", {"waiting_share": 1.5})
