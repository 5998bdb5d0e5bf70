"""What another order of angles does to the phase is told as retrieval shows it."""

import numpy as np
import pytest

import napari_qpm as qpm
from napari_qpm.instrument import Instrument, ReferenceWave
from napari_qpm.retrieval.demosaic import angle_pattern
from napari_qpm.specimens.samples import simulate
from napari_qpm.viewer.angle_orders import (
    ALL_ORDERS,
    Relation,
    order_in_frame,
    order_on_sensor,
    relation_of,
)

SONY = (90, 45, 135, 0)


@pytest.fixture(scope="module")
def sample():
    return simulate("polarization", n_frames=1, shape=(96, 96)).acquisition


def test_every_order_is_there_once():
    assert len(set(ALL_ORDERS)) == len(ALL_ORDERS) == 24
    relations = [relation_of(order, SONY, None) for order in ALL_ORDERS]
    assert {r: relations.count(r) for r in Relation} == {
        Relation.SAME_ORDER: 1,
        Relation.SAME_PHASE: 3,
        Relation.OPPOSITE: 4,
        Relation.DIFFERENT: 16,
    }


@pytest.mark.parametrize(
    "order", [(45, 0, 90, 135), (0, 135, 45, 90), (45, 90, 0, 135)]
)
def test_the_relation_is_what_retrieval_gives(sample, order):
    recording = sample.with_instrument(polarization_layout=SONY, phase_sign=1)
    chosen = qpm.retrieve(recording).read(0)

    other = qpm.retrieve(recording.with_instrument(polarization_layout=order)).read(0)

    sign = {Relation.SAME_PHASE: 1, Relation.OPPOSITE: -1}[
        relation_of(order, SONY, None)
    ]
    inside = np.s_[8:-8, 8:-8]
    assert np.ptp(chosen[inside]) > 1
    # Equal but for a constant; the background's fit is robust, not exact.
    difference = other[inside] - sign * chosen[inside]
    assert difference.std() < 0.02 * chosen[inside].std()


def test_where_the_constant_matters_a_turned_order_is_different():
    turned = (0, 135, 45, 90)
    assert relation_of(turned, SONY, None) is Relation.SAME_PHASE
    assert relation_of(turned, SONY, ReferenceWave.UNSCATTERED) is Relation.DIFFERENT


@pytest.mark.parametrize("offset", [(0, 0), (0, 1), (1, 0), (1, 1), (2, 3)])
def test_a_cropped_sensor_is_shown_as_it_lies_in_the_frame(offset):
    cropped = Instrument(polarization_layout=SONY, roi_offset_px=offset)

    order = order_in_frame(cropped, 1)

    assert order == tuple(angle_pattern(SONY, offset).ravel())
    assert order_on_sensor(order, cropped, 1) == SONY
    assert order_in_frame(cropped, 4) == SONY
