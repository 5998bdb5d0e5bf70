"""The four angles are shown, checked, chosen and laid on their recording."""

import numpy as np
import pytest
from tests.viewer.conftest import make_recording, show_recording

from napari_qpm.acquisition import Acquisition
from napari_qpm.retrieval.demosaic import demosaic
from napari_qpm.specimens.samples import simulate
from napari_qpm.viewer.angle_orders import Relation
from napari_qpm.viewer.angles import Angles
from napari_qpm.viewer.fields import METADATA_KEY, field_of
from napari_qpm.viewer.recording_facts import RecordingFacts

SONY = (90, 45, 135, 0)
WRONG = (0, 45, 90, 135)


@pytest.fixture
def facts(workflow, mailbox):
    made = RecordingFacts(workflow, post=mailbox.post)
    yield made
    made.close()


@pytest.fixture
def angles(facts):
    made = Angles(facts)
    yield made
    made.close()


@pytest.fixture(scope="module")
def sample():
    return simulate("polarization", n_frames=2, shape=(160, 200)).acquisition


@pytest.fixture
def look(angles, workflow, viewer, mailbox):
    """Show a recording and look at its angles."""

    def look_at(recording):
        layer = show_recording(viewer, recording)
        angles.look()
        mailbox.follow(workflow)
        return layer

    return look_at


def test_the_right_order_fits_and_the_value_is_told(angles, look, sample):
    look(sample)

    assert angles.order == SONY
    verdict = angles.verdict()
    assert verdict.startswith("The order fits: I0 + I90 and I45 + I135 differ by")
    assert verdict.count("%") == 3
    fitting = [one for one in angles.candidates() if one.fits]
    assert len(angles.candidates()) == 24
    assert [one.relation for one in fitting].count(Relation.SAME_PHASE) == 3
    assert len(fitting) == 8
    assert angles.candidates()[:8] == fitting
    assert max(one.imbalance for one in fitting) < min(
        one.imbalance for one in angles.candidates() if not one.fits
    )


def test_a_wrong_order_is_told_with_the_way_out(angles, look, sample):
    look(sample.with_instrument(polarization_layout=WRONG))

    assert "does not fit" in angles.verdict()
    assert "opposite angles lie diagonal" in angles.verdict()
    assert angles.candidates()[0].order == SONY


def test_choosing_an_order_changes_the_recording_and_is_an_edit(
    angles, look, sample, workflow, facts
):
    look(sample.with_instrument(polarization_layout=WRONG))

    angles.choose(SONY)

    assert workflow.acquisition.instrument.polarization_layout == SONY
    assert workflow.pipeline().instrument["polarization_layout"] == SONY
    assert facts.origin("polarization_layout").word == "yours"
    assert "The order fits" in angles.verdict()


def test_a_cropped_sensor_keeps_its_offset(angles, look, sample, workflow):
    cropped = sample.with_instrument(roi_offset_px=(1, 0), polarization_layout=WRONG)
    look(cropped)

    angles.choose(SONY)

    instrument = workflow.acquisition.instrument
    assert instrument.roi_offset_px == (1, 0)
    assert instrument.polarization_layout == (135, 0, 90, 45)
    assert angles.order == SONY


def test_an_even_frame_cannot_tell(angles, look):
    rng = np.random.default_rng(0)
    frame = rng.normal(1000, 5, (1, 1, 64, 64)).astype(np.float32)
    recording = Acquisition.from_array(
        frame, "polarization", polarization_layout=SONY, name="empty"
    )

    look(recording)

    assert angles.verdict().startswith("This frame cannot tell")
    assert {one.fits for one in angles.candidates()} == {None}


def test_pictures_share_their_limits(angles, look, sample):
    look(sample)

    pictures = angles.view.pictures
    assert pictures.shape == (4, 80, 100)
    raw = sample.read(0)[0].astype(float)
    means = [raw[r::2, c::2].mean() for r in (0, 1) for c in (0, 1)]
    order = np.argsort(pictures.mean(axis=(1, 2)))
    assert list(order) == list(np.argsort(means))


def test_large_frames_are_cropped_not_blurred(angles, look):
    y, x = np.mgrid[:800, :1000]
    frame = 1000 + 500 * np.cos(0.5 * x) * (y % 2)
    look(Acquisition.from_array(frame, "polarization", polarization_layout=SONY))

    assert angles.view.pictures.shape == (4, 160, 160)
    assert np.ptp(angles.view.pictures[2].astype(int)) > 200


def test_the_angles_become_layers_that_lie_on_the_recording(
    angles, look, sample, viewer, workflow, facts
):
    layer = look(sample)
    pixel = sample.instrument.pixel_size_um

    angles.add_layers()
    angles.add_layers()

    names = [one.name for one in viewer.layers]
    assert names[1:] == [f"{layer.name} {angle}°" for angle in SONY]
    first, last = viewer.layers[1], viewer.layers[4]
    assert first.data.shape == (2, 80, 100)
    np.testing.assert_allclose(first.scale[1:], 2 * pixel)
    np.testing.assert_allclose(last.translate[1:], pixel)
    np.testing.assert_array_equal(
        np.asarray(last.data[1]), demosaic(sample.read(1)[0], SONY)[0][1::2, 1::2]
    )
    assert viewer.layers.selection.active is layer
    assert field_of(first) is workflow.field
    facts.set(pixel_size_um=2 * pixel)
    np.testing.assert_allclose(last.scale[1:], 4 * pixel)
    angles.choose((0, 45, 135, 90))
    assert last.name == f"{layer.name} 90°"
    assert last.metadata[METADATA_KEY]["angle_deg"] == 90


def test_four_images_are_shown_as_they_are(angles, look, sample, viewer):
    images = demosaic(sample.read(0)[0], SONY)[None]
    recording = Acquisition.from_array(
        images, "polarization", polarization_layout=WRONG, name="split"
    )

    look(recording)
    angles.add_layers()

    assert angles.verdict().startswith("The order fits")
    assert viewer.layers["split 90°"].data.shape == (1, 160, 200)


def test_other_kinds_have_no_angles(angles, workflow, viewer):
    show_recording(viewer, make_recording())

    angles.look()

    assert not angles.is_available
    assert workflow.job is None
    assert angles.verdict() == ""
    assert angles.candidates() == []


def test_another_recording_hides_what_was_seen(angles, look, sample, viewer):
    first = look(sample)
    show_recording(viewer, make_recording())
    assert angles.view is None

    viewer.layers.selection.active = first

    assert angles.view is not None
