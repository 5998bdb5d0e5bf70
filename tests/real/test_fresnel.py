"""Real interferograms with wrong steps: the steps are found, and the ripple goes."""

import numpy as np
import pytest

from napari_qpm.io import open_acquisition
from napari_qpm.jobs import CancelToken
from napari_qpm.retrieval import make_phase_engine
from napari_qpm.retrieval.phase_steps import find_steps


@pytest.fixture(scope="module")
def fresnel(shared_data):
    return open_acquisition(
        shared_data / "psi-fresnel-4frame", modality="phase-shifting"
    )


def test_folder_opens_as_one_frame_of_four_interferograms(fresnel):
    assert fresnel.shape == (1, 4, 1024, 1024)


def test_steps_are_those_measured_at_the_carrier(fresnel):
    found = find_steps(fresnel.read(0))
    assert found.is_trusted
    # The data's README measured 0, 49, 107, 173 degrees at the carrier alone.
    np.testing.assert_allclose(np.abs(found.steps_deg), (0, 49, 107, 173), atol=3)
    means = np.array([53.1, 63.6, 71.9, 71.0])
    np.testing.assert_allclose(found.gains, means / means.mean(), rtol=0.01)


def ripple(wrapped):
    """Return the phase error that beats twice a fringe [rad], which wrong steps leave.

    Over 43 fringes phases are even; an error ``e sin(2 phi)`` bunches them by e.
    """
    return float(np.abs(np.exp(2j * wrapped).mean()))


def test_ripple_of_assumed_steps_is_gone(fresnel):
    def wrapped(acquisition):
        engine = make_phase_engine("phase-shifting")
        resolved = engine.resolve(acquisition, CancelToken())
        return engine.retrieve(resolved.read(0)[None], resolved, CancelToken())

    known = fresnel.with_instrument(phase_sign=1)
    ours = wrapped(known)
    assumed = wrapped(known.with_instrument(phase_steps_deg=(0, 90, 180, 270)))
    assert ripple(assumed.wrapped) > 0.2
    assert ripple(ours.wrapped) < 0.1 * ripple(assumed.wrapped)
