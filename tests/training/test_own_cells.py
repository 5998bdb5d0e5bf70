import dataclasses

import numpy as np
import pytest
import torch

from napari_qpm.errors import ParameterError
from napari_qpm.training.cell_fields import CellDomain
from napari_qpm.training.own_cells import CellFrame, FineTuneRecipe, OwnCellStream
from napari_qpm.training.segmentation_loss import IGNORED

CPU = torch.device("cpu")
DOMAIN = CellDomain(shape=(64, 64), size_px=(16, 30))
PLAIN = dataclasses.replace(DOMAIN, augments=False, turn_share=0.0, zoom_share=0.0)


def frame(judged: np.ndarray | None = None, height: float = 2.0) -> CellFrame:
    """Return one bright cell of 20 x 20 px in ``(1, 90, 110)``."""
    labels = np.zeros((90, 110), np.int32)
    labels[50:70, 60:80] = 3
    images = height * (labels > 0)[None].astype(np.float32)
    everywhere = np.ones(labels.shape, bool)
    return CellFrame.of(images, labels, everywhere if judged is None else judged)


def recipe(*frames: CellFrame, **changes) -> FineTuneRecipe:
    return FineTuneRecipe(
        inputs="phase",
        width=2,
        domain=DOMAIN,
        frames=frames,
        judges=frames,
        **changes,
    )


def test_images_and_answers_are_cut_alike():
    batch = OwnCellStream((frame(),), PLAIN, 1, CPU, 4).batch(3)
    assert batch.inputs.shape == (4, 1, 64, 64)
    assert batch.target.shape == (4, 3, 64, 64)
    inside = batch.target[:, 0] == 1
    # But for pixels right on an edge, where one is interpolated.
    assert float(((batch.inputs[:, 0] > 1) != inside).float().mean()) < 0.01
    assert float(batch.target[:, 2][inside].max()) == pytest.approx(1, abs=0.1)


def test_samples_depend_on_seed_and_step_only():
    made = OwnCellStream((frame(),), DOMAIN, 1, CPU, 2)
    made.batch(0)
    again = OwnCellStream((frame(),), DOMAIN, 1, CPU, 2)
    assert torch.equal(made.batch(5).inputs, again.batch(5).inputs)
    assert not torch.equal(made.batch(5).inputs, again.batch(6).inputs)


def test_what_nobody_judged_is_ignored_and_pieces_show_what_was():
    judged = np.zeros((90, 110), bool)
    judged[50:70, 60:80] = True
    batch = OwnCellStream((frame(judged),), PLAIN, 1, CPU, 6).batch(0)
    classes = batch.target[:, 0]
    assert set(classes.unique().tolist()) == {IGNORED, 1}
    assert bool(((classes == 1).flatten(1).sum(1) > 100).all())


def test_a_frame_smaller_than_a_piece_is_continued():
    small = CellFrame.of(
        np.ones((1, 40, 50), np.float32),
        np.ones((40, 50), np.int32),
        np.ones((40, 50), bool),
    )
    batch = OwnCellStream((small,), PLAIN, 1, CPU, 1).batch(0)
    assert batch.inputs.shape == (1, 1, 64, 64)
    assert float(batch.inputs.min()) == 1


def test_frames_without_a_judged_pixel_are_refused():
    with pytest.raises(ParameterError, match="nothing is annotated"):
        OwnCellStream((frame(np.zeros((90, 110), bool)),), PLAIN, 1, CPU, 1)


def test_simulations_are_mixed_in_and_own_frames_alone_judge():
    mixed = recipe(frame(height=100.0), replay_share=0.25)
    own = mixed.make_stream(1, CPU, 4).batch(0).inputs.amax(dim=(1, 2, 3)) > 50
    assert own.tolist() == [True, True, True, False]
    judging = mixed.make_validation(1, CPU, 4).batch(0)
    assert bool((judging.inputs.amax(dim=(1, 2, 3)) > 50).all())


def test_ignored_pixels_do_not_change_the_loss():
    judged = np.ones((90, 110), bool)
    judged[:, :55] = False
    taught = recipe(frame(judged), replay_share=0.0)
    torch.manual_seed(0)
    network = taught.make_network()
    batch = taught.make_stream(1, CPU, 2).batch(0)
    with torch.no_grad():
        first = taught.loss(network, batch)
    other = batch.target.clone()
    is_ignored = batch.target[:, :1] == IGNORED
    other[:, 1:] = torch.where(is_ignored, 0.7, batch.target[:, 1:])
    with torch.no_grad():
        second = taught.loss(network, dataclasses.replace(batch, target=other))
    assert float(sum(first.values())) == pytest.approx(float(sum(second.values())))


def test_settings_name_frames_by_their_fingerprints():
    config = recipe(frame()).config()
    assert config["frames"] == config["judges"] == [frame().digest()]
    assert config["frames"] != recipe(frame(height=3.0)).config()["frames"]
    with pytest.raises(ParameterError, match="replay_share"):
        recipe(frame(), replay_share=1.0)
