import math
import time

import numpy as np
import pytest
from tests.viewer.conftest import show_recording

from napari_qpm.acquisition import Acquisition
from napari_qpm.viewer.frame_maker import Kind, log_spectrum
from napari_qpm.viewer.preview import Preview
from napari_qpm.viewer.settings import StepName
from napari_qpm.viewer.sideband import Sideband

CARRIER = (0.2, 0.25)


def hologram(size=128):
    y, x = np.mgrid[:size, :size]
    cell = 2 * np.exp(-((y - 64) ** 2 + (x - 60) ** 2) / 200)
    fringes = 100 + 60 * np.cos(2 * np.pi * (CARRIER[0] * y + CARRIER[1] * x) + cell)
    return fringes.astype(np.uint8)


@pytest.fixture
def sideband(viewer, workflow, mailbox):
    recording = Acquisition.from_array(hologram(), "off-axis", name="chip")
    show_recording(viewer, recording)
    preview = Preview(workflow, mailbox.post)
    yield Sideband(workflow, preview)
    preview.close()


def settle(sideband, mailbox):
    deadline = time.monotonic() + 20
    while not sideband._preview.is_idle and time.monotonic() < deadline:
        time.sleep(0.002)
    mailbox.deliver()


def test_the_spectrum_shows_both_sidebands_where_they_are():
    spectrum = log_spectrum(hologram())
    ny, nx = spectrum.shape
    row, column = round((CARRIER[0] + 0.5) * ny), round((CARRIER[1] + 0.5) * nx)
    noise = np.median(spectrum)
    for at in ((row, column), (ny - row, nx - column)):
        near = spectrum[at[0] - 2 : at[0] + 3, at[1] - 2 : at[1] + 3]
        assert near.max() > noise + 2


def test_a_found_sideband_is_shown_and_a_moved_one_becomes_a_fact(
    sideband, workflow, mailbox
):
    assert sideband.is_available
    assert sideband.carrier is None
    sideband._preview.show(Kind.WRAPPED)
    settle(sideband, mailbox)
    # The carrier is found to a fraction of a bin of 1/128.
    assert np.allclose(sideband.carrier, CARRIER, atol=0.004)
    assert "found" in sideband.describe()

    sideband.place((0.21, 0.24), 0.25 * math.hypot(0.21, 0.24))

    instrument = workflow.acquisition.instrument
    assert instrument.sideband_cycles_per_px == pytest.approx((0.21, 0.24))
    values = workflow.settings.values(StepName.RETRIEVE, workflow.modality)
    assert values["filter_radius"] == pytest.approx(0.25)
    assert "set" in sideband.describe()
    pipeline = workflow.pipeline()
    assert pipeline.instrument["sideband_cycles_per_px"] == pytest.approx((0.21, 0.24))

    sideband.search()
    assert workflow.acquisition.instrument.sideband_cycles_per_px is None


def test_impossible_places_are_brought_within_bounds(sideband, workflow):
    sideband.place((0.0, 0.0), 0.1)
    assert workflow.acquisition.instrument.sideband_cycles_per_px is None

    sideband.place((0.2, 0.2), 5.0)
    values = workflow.settings.values(StepName.RETRIEVE, workflow.modality)
    assert values["filter_radius"] == pytest.approx(0.6)


def test_a_moved_sideband_shows_its_phase(sideband, viewer, mailbox):
    sideband.place(CARRIER, 0.1)
    settle(sideband, mailbox)

    assert "chip preview" in [layer.name for layer in viewer.layers]
