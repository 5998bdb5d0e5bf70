"""Every number of a model card comes from the model or its evaluation."""

import shutil

import pytest

from napari_qpm.errors import OutputError
from napari_qpm.evaluation import Evaluation, Row, card
from napari_qpm.evaluation.model_card import record
from napari_qpm.runtime import ModelSpec, ModelStore, open_model

REAL = [
    {
        "recording": "HL60",
        "model": "zero-shot",
        "correlation": 0.987,
        "inside_rms_rad": 0.41,
        "residual": None,
    }
]


@pytest.fixture
def evaluation():
    groups = {"fine fringes": {"rms_rad": 0.1234, "psnr_db": 39.0}}
    scores = {
        "psnr_db": 37.123,
        "mean_psnr_db": 38.2,
        "ssim": 0.9,
        "mae": 0.01,
        "rms_rad": 0.16,
    }
    row = Row(
        key="model",
        method="Tiny U-Net",
        metrics=scores,
        groups=groups,
        n=64,
        params=7_654_321,
        macs=9_876_000_000,
        source="this run, weights 0123",
    )
    missing = Row(key="u-net", method="U-Net", source="not run: needs a GPU")
    facts = {"revision": "abc123", "remarks": ["It is 2.0 dB below Fourier."]}
    return Evaluation(
        model="tiny-net", data="64 holograms", seed=1, rows=(row, missing), facts=facts
    )


def test_card_states_scores_cost_sources_and_limits(tiny_model, evaluation):
    text = card(ModelStore().model(tiny_model).spec, evaluation, REAL)
    for wanted in (
        "# Tiny U-Net",
        "7,654,321 parameters, 9.9 G multiply-accumulates",
        "| Tiny U-Net | 37.12 | 38.20 | 0.900 |",
        "| U-Net | not run |",
        "- U-Net: not run: needs a GPU",
        "| fine fringes | 0.123 |",
        "- It is 2.0 dB below Fourier.",
        "| HL60 | zero-shot | 0.99 | 0.41 |  |",
        "0 to 12 rad",
        "| seed | 3 |",
        "abc123",
    ):
        assert wanted in text, wanted


def test_card_without_real_holograms_does_not_mention_them(tiny_model, evaluation):
    text = card(ModelStore().model(tiny_model).spec, evaluation)
    assert "Real holograms" not in text


def test_record_keeps_weights_and_writes_scores_and_card(
    models_folder, tiny_model, evaluation, tmp_path
):
    folder = tmp_path / tiny_model
    shutil.copytree(models_folder / tiny_model, folder)
    before = open_model(folder)
    record(before, evaluation, REAL)
    after = open_model(folder)
    assert after.spec.metrics["psnr_db"] == 37.123
    assert after.spec.metrics["n"] == 64
    assert after.spec.sha256 == before.spec.sha256
    assert after.weights().keys() == before.weights().keys()
    assert (folder / "README.md").read_text("utf-8").startswith("# Tiny U-Net")
    assert not list(folder.glob(".*"))


def test_folder_that_is_gone_is_named(models_folder, tiny_model, evaluation, tmp_path):
    folder = tmp_path / tiny_model
    shutil.copytree(models_folder / tiny_model, folder)
    model = open_model(folder)
    shutil.rmtree(folder)
    with pytest.raises(OutputError, match="cannot be written"):
        record(model, evaluation)


def test_card_of_cells_says_what_it_needs_and_whose_images_taught_it():
    spec = ModelSpec(
        name="mine",
        title="Mine",
        kind="cells",
        architecture="dm-qpmnet",
        config={"in_channels": 1},
        preprocessing={"channels": ["phase"]},
        valid={"size_px": [16, 56]},
        training={"seed": 5, "config": {"domain": {"real_maps": "qpi-a2780-masks"}}},
    )
    row = Row(key="model", method="Mine", metrics={"dice": 0.91, "ap50": 0.7}, n=25)
    missing = Row(key="concat", method="by concatenation", source="not run: later")
    evaluation = Evaluation(model="mine", data="fields", seed=1, rows=(row, missing))
    text = card(spec, evaluation)
    assert "It needs phase of any microscope." in text
    assert 'engine="dm-qpmnet-phase", model="mine"' in text
    assert "qpi-a2780-masks" in text
    assert "BSD-3-Clause" in text
    assert "| Mine | 0.910 |" in text
    assert "| by concatenation | not run |" in text
    assert "| size_px | 16 to 56 |" in text
