import numpy as np
import pytest

import napari_qpm as qpm

from .conftest import Run


def test_camera_is_measured_and_taken_out_of_a_recording(
    qpm_command: Run, recording, tmp_path
) -> None:
    shape = qpm.open(recording).shape[2:]
    rng = np.random.default_rng(0)
    dark = rng.normal(50, 2, (4, *shape)).astype(np.uint16)
    flat = (dark[:1] + 1000.0).astype(np.uint16).repeat(4, axis=0)
    for name, frames in (("dark", dark), ("flat", flat)):
        np.save(tmp_path / f"{name}.npy", frames)
    camera = tmp_path / "camera.npz"
    made = qpm_command(
        *(
            "calibrate",
            "--dark",
            tmp_path / "dark.npy",
            "--flat",
            tmp_path / "flat.npy",
        ),
        *("-o", camera, "--modality", "polarization", "--json"),
    )
    assert made.code == 0, made.stderr
    outcome = qpm_command(
        "apply-calibration", camera, recording, "-o", tmp_path / "out", "--json"
    )
    assert outcome.code == 0, outcome.stderr
    corrected = qpm.open(outcome.events[-1]["paths"][0])
    raw = qpm.open(recording)
    assert corrected.modality is raw.modality
    assert corrected.shape == raw.shape
    shift = np.nanmedian(raw.read(0) - corrected.read(0))
    assert 40 < shift < 60


@pytest.fixture
def bead_phase(tmp_path):
    """Phase [rad] of a bead of 6 um and 0.05 more index, at 532 nm and 0.2 um/px."""
    y, x = (np.indices((96, 96)) - 47.5) * 0.2
    path_um = 2 * 0.05 * np.sqrt(np.maximum(0, 3.0**2 - y**2 - x**2))
    noise = np.random.default_rng(0).normal(0, 0.02, path_um.shape)
    path = tmp_path / "bead.npy"
    np.save(path, (2 * np.pi * path_um / 0.532 + noise).astype(np.float32))
    return path


FACTS = (
    *("--modality", "phase", "--set-instrument", "phase_unit=rad"),
    *("--set-instrument", "pixel_size_um=0.2"),
    *("--set-instrument", "medium_index=1.337", "--index", "1.387"),
)


def test_bead_tells_whether_the_scale_is_right(qpm_command: Run, bead_phase) -> None:
    for wavelength, verdict in ((532, "good"), (633, "bad")):
        outcome = qpm_command(
            *("check-scale", bead_phase, "--bead-um", "6", *FACTS, "--json"),
            *("--set-instrument", f"wavelength_nm={wavelength}"),
        )
        assert outcome.code == 0, outcome.stderr
        (found,) = outcome.events[-1]["recordings"]
        assert found["verdict"] == verdict
        assert found["height_off"] == pytest.approx(wavelength / 532 - 1, abs=0.01)
        assert found["height_expected_nm"] == pytest.approx(300)


def test_scale_is_told_in_words(qpm_command: Run, bead_phase) -> None:
    known = ("--set-instrument", "wavelength_nm=633")
    outcome = qpm_command("check-scale", bead_phase, "--bead-um", "6", *FACTS, *known)
    assert outcome.code == 0, outcome.stderr
    assert "Scale: bad. 1 bead: height 35" in outcome.stdout
    assert "must be 300 nm: off by +1" in outcome.stdout


@pytest.mark.parametrize("sizes", [(), ("--bead-um", "6", "--step-nm", "100")])
def test_one_known_object_is_asked_for(qpm_command: Run, bead_phase, sizes) -> None:
    outcome = qpm_command("check-scale", bead_phase, *sizes, *FACTS)
    assert outcome.code == 2
    assert "either --bead-um or --step-nm" in outcome.stderr


def test_a_kind_is_no_fact_about_the_instrument(qpm_command, tmp_path):
    asked = qpm_command(
        *("check-scale", tmp_path / "beads.tif", "--bead-um", "8", "--index", "1.4"),
        *("--set-instrument", "modality=phase"),
    )

    assert asked.code != 0
    assert "--modality" in asked.stderr
