import json

import pytest
import torch

from napari_qpm.errors import UnknownNameError
from napari_qpm.networks import DMQPMNet
from napari_qpm.training import make_recipe, train
from napari_qpm.training.recipe import OptimizerKind

TINY = {
    "width": 2,
    "shape": [64, 64],
    "size_px": [16, 30],
    "batch_size": 2,
    "steps": 2,
    "n_validation": 2,
    "validate_every": 2,
    "checkpoint_every": 1,
    "log_every": 1,
}


def test_recipes_are_those_of_nnunet():
    recipe = make_recipe("dm-qpmnet")
    assert recipe.trainer.optimizer is OptimizerKind.SGD
    assert recipe.trainer.learning_rate == 1e-2
    assert recipe.width == 32
    assert make_recipe("dm-qpmnet-phase").inputs == "phase"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"fusion": "concat"},
        {"fusion": "gate", "fusion_stage": 1},
        {"fusion_stage": 3},
        {"inputs": "early"},
        {"inputs": "angles"},
        {"drop_angle": 45},
    ],
    ids=str,
)
def test_every_comparison_is_trained_by_its_settings(settings):
    recipe = make_recipe("dm-qpmnet", {**TINY, **settings})
    network = recipe.make_network()
    assert isinstance(network, DMQPMNet)
    stream = recipe.make_stream(1, torch.device("cpu"), 2)
    losses = recipe.loss(network, stream.batch(0))
    assert list(losses) == ["dice", "entropy", "distance"]
    sum(losses.values()).backward()
    silent = {n for n, p in network.named_parameters() if p.grad is None}
    # The answer of the coarsest level weighs nothing.
    assert silent == {"decoder.answers.0.weight", "decoder.answers.0.bias"}


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_training_stops_and_goes_on(tmp_path, optimizer):
    settings = {**TINY, "optimizer": optimizer}
    recipe = make_recipe("dm-qpmnet-phase", settings)
    result = train(recipe, tmp_path / "run", seed=3)
    assert result.steps == 2
    assert {"dice", "distance_error"} <= set(result.scores)
    summary = json.loads((tmp_path / "run" / "run.json").read_text())
    assert summary["network_config"]["inputs"] == "phase"
    again = train(recipe, tmp_path / "run", seed=3, resume=True)
    assert again.steps == 2


def test_scores_are_perfect_for_the_truth_and_poor_for_its_opposite():
    recipe = make_recipe("dm-qpmnet-phase", TINY)
    target = torch.zeros(2, 3, 8, 8)
    target[0, :, 2:5, 2:5] = torch.tensor([1.0, 0.6, 0.4])[:, None, None]
    output = target.clone()
    output[:, 0] = output[:, 0] - 0.5
    assert recipe.scores(output, target) == pytest.approx(
        {"dice": 1, "distance_error": 0, "dice_less_distance_error": 1}
    )
    output[:, 0] *= -1
    assert recipe.scores(output, target)["dice"] == pytest.approx(0, abs=1e-6)


def test_measured_maps_leave_only_their_folder_in_the_record():
    recipe = make_recipe("dm-qpmnet-phase", {"real_maps": "somewhere/qpi-a2780-masks"})
    assert recipe.config()["domain"]["real_maps"] == "qpi-a2780-masks"


def test_unknown_optimizers_are_named():
    with pytest.raises(UnknownNameError, match="adamw"):
        make_recipe("dm-qpmnet", {"optimizer": "adam"})
