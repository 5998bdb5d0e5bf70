"""A real bead looks like the ball that the check of the scale fits to it."""

import warnings

import h5py
import numpy as np
import pytest

import napari_qpm as qpm
from napari_qpm.calibration import Bead, check_scale
from napari_qpm.checks.verdict import Verdict

MEDIUM = 1.335


@pytest.fixture(scope="module")
def bead(shared_data):
    """Phase of a polyacrylamide bead, from shearing fringes by qpretrieve."""
    path = shared_data / "qlsi-bead-reference" / "qlsi_paa_bead.h5"
    with h5py.File(path) as file:
        facts = dict(file["0"].attrs)
        images = [file[name][:].astype(float) for name in ("0", "reference")]
    with warnings.catch_warnings():
        # It warns of each faster transform that is not installed.
        warnings.simplefilter("ignore")
        import qpretrieve
    phases = []
    for image in images:
        fringes = qpretrieve.QLSInterferogram(image)
        fringes.run_pipeline(
            wavelength=facts["wavelength"], qlsi_pitch_term=facts["qlsi_pitch_term"]
        )
        phases.append(np.squeeze(fringes.phase))
    return qpm.Acquisition.from_array(
        (phases[0] - phases[1]).astype(np.float32),
        "phase",
        phase_unit="rad",
        wavelength_nm=facts["wavelength"] * 1e9,
        pixel_size_um=facts["pixel size"] * 1e6,
        medium_index=facts["medium index"],
    )


# Its maker's values are not published with it; these are what the fit itself finds, so
# what is shown is that a real bead has the shape, not that its size is right.
KNOWN = Bead(diameter_um=26.9, index=MEDIUM + 0.0838 / 26.9)


def test_real_bead_is_a_ball(bead):
    check = check_scale(qpm.retrieve(bead), KNOWN)
    assert check.verdict is Verdict.GOOD
    assert check.values["misfit"] < 0.02
    assert check.values["height_off_sd"] < 0.01
    assert check.values["diameter_off_sd"] < 0.01


def test_real_bead_under_a_wrong_wavelength_is_off(bead):
    wrong = bead.with_instrument(wavelength_nm=633)
    check = check_scale(qpm.retrieve(wrong), KNOWN)
    assert check.verdict is Verdict.BAD
    assert check.values["height_off"] == pytest.approx(633 / 550 - 1, abs=0.01)
